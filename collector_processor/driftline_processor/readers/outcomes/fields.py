"""Read one field of an outcome: its value, or :class:`UnusableField` with a message for the sender."""

from __future__ import annotations

import math
from collections.abc import Mapping

from driftline.inputs.texts_and_vectors import short_text
from driftline.outputs.rankings import MOST_TEXT, relevant_text
from driftline.tables.classes import EXACT, class_text
from driftline.tables.ids import id_text
from driftline.tables.performance_columns import GREATEST_WEIGHT, LEAST_WEIGHT, WEIGHTS
from driftline.tables.timestamps import instant, nanoseconds_per_unit

FIELDS = (
    "id",
    "actual",
    "time",
    "prediction_time",
    "weight",
    "item",
    "value",
    "retracted",
    "slices",
    "model",
    "environment",
)
"""Fields of an outcome. ``id`` and ``actual`` are required, and a model in the row or in the request."""

IDS = ("id", "item")
"""Fields whose values are ids."""

SLICE = "slice."
"""Prefix of slice columns in files."""

MAX_SLICES = 64
"""Maximum number of slices per document, each of which is a column over all rows."""

MAX_TEXT = 1024
"""Maximum characters of an id, actual value or name; longer ones are mistakes and would be stored with every row."""

LAST = 2**63 - 1


NOT_FINITE = "actual is not finite; send a finite number, or no outcome until it is known"

NOT_A_WEIGHT = f"weight is not {WEIGHTS}"


class UnusableField(ValueError):  # noqa: N818 - the state of a row, and the sentence its sender reads
    """The reason why a row cannot be used."""


class MalformedOutcomes(ValueError):  # noqa: N818 - the state of a document, and the sentence its sender reads
    """The reason why a whole document cannot be read."""


def too_long(name: str, longest: int = MAX_TEXT) -> str:
    """Return the rejection reason for a text that is too long."""
    return f"{name} has more than {longest:,} characters"


def too_large(name: str) -> str:
    """Return the rejection reason for an infinite id, which a JSON number of too many digits becomes."""
    return f"{name} is a number that is too large; send it as a text"


def not_a_time(name: str) -> str:
    """Return the rejection reason for a number that is not a time."""
    return f"{name} is not a time between 1970 and 2262"


def text_of(value: object, name: str, longest: int = MAX_TEXT) -> str | None:
    """Return a name or id as text; None if missing. The numbers 17 and 17.0 are the text "17".

    A list is an id with several parts, as a tuple is in the SDK.

    Raises :class:`UnusableField` for other types, and for texts longer than ``longest``.

    >>> text_of(17.0, "id"), text_of(" A-1 ", "id"), text_of("", "id"), text_of(["B", 2], "id")
    ('17', 'A-1', None, "('B', 2)")
    """
    if value is None:
        return None
    if isinstance(value, list) and name == "id":
        value = id_text(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnusableField(f"{name} is {kind_of(value)}; send a string or a number")
    if isinstance(value, float) and math.isinf(value):
        raise UnusableField(too_large(name))
    text = id_text(value) if isinstance(value, float) else str(value).strip()
    if len(text) > longest:
        raise UnusableField(too_long(name, longest))
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UnusableField(f"{name} contains half a surrogate pair, which is not valid Unicode")
    return text or None


def actual_of(value: object, retracted: bool = False) -> tuple[float, str | None]:
    """Return the actual value as (number, None) or (NaN, text); true is 1.0 and false is 0.0.

    An integer may be a class: one of 2^53 or more, which a double can merge with others, is a text.
    ``retracted``: it may be missing, (NaN, None). A list of items, or an object of items and their relevance, is the
    relevance in a ranking and returned as JSON text.

    >>> actual_of(True), actual_of(2), actual_of(2**53 + 1), actual_of(["p17", 4])
    ((1.0, None), (2.0, None), (nan, '9007199254740993'), (nan, '["p17", "4"]'))
    """
    if isinstance(value, list | dict):
        try:
            return math.nan, relevant_text(value)
        except ValueError as reason:
            raise UnusableField(f"actual is {kind_of(value)}, and {reason}") from None
    if isinstance(value, str):
        value = text_of(value, "actual", MOST_TEXT if value.startswith(("[", "{")) else MAX_TEXT)
        if value is not None:
            return math.nan, value
    if value is None:
        if retracted:
            return math.nan, None
        raise UnusableField("actual is missing")
    if not isinstance(value, bool | int | float):
        raise UnusableField(f"actual is {kind_of(value)}; send a class or a number")
    number = _float(value)
    if isinstance(value, int) and EXACT <= abs(number) < math.inf:
        return math.nan, str(value)
    if not math.isfinite(number) and not (retracted and math.isnan(number)):
        raise UnusableField(NOT_FINITE)
    return number, None


def instant_of(value: object, name: str) -> int:
    """Return unix nanoseconds of an ISO 8601 text (UTC without a zone) or of unix s, ms, µs or ns; 0 = missing.

    The unit of a number follows from its size: seconds before the year 10000, then milliseconds, microseconds and
    nanoseconds, a factor of 1,000 each.

    >>> instant_of("2026-11-20T08:00:00Z", "time") == instant_of(1795161600, "time") == instant_of(1795161600e3, "time")
    True
    """
    if value is None or value == "":
        return 0
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnusableField(f"{name} is {kind_of(value)}; send ISO 8601 or unix seconds, ms or ns")
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return _iso(value, name)
    else:
        number = _float(value)
    if not 0 < number < LAST:
        raise UnusableField(not_a_time(name))
    unit = nanoseconds_per_unit(number)
    time = value * unit if isinstance(value, int) else int(number * unit)
    if time >= LAST:
        raise UnusableField(not_a_time(name))
    return time


def value_of(value: object) -> float:
    """Return the value of an outcome, a finite number; NaN if missing."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableField(f"value is {kind_of(value)}; send a number")
    number = _float(value)
    if math.isinf(number):
        raise UnusableField(f"value is {number:g}; send a finite number")
    return number


def retracted_of(value: object) -> bool:
    """Return True for a retraction; False if missing.

    >>> retracted_of(None), retracted_of(True), retracted_of("true"), retracted_of(0)
    (False, True, True, False)
    """
    text = class_text(value) if isinstance(value, bool | int | float | str) else "?" if value is not None else ""
    if text in ("1", "0", ""):
        return text == "1"
    raise UnusableField(f"retracted is {kind_of(value)}; send true or false")


def slices_of(item: Mapping[str, object]) -> dict[str, str]:
    """Return the slices of a row as canonical texts, from its object ``slices`` and from ``slice.NAME``.

    A value that is null, NaN or empty is missing.

    >>> slices_of({"slices": {"group": "b", "age": 41.0}, "slice.region": None})
    {'group': 'b', 'age': '41'}
    """
    slices = item.get("slices")
    if slices is not None and not isinstance(slices, dict):
        raise UnusableField(f'slices is {kind_of(slices)}; send an object like {{"country": "NL"}}')
    slice_items = [(str(name), value) for name, value in (slices or {}).items()]
    slice_items += [(name.removeprefix(SLICE), value) for name, value in item.items() if name.startswith(SLICE)]
    return {slice_name(name): text for name, value in slice_items if (text := _slice(name, value))}


def slices_in(item: Mapping[str, object]) -> list[str]:
    """Return the names of a row's slices, with or without a value."""
    slices = item.get("slices")
    inner = [str(name) for name in slices] if isinstance(slices, dict) else []
    return inner + [name.removeprefix(SLICE) for name in item if name.startswith(SLICE)]


def slice_name(name: str) -> str:
    """Return the name of a slice. Raises :class:`UnusableField` for an empty or too long one."""
    if not name.strip() or len(name) > MAX_TEXT:
        raise UnusableField(f"the name of a slice must have 1 to {MAX_TEXT:,} characters, not {len(name):,}")
    return name


def _slice(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, bool | int | float | str):
        raise UnusableField(f"slices.{name[:80]} is {kind_of(value)}; send a string, a number or a boolean")
    return short_text(class_text(value))


def weight_of(value: object) -> float:
    """Return a weight, NaN if missing."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableField(f"weight is {kind_of(value)}; send a number")
    number = _float(value)
    if not LEAST_WEIGHT <= number <= GREATEST_WEIGHT:
        raise UnusableField(NOT_A_WEIGHT)
    return number


def _iso(value: str, name: str) -> int:
    try:
        time = instant(value.strip())
    except ValueError:
        time = 0
    if not 0 < time < LAST:
        raise UnusableField(
            f"{name} is {value[:80]!r}; send a time from 1970 to 2262 as ISO 8601 (2026-11-20T08:00:00Z) "
            "or as unix seconds, ms or ns"
        )
    return time


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def kind_of(value: object) -> str:
    """Return the kind of a value's type, for messages."""
    names = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        str: "a string",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), type(value).__name__)
