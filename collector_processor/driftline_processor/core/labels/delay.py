"""The delay of outcomes: observed delays, the delay to wait for, and the SLA on their arrival.

The delay of an outcome is the time of the outcome less the time of its prediction. A pane counts delays over fixed
bounds, so that a corrected or late outcome revises them like every other sum.

A window's performance is final once its outcomes had the usual delay: the configured one, else the one learned from the
outcomes so far. With a hundred or more outcomes this is the 95 % quantile of the delay, with fewer the maximum. A
window with a coverage of 95 % does not wait.

Of young predictions, only fast outcomes are known, so the delays of all known outcomes are too short. The quantile is
therefore that of the product-limit estimator for right-truncated times (Lynden-Bell, 1971; Kalbfleisch and Lawless,
1989): each delay is compared with those of predictions that are old enough to show it. It cannot show a delay longer
than the age of the oldest prediction, so the learned delay of a young model grows with its age.

An import does not show how late outcomes are. Two rules exclude it: the outcome of an imported prediction that is dated
at the import has no delay (:func:`is_dated_by_import`); and a delay is learned only if outcomes became known
over at least half as long a period as their predictions were made in (:class:`Spread`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from driftline.panes.outcome_delays import BOUNDS as BOUNDS
from driftline.panes.outcome_delays import PART as PART
from driftline.panes.outcome_delays import WIDTH as WIDTH
from driftline.panes.outcome_delays import fold_delays as fold_delays
from driftline.panes.outcome_delays import place_of as place_of
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.evaluation import Delay, Judgement, SlaResult

_HOUR, _DAY = 3_600, 86_400
"""Seconds."""

_SECOND = 10**9
"""Nanoseconds."""

QUANTILES = (0.5, 0.9, 0.99)
"""Reported quantiles of the delay."""


class Sla(Struct, frozen=True):
    """Agreed arrival of labels: a fraction ``coverage`` of predictions has an outcome after ``within`` nanoseconds."""

    within: int
    coverage: float


def is_dated_by_import(time: I64, outcome_time: I64, received: I64) -> NDArray[np.bool_]:
    """Return which outcomes have the time of an import instead of the time at which they became known.

    Their prediction arrived late, after more than half of the delay, and they are dated at its arrival or later. Both
    with an hour for clocks and for senders that collect rows. An outcome that became known before its prediction
    arrived has a time of its own.

    Args:
        time: Time of each prediction, int64 (n,), unix nanoseconds.
        outcome_time: Time of each outcome, int64 (n,), unix nanoseconds.
        received: Arrival of each prediction, int64 (n,), unix nanoseconds.

    >>> day = 86_400 * 10**9
    >>> made, arrived = np.array([0, 0, 60]) * day, np.full(3, 60 * day)
    >>> is_dated_by_import(made, np.array([60, 2, 62]) * day, arrived).tolist()
    [True, False, False]
    """
    late, clocks = received - time, _HOUR * _SECOND
    arrives_late: NDArray[np.bool_] = late > np.maximum(clocks, (outcome_time - time) // 2)
    return arrives_late & (outcome_time > received - clocks)


def delay_of(pane: Pane) -> Delay | None:
    """Return the delay of outcomes; None without times.

    >>> delay_of(Pane({PART: np.bincount([3, 3, 40], minlength=WIDTH).astype(float)}))
    Delay(rows=3, median=5, p90=10368000, p99=10368000)
    """
    counts = pane.parts.get(PART)
    if counts is None or not counts.any():
        return None
    return Delay(round(counts.sum()), *(_quantile(counts, share) for share in QUANTILES))


def judge_sla(pane: Pane, rows: int, age: int | None, sla: Sla) -> SlaResult | None:
    """Return whether the outcomes of a window arrived in time; None for a window without rows.

    ``rows``: predictions that can have an outcome. ``age``: nanoseconds since the end of the window, None if no outcome
    will arrive anymore.
    """
    if rows <= 0:
        return None
    counts = pane.parts.get(PART, np.zeros(WIDTH))
    bounds = np.array([*BOUNDS, np.inf]) * 10**9
    surely = float(counts[bounds <= sla.within].sum())
    perhaps = float(counts[np.concatenate([[-np.inf], bounds[:-1]]) < sla.within].sum())
    if age is not None and age < sla.within:
        perhaps = rows - float(counts[np.concatenate([[-np.inf], bounds[:-1]]) >= sla.within].sum())
    low, high = min(surely / rows, 1.0), min(perhaps / rows, 1.0)
    state: Judgement = "met" if low >= sla.coverage else "broken" if high < sla.coverage else "inconclusive"
    return SlaResult(state, sla.within, sla.coverage, low, high, rows)


def _quantile(counts: F64, share: float) -> int | None:
    at = int(np.searchsorted(np.cumsum(counts), share * counts.sum() * (1 - 1e-12)))
    return BOUNDS[at] if at < len(BOUNDS) else None


SHARE = 0.95
"""Quantile of the observed delays that is the learned delay."""

FEW = 100
"""Number of outcomes below which the maximum delay is used."""

LEAST_AT_RISK = 20
"""Number of outcomes of predictions of an age below which they show nothing about longer delays."""

Source = Literal["configured", "learned", "unknown"]


class OutcomeDelay(NamedTuple):
    """The usual delay of outcomes."""

    nanoseconds: int = 0
    source: Source = "unknown"
    outcomes: int = 0

    @property
    def rounding(self) -> int:
        """Maximum nanoseconds by which a learned delay is longer than the observed one."""
        if self.source != "learned":
            return 0
        place = BOUNDS.index(self.nanoseconds // _SECOND)
        return self.nanoseconds - (BOUNDS[place - 1] * _SECOND if place else 0)

    def complete(self, coverage: float | None) -> bool:
        """Return True if a window need not wait: nearly all outcomes are known, and no delay is configured."""
        return self.source == "learned" and coverage is not None and coverage >= SHARE


UNKNOWN_DELAY = OutcomeDelay()


class Spread(NamedTuple):
    """How much times vary, as variances in days²: those of predictions with an outcome, and those of the outcomes."""

    predictions: float = 0.0
    outcomes: float = 0.0

    @property
    def in_bulk(self) -> bool:
        """True if all outcomes became known at about the same time, whenever their predictions were made.

        By standard deviation: the outcomes vary less than half as much as predictions that vary by more than an hour.
        """
        return self.predictions > (_HOUR / _DAY) ** 2 and self.outcomes < self.predictions / 4


def fold_delays_by_age(time: I64, outcome_time: I64, now: int) -> F64:
    """Count outcomes by the age of their prediction and by their delay: float64 (WIDTH, WIDTH).

    Args:
        time: Time of each prediction, int64 (n,), unix nanoseconds.
        outcome_time: Time of its outcome, int64 (n,); 0 without one.
        now: Time of the newest outcome or prediction.
    """
    known = np.flatnonzero(outcome_time > 0)
    age, delay = place_of(time[known], np.full(len(known), now)), place_of(time[known], outcome_time[known])
    return np.bincount(age * WIDTH + delay, minlength=WIDTH * WIDTH).reshape(WIDTH, WIDTH).astype(np.float64)


def learn_outcome_delay(counts: F64, spread: Spread) -> OutcomeDelay:
    """Learn the delay from the outcomes, counted over :data:`BOUNDS`; unknown if they came in bulk.

    Args:
        counts: Outcomes by the age of their prediction and by their delay, float64 (WIDTH, WIDTH).
        spread: How much their times vary.

    >>> counts = np.zeros((WIDTH, WIDTH))
    >>> month = BOUNDS.index(30 * 86_400)
    >>> counts[month, BOUNDS.index(60)], counts[month, BOUNDS.index(2 * 86_400)] = 30, 970
    >>> learn_outcome_delay(counts, Spread(8.0, 8.0))
    OutcomeDelay(nanoseconds=172800000000000, source='learned', outcomes=1000)
    >>> learn_outcome_delay(counts, Spread(8.0, 0.0))
    OutcomeDelay(nanoseconds=0, source='unknown', outcomes=1000)
    """
    outcomes = round(float(counts.sum()))
    if outcomes <= 0 or spread.in_bulk:
        return UNKNOWN_DELAY._replace(outcomes=outcomes)
    if outcomes < FEW:
        at = int(np.flatnonzero(counts.any(0))[-1])
    else:
        at = int(np.searchsorted(_fractions_by_delay(counts), SHARE * (1 - 1e-12)))
    return OutcomeDelay(BOUNDS[min(at, len(BOUNDS) - 1)] * _SECOND, "learned", outcomes)


def _fractions_by_delay(counts: F64) -> F64:
    """Return the fraction of outcomes that arrive within each bound, of those that arrive at all: float64 (WIDTH,).

    A fraction falls from each bound to the one before by the outcomes of this delay, among those of predictions that
    are old enough to show it: half of those whose age lies between the same two bounds, as in a life table. Where
    these are fewer than :data:`LEAST_AT_RISK`, the fraction is kept.
    """
    by_delay = counts.sum(0)
    at_risk = np.array([counts[at:, : at + 1].sum() - counts[at, : at + 1].sum() / 2 for at in range(WIDTH)])
    at_risk[-1] = counts[-1].sum()  # beyond the last bound
    kept = np.where(at_risk >= LEAST_AT_RISK, np.maximum(0.0, 1 - by_delay / np.maximum(at_risk, 1)), 1.0)
    top = int(np.flatnonzero(by_delay)[-1])
    kept[0], kept[top + 1 :] = 1.0, 1.0
    after = np.cumprod(kept[::-1])[::-1]
    fractions: F64 = np.append(after[1:], 1.0)
    return fractions
