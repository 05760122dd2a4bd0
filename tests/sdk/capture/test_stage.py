"""Stages of a prediction are child spans, and change nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import driftline
import pytest
from driftline.capture.prediction import Prediction
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN, StatusCode

from tests.support.service import Service
from tests.support.unwrap import unwrap


def test_stages_are_children_of_the_prediction_and_of_each_other(service: Service) -> None:
    churn = service.model()

    @churn.predict(id="order_id")
    def score(order: dict[str, Any]) -> float:
        prediction = unwrap(driftline.current())
        with prediction.stage("features") as span:
            span.set_attribute("cache.hit", True)
            with trace.get_tracer("a database", tracer_provider=service.tracers).start_as_current_span("SELECT"):
                pass
        with prediction.stage("model"), prediction.stage("rules"):
            return float(order["amount"])

    assert score({"order_id": "A-1", "amount": 0.25}) == 0.25
    spans = {span.name: span for span in service.spans}
    parents = {
        name: next((other for other in spans if span.parent and spans[other].context == span.parent), None)
        for name, span in spans.items()
    }
    assert parents == {
        "SELECT": "features churn",
        "features churn": "predict churn",
        "model churn": "predict churn",
        "rules churn": "model churn",
        "predict churn": None,
    }
    assert spans["features churn"].attributes == {
        "ml.model.name": "churn",
        "driftline.prediction.stage": "features",
        "cache.hit": True,
    }
    assert [len(table) for table in service.tables()] == [1]


@pytest.mark.parametrize("privacy", [False, True])
def test_what_a_stage_raises_reaches_the_caller_and_the_span(service: Service, privacy: bool) -> None:
    churn = service.model(**({"capture": "none"} if privacy else {}))
    error = LookupError("customer 4711 is unknown")
    with pytest.raises(LookupError) as raised, churn.prediction() as prediction, prediction.stage("features"):
        raise error
    assert raised.value is error
    stage = next(span for span in service.spans if span.name == "features churn")
    assert unwrap(stage.attributes)["error.type"] == "LookupError"
    assert ("4711" in str(stage.to_json())) is not privacy
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("stop", [asyncio.CancelledError, SystemExit, GeneratorExit])
def test_a_stage_that_is_stopped_has_a_status_and_no_exception_event(
    service: Service, stop: type[BaseException]
) -> None:
    with pytest.raises(stop), service.model().prediction() as prediction, prediction.stage("features"):
        raise stop
    stage = next(span for span in service.spans if span.name == "features churn")
    assert stage.status.status_code is (StatusCode.UNSET if stop is GeneratorExit else StatusCode.ERROR)
    assert stage.status.description is None
    assert ("error.type" in unwrap(stage.attributes)) is (stop is not GeneratorExit)
    assert not stage.events


def test_stages_of_a_coroutine_belong_to_their_own_prediction(service: Service) -> None:
    churn = service.model()

    @churn.predict(id="order_id")
    async def score(order: dict[str, Any]) -> float:
        with unwrap(driftline.current()).stage("features"):
            await asyncio.sleep(0.001)
        return float(order["amount"])

    async def both() -> None:
        await asyncio.gather(*(score({"order_id": str(number), "amount": 0.5}) for number in range(5)))

    asyncio.run(both())
    spans = list(service.spans)
    predictions = {unwrap(span.context).span_id for span in spans if span.name == "predict churn"}
    assert sorted(unwrap(span.parent).span_id for span in spans if span.name == "features churn") == sorted(predictions)


def test_a_stage_without_a_trace_only_runs_its_block() -> None:
    service = Service(sampler=ALWAYS_OFF)
    with service.model().prediction() as prediction, prediction.stage("features"):
        pass
    with prediction.stage("after the call") as span:
        assert span is INVALID_SPAN
    with Prediction.detached().stage("nowhere") as span:
        assert span is INVALID_SPAN
    assert not list(service.spans)
