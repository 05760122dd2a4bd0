"""What is kept of two versions' losses: sums over rows, which add up over any stretches of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from driftline.tables import F64

PAIRED: Final = "paired:"
"""Prefix of the parts of a pane that hold the :class:`Paired` sums of one loss."""


class Alone(NamedTuple):
    """Sums over the rows of one version: their number, Σw, Σw², and Σwx, Σw²x, Σw²x² of the loss x."""

    rows: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
    loss: float = 0.0
    weighed: float = 0.0
    weighed_squared: float = 0.0

    @property
    def mean(self) -> float | None:
        """The mean loss, None without rows."""
        return self.loss / self.weight if self.weight > 0 else None


class Paired(NamedTuple):
    """Sums over requests that both versions scored: their number, Σw, Σw², Σw of each loss, Σw²d and Σw²d².

    d is the second version's loss less the first's.
    """

    rows: float = 0.0
    weight: float = 0.0
    weight_squared: float = 0.0
    first: float = 0.0
    second: float = 0.0
    weighed: float = 0.0
    weighed_squared: float = 0.0


_NONE: Final = Alone()


@dataclass(frozen=True, slots=True)
class Sums:
    """The loss of two versions: of the same requests, where ``paired``, else of each one's own."""

    paired: Paired | None = None
    first: Alone = _NONE
    second: Alone = _NONE

    @property
    def rows(self) -> int:
        """Requests that both scored, else the rows of both together."""
        return round(self.paired.rows if self.paired is not None else self.first.rows + self.second.rows)

    def times(self, factor: float) -> Sums:
        """Return the sums of so many times the rows, which go on as they were."""
        paired = None if self.paired is None else Paired(*(factor * value for value in self.paired))
        first, second = (Alone(*(factor * value for value in one)) for one in (self.first, self.second))
        return Sums(paired, first, second)

    def swapped(self) -> Sums:
        """Return the sums with the versions in each other's place."""
        if self.paired is None:
            return Sums(None, self.second, self.first)
        own = self.paired
        return Sums(own._replace(first=own.second, second=own.first, weighed=-own.weighed))


def weights_differ(rows: float, weight: float, weight_squared: float) -> bool:
    """Whether rows have other weights than 1.

    >>> weights_differ(3, 3, 3), weights_differ(2, 3, 5)
    (False, True)
    """
    return not np.allclose([weight, weight_squared], rows, rtol=1e-12, atol=0)


def alone_of(losses: F64, weight: F64) -> Alone:
    """Sum the losses of rows, NaN where a row has none; both float64 (n,).

    >>> alone_of(np.array([0.0, 1.0, np.nan]), np.ones(3))
    Alone(rows=2.0, weight=2.0, weight_squared=2.0, loss=1.0, weighed=1.0, weighed_squared=1.0)
    """
    told = ~np.isnan(losses)
    x, w = losses[told], weight[told]
    squared = w**2
    sums = (w.sum(), squared.sum(), w @ x, squared @ x, squared @ x**2)
    return Alone(float(len(x)), *map(float, sums))
