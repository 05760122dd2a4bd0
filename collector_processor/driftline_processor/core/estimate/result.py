"""An estimate of performance without labels, its track record and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ASSUMES = "assumes P(y|x) unchanged"
"""Shown wherever an estimate is: it cannot see that what the features mean for the outcome has changed."""

LEVEL = 0.95
DEVIATIONS = 1.959963984540054
"""Standard errors on either side of an estimate within which the realized value lies so often."""

Method = Literal["cbpe", "direct_loss", "importance_weighted"]
Trust = Literal["ok", "failed", "unknown"]
Unsure = Literal["too_few", "unlike"]
"""Why an estimate has no interval: too few rows or outcomes, of the window or the reference; rows of another kind."""


@dataclass(frozen=True, slots=True)
class Record:
    """The track record of a metric's estimates, once labels arrived.

    ``windows``: those judged, ten at most; ``missed``: how many of them it missed by far; ``inside``: the share whose
    realized value lay within the interval; ``mean_error``: realized less estimated.
    """

    state: Trust
    windows: int
    missed: int = 0
    inside: float | None = None
    mean_error: float | None = None


UNRECORDED = Record("unknown", 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric of a window that nobody has labelled. It assumes that P(y|x) is what it was in the reference.

    ``low`` / ``high``: where the value of all rows would lie in 95 of 100 windows, were they labelled; None where that
    cannot be promised, and ``unsure`` says why.
    ``sampling_error``: its standard error: of the rows' own chance, of the reference that the estimate was learned
    from, and of how much the reference's stretches of time differ. ``reference``: the realized value of the baseline's
    rows; ``lower_bound`` / ``upper_bound``: what a window of as many rows has while all is as in the reference (see
    :mod:`.bounds`); ``alert``: the estimate lies beyond them, None where they are not known. ``rows``: those it is
    about. ``source``: ``rows``, or ``panes``: sums that are enough for it. ``error``: what its labelled rows came to,
    less what was estimated of the same rows, and the standard error of that; None while fewer than 30 are known.
    ``record``: what came of this and earlier estimates of the metric (:mod:`.record`); a failed one drives no policy.
    """

    value: float | None
    low: float | None
    high: float | None
    sampling_error: float | None
    lower_bound: float | None
    upper_bound: float | None
    alert: bool | None
    rows: int
    source: Literal["rows", "panes"]
    method: Method
    reference: float | None = None
    error: float | None = None
    error_deviation: float | None = None
    record: Record = UNRECORDED
    unsure: Unsure | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A value and its variance: ``chance``, of outcomes that are drawn anew for the same rows; ``learned``, of the

    reference that it was learned from; ``mix``, of other rows of the same kind. ``bias``: of what was learned, the part
    by which an estimate of the reference's own rows is off what they came to. ``unsure``: what is not in them.
    """

    value: float | None
    chance: float = 0.0
    learned: float = 0.0
    mix: float = 0.0
    bias: float = 0.0
    unsure: Unsure | None = None


SHARES = frozenset(
    ("accuracy", "precision", "recall", "f1", "specificity", "balanced_accuracy", "roc_auc", "average_precision")
)
"""Metrics between 0 and 1, where more is better."""


def limits(metric: str) -> tuple[float, float]:
    """Return the least and the greatest value of a metric.

    >>> limits("accuracy"), limits("mae")
    ((0.0, 1.0), (0.0, inf))
    """
    bounded = metric in SHARES or metric in ("actual_rate", "roc_auc_ovr")
    return 0.0, 1.0 if bounded else float("inf")
