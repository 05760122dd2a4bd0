"""Codes: whole numbers that name something, such as an agent, a company or a postal code.

Their order has no meaning, so they are compared as categories. A feature is a code if its values are whole numbers,
more than two of them occur, most rows have a value that repeats, and either its name is that of a code, or its values
have no order:

- at least half of the whole numbers between the smallest and the greatest occur: codes are numbered one after the
  other, but distances between cities, which name pairs of cities, are not;
- more than 31 values with at least five rows each have 80 % of the rows;
- the mean outcome differs between the values by more than chance, and so does the mean score, if there are scores;
- values that are neighbours differ by more than half as much as values that are not. The reference is the same means
  in a random order. For hours, rooms or ages, neighbours are alike.

Without outcomes only the name counts, because a score depends on other features that a quantity may stand for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from driftline.panes.bins import RARE
from driftline.tables.classes import class_codes
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import F64, Column, PredictionTable, concatenate

_THINGS = (
    "id|uuid|guid|key|code|zip|zipcode|postcode|plz|sku|ean|account|affiliate|agent|airline|article|bank|branch|broker|"
    "campaign|carrier|category|channel|city|client|company|country|customer|dealer|device|district|driver|employee|"
    "item|location|machine|merchant|operator|partner|product|region|seller|sensor|shop|state|station|store|supplier|"
    "tenant|terminal|type|user|vendor|zone"
)
_NAME = re.compile(rf"(?:^|[^a-z])(?:{_THINGS})$")
_CAMEL_NAME = re.compile(r"[a-z](?:Id|ID|Code|Key|Zip|Type)$")

_FEW_VALUES = 31
"""Values up to which the order is not tested: days of a month, hours, rooms."""

_FEWEST_ROWS = 5
_MOST_ROWS = 0.8
_ORDERS = 32
"""Random orders of the values, whose mean is known to within a tenth."""


def code_features(
    tables: Sequence[PredictionTable],
    actual: Sequence[Column | None],
    features: Collection[str],
    named: Collection[str] | None = None,
    typed: Collection[str] = (),
) -> frozenset[str]:
    """Return the features that are codes.

    Args:
        tables: Reference rows.
        actual: Actual values of each table; None for a table without outcomes.
        features: Names of the features that may be codes.
        named: The features that the caller names as categories; None = detected.
        typed: Features whose column has the type of a category, such as a ``Categorical``.
    """
    if named is not None:
        return frozenset(named).intersection(features)
    columns = {name: _joined([table.features.get(name) for table in tables]) for name in features}
    candidates = {name: values for name, values in columns.items() if values is not None and _repeats(values)}
    codes = {name for name in candidates if has_code_name(name)}.union(typed).intersection(features)
    unnamed = {name: values for name, values in candidates.items() if name not in codes}
    if unnamed:
        responses = _responses(tables, actual)
        codes.update(
            name
            for name, values in unnamed.items()
            if _is_dense(values) and responses and all(_has_no_order(values, response) for response in responses)
        )
    return frozenset(codes)


def has_code_name(name: str) -> bool:
    """Return True if a name is that of a code.

    >>> [has_code_name(name) for name in ("agent", "zip_code", "merchantId", "rooms", "hour", "grid")]
    [True, True, True, False, False, False]
    """
    return _NAME.search(name.lower()) is not None or _CAMEL_NAME.search(name) is not None


def _joined(columns: Sequence[Column | None]) -> F64 | None:
    """Return the numbers of a feature; None if it has other values."""
    if any(column is None or column.numbers is None or column.codes is not None for column in columns):
        return None
    joined = concatenate([column for column in columns if column is not None])
    return None if joined.vectors is not None else joined.numbers


def are_rare(values: F64) -> bool:
    """Return True if most rows have a value that is too rare for a category."""
    counts = np.unique(values, return_counts=True)[1]
    return int(counts[counts >= RARE].sum()) * 2 < len(values)


def _repeats(values: F64) -> bool:
    """Return True for whole numbers, more than two of them, that mostly repeat."""
    finite = values[np.isfinite(values)]
    if not len(finite) or (finite != np.floor(finite)).any():
        return False
    return len(np.unique(finite)) > 2 and not are_rare(finite)


def _is_dense(values: F64) -> bool:
    """Return True if at least half of the whole numbers between the smallest and the greatest value occur."""
    distinct = np.unique(values[np.isfinite(values)])
    return bool(2 * len(distinct) > distinct[-1] - distinct[0])


def _responses(tables: Sequence[PredictionTable], actual: Sequence[Column | None]) -> list[F64]:
    """Return what may depend on a code, for all rows, NaN if unknown: outcomes and scores; none without outcomes."""
    if all(column is None for column in actual):
        return []
    responses = []
    if all(table.scores is not None for table in tables):
        scores = [table.task.monitored_score(table.scores) for table in tables if table.scores is not None]
        responses.append(np.concatenate(scores))
    outcomes = [
        np.full(len(table), np.nan) if column is None else _outcomes(table, column)
        for table, column in zip(tables, actual, strict=True)
    ]
    return [*responses, np.concatenate(outcomes)]


def _outcomes(table: PredictionTable, actual: Column) -> F64:
    """Return the outcomes as numbers: of classes, whether it is the positive one, else the most frequent one."""
    if table.task.predicts_number or not table.task.classes:
        return actual_numbers(actual)
    codes = class_codes(actual, table.task.classes)
    if codes is None:
        return np.full(len(table), np.nan)
    classes, positive = table.task.classes, table.task.positive_class
    chosen = classes.index(positive) if positive in classes else int(np.bincount(codes + 1)[1:].argmax())
    return np.where(codes < 0, np.nan, codes == chosen)


def _has_no_order(values: F64, response: F64) -> bool:
    """Return True if the mean response differs between values, and as much between neighbours as between others."""
    known = np.isfinite(values) & np.isfinite(response)
    _, code, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    frequent = counts >= _FEWEST_ROWS
    k = int(frequent.sum())
    if k <= _FEW_VALUES or counts[frequent].sum() < _MOST_ROWS * len(values):
        return False
    rows = response[known]
    mean = np.bincount(code, rows) / counts
    rest = np.bincount(code, (rows - mean[code]) ** 2)[frequent].sum() / (counts[frequent].sum() - k)
    mean, n = mean[frequent], counts[frequent].astype(np.float64)
    rest = max(float(rest), float(np.finfo(np.float64).tiny))
    between = float((n * (mean - np.average(mean, weights=n)) ** 2).sum() / rest)
    # 6: standard deviations of the sum if the means differ by chance only
    if between < k - 1 + 6 * np.sqrt(2 * (k - 1)):
        return False
    rng = np.random.default_rng(0)
    shuffled = np.mean([_steps(mean[order], n[order]) for order in (rng.permutation(k) for _ in range(_ORDERS))])
    noise = (k - 1) * rest
    return bool(_steps(mean, n) - noise > 0.5 * (shuffled - noise))


def _steps(mean: F64, n: F64) -> float:
    """Return the sum of squared steps between neighbours, each in units of its variance per row."""
    return float((np.diff(mean) ** 2 / (1 / n[1:] + 1 / n[:-1])).sum())
