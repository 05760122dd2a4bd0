"""The known attributes of chosen rows, each as the type it must have; what has another is counted and missing."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, Final

import numpy as np
from driftline.classes import EXACT, class_column, class_text, quantile_levels
from driftline.ids import id_text
from driftline.relevant import MOST_TEXT
from driftline.semconv import attributes as a
from driftline.tables import CLASSLESS, F64, I64, Column, Task
from numpy.typing import NDArray

from .cells import Cells, Grid, Where
from .values import ABSENT, BOOLEAN, EMPTY, INTEGER, LIST, MAX_TEXT, NUMBER, OTHER, TEXT

Mask = NDArray[np.bool_]
_KINDS: Final = ("binary", "multiclass", *CLASSLESS)


class Fields:
    """Read known attributes of ``n`` rows of a grid. ``rejected``: reason → values that could not be used."""

    def __init__(self, grid: Grid, rows: Where, rejected: Counter[str]) -> None:
        self._grid = grid
        self._rows = rows
        self.rejected = rejected
        self.n = len(grid.recorded[rows])

    def has(self, name: str) -> Mask:
        """Tell which rows hold a value, of whatever type."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.zeros(self.n, np.bool_)
        kind = cells.kind[self._rows]
        held: Mask = (kind != ABSENT) & (kind != EMPTY)
        return held

    def texts(self, name: str) -> tuple[I64, list[str]]:
        """Return codes (-1 = missing) into distinct texts; a number is its text: 17, 17.0 and "17" are one."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.full(self.n, -1), []
        kind = self._wanted(cells, name, TEXT, NUMBER, INTEGER)
        things = [thing.strip() if isinstance(thing, str) else "" for thing in cells.things]
        codes = cells.codes[self._rows]
        if any(len(thing) > MAX_TEXT for thing in things):
            too_long = np.array([len(thing) > MAX_TEXT for thing in things] + [False])
            self.count(f"too_long:{name}", too_long[codes])
            things = [thing if len(thing) <= MAX_TEXT else "" for thing in things]
        index: dict[str, int] = {thing: code for code, thing in enumerate(dict.fromkeys(filter(None, things)))}
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

    def numbers(self, name: str) -> F64 | None:
        """Return doubles and integers as float64, NaN = missing; None where no row holds one."""
        cells = self._grid.known.get(name)
        if cells is None:
            return None
        kind = self._wanted(cells, name, NUMBER, INTEGER)
        numeric = (kind == NUMBER) | (kind == INTEGER)
        if not numeric.any():
            return None
        return np.where(numeric, cells.numbers[self._rows], np.nan)

    def times(self, name: str) -> I64:
        """Return unix nanoseconds, 0 = missing. What is not between 1970 and 2262 is counted as ``bad_time``."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.zeros(self.n, np.int64)
        kind = self._wanted(cells, name, INTEGER, NUMBER)
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
        """Return texts as codes, and numbers and booleans as numbers; None where no row holds one.

        ``lists``: a list is the text of its JSON, and such a text may be longer, see :mod:`driftline.relevant`.
        """
        cells = self._grid.known.get(name)
        if cells is None:
            return None
        texts = (TEXT, LIST) if lists else (TEXT,)
        kind = self._wanted(cells, name, *texts, NUMBER, INTEGER, BOOLEAN)
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
        labels = tuple(thing[:most] for thing, most in zip(things, longest, strict=True))
        return Column(numbers if has_numbers else None, codes if has_texts else None, labels if has_texts else ())

    def classes(self, name: str) -> Column | None:
        """Return classes as codes of canonical texts; None where no row holds one."""
        values = self.values(name)
        return None if values is None else class_column(values)

    def flags(self, name: str) -> tuple[Mask, Mask]:
        """Tell which rows say true (true, 1, "true"), and which say what is neither true nor false: bool (n,)."""
        cells = self._grid.known.get(name)
        if cells is None:
            return np.zeros(self.n, np.bool_), np.zeros(self.n, np.bool_)
        unread = np.isin(cells.kind[self._rows], (LIST, OTHER))
        said = self.classes(name)
        if said is None or said.codes is None:
            return np.zeros(self.n, np.bool_), unread
        text = np.array([*said.labels, "0"])[said.codes]
        return text == "1", unread | ~np.isin(text, ("0", "1"))

    def lists(self, name: str) -> tuple[I64, list[tuple[Any, ...]]] | None:
        """Return codes (-1 = missing) into distinct lists of scalars; None where no row holds one."""
        cells = self._grid.known.get(name)
        if cells is None:
            return None
        is_list = self._wanted(cells, name, LIST) == LIST
        if not is_list.any():
            return None
        things = [thing if isinstance(thing, tuple) else () for thing in cells.things]
        return np.where(is_list, cells.codes[self._rows], -1).astype(np.int64), things

    def _wanted(self, cells: Cells, name: str, *kinds: int) -> NDArray[np.uint8]:
        """Return the kinds of the rows, after counting those that are none of ``kinds``."""
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
    """Return codes into the distinct tasks that rows name. A kind that is not known is as if it was not sent."""
    kinds, kind_texts = fields.texts(a.ML_MODEL_TASK)
    classes, class_lists = fields.lists(a.ML_MODEL_CLASSES) or (np.full(fields.n, -1), [])
    positives = fields.classes(a.ML_MODEL_POSITIVE_CLASS)
    positive = np.full(fields.n, -1) if positives is None or positives.codes is None else positives.codes
    thresholds = fields.numbers(a.ML_MODEL_THRESHOLD)
    threshold = np.full(fields.n, 0.5) if thresholds is None else np.where(np.isnan(thresholds), 0.5, thresholds)
    levels, level_lists = fields.lists(a.ML_MODEL_QUANTILES) or (np.full(fields.n, -1), [])
    group, first = grouped(kinds, classes, positive, np.unique(threshold, return_inverse=True)[1].reshape(-1), levels)
    made = [
        task_of(
            kind_texts[kinds[row]] if kinds[row] >= 0 else "",
            class_lists[classes[row]] if classes[row] >= 0 else (),
            positives.labels[positive[row]] if positives is not None and positive[row] >= 0 else "",
            float(threshold[row]),
            level_lists[levels[row]] if levels[row] >= 0 else (),
        )
        for row in first
    ]
    return group, made


def task_of(
    kind: str, classes: tuple[Any, ...], positive_class: str, threshold: float, quantiles: tuple[Any, ...] = ()
) -> Task:
    """Return the task; what cannot be true of a model was not sent.

    That is: a kind that is not known, classes that are not distinct or more than two of a binary model, a threshold
    that is no probability, levels that are none.
    """
    texts = tuple(class_text(value)[:MAX_TEXT] for value in classes)
    usable = "" not in texts and len(set(texts)) == len(texts) and (kind != "binary" or len(texts) == 2)
    threshold = threshold if 0 <= threshold <= 1 else 0.5
    try:
        levels = quantile_levels(kind, quantiles)
    except ValueError:
        levels = ()
    return Task(kind if kind in _KINDS else "", texts if usable else (), positive_class, threshold, quantiles=levels)


def grouped(*codes: NDArray[Any]) -> tuple[I64, list[int]]:
    """Number the distinct combinations of codes (>= -1) in the order of appearance.

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
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse.reshape(-1)], first[order].tolist()


def sent_columns(
    columns: dict[str, Cells], rows: Where, rejected: Counter[str], whole: bool = False
) -> dict[str, Column]:
    """Return the features or slices that any of the rows sent; labels may hold texts that only other rows sent.

    ``whole``: whole numbers keep all their digits, see :func:`whole_column`.
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
            result[name] = whole_column(result[name], np.where(cells.kind[rows] == INTEGER, cells.exact()[rows], 0))
    return result


def whole_column(column: Column, integers: I64) -> Column:
    """Return a column whose numbers beyond 2^53, of which a double does not have the last digits, are texts.

    ``integers``: int64 (n,), the numbers of a column exactly; what is within is left to the column.

    >>> column = whole_column(Column(numbers=np.array([7.0, 2.0**53])), np.array([7, 2**53 + 1]))
    >>> column.numbers, column.codes, column.labels
    (array([ 7., nan]), array([-1,  0], dtype=int32), ('9007199254740993',))
    """
    beyond = (integers > EXACT) | (integers < -EXACT)
    if not beyond.any():
        return column
    texts, code = np.unique(integers[beyond], return_inverse=True)
    numbers = np.full(len(integers), np.nan) if column.numbers is None else column.numbers
    codes = np.full(len(integers), -1, np.int32) if column.codes is None else column.codes.copy()
    codes[beyond] = len(column.labels) + code.reshape(-1)
    return Column(np.where(beyond, np.nan, numbers), codes, (*column.labels, *map(str, texts.tolist())))


def _text(thing: Any) -> str:
    """A text as it is, a list of scalars as JSON."""
    return thing if isinstance(thing, str) else json.dumps(thing, ensure_ascii=False)
