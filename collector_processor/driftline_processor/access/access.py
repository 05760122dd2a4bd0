"""Identification of the senders of requests, by HTTP headers or gRPC metadata."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct, field

from driftline_processor.config.auth import Auth

from .local import LocalToken
from .principal import (
    ANONYMOUS,
    EVERYTHING,
    NOBODY,
    Permission,
    Principal,
    permission_of,
    permissions_of,
)
from .sessions import Sessions, cookie_value

Header = Callable[[str], str | None]
"""Returns the value of a header by its name in lower case."""

KnownToken = tuple[bytes, Principal]
"""The digest of a token, and its holder."""

WRONG_TOKEN = "the token is unknown or was replaced; send a valid one as 'Authorization: Bearer TOKEN'"

_log = logging.getLogger("driftline")


class _Tokens(Struct, frozen=True):
    """The tokens of a configuration.

    Attributes:
        by_digest: The tokens by their digests.
        sent: The holders of those that were sent, by their text: a digest per request takes 2 % of a small request.
    """

    by_digest: Mapping[bytes, KnownToken]
    sent: dict[str, Principal] = field(default_factory=dict)


class FailedLogins(Struct, frozen=True):
    """Failed log-ins from one address.

    Attributes:
        address: The address; "other addresses" beyond the limit of addresses.
        count: Their number.
    """

    address: str
    count: int


class LoginAttempts:
    """Counts failed log-ins by address, and refuses further ones from an address with too many.

    Valid tokens are not slowed down, because others may share the address with an attacker.

    Args:
        clock: Seconds.
    """

    MOST = 10
    """Failed log-ins per address and minute after which a browser's log-in is refused."""

    MOST_ADDRESSES = 1_000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._failed: dict[str, list[float]] = {}
        self._unreported: dict[str, int] = {}

    def fail(self, address: str) -> None:
        """Count a failed log-in."""
        with self._lock:
            if address not in self._failed and len(self._failed) >= self.MOST_ADDRESSES:
                self._expire()
            known = address in self._failed or len(self._failed) < self.MOST_ADDRESSES
            times = self._failed.setdefault(address if known else "other addresses", [])
            times.append(self._clock())
            del times[: -self.MOST]
            name = address if known else "other addresses"
            self._unreported[name] = self._unreported.get(name, 0) + 1

    def wait(self, address: str) -> float:
        """Return the seconds until a log-in from an address is considered again; 0 = now."""
        with self._lock:
            times = self._failed.get(address, self._failed.get("other addresses", []))
            if len(times) < self.MOST:
                return 0.0
            return max(0.0, times[0] + 60.0 - self._clock())

    def drain(self) -> list[FailedLogins]:
        """Return the failed log-ins since the last call, for the audit log."""
        with self._lock:
            unreported, self._unreported = self._unreported, {}
            return [FailedLogins(address, count) for address, count in unreported.items()]

    def _expire(self) -> None:
        now = self._clock()
        self._failed = {address: times for address, times in self._failed.items() if now - times[-1] < 60.0}


class Access:
    """Identifies senders by the rules of the configuration, which can be replaced while it runs. Thread-safe.

    Args:
        auth: The configured tokens and log-ins.
        anonymous: Senders without credentials.
        key: Signs sessions: 32 random bytes.
        secure: Whether browsers connect by TLS.
        local: The token of the user who runs the processor, if there is no ``auth``.
        clock: Returns unix seconds.
    """

    def __init__(
        self,
        auth: Auth,
        anonymous: Principal,
        key: bytes,
        secure: bool = False,
        local: LocalToken | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self.sessions = Sessions(key, clock)
        self.attempts = LoginAttempts()
        self.local = local
        self.secure = secure
        self.anonymous = anonymous
        self.auth = auth
        self._tokens = _Tokens({})
        self.replace(auth, anonymous)

    @classmethod
    def without_log_in(cls) -> Access:
        """Return the access of a processor where everybody may send and read, and nobody can log in."""
        return cls(Auth(), ANONYMOUS, secrets.token_bytes(32))

    def sign_by(self, key: bytes) -> None:
        """Sign sessions by another key of 32 random bytes. Sessions signed by the one before end."""
        self.sessions = Sessions(key, self._clock)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie."""
        return "__Host-driftline" if self.secure else "driftline"

    @property
    def attempt_cookie(self) -> str:
        """Name of the cookie of a log-in at the provider, until the browser comes back."""
        return f"{self.cookie}-login"

    @property
    def has_tokens(self) -> bool:
        """Whether there is a token with which people can log in."""
        return bool(self._tokens.by_digest)

    def replace(self, auth: Auth, anonymous: Principal, tokens: Sequence[KnownToken] | None = None) -> list[str]:
        """Use other tokens and log-ins; return the names of the holders whose token was replaced or removed.

        Sessions of removed tokens end. Without ``tokens``, see :func:`read_tokens`, their files are read. Raises
        OSError and ValueError; then nothing changes.
        """
        tokens = [*(read_tokens(auth) if tokens is None else tokens)]
        if self.local is not None and not auth.enabled:
            tokens.append((_digest(self.local.text), Principal(self.local.name, (EVERYTHING,), "local")))
        digests = {digest for digest, _ in tokens}
        replaced = [holder.name for digest, holder in self._tokens.by_digest.values() if digest not in digests]
        self.auth, self.anonymous = auth, anonymous
        self._tokens = _Tokens({digest: (digest, holder) for digest, holder in tokens})
        return replaced

    def identify(self, header: Header, peer: str) -> Principal:
        """Return the sender of a request.

        Args:
            header: Returns its headers.
            peer: The address of the other end of the connection.
        """
        authorization = header("authorization")
        if authorization is not None:
            return self._by_authorization(authorization, peer)
        if self.auth.proxy is not None:
            principal = self._by_proxy(header, peer)
            if principal is not None:
                return principal
        cookie = header("cookie")
        if cookie is not None and self.cookie in cookie:
            return self._by_cookie(cookie) or self.anonymous
        return self.anonymous

    def by_token(self, token: str) -> Principal | None:
        """Return the holder of a token."""
        tokens = self._tokens  # they may be replaced meanwhile
        sent = tokens.sent.get(token)
        if sent is not None:
            return sent
        digest = _digest(token)  # nobody can choose it, so that the time of the search says nothing about other tokens
        known, holder = tokens.by_digest.get(digest, (b"", NOBODY))
        if not hmac.compare_digest(known, digest):
            return None
        tokens.sent[token] = holder
        return holder

    def start_session(self, token: str) -> str | None:
        """Return the cookie of a session of the holder of a token; None if the token is unknown."""
        if self.by_token(token) is None:
            return None
        return self.sessions.issue("session", {"token": _digest(token).hex()})

    def start_session_of(self, name: str, groups: Sequence[str]) -> str:
        """Return the cookie of a session of a person whom the OpenID Connect provider has named."""
        issuer = None if self.auth.oidc is None else self.auth.oidc.issuer
        return self.sessions.issue("session", {"name": name, "groups": list(groups), "issuer": issuer})

    def form_token(self, header: Header, principal: Principal) -> str:
        """Return the token that the forms of a page contain for its reader."""
        if principal.login in ("session", "oidc"):
            return self.sessions.form_token(f"session {cookie_value(header('cookie') or '', self.cookie)}")
        return self.sessions.form_token(f"{principal.login} {principal.name}")

    def _by_authorization(self, authorization: str, peer: str) -> Principal:
        scheme, _, token = authorization.partition(" ")
        holder = self.by_token(token.strip()) if scheme.lower() == "bearer" else None
        if holder is not None:
            return holder
        if not self.auth.enabled:
            return self.anonymous  # for a backend behind this processor, whose header is forwarded
        self.attempts.fail(peer)
        return Principal("", (), refusal=WRONG_TOKEN)

    def _by_proxy(self, header: Header, peer: str) -> Principal | None:
        proxy = self.auth.proxy
        assert proxy is not None
        name = (header(proxy.user_header.lower()) or "").strip()
        if not name or not _is_within(peer, proxy.addresses):
            return None
        groups = (header(proxy.groups_header.lower()) or "") if proxy.groups_header else ""
        member_of = [group.strip() for group in groups.split(",")]
        return Principal(name, permissions_of(proxy.groups, member_of), "proxy")

    def _by_cookie(self, cookies: str) -> Principal | None:
        claims = self.sessions.read(cookie_value(cookies, self.cookie), "session")
        if claims is None:
            return None
        if "token" in claims:
            return self._session_of_token(claims)
        oidc = self.auth.oidc
        if oidc is None or not claims.get("name") or claims.get("issuer") != oidc.issuer:
            return None
        permissions = permissions_of(oidc.groups, claims.get("groups", ()))
        return Principal(str(claims["name"]), permissions, "oidc")

    def _session_of_token(self, claims: Mapping[str, Any]) -> Principal | None:
        with suppress(ValueError, KeyError):
            _, holder = self._tokens.by_digest[bytes.fromhex(str(claims["token"]))]
            return Principal(holder.name, holder.permissions, "session")
        return None


def anonymous_of(auth: Auth, *, metrics: bool) -> Principal:
    """Return what senders without credentials may do.

    Args:
        auth: The configured tokens and log-ins.
        metrics: Whether everybody may read ``/metrics``, ``metrics_anonymous``.
    """
    if not auth.enabled:
        return ANONYMOUS
    return Principal("", (Permission(frozenset({"metrics"})),)) if metrics else NOBODY


def read_tokens(auth: Auth) -> list[KnownToken]:
    """Read the files of tokens. Raises OSError and ValueError."""
    return [(token.digest, Principal(token.name, (permission_of(token),), "token")) for token in auth.tokens]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is_within(peer: str, networks: Sequence[str]) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return any(mapped in ipaddress.ip_network(network) for network in networks)
