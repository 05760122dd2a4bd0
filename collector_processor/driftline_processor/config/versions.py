"""Versions of a model in ``driftline.yaml``: ``models.NAME.versions``."""

from __future__ import annotations

from typing import Annotated

from driftline.tables.timestamps import instant
from pydantic import BaseModel, BeforeValidator, ConfigDict

from driftline_processor.core.versions import VersionNames

from .values import Text


def _several(written: object) -> object:
    """One version or several; ``2`` means "2"."""
    return written if isinstance(written, (list, tuple)) or written is None else (written,)


def _moment(written: object) -> object:
    if isinstance(written, int) and not isinstance(written, bool):
        return written
    try:
        return instant(str(written))
    except ValueError:
        raise ValueError(f"'{written:.60}' is no time; write one such as '2026-11-01T00:00:00Z'") from None


Names = Annotated[tuple[Text, ...], BeforeValidator(_several)]


class Versions(BaseModel):
    """Which version the others are compared with, and what the others are.

    ``champion``: None = the one with most rows. Versions that are not named are challengers. ``since``: unix
    nanoseconds, from when on they are compared at the earliest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    champion: Text | None = None
    challenger: Names = ()
    shadow: Names = ()
    canary: Names = ()
    since: Annotated[int, BeforeValidator(_moment)] = 0

    @property
    def named(self) -> VersionNames:
        """The same, as a comparison takes it."""
        return VersionNames(self.champion, self.shadow, self.canary, self.since)

    def problems(self) -> list[str]:
        """Return what does not hold between the keys."""
        named = [*self.challenger, *self.shadow, *self.canary]
        found = [f"'{one}' is named twice; a version is one of them" for one in {*named} if named.count(one) > 1]
        if self.champion is not None and self.champion in named:
            found.append(f"'{self.champion}' is the champion and something else, too; leave one of the two out")
        return sorted(found)
