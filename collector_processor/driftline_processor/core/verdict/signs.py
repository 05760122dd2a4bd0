"""Signs of one window for or against its model, each with its fact, its size and its certainty."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from driftline.baseline.sections.section import MOST_BLOCKS
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.change import is_proven_unit
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.drift.incident import AT_ONCE, WHERE
from driftline_processor.core.drift.rule import ALPHA
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Evaluation,
    Finding,
    InconclusiveReason,
    LossEvidence,
    MetricChange,
    MetricValue,
    ObjectiveState,
    ServiceLevel,
    SliceChange,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.intervals.confidence import normal_quantile
from driftline_processor.core.metrics import direction, metric_named
from driftline_processor.core.metrics.log_loss_constant import log_loss_of_constant
from driftline_processor.core.metrics.name_grammar import parse_name
from driftline_processor.core.output_faults import (
    DOUBTFUL,
    OutputFault,
    is_of_output,
    outcomes_of_one_class,
    output_faults,
)
from driftline_processor.core.performance.changes import is_significant
from driftline_processor.core.performance.difficulty import OFF, is_mostly_harder, losses_of_period
from driftline_processor.core.performance.margin import SHARE, deciding_metric, deciding_order, is_of_family, rank
from driftline_processor.core.performance.positive_class import POSITIVE
from driftline_processor.core.performance.settings import STANDARD
from driftline_processor.core.quality.checks.out_of_range import CHECK as OUT_OF_RANGE
from driftline_processor.core.quality.checks.unseen import CHECK as UNSEEN
from driftline_processor.core.service_level.failing import service_failing
from driftline_processor.core.service_level.level import ERROR_RATE
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.core.weak_slices.slice_change import METRIC_OF_LOSS
from driftline_processor.core.windows.window import DAY, looks_a_day

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

CHOSEN, CHOSEN_DAYS, CHOSEN_BY_CHANCE = 1.7, 30, 0.05
"""Ratio of a rise to its interval if its beginning was selected among thirty days, and its error rate. The two-sided
normal quantiles of 0.05 / 30 and 0.05 are 3.14 and 1.96, a ratio of 1.6; see ``evidence/verdict_quiet.json``.
"""

REPORTED_FIRST = ("log_loss", "brier", "roc_auc", "accuracy", "mae", "rmse", "r2", "ndcg")
"""The metrics to report first among the worse ones, each also at a cutoff."""

_REPORT_ORDER = {name: index - len(REPORTED_FIRST) for index, name in enumerate(REPORTED_FIRST)}

OUTCOMES = "outcomes"
"""The part of a sign of faulty outcomes."""

OF_OUTPUT = ("output", "ranking")
"""Reasons of signs of a faulty output."""

RARE = 0.001
"""P-value from which on a drift is said to be rarer than at the level of drift."""

COMPARED = ("worse", "level", "constant")
"""Signs of a comparison, which other rows can show to be chance or over."""

OF_ALL_ROWS = ("ranking", "constant", "level", "worse")
"""Signs of outcomes of all rows; a slice in which the model became worse is reported before them."""

FEWEST_OUTCOMES = 5
"""Minimum outcomes of a window that confirms a rise of errors. A day with one call has no rate of errors."""

_SIZES = ("moderate", "large")
"""Sizes of drift that put a model at risk. Small drift, even if significant, needs no action."""


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
            length: Nanoseconds of a window; 0 if rows have no time.
        """
        if self.clear or length <= 0:
            return True
        if self.low is None or self.high is None:
            return self.reason != "errors"  # unless another window confirms it
        windows = max(1.0, LONE_DAYS * DAY / length)
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


def signs_of_loss(
    evaluation: Evaluation, concept: ConceptDrift | None = None, earlier: Sequence[ServiceLevel] = ()
) -> list[Sign]:
    """Return the signs that the model is degraded, the most urgent first.

    Args:
        evaluation: The window.
        concept: Whether errors rose along the stream of outcomes.
        earlier: Service levels of earlier windows of the same length.
    """
    signs = [*_failing_service(evaluation, earlier), *faulty_output(evaluation), *_broken_objectives(evaluation)]
    if outcomes_of_one_class(evaluation, DOUBTFUL) is not None:
        return [sign for sign in signs if sign.reason in ("service", "output")]
    if evaluation.maturity == "mature":
        signs += list(_worse_than_a_constant(evaluation)) or list(_off_level(evaluation))
    signs += _worse_than_the_baseline(evaluation)
    slices = list(_worse_slice(evaluation))
    faulty = any(is_fault(finding) for finding in evaluation.findings)  # faults harm some slices more than others
    first = not faulty and all(sign.reason in OF_ALL_ROWS for sign in signs)
    signs = [*slices, *signs] if first else [*signs, *slices]
    if concept is not None:
        signs += _more_errors(evaluation, concept)
    return signs


def signs_of_risk(evaluation: Evaluation) -> list[Sign]:
    """Return the signs of a possible degradation, data faults first."""
    return [
        *_faulty_outcomes(evaluation),
        *_faulty_data(evaluation),
        *_worse_inside_margin(evaluation),
        *_miscalibrated(evaluation),
        *_worse_estimates(evaluation),
        *_moved_predictions(evaluation),
        *_moved_inputs(evaluation),
        *_moved_slices(evaluation),
        *_moved_together(evaluation),
    ]


def _worse_inside_margin(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign if the deciding metric is significantly worse, and the margin is inside its interval."""
    decides = deciding_change(evaluation)
    if decides is None or not evaluation.has_mature_outcomes:
        return
    name, change = decides
    if change.state == "inconclusive" and is_significant(change):
        fact = may_be_worse(name, change, "", evaluation.outcome_rows)
        yield Sign("worse", fact, facts.CertainlyWorse(*_outcomes(evaluation)), name, *_signed(change))


def may_be_worse(metric: str, change: MetricChange, reason: InconclusiveReason, outcomes: int) -> facts.MayBeWorse:
    """Return the fact that a metric may be worse, with its interval; ``outcomes``: how many are known."""
    certain = is_certainly_worse(metric, change)
    by_rows = change.by_rows if lacks_days(change) else None
    return facts.MayBeWorse(metric, change.low, change.high, certain, change.margin, reason, outcomes, by_rows)


def lacks_days(change: MetricChange) -> bool:
    """Return True if neither a window nor its baseline has enough days to estimate how days differ."""
    return change.reason == "too_few_days" and change.by_rows is not None


def compared_change(sign: Sign, evaluation: Evaluation) -> MetricChange | None:
    """Return what a window shows of the comparison of a sign; None if it compares nothing."""
    if sign.reason == "constant":
        return evaluation.constant_comparison
    return evaluation.realized_changes.get(sign.metric, evaluation.level if sign.reason == "level" else None)


def deciding_change(evaluation: Evaluation) -> tuple[str, MetricChange] | None:
    """Return the metric that decides whether the model is healthy, with its change; None if none has a margin."""
    changes = evaluation.realized_changes
    margins = [name for name, change in changes.items() if change.margin is not None]
    comparable = [name for name in margins if changes[name].reason != "easier_outcomes"]
    name = deciding_metric([name for name in changes if direction(name)], evaluation.reference, comparable or margins)
    return None if name is None else (name, changes[name])


def no_loss(evaluation: Evaluation) -> Sign | None:
    """Return the sign that the model is healthy; None without one.

    The deciding metric must be no worse than the baseline's; without one, every objective must be met, and one of them
    be of a metric of the outcomes. An immature window is compared with its objectives alone: outstanding outcomes can
    change a log loss without a limit.
    """
    if not evaluation.closed or (evaluation.maturity != "mature" and evaluation.realized_changes):
        return None
    if outcomes_of_one_class(evaluation, DOUBTFUL) is not None:
        return None
    decides = deciding_change(evaluation)
    if decides is not None:
        return _no_worse(evaluation, *decides) if is_fine(*decides) and not is_miscalibrated(evaluation) else None
    met = [objective for objective in evaluation.objectives if objective.state == "met"]
    of_outcomes = [objective for objective in met if not _of_service(objective)]
    if not of_outcomes or len(met) < len(evaluation.objectives):
        return None
    first_met = of_outcomes[0]
    effect = _beyond(first_met)
    shown_fact = facts.ObjectivesMet(count=len(met)) if len(met) > 1 else _objective(facts.ObjectiveMet, first_met)
    certainty = facts.ObjectiveCertainlyMet(*_outcomes(evaluation))
    return Sign("objective", shown_fact, certainty, first_met.metric, *effect, clear=is_clear(*effect[1:]))


def _no_worse(evaluation: Evaluation, name: str, change: MetricChange) -> Sign:
    value, was = evaluation.realized.get(name), evaluation.reference.get(name)
    better, now = _is_better(name, change), None if value is None else value.value
    if change.margin is not None and is_certainly_worse(name, change):
        shown_fact: Fact = facts.WorseInsideMargin(name, change.change, change.low, change.high, now, change.margin)
    else:
        baseline = None if was is None else was.value
        skill_now, skill_before = (
            _skill(one, evaluation.reference) for one in (evaluation.realized, evaluation.reference)
        )
        has_skill = name != "log_loss" or not skill_now < skill_before
        shown_fact = facts.NoWorseThanBaseline(name, now, baseline, change.margin, better=better and has_skill)
    certainty: Fact = facts.BetterThanBaseline(*_outcomes(evaluation))
    if not better:
        certainty = facts.InsideMargin(*_outcomes(evaluation), metric=name, margin=change.margin)
    clear = better or _is_clearly_inside(name, change)
    return Sign("worse", shown_fact, certainty, name, *_signed(change), clear=clear)


def _is_clearly_inside(name: str, change: MetricChange) -> bool:
    """Return True if a change is so far inside its margin that one window is enough."""
    if change.margin is None or change.low is None or change.high is None:
        return False
    ends = (-direction(name) * end for end in (change.low, change.high))
    low, high = sorted(change.margin - end for end in ends)
    return low > 0 and is_clear(low, high)


def is_certainly_worse(name: str, change: MetricChange) -> bool:
    """Return True if the whole interval of a change is on the bad side."""
    good_end = change.low if direction(name) < 0 else change.high
    return good_end is not None and is_worse(name, good_end)


def inconclusive_reason(evaluation: Evaluation) -> InconclusiveReason:
    """Return why the deciding metric is inconclusive; "" if unknown."""
    decides = deciding_change(evaluation)
    if decides is not None and decides[1].state == "inconclusive":
        return decides[1].reason
    return next(
        (
            objective.reason
            for objective in evaluation.objectives
            if objective.state == "inconclusive" and objective.reason
        ),
        "",
    )


def is_worse(metric: str, change: float) -> bool:
    """Return True if a change of a metric is for the worse.

    >>> is_worse("log_loss", 0.1), is_worse("roc_auc", 0.1), is_worse("actual_rate", 0.1)
    (True, False, False)
    """
    return direction(metric) * change < 0


def _outcomes(evaluation: Evaluation) -> tuple[int, float | None]:
    return evaluation.outcome_rows, evaluation.coverage


def _objective(kind: type[facts.OfObjective], state: ObjectiveState) -> Fact:
    return kind(state.metric, state.value, state.low, state.high, state.rule, state.relative, state.rolling)


def _signed(change: MetricChange) -> tuple[float, float | None, float | None]:
    return change.change, change.low, change.high


def _skill(metrics: Mapping[str, MetricValue], reference: Mapping[str, MetricValue]) -> float:
    """Return by how much the log loss is below that of a constant, which is low with few positives; NaN if unknown."""
    loss, constant = metrics.get("log_loss"), log_loss_of_constant(metrics, reference)
    if loss is None or constant is None or loss.value is None or constant.value is None:
        return math.nan
    return constant.value - loss.value


def _is_better(name: str, change: MetricChange) -> bool:
    """Return True if the whole interval of a change is on the good side."""
    bad_end = change.high if direction(name) < 0 else change.low
    return bad_end is not None and not is_worse(name, bad_end)


def _broken_objectives(evaluation: Evaluation) -> Iterator[Sign]:
    broken = [objective for objective in evaluation.objectives if objective.state == "broken"]
    for objective_state in sorted(
        broken, key=lambda objective: (not _of_service(objective), bool(objective.slice), -_excess(objective))
    ):
        effect = _beyond(objective_state)
        clear = objective_state.rolling or is_clear(*effect[1:])
        certainty = facts.ObjectiveCertainlyMissed(rows=objective_state.rows)
        shown_fact = _objective(facts.ObjectiveMissed, objective_state)
        reason: Reason = "service" if _of_service(objective_state) else "objective"
        where = objective_state.slice if "=" in objective_state.slice else ""
        yield Sign(
            reason,
            shown_fact,
            certainty,
            objective_state.metric,
            *effect,
            clear=clear,
            slice=where,
            since=objective_state.since or None,
            at_once=objective_state.rolling or (reason == "service" and clear),
        )


def _failing_service(evaluation: Evaluation, earlier: Sequence[ServiceLevel]) -> Iterator[Sign]:
    """Yield a sign for failing calls, if the service has no objective.

    Longer calls do not degrade a model: only an objective defines what is too slow.
    """
    if any(_of_service(objective) for objective in evaluation.objectives):
        return
    failure = service_failing(evaluation, earlier)
    if failure is None or failure.metric != ERROR_RATE:
        return
    limit = failure.limit
    low, high = (None if end is None else end - limit for end in (failure.low, failure.high))
    clear = is_clear(low, high)
    certainty = facts.FailuresCertain(metric=failure.metric, limit=limit)
    effect = failure.value - limit, low, high
    yield Sign("service", failure, certainty, failure.metric, *effect, clear=clear, at_once=clear)


def _of_service(objective_state: ObjectiveState) -> bool:
    """Return True for an objective of the service, which precedes all others."""
    return objective_state.metric in SERVICE_METRICS


def _beyond(objective_state: ObjectiveState) -> tuple[float | None, float | None, float | None]:
    """Return the distance of an objective's value and interval from its limit."""
    if objective_state.value is None or objective_state.limit is None:
        return None, None, None
    ends = (None if end is None else end - objective_state.limit for end in (objective_state.low, objective_state.high))
    return objective_state.value - objective_state.limit, *ends  # type: ignore[return-value]


def _excess(objective_state: ObjectiveState) -> float:
    """Return the distance of a value from its limit, in half lengths of its interval."""
    if (
        objective_state.value is None
        or objective_state.limit is None
        or objective_state.low is None
        or objective_state.high is None
    ):
        return 0.0
    half = (objective_state.high - objective_state.low) / 2
    return abs(objective_state.value - objective_state.limit) / half if half > 0 else 0.0


_OUTPUT = "_output_signs"
"""Key of the faults of the output among the cached properties of an evaluation: its score is read from the store."""


def faulty_output(evaluation: Evaluation) -> tuple[Sign, ...]:
    """Return a sign for each fault of the output, computed once per evaluation."""
    cached: tuple[Sign, ...] | None = evaluation.__dict__.get(_OUTPUT)
    if cached is None:
        cached = evaluation.__dict__[_OUTPUT] = tuple(
            _sign_of_output(evaluation, fault) for fault in output_faults(evaluation)
        )
    return cached


def _sign_of_output(evaluation: Evaluation, fault: OutputFault) -> Sign:
    ranks = fault.low is not None
    return Sign(
        "ranking" if ranks else "output",
        fault.fact,
        facts.CertainlyBelowChance(*_outcomes(evaluation)) if ranks else facts.FaultCertain(),
        fault.metric,
        fault.effect,
        fault.low,
        fault.high,
        clear=is_clear(fault.low, fault.high) if ranks else True,
        part=f"{fault.metric}:score",
    )


def _worse_than_a_constant(evaluation: Evaluation) -> Iterator[Sign]:
    comparison, loss = evaluation.constant_comparison, evaluation.realized.get("log_loss")
    change = evaluation.realized_changes.get("log_loss")
    if comparison is None or comparison.state != "worse" or loss is None or loss.value is None:
        return
    if change is not None and change.margin is None:
        return  # so was the baseline
    if "log_loss" not in deciding_order(("log_loss", "roc_auc"), evaluation.reference):
        return  # of a few positives, the log loss tells little
    shown_fact: Fact | None = level_of_scores(evaluation, constant_is_better=True) if _is_off(evaluation) else None
    if shown_fact is None:
        shown_fact = facts.WorseThanConstant(loss.value, loss.low, loss.high, loss.value - comparison.change)
    certainty = facts.ConstantCertainlyBetter(*_outcomes(evaluation))
    yield Sign(
        "constant",
        shown_fact,
        certainty,
        "log_loss",
        *_signed(comparison),
        clear=is_clear(comparison.low, comparison.high),
    )


def _off_level(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign if the level of predictions differs from that of outcomes by more than in the baseline.

    Unless the loss fell, or is no worse: then the model errs no more than before, and the level is a risk.
    """
    change, beside_constant = evaluation.level, evaluation.constant_comparison
    losses = (evaluation.realized_changes.get(name) for name in ("log_loss", "mae"))
    fine = any(loss is not None and (loss.change <= 0 or loss.state == "not_worse") for loss in losses)
    if change is None or change.state != "worse" or fine:
        return
    bias_fact = _bias(evaluation)
    if bias_fact is not None:
        certainty = facts.CertainlyWorse(*_outcomes(evaluation))
        yield Sign("level", bias_fact, certainty, "bias", *_signed(change), clear=is_clear(change.low, change.high))
        return
    level_fact = level_of_scores(
        evaluation, constant_is_better=beside_constant is not None and beside_constant.change > 0
    )
    if level_fact is not None:
        certain = facts.LevelCertainlyOff(*_outcomes(evaluation))
        yield Sign(
            "level", level_fact, certain, "mean_score", *_signed(change), clear=is_clear(change.low, change.high)
        )


def _bias(evaluation: Evaluation) -> facts.BiasRose | None:
    """Return the mean error of predicted numbers; None without one."""
    bias = evaluation.realized.get("bias")
    return None if bias is None or bias.value is None else facts.BiasRose(bias.value, bias.low, bias.high)


OF_GAP = 0.25
"""Minimum gap of the baseline's rates that is named, as a fraction of the gap between predicted and actual rate."""


def level_of_scores(evaluation: Evaluation, *, constant_is_better: bool = False) -> facts.LevelOfScores | None:
    """Return the predicted and the actual rate of positives; None if unknown."""
    rates = _rates(evaluation.realized)
    if rates is None:
        return None
    predicted, actual = rates
    return facts.LevelOfScores(
        predicted=predicted,
        actual=actual,
        low=evaluation.realized["actual_rate"].low,
        high=evaluation.realized["actual_rate"].high,
        positive_class=evaluation.positive_class or POSITIVE,
        constant_is_better=constant_is_better,
        baseline=_rates_of_baseline(evaluation, predicted - actual),
    )


def _rates(metrics: Mapping[str, MetricValue]) -> tuple[float, float] | None:
    """Return the predicted and the actual rate of positives; None if unknown."""
    predicted, actual = (metrics[name].value if name in metrics else None for name in ("mean_score", "actual_rate"))
    return None if predicted is None or actual is None else (predicted, actual)


def _rates_of_baseline(evaluation: Evaluation, gap: float) -> tuple[float, float] | None:
    """Return the predicted and the actual rate of the baseline, if their gap is a relevant part of the gap now."""
    rates = _rates(evaluation.reference)
    return rates if rates is not None and gap and (rates[0] - rates[1]) / gap >= OF_GAP else None


def level_off(evaluation: Evaluation) -> facts.LevelOfScores | None:
    """Return the predicted and the actual rate of positives, if they surely differ by more than in the baseline."""
    level = evaluation.level
    if not evaluation.has_mature_outcomes or level is None or level.low is None or level.high is None:
        return None
    return level_of_scores(evaluation) if abs(level.change) >= OFF * (level.high - level.low) / 2 else None


def _is_off(evaluation: Evaluation) -> bool:
    """Return True if the predicted rate differs from the actual rate by a relevant amount."""
    rates = _rates(evaluation.realized)
    return rates is not None and abs(rates[0] - rates[1]) >= SHARE * rates[1]


def off_by(evaluation: Evaluation) -> facts.LevelOfScores | facts.BiasRose | None:
    """Return by what the level of predictions is off, if it surely is, and by a relevant amount; None otherwise.

    A predicted rate by a quarter of the actual rate, whatever it costs: where positives are rare, even this costs less
    log loss than the margin. Predicted numbers by the margin of their error.
    """
    bias, level = _bias(evaluation), evaluation.level
    if bias is not None:
        return bias if evaluation.has_mature_outcomes and level is not None and level.state == "worse" else None
    return level_off(evaluation) if _is_off(evaluation) else None


def is_miscalibrated(evaluation: Evaluation) -> bool:
    """Return True if the level of predictions is surely off, or intervals do not cover: relevant, whatever it costs."""
    return off_by(evaluation) is not None or bool(uncovered(evaluation))


def uncovered(evaluation: Evaluation) -> list[str]:
    """Return the intervals between quantiles that cover too many or too few outcomes."""
    return [name for name in worse_metrics(evaluation) if not direction(name)]


def _miscalibrated(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign if intervals do not cover, or the level of predictions is off while outcomes do not show a loss."""
    for name in uncovered(evaluation):
        yield replace(_worse_sign(name, evaluation), reason="level")
    level, level_fact, decides = evaluation.level, off_by(evaluation), deciding_change(evaluation)
    if level is None or level_fact is None or decides is None:
        return
    of_numbers = isinstance(level_fact, facts.BiasRose)
    if not of_numbers and not is_fine(*decides):
        return
    certain, metric = (facts.BiasCertain, "bias") if of_numbers else (facts.LevelCertainlyOff, "mean_score")
    certainty = certain(*_outcomes(evaluation))
    yield Sign("level", level_fact, certainty, metric, *_signed(level), clear=is_clear(level.low, level.high))


def is_surely_off(evaluation: Evaluation) -> bool:
    """Return True if the predicted rate is outside the interval of the actual rate."""
    mean_score, actual_rate = (evaluation.realized.get(name) for name in ("mean_score", "actual_rate"))
    if mean_score is None or actual_rate is None or mean_score.value is None:
        return False
    if actual_rate.low is None or actual_rate.high is None:
        return False
    return not actual_rate.low <= mean_score.value <= actual_rate.high


def _worse_than_the_baseline(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield the metrics of the family that are worse beyond their margin."""
    decides = deciding_change(evaluation)
    deciding = None if decides is None else decides[0]
    for name in in_report_order(worse_metrics(evaluation)):
        if is_of_family(name, deciding):
            yield _worse_sign(name, evaluation)


def slice_fact(change: SliceChange, slice: str = "") -> Fact:
    """Return the fact that a model became worse in a slice; ``slice``: its name, "" if the sentence has it already."""
    numbers = change.was, change.now, change.share, change.days
    return facts.SliceWorse(slice, METRIC_OF_LOSS[change.by], *numbers, features=change.features)


def _worse_slice(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign for the slice in which the model became worse; its level counts all looks of 90 days."""
    change = evaluation.slice_change
    if change is None:
        return
    certainty = facts.SliceCertainlyWorse(rows=change.rows, p_value=change.p_value)
    effect = change.now - change.was, change.low, change.high
    yield Sign(
        "slice_loss",
        slice_fact(change),
        certainty,
        METRIC_OF_LOSS[change.by],
        *effect,
        clear=True,
        slice=change.name,
        since=change.since,
    )


def in_report_order(names: Iterable[str]) -> list[str]:
    """Sort names of metrics in the order in which sentences report them."""
    return sorted(names, key=lambda name: (_depends_on_rate(name), _REPORT_ORDER.get(_base(name), 0), rank(name), name))


def _depends_on_rate(name: str) -> bool:
    """Return True if a metric depends on a threshold or on the rate of positives, which may change without harm."""
    metric = metric_named(name)
    return metric is not None and metric.depends_on_rate


def _base(name: str) -> str:
    parsed = parse_name(name)
    return name if parsed is None else parsed.base


def _worse_sign(name: str, evaluation: Evaluation) -> Sign:
    change = evaluation.realized_changes[name]
    level = level_of_scores(evaluation) if _is_off(evaluation) else None
    certainty = facts.CertainlyWorse(*_outcomes(evaluation))
    metric_fact: Fact = metric_moved(name, evaluation, level if _depends_on_rate(name) else None)
    if level is not None and name in ("log_loss", "brier") and is_surely_off(evaluation):
        metric_fact = level
    return Sign("worse", metric_fact, certainty, name, *_signed(change), clear=is_clear(change.low, change.high))


def worse_metrics(evaluation: Evaluation) -> list[str]:
    """Return the metrics that are worse than the baseline's."""
    return [name for name, realized_change in evaluation.realized_changes.items() if realized_change.state == "worse"]


def is_harder(evaluation: Evaluation) -> bool:
    """Return True if a log loss rose mostly because outcomes are harder to predict, and the scores are not off."""
    change, value = evaluation.realized_changes.get("log_loss"), evaluation.realized.get("log_loss")
    if change is None or value is None or value.value is None:
        return False
    losses = losses_of_period([evaluation], value.value)
    return losses is not None and is_mostly_harder(change, losses.now, losses.was, evaluation.level)


def is_fine(name: str, change: MetricChange) -> bool:
    """Return True if a metric is certainly no worse: the window would have shown it, or its interval does."""
    if change.reason == "not_comparable":
        return False
    return change.state == "not_worse" or (change.state == "inconclusive" and _is_better(name, change))


def metric_moved(name: str, evaluation: Evaluation, level: facts.LevelOfScores | None = None) -> facts.MetricMoved:
    """Return the fact about the change of a metric."""
    change, value = evaluation.realized_changes[name], evaluation.realized.get(name)
    now = None if value is None else value.value
    return facts.MetricMoved(
        metric=name, change=change.change, low=change.low, high=change.high, value=now, level=level
    )


def _more_errors(evaluation: Evaluation, concept: ConceptDrift) -> Iterator[Sign]:
    """Yield a rise of errors that began before the window ended, unless the window's own errors are no worse.

    The detector reads outcomes in the order of arrival, where wrong predictions may be known sooner than right ones.
    So only a window with mature outcomes shows a rise, and none shows that of a slice while that of all rows, of which
    it may be a part, is unconfirmed. The detector also assumes independent rows, and so detects differences between
    days. If the window's own errors do not confirm the rise, a second window is needed. If its outcomes are harder to
    predict than those of the baseline, more errors do not show that the model is worse.
    """
    if concept.state == "unconfirmed" or not evaluation.has_mature_outcomes:
        return
    states = {"": concept} if concept.state == "drift" else concept.drifting()
    error_metric = "mae" if concept.measure == "absolute_error" else "accuracy"
    errors = evaluation.realized_changes.get(error_metric)
    for name, state in states.items():
        if state.before is None or state.after is None or state.after <= state.before:
            continue
        if not _shows_rise(evaluation, name, state, error_metric, errors):
            continue
        metric = "error_rate" if state.measure == "error_rate" else "mae"
        errors_fact = facts.ErrorsRose(metric=metric, before=state.before, after=state.after)
        certainty = facts.RiseDetected(outcomes=state.outcomes or concept.outcomes)
        lasts = errors is None or (is_significant(errors) and _lasts(evaluation, error_metric, errors, state))
        rise = state.after - state.before
        yield Sign(
            "errors", errors_fact, certainty, metric, rise, clear=bool(name) or lasts, slice=name, since=state.since
        )
        return


def _shows_rise(
    evaluation: Evaluation, name: str, state: ConceptDrift, error_metric: str, errors: MetricChange | None
) -> bool:
    """Return True if a rise of errors began before a window ended, and the errors of the window do not deny it."""
    window, rise = evaluation.window, (state.after or 0.0) - (state.before or 0.0)
    if window.end > window.start and state.since is not None and state.since >= window.end:
        return False
    if evaluation.outcome_rows < FEWEST_OUTCOMES or (errors is not None and errors.reason == "not_comparable"):
        return False
    if name:  # otherwise all rows may have become as bad
        return errors is None or rise > (_largest_rise(error_metric, errors) or 0.0)
    if errors is not None and _has_recovered(error_metric, errors, rise):
        return False
    return not is_harder(evaluation) and _beyond_days(evaluation, error_metric, errors, state)


def confirmed_concept(concept: ConceptDrift | None, windows: Iterable[Evaluation]) -> ConceptDrift | None:
    """Return concept drift, with the state ``unconfirmed`` for what no window with mature outcomes shows.

    Args:
        concept: Whether errors rose along the stream of outcomes.
        windows: The windows of the model.
    """
    if concept is None or not (concept.state == "drift" or concept.drifting()):
        return concept
    mature = [window for window in windows if window.has_mature_outcomes]

    def confirmed(one: ConceptDrift) -> bool:
        return any(next(_more_errors(window, one), None) is not None for window in mature)

    def of_slice(name: str, one: ConceptDrift) -> ConceptDrift:
        if one.state != "drift" or confirmed(replace(concept, state="ok", slices={name: one})):
            return one
        return replace(one, state="unconfirmed")

    state = "unconfirmed" if concept.state == "drift" and not confirmed(concept) else concept.state
    return replace(concept, state=state, slices={name: of_slice(name, one) for name, one in concept.slices.items()})


def _largest_rise(error_metric: str, errors: MetricChange) -> float | None:
    """Return the end of the interval of a window's errors where they rose most; None without an interval."""
    return errors.high if direction(error_metric) < 0 else None if errors.low is None else -errors.low


def _has_recovered(error_metric: str, errors: MetricChange, rise: float) -> bool:
    """Return True if the window's own errors are no worse than the baseline's, or worse by less than the rise."""
    most = _largest_rise(error_metric, errors)
    return (
        errors.state == "not_worse"
        or not is_worse(error_metric, errors.change)
        or (errors.state != "worse" and most is not None and most < rise)
    )


def _beyond_days(evaluation: Evaluation, error_metric: str, errors: MetricChange | None, rise: ConceptDrift) -> bool:
    """Return False for a rise of errors within the variance of days, unless the window itself is worse."""
    return is_significant(errors) or _mean_beyond_days(evaluation, error_metric, errors, rise)


def _lasts(evaluation: Evaluation, error_metric: str, errors: MetricChange, rise: ConceptDrift) -> bool:
    """Return True if earlier windows confirm the rise, too, so that a single bad day is reported once."""
    since = _measured_since(rise)
    began = since is not None and since < evaluation.window.start
    return began and _mean_beyond_days(evaluation, error_metric, errors, rise)


def _mean_beyond_days(
    evaluation: Evaluation, error_metric: str, errors: MetricChange | None, rise: ConceptDrift
) -> bool:
    """Return False if the mean since a rise began is within the variance of days, or at the baseline's level.

    The mean of k windows has an interval that is shorter by the root of k. The detector selected the beginning, so the
    rise must be :data:`CHOSEN` times as large. A window without outcomes uses an upper bound for one day from the
    baseline. A rise from a good period to the baseline's level is not a degradation.
    """
    window, reference_value = evaluation.window, evaluation.reference.get(error_metric)
    since = _measured_since(rise)
    if errors is not None and errors.low is not None and errors.high is not None and since is not None:
        windows = max(1.0, (window.end - since) / max(1, window.end - window.start))
        half = (errors.high - errors.low) / 2 / math.sqrt(windows)
    elif reference_value is not None and reference_value.low is not None and reference_value.high is not None:
        half = (reference_value.high - reference_value.low) / 2 * math.sqrt(MOST_BLOCKS)
    else:
        return True
    before = rise.before or 0.0
    if reference_value is not None and reference_value.value is not None:
        before = max(before, 1 - reference_value.value if error_metric == "accuracy" else reference_value.value)
    return (rise.after or 0.0) - before >= chosen(window.end - window.start) * half


def chosen(length: int) -> float:
    """Return the required ratio of a rise to its interval if its beginning was selected among thirty days of windows.

    Args:
        length: Nanoseconds of a window; 0 if rows have no time.

    >>> [round(chosen(hours * DAY // 24), 2) for hours in (0, 168, 24, 1)]
    [1.7, 1.7, 1.7, 2.15]
    """
    of_days, of_windows = (CHOSEN_BY_CHANCE / (CHOSEN_DAYS * looks) for looks in (1.0, looks_a_day(length)))
    return CHOSEN * normal_quantile(1 - of_windows) / normal_quantile(1 - of_days)


def _measured_since(rise: ConceptDrift) -> int | None:
    """Return the start of the period of ``after``: the level may have changed since the rise began."""
    return rise.changes[-1].since if rise.changes else rise.since


def _faulty_outcomes(evaluation: Evaluation) -> Iterator[Sign]:
    one_class = outcomes_of_one_class(evaluation)
    if one_class is not None:
        yield Sign("data", one_class, facts.FaultCertain(), "actual_rate", clear=True, part=OUTCOMES)


def _faulty_data(evaluation: Evaluation) -> Iterator[Sign]:
    for finding in evaluation.findings:
        if is_fault(finding, evaluation.loss_evidence):
            yield _fault_sign("data", finding, facts.FaultCertain())
    for expectation in evaluation.expected:
        if expectation.state == "broken":
            shown_fact, certainty = (
                facts.ExpectationBroken(expected=expectation),
                facts.RowsCounted(expected=expectation),
            )
            features = (expectation.feature,) if expectation.feature else ()
            yield Sign(
                "data",
                shown_fact,
                certainty,
                clear=True,
                features=features,
                part=f"{expectation.feature} {expectation.rule}",
            )


def _fault_sign(reason: Reason, finding: Finding, certainty: Fact) -> Sign:
    effect = None if finding.was is None or finding.now is None else finding.now - finding.was
    part = f"{finding.check}:{','.join(finding.features)}"
    return Sign(reason, finding, certainty, finding.check, effect, clear=True, features=finding.features, part=part)


def is_fault(finding: Finding, evidence: LossEvidence | None = None) -> bool:
    """Return True for critical data faults, and another unit that a loss proves.

    Out-of-range and unseen values may be real and count as drift.
    """
    may_be_real = finding.check in (OUT_OF_RANGE.name, UNSEEN.name)
    is_grave = finding.severity == "critical" or is_proven_unit(finding, evidence)
    return is_grave and not may_be_real and not is_of_output(finding)


def _worse_estimates(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield metrics that are estimated to be worse, if outcomes are not available."""
    if evaluation.has_mature_outcomes:
        return
    worse = [
        name for name, estimated_change in evaluation.estimated_changes.items() if estimated_change.state == "worse"
    ]
    for name in in_report_order(worse):
        if _depends_on_rate(name):
            continue
        change, estimate = evaluation.estimated_changes[name], evaluation.estimated.get(name)
        if estimate is not None and estimate.record.state == "failed":
            continue
        inside = None if estimate is None or not estimate.record.windows else estimate.record.inside
        shown_fact = facts.EstimateMoved(metric=name, change=change.change, low=change.low, high=change.high)
        certainty = facts.EstimateAssumes(inside=inside)
        clear = is_clear(change.low, change.high)
        yield Sign("estimate", shown_fact, certainty, name, *_signed(change), clear=clear, part=f"estimate:{name}")


def _moved_predictions(evaluation: Evaluation) -> Iterator[Sign]:
    for part, column in (("score", evaluation.score), ("class", evaluation.predicted)):
        if column is not None and _matters(column):
            shown_fact = facts.OutputMoved(column=column.column, name=column.words)
            yield _drift_sign("score", part, shown_fact, column, evaluation)


def _moved_inputs(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield new values and the drift of inputs, sorted by the importance of their cause if known.

    New values that are not critical are signs if the drift of their column is not: no day of the baseline has them, so
    they wait neither for more days nor for more rows.
    """
    for finding in evaluation.findings:
        if is_fault(finding) or is_of_output(finding):
            continue
        if finding.severity == "critical" or (finding.severity == "major" and _hides_new_values(finding, evaluation)):
            yield _fault_sign("inputs", finding, facts.FindingCertain())
    weights: Mapping[str, float] = {}
    if evaluation.explanation is not None:
        causes = evaluation.explanation.causes
        weights = {name: 1.0 / (index + 1) for index, cause in enumerate(causes) for name in cause.features}
    moved = [feature for feature in evaluation.features.values() if _matters(feature)]
    moved.sort(key=lambda column: (-weights.get(column.name, 0.0), -(column.effect or 0.0), column.name))
    for column in moved:
        shown_fact = facts.ColumnMoved(name=column.name)
        yield _drift_sign("inputs", f"feature:{column.name}", shown_fact, column, evaluation)


def _hides_new_values(finding: Finding, evaluation: Evaluation) -> bool:
    """Return True if a column has new values, and its drift does not show them."""
    columns = [evaluation.features.get(name) for name in finding.features]
    return finding.check in (OUT_OF_RANGE.name, UNSEEN.name) and not any(one and _matters(one) for one in columns)


def _matters(column: ColumnDrift) -> bool:
    return column.state == "drift" and column.size in _SIZES


def _drift_sign(reason: Reason, part: str, shown_fact: Fact, column: ColumnDrift, evaluation: Evaluation) -> Sign:
    decisive = column.methods.get(column.decided_by)
    p = None if decisive is None else decisive.p_value
    clear = part in evaluation.incident or (p is not None and max(p, column.p_normal_variation or 0.0) <= AT_ONCE)
    days = column.p_normal_variation is not None
    certainty: Fact = facts.DriftBeyondChance(rows=column.rows, size=column.size, chance=_chance(p), days=days)
    if column.reason == "too_few_days":
        certainty = facts.DriftWithTooFewDays()
    since = evaluation.incident.get(part)
    features = (column.name,) if column.column == "feature" else ()
    effect = column.effect
    return Sign(
        reason, shown_fact, certainty, column.decided_by, effect, clear=clear, since=since, features=features, part=part
    )


def _chance(p: float | None) -> float:
    """Return the fraction of windows without drift that show as much: the level of drift, or 0.001 if p is below it."""
    return RARE if p is not None and p <= RARE else ALPHA


def _moved_slices(evaluation: Evaluation) -> Iterator[Sign]:
    for name, slice_drift in sorted(evaluation.slices.items(), key=lambda one: (-one[1].rows, one[0])):
        columns = [one for one in slice_drift.drifted() if one.size in _SIZES]
        if slice_drift.state == "drift" and columns:
            yield _slice_sign(name, columns[0], evaluation)


def _slice_sign(name: str, column: ColumnDrift, evaluation: Evaluation) -> Sign:
    part = f"feature:{column.name}" if column.column == "feature" else column.column
    shown_fact: Fact = facts.ColumnMoved(name=column.name)
    if column.column != "feature":
        shown_fact = facts.OutputMoved(column="score", name=column.words)
    return replace(_drift_sign("slice", f"{part}{WHERE}{name}", shown_fact, column, evaluation), slice=name)


def _moved_together(evaluation: Evaluation) -> Iterator[Sign]:
    for joint_drift in evaluation.joint.values():
        if joint_drift.state == "drift":
            features = joint_drift.contributors[0].features if joint_drift.contributors else ()
            clear = joint_drift.p_value is not None and joint_drift.p_value <= AT_ONCE
            shown_fact = facts.RelationChanged(features=features)
            certainty = facts.JointDriftBeyondChance(rows=joint_drift.rows, chance=_chance(joint_drift.p_value))
            part = f"together:{joint_drift.method}"
            yield Sign(
                "together",
                shown_fact,
                certainty,
                joint_drift.method,
                joint_drift.effect,
                clear=clear,
                features=features,
                part=part,
            )


def has_small_drift(evaluation: Evaluation) -> bool:
    """Return True if there is drift, and all of it is small."""
    columns = [*evaluation.features.values(), evaluation.score, evaluation.predicted]
    drifted = [column for column in columns if column is not None and column.state == "drift"]
    return bool(drifted) and not any(_matters(column) for column in drifted)
