"""Which features of a baseline are already as a privacy rule lets them leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from .checked import by_name
from .fold import ModelBins
from .leaving import Leaving

HASHED, ROUNDED = KINDS = ("hash", "round")


@dataclass(frozen=True, slots=True)
class Ruled:
    """Feature → "hash" or "round": its bins are those of hashes, or lie between multiples of a step.

    What was hashed is not hashed again, and rows are compared with it only as the same rule lets them leave.
    """

    of: Mapping[str, str]

    def to_json(self) -> dict[str, str]:
        """Return name → rule."""
        return dict(self.of)

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read it back. Raises ``ValueError`` that names the rule."""
        for name, kind in by_name(value).items():
            if kind not in KINDS or name not in bins.features:
                raise ValueError(f"that of {name!r} must be {' or '.join(map(repr, KINDS))}, and {name!r} a feature")
        return cls(by_name(value))

    def leaving(self, features: Leaving) -> Self | None:
        """Return those of features that leave."""
        of = {name: kind for name, kind in self.of.items() if name in features.kept}
        return type(self)(of) if of else None
