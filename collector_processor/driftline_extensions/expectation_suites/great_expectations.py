"""Suites of Great Expectations as JSON: those of 0.x (``expectation_type``) and of 1.x (``type``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from driftline_processor.core.expectations.pattern import UnusablePattern, check_pattern

from .suite import ImportedSuite, SkippedCheck, Unsupported, next_above, next_below, number, share, share_rule

_HARMLESS = frozenset(
    {"column", "mostly", "batch_id", "result_format", "catch_exceptions", "include_config", "meta", "notes", "severity"}
)
_TYPES = {
    "whole": {"int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "integer", "bigint"},
    "number": {"float", "float16", "float32", "float64", "double", "number", "numeric", "decimal", "real"},
    "text": {"str", "string", "object", "text", "varchar", "char", "unicode"},
    "boolean": {"bool", "boolean", "bool_"},
}

Kwargs = Mapping[str, Any]


def read_suite(text: str) -> ImportedSuite:
    """Read a suite. Raises ``ValueError`` for an invalid text."""
    try:
        suite = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not valid JSON: {error}") from None
    checks = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(checks, list):
        raise ValueError("is not a suite of Great Expectations: the list 'expectations' is missing")
    names = (suite.get(key) for key in ("name", "data_asset_name", "expectation_suite_name"))
    imported = ImportedSuite(next((str(name) for name in names if name), ""))
    position = 0
    for check in checks:
        arguments: Kwargs = check if isinstance(check, dict) else {}
        name = str(arguments.get("type") or arguments.get("expectation_type") or "an expectation without a type")
        kwargs = arguments.get("kwargs") if isinstance(arguments.get("kwargs"), dict) else {}
        match = re.compile(rf'"(?:expectation_type|type)"\s*:\s*{re.escape(json.dumps(name))}').search(text, position)
        position = match.end() if match else position
        try:
            _read(imported, name, kwargs or {})
            imported.check_count += 1
        except Unsupported as reason:
            column = (kwargs or {}).get("column")
            line = text.count("\n", 0, match.start()) + 1 if match else 0
            imported.left_out.append(SkippedCheck(f"{name}({column})" if column else name, line, str(reason)))
    return imported


def _read(imported: ImportedSuite, name: str, kwargs: Kwargs) -> None:
    if name not in READERS:
        raise Unsupported("Driftline has no such expectation")
    reader, known_arguments = READERS[name]
    strange = [
        key
        for key, value in kwargs.items()
        if value not in (None, False, []) and key not in {*known_arguments, *_HARMLESS}
    ]
    if strange:
        raise Unsupported(f"'{strange[0]}' is not supported")
    reader(imported, kwargs)


def _column(kwargs: Kwargs) -> str:
    column = kwargs.get("column")
    if not isinstance(column, str) or not column:
        raise Unsupported("the column is missing")
    return column


def _mostly(kwargs: Kwargs) -> float:
    mostly = kwargs.get("mostly")
    share_of_all = 1.0 if mostly is None else float(number(mostly))
    if not 0 <= share_of_all <= 1:
        raise Unsupported(f"mostly: {mostly!r} must be a fraction from 0 to 1")
    return share_of_all


def _ends(kwargs: Kwargs) -> list[float | int | None]:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is None and high is None:
        raise Unsupported("min_value and max_value are missing")
    low, high = (None if end is None else number(end) for end in (low, high))
    if low is not None and kwargs.get("strict_min"):
        low = next_above(low)
    if high is not None and kwargs.get("strict_max"):
        high = next_below(high)
    return [low, high]


def _exist(imported: ImportedSuite, kwargs: Kwargs) -> None:
    imported.expect(_column(kwargs), "exists", True)


def _not_null(imported: ImportedSuite, kwargs: Kwargs) -> None:
    mostly = _mostly(kwargs)
    imported.expect(_column(kwargs), "missing", 0 if mostly == 1 else f"<= {share(round(1 - mostly, 12))}")


def _null(imported: ImportedSuite, kwargs: Kwargs) -> None:
    imported.expect(_column(kwargs), "missing", f">= {share(_mostly(kwargs))}")


def _unique(imported: ImportedSuite, kwargs: Kwargs) -> None:
    if _mostly(kwargs) < 1:
        raise Unsupported(
            "'mostly' is not supported: Great Expectations counts values that occur once, "
            "but Driftline counts distinct values"
        )
    imported.expect(_column(kwargs), "unique", True)


def _between(key: str) -> Callable[[ImportedSuite, Kwargs], None]:
    def read(imported: ImportedSuite, kwargs: Kwargs) -> None:
        imported.expect(_column(kwargs), key, share_rule(_ends(kwargs), share(_mostly(kwargs))))

    return read


def _set(key: str) -> Callable[[ImportedSuite, Kwargs], None]:
    def read(imported: ImportedSuite, kwargs: Kwargs) -> None:
        values = kwargs.get("value_set")
        if not isinstance(values, list) or not values or any(isinstance(value, (dict, list)) for value in values):
            raise Unsupported("value_set must be a list of plain values")
        imported.expect(
            _column(kwargs), key, share_rule([value for value in values if value is not None], share(_mostly(kwargs)))
        )

    return read


def _type(imported: ImportedSuite, kwargs: Kwargs) -> None:
    type_names = kwargs.get("type_list") or [kwargs.get("type_")]
    kinds = {_kind(type_name) for type_name in type_names}
    if len(kinds) > 1:
        kinds = {"number"} if kinds == {"whole", "number"} else kinds
    if len(kinds) != 1:
        raise Unsupported(
            f"the types must be of one kind, such as only numbers, but are {', '.join(map(str, type_names))}"
        )
    imported.expect(_column(kwargs), "type", share_rule(kinds.pop(), share(_mostly(kwargs))))


def _kind(name: object) -> str:
    plain = re.sub(r"(type)?(\(.*\))?$", "", str(name).lower())
    for kind, names in _TYPES.items():
        if plain in names or str(name).lower() in names:
            return kind
    raise Unsupported(f"the type {name!r} is not one of number, whole, boolean and text")


def _regex(imported: ImportedSuite, kwargs: Kwargs) -> None:
    pattern = kwargs.get("regex")
    if not isinstance(pattern, str):
        raise Unsupported("regex is missing")
    try:
        check_pattern(pattern)
    except UnusablePattern as reason:
        raise Unsupported(f"the regex is not supported: {reason}") from None
    imported.expect(_column(kwargs), "pattern", share_rule(pattern, share(_mostly(kwargs))))


def _length(imported: ImportedSuite, kwargs: Kwargs) -> None:
    value = number(kwargs.get("value"))
    imported.expect(_column(kwargs), "length", share_rule([value, value], share(_mostly(kwargs))))


def _row_count(imported: ImportedSuite, kwargs: Kwargs) -> None:
    imported.expect("", "rows", _ends(kwargs))


def _row_count_equal(imported: ImportedSuite, kwargs: Kwargs) -> None:
    value = number(kwargs.get("value"))
    imported.expect("", "rows", [value, value])


def _columns(imported: ImportedSuite, kwargs: Kwargs) -> None:
    names = kwargs.get("column_set")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Unsupported("column_set must be a list of names")
    if kwargs.get("exact_match", True) is not False:
        raise Unsupported("Driftline does not check for additional columns; use exact_match: false")
    for name in names:
        imported.expect(name, "exists", True)


_ENDS = ("min_value", "max_value", "strict_min", "strict_max")

READERS: dict[str, tuple[Callable[[ImportedSuite, Kwargs], None], tuple[str, ...]]] = {
    "expect_column_to_exist": (_exist, ()),
    "expect_table_columns_to_match_set": (_columns, ("column_set", "exact_match")),
    "expect_column_values_to_not_be_null": (_not_null, ()),
    "expect_column_values_to_be_null": (_null, ()),
    "expect_column_values_to_be_unique": (_unique, ()),
    "expect_column_values_to_be_between": (_between("range"), _ENDS),
    "expect_column_values_to_be_in_set": (_set("values"), ("value_set",)),
    "expect_column_values_to_not_be_in_set": (_set("not_values"), ("value_set",)),
    "expect_column_values_to_be_of_type": (_type, ("type_",)),
    "expect_column_values_to_be_in_type_list": (_type, ("type_list",)),
    "expect_column_values_to_match_regex": (_regex, ("regex",)),
    "expect_column_value_lengths_to_be_between": (_between("length"), _ENDS),
    "expect_column_value_lengths_to_equal": (_length, ("value",)),
    "expect_column_min_to_be_between": (_between("min"), _ENDS),
    "expect_column_max_to_be_between": (_between("max"), _ENDS),
    "expect_column_mean_to_be_between": (_between("mean"), _ENDS),
    "expect_column_stdev_to_be_between": (_between("stddev"), _ENDS),
    "expect_table_row_count_to_be_between": (_row_count, _ENDS),
    "expect_table_row_count_to_equal": (_row_count_equal, ("value",)),
}
"""Type of an expectation → its reader, and its keyword arguments."""
