"""Values and intervals of metrics that are means of a loss over rows."""

from __future__ import annotations

from collections.abc import Callable

from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Form, positive
from driftline_processor.core.metrics.metric import Estimation, IntervalOfValue, Slopes, Value
from driftline_processor.core.metrics.names import Name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.core.outcomes.sums import ratio

LossesOfScore = Callable[[F64], tuple[F64, F64]]


def mean_of_loss(loss: str, form: Form = positive) -> tuple[Value, IntervalOfValue]:
    """Return value and interval of the mean of a loss of the pane, :attr:`~driftline.tables.task.Task.losses`.

    Args:
        loss: The name of the loss.
        form: The form of the interval; the default, for losses of at least 0, uses the logarithm.
    """

    def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
        found = sums.losses
        return None if found is None else sums.value_of(ratio(found[loss], found["weight"]), found["weight"], "losses")

    return value, lambda sums, _name, _value: sums.mean_interval(sums.loss_mean(loss), form)


def mean_of_scores(positives: F64, negatives: F64, of_positive: F64, of_negative: F64) -> Slopes | None:
    """Return the expected mean loss from the losses of positives and negatives per score bin: float64 (bins,) each."""
    total = float(positives.sum()) + float(negatives.sum())
    if total <= 0:
        return None
    value = float(positives @ of_positive + negatives @ of_negative) / total
    return Slopes(value, (of_positive - value) / total, (of_negative - value) / total)


NOT_RARE = (0.0, 50.0)
"""Value of :attr:`Estimation.fewest` for a mean over all rows, which does not need rows of a rare class."""


def estimated_mean(losses_of: LossesOfScore) -> Estimation:
    """Return the estimation of a mean loss from scores.

    Args:
        losses_of: Scores, float64 (bins,) → the loss of a positive and of a negative at each score.
    """
    return Estimation(of_scores=lambda p, q, score: mean_of_scores(p, q, *losses_of(score)), fewest=NOT_RARE)
