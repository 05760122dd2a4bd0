"""Predictions that web requests open: made only where somebody asks, and the same whoever does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import driftline
import pytest
from driftline.capture import call
from driftline.capture.prediction import OPEN, Prediction
from driftline.export.pipeline import pipeline_of
from driftline.integration.web_request import PATIENCE, WebRequest
from driftline.tables.column_codec import strings
from opentelemetry import trace

from tests.support.service import Service, returns
from tests.support.unwrap import unwrap
from tests.support.web_places import ORDER, Place, exchange, opened, predict

KNOWN = {"ml.operation.name": "predict", "ml.model.name": "churn", "ml.model.task": "binary"}


def attributes(service: Service) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in service.spans]


def test_what_nobody_asks_for_is_recorded_like_any_other(service: Service) -> None:
    place = Place(service.model())
    openings = [predict(place) for _ in range(3)]
    assert service.spans == []
    service.flush()

    assert [opening.prediction for opening in openings] == [None, None, None]
    assert place.closely == 1  # the first tells what rows and results look like
    said = {"driftline.prediction.recorded": True, "ml.prediction.id": "A-1", "ml.prediction.score": 0.75}
    decided = {
        "ml.prediction.class": "1",
        "driftline.feature.value.amount": 17.5,
        "driftline.feature.value.country": "NO",
    }
    assert attributes(service) == [{**KNOWN, **said, **decided}] * 3
    table = service.table()
    assert strings(table.id) == ["A-1"] * 3
    assert unwrap(table.scores).tolist() == [[0.75]] * 3
    assert [span.context.span_id for span in service.spans if span.context] == [
        int.from_bytes(span.tobytes(), "big") for span in unwrap(table.span_id)
    ]
    assert service.counts() == {(("ml.prediction.class", "1"),): 3}


@pytest.mark.parametrize(("request_", "response"), [(ORDER, 1), ({}, 0.75), ([ORDER, ORDER], [0.25, 0.75])])
def test_what_is_not_plain_is_looked_at_closely(service: Service, request_: Any, response: Any) -> None:
    place = Place(service.model())
    predict(place)
    predict(place, request_, response)

    rows = len(request_) if isinstance(request_, list) else 1
    assert sum(map(len, service.tables())) == 1 + rows
    assert place.closely == 2


def test_whoever_asks_gets_the_same_prediction(service: Service) -> None:
    place = Place(service.model())
    with exchange() as around:
        opening = opened(place)
        barrier = threading.Barrier(8)

        def ask() -> Prediction | None:
            barrier.wait(60)
            return opening.make()

        with ThreadPoolExecutor(8) as pool:
            asked = [one.result() for one in [pool.submit(ask) for _ in range(8)]]
        prediction = unwrap(driftline.current())
        assert asked == [prediction] * 8
        assert around.answer() == prediction.id
        call.end(prediction, 0.25, None)
        opening.leave()

    assert service.attributes()["ml.prediction.id"] == prediction.id


def test_where_it_is_over_nothing_is_open(service: Service) -> None:
    place = Place(service.model())
    with exchange():
        opening = opened(place)
        opening.close(place, 1000, ORDER, 0.75)

        assert (driftline.current(), opening.make()) == (None, None)
        opening.leave()
        assert isinstance(OPEN.get(), WebRequest)
    assert OPEN.get() is None


def test_who_asks_gets_the_id_that_the_request_came_with(service: Service) -> None:
    place = Place(service.model())
    with exchange("R-17") as around:
        opening = opened(place)
        assert opening.prediction is None
        prediction = unwrap(driftline.current())
        assert (prediction.id, around.answer()) == ("R-17", "R-17")
        opening.leave()
    assert OPEN.get() is None
    assert not trace.get_current_span().get_span_context().is_valid


def test_it_is_made_at_once_where_something_was_predicted_before(service: Service) -> None:
    place = Place(service.model())
    with exchange() as around:
        service.model("other").predict(returns(0.25))(ORDER)
        first = around.answer()
        opening = opened(place)
        assert opening.prediction is not None
        assert around.answer() == first
        opening.leave()


def test_it_is_made_at_once_where_there_is_no_exchange(service: Service) -> None:
    opening = opened(Place(service.model()))

    assert driftline.current() is opening.prediction
    opening.leave()
    assert driftline.current() is None


def test_another_thread_may_close_it(service: Service) -> None:
    place = Place(service.model())
    with exchange():
        opening = opened(place)
        thread = threading.Thread(target=opening.close, args=(place, 1000, ORDER, 0.75))
        thread.start()
        thread.join()
        opening.leave()

    assert len(service.table()) == 1
    assert OPEN.get() is None


def test_a_function_of_the_same_model_inside_fills_it_in(service: Service) -> None:
    churn = service.model()
    place = Place(churn)
    with exchange():
        opening = opened(place)
        churn.predict(returns(0.25))(ORDER)
        prediction = unwrap(opening.make())
        call.end(prediction, {"answer": "no"}, None)
        opening.leave()

    assert len(service.spans) == 1
    assert service.attributes()["ml.prediction.score"] == 0.25


def test_the_span_of_one_that_a_full_buffer_drops_ends_with_what_is_known(service: Service) -> None:
    place = Place(service.model())
    predict(place, cost=20 * 2**20)
    predict(place, cost=20 * 2**20)

    assert attributes(service) == [{**KNOWN, "driftline.prediction.recorded": True}]
    assert service.counts() == {(): 1, (("ml.prediction.class", "1"),): 1}
    assert len(service.table()) == 1


def test_one_that_comes_after_the_end_is_read_at_once(service: Service) -> None:
    pipeline_of(service.channel).shutdown(60.0)
    predict(Place(service.model()))

    assert [one["ml.prediction.score"] for one in attributes(service)] == [0.75]


def test_a_tracer_that_makes_no_span_is_asked_again_after_a_while(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_795_161_600_000_000_000
    monkeypatch.setattr(call, "_now", lambda: now)
    asked: list[int] = []
    place = Place(service.model(tracer_provider=trace.NoOpTracerProvider()))
    start_span = place.plan.start_span

    def start(name: str, *, attributes: dict[str, Any], start_time: int) -> trace.Span:
        asked.append(start_time)
        return start_span(name, attributes=attributes, start_time=start_time)

    monkeypatch.setattr(place.plan, "start_span", start)
    for _ in range(3):
        predict(place)
    now += PATIENCE
    predict(place)

    assert asked == [now - PATIENCE, now]
    assert len(service.table()) == 4
