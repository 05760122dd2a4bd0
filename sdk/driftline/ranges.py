"""The least and the greatest value that each number of the reference had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from .bins import NumberBins
from .checked import by_name, floats, short
from .fold import ModelBins
from .leaving import Leaving
from .tables import Column


@dataclass(frozen=True, slots=True)
class Ranges:
    """Number feature → (least, greatest) finite value; a feature without any has none.

    One stray value moves them: what is out of range is judged by the outer edges of the bins, at the 0.1 % quantiles.
    """

    of: Mapping[str, tuple[float, float]]

    @classmethod
    def of_columns(cls, columns: Iterable[tuple[str, Column]], bins: ModelBins) -> Self | None:
        """Return those of the numbers in reference rows; None where there is none. A feature may come in pieces."""
        of: dict[str, tuple[float, float]] = {}
        for name, column in columns:
            if column.numbers is not None and isinstance(bins.features.get(name), NumberBins):
                finite = column.numbers[np.isfinite(column.numbers)]
                if len(finite):
                    least, greatest = of.get(name, (np.inf, -np.inf))
                    of[name] = (min(least, float(finite.min())), max(greatest, float(finite.max())))
        return cls({name: of[name] for name in bins.features if name in of}) if of else None

    def to_json(self) -> dict[str, list[float]]:
        """Return name → [least, greatest]."""
        return {name: [short(least), short(greatest)] for name, (least, greatest) in self.of.items()}

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read them back. Raises ``ValueError`` that names the rule."""
        of = {}
        for name, one in by_name(value).items():
            if not isinstance(bins.features.get(name), NumberBins):
                raise ValueError(f"{name!r} is no feature that is a number")
            both = floats(one).tolist()
            if len(both) != 2 or both[0] > both[1]:
                raise ValueError(f"that of {name!r} must be [least, greatest]")
            of[name] = (both[0], both[1])
        return cls(of)

    def leaving(self, features: Leaving) -> Self | None:
        """Return those of features that leave as they are: a range is two values."""
        of = {name: both for name, both in self.of.items() if name in features.plain}
        return type(self)(of) if of else None
