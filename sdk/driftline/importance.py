"""How much each feature counts for a model's predictions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .checked import by_name, is_number, short
from .fold import ModelBins
from .leaving import Leaving


@dataclass(frozen=True, slots=True)
class Importance:
    """Feature → importance: finite numbers, none negative, in whatever unit; only their shares are compared.

    A document counts under its own name, not under those of its descriptors.
    """

    of: Mapping[str, float]

    @classmethod
    def given(cls, values: Any, features: Sequence[str]) -> Importance:
        """Return what somebody passed: a mapping of names to numbers, or n numbers in the order of the n features.

        A negative one (a permutation that happened to help) is 0. Raises ``ValueError`` that names the feature, the
        rule and the fix.

        >>> Importance.given(np.array([0.7, -0.01]), ["age", "plan"])
        Importance(of={'age': 0.7, 'plan': 0.0})
        """
        pairs = list(values.items() if isinstance(values, Mapping) else _parallel(values, features))
        known = set(features)
        for name, value in pairs:
            if str(name) not in known:
                raise ValueError(f"importance: {name!r} is no feature; the features are {', '.join(features)}")
            if not np.isfinite(float(value)):
                raise ValueError(f"importance: that of {name!r} is {value}; leave the feature out where it is unknown")
        return cls({str(name): max(0.0, float(value)) for name, value in pairs})

    def shares(self, names: Collection[str]) -> dict[str, float] | None:
        """Return the share of each of some features in their sum; None where none of them is known to count.

        >>> Importance({"age": 3.0, "plan": 1.0, "id": 4.0}).shares(["age", "plan"])
        {'age': 0.75, 'plan': 0.25}
        """
        total = sum(self.of.get(name, 0.0) for name in names)
        return {name: self.of.get(name, 0.0) / total for name in names} if total > 0 else None

    def to_json(self) -> dict[str, float]:
        """Return name → number."""
        return {name: short(value) for name, value in self.of.items()}

    @classmethod
    def from_json(cls, value: object, _bins: ModelBins) -> Self:
        """Read it back. Raises ``ValueError`` that names the rule."""
        for name, one in by_name(value).items():
            if not is_number(one) or not 0 <= float(one) < float("inf"):
                raise ValueError(f"that of {name!r} must be a finite number, not negative")
        return cls({name: float(one) for name, one in by_name(value).items()})

    def leaving(self, features: Leaving) -> Self | None:
        """Return it for the features that leave: it says nothing of their values."""
        of = {name: value for name, value in self.of.items() if name in features.kept}
        return type(self)(of) if of else None


def _parallel(values: Any, features: Sequence[str]) -> Iterator[tuple[str, float]]:
    numbers = np.asarray(values, dtype=np.float64).ravel()
    if len(numbers) != len(features):
        raise ValueError(
            f"importance has {len(numbers)} numbers for {len(features)} features; pass a mapping of names to numbers"
        )
    return zip(features, numbers.tolist(), strict=True)
