"""Distributions instead of rows, sent or counted by the SDK: drift, volume and states are those of the rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.export.pipeline import pipeline_of
from driftline.panes.bins import CategoryBins, NumberBins, count
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import F64, Column
from driftline_processor.config.model import Model
from driftline_processor.ingest import transaction
from driftline_processor.state import State
from driftline_processor.store.cumulative_streams import Streams
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from tests.support.metric_requests import (
    CUMULATIVE,
    DELTA,
    exponential_of,
    histogram_of,
    metrics_body,
    predictions_of,
    sum_of,
)
from tests.support.service import Service
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, MINUTE, NOON, Clock, Opened, baseline, config, outcomes, predictions
from tests.support.unwrap import unwrap

RNG = np.random.default_rng(7)
REFERENCE = {
    "age": RNG.normal(40, 12, 5_000).tolist(),
    "region": RNG.choice(["north", "south", "west"], 5_000).tolist(),
}
BASELINE = baseline(RNG.beta(2, 5, 5_000).tolist(), REFERENCE, version="1")


def submit(state: Opened, body: bytes) -> None:
    state.state.submit("metrics", body).result(60)


def histogram_over(name: str, bins: NumberBins, values: F64, said: dict[str, str], start: int, time: int) -> Metric:
    counts = count(bins, Column(numbers=values))[: bins.size]
    return histogram_of(name, np.nextafter(bins.edges, -np.inf), counts, said, start=start, time=time)


def distributions(
    known: Baseline, rows: Mapping[str, Sequence[object]], scores: F64, start: int, time: int
) -> list[Metric]:
    """Return what the SDK sends of rows whose features are ``rows`` and whose scores are ``scores``."""
    durations = np.zeros(len(DURATION_BOUNDS) + 1)
    durations[3] = len(scores)
    made = [histogram_of(m.ML_PREDICT_DURATION, DURATION_BOUNDS, durations, start=start, time=time, sum=0.5)]
    assert isinstance(known.bins.score, NumberBins)
    made.append(histogram_over(m.DRIFTLINE_PREDICTION_SCORE, known.bins.score, scores, {}, start, time))
    for name, values in rows.items():
        bins = known.bins.features[name]
        said = {a.DRIFTLINE_FEATURE_NAME: name}
        if isinstance(bins, NumberBins):
            numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
            made.append(histogram_over(m.DRIFTLINE_FEATURE_DISTRIBUTION, bins, numbers, said, start, time))
            missing = int(np.isnan(numbers).sum())
            if missing:
                made.append(sum_of(m.DRIFTLINE_FEATURE_MISSING_VALUES, missing, said, start=start, time=time))
        else:
            labels, counts = np.unique(np.array(values, dtype=str), return_counts=True)
            for label, n in zip(labels.tolist(), counts.tolist(), strict=True):
                category = {**said, a.DRIFTLINE_FEATURE_CATEGORY: label}
                made.append(sum_of(m.DRIFTLINE_FEATURE_CATEGORIES, n, category, start=start, time=time))
    decided = int((scores >= 0.5).sum())
    made.append(predictions_of(decided, "1", start=start, time=time))
    made.append(predictions_of(len(scores) - decided, "0", start=start, time=time))
    return made


@pytest.mark.slow
def test_the_same_rows_give_the_same_numbers_with_and_without_their_records(open_state: Open, clock: Clock) -> None:
    rng = np.random.default_rng(8)
    ages: list[object] = [None if rng.random() < 0.02 else float(age) for age in rng.normal(46, 12, 4_000)]
    rows: dict[str, Sequence[object]] = {"age": ages, "region": rng.choice(["north", "south", "east"], 4_000).tolist()}
    scores = rng.beta(2, 4, 4_000)
    state = open_state()
    clock.now = NOON + HOUR
    state.send(baselines=[BASELINE.to_json()])
    state.send(predictions([""] * 4_000, NOON, scores.tolist(), features=rows, duration=[0.0004] * 4_000))
    body = metrics_body(distributions(BASELINE, rows, scores, NOON, NOON + MINUTE), environment="none")
    submit(state, body)
    sent = state.view().windows["1h"][-1]
    summed = state.view(environment="none").windows["1h"][-1]
    assert summed.rows == sent.rows == summed.distributed == 4_000
    assert sent.distributed == 0
    for name, column in sent.features.items():
        other = summed.features[name]
        assert (other.state, other.rows, other.missing_now) == (column.state, column.rows, column.missing_now)
        for method, value in column.methods.items():
            assert other.methods[method].value == pytest.approx(value.value, abs=1e-9)
    assert sent.features["age"].state == "drift"
    assert unwrap(summed.score).methods == unwrap(sent.score).methods
    assert unwrap(summed.predicted).methods == unwrap(sent.predicted).methods
    model = state.view(environment="none")
    assert (model.rows, model.distributed, model.by_class) == (0, 4_000, state.view().by_class)
    assert unwrap(model.duration)[3] == 4_000


@pytest.mark.slow
def test_cumulative_points_count_what_is_new_and_survive_a_restart(open_state: Open) -> None:
    state = open_state()
    state.send(baselines=[BASELINE.to_json()])

    def send(n: int, minute: int) -> None:
        durations = [0.0] * len(DURATION_BOUNDS) + [n]
        until = NOON + minute * MINUTE
        point = histogram_of(m.ML_PREDICT_DURATION, DURATION_BOUNDS, durations, start=NOON, time=until, sum=20.0 * n)
        submit(state, metrics_body([point], instance="a"))

    send(10, 1)
    send(10, 1)  # a resend
    send(25, 2)
    state = open_state()
    send(40, 3)
    send(25, 2)  # out of order
    assert state.view().distributed == 40
    assert state.view().windows["1h"][-1].rows == 40
    assert open_state().view().distributed == 40


def test_a_reset_counts_whole_and_a_new_beginning_is_a_new_stream(state: Opened) -> None:

    def send(n: int, start: int, minute: int) -> None:
        point = histogram_of(m.ML_PREDICT_DURATION, [1.0], [n, 0], start=start, time=NOON + minute * MINUTE, sum=1.0)
        submit(state, metrics_body([point]))

    send(10, NOON, 1)
    send(4, NOON, 2)  # fell
    send(6, NOON, 3)
    send(5, NOON + 3 * MINUTE, 4)  # the process began anew
    assert state.view().distributed == 10 + 4 + 2 + 5


def test_a_process_that_ran_before_it_was_first_heard_only_begins_to_count(state: Opened) -> None:
    for n, minute in ((1_000_000, 1), (1_000_007, 2)):
        point = histogram_of(
            m.ML_PREDICT_DURATION, [1.0], [n, 0], start=NOON - 10 * HOUR, time=NOON + minute * MINUTE, sum=1.0
        )
        submit(state, metrics_body([point]))
    assert state.view().distributed == 7


def test_a_label_that_comes_late_counts_where_it_came_not_since_the_process_began(
    open_state: Open, clock: Clock
) -> None:
    state = open_state()
    state.send(baselines=[BASELINE.to_json()])

    def label(name: str, n: int, hour: int) -> Metric:
        said = {a.DRIFTLINE_FEATURE_NAME: "region", a.DRIFTLINE_FEATURE_CATEGORY: name}
        return sum_of(m.DRIFTLINE_FEATURE_CATEGORIES, n, said, start=NOON, time=NOON + hour * HOUR)

    submit(state, metrics_body([label("north", 10, 1)]))
    clock.now += 3 * HOUR
    state = open_state()
    submit(state, metrics_body([label("south", 24, 3), label("north", 34, 3)]))  # 0 is not sent
    stored = state.rows("SELECT min(pane), max(pane), sum(value) FROM sums WHERE part = 'feature:region' GROUP BY idx")
    last = NOON + 3 * HOUR - 5 * MINUTE
    assert sorted(stored, key=str) == [(NOON, last, 34.0), (NOON + HOUR, last, 24.0)]


def test_workers_that_only_their_beginnings_tell_apart_do_not_lend_each_other_their_past(state: Opened) -> None:

    def send(n: int, began: int, minute: int) -> None:
        submit(state, totals(n, start=began, time=NOON + minute * MINUTE, instance=""))

    for minute in (1, 2, 3):
        send(1_000_000 + 10 * minute, NOON - 9 * HOUR, minute)
        send(2_000_000 + 10 * minute, NOON - 8 * HOUR, minute)
    assert state.view().distributed == 40


def test_deltas_add(state: Opened) -> None:
    for minute in (1, 2, 2, 3):
        begin, end = NOON + (minute - 1) * MINUTE, NOON + minute * MINUTE
        point = histogram_of(m.ML_PREDICT_DURATION, [1.0], [5, 0], start=begin, time=end, how=DELTA, sum=1.0)
        submit(state, metrics_body([point], resource={"k8s.pod": "b" if minute == 2 else "a"}))
    assert state.view().distributed == 15


def test_a_long_stretch_is_spread_over_its_panes(state: Opened) -> None:
    point = histogram_of(m.ML_PREDICT_DURATION, [1.0], [600, 0], start=NOON, time=NOON + HOUR, how=DELTA, sum=1.0)
    submit(state, metrics_body([point]))
    stored = state.rows("SELECT pane, sum(value) FROM sums WHERE part = 'distributed' GROUP BY pane ORDER BY pane")
    assert stored == [(NOON + 5 * minute * MINUTE, 50.0) for minute in range(12)]


def test_a_bucket_that_holds_most_values_across_the_bins_is_blind_not_ok(state: Opened) -> None:
    state.send(baselines=[BASELINE.to_json()])
    said = {a.DRIFTLINE_FEATURE_NAME: "age"}
    durations = histogram_of(m.ML_PREDICT_DURATION, [1.0], [500, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    coarse = exponential_of(
        m.DRIFTLINE_FEATURE_DISTRIBUTION, -2, (1, (480,)), zero=20, said=said, start=NOON, time=NOON + MINUTE
    )
    submit(state, metrics_body([durations, coarse]))
    column = state.view().windows["1h"][-1].features["age"]
    assert (column.state, column.now) == ("inconclusive", None)


@pytest.mark.slow
def test_an_exponential_histogram_finds_the_drift_that_rows_would(state: Opened) -> None:
    state.send(baselines=[BASELINE.to_json()])
    said = {a.DRIFTLINE_FEATURE_NAME: "age"}
    ages = np.abs(np.random.default_rng(9).normal(52, 12, 5_000)) + 1e-9
    index = np.ceil(np.log2(ages) * 2**5).astype(np.int64) - 1
    counts = np.bincount(index - index.min())
    durations = histogram_of(m.ML_PREDICT_DURATION, [1.0], [5_000, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    values = exponential_of(
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        5,
        (int(index.min()), counts.tolist()),
        said=said,
        start=NOON,
        time=NOON + MINUTE,
    )
    submit(state, metrics_body([durations, values], environment="none"))
    state.send(predictions([""] * 5_000, NOON, [0.5] * 5_000, features={"age": ages.tolist()}))
    found = state.view(environment="none").windows["1h"][-1].features["age"]
    rows = state.view().windows["1h"][-1].features["age"]
    assert found.state == rows.state == "drift"
    assert found.methods["ks"].value == pytest.approx(rows.methods["ks"].value, abs=counts.max() / 5_000)


def test_without_a_baseline_the_state_says_so_and_what_to_do(state: Opened) -> None:
    point = histogram_of(m.ML_PREDICT_DURATION, [1.0], [500, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    submit(state, metrics_body([point]))
    model = state.view()
    assert unwrap(model.windows["1h"][-1].score).state == "no_baseline"
    assert model.hints[0] == (
        "churn 1 has no baseline, so its distributions are not compared: "
        "there are no rows from which Driftline could learn one; pass one to driftline.Model('churn', "
        "baseline=...), or set it in driftline.yaml: "
        "models.churn.baseline."
    )


def test_outcomes_have_nothing_to_join_and_that_is_said(state: Opened) -> None:
    submit(state, totals(500, start=NOON, time=NOON + MINUTE, instance="a"))
    assert not any("outcome" in hint.lower() for hint in state.view().hints)
    state.send(outcomes(["a", "b"], [1, 0]))
    model = state.view()
    assert model.windows["1h"][-1].coverage is None
    assert (
        "2 outcomes wait for a prediction of churn, but its service sends only distributions, "
        "not the rows to join them with: "
        'capture="scores" sends id and score, and no features.'
    ) in model.hints


def test_features_as_distributions_meet_scores_as_rows(state: Opened) -> None:
    """``capture="scores"``: no row counts twice, and no feature of a row is called missing."""
    state.send(baselines=[BASELINE.to_json()])
    rng = np.random.default_rng(10)
    state.send(predictions([""] * 1_000, NOON, rng.beta(2, 5, 1_000).tolist()))
    every = distributions(BASELINE, {"age": rng.normal(40, 12, 1_000).tolist()}, np.zeros(1), NOON, NOON + MINUTE)
    submit(state, metrics_body([metric for metric in every if metric.name.startswith("driftline.feature")]))
    window = state.view().windows["1h"][-1]
    age = window.features["age"]
    assert (window.rows, window.distributed) == (1_000, 0)
    assert (age.rows, age.missing_now, age.state) == (1_000, 0.0, "ok")
    assert unwrap(window.score).rows == 1_000


def test_rows_are_counted_by_themselves_if_the_sender_counts_them_and_durations_are_calls(state: Opened) -> None:
    """Also if a Collector splits a request."""
    until = NOON + MINUTE
    calls = histogram_of(m.ML_PREDICT_DURATION, [1.0], [2, 0], start=NOON, time=until, sum=1.0)
    failed = histogram_of(
        m.ML_PREDICT_DURATION, [1.0], [1, 0], {a.ERROR_TYPE: "ValueError"}, start=NOON, time=until, sum=0.5
    )
    rows = [
        sum_of(m.DRIFTLINE_DISTRIBUTION_ROWS, 700, start=NOON, time=until),
        sum_of(m.DRIFTLINE_DISTRIBUTION_ROWS, 300, {a.ERROR_TYPE: "ValueError"}, start=NOON, time=until),
    ]
    for metrics in (rows, [calls, failed], rows):
        submit(state, metrics_body(metrics, counted=True))

    model = state.view()
    assert (model.distributed, model.windows["1h"][-1].rows) == (1_000, 1_000)
    assert unwrap(model.duration)[: len(DURATION_BOUNDS) + 1].sum() == pytest.approx(3)
    assert model.by_error == {"ValueError": 300}


def test_points_of_scopes_whose_rows_are_in_records_are_not_counted_again(state: Opened) -> None:
    state.send(predictions(["a"], NOON))
    point = histogram_of(m.ML_PREDICT_DURATION, [1.0], [500, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    submit(state, metrics_body([point], captured=False))
    assert state.view().distributed == 0
    assert state.view().windows["1h"][-1].rows == 1


def test_what_driftline_derives_is_never_read_back(state: Opened) -> None:
    submit(state, metrics_body([predictions_of(5, start=NOON, time=NOON + MINUTE)], scope="driftline.processor"))
    assert list(state.state.publish().models) == []


def test_a_feature_that_the_baseline_does_not_know_is_new(state: Opened) -> None:
    state.send(baselines=[BASELINE.to_json()])
    durations = histogram_of(m.ML_PREDICT_DURATION, [1.0], [50, 0], start=NOON, time=NOON + MINUTE, sum=1.0)
    new = histogram_of(
        m.DRIFTLINE_FEATURE_DISTRIBUTION,
        [1.0],
        [50, 0],
        {a.DRIFTLINE_FEATURE_NAME: "height"},
        start=NOON,
        time=NOON + MINUTE,
    )
    submit(state, metrics_body([durations, new]))
    window = state.view().windows["1h"][-1]
    assert window.new_features == ("height",)
    assert window.missing_features == ("age", "region")


@pytest.mark.parametrize("how", [CUMULATIVE, DELTA])
def test_labels_and_unusable_values_have_their_places(state: Opened, how: int) -> None:
    state.send(baselines=[BASELINE.to_json()])
    region = BASELINE.bins.features["region"]
    assert isinstance(region, CategoryBins)

    def sums(feature: str, n: int, **said: object) -> Metric:
        name = (
            m.DRIFTLINE_FEATURE_CATEGORIES
            if a.DRIFTLINE_FEATURE_CATEGORY in said
            else m.DRIFTLINE_FEATURE_MISSING_VALUES
        )
        return sum_of(name, n, {a.DRIFTLINE_FEATURE_NAME: feature, **said}, start=NOON, time=NOON + MINUTE, how=how)

    submit(
        state,
        metrics_body(
            [
                sums("region", 5, **{a.DRIFTLINE_FEATURE_CATEGORY: "south"}),
                sums("region", 7, **{a.DRIFTLINE_FEATURE_CATEGORY: "other"}),
                sums("region", 2),
                sums("age", 3, **{a.DRIFTLINE_FEATURE_INVALID: True}),
            ]
        ),
    )
    stored = state.rows("SELECT part, idx, value FROM sums WHERE part LIKE 'feature:%' ORDER BY part, idx")
    age = BASELINE.bins.features["age"]
    assert stored == [
        ("feature:age", age.size + 1, 3.0),
        ("feature:region", region.categories.index("south"), 5.0),
        ("feature:region", len(region.categories), 7.0),
        ("feature:region", region.size, 2.0),
    ]


def totals(n: int, *, start: int, time: int, instance: str) -> bytes:
    point = histogram_of(m.ML_PREDICT_DURATION, [1.0], [n, 0], start=start, time=time, sum=1.0)
    return metrics_body([point], instance=instance)


def test_streams_are_bounded_and_one_that_was_forgotten_is_not_counted_twice(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction, "Streams", partial(Streams, most=4))
    state = open_state()
    for process in range(6):
        clock.now = NOON + process * HOUR
        submit(state, totals(10, start=clock.now, time=clock.now + MINUTE, instance=str(process)))
    assert state.view().distributed == 60
    known = state.state.parts.intake.streams
    assert len(known._last) <= 4
    submit(state, totals(15, start=NOON, time=clock.now + MINUTE, instance="0"))
    assert state.view().distributed == 60  # its first point counts from where it is heard again
    submit(state, totals(18, start=NOON, time=clock.now + 2 * MINUTE, instance="0"))
    assert state.view().distributed == 63


@pytest.mark.parametrize(("models", "streams"), [(1, 60), slow(60, 1)])
def test_streams_of_other_models_do_not_stop_the_counting_of_a_model(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, models: int, streams: int
) -> None:
    monkeypatch.setattr(transaction, "Streams", partial(Streams, most=40))
    state = open_state(**({"churn": Model()} if models > 1 else {}))  # a model among many is safe if it is declared
    submit(state, totals(10, start=NOON, time=NOON + MINUTE, instance="before"))
    submit(state, totals(10, start=NOON, time=NOON + MINUTE, instance="another"))
    state.state.catch_up()
    clock.now += MINUTE
    for model in range(models):
        flood = [
            sum_of(m.ML_PREDICTIONS, 1, {a.ML_MODEL_NAME: f"flood-{model}", "k": str(k)}, start=NOON, time=NOON + HOUR)
            for k in range(streams)
        ]
        submit(state, metrics_body(flood, instance="flood"))
    state.state.catch_up()
    known = state.state.parts.intake.streams
    assert len(known._last) <= 40
    submit(state, totals(15, start=NOON, time=NOON + 2 * MINUTE, instance="before"))
    submit(state, totals(7, start=NOON + 3 * MINUTE, time=NOON + 4 * MINUTE, instance="after"))
    state.state.catch_up()
    (churn,) = (view for view in state.state.publish().models if view.key.model == "churn")
    assert churn.distributed == 10 + 15 + 7


@pytest.mark.slow
def test_streams_expire_with_the_rows(open_state: Open, clock: Clock) -> None:
    state = open_state(timedelta(days=1))
    submit(state, totals(10, start=NOON, time=NOON + MINUTE, instance="old"))
    state.view()
    clock.now = NOON + 2 * 24 * HOUR
    submit(state, totals(20, start=clock.now, time=clock.now + MINUTE, instance="new"))
    submit(state, totals(25, start=clock.now, time=clock.now + 2 * MINUTE, instance="new"))
    state.view()
    state.state.tidy_now()
    assert state.rows("SELECT count(*) FROM streams") == [(1,)]
    state = open_state(timedelta(days=1))
    submit(state, totals(30, start=clock.now, time=clock.now + 3 * MINUTE, instance="new"))
    submit(state, totals(99, start=NOON, time=clock.now + 3 * MINUTE, instance="old"))
    assert state.view().distributed == 40


@pytest.mark.slow
def test_a_window_that_late_points_restate_is_evaluated_after_a_kill(tmp_path: Path, clock: Clock) -> None:
    state = State(config(tmp_path), clock=clock)
    state.start_storing()
    submit(Opened(state), totals(10, start=NOON, time=NOON + MINUTE, instance="a"))
    clock.now = NOON + 3 * HOUR
    state.settle()
    assert state.publish().models[0].windows["1h"][0].closed
    late = histogram_of(m.ML_PREDICT_DURATION, [1.0], [5, 0], start=NOON, time=NOON + MINUTE, sum=1.0, how=DELTA)
    submit(Opened(state), metrics_body([late], instance="late"))
    state._queue.stop()
    state._analysis.stop()  # what is acknowledged is on disk, and nobody has evaluated it
    state.log.stop()
    state.parts.connection.close()
    state._store.close()
    again = State(config(tmp_path), clock=clock)
    again.evaluate_now()
    assert again.publish().models[0].windows["1h"][0].rows == 15
    again.stop()


ROWS = 3000


def frame(seed: int, shift: float = 0.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": np.where(random.random(ROWS) < 0.03, np.nan, random.normal(40 + shift, 12, ROWS)),
            "region": random.choice(np.array(["north", "south", None], object), ROWS),
            "member": random.random(ROWS) < 0.4,
        }
    )


def by_age(rows: pd.DataFrame) -> Any:
    return 1 / (1 + np.exp(-(rows["age"].fillna(40) - 40) / 12))


def predict(capture: str, rows: pd.DataFrame, known: Baseline, parts: int) -> Service:
    """Predict the rows in some calls, a report after each."""
    service = Service()
    tracers = TracerProvider(resource=Resource({"service.name": "shop", "deployment.environment.name": capture}))
    options: dict[str, Any] = {
        "baseline": known,
        "version": "1",
        "tracer_provider": tracers,
        "metrics_channel": service.metrics,
    }
    model = service.model(capture=capture, **options)
    score = model.predict(by_age)
    for part in np.array_split(np.arange(len(rows)), parts):
        score(rows.iloc[part])
        assert service.flush()
    return service


@pytest.mark.slow
@pytest.mark.parametrize("preference", ["cumulative", "delta"])
@pytest.mark.parametrize("capture", ["none", "scores"])
def test_drift_of_distributions_is_the_drift_of_the_rows(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, capture: str, preference: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    reference = frame(1)
    known = Baseline.from_frame(reference, score=by_age(reference), model="churn", task="binary", version="1")
    state = open_state()
    for how in ("features", capture):
        service = predict(how, frame(2, shift=6.0), known, parts=4)
        clock.now = time.time_ns()
        for body in service.channel.bodies:
            state.state.submit("logs", body).result(60)
        for body in service.metrics.bodies:
            state.state.submit("metrics", body).result(60)
        pipeline_of(service.channel).close()

    rows, summed = (state.view(environment=how).windows["1h"][-1] for how in ("features", capture))
    assert (rows.rows, summed.rows) == (ROWS, ROWS)
    assert rows.features["age"].state == "drift"
    for name, column in rows.features.items():
        other = summed.features[name]
        assert (other.state, other.rows, other.missing_now) == (column.state, column.rows, column.missing_now), name
        for method, value in column.methods.items():
            assert other.methods[method].value == pytest.approx(value.value, abs=1e-9), name
    assert unwrap(summed.score).methods["psi"].value == pytest.approx(unwrap(rows.score).methods["psi"].value, abs=1e-9)
