"""Log loss: the mean negative logarithm of the probability of the actual class."""

from __future__ import annotations

import numpy as np
from driftline.tables.performance_columns import EPSILON
from driftline.tables.table import F64

from driftline_processor.core.metrics.families.confusion import CLASSES
from driftline_processor.core.metrics.families.losses import estimated_mean, mean_of_loss

from .metric import Metric, usual_for


def losses_of(score: F64) -> tuple[F64, F64]:
    """Return the loss of a positive and of a negative at each score: float64 (bins,).

    >>> [one.round(4).tolist() for one in losses_of(np.array([0.5, 1.0]))]
    [[0.6931, 0.0], [0.6931, 36.0437]]
    """
    likely = np.clip(score, EPSILON, 1 - EPSILON)
    return -np.log(likely), -np.log(1 - likely)


_VALUE, _INTERVAL = mean_of_loss("log_loss")

METRIC = Metric(
    name="log_loss",
    title="log loss",
    tasks=CLASSES,
    direction=-1,
    unit="nats",
    source="scikit-learn, log_loss",
    value=_VALUE,
    interval=_INTERVAL,
    estimate=estimated_mean(losses_of),
    usual=usual_for("binary", "multiclass", names=("log_loss",)),
    rank=90,
)
