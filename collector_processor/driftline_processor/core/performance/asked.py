"""What the owner of a model asks of its performance, beyond what everybody gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from driftline_processor.core.labels.delay import Sla

from .custom import CustomMetric
from .fairness import Rule

Outcomes = Literal["told", "implicit", "sampled"]
Shares = Literal["clopper_pearson", "wilson"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What a metric shall be: one of the four limits. ``least_change``, ``most_change``: against the baseline.

    ``window``: in windows of this name; "" = in all. ``rolling``: over every stretch of this length.
    """

    metric: str
    least: float | None = None
    most: float | None = None
    least_change: float | None = None
    most_change: float | None = None
    window: str = ""
    rolling: bool = False

    @property
    def relative(self) -> bool:
        """Whether it is the change since the baseline that is limited."""
        return self.least_change is not None or self.most_change is not None

    @property
    def upwards(self) -> bool:
        """Whether more is better."""
        return self.least is not None or self.least_change is not None

    @property
    def limit(self) -> float:
        """The limit."""
        given = (self.least, self.most, self.least_change, self.most_change)
        return next(limit for limit in given if limit is not None)

    @property
    def rule(self) -> str:
        """The objective as one writes it.

        >>> Objective("roc_auc", least_change=-0.02).rule, Objective("mae", most=3.2, window="1d").rule
        ('roc_auc >= baseline - 0.02', 'mae <= 3.2 over 1d')
        """
        limit = f"baseline {'-' if self.limit < 0 else '+'} {abs(self.limit):g}" if self.relative else f"{self.limit:g}"
        over = f" over {'rolling ' if self.rolling else ''}{self.window}" if self.window else ""
        return f"{self.metric} {'>=' if self.upwards else '<='} {limit}{over}"


@dataclass(frozen=True, slots=True)
class Asked:
    """``confidence``: how often an interval holds the truth. ``min_coverage``: the share of outcomes below which a
    window's performance is not final, however old it is. ``cutoffs``: the ranks at which lists are judged, () = the
    usual ones, :data:`driftline.relevance.CUTOFFS`. ``shares``: the method of the intervals of shares. ``fairness``:
    the attributes that tell groups of people. ``metrics``: names (:mod:`.names`) beside the usual ones. ``costs``:
    actual class → predicted class → what one such row costs. ``custom``: by name, what somebody installed
    (:mod:`.custom`). ``objectives``: what metrics shall be. ``label_sla``:
    how late outcomes may be, and for how many predictions. ``outcomes``: whether a list of which nobody says anything
    is one that nobody clicked (:mod:`.implicit`), and whether rows were ``sampled`` for review, each with its weight.
    """

    confidence: float = 0.95
    min_coverage: float = 0.0
    cutoffs: tuple[int, ...] = ()
    shares: Shares = "clopper_pearson"
    fairness: tuple[Rule, ...] = ()
    metrics: tuple[str, ...] = ()
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    custom: Mapping[str, CustomMetric] = field(default_factory=dict)
    objectives: tuple[Objective, ...] = ()
    label_sla: Sla | None = None
    outcomes: Outcomes = "told"


STANDARD = Asked()
