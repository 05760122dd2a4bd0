"""Days whose outcomes are all of one class: a fault of the outcomes, whose rows say nothing about the model.

Neither chance nor the baseline explains such a day: at the baseline's rate it has a probability of at most one in a
million, and no block of the baseline is like that. Its rows are left out of the search for slices and of the detector
of changes, where two such days of a fortnight look like a slice that became worse.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.tables.classes import class_codes
from driftline.tables.table import F64, I64, Column
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.outcomes.sums import confusion
from driftline_processor.core.windows.window import DAY

from .reference import blocks_of_baseline, reference_of
from .settings import STANDARD

BY_CHANCE = 1e-6
"""Maximum probability of outcomes of only one class, at the rate of the baseline, for a fault."""


class OneClassRule(Struct, frozen=True):
    """The rate of positives of a baseline, by which outcomes of one class are improbable.

    Attributes:
        positive: Code of the positive class.
        classes: The classes.
        low: Lower end of the interval of the rate.
        high: Upper end of the same interval.
    """

    positive: int
    classes: tuple[str, ...]
    low: float
    high: float

    def is_of_one_class(self, rows: F64, positives: F64) -> NDArray[np.bool_]:
        """Return True for groups with outcomes of one class that is improbable.

        Args:
            rows: float64 (n,), outcomes of each group.
            positives: float64 (n,), those of the positive class.

        >>> rule = OneClassRule(1, ("0", "1"), 0.4, 0.6)
        >>> rule.is_of_one_class(np.array([20.0, 20.0, 40.0, 40.0]), np.array([0.0, 1.0, 0.0, 40.0])).tolist()
        [False, False, True, True]
        """
        probable = np.where(positives > 0, self.high, 1 - self.low)
        single = (rows > 0) & ((positives == 0) | (positives == rows))
        found: NDArray[np.bool_] = single & (probable**rows <= BY_CHANCE)
        return found

    def positives(self, actual: Column) -> F64:
        """Return 1 for a positive outcome, 0 for another, NaN without one: float64 (n,)."""
        codes = class_codes(actual, self.classes)
        if codes is None:
            return np.zeros(0)
        return np.where((codes >= 0) & (codes < len(self.classes)), codes == self.positive, np.nan)


class DayCounts:
    """Outcomes per day, added up over batches of rows."""

    def __init__(self, rule: OneClassRule) -> None:
        """Start without rows."""
        self._rule = rule
        self._days, self._sums = np.zeros(0, np.int64), np.zeros((0, 2))

    def add(self, actual: Column, time: I64) -> None:
        """Add rows; ``time``: int64 (n,), unix nanoseconds."""
        positive = self._rule.positives(actual)
        if not len(positive):
            return
        known = np.isfinite(positive)
        days = np.concatenate([self._days, time[known] // DAY])
        sums = np.concatenate([self._sums, np.column_stack([np.ones(known.sum()), positive[known]])])
        self._days, place = np.unique(days, return_inverse=True)
        self._sums = np.stack([np.bincount(place, one, len(self._days)) for one in sums.T], axis=1)

    def faulty(self, time: I64) -> NDArray[np.bool_]:
        """Return the rows of days of one class: bool (n,)."""
        return np.isin(time // DAY, self._days[self._rule.is_of_one_class(*self._sums.T)])


def faulty_rows(baseline: Baseline, actual: Column, time: I64 | None) -> NDArray[np.bool_] | None:
    """Return the rows of days whose outcomes are of one class: bool (n,); None if there is no such rule, or no time."""
    rule = one_class_rule(baseline)
    if rule is None or time is None:
        return None
    days = DayCounts(rule)
    days.add(actual, time)
    return days.faulty(time)


_RULES: WeakKeyDictionary[Baseline, OneClassRule | None] = WeakKeyDictionary()


def one_class_rule(baseline: Baseline) -> OneClassRule | None:
    """Return the rule of a baseline; None for other tasks, or if its own blocks have outcomes of one class."""
    if baseline not in _RULES:
        _RULES[baseline] = _rule_of(baseline)
    return _RULES[baseline]


def _rule_of(baseline: Baseline) -> OneClassRule | None:
    task, rate = baseline.task, reference_of(baseline, STANDARD).get("actual_rate")
    if task.positive is None or rate is None or rate.value is None:
        return None
    low, high = (rate.value if end is None else end for end in (rate.low, rate.high))
    rule = OneClassRule(task.positive, task.classes, low, high)
    tables = [confusion(block, len(task.classes)) for block in blocks_of_baseline(baseline)[0]]
    actual = np.array([table.sum(axis=1) for table in tables if table is not None]).reshape(-1, len(task.classes))
    usual = rule.is_of_one_class(actual.sum(axis=1), actual[:, task.positive]).any()
    return None if usual else rule
