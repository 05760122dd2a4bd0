"""Expectations from another tool's file, the checks that cannot be converted, and both as a ``driftline.yaml``."""

from __future__ import annotations

import math
from typing import Any

import yaml
from driftline_processor.config.yaml_loader import Loader
from msgspec import Struct, field


class Unsupported(Exception):  # noqa: N818 - a word of the domain
    """A check that cannot be converted; the message contains the reason."""


class SkippedCheck(Struct, frozen=True):
    """A check that was skipped: its name, its line from 1 (0 = unknown), and the reason."""

    name: str
    line: int
    reason: str

    def sentence(self, file: str) -> str:
        """Return ``FILE:LINE: NAME: left out: WHY``."""
        where = f"{file}:{self.line}" if self.line else file
        return f"{where}: {self.name}: left out: {self.reason}"


class ImportedSuite(Struct):
    """Imported expectations.

    ``name``: name of the data in the file. ``rows`` and ``features``: as in ``driftline.yaml``. ``methods``: drift
    methods of features. ``policies``: conditions of policies by name.
    """

    name: str
    rows: dict[str, Any] = field(default_factory=dict)
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: list[SkippedCheck] = field(default_factory=list)
    check_count: int = 0
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)

    def expect(self, feature: str, key: str, value: Any) -> None:
        """Add a rule; ``feature``: "" for all rows. Raises :class:`Unsupported` if it contradicts another rule."""
        into = self.rows if not feature else self.features.setdefault(feature, {})
        before = into.get(key, value)
        intersection = _both(before, value) if before != value else value
        if intersection is None:
            raise Unsupported(f"another check already expects {key}: {before}; keep one of the two")
        into[key] = intersection


def _both(first: Any, second: Any) -> list[float | int | None] | None:
    """Return the intersection of two ranges; None if either is not a range, or if it is empty."""
    if not (isinstance(first, list) and isinstance(second, list) and len(first) == len(second) == 2):
        return None
    ends = [*first, *second]
    if any(isinstance(end, (str, bool)) for end in ends):
        return None
    lows, highs = ([end for end in pair if end is not None] for pair in zip(first, second, strict=True))
    low, high = max(lows, default=None), min(highs, default=None)
    return None if low is not None and high is not None and low > high else [low, high]


def share_rule(value: Any, mostly: str = "100%") -> Any:
    """Return a rule for a fraction of the values.

    >>> share_rule([0, 1]), share_rule([0, 1], "95%")
    ([0, 1], {'is': [0, 1], 'mostly': '95%'})
    """
    return value if mostly == "100%" else {"is": value, "mostly": mostly}


def share(value: float) -> str:
    """Return a fraction as a percentage.

    >>> share(0.05), share(1 - 0.999)
    ('5%', '0.1%')
    """
    return f"{value * 100:.10g}%"


def number(value: object) -> float | int:
    """Return a number. Raises :class:`Unsupported` for anything else, such as a date."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Unsupported(f"{value!r:.60} is not a number")
    return value


def next_above(value: float | int) -> float:
    """Return the smallest number greater than ``value``, because our limits are inclusive."""
    return math.nextafter(value, math.inf)


def next_below(value: float | int) -> float:
    """Return the largest number less than ``value``."""
    return math.nextafter(value, -math.inf)


class _Dumper(yaml.SafeDumper):
    """Dumper that quotes texts that our reader would convert."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if _stays(text) else '"')


def _stays(text: str) -> bool:
    """Return True if an unquoted scalar is read as text; the dumper quotes others itself."""
    if not text.strip() or any(character in text for character in "\n:#[]{},&*!|>'\"%@`"):
        return True
    try:
        return isinstance(yaml.load(text, Loader=Loader), str)
    except yaml.YAMLError:
        return False


def _escaped(value: Any) -> Any:
    """Return a value with its environment variables escaped; keys are never filled in."""
    if isinstance(value, dict):
        return {key: _escaped(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_escaped(child) for child in value]
    if isinstance(value, str) and ("$$" in value or "${" in value):
        return value.replace("$", "$$")
    return value


def _list(dumper: yaml.SafeDumper, values: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", values, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def to_yaml(imported: ImportedSuite, model: str, source: str) -> str:
    """Return the expectations of a model as a valid ``driftline.yaml``; skipped checks are comments."""
    settings: dict[str, Any] = {}
    if imported.rows:
        settings["expect"] = imported.rows
    features = {name: dict(methods) for name, methods in imported.methods.items()}
    for name, rules in imported.features.items():
        features.setdefault(name, {})["expect"] = rules
    if features:
        settings["features"] = features
    head = [f"# {_line(f'from {source}: {imported.check_count} checks read, {len(imported.left_out)} left out')}"]
    head += [f"# {_line(omission.sentence(source))}" for omission in imported.left_out]
    document: dict[str, Any] = {"models": {model: _escaped(settings)}}
    if imported.policies:
        document["policies"] = {
            name: {"models": [model], "when": _escaped(when)} for name, when in imported.policies.items()
        }
    body = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return "\n".join(head) + "\n" + body


def _line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)
