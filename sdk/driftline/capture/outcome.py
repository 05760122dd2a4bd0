"""One outcome of a prediction: read from arguments, and as attributes of its log record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from driftline.faults import FAULTS
from driftline.inputs.row import clean_value
from driftline.outputs.output import describe
from driftline.outputs.rankings import relevant_text
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.classes import class_text
from driftline.tables.ids import id_text
from driftline.tables.timestamps import instant

from .model_identity import Identity

T = TypeVar("T")


FIELDS = ("id", "actual", "time", "prediction_time", "weight", "item", "value", "retracted", "slices")


SCALARS = (str, int, float, type(None))


SLICE = "slice."
"""Prefix of columns that contain one slice each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One outcome.

    Times are unix nanoseconds, 0 = not given.

    Attributes:
        actual: Text, number or bool; None if retracted.
        event: Name of its log record.
        slices: Slices after the privacy rules.
    """

    event: ClassVar[str] = events.ML_OUTCOME

    identity: Identity
    id: str
    actual: Any
    recorded: int
    time: int = 0
    prediction_time: int = 0
    weight: float | None = None
    item: str = ""
    value: float | None = None
    retracted: bool = False
    slices: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def fields(self) -> dict[str, Any]:
        """Return the given fields by name, in the format of ``POST /v1/outcomes``; id and actual always."""
        optional = {
            "time": self.time or None,
            "prediction_time": self.prediction_time or None,
            "weight": self.weight,
            "item": self.item or None,
            "value": self.value,
            "retracted": self.retracted or None,
            "slices": dict(self.slices) or None,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        return {"id": self.id, "actual": self.actual, **given}

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the log record.

        The actual is a text whatever its type, because a backend has one type for an attribute.
        """
        fields = self.fields()
        slices = fields.pop("slices", {})
        if self.actual is not None:
            fields["actual"] = class_text(self.actual)
        attributes = {ATTRIBUTES[name]: value for name, value in fields.items() if value is not None}
        of_slices = {f"{a.DRIFTLINE_SLICE_VALUE}.{name}": value for name, value in slices.items()}
        return {a.ML_MODEL_NAME: self.identity.name, **attributes, **of_slices}


ATTRIBUTES = {
    "id": a.ML_PREDICTION_ID,
    "actual": a.ML_OUTCOME_ACTUAL,
    "time": a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO,
    "prediction_time": a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO,
    "weight": a.DRIFTLINE_OUTCOME_WEIGHT,
    "item": a.DRIFTLINE_OUTCOME_ITEM,
    "value": a.DRIFTLINE_OUTCOME_VALUE,
    "retracted": a.DRIFTLINE_OUTCOME_RETRACTED,
}
"""Field of an outcome → attribute of its log record."""


class UnusableOutcome(ValueError):  # noqa: N818 - the outcome is, not the program
    """An outcome lacks a required field or has an invalid one. The text names the field and contains no value."""


def outcome_of(
    identity: Identity,
    now: int,
    *,
    id: object = None,
    actual: object = None,
    time: object = None,
    prediction_time: object = None,
    weight: Any = None,
    item: object = None,
    value: Any = None,
    retracted: object = False,
    slices: object = None,
) -> Outcome:
    """Read one outcome. Raises :class:`UnusableOutcome` if id or actual is missing, or a time or number is invalid."""
    text, truth, taken_back = id_text(id), _truth(identity, actual, item), _flag(retracted)
    if not text:
        raise UnusableOutcome("it has no id")
    if truth is None or truth != truth:
        if not taken_back:
            raise UnusableOutcome(f"its actual must be a string, a number or a bool, not {describe(actual).text}")
        truth = None
    about = id_text(item)
    return Outcome(
        identity=identity,
        id=text if identity.hash_id is None else identity.hash_id(text),
        actual=truth,
        recorded=now,
        time=_read("time", "datetime, an ISO 8601 string or a unix time as a number", instant, time),
        prediction_time=_read(
            "prediction_time", "datetime, an ISO 8601 string or a unix time as a number", instant, prediction_time
        ),
        weight=_number("weight", weight),
        item=about if identity.hash_id is None or not about else identity.hash_id(about),
        value=_number("value", value),
        retracted=taken_back,
        slices={} if slices is None else protect_slices(identity.privacy.slices, slices),
    )


def _truth(identity: Identity, actual: object, item: object) -> Any:
    """Return an actual as it is sent. Relevant items of a ranking are JSON (:mod:`~driftline.outputs.rankings`)."""
    if isinstance(actual, SCALARS) or not identity.task.may_rank_items:
        return clean_value(actual)
    try:
        relevant = relevant_text(actual, identity.hash_id)
    except ValueError as reason:
        raise UnusableOutcome(f"its actual is {describe(actual).text}, and {reason}") from None
    if relevant is None:
        return clean_value(actual)
    if id_text(item):
        raise UnusableOutcome("it has an item=, but its actual is a list of items; remove item= or the list")
    return relevant


def _flag(retracted: object) -> bool:
    text = class_text(clean_value(retracted))
    if text not in ("0", "1", ""):
        raise UnusableOutcome(f"its retracted must be True or False, not {describe(retracted).text}")
    return text == "1"


def protect_slices(protect: Callable[[Mapping[str, Any]], Mapping[str, Any]], slices: object) -> dict[str, Any]:
    """Apply the privacy rules to slices, and remove missing values."""
    if not isinstance(slices, Mapping):
        raise UnusableOutcome(f"its slices must be a mapping of names to values, not {describe(slices).text}")
    cleaned = {str(name): clean_value(value) for name, value in protect(slices).items()}
    return {name: value for name, value in cleaned.items() if value is not None and value == value and value != ""}


def _number(name: str, value: object) -> float | None:
    """Read a number; None if it is missing, as NaN in a frame."""
    number = None if value is None else _read(name, "number", float, value)
    return None if number != number else number


def _read(name: str, rule: str, read: Callable[[Any], T], value: object) -> T:
    """Read an argument. The error contains its type, never its value, which may be personal data."""
    try:
        return read(value)
    except Exception as fault:
        FAULTS.let_signals_pass(fault)
        is_text = isinstance(value, str) and "string" in rule
        wrong = "not a text of another form" if is_text else f"not {describe(value).text}"
        raise UnusableOutcome(f"its {name} must be a {rule}, {wrong}") from None
