"""Count the rows that meet each rule: additive sums of panes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from driftline.tables.classes import number_text
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import F64, I64, Column
from numpy.typing import NDArray

from .pattern import find_pattern
from .rule import WIDTH, Expectations, Rule

Mask = NDArray[np.bool_]


def count_rules(features: Mapping[str, Column], expect: Expectations, group: I64, groups: int) -> dict[str, F64]:
    """Return the counts for the rules of features: part → float64 (groups, 4), unweighted.

    ``group``: int64 (n,), the pane of each row. Entries: rows, rows with a value, and two by the kind of rule: the
    number of rows that meet it; for ``min`` those below and those up to the limits, for ``max`` those above and those
    from the limits on; for ``mean`` and ``stddev`` the sum and the sum of squares. Features that a table lacks are
    missing everywhere.

    >>> rule = Rule("range", "age", "range: [0, 120]", low=0.0, high=120.0)
    >>> ages = Column(numbers=np.array([17.0, 130.0, np.nan]))
    >>> count_rules({"age": ages}, Expectations(features={"age": (rule,)}), np.zeros(3, np.int64), 1)[rule.part]
    array([[3., 2., 1., 0.]])
    """
    n = len(group)
    found: dict[str, F64] = {}
    for name, rules in expect.features.items():
        column = features.get(name, Column())
        has_value = _has_value(column, n)
        for rule in rules:
            one, other = _bounds_of_rule(rule, column, has_value) if has_value.any() else (np.zeros(n), np.zeros(n))
            sums = np.stack(
                [np.bincount(group, each, minlength=groups) for each in (np.ones(n), has_value, one, other)]
            )
            found[rule.part] = sums.T.astype(np.float64)
    assert all(values.shape == (groups, WIDTH) for values in found.values())
    return found


def _has_value(column: Column, n: int) -> Mask:
    has_value = np.zeros(n, dtype=np.bool_)
    if column.numbers is not None and len(column.numbers):
        has_value |= ~np.isnan(column.numbers)
    if column.codes is not None and len(column.codes):
        has_value |= column.codes >= 0
    return has_value


def _bounds_of_rule(rule: Rule, column: Column, has_value: Mask) -> tuple[F64, F64]:
    n = len(has_value)
    numbers = np.full(n, np.nan) if column.numbers is None else column.numbers
    nothing, (low, high) = np.zeros(n), _limits(rule)
    match rule.kind:
        case "range":
            return _within(numbers, rule).astype(np.float64), nothing
        case "min":
            return (numbers < low).astype(np.float64), (numbers <= high).astype(np.float64)
        case "max":
            return (numbers > high).astype(np.float64), (numbers >= low).astype(np.float64)
        case "mean" | "stddev":
            # 1e100: larger numbers are excluded, since their squares would make a pane's sums infinite
            usable = np.where(np.abs(numbers) <= 1e100, numbers, 0.0)
            return usable, usable * usable
        case "values" | "not_values":
            listed = _listed(rule, column, numbers)
            return (listed if rule.kind == "values" else has_value & ~listed).astype(np.float64), nothing
        case "type":
            return _typed(rule, column, numbers).astype(np.float64), nothing
        case "length":
            sizes = np.array([len(category) for category in column.categories], dtype=np.float64)
            return _categories(column, n, _within(sizes, rule)).astype(np.float64), nothing
        case "pattern":
            return _categories(column, n, find_pattern(rule.pattern, column.categories)).astype(np.float64), nothing
        case _:
            return nothing, nothing


def _within(values: F64, rule: Rule) -> Mask:
    low, high = _limits(rule)
    return (values >= low) & (values <= high)


def _limits(rule: Rule) -> tuple[float, float]:
    return -np.inf if rule.low is None else rule.low, np.inf if rule.high is None else rule.high


def _categories(column: Column, n: int, fits: Mask) -> Mask:
    """Return True for rows whose text fits; rows without a text are False."""
    if column.codes is None or not len(column.codes):
        return np.zeros(n, dtype=np.bool_)
    return np.append(fits, np.bool_(False))[column.codes]


def _listed(rule: Rule, column: Column, numbers: F64) -> Mask:
    wanted = set(rule.values)
    listed = _categories(
        column, len(numbers), np.array([category in wanted for category in column.categories], dtype=np.bool_)
    )
    known = actual_numbers(Column(codes=np.arange(len(rule.values), dtype=np.int32), categories=rule.values))
    exact = [value for value, text in zip(known.tolist(), rule.values, strict=True) if number_text(value) == text]
    return np.asarray(listed | np.isin(numbers, exact), dtype=np.bool_)


def _typed(rule: Rule, column: Column, numbers: F64) -> Mask:
    match rule.type:
        case "number":
            typed = np.isfinite(numbers)
        case "whole":
            typed = np.isfinite(numbers) & (numbers == np.floor(numbers))
        case "boolean":
            typed = (numbers == 0) | (numbers == 1)
        case _:
            typed = _categories(column, len(numbers), np.ones(len(column.categories), dtype=np.bool_))
    return typed
