"""`--fail-on "PATH OP VALUE"`: conditions over a window, or over all rows (concept, verdict); PATH as in the JSON."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, get_args

from msgspec import Struct

from driftline_processor.core.drift.method_choice import Choices
from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.evaluation import ChangeKind, VerdictState
from driftline_processor.core.metrics import estimated_names, misnamed
from driftline_processor.core.metrics.name_grammar import NAME
from driftline_processor.core.nearest_names import listed, near
from driftline_processor.core.performance.objective import read_limit
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES
from driftline_processor.core.versions.comparison import Verdict
from driftline_processor.present.metrics import measured_text
from driftline_processor.present.numbers import many, number
from driftline_processor.readers.errors import BadInput, Say

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(r"\s*(\S.*?)\s*(>=|<=|==|!=|>|<)\s*(\S+(?:\s*(?:%|[a-zµμ]+))?)\s*")
_NUMBER = re.compile(r"(?P<number>[+-]?(?:\d[\d.]*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>%|[a-zµμ]+)")
_PLAIN = {("rows",), ("drift", "fraction"), ("outcomes", "rows"), ("outcomes", "coverage")}
_PLAIN |= {
    ("drift", "weighted_fraction"),
    ("drift", "drifted_slices"),
    ("drift", "incident"),
    ("quality", "count"),
    ("quality", "critical"),
    ("quality", "broken"),
    ("performance", "broken"),
    ("performance", "inconclusive_windows"),
    ("performance", "overdue"),
}
_LEAF = re.compile(
    r"(?:(?P<name>.+)\.)?(?P<leaf>rows|effect|design_effect|missing\.(?:was|now)|size|state|decided_by|"
    r"methods\.(?P<method>[^.]+)\.(?:value|p_value))"
)
ANY = "*"
"""Placeholder for any feature's name."""

_ANY_FEATURE = re.compile(r"any feature\.(?P<leaf>\S+)")
_UNJUDGED = ("inconclusive",)
_WORDS = ("state", "size", "decided_by")
_COUNTED = ("drift", "incident")
_SLICED = re.compile(r"(?P<name>(?P<key>[^=]+)=.*?)\.(?P<below>fraction|rows|evaluated|(?:features|score|class)\..+)")
_JOINT_LEAVES = ("value", "p_value", "was", "now", "rows")
_VERDICT_WORDS = {"state": get_args(VerdictState), "kind": get_args(ChangeKind)}
_VERSION_WORDS = {"verdict": get_args(Verdict)}
_DIFFERENCE_LEAVES = ("value", "low", "high")
_OF_ALL_ROWS = ("concept", "verdict")
_CONCEPT_LEAVES = ("rise", "before", "after", "outcomes")
_SLICES = "drift.slices."
_PERFORMANCE_SLICES = ("performance.slices.", "slices.")
_METRIC_LEAVES = ("value", "low", "high", "rows")
_CALLS = ("calls", "failed")
_OF_CALLS = (*LATENCIES, ERROR_RATE)
_OF_SLICES = re.compile(
    r"(?:performance\.)?slices\.(?P<name>(?P<key>[^=]+)=.+?)\."
    rf"(?:(?P<leaf>rows|predictions|coverage)|(?:metrics\.)?(?P<metric>{NAME})(?:\.(?P<of>{'|'.join(_METRIC_LEAVES)}))?)"
)
_METRIC = re.compile(rf"performance\.realized\.(?P<name>.+)\.(?P<leaf>{'|'.join(_METRIC_LEAVES)})")

_ESTIMATE_LEAVES = ("value", "low", "high", "sampling_error", "alert", "reference", "rows", "error")
DEFAULT = Choices().names()


class Condition(Struct, frozen=True):
    """One parsed condition.

    Attributes:
        keys: Path in the JSON of a window, or of all windows (``concept``, ``verdict``).
        value: Limit: a number, or a word of a verdict.
        any_feature: A ``*`` in the path matches every feature, and the condition is true if it is true for one.
    """

    text: str
    keys: tuple[str, ...]
    compare: Callable[[Any, Any], bool]
    value: float | str
    any_feature: bool = False

    def values(self, window: Mapping[str, Any]) -> dict[str, float | str | None]:
        """Return the compared values of a window (its JSON) by feature, or under ""; None if a value is unknown.

        For any feature, a method that does not apply to its kind (KS to a category) is skipped.
        """
        if not self.any_feature:
            return {"": _value_at(window, self.keys)}
        index = self.keys.index(ANY)
        columns = _below(window, self.keys[:index])
        values_by_key: dict[str, float | str | None] = {}
        for name, column in columns.items() if isinstance(columns, Mapping) else ():
            value = _value_at(column, self.keys[index + 1 :])
            if value is not None or column.get("state") in _UNJUDGED:
                values_by_key[name] = value
        return values_by_key

    def fired(self, window: Mapping[str, Any]) -> dict[str, float | str]:
        """Return the values for which the condition is true, by feature, or under ""."""
        values = {name: value for name, value in self.values(window).items() if value is not None}
        return {name: value for name, value in values.items() if self.compare(value, self.value)}

    def written(self, fired: Mapping[str, float | str]) -> str:
        """Return the values for which the condition is true, in words; a service metric with its unit.

        >>> parse("service.latency_p99 > 100ms", (), "").written({"": 0.25})
        '250 ms'
        """
        if self.keys[:2] == ("service", "values") and self.keys[-1] != "rows":
            return measured_text(self.keys[2], float(fired[""]))
        return _values_text(fired)

    def holds(self, window: Mapping[str, Any]) -> bool | None:
        """Return True if the condition is true in a window (its JSON); None if no value is true and one is unknown.

        >>> parse("drift.fraction > 0.3", (), "").holds({"drift": {"fraction": 0.5}})
        True
        """
        if self.fired(window):
            return True
        values = self.values(window).values()
        return None if None in values or not values else False


def _below(value: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _value_at(window: Any, keys: tuple[str, ...]) -> float | str | None:
    value = _below(window, keys)
    if keys == _COUNTED and isinstance(value, Mapping):
        return float(len(value))
    return value if value is None or isinstance(value, str) else float(value)


def parse(
    text: str,
    features: Collection[str],
    kind: str,
    methods: Sequence[str] = DEFAULT,
    slices: Collection[str] = (),
    metrics: Collection[str] = (),
    versions: bool = False,
) -> Condition:
    """Read a condition; a feature's name may contain dots.

    ``features``: allowed names in ``drift.features.NAME``. ``kind``: kind of the task, which determines its metrics
    (:mod:`driftline_processor.core.metrics.name_grammar`); ``metrics``: further allowed metrics. ``methods``: computed
    drift methods. ``slices``: keys of slices. ``versions``: whether versions are compared. Raises :class:`BadInput` if
    the condition is malformed, or its path cannot exist in any window. ``drift.features.*.LEAF`` matches any feature;
    ``any feature.psi`` is short for ``drift.features.*.methods.psi.value``.

    >>> parse("any feature.psi > 0.25", ["a"], "").keys
    ('drift', 'features', '*', 'methods', 'psi', 'value')
    >>> parse("drift.features.a.b.methods.psi.value >= 0.1", ["a.b"], "").keys
    ('drift', 'features', 'a.b', 'methods', 'psi', 'value')
    >>> parse("verdict.state == degraded", (), "").value
    'degraded'
    """
    match = _CONDITION.fullmatch(text)
    if match is None or match[1].endswith(("=", "<", ">", "!")):  # such as "drift.fraction => 0.3"
        raise BadInput(
            f"--fail-on {text!r}: use PATH OP VALUE, as in 'drift.fraction > 0.3', 'any feature.psi > 0.25' "
            f"or 'verdict.state == degraded'; OP is {', '.join(_OPERATORS)}"
        )
    path, sign, number = match.groups()
    if path.partition(".")[0] == "verdict":
        return _word_condition(text, path, sign, number, _VERDICT_WORDS)
    if path.partition(".")[0] == "versions":
        return _version_condition(text, path, sign, number, versions)
    if path.partition(".")[0] == "service":
        return _service_condition(text, path, sign, number)
    value = _number(text, number)
    if short := _ANY_FEATURE.fullmatch(path):
        leaf = short["leaf"]
        path = f"drift.features.{ANY}.{leaf if _LEAF.fullmatch(leaf) else f'methods.{leaf}.value'}"
    try:
        if path.startswith(_SLICES):
            keys = _slice_keys(path.removeprefix(_SLICES), features, methods, slices)
        elif path.startswith(_PERFORMANCE_SLICES):
            keys = _performance_slice_keys(path, kind, metrics, slices)
        else:
            keys = _keys(path, features, kind, metrics, methods)
    except LookupError as error:
        raise BadInput(f"--fail-on {text!r}: {error.args[0]}") from None
    return Condition(text, keys, _OPERATORS[sign], value, "features" in keys and ANY in keys and ANY not in features)


def _word_condition(
    text: str, path: str, sign: str, word: str, words_by_leaf: Mapping[str, tuple[str, ...]]
) -> Condition:
    """Return a condition on a word of the verdict. Raises :class:`BadInput` with the allowed words."""
    above, _, leaf = path.partition(".")
    if leaf not in words_by_leaf:
        word_list = ", ".join(f"verdict.{name}" for name in words_by_leaf)
        raise BadInput(f"--fail-on {text!r}: the verdict has no text value '{leaf}'; available: {word_list}")
    if sign not in ("==", "!="):
        raise BadInput(f"--fail-on {text!r}: {path} is text; compare it with == or !=")
    words = words_by_leaf[leaf]
    if word not in words:
        what = f"a {leaf} of a verdict" if above == "verdict" else f"a value of {path}"
        raise BadInput(f"--fail-on {text!r}: '{word}' is not {what}; available: {', '.join(words)}")
    return Condition(text, (above, leaf), _OPERATORS[sign], word)


def _version_condition(text: str, path: str, sign: str, value: str, compared: bool) -> Condition:
    """Return a condition on the comparison with the champion.

    >>> parse("versions.difference.high > 0.01", (), "", versions=True).keys
    ('versions', 'difference', 'high')
    """
    if not compared:
        raise BadInput(f"--fail-on {text!r}: no versions are compared; add --champion FILE or --version-column COL")
    if path == "versions.verdict":
        return _word_condition(text, path, sign, value, _VERSION_WORDS)
    leaf = path.removeprefix("versions.difference").removeprefix(".") or "value"
    if not path.startswith("versions.difference") or leaf not in _DIFFERENCE_LEAVES:
        available = "versions.verdict, versions.difference, versions.difference.low and versions.difference.high"
        raise BadInput(f"--fail-on {text!r}: there is no '{path}'; available: {available}")
    return Condition(text, ("versions", "difference", leaf), _OPERATORS[sign], _number(text, value))


def _number(text: str, number: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise BadInput(f"--fail-on {text!r}: '{number}' is not a number") from None


def _service_condition(text: str, path: str, sign: str, limit: str) -> Condition:
    """Return a condition on the calls of a window; its limit has the units of a service objective.

    >>> found = parse("service.latency_p99 > 100ms", (), "")
    >>> found.keys, found.value
    (('service', 'values', 'latency_p99', 'value'), 0.1)
    """
    _, *parts = path.split(".")
    if parts[:1] == ["values"]:  # as the JSON writes it
        parts = parts[1:]
    name = parts[0] if parts else ""
    if len(parts) == 1 and name in _CALLS:
        return Condition(text, ("service", name), _OPERATORS[sign], _number(text, limit))
    if name == AVAILABILITY:
        raise BadInput(f"--fail-on {text!r}: availability is 1 - error_rate; use service.error_rate")
    if name not in _OF_CALLS:
        problem = f"no '{path.partition('.')[2]}' of calls" if parts else f"'{path}' is not a number"
        raise BadInput(f"--fail-on {text!r}: {problem}; {near(name, (*_OF_CALLS, *_CALLS))}")
    leaf = parts[1] if len(parts) == 2 else "value"
    if leaf not in _METRIC_LEAVES or len(parts) > 2:
        raise BadInput(f"--fail-on {text!r}: no '{'.'.join(parts[1:])}' in {name}; {near(leaf, _METRIC_LEAVES)}")
    keys = ("service", "values", name, leaf)
    if leaf == "rows":
        return Condition(text, keys, _OPERATORS[sign], _number(text, limit))
    with_unit = _NUMBER.fullmatch(limit)
    number, unit = (limit, "") if with_unit is None else (with_unit["number"], with_unit["unit"])
    try:
        value = read_limit(name, _number(text, number), unit)
    except ValueError as error:
        raise BadInput(f"--fail-on {text!r}: {error}") from None
    return Condition(text, keys, _OPERATORS[sign], value)


def metrics_in(conditions: Iterable[str]) -> tuple[str, ...]:
    """Return the names of metrics in conditions, so that they are computed.

    >>> metrics_in(["performance.realized.fbeta@0.5.value < 0.8", "drift.fraction > 0.3"])
    ('fbeta@0.5',)
    """
    matches = (_CONDITION.fullmatch(text) for text in conditions)
    paths = [match[1] for match in matches if match is not None]
    of_model, slices = map(_METRIC.fullmatch, paths), map(_OF_SLICES.fullmatch, paths)
    names = (*(path["name"] for path in of_model if path), *(path["metric"] for path in slices if path))
    return tuple(name for name in names if name)


def _keys(
    path: str, features: Collection[str], kind: str, metrics: Collection[str], methods: Sequence[str]
) -> tuple[str, ...]:
    parts = tuple(path.split("."))
    if parts in _PLAIN:
        return parts
    if parts[0] == "estimated":  # short for performance.estimated
        parts = ("performance", *parts)
    if parts[:2] == ("performance", "estimated") and len(parts) in (3, 4):
        return _estimated_keys(parts)
    if parts[:2] == ("performance", "realized") and len(parts) > 3:
        metric = _METRIC.fullmatch(path)
        if metric is None:
            raise LookupError(f"no '{parts[-1]}' in a metric; {near(parts[-1], _METRIC_LEAVES)}")
        _check_metric(metric["name"], kind, metrics)
        return ("performance", "realized", metric["name"], metric["leaf"])
    if parts[0] == "concept" and len(parts) == 2:
        if parts[1] not in _CONCEPT_LEAVES:
            raise LookupError(f"concept has no numeric value '{parts[1]}'; available: {', '.join(_CONCEPT_LEAVES)}")
        return parts
    if parts[:2] == ("drift", "multivariate") and len(parts) == 4:
        if parts[2] not in JOINT:
            raise LookupError(f"no method '{parts[2]}'; {near(parts[2], tuple(JOINT))}")
        if parts[3] not in _JOINT_LEAVES:
            raise LookupError(f"no '{parts[3]}' in a multivariate method; {near(parts[3], _JOINT_LEAVES)}")
        return parts
    if parts[0] == "drift" and len(parts) > 2 and parts[1] in ("features", "score", "class"):
        below = ".".join(parts[2:])
        return (*parts[:2], *_column_keys(below, features if parts[1] == "features" else None, methods))
    raise LookupError(
        f"there is no '{path}' in a window; available: rows, drift.fraction, 'any feature.METHOD' (such as "
        "'any feature.psi'), "
        "drift.features.NAME... (* for any), drift.score..., "
        "drift.class..., drift.incident, drift.drifted_slices, drift.slices.KEY=VALUE..., "
        "drift.multivariate.METHOD.value, performance.realized.METRIC.value, estimated.METRIC.value, "
        "slices.KEY=VALUE.METRIC, service.latency_p99, service.error_rate, outcomes.rows, outcomes.coverage, "
        "quality.count, quality.critical, quality.broken, "
        "performance.broken, performance.inconclusive_windows, performance.overdue; "
        "and, only for all rows, not for slices: concept.rise, verdict.state and versions.verdict"
    )


def _check_metric(name: str, kind: str, metrics: Collection[str]) -> None:
    if wrong := misnamed(name, kind, metrics):
        raise LookupError(wrong)


def _estimated_keys(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of an estimate, which can have more metrics than the realized ones of an older baseline."""
    if parts[2] not in (metrics := estimated_names()):
        raise LookupError(f"no estimated metric '{parts[2]}'; {near(parts[2], metrics)}")
    leaf = parts[3] if len(parts) == 4 else "value"
    if leaf not in _ESTIMATE_LEAVES:
        raise LookupError(f"no '{leaf}' in an estimate; {near(leaf, _ESTIMATE_LEAVES)}")
    return (*parts[:3], leaf)


def _slice_keys(
    path: str, features: Collection[str], methods: Sequence[str], slices: Collection[str]
) -> tuple[str, ...]:
    """Return the keys below ``drift.slices``, which begin with the name of a slice that may contain dots."""
    match = _SLICED.fullmatch(path)
    if match is None:
        raise LookupError(
            f"'{path}' is not a value of a slice; available: KEY=VALUE.fraction and KEY=VALUE.features.NAME..."
        )
    _check_key(match["key"], slices)
    kind, _, below = match["below"].partition(".")
    leaf = _column_keys(below, features if kind == "features" else None, methods) if below else ()
    return ("drift", "slices", match["name"], kind, *leaf)


def _performance_slice_keys(path: str, kind: str, metrics: Collection[str], slices: Collection[str]) -> tuple[str, ...]:
    """Return the keys of ``performance.slices.KEY=VALUE.metrics.METRIC.value``, or of ``slices.KEY=VALUE.METRIC``."""
    match = _OF_SLICES.fullmatch(path)
    if match is None:
        allowed = "slices.KEY=VALUE.METRIC, slices.KEY=VALUE.rows or slices.KEY=VALUE.coverage"
        raise LookupError(f"'{path}' is not a value of a slice; use {allowed}")
    _check_key(match["key"], slices)
    above = ("performance", "slices", match["name"])
    if match["leaf"]:
        return (*above, match["leaf"])
    _check_metric(match["metric"], kind, metrics)
    return (*above, "metrics", match["metric"], match["of"] or "value")


def _check_key(key: str, slices: Collection[str]) -> None:
    if key not in slices:
        fix = near(key, tuple(slices)) if slices else f"add --slices {key}"
        raise LookupError(f"there are no slices by '{key}'; {fix}")


def _column_keys(path: str, features: Collection[str] | None, methods: Sequence[str]) -> tuple[str, ...]:
    """Return the keys below ``drift.features`` (which begin with a name), ``drift.score`` or ``drift.class``."""
    match = _LEAF.fullmatch(path)
    is_named = match is not None and match["name"] is not None
    if match is None or is_named != (features is not None):
        raise LookupError(
            f"'{path}' is not a value of a column; available: rows, effect, missing.was, missing.now and "
            "methods.METHOD.value"
        )
    if features is not None and match["name"] not in features and match["name"] != ANY:
        raise LookupError(f"no feature '{match['name']}'; {near(match['name'], tuple(features))}")
    if match["leaf"] in _WORDS:
        raise LookupError(f"'{match['leaf']}' is text; compare a number, such as methods.psi.value or drift.fraction")
    method = match["method"]
    if method is not None and method not in methods:
        if method in METHODS:
            raise LookupError(f"{method} is not computed; add --methods {method}")
        raise LookupError(f"no method '{method}'; {near(method, tuple(METHODS))}")
    leaf = tuple(match["leaf"].split("."))
    return leaf if features is None else (match["name"], *leaf)


def check(conditions: Sequence[Condition], answer: Mapping[str, Any], say: Say) -> bool:
    """Print the closed windows in which conditions are true or inconclusive; return whether any is true.

    ``answer``: the JSON of the evaluation.
    """
    crossed = False
    for condition in conditions:
        if condition.keys[0] in _OF_ALL_ROWS:
            crossed |= _of_all_rows(condition, answer, say)
            continue
        if condition.keys[0] == "versions":
            crossed |= _of_versions(condition, answer["versions"], say)
            continue
        closed = [window for window in answer["windows"] if window["closed"]]
        fired = [(window, values) for window in closed if (values := condition.fired(window))]
        if fired:
            crossed = True
            window, values = fired[0]
            first = f", first in the window from {window['start']}" if len(closed) > 1 and window["start"] else ""
            summary = f"true in {len(fired)} of {many(len(closed), 'window')}{first}"
            say(f"--fail-on {condition.text!r}: {summary}, where the value is {condition.written(values)}")
        lacking = [_unknown(condition, window) for window in closed]
        if unknown := sum(columns is not None for columns in lacking):
            count = f"{unknown} of {many(len(closed), 'window')}"
            features = listed(tuple(dict.fromkeys(name for columns in lacking for name in columns or () if name)))
            features_text = f" of {features}" if features else ""
            say(
                f"--fail-on {condition.text!r}: the value{features_text} is unknown in {count}, "
                "where the condition never fires"
            )
    return crossed


def _unknown(condition: Condition, window: Mapping[str, Any]) -> list[str] | None:
    """Return the features with an unknown value, "" for a condition without feature; None if all are known."""
    values = condition.values(window)
    if not values:
        return [""]
    return [name for name, value in values.items() if value is None] or None


def _values_text(fired: Mapping[str, float | str]) -> str:
    """Return the values for which a condition is true with their features, in descending order.

    >>> _values_text({"age": 0.25, "income": 1.5}), _values_text({"": 0.3}), _values_text({"": "degraded"})
    ('1.5 (income), 0.25 (age)', '0.3', 'degraded')
    """
    ranked = sorted(fired.items(), key=lambda entry: 0.0 if isinstance(entry[1], str) else -abs(entry[1]))
    values = [(name, value if isinstance(value, str) else number(value)) for name, value in ranked]
    return listed([f"{value} ({name})" if name else value for name, value in values], most=5)


def _of_all_rows(condition: Condition, answer: Mapping[str, Any], say: Say) -> bool:
    value = condition.values(answer)[""]
    if value is None:
        why = ((answer[condition.keys[0]] or {}).get("reason") or "").replace("_", " ")
        say(
            f"--fail-on {condition.text!r}: the value is unknown{f' ({why})' if why else ''}, so "
            "the condition never fires"
        )
        return False
    if condition.holds(answer):
        say(f"--fail-on {condition.text!r}: true for all rows, where the value is {_values_text({'': value})}")
        return True
    return False


def _of_versions(condition: Condition, versions: Sequence[Mapping[str, Any]], say: Say) -> bool:
    """Print the comparisons with the champion for which a condition is true or unknown; return whether any is true."""
    crossed = False
    for compared in versions:
        difference = dict(compared["comparisons"].get(compared["decided_by"]) or {})
        difference["value"] = difference.get("difference")
        document = {"versions": {"verdict": compared["verdict"], "difference": difference}}
        name = compared["challenger"]["version"]
        [value] = condition.values(document).values()
        if value is None:
            say(f"--fail-on {condition.text!r}: the value of {name} is unknown, so the condition never fires")
        elif condition.holds(document):
            crossed = True
            say(f"--fail-on {condition.text!r}: true, where the value is {_values_text({name: value})}")
    return crossed
