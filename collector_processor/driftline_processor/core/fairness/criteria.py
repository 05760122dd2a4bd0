"""Fairness criteria between groups of people, each with its interval and a result.

Definitions are those of Fairlearn 0.15: the difference of a criterion is the maximum minus the minimum over its groups,
the ratio the minimum divided by the maximum. The result compares every group with the one with the highest rate (29 CFR
1607.4 D); if a reference group is named, all comparisons are with that group.

Difference and ratio have an interval of their own for policies. It is corrected over all windows of thirty days, so
that daily evaluation does not make a false alarm more likely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import isinf
from typing import Final, Literal, NamedTuple

import numpy as np
from driftline.tables.table import F64
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import (
    Basis,
    Fairness,
    FairnessCriterion,
    GroupComparison,
    GroupRate,
    GroupRates,
    Judgement,
)
from driftline_processor.core.intervals import confidence as limits_of
from driftline_processor.core.intervals.confidence import CONFIDENCE, Interval, Share, ratio_interval
from driftline_processor.core.intervals.gradients import ConfusionTable, Ratio
from driftline_processor.core.intervals.time_blocks import FEWEST, FEWEST_DAYS, counting_as_one
from driftline_processor.core.windows.window import DAY, Window

FOUR_FIFTHS = 0.8
"""Ratio of selection rates below which US agencies assume adverse impact (29 CFR 1607.4 D)."""

TOLERANCE = 0.1
"""Default maximum difference between the rates of two groups, as in AI Fairness 360 (Bellamy et al. 2018)."""


class GroupCounts(Struct, frozen=True):
    """Sums of one group.

    Its blocks are blocks of time, the same for every group, to compare groups per day.

    Attributes:
        labelled: Its labelled rows, the positive class second; None without any.
        rows: Their unweighted number.
        predictions: All rows with a decision, as if every outcome were negative; None if they were not counted.
    """

    labelled: ConfusionTable | None
    rows: int = 0
    predictions: ConfusionTable | None = None

    @property
    def weight(self) -> float:
        """Total weight of the labelled rows."""
        return 0.0 if self.labelled is None else float(self.labelled.weight.sum())


class FairnessRule(Struct, frozen=True):
    """A fairness rule for one attribute.

    Attributes:
        reference: The group that others are compared with, "" = the one with the highest rate.
        tolerance: Maximum difference of rates.
        min_ratio: Minimum ratio of selection rates.
    """

    attribute: str
    reference: str = ""
    tolerance: float = TOLERANCE
    min_ratio: float = FOUR_FIFTHS


CRITERIA: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "disparate_impact": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity": ("precision",),
}
"""Criterion → the rates that must be equal."""

MONTH: Final = 30 * DAY
"""Nanoseconds over whose windows the intervals are corrected."""


class Measure(NamedTuple):
    """A measure of the disparity between groups.

    Attributes:
        criterion: A key of :data:`CRITERIA`.
        of: Its difference or its ratio.
    """

    criterion: str
    of: Literal["difference", "ratio"]


MEASURES: Mapping[str, Measure] = {
    "demographic_parity_difference": Measure("demographic_parity", "difference"),
    "demographic_parity_ratio": Measure("disparate_impact", "ratio"),
    "equal_opportunity_difference": Measure("equal_opportunity", "difference"),
    "equalized_odds_difference": Measure("equalized_odds", "difference"),
    "predictive_parity_difference": Measure("predictive_parity", "difference"),
}
"""Measures for policies by name: all but the last are functions of Fairlearn 0.15 with that name."""

_RATES: Mapping[str, tuple[F64, F64]] = {
    name: (np.array(hits, np.float64), np.array(misses, np.float64))
    for name, hits, misses in (
        ("selection_rate", [[0, 1], [0, 1]], [[1, 0], [1, 0]]),
        ("true_positive_rate", [[0, 0], [0, 1]], [[0, 0], [1, 0]]),
        ("false_positive_rate", [[0, 1], [0, 0]], [[1, 0], [0, 0]]),
        ("precision", [[0, 0], [0, 1]], [[0, 1], [0, 0]]),
        ("accuracy", [[1, 0], [0, 1]], [[0, 1], [1, 0]]),
    )
}
"""Rate → the cells of its hits and of its misses, by actual and predicted class."""


def judge_fairness(
    rule: FairnessRule,
    groups: Mapping[str, GroupCounts],
    confidence: float = CONFIDENCE,
    coverage: float | None = None,
    labelled: float | None = None,
    *,
    days: bool = False,
    windows: float = 1.0,
) -> Fairness | None:
    """Compare the groups of an attribute; None with fewer than two.

    A criterion is met if every comparison lies within the limit with its whole interval, broken if one lies outside
    with it, else inconclusive. With g groups the intervals of the g - 1 comparisons with a named group are
    Bonferroni-corrected; without a named group, those of all g(g - 1)/2 pairs. So a group that does not differ
    significantly from the one with the highest rate is compared with the highest from which it does: a small group at
    the top hides nothing. If all rows have equal weight, limits of rates are Wilson's, of differences Newcombe's (1998,
    method 10), of ratios those of Miettinen and Nurminen (1985); else limits of rates are the exact ones of weighted
    rows, and differences and ratios are derived from them (MOVER). Selection rates are those of all predictions if the
    attribute came with them, else of the labelled rows. Intervals include the variance between blocks of time: for a
    rate that of its group, for a comparison that of the difference, in which a day that is bad for both groups cancels
    out. ``days``: blocks are days, not parts of one. ``windows``: number of windows over which the intervals of
    difference and ratio are corrected.

    >>> cells = np.array([[700.0, 100], [50, 150]])
    >>> tables = {group: ConfusionTable(cells * many, cells * many) for group, many in {"M": 4, "F": 2}.items()}
    >>> counts = {group: GroupCounts(table) for group, table in tables.items()}
    >>> found = judge_fairness(FairnessRule("gender"), counts)
    >>> [(one.name, one.state, one.difference, one.comparisons[0].compared_with) for one in found.criteria][:2]
    [('demographic_parity', 'met', 0.0, 'M'), ('disparate_impact', 'met', 0.0, 'M')]
    """
    if len(groups) < 2:
        return None
    counted = {value: group.predictions for value, group in groups.items() if group.predictions is not None}
    basis: Basis = "predictions" if len(counted) == len(groups) else "labelled rows"
    fewest_rows_needed = FEWEST_DAYS if days else FEWEST
    parts = {
        value: _parts(group.labelled, counted[value] if basis == "predictions" else group.labelled, fewest_rows_needed)
        for value, group in groups.items()
    }
    size = {value: group.weight for value, group in groups.items()}
    if basis == "predictions":
        size = {value: float(table.weight.sum()) for value, table in counted.items()}
    reference = rule.reference if rule.reference in groups else ""
    pairs = (len(groups) - 1) * (1 if reference else len(groups) / 2)
    pair_confidence = 1 - (1 - confidence) / pairs
    order = sorted(groups, key=lambda value: (value != reference, -size[value], value))
    group_rates = tuple(GroupRates(value, groups[value].rows, _rates(parts[value], confidence)) for value in order)
    ranked = {value: parts[value] for value in order}
    criteria = tuple(
        replace(_criterion(name, rule, ranked, reference, pair_confidence, basis), low=low, high=high)
        for name in CRITERIA
        for low, high in [_extent(name, ranked, reference, (1 - confidence) / (pairs * windows))]
    )
    return Fairness(rule.attribute, reference, coverage, labelled, group_rates, criteria)


def windows_a_month(window: Window) -> float:
    """Return the number of windows of a length in thirty days, at least one."""
    return max(1.0, MONTH / (window.end - window.start)) if window.end > window.start else 1.0


class FewestRows(NamedTuple):
    """The group with the fewest rows for a criterion.

    Attributes:
        group: The attribute's value.
        rate: The rate with the fewest rows.
        rows: (Effective) rows in the denominator of the rate.
    """

    group: str
    rate: str
    rows: float


def fewest_rows(fairness: Fairness, criterion: str) -> FewestRows | None:
    """Return the group that has the fewest rows for a criterion; None without groups."""
    candidates = [
        FewestRows(group.value, rate, group.rates[rate].rows)
        for group in fairness.groups
        for rate in CRITERIA[criterion]
        if rate in group.rates
    ]
    return min(candidates, key=lambda candidate: (candidate.rows, candidate.group), default=None)


class _Part(NamedTuple):
    """A rate of a group with its hits and misses.

    Attributes:
        is_reviewed: True if rows of all needed decisions were reviewed.
        min_blocks: See :func:`~driftline_processor.core.intervals.time_blocks.design`.
    """

    ratio: Ratio
    is_reviewed: bool
    min_blocks: float

    @property
    def value(self) -> float:
        hits, misses, _ = self.ratio
        return hits.weight / (hits.weight + misses.weight)

    def limits(self, confidence: float, effect: float) -> Interval:
        """Return the interval of the rate at a design effect."""
        return limits_of.wilson(*self.ratio[:2], confidence, effect) if self.is_reviewed else limits_of.UNREVIEWED

    def exact_limits(self, confidence: float, effect: float) -> Interval:
        """Return the exact interval of the rate at a design effect.

        Wilson's has the right coverage on average, but is too short on the side of the smaller fraction at a very high
        confidence.
        """
        return limits_of.clopper_pearson(*self.ratio[:2], confidence, effect)

    def effect(self, confidence: float) -> float:
        """Return the design effect of the group."""
        moved = self.ratio.influence
        return counting_as_one(moved.influence, moved.expected, self.min_blocks, confidence)

    def effect_beside(self, part: _Part, confidence: float, *, ratio: bool = False) -> float:
        """Return the design effect of the difference of two rates, or of their logarithms."""
        moved, two = self.ratio.influence, part.ratio.influence
        if len(moved.influence) != len(two.influence):
            return 1.0
        by, less = (part.value, self.value) if ratio else (1.0, 1.0)
        influence, expected = (
            by * moved.influence - less * two.influence,
            by**2 * moved.expected + less**2 * two.expected,
        )
        return counting_as_one(influence, expected, self.min_blocks, confidence)


def _parts(labelled: ConfusionTable | None, selected: ConfusionTable | None, fewest: float) -> dict[str, _Part | None]:
    """Return the rates of a group; None for a rate without rows."""
    parts: dict[str, _Part | None] = dict.fromkeys(_RATES)
    for name, cells in _RATES.items():
        rows = selected if name == "selection_rate" else labelled
        if rows is not None and (ratio := rows.ratio(*cells)).value is not None:
            parts[name] = _Part(ratio, rows.knows(cells[0] + cells[1]), fewest)
    return parts


def _rates(parts: Mapping[str, _Part | None], confidence: float) -> dict[str, GroupRate]:
    return {
        name: GroupRate(None, 0.0)
        if part is None
        else GroupRate(part.value, part.ratio.effective, *part.limits(confidence, part.effect(confidence))[:2])
        for name, part in parts.items()
    }


_Measured = tuple[float | None, float | None, float | None]
"""A difference or a ratio with its interval."""


def _criterion(
    name: str,
    rule: FairnessRule,
    parts: Mapping[str, Mapping[str, _Part | None]],
    reference: str,
    pair_confidence: float,
    basis: Basis,
) -> FairnessCriterion:
    """Evaluate one criterion for all groups."""
    ratio = name == "disparate_impact"
    measure, limit = (_ratio, rule.min_ratio) if ratio else (_difference, rule.tolerance)
    floor, ceiling = (limit, 1 / limit if limit > 0 else np.inf) if ratio else (-limit, limit)

    def compare(group: str, beside: str, rate: str, rates: Mapping[str, _Part | None]) -> GroupComparison:
        part, other_part, value, low, high = rates[group], rates[beside], None, None, None
        if part is not None and other_part is not None:
            value, low, high = measure(part, other_part, pair_confidence)
        return GroupComparison(
            group=group,
            rate=rate,
            value=value,
            low=low,
            high=None if high is not None and isinf(high) else high,
            state=_state(low, high, floor, ceiling),
            compared_with=beside,
        )

    group_comparisons: list[GroupComparison] = []
    spans: list[tuple[float | None, float | None]] = []
    for rate in CRITERIA[name]:
        part_by_group = {value: of_group[rate] for value, of_group in parts.items()}
        highest = (
            [reference]
            if reference
            else sorted(part_by_group, key=lambda value: _height(part_by_group[value]), reverse=True)
        )
        for value in sorted(part_by_group):
            higher = highest[: highest.index(value)] if value in highest else highest
            pairs = (compare(value, beside, rate, part_by_group) for beside in higher)
            first = next(pairs, None)
            if first is None:
                continue
            worst_comparison = (
                first
                if first.state != "inconclusive"
                else next((pair for pair in pairs if pair.state == "broken"), first)
            )
            group_comparisons.append(worst_comparison)
        spans.append(_span(list(part_by_group.values()), part_by_group[reference] if reference else None))
    differences, ratios = [comparison for comparison, _ in spans], [comparison for _, comparison in spans]
    return FairnessCriterion(
        name=name,
        basis=basis if CRITERIA[name] == ("selection_rate",) else "labelled rows",
        state=_together([comparison.state for comparison in group_comparisons]),
        difference=_worst(differences, max),
        ratio=_worst(ratios, min),
        limit=limit,
        comparisons=tuple(sorted(group_comparisons, key=lambda comparison: comparison.group)),
    )


def _extent(
    name: str, parts: Mapping[str, Mapping[str, _Part | None]], reference: str, error: float
) -> tuple[float | None, float | None]:
    """Return the interval of the maximum difference of a criterion, or of its minimum ratio.

    Limits of rates are exact, those of differences and ratios are derived from them (MOVER; Donner and Zou 2012,
    Statistical Methods in Medical Research 21:347). All pairs of groups are covered at once, so the maximum difference
    lies between the maximum lower and the maximum upper end. A group with an unknown rate may differ by any amount, so
    one end is None.

    Args:
        name: The criterion.
        parts: Rates by group.
        reference: The only group that others are compared with; "" = every other.
        error: Error probability of the interval of a pair with a single rate.
    """
    ratio, rates = name == "disparate_impact", CRITERIA[name]
    confidence = 1 - error / len(rates)
    spans: list[tuple[float, float]] = []
    is_complete = True
    for rate in rates:
        for name_of_one, name_of_other in combinations(parts, 2):
            if reference and reference not in (name_of_one, name_of_other):
                continue
            part, other_part = parts[name_of_one][rate], parts[name_of_other][rate]
            if part is None or other_part is None or not (part.is_reviewed and other_part.is_reviewed):
                is_complete = False
                continue
            effect = part.effect_beside(other_part, confidence, ratio=ratio)
            limits, than = part.exact_limits(confidence, effect), other_part.exact_limits(confidence, effect)
            if ratio:
                spans.append(_ratio_from_one(*limits_of.quotient(part.value, limits, other_part.value, than)))
            else:
                narrow, wider, _ = limits_of.difference(part.value, limits, other_part.value, than)
                spans.append(_distance(narrow or 0.0, wider or 0.0))
    low = (min if ratio else max)((part for part, _ in spans), default=None)
    high = (min if ratio else max)((part for _, part in spans), default=None)
    if is_complete:
        return low, high
    return (None, high) if ratio else (low, None)


def _distance(low: float, high: float) -> tuple[float, float]:
    """Return the interval of the absolute value of a number between two ends.

    >>> _distance(-0.5, 0.25), _distance(-0.5, -0.25)
    ((0.0, 0.5), (0.25, 0.5))
    """
    return max(low, -high, 0.0), max(-low, high)


def _ratio_from_one(low: float, high: float) -> tuple[float, float]:
    """Return the interval of the smaller of a ratio and its inverse.

    >>> _ratio_from_one(0.25, 0.5), _ratio_from_one(2.0, 4.0), _ratio_from_one(0.5, float("inf"))
    ((0.25, 0.5), (0.25, 0.5), (0.0, 1.0))
    """
    if high < 1:
        return low, high
    return (1 / high, 1 / low) if low > 1 else (min(low, 1 / high), 1.0)


def _height(part: _Part | None) -> tuple[bool, float]:
    """Return the sort key for the highest rate; unknown rates are last."""
    return (False, -1.0) if part is None else (part.is_reviewed, part.value)


def _difference(part: _Part, other_part: _Part, confidence: float) -> _Measured:
    effect = part.effect_beside(other_part, confidence)
    limits, than = part.limits(confidence, effect), other_part.limits(confidence, effect)
    return (part.value - other_part.value, *limits_of.difference(part.value, limits, other_part.value, than)[:2])


def _ratio(part: _Part, other_part: _Part, confidence: float) -> _Measured:
    value = part.value / other_part.value if other_part.value > 0 else None
    if not (part.is_reviewed and other_part.is_reviewed):
        return value, None, None
    effect = part.effect_beside(other_part, confidence, ratio=True)
    if all(limits_of.has_equal_weights(*one.ratio[:2]) for one in (part, other_part)):
        share, than = (Share(one.value, one.ratio.effective / effect) for one in (part, other_part))
        return (value, *ratio_interval(share, than, confidence))
    limits = [one.limits(confidence, effect) for one in (part, other_part)]
    return (value, *limits_of.quotient(part.value, limits[0], other_part.value, limits[1]))


def _state(low: float | None, high: float | None, lowest: float, highest: float) -> Judgement:
    if low is None or high is None:
        return "inconclusive"
    if low >= lowest and high <= highest:
        return "met"
    return "broken" if high < lowest or low > highest else "inconclusive"


def _together(states: Sequence[Judgement]) -> Judgement:
    if "broken" in states:
        return "broken"
    return "met" if all(state == "met" for state in states) else "inconclusive"


def _span(parts: Sequence[_Part | None], reference: _Part | None) -> tuple[float | None, float | None]:
    """Return the maximum difference and the minimum ratio of the rates.

    With a reference group, each other rate is compared with that group.
    """
    values = [part.value for part in parts if part is not None]
    if len(values) < len(parts):
        return None, None
    spans = [(min(values), max(values))]
    if reference is not None:
        spans = [(min(value, reference.value), max(value, reference.value)) for value in values]
    ratios = [low / high if high > 0 else None for low, high in spans]
    return max(high - low for low, high in spans), _worst(ratios, min)


def _worst(values: Sequence[float | None], choose: Callable[[Sequence[float]], float]) -> float | None:
    known_values = [value for value in values if value is not None]
    return choose(known_values) if len(known_values) == len(values) else None
