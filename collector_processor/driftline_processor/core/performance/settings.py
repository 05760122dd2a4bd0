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
        confidence: Confidence of intervals, such as 0.95.
        min_coverage: Coverage below which the performance of a window is not final, however old the window is.
        cutoffs: Cutoffs of ranked lists. () for the default, :data:`driftline.panes.relevance.CUTOFFS`.
        shares: Method for the intervals of fractions.
        fairness: Rules for attributes that define groups of people.
        metrics: Names of additional metrics (:mod:`~driftline_processor.core.metrics.name_grammar`).
        costs: Cost of one row: actual class → predicted class → cost.
        objectives: Objectives of metrics.
        label_sla: Agreed age of outcomes, and the fraction of predictions that it applies to.
        outcomes: "implicit" counts a list without outcomes as a list without clicks (:mod:`.implicit_feedback`);
            "sampled" means that rows were sampled for review, each with its weight.
        margin: Metric → the change for the worse that leaves the model healthy, in the metric's unit. Default: a
            quarter of the skill, at most half of the error (:mod:`.margin`).
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
    margin: Mapping[str, float] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The slice keys of fairness rules and objectives."""
        named = (
            *(rule.attribute for rule in self.fairness),
            *(objective.key for objective in self.objectives if objective.key),
        )
        return tuple(dict.fromkeys(named))


STANDARD = PerformanceSettings()
