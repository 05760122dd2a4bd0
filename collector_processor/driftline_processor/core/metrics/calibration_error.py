"""Expected calibration error: difference between mean score and fraction of positives, over ten bins."""

from __future__ import annotations

import numpy as np
from driftline.panes.outcome_sums import CALIBRATION_BINS
from driftline.tables.table import F64

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.outcomes.sums import ratio

from .metric import BINARY, Metric, usual_for
from .name_grammar import Name
from .performance_sums import PerformanceSums


def calibration_error(sums: F64) -> float | None:
    """Return Σ |Σw score - Σw positive| over ten bins of the score, / Σw.

    Args:
        sums: The part ``calibration``.

    >>> pane = np.zeros(30)
    >>> pane[27:] = [4.0, 3.8, 3.0]  # four scores above 0.9, 3.8 in sum, of which three came true
    >>> round(calibration_error(pane), 12)
    0.2
    """
    weight, scores, positives = sums.reshape(CALIBRATION_BINS, 3).T
    return ratio(float(np.abs(scores - positives).sum()), float(weight.sum()))


def value(sums: PerformanceSums, _name: Name) -> MetricValue | None:
    """Return the error from the part ``calibration``; None if the pane lacks this part."""
    bins = sums.pane.parts.get("calibration")
    return None if bins is None else sums.value_of(calibration_error(bins), float(bins[::3].sum()), "losses")


METRICS = (
    Metric(
        name="calibration_error",
        title="calibration error",
        tasks=BINARY,
        direction=-1,
        unit="fraction",
        maximum=1.0,
        source="Naeini, Cooper and Hauskrecht (2015), with ten bins of one width",
        value=value,
        usual=usual_for("binary", names=("calibration_error",)),
        rank=110,
    ),
)
