"""Predicted rates, means and intervals, compared with the outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricChange, MetricValue
from driftline_processor.core.fact import Fact
from driftline_processor.core.metrics import direction
from driftline_processor.core.performance.changes import is_significant
from driftline_processor.core.performance.difficulty import OFF
from driftline_processor.core.performance.margin import SHARE
from driftline_processor.core.performance.positive_class import POSITIVE

from .comparisons import deciding_change, depends_on_rate, is_fine, metric_moved, worse_metrics
from .sign import Sign, is_clear, known_outcomes, signed


def off_level(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign if the level of predictions differs from that of outcomes by more than in the baseline.

    Unless the loss did not rise by its margin, or is no worse: then the level is a risk.
    """
    change, beside_constant = evaluation.level, evaluation.constant_comparison
    losses = (evaluation.realized_changes.get(name) for name in ("log_loss", "mae"))
    costs = all(loss is None or (loss.state != "not_worse" and _has_risen(loss)) for loss in losses)
    if change is None or change.state != "worse" or not costs:
        return
    bias_fact = _bias(evaluation)
    if bias_fact is not None:
        certainty = facts.CertainlyWorse(*known_outcomes(evaluation))
        yield Sign("level", bias_fact, certainty, "bias", *signed(change), clear=is_clear(change.low, change.high))
        return
    level_fact = level_of_scores(
        evaluation, constant_is_better=beside_constant is not None and beside_constant.change > 0
    )
    if level_fact is not None:
        certain = facts.LevelCertainlyOff(*known_outcomes(evaluation))
        yield Sign("level", level_fact, certain, "mean_score", *signed(change), clear=is_clear(change.low, change.high))


def _has_risen(loss: MetricChange) -> bool:
    """Return True if a loss rose by its margin; without one, if it rose significantly."""
    return is_significant(loss) if loss.margin is None else loss.change >= loss.margin


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


def is_off(evaluation: Evaluation) -> bool:
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
    return level_off(evaluation) if is_off(evaluation) else None


def is_miscalibrated(evaluation: Evaluation) -> bool:
    """Return True if the level of predictions is surely off, or intervals do not cover: relevant, whatever it costs."""
    return off_by(evaluation) is not None or bool(uncovered(evaluation))


def uncovered(evaluation: Evaluation) -> list[str]:
    """Return the intervals between quantiles that cover too many or too few outcomes."""
    return [name for name in worse_metrics(evaluation) if not direction(name)]


def miscalibrated(evaluation: Evaluation) -> Iterator[Sign]:
    """Yield a sign if intervals do not cover, or the level of predictions is off while outcomes do not show a loss."""
    for name in uncovered(evaluation):
        yield replace(worse_sign(name, evaluation), reason="level")
    level, level_fact, decides = evaluation.level, off_by(evaluation), deciding_change(evaluation)
    if level is None or level_fact is None or decides is None:
        return
    of_numbers = isinstance(level_fact, facts.BiasRose)
    if not of_numbers and not is_fine(*decides):
        return
    certain, metric = (facts.BiasCertain, "bias") if of_numbers else (facts.LevelCertainlyOff, "mean_score")
    certainty = certain(*known_outcomes(evaluation))
    yield Sign("level", level_fact, certainty, metric, *signed(level), clear=is_clear(level.low, level.high))


def is_surely_off(evaluation: Evaluation) -> bool:
    """Return True if the predicted rate is outside the interval of the actual rate."""
    mean_score, actual_rate = (evaluation.realized.get(name) for name in ("mean_score", "actual_rate"))
    if mean_score is None or actual_rate is None or mean_score.value is None:
        return False
    if actual_rate.low is None or actual_rate.high is None:
        return False
    return not actual_rate.low <= mean_score.value <= actual_rate.high


def worse_sign(name: str, evaluation: Evaluation) -> Sign:
    """Return the sign that a metric is worse; a log loss of scores that are off is told by their level."""
    change = evaluation.realized_changes[name]
    level = level_of_scores(evaluation) if is_off(evaluation) else None
    certainty = facts.CertainlyWorse(*known_outcomes(evaluation))
    metric_fact: Fact = metric_moved(name, evaluation, level if depends_on_rate(name) else None)
    if level is not None and name in ("log_loss", "brier") and is_surely_off(evaluation):
        metric_fact = level
    return Sign("worse", metric_fact, certainty, name, *signed(change), clear=is_clear(change.low, change.high))
