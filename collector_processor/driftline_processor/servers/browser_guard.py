"""Reject HTTP requests from pages of other sites, or for other host names.

A page of another site can make a browser on this network send requests here, and read the answers if its name resolves
to our address (DNS rebinding). So every request on every port is checked:

1. ``Host`` must be an IP address, a loopback name, this machine's name, the listener's, or one of ``allowed_hosts``:
else 421. HTTP/1.1 without it is 400; HTTP/1.0 without it is accepted, because browsers do not use it.
2. ``Origin``, if present, must be that of the page itself, or one of ``cors.allowed_origins``: else 403.
3. ``Sec-Fetch-Site``, if present, must be ``same-origin`` or ``none``: else 403, except for a GET that navigates,
which is a clicked link.

Programs other than browsers do not send the last two.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import socket
from collections.abc import Collection
from fnmatch import fnmatchcase
from functools import cached_property
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from driftline_processor.otlp.protocol import refusal

_HOST = re.compile(r"(?:\[(?P<six>[^]/@\s]+)\]|(?P<name>[a-z0-9_.-]+))(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_OURS = ("same-origin", "none")
_PREFLIGHT_SECONDS = "7200"
_MOST_NAMED = 20

_log = logging.getLogger("driftline")


class AccessRules(Struct, frozen=True, dict=True):
    """The hosts and origins that a port accepts.

    Attributes:
        hosts: Names in addition to this machine's, such as ``drift.example.com``, or ``*.example.com`` for all
            subdomains; ``*`` is every name.
        origins: Sites whose pages may send requests, such as ``https://shop.example.com``; ``*`` matches any part.
    """

    hosts: Collection[str] = ()
    origins: Collection[str] = ()

    @cached_property
    def _own_origins(self) -> frozenset[str]:
        name = socket.gethostname().lower().rstrip(".")
        return frozenset(filter(None, ("localhost", name, name.partition(".")[0], f"{name.partition('.')[0]}.local")))

    def answers(self, host: str) -> bool:
        """Return True if requests to ``host`` (without a port, lower case) are accepted.

        >>> rules = AccessRules(hosts=["*.example.com"])
        >>> [rules.answers(host) for host in ("127.0.0.1", "::1", "localhost", "drift.example.com", "evil.test")]
        [True, True, True, True, False]
        """
        return _is_address(host) or host.endswith(".localhost") or host in self._own_origins or self.names(host)

    def names(self, host: str, everyone: bool = True) -> bool:
        """Return True if ``allowed_hosts`` contains a host. ``everyone``: whether ``*`` matches."""
        return any(
            fnmatchcase(host, pattern.lower().rstrip(".")) for pattern in self.hosts if everyone or pattern != "*"
        )

    def accepts(self, origin: str) -> bool:
        """Return True if pages of another origin may send requests."""
        return any(fnmatchcase(origin.lower(), pattern.lower().rstrip("/")) for pattern in self.origins)


class _Refused(Exception):  # noqa: N818 - carries an answer
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class BrowserGuard:
    """Rejects requests by these rules before they reach the application."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules
        self._logged: set[str] = set()
        self._answered: dict[str, re.Match[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on allowed requests."""
        if scope["type"] != "http":
            return  # web sockets are not used
        headers = Headers(scope=scope)
        try:
            host = self._check_host(scope, headers)
            origin = self._check_origin(scope, headers, host)
        except _Refused as refused:
            self._say_once(str(refused))
            answer = refusal(scope, refused.status, str(refused))
            await answer(scope, receive, send)
            return
        if origin is None:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(origin, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, _allowing(origin, send))

    def _check_host(self, scope: Scope, headers: Headers) -> re.Match[str] | None:
        host_headers = headers.getlist("host")
        if not host_headers and scope["http_version"] == "1.0":
            return None
        if len(host_headers) != 1 or not host_headers[0].strip():
            raise _Refused(400, "the request must have exactly one Host header, such as 'Host: localhost:8780'")
        if (known_answer := self._answered.get(host_headers[0])) is not None:
            return known_answer
        host_text = host_headers[0].strip().lower()
        host = _HOST.fullmatch(host_text)
        if host is None:
            raise _Refused(
                400, f"the Host header {host_text[:80]!r} is not a host; send a name or an address, and a port"
            )
        if not self._rules.answers(_name(host)):
            raise _Refused(
                421,
                f"this processor is not {_name(host)[:80]!r}; if it is reached by this name, "
                "add the name to allowed_hosts",
            )
        if len(self._answered) < _MOST_NAMED:
            self._answered[host_headers[0]] = host
        return host

    def _check_origin(self, scope: Scope, headers: Headers, host: re.Match[str] | None) -> str | None:
        """Return the allowed other site whose page sent the request; None for the same site."""
        origin = headers.get("origin")
        if origin is not None and self._rules.accepts(origin):
            return origin
        if origin is not None and not self._is_own_origin(origin, host):
            raise _Refused(
                403,
                f"pages of {origin[:80]!r} may not send requests here; to allow them to send OTLP, add the site to "
                "receivers.otlp.protocols.http.cors.allowed_origins",
            )
        site = headers.get("sec-fetch-site", "none")
        clicked = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        if site not in _OURS and not clicked:
            raise _Refused(403, "pages of other sites may link here, but may not send requests or read responses")
        return None

    def _is_own_origin(self, origin: str, host: re.Match[str] | None) -> bool:
        """Return True if an origin is that of the page itself, also behind a proxy that changes Host."""
        try:
            parts = urlsplit(origin.lower())
            port = str(parts.port or _DEFAULT_PORTS.get(parts.scheme, ""))
        except ValueError:
            return False
        name = (parts.hostname or "").rstrip(".")
        if not name or parts.scheme not in _DEFAULT_PORTS:
            return False
        if self._rules.names(name, everyone=False):
            return True
        return host is not None and name == _name(host) and port == (host["port"] or _DEFAULT_PORTS[parts.scheme])

    def _say_once(self, sentence: str) -> None:
        """Log each kind of rejection once, up to a maximum number."""
        if sentence not in self._logged and len(self._logged) < _MOST_NAMED:
            self._logged.add(sentence)
            _log.warning("a request was rejected: %s", sentence)


def _name(host: re.Match[str]) -> str:
    return str(host["six"] or host["name"].rstrip("."))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _preflight(origin: str, headers: Headers) -> Response:
    """Answer a preflight request (Fetch standard, "CORS-preflight request")."""
    allowed = {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "POST",
        "access-control-max-age": _PREFLIGHT_SECONDS,
        "vary": "Origin",
    }
    requested_headers = headers.get("access-control-request-headers")
    if requested_headers:
        allowed["access-control-allow-headers"] = requested_headers
    return Response(status_code=204, headers=allowed)


def _allowing(origin: str, send: Send) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = origin
            headers.add_vary_header("Origin")
        await send(message)

    return send_with
