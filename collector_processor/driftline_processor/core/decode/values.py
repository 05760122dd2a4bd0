"""What one attribute, one label or one trace state means."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Any, Final

MAX_TEXT: Final = 1024
"""Longest text, in characters: of an id, a name or a class; a longer feature value becomes its beginning and a hash."""

MAX_ROWS: Final = 1_000_000
"""Rows of one batch. A sane sender puts at most 5,000 in a record; beyond this, the count is a mistake."""

_OF_A_VALUE = (
    "bad_item_count",
    "bad_time",
    "column_",
    "too_long:",
    "too_many_features",
    "unsupported_feature_type",
    "wrong_length:",
    "wrong_type:",
)
"""How reasons begin that cost a value or a column, while its row is kept."""

_KEPT = 200

ABSENT, NUMBER, INTEGER, BOOLEAN, TEXT, LIST, OTHER, EMPTY = range(8)
"""What an attribute holds: ``OTHER`` is a map or bytes, ``EMPTY`` an AnyValue without a value."""

_KINDS: Final = {
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

    An element of a list that is no scalar is None; the value of anything else is None.
    """
    field = value.WhichOneof("value")
    kind = _KINDS.get(field, OTHER)
    if kind in _SCALARS:
        return kind, getattr(value, field)
    if kind == LIST:
        return kind, tuple(thing for _, thing in map(_read_element, value.array_value.values))
    return kind, None


def _read_element(value: Any) -> tuple[int, Any]:
    field = value.WhichOneof("value")
    kind = _KINDS.get(field, OTHER)
    return kind, getattr(value, field) if kind in _SCALARS else None


def rows_rejected(rejected: Counter[str]) -> int:
    """Return how many rows could not be used, of all that was rejected.

    >>> rows_rejected(Counter({"no_id": 2, "wrong_type:ml.model.name": 3}))
    2
    """
    return sum(count for reason, count in rejected.items() if not reason.startswith(_OF_A_VALUE))


def label(text: str) -> str:
    """Return a text that is short enough to be a label: one above ``MAX_TEXT`` is cut, and told apart by its hash.

    >>> label("AA"), len(label("x" * 1_000_000))
    ('AA', 217)
    """
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:_KEPT]}…{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def sampling_weight(trace_state: str) -> float | None:
    """Return how many spans a sampled one stands for; None where its sender does not say.

    The threshold ``ot=th:`` of the OpenTelemetry probability sampling specification ("TraceState: Probability
    Sampling", section "Rejection threshold"): up to 14 hexadecimal digits, trailing zeros left out, of the share
    of spans that is *not* kept.

    >>> sampling_weight("ot=th:8"), sampling_weight("vendor=1,ot=rv:abcdefabcdefab;th:c"), sampling_weight("ot=th:0")
    (2.0, 4.0, 1.0)
    """
    found = _THRESHOLD.search(trace_state)
    if found is None:
        return None
    threshold = int(found[1].ljust(14, "0"), 16)
    return 2.0**56 / (2**56 - threshold)
