"""The keys of ``models.NAME.expect`` and ``models.NAME.features.FEATURE.expect``: expectations of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from driftline.tables.classes import number_text
from pydantic import BeforeValidator, Field, model_validator

from driftline_processor.core.expectations.pattern import UnusablePattern, check_pattern
from driftline_processor.core.expectations.rule import TYPES, Expectations, Kind, Limit, Rule, count_limit, share_limit

from .section import Section
from .values import Days, Form

Bounds = tuple[float | None, float | None]


def _bounds(value: object) -> Bounds:
    """Read ``[low, high]``; null = no limit."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{value!r:.60} is not a range; use [low, high], with null for an open end")
    low, high = (_number(end) for end in value)
    if low is None and high is None:
        raise ValueError("[null, null] allows every value; remove the key")
    if low is not None and high is not None and low > high:
        raise ValueError(f"[{low:g}, {high:g}] is an empty range; put the smaller number first")
    return low, high


def _number(end: object) -> float | None:
    if end is None:
        return None
    if isinstance(end, bool) or not isinstance(end, (int, float)):
        raise ValueError(f"{end!r:.60} is not a number; use [low, high] with numbers, or null for an open end")
    return float(end)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{value!r:.60} is not a list; put the values in brackets")
    if not value:
        raise ValueError("[] allows no value; list the allowed values")
    return tuple(dict.fromkeys(map(_value_text, value)))


def _value_text(value: object) -> str:
    """Return a value in the text form of categories: 17 and 17.0 are "17", true is "1", text is unchanged.

    >>> _value_text(17.0), _value_text(True), _value_text(" a")
    ('17', '1', ' a')
    """
    if isinstance(value, (bool, int, float)):
        return number_text(float(value))
    if not isinstance(value, str):
        raise ValueError(f"{value!r:.60} is not a value of a category; use strings and numbers")
    return value


def _pattern(value: object) -> str:
    try:
        check_pattern(str(value))
    except UnusablePattern as reason:
        raise ValueError(f"{value!r:.60} cannot be used as a pattern: {reason}") from None
    return str(value)


def _unique(value: object) -> Limit:
    if value is False:
        raise ValueError("false has no effect; remove the key")
    return Limit(">=", 1.0) if value is True else share_limit(value, ">=")


def _true(value: object) -> bool:
    if value is not True:
        raise ValueError(f"{value!r:.60} is not 'true'; remove the key if the feature may be absent")
    return True


@dataclass(frozen=True, slots=True)
class ValueRule:
    """A rule for values: ``value``, and the required fraction; None = the feature's."""

    value: Any
    mostly: Limit | None = None


def _value_rule(read: Callable[[object], Any]) -> BeforeValidator:
    """Read ``VALUE`` or ``{is: VALUE, mostly: FRACTION}``."""

    def parse(value: object) -> ValueRule:
        if not isinstance(value, Mapping):
            return ValueRule(read(value))
        if not {"is"} <= value.keys() <= {"is", "mostly"}:
            raise ValueError("this mapping is not supported; use only the value, or {is: VALUE, mostly: FRACTION}")
        mostly = value.get("mostly")
        return ValueRule(read(value["is"]), None if mostly is None else share_limit(mostly, ">="))

    return BeforeValidator(parse)


def _rows(value: object) -> Limit | Bounds:
    return _bounds(value) if isinstance(value, (list, tuple)) else count_limit(value)


def _type(value: object) -> str:
    if value not in TYPES:
        raise ValueError(f"{value!r:.60} is not a type; use {', '.join(TYPES[:-1])} or {TYPES[-1]}")
    return str(value)


Share = Annotated[Limit, BeforeValidator(share_limit), Form("limit of a fraction")]
AtLeast = Annotated[Limit, BeforeValidator(lambda value: share_limit(value, ">=")), Form("limit of a fraction")]
Ends = Annotated[Bounds, BeforeValidator(_bounds), Form("range")]


class ExpectFeature(Section):
    """Expectations of one feature."""

    exists: Annotated[bool, BeforeValidator(_true), Form("true")] | None = Field(
        default=None,
        description="The feature has a value in at least one row of every window.",
        examples=["true"],
        json_schema_extra={"shown": True},
    )
    missing: Share | None = Field(
        default=None,
        description="The fraction of rows without a value.",
        examples=['"< 5%"'],
        json_schema_extra={"shown": True},
    )
    unique: Annotated[Limit, BeforeValidator(_unique), Form("true, or limit of a fraction")] | None = Field(
        default=None,
        description="The fraction of values that are unique; `true` means all values. Only for files, because the "
        "single values of a service are not stored.",
        examples=["true"],
    )
    type: Annotated[ValueRule, _value_rule(_type), Form(f"{', '.join(f'`{name}`' for name in TYPES)}")] | None = Field(
        default=None, description="The type of the values.", examples=["number"], json_schema_extra={"shown": True}
    )
    range: Annotated[ValueRule, _value_rule(_bounds), Form("range")] | None = Field(
        default=None,
        description="The minimum and the maximum value, both inclusive; null means no limit.",
        examples=["[0, 120]", "{is: [0, 120], mostly: 99%}"],
        json_schema_extra={"shown": True},
    )
    values: Annotated[ValueRule, _value_rule(_texts), Form("list")] | None = Field(
        default=None, description="The values that may occur.", examples=["[north, south]"]
    )
    not_values: Annotated[ValueRule, _value_rule(_texts), Form("list")] | None = Field(
        default=None, description="The values that may not occur.", examples=["[unknown]"]
    )
    length: Annotated[ValueRule, _value_rule(_bounds), Form("range")] | None = Field(
        default=None, description="The minimum and the maximum number of characters of a text.", examples=["[1, 40]"]
    )
    pattern: Annotated[ValueRule, _value_rule(_pattern), Form("regular expression")] | None = Field(
        default=None,
        description="The regular expression (RE2) that matches anywhere in a text; `^` and `$` anchor it.",
        examples=['"^[a-z]+$"'],
    )
    min: Ends | None = Field(
        default=None, description="The range that must contain the minimum value of a window.", examples=["[0, null]"]
    )
    max: Ends | None = Field(
        default=None, description="The range that must contain the maximum value of a window.", examples=["[null, 1e6]"]
    )
    mean: Ends | None = Field(
        default=None, description="The range that must contain the mean of a window.", examples=["[20, 60]"]
    )
    stddev: Ends | None = Field(
        default=None,
        description="The range that must contain the standard deviation of a window.",
        examples=["[5, 30]"],
    )
    mostly: AtLeast = Field(
        default=Limit(">=", 1.0),
        description="The fraction of values that must follow the rules `type`, `range`, `values`, `not_values`, "
        "`length` and `pattern`.",
        examples=["99%"],
        json_schema_extra={"default": "`100%`", "shown": True},
    )

    @model_validator(mode="after")
    def _mostly_of_something(self) -> ExpectFeature:
        if "mostly" in self.model_fields_set and all(getattr(self, key) is None for key in MOSTLY):
            raise ValueError(
                f"mostly is the fraction of values that must satisfy another rule; add one of {', '.join(MOSTLY)}"
            )
        return self

    def rules(self, feature: str) -> tuple[Rule, ...]:
        """Return the rules of a feature in the order of the keys."""
        return tuple(
            _rule(key, feature, value, self.mostly)
            for key in type(self).model_fields
            if key != "mostly" and (value := getattr(self, key)) is not None
        )


MOSTLY: tuple[Kind, ...] = ("type", "range", "values", "not_values", "length", "pattern")


class Expect(Section):
    """Expectations of a model's rows as a whole."""

    rows: Annotated[Limit | Bounds, BeforeValidator(_rows), Form("limit, or range")] | None = Field(
        default=None,
        description="The number of rows of a window.",
        examples=['">= 100"', "[100, 5000]"],
        json_schema_extra={"shown": True},
    )
    duplicates: Share | None = Field(
        default=None,
        description="The fraction of rows that are exact duplicates of another row.",
        examples=['"< 1%"'],
        json_schema_extra={"shown": True},
    )
    freshness: Days | None = Field(
        default=None,
        description="The maximum age of the newest row at the end of the window.",
        examples=["1h"],
        json_schema_extra={"shown": True},
    )


def expectations(rows: Expect, features: Mapping[str, ExpectFeature]) -> Expectations:
    """Return the expectations for the evaluation."""
    dataset_rules = [
        _rule(key, "", value, Limit(">=", 1.0))
        for key in Expect.model_fields
        if (value := getattr(rows, key)) is not None
    ]
    return Expectations(
        tuple(dataset_rules), {name: rules for name, feature in features.items() if (rules := feature.rules(name))}
    )


def _rule(key: str, feature: str, value: Any, mostly: Limit) -> Rule:
    kind: Kind = key  # type: ignore[assignment]  # the keys are the kinds
    if isinstance(value, Limit):
        bound_text = (
            f"{value.operator} {value.number:g}" if key == "rows" else f"{value.operator} {_percent(value.number)}"
        )
        return Rule(kind, feature, f"{key}: {bound_text}", value)
    if isinstance(value, timedelta):
        return Rule(kind, feature, f"{key}: {_duration(value)}", Limit("<=", value.total_seconds()))
    if value is True:
        return Rule(kind, feature, f"{key}: true")
    rule_fields: dict[str, Any] = {}
    limit = Limit(">=", 1.0)
    if isinstance(value, ValueRule):
        limit, value = value.mostly or mostly, value.value
    if isinstance(value, str):
        rule_fields = {"type": value} if key == "type" else {"pattern": value}
        bound_text = value
    elif key in ("values", "not_values"):
        rule_fields = {"values": value}
        bound_text = f"[{', '.join(value)}]"
    else:
        rule_fields = {"low": value[0], "high": value[1]}
        bound_text = f"[{', '.join('null' if end is None else f'{end:g}' for end in value)}]"
    sign = "" if limit.operator == ">=" else f"{limit.operator} "
    mostly_text = f", mostly: {sign}{_percent(limit.number)}" if limit != Limit(">=", 1.0) else ""
    return Rule(kind, feature, f"{key}: {bound_text}{mostly_text}", limit, **rule_fields)


def _duration(value: timedelta) -> str:
    """Return a duration in the syntax of the file.

    >>> _duration(timedelta(days=1)), _duration(timedelta(minutes=90))
    ('1d', '90m')
    """
    seconds = int(value.total_seconds())
    unit, size = next((u, n) for u, n in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)) if seconds % n == 0)
    return f"{seconds // size}{unit}"


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"
