"""The result of one row, read immediately and without arrays: numbers, classes and small arrays of most calls.

``output.py`` reads any result, and both agree. This module is 3 to 30 µs faster, on the caller's thread, where the span
needs the result. It returns None for any other result, which ``output.py`` then reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from driftline.tables.classes import class_text
from driftline.tables.task import PerKind, Task

from .output import ROUNDING, are_class_scores

Answer = tuple[Any, str]
"""A score (a float, or a tuple of one per class; None without a score), and the predicted class ("" without one)."""

Reader = Callable[[Any], Answer | None]

_WHOLE = 2**53
"""Smaller integers are exact as doubles."""
_INTEGERS = (int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)
_FLOATS = (np.float64, np.float32, np.float16)
_BOOLEANS = (bool, np.bool_)


def readers(task: Task) -> Mapping[type, Reader]:
    """Return the readers of one-row results by exact type; floats need none.

    >>> binary = readers(Task("binary", ("0", "1"), "1"))
    >>> binary[bool](True), binary[np.float32](np.float32(0.25)), binary[np.ndarray](np.array([[0.75, 0.25]]))
    ((None, '1'), (0.25, ''), (0.25, ''))
    """
    return MappingProxyType(_READERS.of(task)(task))


def _of_class(task: Task) -> dict[type, Reader]:
    readers: dict[type, Reader] = {**dict.fromkeys((*_BOOLEANS, str), _class), **dict.fromkeys(_INTEGERS, _integer)}
    return readers | {np.ndarray: _columns(task)}


def _of_score_or_class(task: Task) -> dict[type, Reader]:
    return _of_class(task) | dict.fromkeys(_FLOATS, _score)


def _of_number(task: Task) -> dict[type, Reader]:
    if task.quantiles:
        return {np.ndarray: _quantiles(len(task.quantiles))}
    return {**dict.fromkeys(_INTEGERS, _value), **dict.fromkeys(_FLOATS, _score), np.ndarray: _one_value}


def _of_nothing(_task: Task) -> dict[type, Reader]:
    return {}


_READERS = PerKind(
    binary=_of_score_or_class,
    multiclass=_of_class,
    regression=_of_number,
    ranking=_of_nothing,
    unknown=_of_nothing,
)


def _class(result: Any) -> Answer:
    return None, class_text(result)


def _integer(result: Any) -> Answer:
    return None, str(int(result))


def _value(result: Any) -> Answer | None:
    return (float(result), "") if -_WHOLE < result < _WHOLE else None


def _score(result: Any) -> Answer:
    return float(result), ""


def _one_value(result: Any) -> Answer | None:
    return (float(result.reshape(-1)[0]), "") if result.dtype.kind in "fiu" and _is_single(result) else None


def _quantiles(k: int) -> Reader:
    """Return the reader of a row of k quantiles, (k,) or (1, k)."""

    def read(result: Any) -> Answer | None:
        if result.dtype.kind not in "fiu" or result.shape not in ((1, k), (k,)):
            return None
        return tuple(map(float, result.reshape(-1).tolist())), ""

    return read


def _columns(task: Task) -> Reader:
    """Return the reader of a row of ``predict_proba``: one column per class, (k,) or (1, k)."""
    k = len(task.classes)
    position, rounding = task.positive, ROUNDING * len(task.classes)

    def read(result: Any) -> Answer | None:
        if result.dtype.kind != "f":
            return None
        if position is not None and _is_single(result):
            return float(result.reshape(-1)[0]), ""
        if result.shape not in ((1, k), (k,)):
            return None
        values = result.reshape(-1).tolist()
        if not -rounding < sum(values) - 1 < rounding and not are_class_scores(values):
            return None
        return (tuple(values) if position is None else values[position]), ""

    return read


def _is_single(result: Any) -> bool:
    return result.shape in ((), (1,), (1, 1))
