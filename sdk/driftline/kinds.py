"""What a baseline says of some of its features, each by one of a few words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from .checked import by_name
from .fold import ModelBins
from .leaving import Leaving


@dataclass(frozen=True, slots=True)
class Kinds:
    """Feature → one of ``KINDS``."""

    KINDS: ClassVar[tuple[str, ...]] = ()

    of: Mapping[str, str]

    def to_json(self) -> dict[str, str]:
        """Return name → kind."""
        return dict(self.of)

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        for name, kind in by_name(value).items():
            if kind not in cls.KINDS or name not in bins.features:
                raise ValueError(
                    f"that of {name!r} must be {' or '.join(map(repr, cls.KINDS))}, and {name!r} a feature"
                )
        return cls(by_name(value))

    def leaving(self, features: Leaving) -> Self | None:
        """Return those of features that leave."""
        of = {name: kind for name, kind in self.of.items() if name in features.kept}
        return type(self)(of) if of else None
