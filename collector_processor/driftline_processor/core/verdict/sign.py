"""A sign: one observation in a window for or against its model, with its fact, its size and its certainty."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation, MetricChange
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.windows.window import DAY

Reason = Literal[
    "service",
    "objective",
    "constant",
    "level",
    "worse",
    "output",
    "ranking",
    "same_rows",
    "errors",
    "data",
    "score",
    "inputs",
    "estimate",
    "slice",
    "slice_loss",
    "together",
]


LONE, LONE_DAYS = 0.025, 90
"""Maximum number of windows in this many days with one kind of sign by chance for a single window to be a risk; four
kinds add up to 0.1. Measured in the rows ``verdict-quiet-*``.
"""


OUTCOMES = "outcomes"
"""The part of a sign of faulty outcomes."""


OF_OUTPUT = ("output", "ranking")
"""Reasons of signs of a faulty output."""


COMPARED = ("worse", "level", "constant")
"""Signs of a comparison, which other rows can show to be chance or over."""


OF_ALL_ROWS = ("ranking", "constant", "level", "worse")
"""Signs of outcomes of all rows; a slice in which the model became worse is reported before them."""


FEWEST_OUTCOMES = 5
"""Minimum outcomes of a window that confirms a rise of errors. A day with one call has no rate of errors."""


class Sign(Struct, frozen=True):
    """One observation in a window.

    Attributes:
        reason: The kind of sign.
        fact: The observation.
        certainty: How certain it is.
        metric: The metric of ``effect``; "" without one.
        effect: Distance from the compared value, in the metric's unit; None without one.
        low: Lower end of the interval of ``effect``.
        high: Upper end of the same interval.
        clear: Whether one window is enough.
        slice: The affected slice; "" = all rows.
        since: Start, unix nanoseconds; None = that of the window.
        features: The affected features.
        part: The part that drifted or is faulty, to match the sign in other windows; "" without one.
        at_once: Whether it changes the state at once in any window: its level counts all looks of 90 days, or its limit
            is above the values of past hours, as that of the service.
    """

    reason: Reason
    fact: Fact
    certainty: Fact
    metric: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    clear: bool = False
    slice: str = ""
    since: int | None = None
    features: tuple[str, ...] = ()
    part: str = ""
    at_once: bool = False

    def stands_out(self, length: int) -> bool:
        """Return True if the sign is too rare by chance in 90 days to be ignored in a single window.

        Args:
            length: Nanoseconds of a window; 0 if rows have no time, which then counts as a day.
        """
        if self.clear:
            return True
        if self.low is None or self.high is None:
            return self.reason != "errors"  # unless another window confirms it
        windows = max(1.0, LONE_DAYS * DAY / (length or DAY))
        beyond = normal_quantile(1 - 2 * LONE / windows) / normal_quantile(STANDARD.confidence)
        return max(self.low, -self.high) >= (beyond - 1) * (self.high - self.low) / 2


def is_clear(low: float | None, high: float | None) -> bool:
    """Return True if an interval is far enough from zero for one window to be enough.

    >>> is_clear(0.01, 0.05), is_clear(0.04, 0.08), is_clear(None, None)
    (False, True, False)
    """
    if low is None or high is None:
        return False
    half = (high - low) / 2
    # 2.5: minimum distance of a value from its limit in half lengths of the 95 % interval, to count without a second
    # window: 2.5 × 1.96 standard errors have a probability of one in a million, that of AT_ONCE.
    return max(low, -high) >= (2.5 - 1) * half


def known_outcomes(evaluation: Evaluation) -> tuple[int, float | None]:
    """Return the number of outcomes of a window, and the fraction of its rows that has one."""
    return evaluation.outcome_rows, evaluation.coverage


def signed(change: MetricChange) -> tuple[float, float | None, float | None]:
    """Return a change with the ends of its interval."""
    return change.change, change.low, change.high
