"""Outputs of predictions: score, scores or value as one matrix, and the items of rankings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables.column_codec import ColumnError, Value, decode, strings
from driftline.tables.ids import id_text
from driftline.tables.ranked_items import items_of
from driftline.tables.table import F64, I64, Column, Items, Text
from driftline.tables.task import BINARY, MULTICLASS, RANKING, REGRESSION, PerKind, Task
from msgspec import Struct

from .attributes import GRID_CELLS, MAX_CELLS, MAX_TEXT, Where

Scores = tuple[I64, list[tuple[Any, ...]]] | F64 | None
"""Codes (n,), -1 = missing, into lists of scalars; or a float64 matrix (n, k) from a columnar record."""


class ScoreColumns(Struct, frozen=True):
    """Scores and values, float64 (n,) or None without any; ``ranked`` is True if a row has items."""

    score: F64 | None
    scores: Scores
    value: F64 | None
    ranked: bool = False

    def lists(self) -> tuple[I64, list[tuple[Any, ...]]] | None:
        """Return the scores of plain rows; None if there are none, and for a columnar record."""
        return None if isinstance(self.scores, np.ndarray) else self.scores

    def at(self, rows: Where) -> ScoreColumns:
        """Return the selected rows."""
        scores = self.scores
        if scores is not None:
            scores = scores[rows] if isinstance(scores, np.ndarray) else (scores[0][rows], scores[1])
        return ScoreColumns(
            None if self.score is None else self.score[rows],
            scores,
            None if self.value is None else self.value[rows],
            self.ranked,
        )


def scores_of(task: Task, score_columns: ScoreColumns, rejected: Counter[str]) -> tuple[str, F64 | None]:
    """Return the kind of task, inferred if unknown, and the scores, float64 (n, k).

    Items imply a ranking, a value a regression, several scores a multiclass model (or the declared quantiles of a
    regression), one score a binary model. For two scores of a binary model the one of the positive class is used, for a
    ranking that of the first item. Rows without a usable score are NaN; None if all are.
    """
    kind = task.kind or _infer(score_columns)
    return kind, _SCORES.of(replace(task, kind=kind))(task, score_columns, rejected)


def _score_of_positive(task: Task, score_columns: ScoreColumns, rejected: Counter[str]) -> F64 | None:
    pairs = _matrix(score_columns.scores, 2, rejected)
    at = task.classes.index(task.positive_class) if task.positive_class in task.classes[:2] else 1
    return _usable(_filled(score_columns.score, None if pairs is None else pairs[:, at]))


def _scores_of_classes(task: Task, score_columns: ScoreColumns, rejected: Counter[str]) -> F64 | None:
    return _matrix(score_columns.scores, len(task.classes), rejected)


def _value_or_quantiles(task: Task, score_columns: ScoreColumns, rejected: Counter[str]) -> F64 | None:
    if task.quantiles:
        return _matrix(score_columns.scores, len(task.quantiles), rejected)
    return _usable(_filled(score_columns.value, score_columns.score))


def _score_of_first_item(_task: Task, score_columns: ScoreColumns, _rejected: Counter[str]) -> F64 | None:
    return _usable(_filled(_first(score_columns.scores), score_columns.score))


def _no_scores(_task: Task, _given: ScoreColumns, _rejected: Counter[str]) -> None:
    return None


_SCORES = PerKind(
    binary=_score_of_positive,
    multiclass=_scores_of_classes,
    regression=_value_or_quantiles,
    ranking=_score_of_first_item,
    unknown=_no_scores,
)


def _filled(values: F64 | None, others: F64 | None) -> F64 | None:
    """Return values, with missing ones replaced by the others."""
    if values is None or others is None:
        return others if values is None else values
    return np.where(np.isnan(values), others, values)


def _first(scores: Scores) -> F64 | None:
    """Return the first score of each row, NaN without one."""
    if scores is None:
        return None
    if isinstance(scores, np.ndarray):
        return scores[:, 0]
    codes, lists = scores
    firsts = [_score_number(numbers[0]) if numbers else np.nan for numbers in lists]
    return np.array([*firsts, np.nan])[codes]


def _infer(score_columns: ScoreColumns) -> str:
    if score_columns.ranked:
        return RANKING.name
    if _any(score_columns.value):
        return REGRESSION.name
    if score_columns.scores is not None:
        return MULTICLASS.name
    return BINARY.name if _any(score_columns.score) else ""


def _any(values: F64 | None) -> bool:
    return values is not None and not np.isnan(values).all()


def _usable(values: F64 | None) -> F64 | None:
    return values.reshape(-1, 1) if values is not None and _any(values) else None


def _matrix(scores: Scores, k: int, rejected: Counter[str]) -> F64 | None:
    """Return the scores of ``k`` classes (0: the length of the longest list)."""
    wrong = f"wrong_length:{a.DRIFTLINE_PREDICTION_SCORES}"
    if scores is None:
        return None
    if isinstance(scores, np.ndarray):
        if k and scores.shape[1] != k:
            rejected[wrong] += len(scores)
            return None
        return scores
    codes, lists = scores
    used = np.unique(codes)
    used = used[used >= 0]
    if not len(used):
        return None
    most = GRID_CELLS // max(len(codes), len(lists) + 1)  # else a single long list widens all rows
    k = k or max((len(lists[code]) for code in used if len(lists[code]) <= most), default=0)
    if not 0 < k <= most:
        rejected[wrong] += int((codes >= 0).sum())
        return None
    rows = np.full((len(lists) + 1, k), np.nan)  # the last row is where code -1 lands
    misfits = np.zeros(len(lists) + 1, np.bool_)
    for code in used.tolist():
        if len(lists[code]) == k:
            rows[code] = [_score_number(thing) for thing in lists[code]]
        else:
            misfits[code] = True
    if misfits[codes].any():
        rejected[wrong] += int(misfits[codes].sum())
    matrix = rows[codes]
    return None if np.isnan(matrix).all() else matrix


def _score_number(thing: Any) -> float:
    return float(thing) if isinstance(thing, int | float) else np.nan


Lists = tuple[I64, list[tuple[Any, ...]]] | None
"""Codes (n,), -1 = missing, into lists of scalars."""

BAD_COUNT = "bad_item_count"
_TOO_LONG = f"too_long:{a.DRIFTLINE_PREDICTION_ITEMS}"


def from_columns(
    items: bytes | None, scores: bytes | None, counts: I64 | None, n: int, rejected: Counter[str]
) -> Items | None:
    """Return the items of n rows of a columnar record; None if they cannot be split into rows.

    ``items``, ``scores``: columns of all rows' items, concatenated. ``counts``: int64 (n,), items per row. A row with a
    negative count has no items, and is counted; if counts do not add up to the items, no row has any.
    """
    if items is None:
        return None
    if counts is None:
        rejected[BAD_COUNT] += n
        return None
    bad = counts < 0
    rejected[BAD_COUNT] += int(bad.sum())
    counts = np.where(bad, 0, counts)
    if counts.max() > MAX_CELLS or counts.sum() > MAX_CELLS:
        rejected[BAD_COUNT] += n - int(bad.sum())
        return None
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    total = int(offsets[-1])
    try:
        ids = _ids(decode(items, total), rejected)
    except ColumnError as error:
        rejected[error.reason] += 1
        return None
    return Items(offsets, ids, _scores(scores, total, rejected))


def from_lists(items: Lists, scores: Lists, counts: F64 | None, rejected: Counter[str]) -> Items | None:
    """Return the items of plain rows; None if no row has any.

    ``counts``: float64 (n,), total items of a row, of which it may send the first only: the number of others is kept. A
    total below the sent items is counted, and the items are kept. Scores are dropped if their number differs from that
    of the items.
    """
    if items is None:
        return None
    codes, lists = items
    score_codes, score_lists = scores or (np.full(len(codes), -1), [])
    rankings: list[Any] = []
    left_out = np.zeros(len(codes), np.int32)
    for row, (code, score_code) in enumerate(zip(codes.tolist(), score_codes.tolist(), strict=True)):
        if code < 0:
            rankings.append(None)
            continue
        ids = tuple(_id(thing, rejected) for thing in lists[code])
        if counts is not None and counts[row] < len(ids):
            rejected[BAD_COUNT] += 1
        elif counts is not None and counts[row] > len(ids):
            left_out[row] = min(int(counts[row]) - len(ids), MAX_CELLS)
        numbers = score_lists[score_code] if score_code >= 0 else None
        if numbers is not None and len(numbers) != len(ids):
            rejected[f"wrong_length:{a.DRIFTLINE_PREDICTION_SCORES}"] += 1
            numbers = None
        rankings.append((ids, None if numbers is None else tuple(map(_item_number, numbers))))
    ranked = items_of(rankings)
    named = np.array([0 if ranking is None else len(ranking[0]) for ranking in rankings], np.int32)
    left_out += named - np.diff(ranked.offsets)
    return replace(ranked, left_out=left_out) if left_out.any() else ranked


def _ids(value: Value, rejected: Counter[str]) -> Column:
    """Return item ids as codes of distinct texts."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "i" or value.ndim != 1:
            raise ColumnError("column_kind")
        distinct, codes = np.unique(value, return_inverse=True)
        return Column(codes=codes.reshape(-1).astype(np.int32), categories=tuple(map(id_text, distinct.tolist())))
    if isinstance(value, Text):
        index: dict[str, int] = {}
        found = [index.setdefault(text, len(index)) for text in strings(value)]
        value = Column(codes=np.array(found, np.int32), categories=tuple(index))
    if value.numbers is not None or value.codes is None:
        raise ColumnError("column_kind")
    texts = [_id(category, None) for category in value.categories]
    too_long = [code for code, category in enumerate(value.categories) if len(category) > MAX_TEXT]
    if too_long:
        rejected[_TOO_LONG] += int(np.isin(value.codes, too_long).sum())
    known = {text: code for code, text in enumerate(dict.fromkeys(filter(None, texts)))}
    lookup = np.array([*(known.get(text, -1) for text in texts), -1], np.int32)  # the last is where code -1 lands
    return Column(codes=lookup[value.codes], categories=tuple(known))


def _id(thing: Any, rejected: Counter[str] | None) -> str:
    if isinstance(thing, bool) or thing is None or thing != thing:
        return ""
    if not isinstance(thing, str) or len(thing) <= MAX_TEXT:
        return id_text(thing)
    if rejected is not None:
        rejected[_TOO_LONG] += 1
    return ""


def _scores(data: bytes | None, total: int, rejected: Counter[str]) -> F64 | None:
    if data is None:
        return None
    try:
        value = decode(data, total)
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fi":
            raise ColumnError("column_kind")
        if value.ndim != 1:
            raise ColumnError("column_length")
    except ColumnError as error:
        rejected[error.reason] += 1
        return None
    return value.astype(np.float64, copy=False)


def _item_number(thing: Any) -> float:
    return float(thing) if isinstance(thing, int | float) and not isinstance(thing, bool) else np.nan
