"""Decide about the next retraining: retrain, wait, or inconclusive.

The expected gain is the drop in performance since the baseline, times the money per unit, times the predictions of the
horizon, times the fraction that retraining recovers. Its interval is that of the drop, with window and baseline both
uncertain (:mod:`~driftline_processor.core.performance.changes`).

*Retrain*: even the lower end is worth more than the cost, and the window has enough outcomes to retrain on. *Wait*:
even the upper end is worth less. Otherwise *inconclusive*, with the number of outcomes needed to decide. So a model
that is as good as its baseline is retrained in at most 2.5 % of decisions, whatever the cost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import ChangeKind, Evaluation, MetricValue
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.objective import LEAST_ROWS
from driftline_processor.core.windows.window import DAY

from .past import RecoveredShare, RetrainGain, gains_of_runs, recovered_share

if TYPE_CHECKING:
    # imports opentelemetry.proto, which evaluating files does not need
    from driftline_processor.core.decode.training_runs import TrainingRun

ASSUMED_SHARE = 0.5
"""Fraction of a drop that retraining is assumed to recover if no past retraining is known; marked as assumed wherever
it is used.
"""

LOSSES = (
    *("cost_per_prediction", "value_per_prediction", "accuracy", "mae", "ctr", "hit_rate"),
    *("log_loss", "brier", "mape"),
)
"""Metrics that are means over predictions, so that a unit has a value per prediction; the first available one is used.
"""

IN_MONEY = frozenset({"cost_per_prediction", "value_per_prediction"})
"""Metrics in money, where a unit is worth 1."""

HORIZON = 30.0
"""Default number of days that a new version is in use."""

MOST_OUTCOMES = 10**9
"""Maximum number of needed outcomes that is reported."""

Answer = Literal["retrain", "wait", "inconclusive"]

_NO_HELP: frozenset[ChangeKind] = frozenset({"data_fault", "output_fault", "service"})
"""Kinds of change that retraining does not fix."""


class LossChange(Struct, frozen=True):
    """How much worse a window is than the baseline, in the unit of the metric; positive is worse.

    Attributes:
        metric: Name of the metric.
        current: Its value in the window.
        reference: Its value in the baseline.
        degradation: How much worse the window is.
        low: Lower end of the 95 % interval of ``degradation``.
        high: Upper end of the same interval.
        outcomes: Outcomes of the window.
        own_low: Length of the window's own interval to the better side.
        own_high: Its length to the worse side.
        start: Start of the window, unix nanoseconds.
        end: End of the window.
        kind: The kind of change of the window, "" if none.
    """

    metric: str
    current: float
    reference: float
    degradation: float
    low: float
    high: float
    outcomes: int
    own_low: float
    own_high: float
    start: int
    end: int
    kind: ChangeKind | Literal[""] = ""


class RetrainCost(Struct, frozen=True):
    """The cost of a retraining.

    Attributes:
        amount: In the currency.
        currency: "" if unknown.
        source: Where it comes from.
        runs: Number of past runs in the median; 0 if it is given.
    """

    amount: float
    currency: str = ""
    source: Literal["given", "price sheet", "past runs"] = "given"
    runs: int = 0


class RetrainQuestion(Struct, frozen=True):
    """The inputs of the decision.

    Attributes:
        loss: How much worse the model is; None if unknown.
        no_loss: Why ``loss`` is unknown.
        value_per_unit: Money per unit of the metric and prediction; None = unknown.
        horizon: Length of the horizon in days.
        predictions: Predictions of the horizon; None = unknown.
        cost: Cost of retraining; None = unknown.
        gains: Gains of past retrainings.
        share: Recovered fraction given by the user instead of the past ones.
    """

    loss: LossChange | None
    no_loss: Fact | None = None
    value_per_unit: float | None = None
    horizon: float = HORIZON
    predictions: float | None = None
    cost: RetrainCost | None = None
    gains: Sequence[RetrainGain] = ()
    share: float | None = None


class RetrainTerms(Struct, frozen=True):
    """Inputs given by the user; the others are computed from windows and past runs.

    Attributes:
        metric: One of :data:`LOSSES`; "" = the first available one.
        value: Money per unit of the metric and prediction; None = 1 for a metric in money, else unknown.
        cost: Money; None = the median of past runs.
        currency: Of both.
        horizon: Days.
        predictions: Predictions of the horizon; None = from the rate of the newest windows.
        share: Fraction that retraining recovers; None = the median of past retrainings, else :data:`ASSUMED_SHARE`.
    """

    metric: str = ""
    value: float | None = None
    cost: float | None = None
    currency: str = ""
    horizon: float = HORIZON
    predictions: float | None = None
    share: float | None = None


def question_of(
    terms: RetrainTerms,
    windows: Sequence[Evaluation],
    measured: Sequence[Evaluation],
    all_versions: Sequence[Evaluation],
    runs: Sequence[TrainingRun],
) -> RetrainQuestion:
    """Return the inputs of the decision for a model.

    Args:
        terms: Inputs given by the user.
        windows: Closed windows of one length of the version in use, oldest first; their rows are the traffic.
        measured: Those with final performance.
        all_versions: Windows of that length with final performance, of all versions.
        runs: Training runs of the model.
    """
    newest = measured[-1] if measured else None
    metric = None if newest is None else choose_loss(newest, terms.metric)
    loss = None if newest is None or metric is None else loss_change(newest, metric)
    value = 1.0 if terms.value is None and metric in IN_MONEY else terms.value
    return RetrainQuestion(
        loss=loss,
        no_loss=None if loss is not None else _why_no_loss(newest, metric, terms),
        value_per_unit=value,
        horizon=terms.horizon,
        predictions=expected_predictions(windows, terms.horizon) if terms.predictions is None else terms.predictions,
        cost=cost_of_runs(runs) if terms.cost is None else RetrainCost(terms.cost, terms.currency),
        gains=gains_of_runs(runs, all_versions, metric) if metric else [RetrainGain(run) for run in runs],
        share=terms.share,
    )


def expected_predictions(windows: Sequence[Evaluation], days: float) -> float | None:
    """Return the predictions of a horizon at the rate of the newest windows; None without any.

    Args:
        windows: Closed windows of one length, oldest first. Periods between them without predictions count.
        days: Length of the horizon.
    """
    # 30: windows that predict the traffic: a month of days
    newest = windows[-30:]
    span = newest[-1].window.end - newest[0].window.start if newest else 0
    if span <= 0:
        return None
    return sum(one.rows + one.distributed for one in newest) / span * DAY * days


def _why_no_loss(newest: Evaluation | None, metric: str | None, terms: RetrainTerms) -> Fact:
    if newest is None:
        return facts.NoFinalOutcomes()
    if not newest.reference:
        return facts.BaselineWithoutOutcomes()
    if metric is None and terms.metric:
        compared = tuple(name for name in LOSSES if name in newest.realized_changes)
        return facts.LossNotCompared(metric=terms.metric, compared=compared)
    if metric is None:
        return facts.NoMetricOfLoss(metrics=LOSSES)
    return facts.LossWithoutInterval(metric=metric)


class RetrainAnswer(Struct, frozen=True):
    """Whether to retrain.

    Attributes:
        answer: Retrain, wait or inconclusive.
        reason: Why gain and cost are not compared; None if they are.
        question: All inputs.
        recovered: Fraction of the drop that retraining is expected to recover.
        gain: Expected gain in money; None if an input is missing.
        gain_low: Lower end of its interval.
        gain_high: Upper end of the same.
        break_even: How much worse the model must be for retraining to pay, in the unit of the metric.
        outcomes_needed: Outcomes of a window needed to decide; None if it is decided, or if no number is enough.
        pays_from: The recovered fraction from which retraining could pay, if that fraction is only assumed and the
            answer is to wait; more than 1 if none would.
    """

    answer: Answer
    reason: Fact | None
    question: RetrainQuestion
    recovered: RecoveredShare
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    break_even: float | None = None
    outcomes_needed: int | None = None
    pays_from: float | None = None


def choose_loss(window: Evaluation, wanted: str = "") -> str | None:
    """Return the metric for the drop of a window; None if none was compared with the baseline.

    Args:
        window: A window with final performance.
        wanted: Requested metric, one of :data:`LOSSES`; "" = the first available one.
    """
    names = (wanted,) if wanted else LOSSES
    return next((name for name in names if name in window.realized_changes and name in window.realized), None)


def loss_change(window: Evaluation, metric: str) -> LossChange | None:
    """Return how much worse a window is than its baseline; None without an interval."""
    change, now, was = (
        window.realized_changes.get(metric),
        window.realized.get(metric),
        window.reference.get(metric),
    )
    if change is None or now is None or was is None or change.low is None or change.high is None:
        return None
    if now.value is None or was.value is None:
        return None
    lower_is_better = direction(metric) < 0
    low, high = (change.low, change.high) if lower_is_better else (-change.high, -change.low)
    worse = change.change if lower_is_better else -change.change
    own_low, own_high = _reach(now) if lower_is_better else _reach(now)[::-1]
    kind = "" if window.change_kind is None else window.change_kind.kind
    numbers = (now.value, was.value, worse, low, high)
    if not all(map(math.isfinite, numbers)):
        return None
    return LossChange(metric, *numbers, now.rows, own_low, own_high, window.window.start, window.window.end, kind)


def cost_of_runs(runs: Sequence[TrainingRun]) -> RetrainCost | None:
    """Return the median cost of past successful runs, in the currency of the newest; None without any."""
    priced = [run for run in sorted(runs, key=lambda one: one.end) if run.cost is not None and not run.error]
    if not priced:
        return None
    currency = priced[-1].currency
    amounts = [run.cost for run in priced if run.currency == currency and run.cost is not None]
    return RetrainCost(median(amounts), currency, "past runs", len(amounts))


def weigh_retraining(question: RetrainQuestion) -> RetrainAnswer:
    """Decide whether retraining pays.

    Args:
        question: The known inputs.

    >>> loss = LossChange("mae", 12.0, 10.0, 2.0, 1.5, 2.5, 5000, 0.4, 0.4, 0, 1)
    >>> asked = RetrainQuestion(loss, value_per_unit=0.01, predictions=100_000.0, cost=RetrainCost(120.0, "EUR"))
    >>> answer = weigh_retraining(asked)
    >>> answer.answer, answer.gain_low
    ('retrain', 750.0)
    """
    recovered = (
        recovered_share(question.gains, ASSUMED_SHARE) if question.share is None else RecoveredShare(question.share, 0)
    )
    loss = question.loss
    if loss is None:
        return RetrainAnswer("inconclusive", question.no_loss or facts.NoWindowCompared(), question, recovered)
    worth = _worth(question, recovered)
    gains = _gains(loss, worth)
    if loss.high <= 0:
        return RetrainAnswer("wait", facts.LossNotWorse(metric=loss.metric), question, recovered, *gains)
    if loss.kind in _NO_HELP:
        return RetrainAnswer("wait", facts.RetrainingDoesNotHelp(change=loss.kind), question, recovered, *gains)
    if worth is None or question.cost is None:
        return RetrainAnswer("inconclusive", _lacking(question), question, recovered, *gains)
    return _weighed(RetrainAnswer("retrain", None, question, recovered, *gains), loss, worth)


def _weighed(answer: RetrainAnswer, loss: LossChange, worth: float) -> RetrainAnswer:
    """Return the answer if all inputs are known; ``worth``: money per unit of the metric over the horizon."""
    assert answer.question.cost is not None
    cost, low, high = answer.question.cost.amount, loss.low * worth, loss.high * worth
    answer = replace(answer, break_even=cost / worth if worth > 0 else None)
    if low > cost and loss.outcomes < LEAST_ROWS:  # too few to retrain on, whatever they cost
        return replace(answer, answer="inconclusive", outcomes_needed=LEAST_ROWS)
    if low > cost:
        return answer
    if high < cost:
        return replace(answer, answer="wait", pays_from=_pays_from(answer, cost, loss, worth))
    return replace(answer, answer="inconclusive", outcomes_needed=_outcomes_needed(loss, answer.break_even))


def _worth(question: RetrainQuestion, recovered: RecoveredShare) -> float | None:
    """Return the money per unit of the metric over the horizon that retraining recovers."""
    if question.value_per_unit is None or question.predictions is None:
        return None
    worth = question.value_per_unit * question.predictions * recovered.value
    return worth if math.isfinite(worth) else None


def _gains(loss: LossChange, worth: float | None) -> tuple[float | None, float | None, float | None]:
    if worth is None:
        return None, None, None
    return loss.degradation * worth, loss.low * worth, loss.high * worth


def _outcomes_needed(loss: LossChange, break_even: float | None) -> int | None:
    """Return the outcomes that a window needs for its interval to lie on one side; None if no number is enough."""
    if break_even is None:
        return None
    distance = loss.degradation - break_even
    whole, own = (
        (loss.degradation - loss.low, loss.own_low) if distance > 0 else (loss.high - loss.degradation, loss.own_high)
    )
    of_baseline = max(0.0, whole**2 - own**2)
    room = distance**2 - of_baseline
    if room <= 0 or own <= 0:
        return None
    needed = loss.outcomes * own**2 / room
    return max(loss.outcomes + 1, math.ceil(needed)) if needed < MOST_OUTCOMES else None


def _pays_from(answer: RetrainAnswer, cost: float, loss: LossChange, worth: float) -> float | None:
    """Return the recovered fraction from which the answer would change, if that fraction is assumed."""
    recovered = answer.recovered
    if answer.question.share is not None or recovered.runs or recovered.value <= 0 or worth <= 0 or loss.high <= 0:
        return None
    return cost / (loss.high * worth / recovered.value)


def _lacking(question: RetrainQuestion) -> Fact:
    factors = {"value": question.value_per_unit, "predictions": question.predictions, "cost": question.cost}
    lacking = tuple(name for name, factor in factors.items() if factor is None)
    return facts.FactorsLacking(names=lacking) if lacking else facts.FactorsTooLarge()


def _reach(value: MetricValue) -> tuple[float, float]:
    """Return the lengths of the interval of a value below and above it; 0 without an interval."""
    if value.value is None or value.low is None or value.high is None:
        return 0.0, 0.0
    return max(0.0, value.value - value.low), max(0.0, value.high - value.value)
