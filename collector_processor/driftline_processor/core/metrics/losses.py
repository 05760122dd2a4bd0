"""Values and intervals of metrics that are means of a loss over rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf

import numpy as np
from driftline.tables.performance_columns import EPSILON
from driftline.tables.table import F64
from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Form, WeightSums, logit, positive, root, student
from driftline_processor.core.intervals.gradients import Ratio
from driftline_processor.core.outcomes.sums import ratio

from .metric import BINARY, CLASSES, NOT_RARE, REGRESSION, Estimation, IntervalOfValue, Metric, Slopes, Value, usual_for
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums

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


def estimated_mean(losses_of: LossesOfScore) -> Estimation:
    """Return the estimation of a mean loss from scores.

    Args:
        losses_of: Scores, float64 (bins,) → the loss of a positive and of a negative at each score.
    """
    return Estimation(of_scores=lambda p, q, score: mean_of_scores(p, q, *losses_of(score)), min_rows=NOT_RARE)


def losses_of(score: F64) -> tuple[F64, F64]:
    """Return the loss of a positive and of a negative at each score: float64 (bins,).

    >>> [one.round(4).tolist() for one in losses_of(np.array([0.5, 1.0]))]
    [[0.6931, 0.0], [0.6931, 36.0437]]
    """
    likely = np.clip(score, EPSILON, 1 - EPSILON)
    return -np.log(likely), -np.log(1 - likely)


_LOG_LOSS, _LOG_LOSS_INTERVAL = mean_of_loss("log_loss")


_BRIER, _BRIER_INTERVAL = mean_of_loss("brier")


_MAE, _MAE_INTERVAL = mean_of_loss("absolute_error")


_MEAN_SQUARE, _RMSE_INTERVAL = mean_of_loss("squared_error", root)


def rmse_value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the root of the mean squared error of the rows."""
    squared = _MEAN_SQUARE(sums, name)
    if squared is None or squared.value is None:
        return squared
    return replace(squared, value=math.sqrt(squared.value))


def mape_value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the mean of abs(predicted - actual) / abs(actual).

    scikit-learn divides by 2e-16 if the actual value is 0, so a single such row would determine the result.
    """
    mean = sums.means.get("percentage")
    return None if mean is None else sums.value_of(mean.value, mean.weight, "percentage")


_BIAS, _BIAS_INTERVAL = mean_of_loss("error", student)


_MEAN_SCORE, _MEAN_SCORE_INTERVAL = mean_of_loss("score", logit)


def actual_rate_interval(sums: PerformanceSums, _name: Name, _value: float) -> IntervalAndRows | None:
    """Return the interval of a fraction of rows, with Σw² from the part ``spread``."""
    loss_mean = sums.loss_mean("positive")
    if loss_mean is None:
        return None
    losses, spread_sums = sums.pane.parts["losses"], sums.pane.parts["spread"]
    weight_per_row = spread_sums[0] / losses[0]
    hits = WeightSums(float(losses[4]), float(spread_sums[7]), weight_per_row)
    misses = WeightSums(float(losses[0] - losses[4]), float(spread_sums[0] - spread_sums[7]), weight_per_row)
    return sums.share_interval(Ratio(hits, misses, loss_mean.influence))


METRICS = (
    # Log loss: the mean negative logarithm of the probability of the actual class.
    Metric(
        name="log_loss",
        title="log loss",
        tasks=CLASSES,
        direction=-1,
        unit="nats",
        source="scikit-learn, log_loss",
        value=_LOG_LOSS,
        interval=_LOG_LOSS_INTERVAL,
        estimate=estimated_mean(losses_of),
        usual=usual_for("binary", "multiclass", names=("log_loss",)),
        rank=90,
    ),
    # Brier score: the mean squared difference between probability and outcome.
    Metric(
        name="brier",
        title="Brier score",
        tasks=CLASSES,
        direction=-1,
        unit="squared probability",
        source="scikit-learn, brier_score_loss, with scale_by_half=False; Brier (1950)",
        value=_BRIER,
        interval=_BRIER_INTERVAL,
        estimate=estimated_mean(lambda score: ((1 - score) ** 2, score**2)),
        usual=usual_for("binary", "multiclass", names=("brier",)),
        rank=100,
    ),
    # The mean absolute error.
    Metric(
        name="mae",
        title="MAE",
        tasks=REGRESSION,
        direction=-1,
        unit="target",
        source="scikit-learn, mean_absolute_error",
        value=_MAE,
        interval=_MAE_INTERVAL,
        estimate=Estimation(),
        usual=usual_for("regression", names=("mae",)),
        rank=200,
    ),
    # Root mean squared error.
    Metric(
        name="rmse",
        title="RMSE",
        tasks=REGRESSION,
        direction=-1,
        unit="target",
        source="scikit-learn, root_mean_squared_error",
        value=rmse_value,
        interval=_RMSE_INTERVAL,
        estimate=Estimation(),
        usual=usual_for("regression", names=("rmse",)),
        rank=210,
    ),
    # Mean absolute percentage error, over the rows whose actual value is not 0.
    Metric(
        name="mape",
        title="MAPE",
        tasks=REGRESSION,
        direction=-1,
        unit="ratio",
        source="scikit-learn, mean_absolute_percentage_error, without rows whose actual value is 0",
        value=mape_value,
        interval=lambda sums, _name, _value: sums.mean_interval(sums.part_mean("percentage", 0), positive),
        estimate=Estimation(),
        usual=usual_for("regression", names=("mape",)),
        rank=220,
    ),
    # Bias: the mean of predicted minus actual.
    Metric(
        name="bias",
        title="bias",
        tasks=REGRESSION,
        direction=0,
        unit="target",
        minimum=-inf,
        source="the weighted mean of errors",
        value=_BIAS,
        interval=_BIAS_INTERVAL,
        usual=usual_for("regression", names=("bias",)),
        rank=240,
    ),
    # Predicted rate: the mean score of the rows with an outcome.
    Metric(
        name="mean_score",
        title="predicted rate",
        tasks=BINARY,
        direction=0,
        unit="fraction",
        maximum=1.0,
        source="the weighted mean of scores",
        value=_MEAN_SCORE,
        interval=_MEAN_SCORE_INTERVAL,
        usual=usual_for("binary", names=("mean_score",)),
        rank=150,
    ),
    # Actual rate: the fraction of positives among the rows with an outcome and a score.
    Metric(
        name="actual_rate",
        title="actual rate",
        tasks=BINARY,
        direction=0,
        unit="fraction",
        maximum=1.0,
        source="the weighted share of positives",
        value=mean_of_loss("positive")[0],
        interval=actual_rate_interval,
        estimate=estimated_mean(lambda score: (np.ones_like(score), np.zeros_like(score))),
        usual=usual_for("binary", names=("actual_rate",)),
        rank=160,
        outstanding="row",
    ),
)
