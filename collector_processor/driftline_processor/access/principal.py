"""The sender of a request, and what they may do with which models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Literal, get_args

from msgspec import Struct

from driftline_processor.config.auth import Grant
from driftline_processor.config.capabilities import CAPABILITIES, Capability
from driftline_processor.receipts import Signal

Login = Literal["none", "token", "session", "oidc", "proxy", "local"]
"""How somebody logged in: not at all; by a token in the header; by a cookie after a log-in with a token, or at the
OpenID Connect provider; by an authenticating proxy; or by the token of the user who runs the processor.
"""

SENDERS: tuple[Capability, ...] = ("ingest", "outcomes", "baselines")
"""Capabilities that OTLP requests can need, by what they contain."""


class Permission(Struct, frozen=True):
    """Capabilities for some models.

    Attributes:
        may: The capabilities.
        models: Patterns of the names of models.
    """

    may: frozenset[Capability]
    models: tuple[str, ...] = ("*",)

    @property
    def covers_all(self) -> bool:
        """Whether it is for every model."""
        return "*" in self.models

    def covers(self, model: str) -> bool:
        """Return True if it is for a model."""
        return self.covers_all or any(fnmatchcase(model, pattern) for pattern in self.models)


class Principal(Struct, frozen=True, dict=True):
    """The sender of a request.

    Attributes:
        name: Name of the token or person; "" if nobody logged in.
        permissions: What they may do.
        login: How they logged in.
        refusal: Why their credentials were not accepted; "" if there are none or they were.

    >>> ann = Principal("ann", (Permission(frozenset({"read"}), ("churn-*",)),), "token")
    >>> ann.may("read", "churn-eu"), ann.may("read", "fraud"), ann.may("read"), ann.may_some("read")
    (True, False, False, True)
    """

    name: str
    permissions: tuple[Permission, ...]
    login: Login = "none"
    refusal: str = ""

    def may(self, capability: Capability, model: str | None = None) -> bool:
        """Return True if they have a capability for a model; None: for every model."""
        return any(
            capability in one.may and (one.covers_all if model is None else one.covers(model))
            for one in self.permissions
        )

    def may_some(self, capability: Capability) -> bool:
        """Return True if they have a capability for at least one model."""
        return any(capability in one.may for one in self.permissions)

    @property
    def audited_name(self) -> str:
        """Name in the audit log."""
        return self.name or "anonymous"

    @property
    def named(self) -> bool:
        """Whether a log-in proved the name."""
        return self.login != "none"

    @property
    def ambient(self) -> bool:
        """Whether a browser sends the credentials by itself, so that pages of other sites could use them."""
        return self.login in ("session", "oidc", "proxy")

    @cached_property
    def sendings(self) -> Mapping[Signal, Sending]:
        """What they may send in the requests of a signal; without a signal of which they may send nothing."""
        sending = Sending.of(self.permissions)
        may = {signal: SENDERS if signal == "logs" else SENDERS[:1] for signal in get_args(Signal)}
        return {signal: sending.within(signal) for signal, names in may.items() if any(map(self.may_some, names))}


class Sending(Struct, frozen=True):
    """Restrictions of a request's content, which are stored with it in the log until it is decoded.

    Attributes:
        rules: Patterns of models by capability; a missing capability is not permitted. None = no restriction.
    """

    rules: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def of(cls, permissions: Iterable[Permission]) -> Sending:
        """Return what permissions allow to send."""
        rules: dict[str, tuple[str, ...]] = {}
        for permission in permissions:
            for capability in SENDERS:
                if capability in permission.may:
                    rules[capability] = (*rules.get(capability, ()), *permission.models)
        if all("*" in rules.get(capability, ()) for capability in SENDERS):
            return UNRESTRICTED
        return cls({name: ("*",) if "*" in models else tuple(dict.fromkeys(models)) for name, models in rules.items()})

    def within(self, signal: Signal) -> Sending:
        """Return the restrictions that concern a signal: only log records contain outcomes and baselines.

        >>> Sending({"ingest": ("*",)}).within("traces") is UNRESTRICTED
        True
        """
        if self.rules is None or signal == "logs":
            return self
        models = self.rules.get("ingest", ())
        return UNRESTRICTED if "*" in models else Sending({"ingest": models})

    @property
    def forwards(self) -> bool:
        """Whether its requests are forwarded to destinations."""
        return self.rules is None or "ingest" in self.rules

    def permits(self, capability: Capability, model: str) -> bool:
        """Return True if rows of this kind may be of a model.

        >>> sending = Sending({"ingest": ("churn-*",)})
        >>> sending.permits("ingest", "churn-eu"), sending.permits("outcomes", "churn-eu")
        (True, False)
        """
        if self.rules is None:
            return True
        return any(fnmatchcase(model, pattern) for pattern in self.rules.get(capability, ()))


UNRESTRICTED = Sending()
"""No restriction."""

EVERYTHING = Permission(frozenset(CAPABILITIES))
"""Every capability for every model."""

ANONYMOUS = Principal(
    "", (Permission(frozenset({"ingest", "outcomes", "panes", "read", "read_rows", "metrics", "baselines"})),)
)
"""A sender without credentials, if the configuration has no ``auth``: it may send and read, but decide nothing."""

NOBODY = Principal("", ())
"""A sender without credentials, if the configuration has ``auth``."""

CURRENT_SENDER: ContextVar[Principal | None] = ContextVar("driftline_sender", default=None)
"""The sender of the request that the current context answers, for the audit log; None without a request."""


def permissions_of(groups: Mapping[str, Grant], member_of: Iterable[Any]) -> tuple[Permission, ...]:
    """Return the permissions of a member of groups; ``*`` is the group of everybody."""
    return tuple(map(permission_of, _grants(groups, member_of)))


def permission_of(grant: Grant) -> Permission:
    """Return the permission that a section of the configuration grants."""
    return Permission(frozenset(grant.may), tuple(grant.models))


def _grants(groups: Mapping[str, Grant], member_of: Iterable[Any]) -> Iterator[Grant]:
    for name in dict.fromkeys(("*", *map(str, member_of))):
        if name in groups:
            yield groups[name]
