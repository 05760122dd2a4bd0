"""A data-quality check: one file each, found by its constant ``CHECK``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from driftline_processor.core.evaluation import Finding, Severity

from .feature_sums import CheckInput

MINOR, MAJOR = 0.05, 0.5
"""Shares of the rows: below the first a finding is minor, below the second major, else critical: one row in
twenty, and most rows."""


class Suspicion(NamedTuple):
    """A finding of one test that is worth a look.

    Attributes:
        p: Its p-value, alone.
    """

    p: float
    finding: Finding


class CheckResult(NamedTuple):
    """The result of a check in one window: how many tests, and those with an effect that is large enough to matter."""

    tests: int
    suspicions: list[Suspicion]


class Check(Struct, frozen=True):
    """One way in which data goes wrong.

    Attributes:
        name: As in JSON and metrics.
        title: For headings.
        needs: What it is computed from.
        covers: Checks that find the same fault of the same feature in a less telling way, and are not told beside it.
    """

    name: str
    title: str
    needs: Literal["panes", "rows"]
    find: Callable[[CheckInput], CheckResult]
    covers: frozenset[str] = frozenset()


def severity(share: float) -> Severity:
    """Return the word for a share of the rows.

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
    """Return a finding that is not corrected yet.

    Args:
        check: Name of the check.
        features: What it found it of.
        p: The p-value of the test alone.
        was: The fraction before.
        now: The fraction in the window.
        concerned: The fraction of the rows that is wrong.
        values: Other attributes of :class:`~driftline_processor.core.evaluation.Finding`.
    """
    return Suspicion(p, Finding(check, tuple(features), severity(concerned), was, now, p, **values))
