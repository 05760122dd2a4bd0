"""Attributes of rows: single values, columns of many rows (one :class:`Cells` per key), and the known ones by type."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, Protocol

import numpy as np
from driftline.inputs.texts_and_vectors import short_text
from driftline.outputs.rankings import MOST_TEXT
from driftline.semconv import attributes as a
from driftline.tables.classes import class_column, class_text, quantile_levels, with_exact_integers
from driftline.tables.ids import id_text
from driftline.tables.performance_columns import GREATEST_WEIGHT
from driftline.tables.table import F64, I32, I64, Column, Text
from driftline.tables.task import KINDS, Task
from numpy.typing import NDArray

MAX_TEXT: Final = 1024
"""Maximum characters of an id, a name or a class."""

MAX_ROWS: Final = 1_000_000
"""Maximum rows of one batch; a larger count is invalid. Our SDK sends at most 5,000 per record."""

ABSENT, NUMBER, INTEGER, BOOLEAN, TEXT, LIST, OTHER, EMPTY = range(8)
"""Kinds of attribute values: ``OTHER`` is a map or bytes, ``EMPTY`` an AnyValue without a value."""

_VALUE_KINDS: Final = {
    None: EMPTY,
    "double_value": NUMBER,
    "int_value": INTEGER,
    "bool_value": BOOLEAN,
    "string_value": TEXT,
    "array_value": LIST,
}
_SCALARS = frozenset({NUMBER, INTEGER, BOOLEAN, TEXT})
_THRESHOLD = re.compile(r"(?:^|,)[ \t]*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?=[;, \t]|$)")


def read(value: Any) -> tuple[int, Any]:
    """Return the kind and the Python value of an ``AnyValue``: float, int, bool, str, or a tuple of these.

    Elements of a list that are not scalars are None; so is the value of any other kind.
    """
    field = value.WhichOneof("value")
    kind = _VALUE_KINDS.get(field, OTHER)
    if kind in _SCALARS:
        return kind, getattr(value, field)
    if kind == LIST:
        return kind, tuple(thing for _, thing in map(_read_element, value.array_value.values))
    return kind, None


def _read_element(value: Any) -> tuple[int, Any]:
    field = value.WhichOneof("value")
    kind = _VALUE_KINDS.get(field, OTHER)
    return kind, getattr(value, field) if kind in _SCALARS else None


def bounded_text(text: str) -> str:
    """Return a usable name: one of more than ``MAX_TEXT`` characters is cut and extended by a hash.

    >>> bounded_text("AA"), len(bounded_text("x" * 1_000_000))
    ('AA', 217)
    """
    return short_text(text, MAX_TEXT)


def sampling_weight(trace_state: str) -> float | None:
    """Return the number of spans that a sampled one represents; None if it is unknown or no usable weight.

    The threshold ``ot=th:`` of the OpenTelemetry probability sampling specification ("TraceState: Probability
    Sampling", section "Rejection threshold"): up to 14 hexadecimal digits, without trailing zeros, of the fraction of
    spans that is *not* kept.

    >>> sampling_weight("ot=th:8"), sampling_weight("vendor=1,ot=rv:abcdefabcdefab;th:c"), sampling_weight("ot=th:0")
    (2.0, 4.0, 1.0)
    """
    found = _THRESHOLD.search(trace_state)
    if found is None:
        return None
    threshold = int(found[1].ljust(14, "0"), 16)
    weight = 2.0**56 / (2**56 - threshold)
    return weight if weight <= GREATEST_WEIGHT else None


MAX_COLUMNS: Final = 1024
"""Maximum features and slices of one request, if a sender uses a new name in each row."""

MAX_CELLS: Final = 16_000_000
"""Maximum number of items of one request, and distinct texts of a slice."""

GRID_CELLS: Final = 8_000_000
"""Maximum rows × columns of one request, of 9 to 29 bytes each; a body of 20 MiB with other features in each row would
expand without bound otherwise.
"""

MAX_TABLES: Final = 1000
"""Maximum tables of one request, one per model, version, environment and task."""

MAX_CLASS_TEXT: Final = 1 << 17
"""Maximum characters of all declared classes of a model, which are in memory for each version and environment; a list
of more is ignored.
"""

MAX_CATEGORIES: Final = 65_536
"""Maximum distinct texts of one feature in one request; others become ``OTHER_CATEGORY``. Slices keep all, since one
may be an id.
"""

OTHER_CATEGORY: Final = "other"

FEATURE: Final = a.DRIFTLINE_FEATURE_VALUE + "."
SLICE: Final = a.DRIFTLINE_SLICE_VALUE + "."

UNNAMED: Final = "unnamed_feature"
"""The reason under which features and slices without a name are counted."""

KNOWN: Final = frozenset(
    {
        a.ML_MODEL_NAME,
        a.ML_MODEL_VERSION,
        a.ML_MODEL_TASK,
        a.DRIFTLINE_MODEL_CLASSES,
        a.DRIFTLINE_MODEL_POSITIVE_CLASS,
        a.DRIFTLINE_MODEL_THRESHOLD,
        a.ML_OPERATION_NAME,
        a.ML_PREDICTION_ID,
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO,
        a.ML_PREDICTION_COUNT,
        a.ML_PREDICTION_SCORE,
        a.DRIFTLINE_PREDICTION_SCORES,
        a.ML_PREDICTION_CLASS,
        a.ML_PREDICTION_VALUE,
        a.DRIFTLINE_PREDICTION_ITEMS,
        a.DRIFTLINE_PREDICTION_ITEM_COUNT,
        a.DRIFTLINE_PREDICTION_DURATION,
        a.ML_OUTCOME_ACTUAL,
        a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO,
        a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO,
        a.DRIFTLINE_OUTCOME_WEIGHT,
        a.DRIFTLINE_OUTCOME_ITEM,
        a.DRIFTLINE_MODEL_QUANTILES,
        a.DRIFTLINE_OUTCOME_VALUE,
        a.DRIFTLINE_OUTCOME_RETRACTED,
        a.ERROR_TYPE,
    }
)

_NUMERIC = {NUMBER, INTEGER, BOOLEAN}

Where = slice | NDArray[np.intp]
"""Rows: a slice if they are consecutive, which numpy writes several times faster."""


class UnreadTexts(Protocol):
    """Texts of a column that are decoded on demand."""

    def put(self) -> None:
        """Decode them into their column."""

    def plain_texts(self, where: Where) -> Text | None:
        """Return the texts of rows if all are ASCII, stripped, not empty and at most ``MAX_TEXT`` long, else None."""


class Cells:
    """The values of n rows under one key.

    ``kind``: uint8 (n,), one of the kinds of :func:`read`. ``numbers``: float64 (n,), numbers, integers and booleans,
    else NaN. ``codes``: int32 (n,), index of texts and lists into ``things``, else -1. ``integers``: int64 (n,), exact
    integers.
    """

    __slots__ = ("_codes", "_index", "_max_values", "_numbers", "_unread_texts", "integers", "kind", "plain")

    def __init__(self, rows: int, plain: bool, most: int = 0) -> None:
        self.kind: NDArray[np.uint8] = np.zeros(rows, np.uint8)
        self._numbers: F64 | None = None
        self._codes: I32 | None = None
        self._unread_texts: UnreadTexts | None = None
        self.integers: I64 | None = None
        self.plain = plain
        self._max_values = most
        self._index: dict[Any, int] = {}

    @property
    def codes(self) -> I32:
        """The codes of texts and lists, int32 (n,)."""
        self._settle()
        return self._all_codes()

    @property
    def numbers(self) -> F64:
        """The numbers, float64 (n,); allocated on first use."""
        if self._numbers is None:
            self._numbers = np.full(len(self.kind), np.nan)
        return self._numbers

    def _all_codes(self) -> I32:
        if self._codes is None:
            self._codes = np.full(len(self.kind), -1, np.int32)
        return self._codes

    @property
    def things(self) -> tuple[Any, ...]:
        """The distinct texts and lists, in the order of their codes."""
        self._settle()
        return tuple(self._index)

    def _settle(self) -> None:
        if self._unread_texts is not None:
            later, self._unread_texts = self._unread_texts, None
            later.put()

    def plain_texts(self, where: Where) -> Text | None:
        """Return the undecoded texts of rows if all are plain; see :class:`UnreadTexts`."""
        return None if self._unread_texts is None else self._unread_texts.plain_texts(where)

    def code(self, thing: Any) -> int:
        """Return the code of a text or list.

        For features and slices (not ``plain``), long texts are cut, and at most ``most`` texts are distinguished.
        """
        if self.plain:
            return self._index.setdefault(thing, len(self._index))
        text = short_text(thing)
        if text not in self._index and len(self._index) >= self._max_values - 1:
            text = OTHER_CATEGORY
        return self._index.setdefault(text, len(self._index))

    def put(self, row: int, kind: int, thing: Any) -> None:
        """Set one row; if a key is sent twice, the last value counts."""
        self.kind[row] = kind
        self.numbers[row] = thing if kind in _NUMERIC else np.nan
        self._all_codes()[row] = self.code(thing) if kind == TEXT or (kind == LIST and self.plain) else -1
        if kind == INTEGER:
            self.exact()[row] = thing

    def put_doubles(self, where: Where, values: F64) -> None:
        """Set rows with known kinds to doubles; for all rows, the array is used without a copy."""
        if isinstance(where, slice) and self._numbers is None:
            self._numbers = values
        else:
            self.numbers[where] = values

    def put_distinct(self, where: Where, distinct: list[tuple[int, Any]], inverse: NDArray[np.intp] | int) -> None:
        """Set empty rows to ``distinct[inverse]``."""
        kinds = {kind for kind, _ in distinct}
        self.kind[where] = np.array([kind for kind, _ in distinct], np.uint8)[inverse]
        if kinds & _NUMERIC:
            self.numbers[where] = np.array([float(t) if k in _NUMERIC else np.nan for k, t in distinct])[inverse]
        if kinds & {TEXT, LIST}:
            codes = [self.code(t) if k == TEXT or (k == LIST and self.plain) else -1 for k, t in distinct]
            self._all_codes()[where] = np.array(codes, np.int32)[inverse]
        if INTEGER in kinds:
            self.exact()[where] = np.array([t if k == INTEGER else 0 for k, t in distinct], np.int64)[inverse]

    def put_text(self, where: Where, text: str) -> None:
        """Set rows with known kinds to one text."""
        self._all_codes()[where] = self.code(text)

    def put_texts(self, where: Where, texts: list[str], inverse: NDArray[np.intp]) -> None:
        """Set rows with known kinds to ``texts[inverse]``."""
        codes = np.array([self.code(text) for text in texts], np.int32)[inverse]
        if isinstance(where, slice) and self._codes is None:
            self._codes = codes
        else:
            self._all_codes()[where] = codes

    def put_later(self, texts: UnreadTexts) -> None:
        """Register texts to be decoded on demand."""
        self._unread_texts = texts

    def clear(self, rows: NDArray[np.intp]) -> None:
        """Remove the values of rows."""
        self.kind[rows] = ABSENT
        if self._numbers is not None:
            self._numbers[rows] = np.nan
        if self._codes is not None:
            self._codes[rows] = -1

    def exact(self) -> I64:
        """Return ``integers``, allocated on first use."""
        if self.integers is None:
            self.integers = np.zeros(len(self.kind), np.int64)
        return self.integers

    def exact_at(self, rows: Where) -> I64:
        """Return the exact integers of some rows, 0 for other values."""
        return np.where(self.kind[rows] == INTEGER, self.exact()[rows], 0)


class Grid:
    """The attributes of n rows.

    ``features`` / ``slices``: by name without prefix. ``recorded``: bool (n,), rows that are also in a record.
    ``rejected``: reason → columns.
    """

    def __init__(self, rows: int, more: frozenset[str] = frozenset()) -> None:
        """Create an empty grid. ``more``: keys to read in addition to :data:`KNOWN`."""
        self.rows = rows
        self._more = more
        self.known: dict[str, Cells] = {}
        self.features: dict[str, Cells] = {}
        self.slices: dict[str, Cells] = {}
        self.recorded: NDArray[np.bool_] = np.zeros(rows, np.bool_)
        self.rejected: Counter[str] = Counter()
        self._by_key: dict[str, Cells | None] = {}
        self._room = min(MAX_COLUMNS, GRID_CELLS // max(rows, 1))

    def cells(self, key: str) -> Cells | None:
        """Return the column of an attribute; None for ignored attributes."""
        if key not in self._by_key:
            self._by_key[key] = self._make(key)
        return self._by_key[key]

    def _make(self, key: str) -> Cells | None:
        if key in KNOWN or key in self._more:
            return self.known.setdefault(key, Cells(self.rows, plain=True))
        for prefix, columns, most in ((FEATURE, self.features, MAX_CATEGORIES), (SLICE, self.slices, MAX_CELLS)):
            if key.startswith(prefix) and len(key) > len(prefix):
                if len(self.features) + len(self.slices) >= self._room:
                    self.rejected["too_many_features"] += 1
                    return None
                return columns.setdefault(bounded_text(key[len(prefix) :]), Cells(self.rows, False, most))
        if key in (FEATURE, SLICE):
            self.rejected[UNNAMED] += 1
        return None

    def put(self, row: int, attributes: Iterable[Any]) -> None:
        """Set one row from its ``KeyValue`` messages, the general path for any row."""
        for attribute in attributes:
            key = attribute.key
            if key == a.DRIFTLINE_PREDICTION_RECORDED:
                self.recorded[row] |= attribute.value.bool_value
                continue
            cells = self.cells(key)
            if cells is not None:
                cells.put(row, *read(attribute.value))


Mask = NDArray[np.bool_]


class Fields:
    """Reader of known attributes of ``n`` rows of a grid.

    Args:
        rejected: Reason → values that could not be used.
    """

    def __init__(self, grid: Grid, rows: Where, rejected: Counter[str]) -> None:
        self._grid = grid
        self._rows = rows
        self.rejected = rejected
        self.n = len(grid.recorded[rows])

    def has(self, name: str) -> Mask:
        """Return True for rows with a value of any type."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.zeros(self.n, np.bool_)
        kind = cells.kind[self._rows]
        held: Mask = (kind != ABSENT) & (kind != EMPTY)
        return held

    def texts(self, name: str) -> tuple[I64, list[str]]:
        """Return codes (-1 = missing) into distinct texts; numbers become texts: 17, 17.0 and "17" are equal."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.full(self.n, -1), []
        kind = self._counted_kinds(cells, name, TEXT, NUMBER, INTEGER)
        things = [thing.strip() if isinstance(thing, str) else "" for thing in cells.things]
        codes = cells.codes[self._rows]
        if any(len(thing) > MAX_TEXT for thing in things):
            too_long = np.array([len(thing) > MAX_TEXT for thing in things] + [False])
            self.count(f"too_long:{name}", too_long[codes])
            things = [thing if len(thing) <= MAX_TEXT else "" for thing in things]
        index: dict[str, int] = {text: code for code, text in enumerate(dict.fromkeys(filter(None, things)))}
        lookup = np.array([*(index.get(thing, -1) for thing in things), -1])  # the last entry is where code -1 lands
        result = lookup[codes]
        numeric = np.flatnonzero((kind == NUMBER) | (kind == INTEGER))
        if len(numeric):
            numbers, integers = cells.numbers[self._rows], cells.exact()[self._rows]
            for row in numeric.tolist():
                number = integers[row].item() if kind[row] == INTEGER else numbers[row].item()
                if math.isfinite(number):
                    result[row] = index.setdefault(id_text(number), len(index))
        return result, list(index)

    def plain_texts(self, name: str) -> Text | None:
        """Return the undecoded texts of all rows if :meth:`texts` would not change any, else None."""
        cells = self._grid.known.get(name)
        return None if cells is None else cells.plain_texts(self._rows)

    def numbers(self, name: str) -> F64 | None:
        """Return doubles and integers as float64, NaN = missing; None if no row has one."""
        cells = self._grid.known.get(name)
        if cells is None:
            return None
        kind = self._counted_kinds(cells, name, NUMBER, INTEGER)
        numeric = (kind == NUMBER) | (kind == INTEGER)
        if not numeric.any():
            return None
        return np.where(numeric, cells.numbers[self._rows], np.nan)

    def times(self, name: str) -> I64:
        """Return unix nanoseconds, 0 = missing. Values outside 1970 to 2262 are counted as ``bad_time``."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.zeros(self.n, np.int64)
        kind = self._counted_kinds(cells, name, INTEGER, NUMBER)
        result = np.zeros(self.n, np.int64)
        if cells.integers is not None:
            result = np.where(kind == INTEGER, cells.integers[self._rows], 0)
        numbers = cells.numbers[self._rows]
        usable = (kind == NUMBER) & (numbers >= 1.0) & (numbers < 2.0**63)
        result[usable] = numbers[usable].astype(np.int64)
        bad = (result <= 0) & ((kind == INTEGER) | (kind == NUMBER))
        self.count("bad_time", bad)
        result[bad] = 0
        return result

    def values(self, name: str, *, lists: bool = False) -> Column | None:
        """Return texts as codes, and numbers and booleans as numbers; None if no row has one.

        An integer may be a class, so one that a double cannot represent is a text with all its digits.
        ``lists``: lists become the text of their JSON, which may be longer, see :mod:`driftline.outputs.rankings`.
        """
        cells = self._grid.known.get(name)
        if cells is None:
            return None
        texts = (TEXT, LIST) if lists else (TEXT,)
        kind = self._counted_kinds(cells, name, *texts, NUMBER, INTEGER, BOOLEAN)
        things = [_text(thing) if lists or isinstance(thing, str) else "" for thing in cells.things]
        longest = [MOST_TEXT if lists and thing.startswith(("[", "{")) else MAX_TEXT for thing in things]
        too_long = np.array([len(thing) > most for thing, most in zip(things, longest, strict=True)] + [False])
        codes = cells.codes[self._rows]
        self.count(f"too_long:{name}", too_long[codes])
        codes = np.where(np.isin(kind, texts) & ~too_long[codes], codes, -1).astype(np.int32)
        numbers = cells.numbers[self._rows]
        has_texts, has_numbers = bool((codes >= 0).any()), not np.isnan(numbers).all()
        if not has_texts and not has_numbers:
            return None
        categories = tuple(thing[:most] for thing, most in zip(things, longest, strict=True))
        column = Column(numbers if has_numbers else None, codes if has_texts else None, categories if has_texts else ())
        return with_exact_integers(column, cells.exact_at(self._rows)) if (kind == INTEGER).any() else column

    def classes(self, name: str) -> Column | None:
        """Return classes as codes of canonical texts; None if no row has one."""
        values = self.values(name)
        return None if values is None else class_column(values)

    def flags(self, name: str) -> tuple[Mask, Mask]:
        """Return the true rows (true, 1, "true"), and the rows that are not boolean: bool (n,) each."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.zeros(self.n, np.bool_), np.zeros(self.n, np.bool_)
        unread = np.isin(cells.kind[self._rows], (LIST, OTHER))
        column = self.classes(name)
        if column is None or column.codes is None:
            return np.zeros(self.n, np.bool_), unread
        text = np.array([*column.categories, "0"])[column.codes]
        return text == "1", unread | ~np.isin(text, ("0", "1"))

    def lists(self, name: str) -> tuple[I64, list[tuple[Any, ...]]] | None:
        """Return codes (-1 = missing) into distinct lists of scalars; None if no row has one."""
        cells = self._grid.known.get(name)
        if cells is None:
            return None
        is_list = self._counted_kinds(cells, name, LIST) == LIST
        if not is_list.any():
            return None
        things = [thing if isinstance(thing, tuple) else () for thing in cells.things]
        return np.where(is_list, cells.codes[self._rows], -1).astype(np.int64), things

    def _counted_kinds(self, cells: Cells, name: str, *kinds: int) -> NDArray[np.uint8]:
        """Return the kinds of the rows, and count those that are not in ``kinds``."""
        kind = cells.kind[self._rows]
        counts = np.bincount(kind, minlength=EMPTY + 1)
        wrong = int(counts.sum() - counts[[ABSENT, EMPTY, *kinds]].sum())
        if wrong:
            self.rejected[f"wrong_type:{name}"] += wrong
        return kind

    def count(self, reason: str, rows: Mask) -> None:
        """Count rows under a reason."""
        if rows.any():
            self.rejected[reason] += int(rows.sum())


def tasks(fields: Fields) -> tuple[I64, list[Task]]:
    """Return codes into the distinct tasks of the rows. Unknown kinds are ignored."""
    kinds, kind_texts = fields.texts(a.ML_MODEL_TASK)
    classes, class_lists = fields.lists(a.DRIFTLINE_MODEL_CLASSES) or (np.full(fields.n, -1), [])
    positives = fields.classes(a.DRIFTLINE_MODEL_POSITIVE_CLASS)
    positive = np.full(fields.n, -1) if positives is None or positives.codes is None else positives.codes
    thresholds = fields.numbers(a.DRIFTLINE_MODEL_THRESHOLD)
    threshold = np.full(fields.n, 0.5) if thresholds is None else np.where(np.isnan(thresholds), 0.5, thresholds)
    distinct = threshold.view(np.int64) if thresholds is None else np.unique(threshold, return_inverse=True)[1]
    levels, level_lists = fields.lists(a.DRIFTLINE_MODEL_QUANTILES) or (np.full(fields.n, -1), [])
    group, first = grouped(kinds, classes, positive, distinct.reshape(-1), levels)
    made = [
        task_of(
            kind_texts[kinds[row]] if kinds[row] >= 0 else "",
            class_lists[classes[row]] if classes[row] >= 0 else (),
            positives.categories[positive[row]] if positives is not None and positive[row] >= 0 else "",
            float(threshold[row]),
            level_lists[levels[row]] if levels[row] >= 0 else (),
        )
        for row in first
    ]
    return group, made


def task_of(
    kind: str, classes: tuple[Any, ...], positive_class: str, threshold: float, quantiles: tuple[Any, ...] = ()
) -> Task:
    """Return the task; invalid properties are ignored.

    These are: an unknown kind, duplicate or too many classes, other than two classes of a binary model, a threshold
    that is not a probability, and invalid or too many levels of quantiles.
    """
    texts = tuple(class_text(value)[:MAX_TEXT] for value in classes)
    usable = "" not in texts and len(set(texts)) == len(texts) and (len(texts) == 2 or not Task(kind).has_threshold)
    usable = usable and sum(map(len, texts)) + 8 * len(texts) <= MAX_CLASS_TEXT
    threshold = threshold if 0 <= threshold <= 1 else 0.5
    try:
        levels = quantile_levels(kind, quantiles) if len(quantiles) <= MAX_COLUMNS else ()
    except ValueError:
        levels = ()
    return Task(kind if kind in KINDS else "", texts if usable else (), positive_class, threshold, quantiles=levels)


def grouped(*codes: NDArray[Any]) -> tuple[I64, list[int]]:
    """Group rows by their combination of codes (>= -1), in order of appearance.

    Returns the group of each row, and the first row of each group.

    >>> grouped(np.array([3, 3, 0]), np.array([-1, 1, -1]))
    (array([0, 1, 2]), [0, 1, 2])
    """
    n = len(codes[0])
    group = np.zeros(n, np.int64)
    if n == 0:
        return group, []
    for column in codes:
        if (column != column[0]).any():
            dense = np.unique(column, return_inverse=True)[1].reshape(-1)
            group = np.unique(group * (int(dense.max()) + 1) + dense, return_inverse=True)[1].reshape(-1)
    if not group.any():
        return group, [0]
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(-1)], first[order].tolist()


def sent_columns(
    columns: dict[str, Cells], rows: Where, rejected: Counter[str], whole: bool = False
) -> dict[str, Column]:
    """Return the features or slices of the rows; categories may contain texts of other rows.

    ``whole``: integers keep all their digits, see :func:`~driftline.tables.classes.with_exact_integers`.
    """
    result = {}
    for name, cells in columns.items():
        kinds = np.bincount(cells.kind[rows], minlength=8).tolist()
        if kinds[ABSENT] == sum(kinds):
            continue
        if kinds[LIST] + kinds[OTHER]:
            rejected["unsupported_feature_type"] += kinds[LIST] + kinds[OTHER]
        has_numbers = kinds[NUMBER] + kinds[INTEGER] + kinds[BOOLEAN] > 0
        result[name] = Column(
            cells.numbers[rows] if has_numbers or not kinds[TEXT] else None,
            cells.codes[rows] if kinds[TEXT] else None,
            cells.things if kinds[TEXT] else (),
        )
        if whole and kinds[INTEGER]:
            result[name] = with_exact_integers(result[name], cells.exact_at(rows))
    return result


def _text(thing: Any) -> str:
    """Return a text unchanged, a list of scalars as JSON."""
    return thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False)
