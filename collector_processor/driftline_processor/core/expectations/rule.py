"""An expectation: one rule with its limit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from driftline_processor.core.evaluation import Judgement

Operator = Literal["<", "<=", ">", ">=", "="]
Kind = Literal[
    "rows",
    "duplicates",
    "freshness",
    "exists",
    "missing",
    "unique",
    "type",
    "range",
    "values",
    "not_values",
    "length",
    "pattern",
    "min",
    "max",
    "mean",
    "stddev",
]

TYPES = ("number", "whole", "boolean", "text")
"""A boolean is true or false, or 1 or 0; a whole number is also a number."""

_LIMIT = re.compile(r"\s*(<=|>=|<|>|==?)?\s*(\d+(?:[.,_]\d+)*(?:[eE][-+]?\d+)?)\s*(%?)\s*")
_SIGNS: dict[str, Operator] = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "="}


@dataclass(frozen=True, slots=True)
class Limit:
    """Limit ``number`` with its ``operator`` for a measured value."""

    operator: Operator
    number: float

    def verdict(self, low: float | None, high: float | None) -> Judgement:
        """Evaluate a value that lies between ``low`` and ``high``.

        >>> Limit("<", 0.05).verdict(0.01, 0.01), Limit("<", 0.05).verdict(0.01, 0.1), Limit("<", 0.05).verdict(0.1, 1)
        ('met', 'inconclusive', 'broken')
        """
        if low is None or high is None:
            return "inconclusive"
        held = self._holds(low), self._holds(high)
        if all(held) and (self.operator != "=" or low == high):
            return "met"
        if any(held) or (self.operator == "=" and low < self.number < high):
            return "inconclusive"
        return "broken"

    def _holds(self, value: float) -> bool:
        close = abs(value - self.number) <= 1e-12 * max(1.0, abs(self.number))  # fractions are quotients
        match self.operator:
            case "<":
                return value < self.number and not close
            case "<=":
                return value < self.number or close
            case ">":
                return value > self.number and not close
            case ">=":
                return value > self.number or close
            case "=":
                return close


def share_limit(written: object, default: Operator = "<=") -> Limit:
    """Parse ``"< 5%"``, ``"<= 0.05"``, ``"5%"``, ``0``; the default operator is ``default``.

    >>> share_limit("< 5%"), share_limit(0)
    (Limit(operator='<', number=0.05), Limit(operator='<=', number=0.0))
    >>> share_limit("< 5")
    Traceback (most recent call last):
    ...
    ValueError: '< 5' is more than 100 % of the rows; use '< 5%'
    """
    limit, percent = _limit(written, default, "a fraction such as '< 5%'")
    number = limit.number / 100 if percent else limit.number
    if number > 1:
        sign = "" if limit.operator == default and not str(written).strip().startswith(default) else limit.operator
        fix = "100%" if percent else f"{limit.number:g}%"
        raise ValueError(f"{written!r} is more than 100 % of the rows; use '{f'{sign} {fix}'.strip()}'")
    return Limit(limit.operator, number)


def count_limit(written: object) -> Limit:
    """Parse ``">= 100"``, ``100``; the default operator is ``>=``.

    >>> count_limit(100)
    Limit(operator='>=', number=100.0)
    """
    limit, percent = _limit(written, ">=", "a number of rows such as '>= 100'")
    if percent:
        raise ValueError(f"{written!r} is a percentage; use a number of rows, such as '>= 100'")
    return limit


def _limit(written: object, default: Operator, wanted: str) -> tuple[Limit, bool]:
    match = _LIMIT.fullmatch(str(written)) if not isinstance(written, bool) else None
    if match is None:
        raise ValueError(f"{written!r} is not a limit; use {wanted}")
    operator, number, percent = match.groups()
    sign = _SIGNS.get(operator or "", default)
    return Limit(sign, float(number.replace(",", "").replace("_", ""))), bool(percent)


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation.

    Attributes:
        feature: "" for the rows as a whole.
        text: As in YAML, ``range: [0, 120]``.
        limit: For a fraction of values or of rows, or their number; for ``freshness`` in seconds.
        low: Lower limit of a range, a length or a mean; None = open.
        high: Upper limit, likewise.
        values: Canonical texts.
        pattern: See :mod:`.pattern`.
    """

    kind: Kind
    feature: str
    text: str
    limit: Limit = Limit(">=", 1.0)
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] = ()
    pattern: str = ""
    type: str = ""

    @property
    def part(self) -> str:
        """The name of the pane's part with the counts for the rule."""
        return f"{PREFIX}{self.feature}:{blake2b(self.text.encode(), digest_size=6).hexdigest()}"


PREFIX = "expect:"
"""Prefix of the parts with the counts of rules, before feature and rule."""

WIDTH = 4
"""Entries of such a part: rows, rows with a value, and two that depend on the kind of rule."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """All expectations of a model's data.

    Attributes:
        rows: Rules for the rows as a whole.
        features: Name → rules.
    """

    rows: tuple[Rule, ...] = ()
    features: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows or self.features)

    def wants(self, kind: Kind) -> bool:
        """Return True if any rule is of this kind."""
        return any(rule.kind == kind for rules in (self.rows, *self.features.values()) for rule in rules)
