"""The attributes of many rows as columns: one :class:`Cells` per key, whatever each row sent under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables import F64, I32, I64
from numpy.typing import NDArray

from .values import BOOLEAN, INTEGER, LIST, NUMBER, TEXT, label, read

MAX_COLUMNS: Final = 1024
"""Features and slices of one request; a sender that invents a name per row must not make a column of each."""

MAX_CELLS: Final = 16_000_000
"""Rows × columns of one request: what a body of 20 MiB could be inflated to otherwise has no bound."""

MAX_TABLES: Final = 1000
"""Models, versions, environments and tasks of one request; a table for every row would cost seconds."""

MAX_LABELS: Final = 65_536
"""Distinct texts of one feature in one request; the rest are ``OTHER_LABEL``. Slices keep all: one may be an id."""

OTHER_LABEL: Final = "other"

FEATURE: Final = a.ML_FEATURE_VALUE + "."
SLICE: Final = a.ML_SLICE_VALUE + "."

KNOWN: Final = frozenset(
    {
        a.ML_MODEL_NAME,
        a.ML_MODEL_VERSION,
        a.ML_MODEL_TASK,
        a.ML_MODEL_CLASSES,
        a.ML_MODEL_POSITIVE_CLASS,
        a.ML_MODEL_THRESHOLD,
        a.ML_OPERATION_NAME,
        a.ML_PREDICTION_ID,
        a.ML_PREDICTION_TIME,
        a.ML_PREDICTION_COUNT,
        a.ML_PREDICTION_SCORE,
        a.ML_PREDICTION_SCORES,
        a.ML_PREDICTION_CLASS,
        a.ML_PREDICTION_VALUE,
        a.ML_PREDICTION_ITEMS,
        a.ML_PREDICTION_ITEM_COUNT,
        a.ML_PREDICTION_DURATION,
        a.ML_OUTCOME_ACTUAL,
        a.ML_OUTCOME_TIME,
        a.ML_OUTCOME_PREDICTION_TIME,
        a.ML_OUTCOME_WEIGHT,
        a.ML_OUTCOME_ITEM,
        a.ML_MODEL_QUANTILES,
        a.ML_OUTCOME_VALUE,
        a.ML_OUTCOME_RETRACTED,
    }
)

_NUMERIC = {NUMBER, INTEGER, BOOLEAN}

Where = slice | NDArray[np.intp]
"""Which rows: a slice where they follow each other, which numpy writes several times faster."""


class Cells:
    """What n rows sent under one key.

    ``kind``: uint8 (n,), one of the kinds of :mod:`.values`. ``numbers``: float64 (n,), of numbers, integers and
    booleans, else NaN. ``codes``: int32 (n,), of texts and lists, index into ``things``, else -1. ``integers``: int64
    (n,), exact, where the kind is an integer.
    """

    __slots__ = ("_index", "_most", "codes", "integers", "kind", "numbers", "plain")

    def __init__(self, rows: int, plain: bool, most: int = 0) -> None:
        self.kind: NDArray[np.uint8] = np.zeros(rows, np.uint8)
        self.numbers: F64 = np.full(rows, np.nan)
        self.codes: I32 = np.full(rows, -1, np.int32)
        self.integers: I64 | None = None
        self.plain = plain
        self._most = most
        self._index: dict[Any, int] = {}

    @property
    def things(self) -> tuple[Any, ...]:
        """The distinct texts and lists, in the order of their codes."""
        return tuple(self._index)

    def code(self, thing: Any) -> int:
        """Return the code of a text or list. Of features and slices (not ``plain``) a long text is cut, and ``most``
        texts are told apart."""
        if self.plain:
            return self._index.setdefault(thing, len(self._index))
        text = label(thing)
        if text not in self._index and len(self._index) >= self._most - 1:
            text = OTHER_LABEL
        return self._index.setdefault(text, len(self._index))

    def put(self, row: int, kind: int, thing: Any) -> None:
        """Set one row; what it held before is gone: of a key sent twice, the last counts."""
        self.kind[row] = kind
        self.numbers[row] = thing if kind in _NUMERIC else np.nan
        self.codes[row] = self.code(thing) if kind == TEXT or (kind == LIST and self.plain) else -1
        if kind == INTEGER:
            self.exact()[row] = thing

    def put_numbers(self, where: Where, values: F64) -> None:
        """Set rows that all hold doubles, and held nothing before."""
        self.kind[where] = NUMBER
        self.numbers[where] = values

    def put_distinct(self, where: Where, distinct: list[tuple[int, Any]], inverse: NDArray[np.intp] | int) -> None:
        """Set rows, which held nothing before, to ``distinct[inverse]``."""
        kinds = {kind for kind, _ in distinct}
        self.kind[where] = np.array([kind for kind, _ in distinct], np.uint8)[inverse]
        if kinds & _NUMERIC:
            self.numbers[where] = np.array([float(t) if k in _NUMERIC else np.nan for k, t in distinct])[inverse]
        if kinds & {TEXT, LIST}:
            codes = [self.code(t) if k == TEXT or (k == LIST and self.plain) else -1 for k, t in distinct]
            self.codes[where] = np.array(codes, np.int32)[inverse]
        if INTEGER in kinds:
            self.exact()[where] = np.array([t if k == INTEGER else 0 for k, t in distinct], np.int64)[inverse]

    def exact(self) -> I64:
        """Return ``integers``, made when the first one comes."""
        if self.integers is None:
            self.integers = np.zeros(len(self.kind), np.int64)
        return self.integers


class Grid:
    """The attributes of n rows.

    ``features`` / ``slices``: by their own name. ``recorded``: bool (n,), rows that say they are also in a record.
    ``rejected``: reason → columns.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.known: dict[str, Cells] = {}
        self.features: dict[str, Cells] = {}
        self.slices: dict[str, Cells] = {}
        self.recorded: NDArray[np.bool_] = np.zeros(rows, np.bool_)
        self.rejected: Counter[str] = Counter()
        self._by_key: dict[str, Cells | None] = {}
        self._room = min(MAX_COLUMNS, MAX_CELLS // max(rows, 1))

    def cells(self, key: str) -> Cells | None:
        """Return the column of an attribute; None when nobody reads that attribute."""
        if key not in self._by_key:
            self._by_key[key] = self._make(key)
        return self._by_key[key]

    def _make(self, key: str) -> Cells | None:
        if key in KNOWN:
            return self.known.setdefault(key, Cells(self.rows, plain=True))
        for prefix, columns, most in ((FEATURE, self.features, MAX_LABELS), (SLICE, self.slices, MAX_CELLS)):
            if key.startswith(prefix) and len(key) > len(prefix):
                if len(self.features) + len(self.slices) >= self._room:
                    self.rejected["too_many_features"] += 1
                    return None
                return columns.setdefault(label(key[len(prefix) :]), Cells(self.rows, False, most))
        return None

    def put(self, row: int, attributes: Iterable[Any]) -> None:
        """Set one row from its ``KeyValue`` messages: the general way, which any row can go."""
        for attribute in attributes:
            key = attribute.key
            if key == a.ML_PREDICTION_RECORDED:
                self.recorded[row] |= attribute.value.bool_value
                continue
            cells = self.cells(key)
            if cells is not None:
                cells.put(row, *read(attribute.value))
