"""Settings of a model's performance: confidence, costs, metrics, objectives, fairness, label SLA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from driftline_processor.core.fairness.criteria import FairnessRule
from driftline_processor.core.intervals.confidence import CONFIDENCE
from driftline_processor.core.labels.delay import Sla

from .objective import Objective

Outcomes = Literal["explicit", "implicit", "sampled"]
Shares = Literal["clopper_pearson", "wilson"]


class PerformanceSettings(Struct, frozen=True):
    """Settings of a model's performance.

    Attributes:
        confidence: Share of intervals that hold the true value, such as 0.95.
        min_coverage: Coverage below which the performance of a window is not final, however old the window is.
        cutoffs: Ranks at which lists are judged. () for the usual ones, :data:`driftline.panes.relevance.CUTOFFS`.
        shares: Method of the intervals of shares.
        fairness: Rules for attributes that define groups of people.
        metrics: Names of metrics beside the usual ones (:mod:`~driftline_processor.core.metrics.names`).
        costs: Cost of one row: actual class → predicted class → cost.
        objectives: Objectives of metrics.
        label_sla: Agreed age of outcomes, and the share of predictions that it holds for.
        outcomes: "implicit" counts a list without outcomes as a list without clicks (:mod:`.implicit_feedback`);
            "sampled" means that rows were drawn for review, each with its weight.
    """

    confidence: float = CONFIDENCE
    min_coverage: float = 0.0
    cutoffs: tuple[int, ...] = ()
    shares: Shares = "clopper_pearson"
    fairness: tuple[FairnessRule, ...] = ()
    metrics: tuple[str, ...] = ()
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()
    label_sla: Sla | None = None
    outcomes: Outcomes = "explicit"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of slices that fairness and objectives are of."""
        named = (
            *(rule.attribute for rule in self.fairness),
            *(objective.key for objective in self.objectives if objective.key),
        )
        return tuple(dict.fromkeys(named))


STANDARD = PerformanceSettings()
