"""Judge the data quality of a window by all checks; of two findings of one fault the more telling one stays."""

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
"""At most one quiet window in a thousand has any finding: faults of data are gross, and 1 % would be an alarm a day."""


def _found() -> dict[str, Check]:
    modules = [
        importlib.import_module(f"{checks.__name__}.{module.name}") for module in pkgutil.iter_modules(checks.__path__)
    ]
    return {module.CHECK.name: module.CHECK for module in modules}


CHECKS: dict[str, Check] = _found()
"""Name → check."""

_GRAVITY = {"critical": 0, "major": 1, "minor": 2}
"""The order of findings, the gravest first."""


def quality(
    pane: Pane,
    baseline: Baseline,
    repeats: Repeats | None = None,
    designs: Mapping[str, float] | None = None,
    recurrences: Iterable[Recurrence | None] = (),
    shares: ShareDesigns = ALL_ROWS,
) -> tuple[Finding, ...]:
    """Return the findings about the data of a window, the gravest first.

    Args:
        pane: The window, folded over the baseline's bins.
        baseline: What it is compared with.
        repeats: How often its rows repeat, where rows are at hand.
        designs: Feature → how many of its rows count as one, where they resemble each other.
        recurrences: How often rows repeat those of the window before, and those of that one the ones before.
        shares: As ``designs``, for the shares of missing values and of values out of range.

    P-values are corrected (Benjamini-Hochberg) over all features and checks; a test whose effect is too small to
    matter counts as one that found nothing.
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
    """Return True where a finding tells what the other tells of the same feature, and more."""
    return other.check in CHECKS[finding.check].covers and set(other.features) <= set(finding.features)
