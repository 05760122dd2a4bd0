"""Checks of Soda, written in SodaCL (YAML)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml
from driftline_processor.config.yaml_loader import Loader
from driftline_processor.core.expectations.pattern import UnusablePattern, check_pattern

from .suite import ImportedSuite, SkippedCheck, Unsupported, next_above, next_below, number, share, share_rule

_CHECKS = re.compile(r"checks for (?P<dataset>\S+)(?P<part>.*)")
_METRIC = re.compile(r"(?P<metric>[a-z_]+)\s*(?:\((?P<columns>[^)]*)\))?\s*(?P<rest>.*)", re.S)
_LIMIT = re.compile(r"(?P<sign><=|>=|!=|<|>|=)\s*(?P<number>-?[\d.]+(?:[eE][-+]?\d+)?)\s*%?")
_BETWEEN = re.compile(r"between\s+(?P<low>-?[\d.]+(?:[eE]\d+)?)\s*%?\s+and\s+(?P<high>-?[\d.]+(?:[eE]\d+)?)\s*%?")
_AGE = re.compile(r"<=?\s*(?P<age>(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+)")
_INVERTED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
_MOMENTS = {"min": "min", "max": "max", "avg": "mean", "stddev": "stddev"}
_FORMATS = {
    "email": r"^[^@\s]+@[^@\s]+\.[^@\s]+$",
    "uuid": r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$",
    "integer": r"^[-+]?\d+$",
    "positive integer": r"^\+?\d+$",
    "date iso 8601": r"^\d{4}-\d{2}-\d{2}(?:[T ]\S+)?$",
}

Config = Mapping[str, Any]


def read_checks(text: str, dataset: str = "") -> ImportedSuite:
    """Read the checks for one dataset.

    Raises ``ValueError`` if the text is not YAML of checks, or has several datasets and ``dataset`` is empty.
    """
    try:
        root = yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"is not valid YAML: {error}") from None
    if not isinstance(root, yaml.MappingNode):
        raise ValueError("has no checks; a Soda file begins with 'checks for DATASET:'")
    datasets = [match["dataset"] for key, _ in root.value if (match := _CHECKS.fullmatch(key.value))]
    names = list(dict.fromkeys(datasets))
    if not names:
        raise ValueError("has no checks; a Soda file begins with 'checks for DATASET:'")
    if dataset and dataset not in names:
        raise ValueError(f"has no checks for {dataset!r}, only for {', '.join(names)}")
    if not dataset and len(names) > 1:
        raise ValueError(f"has checks for {', '.join(names)}; choose one dataset with --dataset")
    imported = ImportedSuite(dataset or names[0])
    for key, value in root.value:
        match = _CHECKS.fullmatch(key.value)
        line = key.start_mark.line + 1
        if match is None:
            imported.left_out.append(SkippedCheck(key.value, line, "only 'checks for DATASET' are read"))
        elif match["dataset"] == imported.name:
            _read_all(imported, value, match["part"].strip())
    return imported


def _read_all(imported: ImportedSuite, checks: yaml.Node, part: str) -> None:
    for node in checks.value if isinstance(checks, yaml.SequenceNode) else [checks]:
        check, config = _parts(node)
        try:
            if part:
                raise Unsupported(f"a check of only a part of the rows is not supported: {part}")
            _read(imported, check, config)
            imported.check_count += 1
        except Unsupported as reason:
            imported.left_out.append(SkippedCheck(check or "a check", node.start_mark.line + 1, str(reason)))


def _parts(node: yaml.Node) -> tuple[str, Config]:
    """Return the check as text, and the configuration below it."""
    plain = _plain(node)
    if isinstance(plain, dict) and len(plain) == 1:
        check, config = next(iter(plain.items()))
        return str(check).strip(), config if isinstance(config, dict) else {"": config}
    return str(plain).strip(), {}


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child) for child in node.value]
    loader = Loader("")
    return loader.construct_object(node)


def _read(imported: ImportedSuite, check: str, config: Config) -> None:
    if check == "schema":
        _schema(imported, config)
        return
    match = _METRIC.fullmatch(check)
    metric = match["metric"] if match else check
    if metric == "values" and "must exist in" in check:
        raise Unsupported("a comparison with another dataset is not supported; list the values under 'valid values'")
    if match is None or metric not in SUPPORTED:
        raise Unsupported("Driftline has no such check")
    columns = [name.strip() for name in (match["columns"] or "").split(",") if name.strip()]
    remaining = dict(config)
    condition = _condition(match["rest"], remaining)
    remaining.pop("name", None)
    remaining.pop("", None)
    if metric == "row_count":
        _reject_unsupported(remaining)
        imported.expect("", "rows", _ends(condition, integral=True))
        return
    if len(columns) != 1:
        raise Unsupported("it has several columns" if columns else "the column is missing")
    column = columns[0]
    if metric == "freshness":
        _reject_unsupported(remaining)
        age = _AGE.fullmatch(condition)
        if age is None:
            raise Unsupported(f"{condition!r} is not an age such as '< 1d'")
        imported.expect("", "freshness", age["age"])
    elif metric in _MOMENTS:
        _reject_unsupported(remaining)
        imported.expect(column, _MOMENTS[metric], _ends(condition))
    elif metric.startswith("missing"):
        _reject_unsupported(remaining)
        imported.expect(column, "missing", _share(condition, metric))
    elif metric.startswith("duplicate"):
        _reject_unsupported(remaining)
        if not _none(condition, metric.endswith("count")):
            raise Unsupported("only the limit '= 0' can be imported; it becomes the expectation 'unique'")
        imported.expect(column, "unique", True)
    else:
        _invalid(imported, column, _share(condition, metric), remaining)


def _condition(rest: str, config: dict[str, Any]) -> str:
    """Return the required condition: after the metric, or the opposite of the failure (or else warning) below it."""
    if rest.strip():
        return rest.strip()
    failing = config.pop("fail", None)
    warning = config.pop("warn", None)
    threshold = str(failing if failing is not None else warning or "")
    match = _LIMIT.fullmatch(threshold.removeprefix("when").strip())
    if match is None:
        raise Unsupported(
            f"{threshold!r} is not a condition such as 'when > 5%'" if threshold else "the condition is missing"
        )
    return f"{_INVERTED[match['sign']]} {match['number']}"


def _reject_unsupported(config: Config) -> None:
    if config:
        raise Unsupported(f"'{next(iter(config))}' is not supported")


def _ends(condition: str, integral: bool = False) -> list[float | int | None]:
    """Return ``[low, high]`` of a condition on a value, both inclusive."""
    between = _BETWEEN.fullmatch(condition)
    if between is not None:
        return [_value(between["low"]), _value(between["high"])]
    match = _LIMIT.fullmatch(condition)
    if match is None or match["sign"] == "!=":
        raise Unsupported(f"{condition!r} is not a condition such as '>= 0' or 'between 0 and 9'")
    value, sign = _value(match["number"]), match["sign"]
    after, before = (value + 1, value - 1) if integral else (next_above(value), next_below(value))
    ends: dict[str, list[float | int | None]] = {
        ">": [after, None],
        ">=": [value, None],
        "<": [None, before],
        "<=": [None, value],
        "=": [value, value],
    }
    return ends[sign]


def _value(text: str) -> float | int:
    try:
        value = float(text)
    except ValueError:
        raise Unsupported(f"{text!r} is not a number") from None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def _none(condition: str, count: bool) -> bool:
    """Return True if a condition on a number or a fraction of rows requires zero."""
    match = _LIMIT.fullmatch(condition)
    if match is None:
        return False
    comparison = match["sign"], _value(match["number"])
    return comparison in {("=", 0), ("<=", 0)} or (count and comparison == ("<", 1))


def _share(condition: str, metric: str) -> str | int:
    """Return the limit of a fraction; a count is accepted only if it must be zero."""
    if metric.endswith("count"):
        if not _none(condition, True):
            raise Unsupported("a number of rows as limit depends on the size of the data; only '= 0' is supported")
        return 0
    match = _LIMIT.fullmatch(condition)
    if match is None or match["sign"] == "!=":
        raise Unsupported(f"{condition!r} is not a condition such as '< 5%'")
    return f"{match['sign']} {share(_value(match['number']) / 100)}"


def _invalid(imported: ImportedSuite, column: str, limit: str | int, config: dict[str, Any]) -> None:
    """Convert a limit of invalid values to rules that the other values must meet."""
    sign, _, limit_value = (f"<= {limit}%" if limit == 0 else str(limit)).partition(" ")
    if sign not in ("<", "<=") and limit_value != "0%":
        raise Unsupported("it requires invalid values")
    rest = share(round(1 - float(limit_value.rstrip("%")) / 100, 12))
    mostly = f"> {rest}" if sign == "<" else rest
    rules: dict[str, Any] = {}
    low, high = config.pop("valid min", None), config.pop("valid max", None)
    if low is not None or high is not None:
        rules["range"] = [None if end is None else number(end) for end in (low, high)]
    short, long, exact = (config.pop(f"valid {measure}", None) for measure in ("min length", "max length", "length"))
    if exact is not None:
        short = long = exact
    if short is not None or long is not None:
        rules["length"] = [None if end is None else number(end) for end in (short, long)]
    for key, rule in (("valid values", "values"), ("invalid values", "not_values")):
        values = config.pop(key, None)
        if values is not None:
            if not isinstance(values, list) or not values:
                raise Unsupported(f"'{key}' must be a list")
            rules[rule] = values
    pattern, form = config.pop("valid regex", None), config.pop("valid format", None)
    if form is not None:
        if form not in _FORMATS or pattern is not None:
            raise Unsupported(f"the format {form!r} is not supported")
        pattern = _FORMATS[form]
    if pattern is not None:
        try:
            check_pattern(str(pattern))
        except UnusablePattern as reason:
            raise Unsupported(f"the regex is not supported: {reason}") from None
        rules["pattern"] = str(pattern)
    _reject_unsupported(config)
    if not rules:
        raise Unsupported("the rules for valid values are missing")
    if len(rules) > 1 and mostly != "100%":
        raise Unsupported("several rules that share one limit are not supported; write a separate check for each rule")
    for rule, value in rules.items():
        imported.expect(column, rule, share_rule(value, mostly))


def _schema(imported: ImportedSuite, config: Config) -> None:
    rules = config.get("fail") or config.get("warn") or {}
    names = rules.get("when required column missing") if isinstance(rules, dict) else None
    if not isinstance(names, list) or len(rules) != 1 or config.keys() - {"fail", "warn", "name"}:
        raise Unsupported("only 'when required column missing' is supported")
    for name in names:
        imported.expect(str(name), "exists", True)


SUPPORTED = frozenset(
    {
        *("row_count", "freshness", "missing_count", "missing_percent", "invalid_count", "invalid_percent"),
        *("duplicate_count", "duplicate_percent", *_MOMENTS),
    }
)
"""Supported metrics; also ``schema`` with ``when required column missing``."""
