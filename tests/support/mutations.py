"""Valid requests, and the same requests with one field of one row changed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList

from .otlp_requests import FEATURE, SLICE, value

INTEGERS = (0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63))
NUMBERS = (0.0, -1.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 1e60)
TEXTS = ("", " ", "\0", "a" * 1025, "\U0001f600" * 50, "nan", "-inf", "1e999", "[", "{}", "other", "true", "007")
BYTES = (b"", b"\xff", b"\xff" * 7, b"\xff" * 16, b"\0" * 16, bytes(range(256)))
STATES = (
    "ot=th:ffffffffffffff",
    "ot=th:fffffffffffff",
    "ot=th:0",
    "ot=th:",
    "ot=th:zz",
    "ot=" + "x" * 500,
    "\0",
    "=,=",
)
LISTS: tuple[list[Any], ...] = (
    [],
    [0.5],
    [math.nan],
    [0.5] * 300,
    ["a", "a"],
    [1, "a", 0.5, True, None],
    [[0.5]],
    [math.inf, 0.5],
    ["a" * 1025],
)
VALUES = tuple(map(value, (None, True, *INTEGERS[:6], INTEGERS[7], *NUMBERS, *TEXTS, *BYTES[:3], *LISTS, {"a": 1})))

ROW: dict[str, Any] = {
    a.ML_MODEL_NAME: "churn",
    a.ML_MODEL_VERSION: "1",
    a.ML_MODEL_TASK: "binary",
    a.DRIFTLINE_MODEL_CLASSES: ["no", "yes"],
    a.DRIFTLINE_MODEL_POSITIVE_CLASS: "yes",
    a.DRIFTLINE_MODEL_THRESHOLD: 0.5,
    a.ML_OPERATION_NAME: "predict",
    a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: 0,
    a.ML_PREDICTION_COUNT: 1,
    a.ML_PREDICTION_SCORE: 0.25,
    a.DRIFTLINE_PREDICTION_SCORES: [0.75, 0.25],
    a.ML_PREDICTION_CLASS: "no",
    a.ML_PREDICTION_VALUE: 0.25,
    a.DRIFTLINE_PREDICTION_ITEMS: ["a", "b"],
    a.DRIFTLINE_PREDICTION_ITEM_COUNT: 2,
    a.DRIFTLINE_PREDICTION_DURATION: 0.01,
    a.DRIFTLINE_MODEL_QUANTILES: [0.1, 0.9],
    a.ERROR_TYPE: "ValueError",
    FEATURE + "age": 31.5,
    FEATURE + "plan": "pro",
    FEATURE + "calls": 3,
    SLICE + "country": "de",
}
"""The attributes of a prediction, of every kind."""

OUTCOME: dict[str, Any] = {
    a.ML_MODEL_NAME: "churn",
    a.ML_OUTCOME_ACTUAL: "yes",
    a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: 0,
    a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: 0,
    a.DRIFTLINE_OUTCOME_WEIGHT: 2.0,
    a.DRIFTLINE_OUTCOME_ITEM: "a",
    a.DRIFTLINE_OUTCOME_VALUE: 10.0,
    a.DRIFTLINE_OUTCOME_RETRACTED: False,
    SLICE + "country": "de",
}
"""The attributes of an outcome."""


def mutations(row: Message) -> Iterator[Message]:
    """Yield copies of a message, each with one field changed, at any depth."""
    for change in _changes(row, lambda message: message):
        mutated = copy.deepcopy(row)
        try:
            change(mutated)
        except (ValueError, TypeError, OverflowError):  # the field cannot have this value
            continue
        yield mutated


Find = Callable[[Any], Any]
Change = Callable[[Any], None]


def _changes(message: Message, find: Find) -> Iterator[Change]:
    for field in message.DESCRIPTOR.fields:
        name = field.name
        if field.message_type is not None and field.is_repeated:
            yield _clear(find, name)
            yield _repeat(find, name)
            for place, part in enumerate(getattr(message, name)):
                yield from _changes(part, _element(find, name, place))
        elif field.message_type is not None and field.message_type.name == "AnyValue":
            for given in VALUES:
                yield _copy(find, name, given)
        elif field.message_type is not None:
            if message.HasField(name):
                yield from _changes(getattr(message, name), _part(find, name))
        elif field.is_repeated:
            yield _clear(find, name)
            for number in (*INTEGERS, *NUMBERS):
                yield _append(find, name, number)
        else:
            for given in (*INTEGERS, *NUMBERS, *TEXTS, *BYTES, *(STATES if name == "trace_state" else ())):
                yield _set(find, name, given)


def _element(find: Find, name: str, place: int) -> Find:
    return lambda message: getattr(find(message), name)[place]


def _part(find: Find, name: str) -> Find:
    return lambda message: getattr(find(message), name)


def _clear(find: Find, name: str) -> Change:
    return lambda message: find(message).ClearField(name)


def _repeat(find: Find, name: str) -> Change:
    return lambda message: getattr(find(message), name).extend(list(getattr(find(message), name)))


def _copy(find: Find, name: str, given: Message) -> Change:
    return lambda message: getattr(find(message), name).CopyFrom(given)


def _append(find: Find, name: str, number: float) -> Change:
    return lambda message: getattr(find(message), name).append(number)


def _set(find: Find, name: str, given: object) -> Change:
    def change(message: Any) -> None:
        if getattr(find(message), name) == given:
            raise ValueError
        setattr(find(message), name, given)

    return change


def json_mutations(document: Any) -> Iterator[Any]:
    """Yield copies of a value of JSON, each with one value in it changed, removed or added."""
    values: tuple[Any, ...] = (None, True, 0, -1, 2**63, 10**30, 1e308, 5e-324, *TEXTS, [], [1], [[1]], {}, {"a": 1})
    for path in _paths(document, ()):
        for given in values:
            yield _with(document, path, given)
        if path:
            yield _without(document, path)


def _paths(document: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, part in items:
        yield from _paths(part, (*path, key))


def _with(document: Any, path: tuple[Any, ...], given: Any) -> Any:
    if not path:
        return given
    changed = copy.deepcopy(document)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = given
    return changed


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(document)
    part = changed
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    return changed


def column_mutations(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of a column with some of them changed."""
    for place in sorted({0, 1, len(data) // 2, len(data) - 2, len(data) - 1}):
        for byte in (0, 1, 0x7F, 0x80, 0xFF, *b"dfqihb?vscm"):
            yield data[:place] + bytes((byte,)) + data[place + 1 :]
    yield from (b"", data[:-2], data * 2, data[:1], data + b"\0")


def batch(columns: dict[str, Any], raw: dict[str, bytes] | None = None, **head: Any) -> Message:
    """Return a columnar record; ``raw``: bytes of some columns instead of encoded values."""
    from .otlp_requests import record

    n = len(next(iter(columns.values())))
    made = record(
        events.DRIFTLINE_PREDICTION_BATCH,
        {a.ML_MODEL_NAME: "churn", a.ML_MODEL_VERSION: "1", a.ML_PREDICTION_COUNT: n, **head},
    )
    pairs = [
        KeyValue(key=key, value=AnyValue(bytes_value=data)) for key, data in {**encode(columns), **(raw or {})}.items()
    ]
    made.attributes.append(
        KeyValue(key=a.DRIFTLINE_PREDICTION_COLUMNS, value=AnyValue(kvlist_value=KeyValueList(values=pairs)))
    )
    return made
