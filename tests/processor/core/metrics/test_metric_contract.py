"""Each metric that is discovered keeps what every metric promises (``driftline_processor/testing.py``).

A metric whose ``source`` begins with "scikit-learn, FUNCTION" is compared with that function, so a new metric needs no
test of its own.
"""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import sklearn.metrics
from driftline.tables.table import F64
from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.confidence import Interval
from driftline_processor.core.metrics import METRICS, Metric, direction, title
from driftline_processor.core.metrics.confusion import mcc, value_of_cells
from driftline_processor.core.metrics.metric import Estimation, Slopes
from driftline_processor.core.metrics.name_grammar import Name
from driftline_processor.core.metrics.performance_sums import PerformanceSums
from driftline_processor.testing import TASKS, draw_rows, metric_problems, names_of
from msgspec.structs import replace

from tests.support.paths import ROOT

ALL = [pytest.param(metric, id=name) for name, metric in METRICS.items()]
PAIRS = [
    pytest.param(metric, kind, id=f"{name}-{kind}") for name, metric in METRICS.items() for kind in sorted(metric.tasks)
]
OF_ROWS = re.compile(r"scikit-learn, (\w+)")
WITHOUT_INTERVAL = ("r2", "roc_auc[b]")
"""Names without an interval here: R² has one from blocks of time alone, the area of one class of many has none."""


@pytest.mark.parametrize("metric", ALL)
def test_a_metric_says_what_it_is(metric: Metric) -> None:
    assert metric.source
    assert metric.minimum < metric.maximum
    assert direction(metric.name) == metric.direction
    assert title(metric.name) == metric.title
    assert [other.name for other in METRICS.values() if other.title == metric.title] == [metric.name]


@pytest.mark.parametrize("metric", ALL)
def test_a_metric_is_documented(metric: Metric) -> None:
    page = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")
    assert re.search(rf"`{metric.name}(@\w+)?`", page) is not None


@pytest.mark.parametrize("metric", ALL)
def test_a_metric_keeps_what_every_metric_promises(metric: Metric) -> None:
    assert metric_problems(metric) == []


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_an_interval_is_there_where_it_is_promised(metric: Metric, kind: str) -> None:
    promised = metric.gradient is not None or metric.interval is not None
    for name, value in draw_rows(kind, 6_400, 3).with_intervals(metric).items():
        assert bool(value.interval) == (promised and name not in WITHOUT_INTERVAL), name


@pytest.mark.parametrize(("metric", "kind"), PAIRS)
def test_a_value_from_rows_is_that_of_scikit_learn_where_it_is_defined_so(metric: Metric, kind: str) -> None:
    match = OF_ROWS.match(metric.source)
    rows = draw_rows(kind)
    if match is None or rows.scores is None:
        return  # defined otherwise: the tests of performance and of rankings write the definition out
    name = next(names_of(metric, kind))
    if "[" in name:
        return
    function = getattr(sklearn.metrics, match[1])
    takes = inspect.signature(function).parameters
    options: dict[str, object] = {"sample_weight": rows.weight}
    if "zero_division" in takes:
        options |= {"zero_division": np.nan} if kind == "binary" else {"zero_division": np.nan, "average": "macro"}
    options |= {"beta": 2.0} if "beta" in takes else {}
    options |= {"k": 2} if "k" in takes else {}
    options |= {"scale_by_half": False} if "scale_by_half" in takes and kind == "multiclass" else {}
    of_scores = {"y_score", "y_proba"} & takes.keys() or metric.name == "log_loss"
    of_kind = rows.scores if kind == "multiclass" else rows.scores[:, rows.scores.shape[1] // 2]
    said = of_kind if of_scores or kind == "regression" else rows.decided
    expected = function(rows.truth, said, **options)
    assert rows.of_rows(metric)[name].value == pytest.approx(expected, rel=1e-9, abs=1e-9)


OWN = replace(METRICS["mcc"], name="own", title="Own")
AREA = METRICS["roc_auc"].estimate


def ones(cells: F64) -> F64:
    return np.ones_like(cells)


def estimated(p: F64, q: F64, score: F64) -> Slopes | None:
    assert AREA is not None
    assert AREA.of_scores is not None
    found = AREA.of_scores(p, q, score)
    return None if found is None else found._replace(of_negative=found.of_positive)


def interval(*_: object) -> tuple[Interval, float]:
    return Interval(0.9, 0.95, "made up"), 9.0


def of_panes_and_rows(sums: PerformanceSums, _name: Name) -> MetricValue:
    return sums.value_of(0.5 if sums.score_order is None else 0.6, 1.0, "confusion")


PLAIN = replace(OWN, gradient=None, maximum=np.inf)
WRONG = {
    "range": (
        replace(PLAIN, maximum=0.2),
        "own of a binary model: 0.382 of 500 rows is not between the minimum, -1, and",
    ),
    "direction": (replace(OWN, direction=-1), "of better predictions; its direction says otherwise"),
    "gradient": (replace(OWN, gradient=ones), "own: its gradient at (0, 0) of 2 classes is 1, and the value moves by"),
    "weights": (
        replace(PLAIN, value=value_of_cells(lambda cells: float(cells.sum()))),
        "when every row weighs twice as much",
    ),
    "one row": (replace(PLAIN, value=lambda *_: MetricValue(np.inf, 1, "panes")), "own of 1 rows is inf"),
    "merge": (replace(PLAIN, value=of_panes_and_rows), "own of merged panes is 0.5, of their rows 0.6; its bound is 0"),
    "raises": (
        replace(PLAIN, value=value_of_cells(lambda _: 1 / 0)),
        "own of a binary model: ZeroDivisionError: division by zero",
    ),
    "interval": (replace(PLAIN, interval=interval), "which does not hold it within"),
    "decisions": (
        replace(PLAIN, estimate=Estimation(of_decisions=lambda cells: (mcc(cells), ones(cells)))),
        "own: the gradient of its estimate at (0, 0) is 1, and the value moves by",
    ),
    "scores": (
        replace(PLAIN, estimate=Estimation(of_scores=estimated)),
        "own: the slope of its estimate in negatives is",
    ),
    "outstanding": (replace(PLAIN, maximum=2.0, outstanding="row"), "outstanding needs minimum=0.0 and maximum=1.0"),
    "name": (replace(OWN, name="accuracy"), "Driftline already has a metric with this name; rename it"),
}


@pytest.mark.parametrize(("metric", "sentence"), WRONG.values(), ids=WRONG)
def test_what_a_metric_does_not_keep_is_said(metric: Metric, sentence: str) -> None:
    problems = metric_problems(metric)
    assert any(sentence in problem for problem in problems), problems
    assert "own" not in METRICS


def test_a_metric_of_a_user_that_keeps_all_has_no_problems() -> None:
    assert metric_problems(OWN) == []
    assert set(TASKS) >= OWN.tasks
