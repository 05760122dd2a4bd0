"""Compare fast and slow outcomes: if they differ, the performance of a young window is biased.

Outcomes are split by delay into the two most even halves, without using their values. The fractions of positives and of
errors (for a regression: the means of the actual values and of the absolute error) are compared, each at half of
``ALPHA``, so at most 5 % of windows without a difference report one. Fractions use Fisher's exact test with effective
rows, by weights and blocks of time; means use Welch's t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane, merge
from driftline.tables.table import F64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import ComparedOutcomes, FastLabels
from driftline_processor.core.intervals import gradients
from driftline_processor.core.intervals.time_blocks import FEWEST as FEWEST_BLOCKS
from driftline_processor.core.intervals.time_blocks import FEWEST_DAYS, counting_as_one
from driftline_processor.core.outcomes.sums import effective_rows
from driftline_processor.core.special_functions import stdtr
from driftline_processor.core.weak_slices.search import fisher

FAST = ("<1h", "<1d", "<7d", "<30d")
"""Cohorts that can end the fast half."""

ALPHA = 0.05
"""Fraction of windows without a difference that report one; the result is a remark and triggers no alert."""

FEWEST = 30
"""Minimum effective outcomes of either half: a fraction then has a standard error of up to nine points."""


def fast_labels(
    cohorts: Mapping[str, Pane], pane: Pane, blocks: Sequence[Pane], task: Task, *, days: bool = False
) -> FastLabels | None:
    """Compare the fast half of the outcomes with the slow one; None for rankings, or with too few outcomes.

    ``cohorts``: by delay, the fastest first. ``pane``: the window, ``blocks``: of its time; ``days``: whether they are
    days.
    """
    halves = _halves(cohorts)
    if halves is None:
        return None
    until, fast, slow = halves
    compared = _means if task.predicts_number else _shares
    tests = compared(fast, slow, pane, blocks, task, FEWEST_DAYS if days else FEWEST_BLOCKS)
    if not tests:
        return None
    likeliest = min(tests, key=lambda test: test.p_value)
    p = min(1.0, likeliest.p_value * len(tests))
    rows = [int(one.parts["outcomes"][0]) for one in (fast, slow)]
    return FastLabels(
        until=until,
        differ=p <= ALPHA,
        metric=likeliest.metric,
        fast=likeliest.fast,
        slow=likeliest.slow,
        fast_rows=rows[0],
        slow_rows=rows[1],
        p_value=p,
    )


def _counting_as_one(moved: gradients.Influence, fewest_rows: float) -> float:
    """Return the design effect, including Student's t, at the level of one of the tests."""
    # 2: tests per window, of the actual values and of the losses
    return counting_as_one(moved.influence, moved.expected, fewest_rows, 1 - ALPHA / 2)


class _Test(NamedTuple):
    metric: ComparedOutcomes
    fast: float
    slow: float
    p_value: float


def _halves(cohorts: Mapping[str, Pane]) -> tuple[str, Pane, Pane] | None:
    """Return the last cohort of the fast half, and both halves."""
    names = [name for name, cohort in cohorts.items() if "outcomes" in cohort.parts]
    worth = np.array([effective_rows(cohorts[name]) for name in names])
    if len(names) < 2:
        return None
    reached = np.cumsum(worth)[:-1]
    smaller = np.minimum(reached, worth.sum() - reached)
    index = int(smaller.argmax())
    if smaller[index] < FEWEST or names[index] not in FAST:
        return None
    fast, slow = (merge([cohorts[name] for name in group]) for group in (names[: index + 1], names[index + 1 :]))
    return names[index], fast, slow


def _shares(
    fast: Pane, slow: Pane, all_rows: Pane, blocks: Sequence[Pane], task: Task, fewest_rows: float
) -> list[_Test]:
    k = len(task.classes)
    tables = [gradients.confusion_table(half, (), k) for half in (fast, slow)]
    of_all = gradients.confusion_table(all_rows, blocks, k)
    if of_all is None or any(table is None for table in tables):
        return []
    counted: dict[ComparedOutcomes, F64] = {}
    if task.positive is not None:
        counted["actual_rate"] = np.zeros((k, k))
        counted["actual_rate"][task.positive] = 1.0
    counted["error_rate"] = 1 - np.eye(k)
    tests = []
    for metric, hits in counted.items():
        less = _counting_as_one(of_all.ratio(hits, 1 - hits).influence, fewest_rows)
        halves = [
            (table.ratio(hits, 1 - hits), effective_rows(pane) / less)
            for table, pane in zip(tables, (fast, slow), strict=True)
            if table is not None
        ]
        (p, n), (q, m) = ((half.value or 0.0, _rows_of(half, kish, less)) for half, kish in halves)
        if min(n, m) >= FEWEST:
            tests.append(_Test(metric, p, q, _exact((p * n, (1 - p) * n), (q * m, (1 - q) * m))))
    return tests


def _rows_of(ratio: gradients.Ratio, kish: float, less: float) -> float:
    """Return the effective rows of a fraction."""
    value = ratio.value or 0.0
    return (
        value * (1 - value) / (ratio.influence.variance * less)
        if 0 < value < 1 and ratio.influence.variance > 0
        else kish
    )


def _exact(fast_counts: tuple[float, float], slow_counts: tuple[float, float]) -> float:
    """Return Fisher's two-sided p-value of two pairs of hits and misses, rounded down."""
    (hits, misses), (of_rest, missed) = (
        [math.floor(count + 1e-6) for count in pair] for pair in (fast_counts, slow_counts)
    )
    total, fast_rows = hits + misses + of_rest + missed, hits + misses
    more = fisher(hits, fast_rows, hits + of_rest, total)
    less = fisher(misses, fast_rows, misses + missed, total)
    return min(1.0, 2 * min(more, less))


def _means(fast: Pane, slow: Pane, pane: Pane, blocks: Sequence[Pane], task: Task, fewest_rows: float) -> list[_Test]:
    tests = []
    losses: tuple[tuple[ComparedOutcomes, str], ...] = (("mae", "absolute_error"), ("mean_actual", "actual"))
    for metric, loss in losses:
        halves = [gradients.mean_of_loss(half, (), task, loss) for half in (fast, slow)]
        all_of = gradients.mean_of_loss(pane, blocks, task, loss)
        if halves[0] is None or halves[1] is None or all_of is None:
            continue
        less = _counting_as_one(all_of[2], fewest_rows)
        variances = [half[2].variance * less for half in halves if half is not None]
        rows = [half[1] / less for half in halves if half is not None]
        variance = sum(variances)
        if min(rows) < FEWEST or variance <= 0:
            continue
        welch = variance**2 / sum(variance**2 / (n - 1) for variance, n in zip(variances, rows, strict=True))
        z = abs(halves[0][0] - halves[1][0]) / math.sqrt(variance)
        tests.append(_Test(metric, halves[0][0], halves[1][0], 2 * float(stdtr(welch, -z))))
    return tests
