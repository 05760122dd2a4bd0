"""Log-ins of tests: everybody is somebody who may do everything, unless a test says otherwise."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from driftline_processor.access.access import Access, Header
from driftline_processor.access.principal import ANONYMOUS, EVERYTHING, Permission, Principal
from driftline_processor.config.auth import Auth, Capability


class EverybodyMayAll(Access):
    """Everybody is ``ann``, or the person of the header ``x-person``."""

    def __init__(self) -> None:
        super().__init__(Auth(), ANONYMOUS, secrets.token_bytes(32))

    def identify(self, header: Header, peer: str) -> Principal:
        """Return the person."""
        del peer
        return Principal(header("x-person") or "ann", (EVERYTHING,), "token")


class EverybodyMay(Access):
    """Everybody has some capabilities for some models."""

    def __init__(self, *capabilities: Capability, models: Iterable[str] = ("*",)) -> None:
        super().__init__(Auth(), ANONYMOUS, secrets.token_bytes(32))
        self._principal = Principal("ann", (Permission(frozenset(capabilities), tuple(models)),), "token")

    def identify(self, header: Header, peer: str) -> Principal:
        """Return the person."""
        del header, peer
        return self._principal
