"""The keys of ``models.NAME.versions``: which version the others are compared with, and what the others are."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from driftline_processor.core.versions import VersionNames

from .section import Section
from .values import Form, Moment, Text


def _several(value: object) -> object:
    """One version or several; ``2`` means "2"."""
    return value if isinstance(value, (list, tuple)) or value is None else (value,)


Names = Annotated[tuple[Text, ...], BeforeValidator(_several), Form("list of text")]


class Versions(Section):
    """The version that others are compared with, and the roles of the others."""

    champion: Text | None = Field(
        default=None,
        description="The version that all other versions are [compared with](../how-to/compare-versions.md).",
        examples=['"1"'],
        json_schema_extra={"default": "the version with the most rows"},
    )
    challenger: Names = Field(
        default=(),
        description="Versions that are compared as a shadow if the champion scored at least half of their "
        "requests, and otherwise as a canary. A version that is not named is a challenger.",
        examples=['["4"]'],
    )
    shadow: Names = Field(
        default=(),
        description="Versions that score the requests of the champion, without effect. They are compared request "
        "by request.",
        examples=['["2"]'],
    )
    canary: Names = Field(
        default=(),
        description="Versions that answer requests of their own. They are compared hour by hour.",
        examples=['["3"]'],
    )
    since: Moment = Field(
        default=0,
        description="The earliest time at which the comparison starts, in [whole five "
        "minutes](../how-to/configure-the-processor.md#versions-that-predict-together).",
        examples=["2026-11-01T00:00:00Z"],
        json_schema_extra={"default": "the start of the later of the two versions"},
    )

    @property
    def named(self) -> VersionNames:
        """The names, as a comparison of versions takes them."""
        return VersionNames(self.champion, self.shadow, self.canary, self.since)

    def problems(self) -> list[str]:
        """Return a sentence for every rule between the keys that is broken."""
        version_names = [*self.challenger, *self.shadow, *self.canary]
        problems_found = [
            f"'{version_name}' is listed twice; list each version once"
            for version_name in {*version_names}
            if version_names.count(version_name) > 1
        ]
        if self.champion is not None and self.champion in version_names:
            problems_found.append(
                f"'{self.champion}' is the champion and is also listed as another kind of version; "
                "remove one of the two"
            )
        return sorted(problems_found)
