"""Which days were exported to a place, so that only days with new results are written."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class ExportedDay(Struct, frozen=True):
    """A day that was exported.

    Attributes:
        revision: Its revision in ``GET /v1/tables``.
        tables: Table → digest of its rows.
    """

    revision: str
    tables: Mapping[str, str]


class Manifest(Struct):
    """What was exported to a place.

    Attributes:
        models: The names of ``--model``; empty = all.
        windows: The names of ``--window``; empty = all.
        days: Day → its revision and tables.
    """

    models: list[str] = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    days: dict[str, ExportedDay] = field(default_factory=dict)
