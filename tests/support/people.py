"""Log-ins of tests: everybody is somebody who may do everything, unless a test says otherwise."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx
from driftline_processor.access.access import Access, Header
from driftline_processor.access.local import local_token_file
from driftline_processor.access.principal import ANONYMOUS, EVERYTHING, Permission, Principal
from driftline_processor.config.auth import Auth
from driftline_processor.config.capabilities import Capability


class EverybodyMayAll(Access):
    """Everybody is ``ann``, or the person of the header ``x-person``, or whose token is their name."""

    def __init__(self) -> None:
        super().__init__(Auth(), ANONYMOUS, secrets.token_bytes(32))

    def identify(self, header: Header, peer: str) -> Principal:
        """Return the person."""
        del peer
        token = (header("authorization") or "").removeprefix("Bearer ")
        return Principal(header("x-person") or token or "ann", (EVERYTHING,), "token")


class EverybodyMay(Access):
    """Everybody has some capabilities for some models."""

    def __init__(self, *capabilities: Capability, models: Iterable[str] = ("*",)) -> None:
        super().__init__(Auth(), ANONYMOUS, secrets.token_bytes(32))
        self._principal = Principal("ann", (Permission(frozenset(capabilities), tuple(models)),), "token")

    def identify(self, header: Header, peer: str) -> Principal:
        """Return the person."""
        del header, peer
        return self._principal


def bearer(web: str) -> dict[str, str]:
    """Return the header with the token of this user, for a processor without ``auth`` on this machine."""
    file = local_token_file(urlsplit(web).port or 0)
    return {"authorization": f"Bearer {file.read_text(encoding='ascii').strip()}"}


def log_in(browser: httpx.Client, web: str) -> None:
    """Log a browser in as this user."""
    answer = browser.post(f"{web}/login", data={"token": bearer(web)["authorization"].split()[1]})
    assert answer.status_code in (200, 303), answer.text
