"""Durations and scores in the application's MeterProvider: Views, exemplars and limits of the application apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.batch.prediction_batch import PredictionBatch
from driftline.export import call_histograms
from driftline.export.call_histograms import SCORE_BOUNDS, is_dropped
from driftline.faults import FAULTS
from driftline.panes.pane import DURATION_BOUNDS
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tests.support.metric_points import Point, points, sums
from tests.support.service import Service, returns

DURATION, SCORE = "ml.predict.duration", "driftline.prediction.score"


def quarter(rows: Any) -> Any:
    return np.full(len(rows), 0.25)


def sent(service: Service) -> list[Point]:
    """Return the points that Driftline's own channel sent."""
    service.flush()
    return points(service.metrics.bodies)


def with_views(*views: View) -> Service:
    service = Service()
    service.reader = InMemoryMetricReader()
    service.meters = MeterProvider([service.reader], views=views)
    return service


def test_a_call_is_one_duration_and_its_rows_are_predictions(service: Service) -> None:
    score = service.model(metrics_channel=service.metrics).predict(quarter)
    score(np.ones((500, 2)))
    score(np.ones((3, 2)))

    assert sums(service.recorded(), DURATION) == {(): 2}
    assert sum(service.counts().values()) == 503
    assert DURATION not in {point.name for point in sent(service)}


def test_bucket_bounds_are_advised(service: Service) -> None:
    service.model().predict(returns(0.25))({"x": 1.0})

    bounds = {point.name: tuple(point.data.explicit_bounds) for point in service.recorded()}
    assert bounds == {DURATION: DURATION_BOUNDS, SCORE: SCORE_BOUNDS}


def test_scores_of_sixteen_rows_are_recorded_and_those_of_more_are_sent_directly_which_is_logged_once(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    score = service.model(metrics_channel=service.metrics).predict(quarter)
    for rows in (16, 17, 40, 1):
        score(np.ones((rows, 2)))

    assert sums(service.recorded(), SCORE) == {(): 17}
    assert sums(sent(service), SCORE, "driftline.histogram.direct") == {(True,): 57}
    assert caplog.text.count("scores of calls of more than 16 rows") == 1
    assert caplog.text.count("those of features by itself, and Views do not apply to them") == 1


def test_values_without_bounds_that_fit_and_negative_scores_are_sent_directly(service: Service) -> None:
    regression = service.model("price", task="regression", metrics_channel=service.metrics)
    regression.predict(returns(17.5))({"x": 1.0})
    margins = service.model(metrics_channel=service.metrics)
    margins.predict(returns(-0.5))({"x": 1.0})

    found = sums(sent(service), SCORE, "ml.model.task", "driftline.histogram.direct")
    assert found == {("regression", None): 1, ("binary", True): 1}
    assert sums(service.recorded(), SCORE) == {}


@pytest.mark.parametrize("name", [DURATION, SCORE, "*"])
def test_what_a_view_drops_is_neither_recorded_nor_sent(name: str) -> None:
    service = with_views(View(instrument_name=name, aggregation=DropAggregation()))
    score = service.model(metrics_channel=service.metrics).predict(quarter)
    for rows in (1, 40):
        score(np.ones((rows, 2)))

    dropped = {DURATION, SCORE} if name == "*" else {name}
    assert {point.name for point in service.recorded()} == {DURATION, SCORE} - dropped
    assert {point.name for point in sent(service)} & dropped == set()
    assert "driftline.feature.distribution" in {point.name for point in sent(service)}


def test_a_view_with_buckets_of_its_own_applies() -> None:
    service = with_views(View(instrument_name=DURATION, aggregation=ExplicitBucketHistogramAggregation([0.5])))
    service.model().predict(returns(0.25))({"x": 1.0})

    (point,) = [point for point in service.recorded() if point.name == DURATION]
    assert list(point.data.explicit_bounds) == [0.5]


def test_a_provider_of_another_kind_drops_nothing() -> None:
    assert is_dropped(object()) is False


def test_exemplars_are_the_traces_of_the_calls(service: Service) -> None:
    score = service.model().predict(returns(0.25))
    score({"x": 1.0})
    with service.tracers.get_tracer("caller").start_as_current_span("a flush inside of a span"):
        found = service.recorded()

    (span,) = [span for span in service.spans if span.name == "predict churn"]
    assert span.context is not None
    expected = span.context.span_id.to_bytes(8, "big")
    assert [[exemplar.span_id for exemplar in point.data.exemplars] for point in found] == [[expected], [expected]]


def test_a_call_that_is_not_sampled_has_no_exemplar_although_the_flush_is_in_a_sampled_span() -> None:
    service = Service(ALWAYS_OFF)
    service.model().predict(returns(0.25))({"x": 1.0})
    with Service().tracers.get_tracer("caller").start_as_current_span("a flush inside of a span"):
        found = service.recorded()

    assert [len(point.data.exemplars) for point in found] == [0, 0]


def test_without_a_meter_provider_driftline_sends_durations_and_scores(service: Service) -> None:
    score = service.model(metrics_channel=service.metrics, meter_provider=None).predict(quarter)
    for rows in (1, 40):
        score(np.ones((rows, 2)))

    assert sums(sent(service), DURATION) == {(): 2}
    assert sums(sent(service), SCORE, "driftline.histogram.direct") == {(None,): 41}


def test_without_an_endpoint_for_metrics_the_provider_has_them(service: Service) -> None:
    service.model().predict(returns(0.25))({"x": 1.0})
    assert sums(service.recorded(), SCORE) == {(): 1}


def test_fifty_classes_have_a_count_of_their_own_and_other_models_keep_theirs(service: Service) -> None:
    """OpenTelemetry's SDK counts what is beyond 2,000 series under no name."""
    many = service.model("many", task="multiclass", classes=[f"c{i}" for i in range(6000)])
    many.predict(lambda rows: np.array([f"c{int(row[0])}" for row in rows]))(np.arange(6000.0)[:, None])
    service.flush()
    service.model("few", version="1").predict(returns(0.25))({"x": 1.0})

    counts = service.counts()
    assert len(counts) == 52
    assert counts[(("ml.prediction.class", "c49"),)] == 1
    assert counts[(("ml.prediction.class", "other"),)] == 5950
    assert counts[("ml.model.version", "1"), ("ml.prediction.class", "0")] == 1


def test_a_meter_that_raises_loses_no_row(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> PredictionBatch:
        raise RuntimeError("no meter")

    monkeypatch.setattr(FAULTS, "raising", False)
    monkeypatch.setattr(call_histograms, "record_calls", fail)
    service.model(metrics_channel=service.metrics).predict(returns(0.25))({"x": 1.0})

    assert len(service.table()) == 1
    assert "driftline.feature.distribution" in {point.name for point in sent(service)}
