"""What the owner of a model asks of its performance, beyond what everybody gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .fairness import Rule

Shares = Literal["clopper_pearson", "wilson"]


@dataclass(frozen=True, slots=True)
class Asked:
    """``confidence``: how often an interval holds the truth. ``min_coverage``: the share of outcomes below which a
    window's performance is not final, however old it is. ``cutoffs``: the ranks at which lists are judged, () = the
    usual ones, :data:`driftline.relevance.CUTOFFS`. ``shares``: the method of the intervals of shares. ``fairness``:
    the attributes that tell groups of people.
    """

    confidence: float = 0.95
    min_coverage: float = 0.0
    cutoffs: tuple[int, ...] = ()
    shares: Shares = "clopper_pearson"
    fairness: tuple[Rule, ...] = ()


STANDARD = Asked()
