"""The outcomes that show that a model is as good as its baseline: the sample size of a test of non-inferiority.

A window shows it if the difference from the baseline and half its interval are inside the margin. A model that is as
good differs from its baseline only by chance, so nine of ten windows show it if half the interval is at most
:data:`SHARE_OF_MARGIN` of the margin. With fewer outcomes, a window may show it, and most do not. The variance of a
window falls with its outcomes, that of the baseline does not: half² = a / n + b².

Source: Julious (2004), Sample sizes for clinical trials with normal data, Statistics in Medicine 23, section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from driftline.baseline.baseline import Baseline

from driftline_processor.core import facts
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import NORMAL
from driftline_processor.core.special_functions import ndtr

from .margin import deciding_metric, skill
from .objective_states import POWER
from .reference import beside_constant, margins_of, reference_of
from .settings import PerformanceSettings

REACH = NORMAL + POWER
"""Standard errors between a value and its limit at which a test at 5 % has 90 % power."""

SHARE_OF_MARGIN = NORMAL / REACH
"""Longest half interval, relative to the margin, with which nine of ten windows show that a model is as good."""

OF_SKILL = 0.5
"""Largest margin to suggest, as a fraction of the skill: with a wider one, a model passes that has lost most of it."""


def half_interval(metrics: Mapping[str, MetricValue], name: str) -> float:
    """Return half the interval of a metric; 0.0 if unknown."""
    value = metrics.get(name)
    return 0.0 if value is None or value.low is None or value.high is None else (value.high - value.low) / 2


def outcomes_needed(outcomes: int, of_window: float, of_baseline: float, margin: float) -> int | None:
    """Return the outcomes with which nine of ten windows show that a model is as good; None if no number does.

    Args:
        outcomes: Known outcomes, of which the half interval is ``of_window``.
        of_window: Half the interval of the metric in the window.
        of_baseline: Half its interval in the baseline.
        margin: Its margin.

    >>> [outcomes_needed(100, 0.2, half, 0.05) for half in (0.0, 0.02, 0.04)]
    [4380, 7790, None]
    """
    left = (SHARE_OF_MARGIN * margin) ** 2 - of_baseline**2
    return ceil(outcomes * of_window**2 / left / 10) * 10 if left > 0 else None


def chance_of_longest(of_baseline: float, margin: float) -> float:
    """Return how often a window of unlimited length shows that a model is as good as its baseline.

    >>> [round(chance_of_longest(half, 0.05), 2) for half in (0.03, 0.05, 0.1)]
    [0.9, 0.5, 0.16]
    """
    return float(ndtr(NORMAL * (margin / of_baseline - 1))) if of_baseline > 0 else 1.0


def baseline_rows_needed(outcomes: int, of_baseline: float, margin: float) -> int:
    """Return the outcomes of a baseline with which a window of as many outcomes shows that a model is as good."""
    return round(2 * outcomes * (of_baseline / (SHARE_OF_MARGIN * margin)) ** 2)


def margin_shown(of_baseline: float) -> float:
    """Return the margin with which a window as large as the baseline shows that a model is as good."""
    return 2**0.5 * of_baseline / SHARE_OF_MARGIN


def is_of_skill(margin: float, metric: str, value: float, constant: float | None) -> bool:
    """Return True if a margin is at most :data:`OF_SKILL` of the skill of a baseline; True if that is unknown.

    Args:
        margin: The margin.
        metric: The metric.
        value: Its value in the baseline.
        constant: That of the best constant prediction.

    >>> [is_of_skill(margin, "roc_auc", 0.6, 0.5) for margin in (0.04, 0.06)]
    [True, False]
    """
    return constant is None or margin <= OF_SKILL * skill(metric, value, constant)


def reach_of(baseline: Baseline, settings: PerformanceSettings) -> facts.BaselineReach | None:
    """Return what windows compared with a baseline can show about a model; None if no metric of it decides.

    Args:
        baseline: The baseline.
        settings: Confidence and margins.
    """
    reference, margins = reference_of(baseline, settings), margins_of(baseline, settings)
    name = deciding_metric(reference, reference, margins)
    half = 0.0 if name is None else half_interval(reference, name)
    if name is None or not half:
        return None
    rows, margin, period = reference[name].rows, margins[name], baseline.extras.period
    return facts.BaselineReach(
        metric=name,
        value=reference[name].value or 0.0,
        half=half,
        margin=margin,
        outcomes=rows,
        needed=outcomes_needed(rows, half, half, margin),
        length=0 if period is None else period.last - period.first,
        constant=beside_constant(baseline, settings).get(name, (None, None))[1],
    )


def find_small_baseline(baseline: Baseline, settings: PerformanceSettings) -> facts.BaselineReach | None:
    """Return the reach of a baseline if a window as large does not show that a model is as good; else None.

    It asks for a margin, so it is None if the owner has set one.
    """
    reach = reach_of(baseline, settings)
    if reach is None or {"", reach.metric} & settings.margin.keys():
        return None
    return reach if reach.margin < margin_shown(reach.half) else None
