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
from driftline.outputs.named_scores import NamedScores
from driftline.tables.classes import class_text
from driftline.tables.task import Task

_SCORE_WORDS = ("prob", "score", "confidence", "p_")
_CLASS_WORDS = ("label", "class", "pred", "decision", "outcome")
_VALUE_WORDS = ("pred", "hat", "forecast", "value", "result", "score")
_MOST_PARTS, _DEPTH = 50, 4

Step = tuple[str, Any]
"""``("key", name)``, ``("field", name)``, ``("index", position)``, or ``("each", "")`` for all elements of a list.

A part that has the class and its score in two places ends with ``(kind, (step of the class, step of the score))``:
``"pair"`` for one class, ``"pairs"`` for a list of them, ``"zip"`` for a list of classes and a list of scores.
"""

_PAIRS = {
    "pair": "{{{0}: {1}}}",
    "pairs": "{{{0}: {1} for one in {base}}}",
    "zip": "dict(zip({0}, {1}))",
}


@dataclass(frozen=True, slots=True)
class ResultPart:
    """A value inside a result, as a snapshot."""

    path: tuple[Step, ...]
    value: Any

    @property
    def name(self) -> str:
        """Name of the field, in lower case; "" for an element of a tuple."""
        kind, name = self.path[-1]
        return str(name).lower() if kind in ("key", "field") else ""

    @property
    def depth(self) -> int:
        """Number of steps, without those to all elements of a list."""
        return sum(kind != "each" for kind, _ in self.path)

    @property
    def score_path(self) -> tuple[Step, ...] | None:
        """Path of the scores of a part that ends with a class and its score; else None."""
        kind, steps = self.path[-1]
        if kind not in _PAIRS:
            return None
        return (*self.path[:-1], *((("each", ""),) if kind == "pairs" else ()), steps[1])

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
        is_name = len(steps) == 1 and steps[0][0] in ("key", "field") and self.path[-2:-1] in ((), (("each", ""),))
        return json.dumps(steps[0][1]) if is_name else f"lambda result: {_expression('result', self.path)}"


def _expression(base: str, path: Sequence[Step]) -> str:
    for position, (kind, name) in enumerate(path):
        if kind == "each":
            return f"[{_expression('row', path[position + 1 :])} for row in {base}]"
        if kind in _PAIRS:
            one = "one" if kind == "pairs" else base
            return _PAIRS[kind].format(*(_expression(one, [step]) for step in name), base=base)
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
            if len(path) < _DEPTH and (not path or path[-1][0] not in _PAIRS):
                is_column = ("each", "") in path  # a value per row, not a list that the result has at this place
                inside = _inside_column(value) if is_column else _inside(value)
                waiting += [((*path, *steps), inner) for steps, inner in inside]
        except Exception as fault:  # an object whose own methods raise has no parts, and is unread
            FAULTS.swallow("advice", fault)
    return tuple(parts)


def _inside(value: Any) -> Iterator[tuple[tuple[Step, ...], Any]]:
    if isinstance(value, NamedScores):  # a copy, which has lost the form of the result
        return
    if isinstance(value, list):
        yield from _inside_list(value)
    elif isinstance(value, tuple) and not fields(type(value)):
        yield from (((("index", position),), inner) for position, inner in enumerate(value[:_MOST_PARTS]))
    else:
        named = dict(_named_inside(value))
        yield from _pair_of(named)
        yield from (((step,), inner) for step, inner in named.items())


def _named_inside(value: Any) -> Iterator[tuple[Step, Any]]:
    """Yield the fields of a mapping, an object, a frame or a Series."""
    if isinstance(value, Mapping):
        yield from ((("key", name), inner) for name, inner in value.items() if isinstance(name, str))
    elif names := fields(type(value)):
        yield from ((("field", name), getattr(value, name)) for name in names)
    elif hasattr(value, "columns") or hasattr(value, "iloc"):
        labels = getattr(value, "column_names", None) or (value.columns if hasattr(value, "columns") else value.index)
        yield from ((("key", name), value[name]) for name in labels[:_MOST_PARTS] if isinstance(name, str))


def _inside_list(value: list[Any]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    kinds = set(map(type, value))
    if any(issubclass(kind, Mapping) for kind in kinds) and len(kinds) > 1 and len(value) <= _MOST_PARTS:
        yield from (((("index", position),), inner) for position, inner in enumerate(value))  # a tuple, as JSON has it
        return
    columns = dict(_inside_column(value))
    for (kind, names), *deeper in columns:
        if kind == "pair" and not deeper:
            labels, scores = (columns[(name,)] for name in names)
            if len({*labels}) == len(labels) > 1:
                yield (("pairs", names),), dict(zip(labels, scores, strict=True))
    yield from (((("each", ""), *steps), column) for steps, column in columns.items())


def _inside_column(value: Any) -> Iterator[tuple[tuple[Step, ...], list[Any]]]:
    """Yield what is at the same place inside every value of a list, as a list of one value per row."""
    if not isinstance(value, list) or not (value and (isinstance(value[0], Mapping | list) or fields(type(value[0])))):
        return
    rows = [dict(_inside(row)) for row in value]
    if isinstance(value[0], list):  # the elements of a row have no order that another row has too
        rows = [{steps: inner for steps, inner in row.items() if steps[-1][0] == "pairs"} for row in rows]
    for steps in rows[0]:
        if all(steps in row for row in rows):
            yield steps, [row[steps] for row in rows]


def _pair_of(named: Mapping[Step, Any]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    """Yield the class and its score, or the classes and their scores, of an object with these fields."""
    parts = [ResultPart((step,), inner) for step, inner in named.items()]
    labels = [part for part in parts if _is_named(part, _CLASS_WORDS)]
    scores = [part for part in parts if _is_named(part, _SCORE_WORDS) and part not in labels]
    label, score = _chosen(labels, _CLASS_WORDS), _chosen(scores, _SCORE_WORDS)
    if label is None or score is None:
        return
    steps = (label.path[0], score.path[0])
    if isinstance(label.value, str | int) and isinstance(score.value, float):
        yield (("pair", steps),), {label.value: score.value}
        return
    if not all(isinstance(part.value, list | tuple | np.ndarray) for part in (label, score)):
        return
    classes = [value for value in label.value if isinstance(value, str | int)]
    if 1 < len({*classes}) == len(label.value) == len(score.value):
        yield (("zip", steps),), dict(zip(classes, score.value, strict=True))


def suggest_selectors(
    task: Task, parts: Sequence[ResultPart], rows: int | None, *, as_path: bool = False
) -> dict[str, ResultPart]:
    """Return the parts that are the score and the predicted class or value, by selector; {} if none can be read.

    ``rows``: rows of the batch; None for one row. ``as_path``: whether selectors cannot be functions.
    """
    n = rows or 1
    if task.ranks_items or task.predicts_number:
        read_parts = [part for part in parts if reads(task, "predicted", part.value, rows)]
        if task.predicts_number:
            return _selectors(predicted=_chosen(_values(read_parts), _VALUE_WORDS))
        return _selectors(predicted=_chosen(read_parts, rankings.ITEM_NAMES))
    score = _score_of(task, parts, rows, as_path=as_path)
    if score is not None and score.path[-1][0] in ("pairs", "zip"):  # the scores decide
        return _selectors(score=score)
    decided = [part for part in parts if part is not score and _is_class(task, part, n)]
    return _selectors(score=score, predicted=_chosen(_outermost(decided), _CLASS_WORDS))


def unclear_numbers(task: Task, parts: Sequence[ResultPart], rows: int | None) -> list[ResultPart]:
    """Return the numbers of a result, any of which can be the score or the value; [] if none can be read."""
    if task.predicts_number:
        return _values([part for part in parts if reads(task, "predicted", part.value, rows)])
    return _scores(task, parts, rows) if task.has_threshold else []


def class_names(values: Sequence[Any]) -> tuple[str, ...]:
    """Return the names of the first class scores whose sum is about 1, for any classes; () if there are none."""
    for value in values:
        is_named = isinstance(value, NamedScores) and len(value.names) > 1 and value.has_all and not value.is_ordered
        if is_named and all(map(outputs.are_class_scores, np.atleast_2d(value.values).tolist())):
            return tuple(sorted(map(class_text, value.names)))
    return ()


def _values(parts: Sequence[ResultPart]) -> list[ResultPart]:
    """Return the parts that can be the value of a regression: no ids, and no whole numbers next to others."""
    numbers = [part for part in parts if not part.name.endswith(rankings.ITEM_NAMES)]
    return _outermost([part for part in numbers if _kind(part.value) == "f"] or numbers)


def _score_of(task: Task, parts: Sequence[ResultPart], rows: int | None, *, as_path: bool) -> ResultPart | None:
    named = [part for part in parts if part.score_path and not as_path and reads(task, "score", part.value, rows)]
    of_classes = [part for part in named if part.path[-1][0] != "pair" or _is_of_its_class(task, part)]
    scores = of_classes[:1] or _scores(task, parts, rows)
    of_positive = [part for part in scores if class_text(part.path[-1][1]) == task.positive_class != ""]
    return _chosen(of_positive or scores, _SCORE_WORDS)


def _scores(task: Task, parts: Sequence[ResultPart], rows: int | None) -> list[ResultPart]:
    """Return the parts that can be the score, without scores that belong to the class next to them."""
    others = {part.score_path for part in parts if part.score_path and _is_of_its_class(task, part)}
    numeric = [part for part in parts if part.score_path is None and reads(task, "score", part.value, rows)]
    scores = [part for part in numeric if _kind(part.value) == "f" or _is_named(part, _SCORE_WORDS)]
    return _outermost([part for part in scores if part.path not in others])


def _is_of_its_class(task: Task, part: ResultPart) -> bool:
    """Return True if the score next to a class belongs to it, and not to the positive class.

    Lists of classes and scores belong together. A single score is that of the predicted class in the results of
    ``transformers`` (``label``, ``score``) and if it is called confidence, and if it is high for the negative class.
    """
    kind, steps = part.path[-1]
    if kind != "pair":
        return True
    if not isinstance(part.value, NamedScores) or not task.has_threshold:
        return False
    values = np.atleast_2d(part.value.values)
    highest = np.nanmax(values, axis=1)
    negative = [class_text(name) != task.positive_class for name in part.value.names]
    is_contradicted = bool((values[:, negative] > max(task.threshold, 0.5)).any())
    label, score = (str(name).lower() for _, name in steps)
    has_known_names = (label, score) == ("label", "score") or "conf" in score
    return bool((highest >= 0.5).all()) and (is_contradicted or has_known_names)


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
    if isinstance(value, NamedScores):
        return "f"
    try:
        return np.asarray(value).dtype.kind
    except ValueError:  # lists of different lengths
        return ""


def _chosen(parts: Sequence[ResultPart], words: Sequence[str]) -> ResultPart | None:
    """Return the part with the shortest name that has the first of the words.

    If no name has any, return the only part, or the first element of a tuple.
    """
    for word in words:
        named = [part for part in parts if word in part.name]
        if named:
            return min(named, key=lambda part: (part.depth, len(part.name)))
    return parts[0] if len(parts) == 1 or (parts and parts[0].path[0][0] == "index") else None


def _outermost(parts: Sequence[ResultPart]) -> list[ResultPart]:
    """Return the parts that are not inside others, and of a tuple not the details, which are deeper."""
    paths = {part.path for part in parts}
    least = min((part.depth for part in parts if part.path[0][0] == "index"), default=_DEPTH)
    return [
        part
        for part in parts
        if part.depth <= least and paths.isdisjoint(part.path[:end] for end in range(1, len(part.path)))
    ]


def _is_named(part: ResultPart, words: Sequence[str]) -> bool:
    return any(word in part.name for word in words)
