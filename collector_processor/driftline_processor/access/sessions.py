"""Sessions of browsers: a signed cookie after a log-in, and the token of forms against cross-site requests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

Use = Literal["session", "attempt"]
"""A session, or a log-in at a provider that has begun."""

LONGEST = 4_096
"""Maximum characters of a cookie that is read."""

HOURS = 12
"""Lifetime of a session."""

_HS256 = {"alg": "HS256"}


def cookie_value(header: str, name: str) -> str:
    """Return the value of a cookie, "" if there is none.

    The cookies of Driftline need no quotes. The parser of Python reads quoted values in quadratic time (CVE-2024-7592).

    >>> cookie_value("a=1; driftline=x.y; b", "driftline"), cookie_value("xdriftline=1", "driftline")
    ('x.y', '')
    """
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


class Sessions:
    """Signs and reads cookies (JSON Web Tokens, RFC 7519).

    >>> sessions = Sessions(b"k" * 32, clock=lambda: 1_000.0)
    >>> sessions.read(sessions.issue("session", {"name": "ann"}), "session")["name"]
    'ann'
    >>> sessions.read("forged", "session") is None
    True

    Args:
        key: 32 random bytes.
        clock: Returns unix seconds.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key, self._octets, self._clock = key, OctKey.import_key(key), clock

    def issue(self, use: Use, claims: dict[str, Any], seconds: float = HOURS * 3600.0) -> str:
        """Return a cookie with these claims, which is valid for one use only."""
        return jwt.encode(_HS256, {**claims, "use": use, "exp": int(self._clock() + seconds)}, self._octets)

    def read(self, cookie: str, use: Use) -> dict[str, Any] | None:
        """Return the claims of a cookie; None if it is forged, has expired, or is for another use."""
        if len(cookie) > LONGEST:
            return None
        try:
            claims = jwt.decode(cookie, self._octets, algorithms=["HS256"]).claims
            expires = claims.get("exp")
        except (JoseError, ValueError):
            return None
        valid = claims.get("use") == use and isinstance(expires, int) and self._clock() < expires
        return claims if valid else None

    def form_token(self, session: str) -> str:
        """Return the token that the forms of a session contain.

        Args:
            session: The cookie; another constant text for people without one.
        """
        return hmac.new(self._key, b"form:" + session.encode(), hashlib.sha256).hexdigest()[:40]
