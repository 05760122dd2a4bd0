"""The kinds of actions, channels, receivers and exporters. A kind is one file with keys, checks and code.

``config`` does not import these files: a kind is imported when ``driftline.yaml`` contains it, so that unused
kinds are not loaded. Other distributions add kinds by entry points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any


@dataclass(frozen=True)
class Kinds:
    """The kinds of one family.

    Attributes:
        package: Package with one module per built-in kind.
        attribute: Name of the kind's class in these modules.
        group: Entry points of other distributions: name of the kind → its class.
        aliases: Other names of kinds.
    """

    package: str
    attribute: str
    group: str
    aliases: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the names of all kinds, those of other distributions last."""
        own_names = sorted(_modules(self.package))
        return [*own_names, *sorted(installed(self.group).keys() - {*own_names})]

    def find(self, name: str) -> Any:
        """Return the class of a kind; None if there is no such kind.

        Raises:
            ValueError: The kind is of another distribution, and its module cannot be imported.

        >>> ACTIONS.find("jira").__name__, ACTIONS.find("jra")
        ('Jira', None)
        """
        name = self.aliases.get(name, name)
        if name in _modules(self.package):
            return getattr(import_module(f"{self.package}.{name}"), self.attribute)
        kind_class = installed(self.group).get(name)
        if kind_class is None:
            return None
        try:
            return kind_class.load()
        except Exception as error:  # the module of any distribution
            raise ValueError(f"the extension '{name}' ({kind_class.value}) cannot be imported: {error}") from error


@cache
def _modules(package: str) -> frozenset[str]:
    return frozenset(module.name for module in iter_modules(import_module(package).__path__))


@cache
def installed(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of a group by name."""
    return {point.name: point for point in entry_points(group=group)}


CHANNELS = Kinds(
    "driftline_processor.policy.channels", "CHANNEL", "driftline_channels", {"http": "webhook", "https": "webhook"}
)
RECEIVERS = Kinds("driftline_processor.receivers.types", "RECEIVER", "driftline_receivers")
EXPORTERS = Kinds(
    "driftline_processor.exporters.types",
    "EXPORTER",
    "driftline_exporters",
    {"otlp": "otlp_grpc", "otlphttp": "otlp_http"},
)
ACTIONS = Kinds("driftline_processor.policy.actions", "ACTION", "driftline_actions")

BUSINESS_SOURCES = "driftline_business"
"""Entry points of sources of business series: key below ``business.NAME`` → class of its keys."""
