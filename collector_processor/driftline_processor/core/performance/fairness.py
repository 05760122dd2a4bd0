"""Whether a classifier treats groups of people alike: the usual criteria, each with its interval and a verdict.

Definitions are those of Fairlearn 0.15: the difference of a criterion is that between the greatest and the smallest of
its groups, the ratio the smallest by the greatest. The verdict compares every group with the reference group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Literal

import numpy as np
from driftline.tables import F64

from .proportions import Share, difference_interval, ratio_interval, wilson

Basis = Literal["predictions", "labelled rows"]
State = Literal["met", "broken", "cannot_tell"]

FOUR_FIFTHS = 0.8
"""The ratio of selection rates below which US agencies see adverse impact (29 CFR 1607.4 D)."""

TOLERANCE = 0.1
"""How far the rates of two groups may be apart, where nobody says."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums of one group.

    ``selected``, ``decided``: the weight of the rows that were predicted positive, and of all that have a decision;
    ``doubled``: the sum of the squares of the latter's weights.

    ``confusion``, ``squared``: weights and squared weights by actual and predicted, the positive class second: float64
    (2, 2), of labelled rows.
    """

    confusion: F64
    squared: F64
    selected: float = 0.0
    decided: float = 0.0
    doubled: float = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """``value``: None where it is not defined. ``rows``: those it is a share of, Kish's number where weighted.

    ``low``, ``high``: Wilson's interval.
    """

    value: float | None
    rows: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One group. ``rows``: labelled ones, ``rates``: selection_rate, true_positive_rate, false_positive_rate, precision
    and accuracy."""

    value: str
    rows: int
    rates: dict[str, Rate]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rate of a group beside that of the reference group: their difference or their ratio, and its interval.

    ``high``: None where there is no upper bound.
    """

    group: str
    rate: str
    value: float | None
    low: float | None
    high: float | None
    state: State


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion. ``basis``: the rows it is measured on. ``limit``: what a difference or a ratio must keep to.

    ``difference``, ``ratio``: over all groups, None where a rate is not defined.
    """

    name: str
    basis: Basis
    state: State
    difference: float | None
    ratio: float | None
    limit: float
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Fairness:
    """An attribute. ``coverage``: the share of rows whose attribute is known, ``labelled``: of the labelled ones."""

    attribute: str
    reference: str
    coverage: float | None
    labelled: float | None
    groups: tuple[Group, ...]
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """``attribute``: what tells the groups. ``reference``: the group the others are compared with, "" = the largest.

    ``tolerance``: how far rates may be apart; ``least_ratio``: how small the ratio of selection rates may be.
    """

    attribute: str
    reference: str = ""
    tolerance: float = TOLERANCE
    least_ratio: float = FOUR_FIFTHS


CRITERIA: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "disparate_impact": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "predictive_parity": ("precision",),
}
"""Criterion → the rates that must be alike."""


def judge_fairness(
    rule: Rule,
    groups: Mapping[str, Counts],
    confidence: float = 0.95,
    coverage: float | None = None,
    labelled: float | None = None,
) -> Fairness | None:
    """Compare the groups of an attribute; None where there are fewer than two.

    A criterion is met where every comparison lies within the limit with its whole interval, broken where one lies
    outside with it, else nobody can tell. With g groups the intervals of the g - 1 comparisons hold together with at
    least that confidence (Bonferroni). Differences are Newcombe's (1998, method 10), ratios those of Miettinen and
    Nurminen (1985). Selection rates are those of all predictions where the attribute came with them, else of the
    labelled rows.

    >>> counts = {
    ...     group: Counts(np.array([[700.0, 100], [50, 150]]) * many, np.array([[700.0, 100], [50, 150]]) * many)
    ...     for group, many in {"M": 4, "F": 2}.items()
    ... }
    >>> found = judge_fairness(Rule("gender"), counts)
    >>> found.reference, [(one.name, one.state, one.difference) for one in found.criteria][:2]
    ('M', [('demographic_parity', 'met', 0.0), ('disparate_impact', 'met', 0.0)])
    """
    if len(groups) < 2:
        return None
    basis: Basis = "predictions" if all(one.decided > 0 for one in groups.values()) else "labelled rows"
    shares = {value: _shares(counts, basis) for value, counts in groups.items()}
    size = {
        value: one.decided if basis == "predictions" else float(one.confusion.sum()) for value, one in groups.items()
    }
    reference = rule.reference if rule.reference in groups else max(sorted(size), key=lambda value: size[value])
    each = 1 - (1 - confidence) / (len(groups) - 1)
    told = tuple(
        Group(value, round(float(groups[value].confusion.sum())), _rates(shares[value], confidence))
        for value in sorted(groups, key=lambda value: (value != reference, -size[value], value))
    )
    criteria = tuple(_criterion(name, rule, shares, reference, each, basis) for name in CRITERIA)
    return Fairness(rule.attribute, reference, coverage, labelled, told, criteria)


def _shares(counts: Counts, basis: Basis) -> dict[str, Share | None]:
    """The rates of a group and their effective rows; None where there are none."""
    (right_no, wrong_yes), (wrong_no, right_yes) = counts.confusion.tolist()
    squares = counts.squared
    if basis == "predictions":
        selection = _share(counts.selected, counts.decided, counts.doubled)
    else:
        selection = _share(wrong_yes + right_yes, float(counts.confusion.sum()), float(squares.sum()))
    return {
        "selection_rate": selection,
        "true_positive_rate": _share(right_yes, wrong_no + right_yes, float(squares[1].sum())),
        "false_positive_rate": _share(wrong_yes, right_no + wrong_yes, float(squares[0].sum())),
        "precision": _share(right_yes, wrong_yes + right_yes, float(squares[:, 1].sum())),
        "accuracy": _share(right_no + right_yes, float(counts.confusion.sum()), float(squares.sum())),
    }


def _share(part: float, whole: float, squares: float) -> Share | None:
    return Share(part / whole, whole**2 / squares) if whole > 0 and squares > 0 else None


def _rates(shares: Mapping[str, Share | None], confidence: float) -> dict[str, Rate]:
    return {
        name: Rate(None, 0.0) if share is None else Rate(share.value, share.rows, *wilson(share, confidence))
        for name, share in shares.items()
    }


def _criterion(
    name: str, rule: Rule, shares: Mapping[str, Mapping[str, Share | None]], reference: str, each: float, basis: Basis
) -> Criterion:
    ratio = name == "disparate_impact"
    compare, limit = (_ratio, rule.least_ratio) if ratio else (_difference, rule.tolerance)
    found = tuple(
        compare(value, rate, own[rate], shares[reference][rate], limit, each)
        for value, own in sorted(shares.items())
        for rate in CRITERIA[name]
        if value != reference
    )
    spans = [_span([own[rate] for own in shares.values()]) for rate in CRITERIA[name]]
    differences, ratios = [one for one, _ in spans], [one for _, one in spans]
    return Criterion(
        name,
        basis if CRITERIA[name] == ("selection_rate",) else "labelled rows",
        _together([one.state for one in found]),
        _worst(differences, max),
        _worst(ratios, min),
        limit,
        found,
    )


def _difference(
    group: str, rate: str, one: Share | None, other: Share | None, limit: float, confidence: float
) -> Comparison:
    if one is None or other is None:
        return Comparison(group, rate, None, None, None, "cannot_tell")
    low, high = difference_interval(one, other, confidence)
    return Comparison(group, rate, one.value - other.value, low, high, _state(low, high, -limit, limit))


def _ratio(
    group: str, rate: str, one: Share | None, other: Share | None, limit: float, confidence: float
) -> Comparison:
    if one is None or other is None:
        return Comparison(group, rate, None, None, None, "cannot_tell")
    low, high = ratio_interval(one, other, confidence)
    value = one.value / other.value if other.value > 0 else None
    state = _state(low, high, limit, 1 / limit if limit > 0 else np.inf)
    return Comparison(group, rate, value, low, None if isinf(high) else high, state)


def _state(low: float, high: float, least: float, most: float) -> State:
    if low >= least and high <= most:
        return "met"
    return "broken" if high < least or low > most else "cannot_tell"


def _together(states: Sequence[State]) -> State:
    if "broken" in states:
        return "broken"
    return "met" if all(state == "met" for state in states) else "cannot_tell"


def _span(shares: Sequence[Share | None]) -> tuple[float | None, float | None]:
    """The difference between the greatest and the smallest rate, and the smallest by the greatest."""
    values = [share.value for share in shares if share is not None]
    if len(values) < len(shares):
        return None, None
    low, high = min(values), max(values)
    return high - low, low / high if high > 0 else None


def _worst(values: Sequence[float | None], of: Callable[[Sequence[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return of(known) if len(known) == len(values) else None
