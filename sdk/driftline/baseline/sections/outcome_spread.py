"""How far the outcomes of a regression are from their median: the mean absolute error of the best constant prediction.

Sums have no median, and outcomes with a heavy tail are nearer to it than normal ones with the same variance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import Column
from driftline.tables.task import Task

from .section import Section


@dataclass(frozen=True, slots=True)
class OutcomeSpread(Section):
    """The mean absolute deviation of the outcomes from their median, in their unit."""

    deviation: float

    def check(self) -> None:
        """Raise ``ValueError`` for a negative deviation."""
        if not self.deviation >= 0:
            raise ValueError("deviation must be a number of 0 or more")

    @classmethod
    def of(cls, task: Task, actual: Iterable[Column | None]) -> Self | None:
        """Return the spread of outcomes; None without any, and for other tasks than a regression.

        >>> OutcomeSpread.of(Task("regression"), [Column(numbers=np.array([1.0, 2.0, 2.0, 9.0, np.nan]))])
        OutcomeSpread(deviation=2.0)
        """
        if not task.predicts_number:
            return None
        known = [actual_numbers(column) for column in actual if column is not None]
        values = np.concatenate(known) if known else np.empty(0)
        values = values[np.isfinite(values)]
        return cls(float(np.abs(values - np.median(values)).mean())) if len(values) else None
