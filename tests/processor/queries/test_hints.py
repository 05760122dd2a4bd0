"""A baseline of rows that the model was trained on: every window since does worse."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.performance import LabelSla, Performance
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, MetricValue, ObjectiveState
from driftline_processor.core.verdict.training_rows import never_as_good
from driftline_processor.core.windows.window import Window
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.ingest.changes import SeriesTotals
from driftline_processor.queries.hints import ModelSummary, hints
from driftline_processor.store.series import Series
from msgspec.structs import replace

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, baseline, outcomes, predictions
from tests.support.unwrap import unwrap


def window(
    now: float | None,
    was: float = 0.9,
    name: str = "roc_auc",
    rows: int = 200,
    closed: bool = True,
    low: float | None = None,
) -> Evaluation:
    return Evaluation(
        ModelKey("m"),
        Window("1d", 0, DAY),
        rows,
        closed,
        realized={name: MetricValue(now, rows, "rows", low=low)},
        reference={name: MetricValue(was, 1_000, "panes")},
        outcome_rows=rows,
    )


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([window(0.8)] * 8, facts.NeverAsGood("roc_auc", 0.9, 0.8, 8)),
        ([window(0.8)] * 9 + [window(0.7)] * 3, facts.NeverAsGood("roc_auc", 0.9, 0.8, 12)),
        ([window(3.0, 2.0, "rmse"), *[window(2.5, 2.0, "rmse")] * 7], facts.NeverAsGood("rmse", 2.0, 2.5, 8)),
        ([window(0.8)] * 7, None),
        ([window(0.8)] * 8 + [window(0.91)], None),
        ([window(0.8)] * 7 + [window(0.8, closed=False)], None),
        ([window(0.8)] * 7 + [window(0.8, rows=99)], None),
        ([window(0.8)] * 7 + [window(None)], None),
        ([window(1.9, 2.0, "rmse")] * 8, None),
        ([window(0.8, low=0.7)] * 8, facts.NeverAsGood("roc_auc", 0.9, 0.8, 8)),
        ([window(0.52, low=0.48)] * 8, None),
    ],
)
def test_only_what_every_window_says_counts(windows: list[Evaluation], found: facts.NeverAsGood | None) -> None:
    assert never_as_good(windows) == found


@pytest.mark.parametrize(("limit", "named"), [(0.88, 1), (0.7, 0)])
def test_a_limit_that_the_baseline_itself_breaks_is_a_hint(limit: float, named: int) -> None:
    of_baseline = {"accuracy": MetricValue(0.9, 1_000, "panes", low=0.87, high=0.93)}
    rule = f"accuracy >= {limit}"
    broken = ObjectiveState("accuracy", rule, "met", 0.9, 0.86, 0.94, 200, limit=limit)
    windows = {"1d": [replace(window(0.9, name="accuracy"), reference=of_baseline, objectives=(broken,))]}
    series = Series(1, ModelKey("m"), Task("binary"))
    summary = ModelSummary(series, Model(), None, 0, SeriesTotals(), 200, 0, None, windows=windows)
    assert sum(rule in hint for hint in hints(summary)) == named


@pytest.mark.parametrize("is_long", [False, True])
def test_an_outcome_that_has_just_overtaken_its_prediction_is_no_hint(*, is_long: bool) -> None:
    series = Series(1, ModelKey("m"), Task("binary"))
    summary = ModelSummary(series, Model(), None, 0, SeriesTotals(), 200, 3, None, is_pending_long=is_long)
    assert any("3 outcomes wait for a prediction of m" in hint for hint in hints(summary)) is is_long


def test_a_minute_decides_whether_an_outcome_has_waited_for_long(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], clock.now, [0.5]))
    state.send(outcomes(["a", "b"], [1, 0], clock.now))

    def waits(seconds: int) -> bool:
        clock.now += seconds * 10**9
        state.send(predictions([f"later-{clock.now}"], clock.now, [0.5]))
        return any("1 outcome waits" in hint for hint in state.view().hints)

    assert not waits(30)
    assert waits(60)


@pytest.mark.slow
def test_the_page_says_so_and_stops_when_one_window_is_as_good(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 30 * DAY
    scores = [0.1, 0.9] * 300
    trained = baseline(scores, {"x": scores}, actual=[0, 1] * 300)
    state.send(baselines=[trained.to_json()])

    def day(at: int, wrong: int) -> None:
        ids = [f"{at}-{row}" for row in range(200)]
        said = [0.1, 0.9] * 100
        state.send(predictions(ids, NOON + at * DAY, said, features={"x": said}))
        truth = [float(row % 2) if row >= wrong else 1.0 - row % 2 for row in range(200)]
        state.send(outcomes(ids, truth, NOON + at * DAY))

    for at in range(8):
        day(at, 40)
    day(9, 40)  # closes the eighth
    said = (
        "with outcomes perform worse than the rows of its baseline (ROC AUC 1 in the baseline, "
        "0.8 at best since then): if the model "
        "was trained on these rows, build the baseline from other rows."
    )
    assert any(said in hint for hint in state.view().hints)
    day(10, 0)
    day(12, 0)
    assert not any(said in hint for hint in state.view().hints)


WEEK = LabelSla(within=timedelta(days=7), coverage=0.5)
DAILY = Model(windows=("1d",), performance=Performance(label_sla=WEEK))


@pytest.mark.slow
def test_delays_are_restated_and_judged(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    state.send(predictions(["a", "b", "c"], NOON), outcomes(["a", "b"], [1, 1], [NOON + HOUR, NOON + 8 * DAY]))
    clock.now += 3 * DAY
    state.send(predictions([f"later-{i}" for i in range(300)], NOON + 3 * DAY))
    first = state.view().windows["1d"][0]
    assert first.delay is not None
    assert (first.delay.rows, first.delay.median, first.delay.p99) == (2, 3_600, 10 * 86_400)
    assert first.label_sla is not None
    assert (first.label_sla.state, first.label_sla.low) == ("inconclusive", 1 / 3)

    state.send(outcomes(["b", "c"], [1, 0], [NOON + 9 * DAY, NOON + 2 * HOUR]))  # said again later: it came later
    state = open_state(churn=DAILY)
    found = state.view()
    first = found.windows["1d"][0]
    assert first.label_sla is not None
    assert (first.label_sla.state, first.label_sla.low) == ("met", 2 / 3)
    shown = {
        (
            p.metric,
            dict(p.attributes).get("driftline.state"),
            dict(p.attributes).get("driftline.outcome.quantile"),
        ): p.value
        for p in points(state.state)
    }
    assert shown["driftline.outcome.sla.status", "met", None] == 1.0
    assert shown["driftline.outcome.delay", None, "0.5"] == 7_200


@pytest.mark.slow
def test_what_is_said_again_later_counts_as_late(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    clock.now += 9 * DAY
    state.send(predictions(["a"], NOON), outcomes(["a"], [1], NOON + HOUR))
    state.send(outcomes(["a"], [1], NOON + 8 * DAY))
    found = unwrap(state.view().windows["1d"][0].delay)
    assert found is not None
    assert (found.rows, found.median) == (1, 10 * 86_400)


@pytest.mark.slow
def test_what_is_said_again_later_counts_as_late_beside_what_is_taken_back(open_state: Open, clock: Clock) -> None:
    """A row fewer is kept of the hour than was added to it, until its minutes are made anew."""
    state = open_state(churn=DAILY.model_copy(update={"slices": ("country",)}))
    clock.now += 9 * DAY
    country: dict[str, Sequence[object]] = {"country": ["NL", "DE"]}
    state.send(predictions(["a", "b"], [NOON, NOON + 10 * MINUTE], slices=country))
    state.send(outcomes(["a", "b"], [1, 1], NOON + HOUR))
    state.state.settle()
    state.send(outcomes(["a", "b"], [1, 1], NOON + 8 * DAY, retracted=[False, True]))
    found = unwrap(state.view().windows["1d"][0].delay)
    assert (found.rows, found.median) == (1, 10 * 86_400)
