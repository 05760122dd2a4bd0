"""Selectors for a result that could not be read: they are verified with the result, so the advice in the log works."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from driftline.faults import FAULTS
from driftline.inputs.objects import fields
from driftline.outputs import output as outputs
from driftline.outputs import rankings
from driftline.tables.task import Task

_SCORE_WORDS = ("prob", "score", "confidence", "p_")
_CLASS_WORDS = ("label", "class", "pred", "decision", "outcome")
_VALUE_WORDS = ("pred", "value", "result", "score")
_MOST_PARTS, _DEPTH = 50, 4

Step = tuple[str, Any]
"""``("key", name)``, ``("field", name)``, ``("index", position)``, or ``("each", "")`` for all elements of a list."""


@dataclass(frozen=True, slots=True)
class ResultPart:
    """A value inside a result, as a snapshot."""

    path: tuple[Step, ...]
    value: Any

    @property
    def name(self) -> str:
        """Name of the field, in lower case; "" for an element of a tuple."""
        kind, name = self.path[-1]
        return "" if kind == "index" else str(name).lower()

    def selector(self, *, as_path: bool) -> str:
        """Return the argument of a selector: a name, a path in JSON, or a function.

        >>> ResultPart((("key", "data"), ("key", "p")), 0.5).selector(as_path=False)
        'lambda result: result["data"]["p"]'
        >>> ResultPart((("key", "data"), ("each", ""), ("key", "p")), [0.5]).selector(as_path=True)
        '"data.p"'
        """
        steps = [step for step in self.path if step[0] != "each"]
        if as_path:
            return json.dumps(".".join(str(name) for _, name in steps))
        is_name = len(steps) == 1 and steps[0][0] != "index" and self.path[-2:-1] in ((), (("each", ""),))
        return json.dumps(steps[0][1]) if is_name else f"lambda result: {_expression('result', self.path)}"


def _expression(base: str, path: Sequence[Step]) -> str:
    for position, (kind, name) in enumerate(path):
        if kind == "each":
            return f"[{_expression('row', path[position + 1 :])} for row in {base}]"
        base += f".{name}" if kind == "field" else f"[{json.dumps(name)}]"
    return base


def parts_of(result: Any, copy: Callable[[Any], Any]) -> tuple[ResultPart, ...]:
    """Return the values inside a result that selectors can name. ``copy``: takes the snapshot of a value."""
    parts: list[ResultPart] = []
    waiting: list[tuple[tuple[Step, ...], Any]] = [((), result)]
    while waiting and len(parts) < _MOST_PARTS:
        path, value = waiting.pop(0)
        try:
            if path:
                parts.append(ResultPart(path, copy(value)))
            if len(path) < _DEPTH:
                waiting += [((*path, *steps), inner) for steps, inner in _inside(value)]
        except Exception as fault:  # an object whose own methods raise has no parts, and is unread
            FAULTS.swallow("advice", fault)
    return tuple(parts)


def _inside(value: Any) -> Iterator[tuple[tuple[Step, ...], Any]]:
    if isinstance(value, Mapping):
        yield from (((("key", name),), inner) for name, inner in value.items() if isinstance(name, str))
    elif names := fields(type(value)):
        yield from (((("field", name),), getattr(value, name)) for name in names)
    elif isinstance(value, tuple):
        yield from (((("index", position),), inner) for position, inner in enumerate(value[:_MOST_PARTS]))
    elif isinstance(value, list) and value:
        rows = [dict(_inside(row)) for row in value] if isinstance(value[0], Mapping) or fields(type(value[0])) else []
        common = [steps for steps in (rows[0] if rows else ()) if all(steps in row for row in rows)]
        yield from (((("each", ""), *steps), [row[steps] for row in rows]) for steps in common)


def suggest_selectors(task: Task, parts: Sequence[ResultPart], rows: int | None) -> dict[str, ResultPart]:
    """Return the parts that are the score and the predicted class or value, by selector; {} if none can be read.

    ``rows``: rows of the batch; None for one row.
    """
    n = rows or 1
    if task.ranks_items or task.predicts_number:
        read_parts = [part for part in parts if reads(task, "predicted", part.value, rows)]
        return _selectors(predicted=_chosen(read_parts, rankings.ITEM_NAMES if task.ranks_items else _VALUE_WORDS))
    numeric = [part for part in parts if reads(task, "score", part.value, rows)]
    scores = [part for part in numeric if _kind(part.value) == "f" or _is_named(part, _SCORE_WORDS)]
    score = _chosen(scores, _SCORE_WORDS)
    decided = [part for part in parts if part is not score and _is_class(task, part, n)]
    return _selectors(score=score, predicted=_chosen(decided, _CLASS_WORDS))


def reads(task: Task, selector: str, value: Any, rows: int | None) -> bool:
    """Return True if a value can be read as the value of a selector, or as the result if ``selector`` is "".

    ``rows``: rows of the batch; None for one row.
    """
    n, one_row = rows or 1, rows is None
    if task.ranks_items:
        return rankings.read(value, n, one_row=one_row).unread is None
    if not selector:
        return outputs.read(task, value, n, one_row=one_row).unread is None
    if selector == "score" or task.predicts_number:
        return outputs.score_of(task, value, n, one_row=one_row).scores is not None
    column = outputs.predicted_of(value, n).predicted
    return column is not None and column.codes is not None and column.codes.min(initial=0) >= 0


def first_or_last(task: Task, values: Any) -> str:
    """Return the selectors that read the first or the last of several values as the result of one row; "" if none."""
    if isinstance(values, list | np.ndarray) and len(values):
        last = len(values) - 1
        if task.has_threshold and _kind(values) == "f" and reads(task, "score", values[last], None):
            return f"score=lambda result: result[{last}]"
        if (task.predicts_number or _kind(values) in tuple("iubUO")) and reads(task, "predicted", values[0], None):
            return "predicted=lambda result: result[0]"
    return ""


def _selectors(**chosen: ResultPart | None) -> dict[str, ResultPart]:
    return {selector: part for selector, part in chosen.items() if part is not None}


def _is_class(task: Task, part: ResultPart, n: int) -> bool:
    """Return True if a part has a class per row: a text, integer or bool that is a class or has a name of a class."""
    if _kind(part.value) not in tuple("iubUO"):
        return False
    if not reads(task, "predicted", part.value, n):
        return False
    column = outputs.predicted_of(part.value, n).predicted
    return _is_named(part, _CLASS_WORDS) or (column is not None and {*column.categories} <= {*task.classes})


def _kind(value: Any) -> str:
    """Return the kind of a value's numpy dtype; "" if it is not data."""
    if isinstance(value, outputs.UnreadResult) or value is None:
        return ""
    try:
        return np.asarray(value).dtype.kind
    except ValueError:  # lists of different lengths
        return ""


def _chosen(parts: Sequence[ResultPart], words: Sequence[str]) -> ResultPart | None:
    """Return the part whose name has the first of the words; the only part if no name has any."""
    named = next((part for word in words for part in parts if word in part.name), None)
    return parts[0] if named is None and len(parts) == 1 else named


def _is_named(part: ResultPart, words: Sequence[str]) -> bool:
    return any(word in part.name for word in words)
