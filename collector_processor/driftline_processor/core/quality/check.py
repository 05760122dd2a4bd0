"""The contract of a data-quality check; a module is found by its constant ``CHECK``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from driftline_processor.core.evaluation import Finding, Severity

from .feature_sums import CheckInput

MINOR, MAJOR = 0.05, 0.5
"""Fractions of the rows: a finding is minor below 5 %, major below 50 %, else critical."""


STRUCTURAL = frozenset(
    {"constant", "copied", "hours_shifted", "misplaced", "recoded", "swapped", "unlinked", "type_change", "unit_change"}
)
"""Checks whose findings are faults at any severity, and explain a change of a feature better than its drift."""


class Suspicion(NamedTuple):
    """A possible finding, before the correction for multiple tests.

    Attributes:
        p: Its uncorrected p-value.
    """

    p: float
    finding: Finding


class CheckResult(NamedTuple):
    """The result of a check in one window: the number of tests, and the tests with a relevant effect."""

    tests: int
    suspicions: list[Suspicion]


class Check(Struct, frozen=True):
    """One kind of data fault.

    Attributes:
        name: The key in JSON and metrics.
        title: The title for headings.
        needs: The data that it is computed from.
        covers: Checks that find the same fault of the same feature less specifically; their findings are omitted.
    """

    name: str
    title: str
    needs: Literal["panes", "rows"]
    find: Callable[[CheckInput], CheckResult]
    covers: frozenset[str] = frozenset()


def severity(share: float) -> Severity:
    """Return the severity for a fraction of the rows.

    >>> severity(0.01), severity(0.2), severity(1.0)
    ('minor', 'major', 'critical')
    """
    return "minor" if share < MINOR else "major" if share < MAJOR else "critical"


def suspicion(
    check: str,
    features: Iterable[str],
    p: float,
    *,
    was: float | None,
    now: float | None,
    concerned: float,
    **values: Any,
) -> Suspicion:
    """Return a finding with its uncorrected p-value.

    Args:
        check: Name of the check.
        features: The affected features.
        p: The uncorrected p-value.
        was: The fraction before.
        now: The fraction in the window.
        concerned: The fraction of the rows that is affected.
        values: Other attributes of :class:`~driftline_processor.core.evaluation.Finding`.
    """
    return Suspicion(p, Finding(check, tuple(features), severity(concerned), was, now, p, **values))
