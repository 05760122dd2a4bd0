"""What the owner of a model asks of its performance, beyond what everybody gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .custom import CustomMetric
from .fairness import Rule

Shares = Literal["clopper_pearson", "wilson"]


@dataclass(frozen=True, slots=True)
class Asked:
    """``confidence``: how often an interval holds the truth. ``min_coverage``: the share of outcomes below which a
    window's performance is not final, however old it is. ``cutoffs``: the ranks at which lists are judged, () = the
    usual ones, :data:`driftline.relevance.CUTOFFS`. ``shares``: the method of the intervals of shares. ``fairness``:
    the attributes that tell groups of people. ``metrics``: names (:mod:`.names`) beside the usual ones. ``costs``:
    actual class → predicted class → what one such row costs. ``custom``: by name, what somebody installed
    (:mod:`.custom`).
    """

    confidence: float = 0.95
    min_coverage: float = 0.0
    cutoffs: tuple[int, ...] = ()
    shares: Shares = "clopper_pearson"
    fairness: tuple[Rule, ...] = ()
    metrics: tuple[str, ...] = ()
    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    custom: Mapping[str, CustomMetric] = field(default_factory=dict)


STANDARD = Asked()
