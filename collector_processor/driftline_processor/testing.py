"""Check the contract of a metric, of Driftline or your own.

    from driftline_processor.testing import metric_problems

    def test_my_metric():
        assert metric_problems(METRIC) == []

The checks draw rows for each task of the metric, and compute it as a window does: from rows, from panes and from
merged panes, on few rows and on many, with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial

import numpy as np
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.panes.relevance import Relevance, relevance_of
from driftline.tables.table import F64, I64, Column
from driftline.tables.task import KINDS, PerKind, Task
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import METRICS, Metric, declaration_problems, install_metrics, misnamed
from driftline_processor.core.metrics.name_grammar import name_with_number
from driftline_processor.core.outcomes.sums import LIST_METRICS
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.realized import from_rows, realized
from driftline_processor.core.performance.settings import PerformanceSettings

_TASKS = PerKind(
    binary=Task("binary", ("0", "1"), "1", threshold=0.4),
    multiclass=Task("multiclass", ("a", "b", "c")),
    regression=Task("regression", quantiles=(0.1, 0.5, 0.9)),
    ranking=Task("ranking"),
    unknown=Task(),
)
TASKS = {kind: _TASKS.of(Task(kind)) for kind in KINDS}
"""A task of each kind."""

CLOSE = 1e-9
"""Maximum relative difference of two values that are equal in theory."""

Values = dict[str, MetricValue]


class Rows(Struct, frozen=True, eq=False, dict=True):
    """Rows of a task with known outcomes, from a model that is somewhat better than chance."""

    task: Task
    scores: F64 | None
    truth: F64
    weight: F64
    relevance: Relevance | None = None
    value: F64 | None = None

    @property
    def actual(self) -> Column:
        """The outcomes as a column."""
        if not self.task.classes:
            return Column(numbers=self.truth)
        return Column(codes=self.truth.astype(np.int32), categories=self.task.classes)

    @property
    def decided(self) -> I64:
        """The code of the predicted class: int64 (n,)."""
        assert self.scores is not None
        if self.task.has_threshold:
            return (self.scores[:, 0] >= self.task.threshold).astype(np.int64)
        greatest: I64 = self.scores.argmax(axis=1)
        return greatest

    @cached_property
    def pane(self) -> Pane:
        """The sums of the rows."""
        return fold_outcomes(
            task=self.task,
            scores=self.scores,
            predicted=None,
            actual=self.actual,
            weight=self.weight,
            relevance=self.relevance,
            value=self.value,
        )

    def of(self, metric: Metric) -> Values:
        """Return the values of a metric from the sums of the rows."""
        return values_of_pane(metric, self.pane, self.task)

    def of_rows(self, metric: Metric) -> Values:
        """Return the values of a metric from the rows themselves."""
        columns = (self.task, self.scores, None, self.actual, self.weight, self.relevance, self.value)
        return of_metric(metric, self.task, from_rows(*columns, settings_for(metric, self.task)))

    def with_intervals(self, metric: Metric) -> Values:
        """Return the values of a metric from sums, with their intervals."""
        return with_intervals(self.of(metric), self.pane, (), self.task, settings_for(metric, self.task))


@lru_cache(maxsize=64)
def draw_rows(kind: str, n: int = 2_000, seed: int = 1, right: float = 0.3) -> Rows:
    """Draw rows of a kind of task; ``right``: quality of the scores, up to 1."""
    rng, task = np.random.default_rng(seed), TASKS[kind]
    weight, value = rng.uniform(0.5, 2.0, n), rng.normal(1.0, 1.0, n)
    if task.ranks_items:
        lists = [(rng.random(12) < 0.2 + 0.5 * right * (np.arange(12) < 3)).tolist() for _ in range(n)]
        return Rows(task, None, np.zeros(n), weight, relevance_of(lists), value)
    if task.predicts_number:
        truth = rng.normal(5.0, 1.0, n)
        middle = right * truth + (1 - right) * rng.normal(5.0, 1.0, n)
        return Rows(task, middle[:, np.newaxis] + [-1.0, 0.0, 1.0], truth, weight, None, value)
    k = len(task.classes)
    codes = rng.integers(0, k, n)
    noise = rng.dirichlet(np.ones(k), n)
    scores = right * np.eye(k)[codes] + (1 - right) * noise
    return Rows(task, scores[:, 1:] if task.has_threshold else scores, codes.astype(np.float64), weight, None, value)


def names_of(metric: Metric, kind: str) -> Iterator[str]:
    """Yield the names of a metric for a kind of task, each with a valid number or class."""
    task = TASKS[kind]
    number = None
    if task.ranks_items and metric.name in LIST_METRICS.values():
        number = 5.0
    elif metric.argument is not None:
        number = 2.0 if metric.argument.valid(2.0) else metric.argument.example
    for base in metric.bases_for(kind):
        name = base if number is None else name_with_number(base, number)
        if not (task.has_class_scores and base == "roc_auc"):  # multiclass has one value per class, or roc_auc_ovr
            yield name
        if task.has_class_scores and metric.of_class and base == metric.name:
            yield f"{name}[b]"


def settings_for(metric: Metric, task: Task) -> PerformanceSettings:
    """Return performance settings with a metric."""
    costs = {task.classes[0]: {task.classes[1]: 3.0}} if task.classes else {}
    return PerformanceSettings(metrics=tuple(names_of(metric, task.kind)), costs=costs)


def values_of_pane(metric: Metric, pane: Pane, task: Task) -> Values:
    """Return the values of a metric from sums."""
    return of_metric(metric, task, realized(pane, task, settings_for(metric, task)))


def of_metric(metric: Metric, task: Task, values: Values) -> Values:
    """Return the values of one metric among those of all."""
    return {name: values[name] for name in names_of(metric, task.kind) if name in values}


def metric_problems(metric: Metric) -> list[str]:
    """Return the violations of a metric's contract, one sentence each.

    Args:
        metric: The metric, of Driftline or your own. It need not be installed.

    >>> from msgspec.structs import replace
    >>> metric_problems(METRICS["mcc"])
    []
    >>> metric_problems(replace(METRICS["mcc"], name="my_mcc", maximum=0.2))[0]
    'my_mcc of a binary model: 0.382 of 500 rows is not between the minimum, -1, and the maximum, 0.2'
    """
    is_builtin = METRICS.get(metric.name) is metric
    problems = [] if is_builtin else list(declaration_problems(metric))
    if problems:
        return problems
    name, kinds = metric.name, sorted(metric.tasks & TASKS.keys())
    checks = [(f"{name} of a {kind} model", partial(check, metric, kind)) for kind in kinds for check in CHECKS]
    checks += [
        (name, partial(check, metric))
        for check in (gradient_problems, estimate_problems, constant_problems, outstanding_problems)
    ]
    with _installed(metric):
        for rows_name, check in checks:
            try:
                problems += [f"{rows_name}: {problem}" for problem in check()]
            except Exception as error:
                problems.append(f"{rows_name}: {type(error).__name__}: {error}")
    return problems


@contextmanager
def _installed(metric: Metric) -> Iterator[None]:
    """Add a metric to the catalogue during its check."""
    before = tuple(METRICS.values())
    if metric not in before:
        install_metrics((*before, metric))
    try:
        yield
    finally:
        install_metrics(before)


def constant_problems(metric: Metric) -> Iterator[str]:
    """Yield a problem if nothing says which of its values is without skill, so that the margin would be too large."""
    if metric.direction > 0 and -math.inf < metric.minimum < 0.0 and metric.constant is None:
        yield "it can be negative, so add the value for a constant prediction, such as constant=0.0"


def outstanding_problems(metric: Metric) -> Iterator[str]:
    """Yield a problem if the bounds of outstanding outcomes do not hold, see :class:`.core.metrics.metric.Metric`."""
    if metric.outstanding is not None and (metric.minimum, metric.maximum) != (0.0, 1.0):
        yield "outstanding needs minimum=0.0 and maximum=1.0"


def name_problems(metric: Metric, kind: str) -> Iterator[str]:
    """Yield problems of its names: at least one is required, and each must be valid in a configuration."""
    names = list(names_of(metric, kind))
    if not names:
        yield "the metric has no name"
    yield from (problem for name in names if (problem := misnamed(name, kind)))


def merge_problems(metric: Metric, kind: str) -> Iterator[str]:
    """Yield differences, beyond its bound, between the value of merged panes and that of their rows together."""
    if metric.of_pane:
        return
    parts = [draw_rows(kind, 300, seed) for seed in range(4)]
    task = parts[0].task
    merged = values_of_pane(metric, merge([rows.pane for rows in parts]), task)
    if task.ranks_items:
        yield from (
            f"{name} has a bound, but lists are counted exactly" for name, value in merged.items() if value.bound != 0
        )
        return
    merged_rows = Rows(
        task,
        np.concatenate([rows.scores for rows in parts if rows.scores is not None]),
        np.concatenate([rows.truth for rows in parts]),
        np.concatenate([rows.weight for rows in parts]),
        value=np.concatenate([rows.value for rows in parts if rows.value is not None]),
    )
    exact = merged_rows.of_rows(metric)
    if merged.keys() != exact.keys():
        yield f"from panes it has {sorted(merged)}, from rows {sorted(exact)}"
    for name, value in merged.items():
        of_rows = exact.get(name, value)
        if not _same(value.value, of_rows.value, value.bound):
            yield f"{name} of merged panes is {value.value}, of their rows {of_rows.value}; its bound is {value.bound}"
        if value.rows != of_rows.rows:
            yield f"{name} of merged panes is of {value.rows} rows, not of {of_rows.rows}"


def range_problems(metric: Metric, kind: str) -> Iterator[str]:
    """Yield values out of range, and values that change when all weights are doubled."""
    rows = draw_rows(kind, 500, 4)
    heavier = replace(rows, weight=rows.weight * 2).of(metric)
    for name, value in rows.of(metric).items():
        if value.value is None:
            yield f"{name} of 500 rows has no value"
            continue
        if not metric.minimum <= value.value <= metric.maximum:
            yield (
                f"{value.value:.3g} of 500 rows is not between the minimum, {metric.minimum:g}, "
                f"and the maximum, {metric.maximum:g}"
            )
        twice = heavier[name].value
        adds_up = metric.unit in ("cost", "value") and _same(twice, 2 * value.value, value.bound)
        if not adds_up and not _same(twice, value.value, value.bound):
            yield f"{name} is {value.value:.6g}, and {twice} when every row weighs twice as much"


def degenerate_problems(metric: Metric, kind: str) -> Iterator[str]:
    """Yield values without rows or weight, and values of one or two rows that are not finite."""
    for n in (0, 1, 2):
        for weight in (0.0, 1.0):
            drawn_rows = draw_rows(kind, n, 2)
            truth = np.zeros(n) if drawn_rows.task.classes else drawn_rows.truth
            degenerate_rows = replace(drawn_rows, truth=truth, weight=np.full(n, weight)).with_intervals(metric)
            for name, value in degenerate_rows.items():
                if n == 0 or weight == 0:
                    yield f"{name} of {n} rows of weight {weight:g} is {value.value}; return None"
                elif value.value is not None and not math.isfinite(value.value):
                    yield f"{name} of {n} rows is {value.value}"
                elif value.value is None and (value.low, value.high) != (None, None):
                    yield f"{name} of {n} rows has an interval but no value"


def interval_problems(metric: Metric, kind: str) -> Iterator[str]:
    """Yield intervals that exclude their value, leave the range, or do not shrink with sixteen times the rows."""
    few, many = (draw_rows(kind, n, 3).with_intervals(metric) for n in (400, 6_400))
    for name, value in many.items():
        if metric.gradient is not None and metric.interval is None and not value.interval:
            yield f"{name} has a gradient but no interval"
    for name, value in few.items():
        if value.value is None or value.low is None or value.high is None:
            continue
        ends = f"{name} of 400 rows is {value.value:.6g} with an interval from {value.low:.6g} to {value.high:.6g}"
        if not metric.minimum - 1e-12 <= value.low <= value.value <= value.high <= metric.maximum + 1e-12:
            yield f"{ends}, which does not hold it within {metric.minimum:g} and {metric.maximum:g}"
        more = many[name]
        if more.low is None or more.high is None or value.effective_rows is None:
            yield f"{ends}, and none of 6,400 rows"
        elif more.high - more.low >= 0.6 * _rows_add_up(metric, more, value) * (value.high - value.low):
            yield f"{ends}, and from {more.low:.6g} to {more.high:.6g} of 6,400, which is not much shorter"


def direction_problems(metric: Metric, kind: str) -> Iterator[str]:
    """Yield better predictions with a value that is worse by its direction."""
    if TASKS[kind].ranks_items or metric.unit == "value":
        return  # lists are drawn without a model, and values do not depend on predictions
    worse, better = (draw_rows(kind, 500, 4, right).of(metric) for right in (0.2, 0.9))
    for name, value in better.items():
        before = worse[name].value
        if value.value is not None and before is not None and (value.value - before) * metric.direction < 0:
            yield f"{name} is {before:.4g}, and {value.value:.4g} of better predictions; its direction says otherwise"


CHECKS = (
    name_problems,
    merge_problems,
    range_problems,
    degenerate_problems,
    interval_problems,
    direction_problems,
)
"""The checks of a metric for a kind of task."""


def gradient_problems(metric: Metric) -> Iterator[str]:
    """Yield differences between the gradient and a numerical one, for the confusion matrix of each kind of task."""
    if metric.gradient is None:
        return
    for kind in sorted(metric.tasks & {"binary", "multiclass"}):
        task, k = TASKS[kind], len(TASKS[kind].classes)
        cells = np.random.default_rng(5).uniform(2, 20, (k, k))

        def value(confusion: F64, task: Task = task) -> float | None:
            pane = Pane({"outcomes": np.full(3, confusion.sum()), "confusion": confusion.ravel()})
            return values_of_pane(metric, pane, task)[metric.name].value

        slopes = metric.gradient(cells)
        for index, step in _steps(cells):
            ends = value(cells + step), value(cells - step)
            yield from _slope_problem(f"its gradient at {index} of {k} classes", slopes[index], *ends)


def estimate_problems(metric: Metric) -> Iterator[str]:
    """Yield differences between the slopes of an estimate and numerical ones."""
    estimate, rng = metric.estimate, np.random.default_rng(6)
    if estimate is None:
        return
    if estimate.of_decisions is not None:
        cells = rng.uniform(2, 20, (2, 2))
        slopes = estimate.of_decisions(cells)[1]
        for index, step in _steps(cells):
            above, below = (estimate.of_decisions(cells + side * step)[0] for side in (1, -1))
            yield from _slope_problem(f"the gradient of its estimate at {index}", slopes[index], above, below)
    if estimate.of_scores is not None:
        p, q = rng.uniform(1, 9, (2, 12))
        score, step = np.linspace(0.05, 0.95, 12), np.zeros(12)
        step[4] = _STEP
        estimated = estimate.of_scores(p, q, score)
        if estimated is None:
            yield "its estimate has no value for twelve bins with positives and negatives"
            return
        for case_name, moved, of_bins in (
            ("positives", (step, 0 * step), estimated.of_positive),
            ("negatives", (0 * step, step), estimated.of_negative),
        ):
            more, less = (estimate.of_scores(p + s * moved[0], q + s * moved[1], score) for s in (1, -1))
            ends = (None if end is None else end.value for end in (more, less))
            yield from _slope_problem(f"the slope of its estimate in {case_name}", of_bins[4], *ends)


_STEP = 1e-4


def _steps(cells: F64) -> Iterator[tuple[tuple[int, int], F64]]:
    for index in np.ndindex(cells.shape):
        step = np.zeros_like(cells)
        step[index] = _STEP
        yield (int(index[0]), int(index[1])), step


def _slope_problem(case_name: str, slope: float, above: float | None, below: float | None) -> Iterator[str]:
    moved = math.nan if above is None or below is None else (above - below) / (2 * _STEP)
    if not abs(slope - moved) <= 1e-6 * max(1.0, abs(moved)):
        yield f"{case_name} is {slope:.6g}, and the value moves by {moved:.6g}"


def _same(value: float | None, other_value: float | None, bound: float) -> bool:
    if value is None or other_value is None:
        return value is other_value
    return abs(value - other_value) <= max(CLOSE * abs(other_value), CLOSE + bound)


def _rows_add_up(metric: Metric, more: MetricValue, fewer: MetricValue) -> float:
    """Return the ratio of the values with more and with fewer rows for a sum over rows, else 1."""
    if metric.unit not in ("cost", "value") or not more.value or not fewer.value:
        return 1.0
    return abs(more.value / fewer.value)
