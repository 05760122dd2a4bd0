"""Marks of features: identifiers and times, which are not compared, and features under a privacy rule.

Identifiers and times written as numbers have other values in every window, so they would always or never drift. They
are detected from their reference values, are logged by name, and have no bins: their state is not comparable, never
drift.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from driftline.baseline.codes import are_rare
from driftline.faults import logger
from driftline.panes.bins import Bins, CategoryBins, NumberBins, bins_for, category_bins
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter
from driftline.tables.table import F64, Column

from .section import Section


@dataclass(frozen=True, slots=True)
class FeatureKinds(Section):
    """Feature → one of ``KINDS``."""

    KINDS: ClassVar[tuple[str, ...]] = ()

    by_feature: Mapping[str, str]

    def check_bins(self, bins: ModelBins) -> None:
        """Raise ``ValueError`` for an unknown kind or feature."""
        for name, kind in self.by_feature.items():
            if kind not in self.KINDS or name not in bins.features:
                raise ValueError(
                    f"the entry of {name!r} must be {' or '.join(map(repr, self.KINDS))}, "
                    f"and {name!r} must be a feature"
                )

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return the kinds of the exported features."""
        kinds = {name: kind for name, kind in self.by_feature.items() if name in features.exported}
        return type(self)(kinds) if kinds else None


IDENTIFIER, TIME = "identifier", "time"

FEWEST_TEXTS = 50
FEWEST_NUMBERS = 1_000
"""Minimum number of rows to detect an identifier of whole numbers, because distinct values are common in fewer rows.
If the name indicates an identifier, the minimum for texts applies.
"""

MOSTLY = 0.9
_ID = re.compile(r"(?:^|[^a-z])(?:id|uuid|guid|key|index|idx|row|nr|no|num|number|serial)$|[a-z](?:Id|ID|UUID|Key)$")
_TIME = re.compile(r"(?:^|[^a-z])(?:time|timestamp|ts|date|datetime|at|epoch|created|updated)$|[a-z](?:Time|Date|At)$")
_YEAR_2000, _YEAR_2100 = 946_684_800.0, 4_102_444_800.0
_UNITS = (1.0, 1e3, 1e6, 1e9)
SERIAL_2000, SERIAL_2100 = 36_526.0, 73_051.0
"""Days since 1899-12-30, as spreadsheets store dates."""


@dataclass(frozen=True, slots=True)
class NonFeatures(FeatureKinds):
    """Column → "identifier" or "time", for columns that are not compared."""

    KINDS = (IDENTIFIER, TIME)

    @classmethod
    def learned(cls, features: Mapping[str, Column]) -> Self | None:
        """Return the marks of reference columns, by name; None without marks."""
        kinds = {name: kind for name, column in features.items() if (kind := mark_column(name, column))}
        return cls(kinds) if kinds else None

    def sentences(self) -> list[str]:
        """Return a sentence per column: that it is not compared, why, and how to change it.

        >>> NonFeatures({"order": "identifier"}).sentences()
        ['order: most values are rare, as in an identifier: not compared; list it in features if it is a feature']
        """
        why = {
            IDENTIFIER: "most values are rare, as in an identifier",
            TIME: "a time stored as a number, so every later row is outside its range",
        }
        fix = {
            IDENTIFIER: "list it in features if it is a feature",
            TIME: "pass it as time if it is the time of the rows, or list it in features if it is a feature",
        }
        return [f"{name}: {why[kind]}: not compared; {fix[kind]}" for name, kind in self.by_feature.items()]

    def tell(self) -> None:
        """Log the sentences."""
        for sentence in self.sentences():
            logger.warning("driftline: baseline: %s", sentence)


def bins_of(
    name: str, column: Column, marks: NonFeatures | None, anonymous: bool = False, is_code: bool = False
) -> Bins:
    """Choose the bins of a feature, see :func:`driftline.panes.bins.bins_for`; no bins for a marked column.

    ``is_code``: the numbers are categories.
    """
    if marks is None or name not in marks.by_feature:
        return category_bins(column) if is_code else bins_for(column, anonymous)
    return NumberBins(np.empty(0)) if column.codes is None or column.numbers is not None else CategoryBins(())


def mark_column(name: str, column: Column) -> str:
    """Return the role of a reference column: "identifier", "time", or "" for a feature.

    Texts are an identifier if more than 90 % of at least 50 values are distinct. Whole numbers that are (nearly) all
    distinct are a time if all are unix times of this century and the name indicates a time or the values only grow.
    Numbers such as 20260201 and 202602012359 are a time if all are dates, and days since 1899-12-30 as unix times are.
    Whole numbers are an identifier if they count up, row by row or without gaps, or if the name indicates an
    identifier, also if the values repeat but are mostly rare.

    >>> mark_column("customer_id", Column(numbers=np.random.default_rng(1).permutation(500_000)[:200].astype(float)))
    'identifier'
    >>> mark_column("income", Column(numbers=np.random.default_rng(1).normal(3_000, 500, 2_000)))
    ''
    """
    texts = 0 if column.codes is None else np.bincount(column.codes[column.codes >= 0], minlength=1)
    if column.codes is not None and isinstance(texts, np.ndarray) and texts.sum() >= FEWEST_TEXTS:
        present = 0 if column.numbers is None else int(np.count_nonzero(~np.isnan(column.numbers)))
        if np.count_nonzero(texts) > MOSTLY * texts.sum() and texts.sum() > MOSTLY * (texts.sum() + present):
            return IDENTIFIER
    return "" if column.numbers is None or column.vectors is not None else _mark_numbers(name, column.numbers)


def _mark_numbers(name: str, values: F64) -> str:
    finite = values[np.isfinite(values)]
    if len(finite) < FEWEST_TEXTS or len(finite) < 0.5 * len(values):
        return ""
    smallest, greatest = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore"):  # overflow of two values near the largest float: not a clock
        steps = np.diff(finite)
    grows = bool((steps >= 0).all()) and greatest > smallest
    if any(_YEAR_2000 * unit <= smallest and greatest < _YEAR_2100 * unit for unit in _UNITS) and len(finite) >= 2:
        different = len(np.unique(finite)) > 0.5 * len(finite)
        if different and (_TIME.search(name) or (grows and len(finite) >= FEWEST_NUMBERS)):
            return TIME
    if len(np.unique(finite)) >= 2 and (clock_unit(finite) or _are_serials(name, finite, grows)):
        return TIME
    if (finite != np.floor(finite)).any():
        return ""
    if len(np.unique(finite)) < 0.999 * len(finite):
        rare = len(finite) >= FEWEST_NUMBERS and _ID.search(name) is not None and are_rare(finite)
        return IDENTIFIER if rare else ""
    if _ID.search(name):
        return IDENTIFIER
    counts = grows or bool((steps <= 0).all()) or greatest - smallest < 2 * len(finite)
    return IDENTIFIER if counts and len(finite) >= FEWEST_NUMBERS else ""


_EXISTING = 0.9
"""Minimum fraction of the dates that exist; fewer are numbers."""


def are_date_keys(values: F64) -> bool:
    """Return True if all numbers are dates such as 20260201, of which a few may not exist, such as 20260230.

    >>> are_date_keys(np.array([20260201.0, 19991231.0])), are_date_keys(np.array([20260201.0, 20261301.0]))
    (True, False)
    """
    if not ((values >= 19_000_101) & (values <= 21_001_231) & (values == np.floor(values))).all():
        return False
    whole = np.unique(values).astype(np.int64)
    months = (whole // 10_000 - 1970) * 12 + whole // 100 % 100 - 1
    first_day, next_first = (at.astype("datetime64[M]").astype("datetime64[D]") for at in (months, months + 1))
    is_month = (whole // 100 % 100 >= 1) & (whole // 100 % 100 <= 12)
    is_day = (whole % 100 >= 1) & (whole % 100 <= 31)
    exists = whole % 100 <= (next_first - first_day).astype(np.int64)
    return bool((is_month & is_day).all() and exists.mean() >= _EXISTING)


def clock_unit(values: F64) -> int:
    """Return what divides numbers into date and time of day: 1 for 20260201, 10^4 with HHMM, 10^6 with HHMMSS.

    0 for other numbers.

    >>> clock_unit(np.array([20260201235900.0])), clock_unit(np.array([202602012359.0])), clock_unit(np.array([31.0]))
    (1000000, 10000, 0)
    """
    if (values != np.floor(values)).any():
        return 0
    for unit in (1, 10**4, 10**6):
        clock = values % unit * (10**6 // unit)
        is_clock = (clock < 240_000) & (clock // 100 % 100 < 60) & (clock % 100 < 60)
        if is_clock.all() and are_date_keys(values // unit):
            return unit
    return 0


def _are_serials(name: str, values: F64, grows: bool) -> bool:
    """Return True if numbers are dates of a spreadsheet: days of this century that a name or growing values show."""
    if values.min() < SERIAL_2000 or values.max() >= SERIAL_2100:
        return False
    return _TIME.search(name) is not None or (grows and len(values) >= FEWEST_NUMBERS)


HASHED, ROUNDED = "hash", "round"


@dataclass(frozen=True, slots=True)
class AppliedRules(FeatureKinds):
    """Feature → "hash" or "round": its bins are those of hashes, or lie between multiples of a step.

    A hashed feature is not hashed again, and rows are compared with it only if they are under the same rule.
    """

    KINDS = (HASHED, ROUNDED)
