"""What every metric promises: one list of checks, through which each that is discovered is put.

A metric whose ``source`` begins with "scikit-learn, FUNCTION" is compared with that function, so a new metric needs no
test of its own.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import sklearn.metrics
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.panes.relevance import Relevance, relevance_of
from driftline.tables.table import F64, I64, Column
from driftline.tables.task import Task
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.metrics import METRICS, Metric, direction, misnamed, title
from driftline_processor.core.metrics.names import name_with_number
from driftline_processor.core.performance import from_rows, realized
from driftline_processor.core.performance.metric_intervals import with_intervals
from driftline_processor.core.performance.settings import PerformanceSettings

from tests.support.paths import ROOT

ALL = [pytest.param(metric, id=name) for name, metric in METRICS.items()]
TASKS = {
    "binary": Task("binary", ("0", "1"), "1", threshold=0.4),
    "multiclass": Task("multiclass", ("a", "b", "c")),
    "regression": Task("regression", quantiles=(0.1, 0.5, 0.9)),
    "ranking": Task("ranking"),
}
PAIRS = [
    pytest.param(metric, kind, id=f"{name}-{kind}") for name, metric in METRICS.items() for kind in sorted(metric.tasks)
]
OF_ROWS = re.compile(r"scikit-learn, (\w+)")
WITHOUT_INTERVAL = ("r2", "roc_auc[b]")
"""Names without an interval here: R² has one from blocks of time alone, the area of one class of many has none."""

TOTALS = ("cost", "value")
"""Metrics that grow with the weight of the rows."""


@dataclass
class Rows:
    """Rows of a task whose outcomes are known; a model that is right somewhat more often than not."""

    task: Task
    scores: F64 | None
    truth: F64
    weight: F64
    relevance: Relevance | None = None
    value: F64 | None = None

    @property
    def actual(self) -> Column:
        if not self.task.classes:
            return Column(numbers=self.truth)
        return Column(codes=self.truth.astype(np.int32), labels=self.task.classes)

    @property
    def decided(self) -> I64:
        assert self.scores is not None
        if self.task.kind == "binary":
            return (self.scores[:, 0] >= self.task.threshold).astype(np.int64)
        greatest: I64 = self.scores.argmax(axis=1)
        return greatest

    def asked(self) -> PerformanceSettings:
        costs = {self.task.classes[0]: {self.task.classes[1]: 3.0}} if self.task.classes else {}
        return PerformanceSettings(metrics=tuple(names_of(self.task.kind)), costs=costs)

    def measured(self) -> dict[str, MetricValue]:
        told = (self.task, self.scores, None, self.actual, self.weight, self.relevance, self.value)
        return from_rows(*told, asked=self.asked())

    def folded(self) -> Pane:
        return fold_outcomes(self.task, self.scores, None, self.actual, self.weight, self.relevance, self.value)

    def summed(self) -> dict[str, MetricValue]:
        return realized(self.folded(), self.task, self.asked())

    def bounded(self) -> dict[str, MetricValue]:
        return with_intervals(self.summed(), self.folded(), (), self.task, self.asked())


def drawn(kind: str, n: int = 2_000, seed: int = 1, right: float = 0.3) -> Rows:
    """Draw rows; ``right``: how much of the truth is in the scores, up to 1."""
    rng, task = np.random.default_rng(seed), TASKS[kind]
    weight, value = rng.uniform(0.5, 2.0, n), rng.normal(1.0, 1.0, n)
    if kind == "ranking":
        relevance = relevance_of(
            [(rng.random(12) < 0.2 + 0.5 * right * (np.arange(12) < 3)).tolist() for _ in range(n)]
        )
        return Rows(task, None, np.zeros(n), weight, relevance, value)
    if kind == "regression":
        truth = rng.normal(5.0, 1.0, n)
        middle = right * truth + (1 - right) * rng.normal(5.0, 1.0, n)
        return Rows(task, middle[:, np.newaxis] + [-1.0, 0.0, 1.0], truth, weight, None, value)
    k = len(task.classes)
    codes = rng.integers(0, k, n)
    noise = rng.dirichlet(np.ones(k), n)
    scores = right * np.eye(k)[codes] + (1 - right) * noise
    return Rows(task, scores[:, 1:] if kind == "binary" else scores, codes.astype(np.float64), weight, None, value)


def numbers_of(metric: Metric, kind: str) -> tuple[float | None, ...]:
    """The numbers behind ``@`` with which a metric is looked at."""
    if kind == "ranking" and metric.name not in ("ctr", "cost", "cost_per_prediction", "value", "value_per_prediction"):
        return (5.0,)
    if metric.argument is None:
        return (None,)
    return (2.0,) if metric.name == "top_k_accuracy" else (metric.argument.example,)


def names_of(kind: str, only: Metric | None = None) -> Iterator[str]:
    for metric in METRICS.values() if only is None else (only,):
        for base in metric.bases_for(kind):
            for number in numbers_of(metric, kind):
                plain = base if number is None else name_with_number(base, number)
                if not (kind == "multiclass" and base == "roc_auc"):
                    yield plain
                if kind == "multiclass" and metric.of_class and base == metric.name:
                    yield f"{plain}[b]"


def of(metric: Metric, kind: str, found: dict[str, MetricValue]) -> dict[str, MetricValue]:
    return {name: found[name] for name in names_of(kind, metric) if name in found}


MEASURED = {kind: drawn(kind) for kind in TASKS}


@cache
def bounded(kind: str, n: int) -> dict[str, MetricValue]:
    return drawn(kind, n, 3).bounded()


@cache
def summed(kind: str, weight: float = 1.0, right: float = 0.3) -> dict[str, MetricValue]:
    rows = drawn(kind, 500, 4, right)
    return replace(rows, weight=rows.weight * weight).summed()


@cache
def measured(kind: str) -> dict[str, MetricValue]:
    return MEASURED[kind].measured()


@cache
def merged_and_whole(kind: str) -> tuple[dict[str, MetricValue], dict[str, MetricValue]]:
    """The metrics of four merged panes, and of their rows together."""
    rows = [drawn(kind, 300, seed) for seed in range(4)]
    asked, task = rows[0].asked(), rows[0].task
    found = realized(merge([one.folded() for one in rows]), task, asked)
    whole = Rows(
        task,
        None if rows[0].scores is None else np.concatenate([one.scores for one in rows if one.scores is not None]),
        np.concatenate([one.truth for one in rows]),
        np.concatenate([one.weight for one in rows]),
        value=np.concatenate([one.value for one in rows if one.value is not None]),
    )
    return found, {} if kind == "ranking" else whole.measured()


@pytest.mark.parametrize("metric", ALL)
def test_a_metric_says_what_it_is(metric: Metric) -> None:
    assert metric.title
    assert metric.unit
    assert metric.source
    assert metric.tasks
    assert metric.least < metric.greatest
    assert direction(metric.name) == metric.direction
    assert title(metric.name) == metric.title
    assert [one.name for one in METRICS.values() if one.title == metric.title] == [metric.name]


@pytest.mark.parametrize("metric", ALL)
def test_a_metric_is_documented(metric: Metric) -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    assert re.search(rf"`{metric.name}(@\w+)?`", page) is not None


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_its_names_may_be_asked_for(metric: Metric, kind: str) -> None:
    names = list(names_of(kind, metric))
    assert names
    assert [misnamed(name, kind) for name in names] == [""] * len(names)


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_a_value_from_rows_is_that_of_scikit_learn_where_it_is_defined_so(metric: Metric, kind: str) -> None:
    match = OF_ROWS.match(metric.source)
    rows = MEASURED[kind]
    if match is None or rows.scores is None:
        return  # defined otherwise: the tests of performance and of rankings write the definition out
    name = next(names_of(kind, metric))
    if "[" in name:
        return
    function = getattr(sklearn.metrics, match[1])
    takes = inspect.signature(function).parameters
    options: dict[str, object] = {"sample_weight": rows.weight}
    if "zero_division" in takes:
        options |= {"zero_division": np.nan} if kind == "binary" else {"zero_division": np.nan, "average": "macro"}
    options |= {"beta": numbers_of(metric, kind)[0]} if "beta" in takes else {}
    options |= {"k": 2} if "k" in takes else {}
    options |= {"scale_by_half": False} if "scale_by_half" in takes and kind == "multiclass" else {}
    of_scores = {"y_score", "y_proba"} & takes.keys() or metric.name == "log_loss"
    of_kind = rows.scores if kind == "multiclass" else rows.scores[:, rows.scores.shape[1] // 2]
    said = of_kind if of_scores or kind == "regression" else rows.decided
    expected = function(rows.truth, said, **options)
    assert measured(kind)[name].value == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_a_value_from_merged_panes_is_that_of_the_rows_within_its_bound(metric: Metric, kind: str) -> None:
    found, exact = (of(metric, kind, values) for values in merged_and_whole(kind))
    if kind == "ranking":
        assert all(value.bound == 0 for value in found.values())
        return
    assert found.keys() == exact.keys()
    for name, value in found.items():
        assert value.value == pytest.approx(exact[name].value, rel=1e-9, abs=1e-9 + value.bound), name
        assert value.rows == exact[name].rows


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_a_value_is_in_its_range_and_weights_count_only_beside_each_other(metric: Metric, kind: str) -> None:
    found, heavier = of(metric, kind, summed(kind)), summed(kind, weight=2.0)
    for name, value in found.items():
        assert value.value is not None
        assert metric.least <= value.value <= metric.greatest
        times = 2 if name in TOTALS else 1
        assert heavier[name].value == pytest.approx(value.value * times, rel=1e-9, abs=value.bound)


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_no_rows_one_row_and_rows_of_no_weight_are_unknown_or_finite(
    metric: Metric, kind: str, n: int, weight: float
) -> None:
    rows = drawn(kind, n, 2)
    if len(rows.task.classes):
        rows.truth[:] = 0
    rows.weight[:] = weight
    for name, value in of(metric, kind, rows.bounded()).items():
        assert n > 0, name
        assert weight > 0, name
        assert value.value is None or math.isfinite(value.value)
        assert value.value is not None or (value.low, value.high) == (None, None)


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_an_interval_holds_its_value_stays_in_range_and_is_shorter_of_more_rows(metric: Metric, kind: str) -> None:
    few, many = (of(metric, kind, bounded(kind, n)) for n in (400, 6_400))
    promised = metric.gradient is not None or metric.interval is not None
    for name, value in many.items():
        assert bool(value.interval) == (promised and name not in WITHOUT_INTERVAL), name
    for name, value in few.items():
        if value.low is None or value.high is None:
            continue
        assert value.value is not None
        assert metric.least - 1e-12 <= value.low <= value.value <= value.high <= metric.greatest + 1e-12, name
        assert value.effective_rows is not None
        more = many[name]
        assert more.low is not None
        assert more.high is not None
        times = 16 if name in TOTALS else 1
        assert more.high - more.low < 0.6 * times * (value.high - value.low), name


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_a_better_prediction_makes_it_no_worse(metric: Metric, kind: str) -> None:
    worse, better = (of(metric, kind, summed(kind, right=right)) for right in (0.2, 0.9))
    for name, value in better.items():
        before = worse[name].value
        assert value.value is not None
        assert before is not None
        if kind != "ranking" and not name.startswith("value"):
            assert (value.value - before) * metric.direction >= 0, name


def steps(cells: F64) -> Iterator[tuple[tuple[int, int], F64, float]]:
    for at in np.ndindex(cells.shape):
        step = np.zeros_like(cells)
        step[at] = 1e-4
        yield (int(at[0]), int(at[1])), step, 2e-4


@pytest.mark.parametrize("metric", [one for one in ALL if METRICS[str(one.id)].gradient is not None])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_gradient_is_how_the_value_moves(metric: Metric, kind: str) -> None:
    task, k = TASKS[kind], len(TASKS[kind].classes)
    cells = np.random.default_rng(5).uniform(2, 20, (k, k))
    assert metric.gradient is not None
    slopes = metric.gradient(cells)

    def value(confusion: F64) -> float:
        outcomes = np.full(3, confusion.sum())
        pane = Pane({"outcomes": outcomes, "confusion": confusion.ravel()})
        found = realized(pane, task, PerformanceSettings(metrics=(metric.name,)))[metric.name].value
        assert found is not None
        return found

    for at, step, apart in steps(cells):
        assert slopes[at] == pytest.approx((value(cells + step) - value(cells - step)) / apart, abs=1e-7)


@pytest.mark.parametrize("metric", ALL)
def test_an_estimate_moves_as_its_slopes_say(metric: Metric) -> None:
    estimate, rng = metric.estimate, np.random.default_rng(6)
    if estimate is None:
        return
    if estimate.of_decisions is not None:
        cells = rng.uniform(2, 20, (2, 2))
        slopes = estimate.of_decisions(cells)[1]
        for at, step, apart in steps(cells):
            above, below = (estimate.of_decisions(cells + side * step)[0] for side in (1, -1))
            assert above is not None
            assert below is not None
            assert slopes[at] == pytest.approx((above - below) / apart, abs=1e-7)
    if estimate.of_scores is not None:
        p, q = rng.uniform(1, 9, (2, 12))
        score = np.linspace(0.05, 0.95, 12)
        found = estimate.of_scores(p, q, score)
        assert found is not None
        step = np.zeros(12)
        step[4] = 1e-4
        for moved, slopes in (((step, 0 * step), found.of_positive), ((0 * step, step), found.of_negative)):
            more, less = (estimate.of_scores(p + s * moved[0], q + s * moved[1], score) for s in (1, -1))
            assert more is not None
            assert less is not None
            assert slopes[4] == pytest.approx((more.value - less.value) / 2e-4, abs=1e-6)
