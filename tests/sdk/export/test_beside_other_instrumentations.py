"""A guest beside other instrumentations: what they do to a program's threads and requests, they do not do to ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from driftline.capture.model_identity import Identity
from driftline.export import threads
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import Delivery
from driftline.outcomes import post_outcomes
from opentelemetry import context, trace
from opentelemetry.instrumentation.threading import ThreadingInstrumentor
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from tests.support.metric_points import points
from tests.support.service import Memory, Service, returns


@pytest.fixture
def handed_on() -> Iterator[None]:
    """Let every thread begin in the context of whoever starts it, as under ``opentelemetry-instrument``."""
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


class Noting(Memory):
    """A channel that notes whether it is asked within a span, and where instrumentations would trace it."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[bool, bool]] = []
        self.asked = threading.Event()

    def send(self, body: bytes, timeout: float) -> Delivery:
        self._note()
        return super().send(body, timeout)

    def post(self, url: str, body: bytes, content_type: str, timeout: float) -> tuple[Delivery, bytes]:  # noqa: ARG002
        self._note()
        return Delivery("delivered"), b'{"accepted": 1, "rejected": []}'

    def _note(self) -> None:
        self.noted.append((trace.get_current_span().get_span_context().is_valid, is_instrumentation_enabled()))
        self.asked.set()


@pytest.mark.slow
@pytest.mark.usefixtures("handed_on")
def test_the_background_does_not_live_in_the_trace_of_the_first_request(service: Service) -> None:
    service.channel = channel = Noting()
    score = service.model().predict(returns(0.5))

    with service.tracers.get_tracer("shop").start_as_current_span("the first request"):
        score({"amount": 17.5})
        assert channel.asked.wait(60)

    assert channel.noted == [(False, False)]


@pytest.mark.usefixtures("handed_on")
def test_a_thread_of_ours_starts_with_an_empty_context() -> None:
    seen: list[Any] = []
    token = context.attach(context.set_value("request", 1))

    threads.start_thread("driftline-test", lambda: seen.append(context.get_value("request"))).join()

    assert (seen, context.get_value("request")) == ([None], 1)
    context.detach(token)


def test_no_request_of_ours_is_traced_whoever_waits_for_it(service: Service) -> None:
    records, distributions, outcomes = Noting(), Noting(), Noting()
    service.channel, service.metrics = records, distributions
    pipeline = pipeline_of(records, distributions)
    service.model().predict(returns(0.5))({"amount": 17.5})

    assert pipeline.flush(5.0)
    post_outcomes(outcomes, "http://driftline/v1/outcomes", Identity("churn"), "", enabled_ids())

    assert (records.noted, distributions.noted, outcomes.noted) == ([(False, False)],) * 3


def enabled_ids() -> Iterator[dict[str, Any]]:
    """Yield an outcome from where it is stored, as an application would: what it asks for that is traced."""
    assert is_instrumentation_enabled()
    yield {"id": "A-1001", "actual": 1}


def test_a_forked_process_says_who_it_is_where_its_resource_names_its_parent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_of(service.channel, service.metrics)
    score = service.model().predict(returns(0.5))
    monkeypatch.setattr("driftline.export.resource._ORIGIN", os.getpid() + 1)

    score({"amount": 17.5})
    assert pipeline.flush(5.0)

    (counted,) = service.counts()
    ids = {dict(point.attributes).get("service.instance.id") for point in points(service.metrics.bodies)}
    assert ids == {dict(counted)["service.instance.id"]}
    assert None not in ids
