"""Performance by slice, by group of people and by label age, each from the sums of its own rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from driftline.baseline.sections.slices import slice_name
from driftline.panes.pane import Pane
from driftline.tables.table import F64, I64
from driftline.tables.task import Task

from driftline_processor.core.evaluation import Evaluation, Fairness, MetricValue, SlicePerformance
from driftline_processor.core.fairness.criteria import FairnessRule, GroupCounts, judge_fairness, windows_a_month
from driftline_processor.core.intervals.gradients import ConfusionTable, confusion_table
from driftline_processor.core.intervals.time_blocks import has_day_blocks
from driftline_processor.core.labels.fast_labels import fast_labels
from driftline_processor.core.metrics import direction
from driftline_processor.core.outcomes.coverage import kept_rows, sent_rows
from driftline_processor.core.outcomes.review import UnseenDecisions, find_unseen_decisions, predictions_of
from driftline_processor.core.outcomes.sums import rows_of
from driftline_processor.core.windows.window import Window

from .implicit_feedback import without_young_lists
from .metric_intervals import with_intervals
from .realized import realized
from .settings import PerformanceSettings
from .window_outcomes import WindowOutcomes

LABEL_AGE = "label_age"
"""Slice key for the delay between prediction and outcome."""

AGES: tuple[tuple[str, int], ...] = (
    ("<1h", 3_600 * 10**9),
    ("<1d", 86_400 * 10**9),
    ("<7d", 7 * 86_400 * 10**9),
    ("<30d", 30 * 86_400 * 10**9),
)
"""Cohorts with their upper ends, nanoseconds; older outcomes are in :data:`OLDEST`."""

OLDEST = ">=30d"

COHORTS: tuple[str, ...] = (*(name for name, _ in AGES), OLDEST)

_ENDS = np.array([end for _, end in AGES], np.int64)

_WORST = ("accuracy", "mae", "log_loss", "ctr", "value_per_prediction")
"""The metrics for ranking slices; the first available one is used."""


def label_age_cohorts(time: I64, outcome_time: I64) -> I64:
    """Return the cohort of each outcome, its index in :data:`COHORTS`: int64 (n,).

    ``time``: of the predictions, ``outcome_time``: when it was known what happened, both unix nanoseconds.

    >>> [COHORTS[place] for place in label_age_cohorts(np.zeros(2, np.int64), np.array([60, 86_400]) * 10**9)]
    ['<1h', '<7d']
    """
    return np.searchsorted(_ENDS, outcome_time - time, side="right").astype(np.int64)


def judge_slices(
    evaluation: Evaluation, pane: Pane, task: Task, outcomes: WindowOutcomes, settings: PerformanceSettings
) -> None:
    """Fill in the performance of the slices of a window, its fairness, and its weak slices."""
    groups, days = {rule.attribute for rule in settings.fairness}, has_day_blocks(evaluation.window)
    for name, slice_pane in outcomes.slices.items():
        key, _, value = name.partition("=")
        rows, predictions = _labelled(slice_pane), int(sent_rows(slice_pane)[0])
        metrics = measured(name, outcomes, task, settings, days)
        # predictions < rows if the value came with outcomes only, or got its slice after the predictions
        performance = SlicePerformance(rows, metrics, predictions if predictions >= rows else None)
        if not performance.rows:
            continue
        if key == LABEL_AGE:
            evaluation.ages[value] = performance
        else:
            evaluation.performance_slices[name] = performance
    cohorts = {name: outcomes.slices[slice_name(LABEL_AGE, name)] for name in COHORTS if name in evaluation.ages}
    evaluation.fast_labels = fast_labels(cohorts, pane, outcomes.blocks, task, days=has_day_blocks(evaluation.window))
    if evaluation.immature and evaluation.fast_labels is not None and evaluation.fast_labels.differ:
        evaluation.immature += (evaluation.fast_labels,)
    evaluation.ages = {name: evaluation.ages[name] for name in COHORTS if name in evaluation.ages}
    evaluation.weak = outcomes.weak
    if task.has_threshold and groups:
        fairness_results = (
            _fairness(rule, pane, task, outcomes, settings, evaluation.window) for rule in settings.fairness
        )
        evaluation.fairness = tuple(fairness for fairness in fairness_results if fairness is not None)


def measured(
    name: str, outcomes: WindowOutcomes, task: Task, settings: PerformanceSettings, days: bool, only: str = ""
) -> dict[str, MetricValue]:
    """Return the metrics of a slice from its sums, with their intervals.

    Args:
        name: Name of the slice, ``key=value``.
        outcomes: Outcomes of the window.
        task: Task of the model.
        settings: Settings of performance.
        days: Blocks are days; see :func:`.metric_intervals.with_intervals`.
        only: Name of the only metric to compute, "" for all.
    """
    slice_pane = outcomes.slices[name]
    metrics = realized(slice_pane, task, settings, only)
    if settings.outcomes == "implicit" and task.ranks_items and "rows" not in slice_pane.parts:
        metrics = without_young_lists(metrics)  # its number of lists without clicks is unknown
    return with_intervals(
        metrics, slice_pane, outcomes.blocks_of(name), task, settings, outcomes.unseen.get(name), days=days
    )


def unseen_by_slice(pane: Pane, slices: Mapping[str, Pane], task: Task) -> dict[str, UnseenDecisions]:
    """Return the decisions without outcomes by slice, "" for the window.

    If the predictions of a slice were not counted, a decision without outcomes has the weight that it has in the
    window.
    """
    if not task.may_have_classes:
        return {}
    unseen = find_unseen_decisions(pane, task)
    rows, like_all = confusion_table(pane, (), len(task.classes), unseen), None
    if rows is not None:
        like_all = UnseenDecisions(rows.unit, np.zeros(len(task.classes)) if unseen is None else unseen.unreviewed)
    decisions_by_slice = {"": unseen} | {
        name: find_unseen_decisions(slice_pane, task) or like_all for name, slice_pane in slices.items()
    }
    return {
        name: unseen_decisions for name, unseen_decisions in decisions_by_slice.items() if unseen_decisions is not None
    }


def rank_slices(slices: Mapping[str, SlicePerformance]) -> list[tuple[str, SlicePerformance]]:
    """Return the slices sorted by :func:`ranking_metric`, the worst first.

    >>> def slice_of(value): return SlicePerformance(9, {"accuracy": MetricValue(value, 9, "panes")})
    >>> [name for name, _ in rank_slices({"a=1": slice_of(0.9), "a=2": slice_of(0.7), "a=3": slice_of(None)})]
    ['a=2', 'a=1', 'a=3']
    """
    metric, greater = ranking_metric(slices.values())

    def place(entry: tuple[str, SlicePerformance]) -> tuple[bool, float, str]:
        measured = entry[1].metrics.get(metric)
        if measured is None or measured.value is None:
            return True, 0.0, entry[0]
        return False, measured.value if greater else -measured.value, entry[0]

    return sorted(slices.items(), key=place)


def ranking_metric(slices: Iterable[SlicePerformance]) -> tuple[str, bool]:
    """Return the metric for ranking slices, and whether higher is better; "" if none is available."""
    known_metrics: list[dict[str, MetricValue]] = [performance.metrics for performance in slices]
    for name in _WORST:
        if any(name in metrics and metrics[name].value is not None for metrics in known_metrics):
            return name, direction(name) > 0
    return "", True


def slice_badness(evaluation: Evaluation) -> dict[str, float]:
    """Return how much worse than all rows each slice certainly is, 0 to 1, for worse slices only.

    By the end of the interval that is nearer to all rows: 1 where even there errors are twice as many, or as great.

    >>> from driftline.tables.table import ModelKey
    >>> from driftline_processor.core.windows.window import Window
    >>> sure = MetricValue(0.7, 900, "panes", low=0.6, high=0.8)
    >>> found = Evaluation(ModelKey("m"), Window("1d", 0, 1), 9_000, True)
    >>> found.realized = {"accuracy": MetricValue(0.9, 9_000, "panes")}
    >>> found.performance_slices = {"region=n": SlicePerformance(900, {"accuracy": sure})}
    >>> {name: round(value, 2) for name, value in slice_badness(found).items()}
    {'region=n': 1.0}
    """
    metric, greater = ranking_metric(evaluation.performance_slices.values())
    model_metric = evaluation.realized.get(metric)
    if model_metric is None or model_metric.value is None:
        return {}
    badness: dict[str, float] = {}
    usual = 1 - model_metric.value if greater else model_metric.value
    for name, performance_slice in evaluation.performance_slices.items():
        measured = performance_slice.metrics.get(metric)
        near = None if measured is None else measured.high if greater else measured.low
        if near is not None and (least_loss := 1 - near if greater else near) > max(usual, 0.0):
            badness[name] = 1.0 if usual <= 0 else min(1.0, float(np.log2(least_loss / usual)))
    return badness


def _fairness(
    rule: FairnessRule, pane: Pane, task: Task, outcomes: WindowOutcomes, settings: PerformanceSettings, window: Window
) -> Fairness | None:
    prefix = f"{rule.attribute}="
    pane_by_group = {
        name: slice_pane
        for name, slice_pane in outcomes.slices.items()
        if name.startswith(prefix) and (_labelled(slice_pane) or kept_rows(slice_pane)[0] > 0)
    }
    counts = {
        name.removeprefix(prefix): counts_of(slice_pane, task, outcomes.unseen.get(name), outcomes.blocks_of(name))
        for name, slice_pane in pane_by_group.items()
    }
    all_rows, rows = (
        float(kept_rows(pane)[0]),
        sum(float(kept_rows(slice_pane)[0]) for slice_pane in pane_by_group.values()),
    )
    labelled = sum(map(_labelled, pane_by_group.values()))
    return judge_fairness(
        rule,
        counts,
        settings.confidence,
        rows / all_rows if rows and all_rows else None,
        labelled / _labelled(pane) if _labelled(pane) else None,
        days=has_day_blocks(window),
        windows=windows_a_month(window),
    )


def counts_of(
    pane: Pane, task: Task, unseen: UnseenDecisions | None = None, blocks: Sequence[Pane] = ()
) -> GroupCounts:
    """Return the counts of a group of a binary task for fairness, the positive class second.

    The decisions of all rows are known if the pane contains those of every prediction. ``unseen``: decisions without
    outcomes. ``blocks``: the same by block of time, with the same blocks for every group.
    """
    positive = 1 if task.positive is None else task.positive
    rows = confusion_table(pane, blocks, 2, unseen)
    labelled = None if rows is None else rows.ordered([1 - positive, positive])
    many = 0 if rows is None else rows_of(pane, float(rows.weight.sum()), "confusion")
    decided, (_, weight, squares) = predictions_of(pane, task), kept_rows(pane)
    if decided is None or weight <= 0 or not decided.any():
        return GroupCounts(labelled, many)
    nothing, weight_per_row = np.zeros(2), float(squares / weight)
    by_block = [nothing if (block_counts := predictions_of(block, task)) is None else block_counts for block in blocks]
    cells, in_time = _predicted(decided, positive), _predicted(np.array(by_block).reshape(-1, 2), positive)
    return GroupCounts(labelled, many, ConfusionTable(cells, cells * weight_per_row, in_time, in_time * weight_per_row))


def _predicted(decided: F64, positive: int) -> F64:
    """Return weights of decisions, float64 (..., 2), as confusion cells with an unknown outcome: (..., 2, 2)."""
    cells = np.zeros((*decided.shape[:-1], 2, 2))
    cells[..., 0, :] = decided[..., [1 - positive, positive]]
    return cells


def _labelled(pane: Pane) -> int:
    outcomes = pane.parts.get("outcomes")
    return 0 if outcomes is None else int(outcomes[0])
