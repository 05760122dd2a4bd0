"""Sessions of browsers: a signed cookie after a log-in, and the token of forms against cross-site requests."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

HOURS = 12
"""Lifetime of a session."""

_HS256 = {"alg": "HS256"}


class Sessions:
    """Signs and reads cookies (JSON Web Tokens, RFC 7519).

    >>> sessions = Sessions(b"k" * 32, clock=lambda: 1_000.0)
    >>> sessions.read(sessions.issue({"name": "ann"}))["name"]
    'ann'
    >>> sessions.read("forged") is None
    True

    Args:
        key: 32 random bytes.
        clock: Returns unix seconds.
    """

    def __init__(self, key: bytes, clock: Callable[[], float]) -> None:
        self._key, self._octets, self._clock = key, OctKey.import_key(key), clock

    def issue(self, claims: dict[str, Any], seconds: float = HOURS * 3600.0) -> str:
        """Return the cookie of a session with these claims."""
        return jwt.encode(_HS256, {**claims, "exp": int(self._clock() + seconds)}, self._octets)

    def read(self, cookie: str) -> dict[str, Any] | None:
        """Return the claims of a cookie; None if it is forged or has expired."""
        try:
            claims = jwt.decode(cookie, self._octets, algorithms=["HS256"]).claims
            expires = claims.get("exp")
        except (JoseError, ValueError):
            return None
        return claims if isinstance(expires, int) and self._clock() < expires else None

    def form_token(self, session: str) -> str:
        """Return the token that the forms of a session contain.

        Args:
            session: The cookie; another constant text for people without one.
        """
        return hmac.new(self._key, b"form:" + session.encode(), hashlib.sha256).hexdigest()[:40]
