"""Read reference rows from a frame: the roles of its columns, and the meaning of their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from driftline.faults import logger
from driftline.inputs.column import values_of
from driftline.inputs.dataframes import ArrayLike, FrameLike, column_of, columns_of, is_time, score_matrix
from driftline.inputs.vocabulary import Vocabulary
from driftline.outputs.rankings import copy_ranking, first_of, one_ranking
from driftline.panes.relevance import Relevance
from driftline.tables.classes import EXACT, class_codes, seen_classes, with_exact_integers
from driftline.tables.ranked_items import items_of
from driftline.tables.table import F64, Column, ModelKey, PredictionTable, length, numbers_of
from driftline.tables.task import Task
from driftline.tables.timestamps import instants

from .build import ReferenceDescription, table_of, task_and_vocabularies, warn_unlikely_rows
from .document import Columns
from .outcome_columns import possible_outcomes
from .ranking_outcomes import relevance_in, statements_of_values
from .reference_rows import NO_ROWS, ReferenceRows


@dataclass(frozen=True, slots=True)
class FrameColumns:
    """The columns of a frame by role: each is the name of a column, or n values.

    The arguments of :meth:`driftline.Baseline.from_frame`.

    Attributes:
        features: None = all other columns.
        slices: Names of columns, which stay features, or key → values.
    """

    score: ArrayLike | None = None
    predicted: ArrayLike | None = None
    actual: ArrayLike | None = None
    time: ArrayLike | None = None
    id: ArrayLike | None = None
    features: Sequence[str] | None = None
    slices: Mapping[str, ArrayLike] | Sequence[str] = ()


ROLES = ("score", "predicted", "actual", "time", "id")


def table_from_frame(
    X: FrameLike, *, model: str, task: str, version: str = "", **options: Any
) -> tuple[PredictionTable, Column | None, Columns, dict[str, Vocabulary]]:
    """Read reference rows into a table, their actual values, their column names, and the vocabularies of texts.

    Arguments and errors are those of :meth:`driftline.Baseline.from_frame`.
    """
    columns = FrameColumns(**{name: options.pop(name) for name in FrameColumns.__slots__ if name in options})
    description = ReferenceDescription(ModelKey(model, version), task, **options)
    table, rows, column_names, texts = read_frame(X, description, columns)
    return table, rows.actual, column_names, texts


def read_frame(
    X: FrameLike, description: ReferenceDescription, columns: FrameColumns
) -> tuple[PredictionTable, ReferenceRows, Columns, dict[str, Vocabulary]]:
    """Read reference rows as :func:`table_from_frame` does, from a description and the columns by role.

    The second result is the rows themselves, which include the actual values.
    """
    rows, column_names = rows_from_frame(X, description, columns)
    if not rows.rows:
        raise ValueError(NO_ROWS)
    classes = seen_classes([column for column in (rows.actual, rows.predicted) if column is not None])
    task, texts = task_and_vocabularies(rows, description, classes)
    warn_unlikely_rows(rows, task)
    if rows.actual is None:
        for name, why in possible_outcomes(rows.features, rows.scores, task, rows.predicted)[:1]:
            logger.warning(
                "driftline: baseline: is %r the outcome (%s)? It is taken for a feature; if it is the outcome, pass it "
                "as actual=%r", name, why, name,
            )  # fmt: skip
    if rows.actual is not None and task.classes:
        refuse_unknown_classes(rows.actual, task)
    return table_of(rows, description.key, task, texts), rows, column_names, texts


def rows_from_frame(
    X: FrameLike, description: ReferenceDescription, columns: FrameColumns
) -> tuple[ReferenceRows, Columns]:
    """Read reference rows, and the names of their columns."""
    only = columns.features if isinstance(X, np.ndarray) and X.dtype.names is None else None
    frame = columns_of(X, only)
    column_of_role = {role: getattr(columns, role) for role in ROLES}
    column_names: Columns = {
        role: name for role in ROLES if (name := _named(role, column_of_role[role], frame)) is not None
    }
    taken_names = {name for names in column_names.values() for name in ([names] if isinstance(names, str) else names)}
    if columns.features is None:
        chosen = [name for name in frame if name not in taken_names and not is_time(frame[name])]
    else:
        chosen = list(columns.features)
        _demand("features", chosen, frame)
    column_names["features"] = chosen

    _warn_other_order(X, columns)
    task = Task(description.task)
    ranking = task.ranks_items
    scores = _scores(columns.score, column_names.get("score"), frame, ranking=ranking)
    decided, truth, relevance = None, None, None
    if ranking:
        relevance = _relevance(columns, column_names, frame)
        if "predicted" in column_names:
            column_names["items"] = column_names.pop("predicted")
    else:
        target = column_of if task.predicts_number else _classes
        decided = _column(columns.predicted, column_names.get("predicted"), frame, target)
        truth = _column(columns.actual, column_names.get("actual"), frame, target)
    if task.predicts_number and scores is None and decided is not None:
        scores = numbers_of(decided)[:, np.newaxis]  # a regression predicts its value
    if scores is None and columns.predicted is None:
        raise ValueError("both score and predicted class are missing; pass score= or predicted=")
    read = {name: column_of(frame[name]) for name in chosen}
    _demand("text_features", description.text_features or (), read)
    times = _column(columns.time, column_names.get("time"), frame)
    cuts = _slices(columns.slices, frame)
    if cuts:
        column_names["slices"] = list(cuts)
    parts = [*read.items(), ("predicted", decided), ("actual", truth), ("time", times), *cuts.items()]
    rows = [(length(column), name) for name, column in parts if column is not None]
    rows += [] if scores is None else [(len(scores), "score")]
    n = _agreed(rows if relevance is None else [*rows, (len(relevance), "actual")])
    row_times = None if times is None else instants(times)
    return ReferenceRows(
        rows=n,
        features=read,
        scores=scores,
        predicted=decided,
        actual=truth,
        time=row_times,
        slices=cuts,
        relevance=relevance,
    ), column_names


def _warn_other_order(X: FrameLike, columns: FrameColumns) -> None:
    """Log arguments with the index labels of X in another order: pandas pairs by label, and columns here by position.

    Other labels are no sign of another order: ``reset_index`` of one of two objects.
    """
    index: Any = getattr(X, "index", None)
    if not hasattr(index, "isin"):
        return
    given = {role: getattr(columns, role) for role in ROLES}
    given |= columns.slices if isinstance(columns.slices, Mapping) else {}
    for name, values in given.items():
        labels: Any = getattr(values, "index", None)
        if not hasattr(labels, "isin") or len(labels) != len(index) or labels.equals(index):
            continue
        if labels.isin(index).all() and index.isin(labels).all():
            logger.warning(
                "driftline: %s has the index labels of the rows in another order, and is paired by position; "
                "to pair by label, pass it with .loc[X.index] of these rows X", name,
            )  # fmt: skip


def _relevance(columns: FrameColumns, column_names: Columns, frame: Mapping[str, ArrayLike]) -> Relevance | None:
    """Return the relevance of rankings from the ranked items (``predicted``) and the relevant items (``actual``)."""
    ranked, actual = (
        None
        if column is None
        else values_of(frame[column_name] if isinstance(column_name := column_names.get(role), str) else column)
        for role, column in (("predicted", columns.predicted), ("actual", columns.actual))
    )
    if actual is None:
        return None
    if ranked is not None:
        _agreed([(len(ranked), "predicted"), (len(actual), "actual")])
    lists = [None] * len(actual) if ranked is None else [one_ranking(copy_ranking(ranking)) for ranking in ranked]
    return relevance_in(items_of(lists), statements_of_values(actual))


def _slices(slices: Mapping[str, ArrayLike] | Sequence[str], frame: Mapping[str, ArrayLike]) -> dict[str, Column]:
    """Return the columns that define slices."""
    if isinstance(slices, str):
        raise ValueError(f"slices: {slices!r} is a single name; pass a list of names, such as [{slices!r}]")
    cuts = {}
    for key in slices:
        if not key or "=" in key:
            raise ValueError(f"slices: {key!r} is not a valid name: use a name without '='")
        columns = slices if isinstance(slices, Mapping) else frame
        _demand("slices", [key], columns)
        cuts[key] = _classes(columns[key])
    return cuts


def _named(role: str, column: ArrayLike | None, frame: Mapping[str, ArrayLike]) -> str | list[str] | None:
    """Return the column name or names of an argument; None for an array or None."""
    if isinstance(column, str):
        _demand(role, [column], frame)
        return column
    if (
        role == "score"
        and isinstance(column, list | tuple)
        and column
        and all(isinstance(name, str) for name in column)
    ):
        _demand(role, column, frame)
        return list(column)
    return None


def _column(
    column: ArrayLike | None,
    column_name: str | list[str] | None,
    frame: Mapping[str, ArrayLike],
    read: Callable[[ArrayLike], Column] = column_of,
) -> Column | None:
    if isinstance(column_name, str):
        return read(frame[column_name])
    return None if column is None else read(column)


def _classes(values: ArrayLike) -> Column:
    """Return classes as a column, value by value if there are numbers of 2^53 and more: integers keep all digits."""
    read = column_of(values)
    if read.numbers is None or not (np.abs(read.numbers) >= EXACT).any():
        return read
    integers = [int(value) if isinstance(value, int | np.integer) else 0 for value in values_of(values)]
    return with_exact_integers(read, np.array(integers, object))


def _scores(
    column: ArrayLike | None,
    column_name: str | list[str] | None,
    frame: Mapping[str, ArrayLike],
    *,
    ranking: bool = False,
) -> F64 | None:
    if ranking and not isinstance(column_name, list):
        values = column if column_name is None else frame[column_name]
        return None if values is None else first_of(values)
    if column_name is not None:
        return np.column_stack(
            [
                numbers_of(column_of(frame[name]))
                for name in ([column_name] if isinstance(column_name, str) else column_name)
            ]
        )
    return None if column is None else score_matrix(column)


def _agreed(rows: Sequence[tuple[int, str]]) -> int:
    (smallest, shortest_name), (largest, longest_name) = min(rows), max(rows)
    if smallest != largest:
        raise ValueError(
            f"columns have different lengths: {shortest_name} has {smallest} rows and {longest_name} has {largest}"
        )
    return largest


def refuse_unknown_classes(truth: Column, task: Task) -> None:
    """Raise ``ValueError`` if an actual value is not one of the classes."""
    codes = class_codes(truth, task.classes)
    if codes is not None and (codes == len(task.classes)).any():
        strange = [text for text in seen_classes([truth]) if text not in task.classes]
        raise ValueError(f"actual has values that are not classes: {_few(strange)}; the classes are {task.classes}")


def _demand(role: str, names: Sequence[str], frame: Mapping[str, object]) -> None:
    """Raise ``ValueError`` if a named column is missing."""
    for name in names:
        if name not in frame:
            raise ValueError(f"{role}: there is no column {name!r}; the columns are {_few(list(frame))}")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
