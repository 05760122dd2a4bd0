"""Whether retraining pays: its expected gain from the current drop in performance, compared with its cost.

:mod:`.past` measures the gain of earlier retrainings, :mod:`.decision` decides about the next one.
"""

from .decision import (
    ASSUMED_SHARE,
    LOSSES,
    LossChange,
    RetrainAnswer,
    RetrainCost,
    RetrainQuestion,
    RetrainTerms,
    choose_loss,
    cost_of_runs,
    expected_predictions,
    loss_change,
    question_of,
    weigh_retraining,
)
from .past import RecoveredShare, RetrainGain, gains_of_runs, recovered_share

__all__ = [
    "ASSUMED_SHARE",
    "LOSSES",
    "LossChange",
    "RecoveredShare",
    "RetrainAnswer",
    "RetrainCost",
    "RetrainGain",
    "RetrainQuestion",
    "RetrainTerms",
    "choose_loss",
    "cost_of_runs",
    "expected_predictions",
    "gains_of_runs",
    "loss_change",
    "question_of",
    "recovered_share",
    "weigh_retraining",
]
