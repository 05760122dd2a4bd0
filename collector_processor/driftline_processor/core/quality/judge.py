"""Evaluate the data quality of a window by all checks; of two findings of one fault the more specific one remains."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.panes.pane import Pane
from msgspec.structs import replace

from driftline_processor.core.drift.normal_variation import ShareDesigns
from driftline_processor.core.drift.p_values import benjamini_hochberg
from driftline_processor.core.evaluation import Finding

from . import checks
from .check import Check
from .feature_sums import ALL_ROWS, CheckInput

ALPHA = 0.001
"""Significance level: at most one window without faults in a thousand has a finding, since faults of data are gross and
1 % would be an alarm per day.
"""


def _load_checks() -> dict[str, Check]:
    modules = [
        importlib.import_module(f"{checks.__name__}.{module.name}") for module in pkgutil.iter_modules(checks.__path__)
    ]
    return {module.CHECK.name: module.CHECK for module in modules}


CHECKS: dict[str, Check] = _load_checks()
"""Check by name."""

_GRAVITY = {"critical": 0, "major": 1, "minor": 2}
"""Sort order of findings, the most severe first."""


def quality(
    pane: Pane,
    baseline: Baseline,
    repeats: Repeats | None = None,
    designs: Mapping[str, float] | None = None,
    recurrences: Iterable[Recurrence | None] = (),
    shares: ShareDesigns = ALL_ROWS,
) -> tuple[Finding, ...]:
    """Return the data-quality findings of a window, the most severe first.

    Args:
        pane: The window, folded over the baseline's bins.
        baseline: The baseline of the window.
        repeats: Repeats among its rows, if rows are available.
        designs: Design effect by feature.
        recurrences: Repeats of rows of the previous window, and of that window of its predecessor.
        shares: Design effects of the fractions of missing and out-of-range values.

    P-values are corrected (Benjamini-Hochberg) over all features and checks; a test with a negligible effect counts as
    a test without a finding.
    """
    inputs = CheckInput(pane, baseline, repeats, designs or {}, shares, tuple(recurrences))
    results = [check.find(inputs) for check in CHECKS.values()]
    suspicions = [suspicion for result in results for suspicion in result.suspicions]
    if not suspicions:
        return ()
    tests = max(sum(result.tests for result in results), len(suspicions))
    p = np.array([*(suspicion.p for suspicion in suspicions), *[1.0] * (tests - len(suspicions))])
    adjusted = benjamini_hochberg(p).tolist()
    certain = [
        replace(suspicion.finding, p_value=at)
        for suspicion, at in zip(suspicions, adjusted, strict=False)
        if at <= ALPHA
    ]
    findings = [finding for finding in certain if not any(_covers(other, finding) for other in certain)]
    return tuple(
        sorted(
            findings, key=lambda finding: (_GRAVITY[finding.severity], finding.p_value, finding.check, finding.features)
        )
    )


def _covers(finding: Finding, other: Finding) -> bool:
    """Return True if a finding describes the same fault as the other, more specifically, and not just possibly."""
    if finding.severity == "minor" != other.severity:
        return False
    return other.check in CHECKS[finding.check].covers and set(other.features) <= set(finding.features)
