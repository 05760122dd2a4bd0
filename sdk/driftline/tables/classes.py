"""Class names as canonical text, and the completion of a model's task.

Services send predicted classes as integers, users upload outcomes as CSV, and JSON has booleans. To compare them, each
class has one canonical text, which is made only here: 1, 1.0, "1" and true are one class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .table import I32, Column
from .task import KINDS, Task
from .text import sendable

_INTEGRAL = re.compile(r"(-?(?:0|[1-9][0-9]*))(?:\.0*)?")
_BOOLEANS = {"true": "1", "True": "1", "TRUE": "1", "false": "0", "False": "0", "FALSE": "0"}
MOST_COUNTED_CLASSES = 50
"""Maximum number of classes with their own count in ``ml.predictions``; the others count as ``other``.

OpenTelemetry's SDK keeps 2,000 series of a metric. Models with more classes would push other models' counts into the
overflow series, which has no model.
"""
EXACT = 2**53
"""Up to this number, every whole number is a double."""


def number_text(value: float) -> str:
    """Return the shortest text of a number: 17.0 is "17", 0.5 is "0.5"; NaN is the empty text (missing).

    >>> number_text(17.0), number_text(-0.0), number_text(0.5)
    ('17', '0', '0.5')
    """
    if value != value:
        return ""
    if abs(value) < EXACT and value == int(value):
        return str(int(value))
    return repr(float(value))


def class_text(value: object) -> str:
    """Return the canonical text of a class; the empty text if it is missing (None, NaN, "").

    True, 1, 1.0, "1", "1.0" and "true" are "1"; False and its equivalents are "0"; any other text is itself, stripped.
    An enum is its value.

    >>> [class_text(v) for v in (True, 1, 1.0, "1", "1.0", "true")]
    ['1', '1', '1', '1', '1', '1']
    >>> class_text(" churned "), class_text(float("nan")), class_text("007")
    ('churned', '', '007')
    """
    if isinstance(value, np.generic):
        value = value.item()
    elif value.__class__ is not str and isinstance(value, Enum):
        value = value.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    text = value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else sendable(str(value).strip())
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    match = _INTEGRAL.fullmatch(text)
    return text if match is None else "0" if match[1] == "-0" else match[1]


def class_column(column: Column) -> Column:
    """Return the classes of a column as codes into canonical categories; -1 if missing.

    A column without numbers and codes is returned unchanged.

    >>> class_column(Column(numbers=np.array([1.0, 0.0, np.nan]))).categories
    ('0', '1')
    """
    index: dict[str, int] = {}
    codes: I32 | None = None
    if column.codes is not None:
        lookup = np.full(len(column.categories) + 1, -1, dtype=np.int32)  # code -1 reads the last entry
        for code, category in enumerate(column.categories):
            text = class_text(category)
            if text:
                lookup[code] = index.setdefault(text, len(index))
        codes = lookup[column.codes]
    if column.numbers is not None:
        distinct, inverse = np.unique(column.numbers, return_inverse=True)
        lookup = np.full(len(distinct), -1, dtype=np.int32)
        for position, number in enumerate(distinct.tolist()):
            text = number_text(number)
            if text:
                lookup[position] = index.setdefault(text, len(index))
        from_numbers = lookup[inverse.reshape(-1)]
        codes = from_numbers if codes is None else np.where(from_numbers >= 0, from_numbers, codes)
    return Column(codes=codes, categories=tuple(index))


def with_exact_integers(column: Column, integers: NDArray[Any]) -> Column:
    """Return a column in which integers of 2^53 and more, which a double can merge, are texts.

    ``integers``: the exact integers of n rows, 0 for other values, which remain as in the column.

    >>> column = with_exact_integers(Column(numbers=np.array([7.0, 2.0**53])), np.array([7, 2**53 + 1]))
    >>> column.numbers, column.codes, column.categories
    (array([ 7., nan]), array([-1,  0], dtype=int32), ('9007199254740993',))
    """
    beyond = (integers >= EXACT) | (integers <= -EXACT)
    if not beyond.any():
        return column
    texts, code = np.unique(integers[beyond], return_inverse=True)
    numbers = np.full(len(integers), np.nan) if column.numbers is None else column.numbers
    codes = np.full(len(integers), -1, np.int32) if column.codes is None else column.codes.copy()
    codes[beyond] = len(column.categories) + code.reshape(-1)
    return Column(np.where(beyond, np.nan, numbers), codes, (*column.categories, *map(str, texts.tolist())))


def class_codes(column: Column, classes: Sequence[str]) -> I32 | None:
    """Return indices into ``classes``; ``len(classes)`` for any other class, -1 if missing.

    ``classes``: canonical texts. Returns None if the column has neither numbers nor codes.

    >>> class_codes(Column(codes=np.array([0, 1, -1], np.int32), categories=("true", "maybe")), ("0", "1")).tolist()
    [1, 2, -1]
    """
    canonical = class_column(column)
    if canonical.codes is None:
        return None
    index = {text: code for code, text in enumerate(classes)}
    lookup = np.array([index.get(category, len(classes)) for category in canonical.categories] + [-1], dtype=np.int32)
    return lookup[canonical.codes]


def seen_classes(columns: Iterable[Column]) -> tuple[str, ...]:
    """Return the distinct classes of columns: numbers in numeric order, then texts in text order (as scikit-learn).

    >>> seen_classes([Column(numbers=np.array([10.0, 2.0, 2.0, np.nan]))])
    ('2', '10')
    """
    texts: set[str] = set()
    for column in columns:
        canonical = class_column(column)
        if canonical.codes is not None:
            used = np.unique(canonical.codes)
            texts.update(canonical.categories[code] for code in used[used >= 0].tolist())
    return tuple(sorted(texts, key=_order))


def resolve_task(
    kind: str,
    *,
    classes: Sequence[object] | None = None,
    positive_class: object = None,
    threshold: float = 0.5,
    columns: Iterable[Column] = (),
    score_columns: int = 0,
    quantiles: Sequence[float] | None = None,
) -> Task:
    """Complete the task of a model from its arguments and from data.

    ``classes``: in the order of the score columns; default: the distinct values of ``columns`` (actual, predicted),
    else ("0", "1") for binary. ``positive_class``: default: the last class if the classes are 0 and 1 in any spelling.
    ``score_columns``: number of score columns, 0 if unknown. ``quantiles``: levels that a regression predicts, in the
    order of its score columns. Raises ``ValueError``, with the fix, if the kind is unknown, the classes do not fit the
    scores, or the positive class is unknown.

    >>> resolve_task("binary", classes=[False, True]).positive_class
    '1'
    >>> resolve_task("binary", classes=["stays", "churns"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: classes are ('stays', 'churns'), and the positive class is unknown; pass positive_class=...
    """
    if not isinstance(kind, str) or kind not in KINDS:
        *first, last = map(repr, KINDS)
        raise ValueError(f"task is {kind!r}; it must be {', '.join(first)} or {last}")
    levels = quantile_levels(kind, quantiles)
    if not KINDS[kind].has_classes:
        return Task(kind, quantiles=levels)
    if isinstance(threshold, str) or not 0.0 <= threshold <= 1.0:
        raise ValueError(f"threshold is {threshold!r}; it must be a probability between 0 and 1")
    texts = tuple(class_text(value) for value in classes) if classes is not None else seen_classes(columns)
    if len(set(texts)) < len(texts) or "" in texts:
        raise ValueError(f"classes are {texts}; each class must be listed once, and no class may be empty")
    if KINDS[kind].has_threshold:
        if classes is None and set(texts) <= {"0", "1"}:
            texts = ("0", "1")
        if len(texts) != 2:
            raise ValueError(
                f"a binary model has two classes, but {len(texts)} were {'given' if classes else 'found'}: "
                f"{_few(texts)}; pass classes=[negative, positive], or task='multiclass'"
            )
        positive = class_text(positive_class) if positive_class is not None else "1" if set(texts) == {"0", "1"} else ""
        if not positive:
            raise ValueError(
                f"classes are {texts}, and the positive class is unknown; "
                f"pass positive_class={texts[0]!r} or {texts[1]!r}, the class whose probability is the score"
            )
        if positive not in texts:
            raise ValueError(f"positive_class is {positive!r}, which is not one of the classes {texts}")
        return Task(kind, texts, positive, float(threshold))
    if score_columns and score_columns != len(texts):
        raise ValueError(
            f"there are {score_columns} score columns but {len(texts)} classes: {_few(texts)}; "
            "pass classes=[...] in the order of the score columns"
        )
    if not texts:
        raise ValueError(
            "the classes of a multiclass model are missing; pass classes=[...] in the order of the score columns"
        )
    return Task(kind, texts)


def quantile_levels(kind: str, quantiles: Sequence[float] | None) -> tuple[float, ...]:
    """Return the levels that a regression predicts. Raises ``ValueError``, with the fix, if they are invalid.

    >>> quantile_levels("regression", [0.1, 0.5, 0.9])
    (0.1, 0.5, 0.9)
    """
    if quantiles is None or not len(quantiles):
        return ()
    if not Task(kind).predicts_number:
        raise ValueError(f"quantiles are {tuple(quantiles)}, but only a regression model has quantiles; remove them")
    numbers = all(
        isinstance(quantile, int | float | np.floating) and not isinstance(quantile, bool) for quantile in quantiles
    )
    levels = tuple(map(float, quantiles)) if numbers else ()
    sound = len(levels) > 1 and all(0 < level < 1 for level in levels)
    if not sound or any(after <= before for before, after in pairwise(levels)):
        raise ValueError(
            f"quantiles are {tuple(quantiles)}; they must be two or more levels between 0 and 1, increasing, in the "
            "order of the score columns, such as (0.1, 0.5, 0.9)"
        )
    return levels


def _order(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), text)
    except ValueError:
        return (1, 0.0, text)


def _few(texts: Sequence[str]) -> str:
    return ", ".join(repr(text) for text in texts[:5]) + (", ..." if len(texts) > 5 else "")


def complete_task(
    name: str, given: dict[str, Any], task: str, classes: Sequence[object] | int | None, positive_class: object
) -> tuple[dict[str, Any], Task]:
    """Return the completed arguments of a model, and its task.

    ``given``: ``task``, ``classes``, ``positive_class`` and ``threshold`` of the model, empty or None if not given.
    ``classes``: classes of the estimator in any order, or their number. Raises ``ValueError``, with the fix, if task or
    classes differ from the given ones.

    >>> given = {"task": "regression", "classes": None, "positive_class": None, "threshold": None}
    >>> complete_task("churn", given, "binary", (0, 1), None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: churn is a regression model, but its estimator is binary; use driftline.Model('churn', task='binary')
    """
    if given["task"] and given["task"] != task:
        raise ValueError(
            f"{name} is a {given['task']} model, but its estimator is {task}; "
            f"use driftline.Model({name!r}, task={task!r})"
        )
    classes_given = given["classes"]
    if isinstance(classes, int):
        if classes_given is not None and len(classes_given) != classes:
            raise ValueError(
                f"{name} has {len(classes_given)} classes, but its estimator has {classes}; list all: classes=..."
            )
        classes = range(classes) if classes_given is None else classes_given
    if (
        classes_given is not None
        and classes is not None
        and {*map(class_text, classes_given)} != {*map(class_text, classes)}
    ):
        raise ValueError(
            f"the classes of {name} are {tuple(map(class_text, classes_given))}, but the classes of its estimator are "
            f"{tuple(map(class_text, classes))}; remove classes=... to use the classes of the estimator"
        )
    updated: dict[str, Any] = {
        "task": task,
        "classes": classes if classes_given is None else classes_given,
        "positive_class": positive_class if given["positive_class"] is None else given["positive_class"],
        "threshold": 0.5 if given["threshold"] is None else given["threshold"],
    }
    resolved = resolve_task(
        task,
        classes=updated["classes"],
        positive_class=updated["positive_class"],
        threshold=updated["threshold"],
        quantiles=given.get("quantiles"),
    )
    return {**given, **updated}, resolved
