"""Whether a classifier treats groups of people alike: the usual criteria, each with its interval and a verdict.

Definitions are those of Fairlearn 0.15: the difference of a criterion is that between the greatest and the smallest of
its groups, the ratio the smallest by the greatest. The verdict compares every group with the reference group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isinf
from typing import Literal, NamedTuple

import numpy as np
from driftline.tables import F64

from . import intervals as of
from .intervals import Interval, Summed
from .linear import Table
from .proportions import Share, ratio_interval

Basis = Literal["predictions", "labelled rows"]
State = Literal["met", "broken", "cannot_tell"]

FOUR_FIFTHS = 0.8
"""The ratio of selection rates below which US agencies see adverse impact (29 CFR 1607.4 D)."""

TOLERANCE = 0.1
"""How far the rates of two groups may be apart, where nobody says."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Sums of one group.

    ``labelled``: its labelled rows, the positive class second; None where there are none; ``rows``: how many these are,
    whatever they weigh. ``selected``, ``decided``:
    the weight of the rows that were predicted positive, and of all that have a decision; ``doubled``: the sum of the
    squares of the latter's weights.
    """

    labelled: Table | None
    rows: int = 0
    selected: float = 0.0
    decided: float = 0.0
    doubled: float = 0.0

    @property
    def weight(self) -> float:
        """Of its labelled rows."""
        return 0.0 if self.labelled is None else float(self.labelled.weight.sum())


@dataclass(frozen=True, slots=True)
class Rate:
    """``value``: None where it is not defined. ``rows``: those it is a share of, Kish's number where weighted.

    ``low``, ``high``: its interval, see :func:`.intervals.wilson`.
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
"""Rate → the rows that count for it and those that count against it, by actual and predicted class."""


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
    least that confidence (Bonferroni). Where all rows weigh the same, limits of rates are Wilson's, of differences
    Newcombe's (1998, method 10), of ratios those of Miettinen and Nurminen (1985); else limits of rates are the exact
    ones of weighted rows, and differences and ratios come from these (MOVER). Selection rates are those of all
    predictions where the attribute came with them, else of the labelled rows.

    >>> cells = np.array([[700.0, 100], [50, 150]])
    >>> counts = {group: Counts(Table(cells * many, cells * many)) for group, many in {"M": 4, "F": 2}.items()}
    >>> found = judge_fairness(Rule("gender"), counts)
    >>> found.reference, [(one.name, one.state, one.difference) for one in found.criteria][:2]
    ('M', [('demographic_parity', 'met', 0.0), ('disparate_impact', 'met', 0.0)])
    """
    if len(groups) < 2:
        return None
    basis: Basis = "predictions" if all(one.decided > 0 for one in groups.values()) else "labelled rows"
    parts = {value: _parts(counts, basis) for value, counts in groups.items()}
    size = {value: one.decided if basis == "predictions" else one.weight for value, one in groups.items()}
    reference = rule.reference if rule.reference in groups else max(sorted(size), key=lambda value: size[value])
    each = 1 - (1 - confidence) / (len(groups) - 1)
    told = tuple(
        Group(value, groups[value].rows, _rates(parts[value], confidence))
        for value in sorted(groups, key=lambda value: (value != reference, -size[value], value))
    )
    criteria = tuple(_criterion(name, rule, parts, reference, each, basis) for name in CRITERIA)
    return Fairness(rule.attribute, reference, coverage, labelled, told, criteria)


class _Part(NamedTuple):
    """A rate of a group: the rows that count for it, and those that count against it.

    ``known``: whether rows of all decisions that it needs were reviewed.
    """

    hits: Summed
    misses: Summed
    known: bool = True

    @property
    def value(self) -> float:
        return self.hits.weight / (self.hits.weight + self.misses.weight)

    @property
    def rows(self) -> float:
        return (self.hits.weight + self.misses.weight) ** 2 / (self.hits.squares + self.misses.squares)

    def limits(self, confidence: float) -> Interval:
        return of.wilson(self.hits, self.misses, confidence) if self.known else of.UNREVIEWED


def _parts(counts: Counts, basis: Basis) -> dict[str, _Part | None]:
    """The rates of a group; None where there are no rows."""
    found: dict[str, _Part | None] = dict.fromkeys(_RATES)
    if counts.labelled is not None:
        for name, cells in _RATES.items():
            hits, misses, _ = counts.labelled.ratio(*cells)
            known = counts.labelled.knows(cells[0] + cells[1])
            found[name] = _Part(hits, misses, known) if hits.weight + misses.weight > 0 else None
    if basis == "predictions":
        each = counts.doubled / counts.decided
        hits, misses = (
            Summed(weight, weight * each, each) for weight in (counts.selected, counts.decided - counts.selected)
        )
        found["selection_rate"] = _Part(hits, misses)
    return found


def _rates(parts: Mapping[str, _Part | None], confidence: float) -> dict[str, Rate]:
    return {
        name: Rate(None, 0.0) if part is None else Rate(part.value, part.rows, *part.limits(confidence)[:2])
        for name, part in parts.items()
    }


def _criterion(
    name: str, rule: Rule, parts: Mapping[str, Mapping[str, _Part | None]], reference: str, each: float, basis: Basis
) -> Criterion:
    ratio = name == "disparate_impact"
    compare, limit = (_ratio, rule.least_ratio) if ratio else (_difference, rule.tolerance)
    found = tuple(
        compare(value, rate, own[rate], parts[reference][rate], limit, each)
        for value, own in sorted(parts.items())
        for rate in CRITERIA[name]
        if value != reference
    )
    spans = [_span([own[rate] for own in parts.values()]) for rate in CRITERIA[name]]
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
    group: str, rate: str, one: _Part | None, other: _Part | None, limit: float, confidence: float
) -> Comparison:
    if one is None or other is None:
        return Comparison(group, rate, None, None, None, "cannot_tell")
    low, high, _ = of.difference(one.value, one.limits(confidence), other.value, other.limits(confidence))
    return Comparison(group, rate, one.value - other.value, low, high, _state(low, high, -limit, limit))


def _ratio(
    group: str, rate: str, one: _Part | None, other: _Part | None, limit: float, confidence: float
) -> Comparison:
    if one is None or other is None:
        return Comparison(group, rate, None, None, None, "cannot_tell")
    value = one.value / other.value if other.value > 0 else None
    if not (one.known and other.known):
        return Comparison(group, rate, value, None, None, "cannot_tell")
    if of.alike(*one[:2]) and of.alike(*other[:2]):
        low, high = ratio_interval(Share(one.value, one.rows), Share(other.value, other.rows), confidence)
    else:
        low, high = of.quotient(one.value, one.limits(confidence), other.value, other.limits(confidence))
    state = _state(low, high, limit, 1 / limit if limit > 0 else np.inf)
    return Comparison(group, rate, value, low, None if isinf(high) else high, state)


def _state(low: float | None, high: float | None, least: float, most: float) -> State:
    if low is None or high is None:
        return "cannot_tell"
    if low >= least and high <= most:
        return "met"
    return "broken" if high < least or low > most else "cannot_tell"


def _together(states: Sequence[State]) -> State:
    if "broken" in states:
        return "broken"
    return "met" if all(state == "met" for state in states) else "cannot_tell"


def _span(parts: Sequence[_Part | None]) -> tuple[float | None, float | None]:
    """The difference between the greatest and the smallest rate, and the smallest by the greatest."""
    values = [part.value for part in parts if part is not None]
    if len(values) < len(parts):
        return None, None
    low, high = min(values), max(values)
    return high - low, low / high if high > 0 else None


def _worst(values: Sequence[float | None], of: Callable[[Sequence[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return of(known) if len(known) == len(values) else None
