"""Settings of a model's performance: confidence, costs, metrics, objectives, fairness, label SLA."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from driftline_processor.core.fairness.criteria import FairnessRule
from driftline_processor.core.labels.delay import Sla
from driftline_processor.core.metrics.custom import CustomMetric

from .objective import Objective

Outcomes = Literal["told", "implicit", "sampled"]
Shares = Literal["clopper_pearson", "wilson"]


@dataclass(frozen=True, slots=True)
class PerformanceSettings:
    """``confidence``: how often an interval holds the truth. ``min_coverage``: the share of outcomes below which a
    window's performance is not final, however old it is. ``cutoffs``: the ranks at which lists are judged, () = the
    usual ones, :data:`driftline.panes.relevance.CUTOFFS`. ``shares``: the method of the intervals of shares.
    ``fairness``:
    the attributes that tell groups of people. ``metrics``: names (:mod:`~driftline_processor.core.metrics.names`)
    beside the usual ones. ``costs``:
    actual class → predicted class → what one such row costs. ``custom``: by name, what somebody installed
    (:mod:`~driftline_processor.core.metrics.custom`). ``objectives``: what metrics shall be. ``label_sla``:
    how late outcomes may be, and for how many predictions. ``outcomes``: whether a list of which nobody says anything
    is one that nobody clicked (:mod:`.implicit_feedback`), and whether rows were ``sampled`` for review, each with its
    weight.
    """

    confidence: float = 0.95
    min_coverage: float = 0.0
    cutoffs: tuple[int, ...] = ()
    shares: Shares = "clopper_pearson"
    fairness: tuple[FairnessRule, ...] = ()
    metrics: tuple[str, ...] = ()
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    custom: Mapping[str, CustomMetric] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()
    label_sla: Sla | None = None
    outcomes: Outcomes = "told"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of slices that fairness and objectives are of."""
        named = (
            *(rule.attribute for rule in self.fairness),
            *(objective.key for objective in self.objectives if objective.key),
        )
        return tuple(dict.fromkeys(named))


STANDARD = PerformanceSettings()
