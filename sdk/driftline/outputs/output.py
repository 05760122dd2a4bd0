"""Results of ``predict``, read by type and not by value.

Binary: a float is the score of the positive class, two columns are the scores of the classes in their order; an int, a
bool or a text is the predicted class. Multiclass: k columns are the scores; an int or a text is the class. Regression:
a number is the value; for declared quantiles, k columns are their values. Anything else is *unread*.

The only exception: k numbers of a row are class scores if their sum is about 1, because k results of another batch and
the k scores of a multilabel model have the same type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.inputs.dataframes import column_names
from driftline.inputs.objects import fields
from driftline.inputs.values import column_of_values
from driftline.tables.classes import class_column, class_text, with_exact_integers
from driftline.tables.ranked_items import Ranked
from driftline.tables.table import F64, Column
from driftline.tables.task import Task
from driftline.tables.text import with_article

from .named_scores import NamedScores

_AT_ONCE = (float, int, bool, str, type(None), np.generic)
_FLOATS = {float, np.float64, np.float32, np.float16}
_SHOWN = 12
ROUNDING = 0.005
"""Largest error of a score with two decimals: class scores whose sum differs from 1 by no more per class are rounded.
"""


@dataclass(frozen=True, slots=True)
class UnreadResult:
    """A result that could not be read.

    Attributes:
        text: Description of the result, such as "a dict with keys ['category', 'probability']".
        fields: Keys of the result.
        count: Number of values, if the result is a value or a sequence of values; else None.
        stored: Snapshot of the result, if there is one.
    """

    text: str
    fields: tuple[str, ...] = ()
    count: int | None = field(default=None, compare=False)
    stored: Any = field(default=None, compare=False, repr=False)


@dataclass(slots=True)
class Output:
    """The scores and predicted classes of n results.

    Attributes:
        scores: float64 (n, k), NaN for a row without a score; None without scores.
        predicted: Canonical classes, or values; None without decisions.
        rankings: Ranking of each row, for a ranking model.
        unread: Description of a result that could not be read.
        by_class: True if the scores had one column per class, in the order of the classes.
    """

    scores: F64 | None = None
    predicted: Column | None = None
    rankings: list[Ranked | None] | None = None
    unread: UnreadResult | None = None
    by_class: bool = False


def describe(value: Any) -> UnreadResult:
    """Return a description of a value's type.

    >>> describe((0.2, "x")).text, describe({"category": 1}).text
    ('a tuple of 2', "a dict with keys ['category']")
    """
    if isinstance(value, UnreadResult):
        return value
    if isinstance(value, NamedScores):
        description: UnreadResult = value.description
        return description
    kind = type(value)
    name = with_article(kind.__name__)
    if isinstance(value, Mapping) and not hasattr(value, "shape"):
        keys = tuple(map(str, value))
        return UnreadResult(f"{name} with keys {_list(keys)}", keys)
    if isinstance(value, np.ndarray):
        return UnreadResult(f"an array of {value.dtype} with shape {value.shape}", count=_count(value))
    if hasattr(value, "shape") and hasattr(value, "columns"):
        columns = column_names(value)
        return UnreadResult(f"{name} with columns {_list(columns)}", columns)
    if names := fields(kind):
        return UnreadResult(f"{name} with fields {_list(names)}", names)
    return UnreadResult(f"{name} of {len(value)}" if isinstance(value, list | tuple) else name, count=_count(value))


def _count(value: Any) -> int | None:
    """Return the number of values of a scalar, a list or an array; None for others."""
    if isinstance(value, list):
        return len(value) or None
    if isinstance(value, np.ndarray):
        return None if value.ndim > 2 else len(value) if value.ndim else 1
    return 1 if value is not None and isinstance(value, _AT_ONCE) else None


def _list(names: tuple[str, ...]) -> str:
    return str([*names[:_SHOWN], "..."] if len(names) > _SHOWN else list(names))


def output_of_row(task: Task, output: Output) -> tuple[Any, str, UnreadResult | None]:
    """Return the output of one row: its score (a float, or a tuple of k), its predicted class, and why it is unread.

    >>> binary = Task("binary", ("0", "1"), "1")
    >>> score, decision = (read(binary, result, 1, one_row=True) for result in (0.25, True))
    >>> output_of_row(binary, score), output_of_row(binary, decision)
    ((0.25, '', None), (None, '1', None))
    """
    score: Any = None
    if output.rankings is not None:
        score = output.rankings[0]
    elif output.scores is not None:
        values = output.scores[0].tolist()
        score = tuple(values) if task.has_several_scores else values[0]
    predicted = ""
    if output.predicted is not None and output.predicted.codes is not None and output.predicted.codes[0] >= 0:
        predicted = output.predicted.categories[output.predicted.codes[0]]
    return score, predicted, output.unread


def read(task: Task, stored: Any, n: int, *, one_row: bool = False) -> Output:
    """Read the stored result of a batch of n rows, or of one row; a batch of one row may have the result of one row."""
    one_row = one_row or n == 1
    if stored.__class__ is UnreadResult:
        return Output(unread=stored)
    if stored is None:
        return Output(unread=UnreadResult("None"))
    if isinstance(stored, NamedScores):
        return _read_named(task, stored, n, one_row=one_row)
    values = _as_array(stored) if not task.predicts_number or stored.__class__ is not list else column_of_values(stored)
    if isinstance(values, Column) and values.numbers is not None and task.predicts_number:
        values = values.numbers  # the texts among them are missing
    if isinstance(values, Column):
        read_as_classes = not task.predicts_number and n == _length(values)
        return Output(predicted=class_column(values)) if read_as_classes else _unread_output(stored)
    if values.dtype.kind not in "fiub":
        return _unread_output(stored)
    shape = values.shape
    if one_row and shape in ((), (1,), (1, 1)):
        values = values.reshape(1)
    elif one_row and len(shape) == 1:
        if task.classes and values.dtype.kind == "f" and not are_class_scores(values.tolist()):
            return _unread_output(stored)
        values = values.reshape(1, -1)
    elif len(shape) == 2 and shape[1] == 1:
        values = values[:, 0]
    if len(values.shape) not in (1, 2) or len(values) != n:
        return _unread_output(stored)
    return (_numbers if task.predicts_number else _scores_or_classes)(task, values, stored)


def _read_named(task: Task, stored: NamedScores, n: int, *, one_row: bool) -> Output:
    """Read numbers with names as class scores, or by their position if it has a meaning."""
    is_by_name = one_row or n == 1 or stored.values.ndim == 2  # else the labels are those of n rows
    scores = stored.by_class(task.classes) if task.classes and is_by_name else None
    if scores is None:
        output = read(task, stored.values, n, one_row=one_row) if stored.is_ordered else Output()
        return output if output.scores is not None or output.predicted is not None else _unread_output(stored)
    if not stored.is_ordered and are_unrelated_columns(np.atleast_2d(scores)):
        return _unread_output(stored)
    output = read(task, scores, n, one_row=one_row)
    return _unread_output(stored) if output.unread is not None else output


def _numbers(task: Task, values: NDArray[Any], stored: Any) -> Output:
    fits = values.ndim == 2 and values.shape[1] == len(task.quantiles) if task.quantiles else values.ndim == 1
    if not fits or values.dtype.kind not in "fiu":
        return _unread_output(stored)
    return Output(scores=_double(values) if task.quantiles else _double(values)[:, None])


def _scores_or_classes(task: Task, values: NDArray[Any], stored: Any) -> Output:
    kind = values.dtype.kind
    if values.ndim == 2:
        if kind != "f" or not 0 < values.shape[1] == len(task.classes) or are_unrelated_columns(values):
            return _unread_output(stored)
        return Output(scores=task.shape_scores(_double(values)), by_class=True)
    if kind == "f":
        return Output(scores=_double(values)[:, None]) if task.has_threshold else _unread_output(stored)
    column = Column(numbers=_double(values))
    return Output(predicted=class_column(column if kind == "b" else with_exact_integers(column, values)))


def are_class_scores(values: list[float]) -> bool:
    """Return True if the sum of the scores of one row is about 1, or not finite.

    >>> are_class_scores([0.33, 0.33, 0.33]), are_class_scores([0.9, 0.8]), are_class_scores([0.25, float("nan")])
    (True, False, True)
    """
    total = sum(values)
    return abs(total - 1) <= _tolerance(len(values)) or not math.isfinite(total)


def _tolerance(classes: int) -> float:
    """Return the largest difference from 1 of the sum of the scores of one row."""
    return ROUNDING * classes + 1e-9


def are_unrelated_columns(values: NDArray[Any]) -> bool:
    """Return True for columns that are not class scores, such as a probability and a class, or several labels.

    >>> are_unrelated_columns(np.array([[0.3, 0.0], [0.8, 1.0]])), are_unrelated_columns(np.eye(2))
    (True, False)
    """
    sums = values.sum(axis=1)
    differs = np.isfinite(sums) & (np.abs(sums - 1) > _tolerance(values.shape[1]))
    return bool(np.count_nonzero(differs) > len(values) / 2)


def _double(values: NDArray[Any]) -> F64:
    return values.astype(np.float64)


def _as_array(stored: Any) -> NDArray[Any] | Column:
    if isinstance(stored, Column):
        return stored
    if isinstance(stored, list):
        kinds = set(map(type, stored))
        if kinds <= {int, bool, type(None)} and stored:  # classes; as doubles they would be read as scores
            return class_column_of(stored)
        if kinds <= {float} or len(kinds) > 1:
            values = column_of_values([value.item() if isinstance(value, np.generic) else value for value in stored])
            if isinstance(values, Column) and values.numbers is not None and kinds & _FLOATS:
                return values.numbers  # a text among scores is not a class
            return values
        return np.array(stored) if issubclass(kinds.pop(), np.generic) else column_of_values(stored)
    if isinstance(stored, str):
        return Column(codes=np.zeros(1, np.int32), categories=(str.__str__(stored),))
    array = np.asarray(stored)
    if array.dtype.kind in "OUS" and array.ndim <= 2 and array.size == len(array.reshape(-1)):
        flat = array.reshape(-1).tolist()
        return _as_array(flat) if array.ndim <= 1 or array.shape[1] == 1 else array
    return array


def _length(column: Column) -> int:
    values = column.codes if column.codes is not None else column.numbers
    return 0 if values is None else len(values)


def _unread_output(stored: Any) -> Output:
    return Output(unread=unread_result(stored))


def unread_result(stored: Any) -> UnreadResult:
    """Return the description of a snapshot that cannot be read."""
    if isinstance(stored, UnreadResult):
        return stored
    if isinstance(stored, NamedScores):
        return replace(describe(stored), stored=stored)
    description = describe_list(stored) if isinstance(stored, list) else describe(stored)
    return replace(description, count=_count(stored), stored=stored)


def describe_list(values: list[Any]) -> UnreadResult:
    """Return a description of a list, with the fields of its first element if it has any."""
    first = describe(values[0]) if values else UnreadResult("")
    if not first.fields:
        return UnreadResult(f"a list of {len(values)}", count=_count(values))
    return UnreadResult(f"a list of {len(values)}, the first {first.text}", first.fields, len(values))


def score_of(task: Task, stored: Any, n: int, *, one_row: bool) -> Output:
    """Read a value that was given as the score: numbers of any dtype, in the shapes of the task."""
    if isinstance(stored, int) and not isinstance(stored, float):
        stored = float(stored)
    elif isinstance(stored, list) and set(map(type, stored)) <= {int, float, bool, np.float64, np.float32}:
        stored = np.array(stored, np.float64)
    elif isinstance(stored, np.ndarray | np.generic) and stored.dtype.kind in "iub":
        stored = stored.astype(np.float64)
    output = read(task, stored, n, one_row=one_row)
    if output.scores is not None:
        return output
    return Output(unread=output.unread or UnreadResult(f"{describe(stored).text} as the score"))


def predicted_of(stored: Any, n: int) -> Output:
    """Read a value that was given as the predicted class: one value per row, of any kind."""
    if isinstance(stored, UnreadResult | NamedScores):
        return _unread_output(stored)
    if isinstance(stored, _AT_ONCE):
        stored = [stored]
    column = stored if isinstance(stored, Column) else None
    if column is None:
        flat = np.asarray(stored).reshape(-1).tolist() if not isinstance(stored, list) else stored
        column = class_column_of(flat)
    return Output(predicted=class_column(column)) if _length(column) == n else _unread_output(stored)


def class_column_of(values: list[Any]) -> Column:
    """Return n values of any type as canonical class texts; -1 if missing.

    >>> class_column_of([1, "1", None, True]).codes
    array([ 0,  0, -1,  0], dtype=int32)
    """
    texts = [class_text(value) for value in values]
    index = {text: code for code, text in enumerate(text for text in dict.fromkeys(texts) if text)}
    return Column(codes=np.array([index.get(text, -1) for text in texts], np.int32), categories=tuple(index))
