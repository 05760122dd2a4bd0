"""``driftline.testing``: what a test captures is what would have been sent, and nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline import Privacy
from driftline.export import lifecycle, pipeline
from driftline.export.transport import Delivery, HttpChannel
from driftline.faults import FAULTS
from driftline.panes.bins import NumberBins
from driftline.tables.column_codec import strings
from driftline.testing import CapturedOutcome, Clock, Count, Loss, capture, capture_session
from driftline.testing.clock import NOW as READERS
from driftline.testing.clock import TICKS
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

ROW = {"order_id": "A-1", "amount": 17.5, "country": "NO"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ids(service: Service) -> list[str]:
    """Return the ids of all rows that reached a service's own channel."""
    return [text for table in service.tables() for text in strings(table.id)]


# What is captured


def test_a_prediction_is_what_its_record_says(service: Service) -> None:
    score = service.model(version="v7").predict(id="order_id", slices=("country",))(returns(0.25))
    with capture() as captured:
        assert score(ROW) == 0.25
    (prediction,) = captured.predictions
    assert (prediction.model, prediction.version, prediction.task) == ("churn", "v7", "binary")
    assert (prediction.id, prediction.score, prediction.predicted) == ("A-1", 0.25, "0")
    assert prediction.features == {"amount": 17.5, "country": "NO"}
    assert prediction.slices == {"country": "NO"}
    assert (prediction.time, prediction.duration, prediction.error) == (NOON, 0.0, "")
    assert dict(unwrap(prediction.span).attributes or {})["ml.prediction.id"] == "A-1"


def test_a_batch_is_a_row_each(service: Service) -> None:
    frame = pd.DataFrame({"id": [1, 2], "age": [31.0, None], "plan": ["basic", None]})
    predict = service.model(classes=("stays", "goes"), positive_class="goes").predict(id="id")(
        returns(np.array([[0.75, 0.25], [0.1, 0.9]]))
    )
    with capture() as captured:
        predict(frame)
    rows = captured.predictions
    assert [(row.id, row.score, row.predicted) for row in rows] == [("1", 0.25, "stays"), ("2", 0.9, "goes")]
    assert [row.features for row in rows] == [{"age": 31, "plan": "basic"}, {"age": None, "plan": None}]
    assert rows[0].span is rows[1].span is not None


def test_every_task_has_its_result(service: Service) -> None:
    with capture() as captured:
        service.model("digit", "multiclass", classes=("a", "b", "c")).predict(returns([0.2, 0.7, 0.1]))({"x": 1})
        service.model("price", "regression").predict(returns(250_000.5))({"x": 1})
        service.model("shelf", "ranking").predict(returns([("i7", 0.9), ("i3", 0.1)]))({"x": 1})
        service.model("feed", "ranking").predict(returns(["i7", "i3"]))({"x": 1})
    assert captured.assert_predicted("digit", score=(0.2, 0.7, 0.1), predicted="b").classes == ("a", "b", "c")
    captured.assert_predicted("price", score=250_000.5, predicted="")
    captured.assert_predicted("shelf", items=["i7", "i3"], score=[0.9, 0.1])
    captured.assert_predicted("feed", items=("i7", "i3"), score=None)


def test_what_was_relevant_in_a_list_is_asserted_as_it_was_said(service: Service) -> None:
    shelf = service.model("shelf", "ranking")
    with capture() as captured:
        shelf.outcome("A-1", item="i7", actual=1)
        shelf.outcome("A-2", actual=["i7", 3])
        shelf.outcome("A-3", actual={"i7": 2})
    captured.assert_outcome("shelf", id="A-1", actual=1, item="i7")
    captured.assert_outcome("shelf", id="A-2", actual=["i7", "3"])
    captured.assert_outcome("shelf", id="A-3", actual={"i7": 2})


def test_vectors_and_texts_are_what_leaves_of_them(service: Service) -> None:
    model = service.model(text_features=("message",))
    with capture() as captured:
        model.predict(returns(0.5))({"message": "three little words", "taste": [1.0, 2.0]})
    (prediction,) = captured.predictions
    assert prediction.features["taste"] == (1.0, 2.0)
    assert prediction.features["message.words"] == 3
    assert "message" not in prediction.features


def test_privacy_rules_hold_in_what_is_captured(service: Service) -> None:
    score = service.model(privacy=Privacy(deny=("country",), round={"amount": 5})).predict(id="order_id")(returns(0.25))
    with capture() as captured:
        score(ROW)
    assert captured.assert_predicted("churn", id="A-1").features == {"amount": 20}


def test_a_model_that_sends_no_rows_is_counted_and_has_distributions(service: Service) -> None:
    score = service.model(capture="none").predict(id="order_id")(returns(0.25))
    with capture() as captured:
        score(ROW)
    assert captured.predictions == []
    assert captured.counts == [Count("churn", "", "0", "", 1)]
    assert [(one.metric, one.feature, one.count) for one in captured.distributions] == [
        ("driftline.distribution.rows", "", 1),
        ("ml.predict.duration", "", 1),
        ("driftline.prediction.score", "", 1),
        ("driftline.feature.distribution", "amount", 1),
        ("driftline.feature.categories", "country", 1),
    ]
    with pytest.raises(
        AssertionError, match=r"1 was counted, but 1 of them have no row: with capture='none', rows stay"
    ):
        captured.assert_predicted("churn")


def test_distributions_are_counted_over_the_bins_of_a_baseline_that_was_loaded_before(service: Service) -> None:
    frame = pd.DataFrame({"amount": np.arange(1000.0)})
    baseline = driftline.Baseline.from_frame(frame, score=np.full(1000, 0.25), model="churn", task="binary")
    score = service.model(baseline=baseline).predict(returns(0.25))
    with capture() as captured:
        score({"amount": 500.0})
    (amount,) = [one for one in captured.distributions if one.feature == "amount"]
    assert (amount.count, amount.sum, amount.low, amount.high) == (1, 500.0, 500.0, 500.0)
    bins = baseline.bins.features["amount"]
    assert isinstance(bins, NumberBins)
    assert list(amount.point.explicit_bounds) == np.nextafter(bins.edges, -np.inf).tolist()


def test_what_raises_is_counted_with_its_type(service: Service) -> None:
    @service.model().predict(id="order_id")
    def score(order: dict[str, object]) -> float:
        raise ZeroDivisionError(order)

    with capture() as captured, pytest.raises(ZeroDivisionError):
        score(ROW)
    prediction = captured.assert_predicted("churn", id="A-1", score=None, error="ZeroDivisionError")
    assert (prediction.predicted, prediction.error) == ("", "ZeroDivisionError")
    captured.assert_counted("churn", 1, error="ZeroDivisionError")


def test_generators_coroutines_and_threads_are_captured(service: Service) -> None:
    model = service.model()

    @model.predict(id="order_id")
    def stream(order: dict[str, object]) -> Iterator[float]:
        yield float(len(order)) / 12

    @model.predict(id="order_id")
    async def wait(order: dict[str, object]) -> float:
        await asyncio.sleep(0)
        return float(len(order)) / 6

    score = model.predict(id="order_id")(returns(0.75))
    with capture() as captured:
        assert list(stream({**ROW, "order_id": "generator"})) == [0.25]
        assert asyncio.run(wait({**ROW, "order_id": "coroutine"})) == 0.5
        threads = [threading.Thread(target=score, args=({**ROW, "order_id": f"thread {i}"},)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with model.prediction(features={"amount": 1.0}, id="block") as prediction:
            prediction.score = 1.0
    assert {row.id: row.score for row in captured.predictions} == {
        **{"generator": 0.25, "coroutine": 0.5, "block": 1.0},
        **{f"thread {i}": 0.75 for i in range(4)},
    }


def test_outcomes_are_captured_one_by_one_and_in_bulk(service: Service) -> None:
    churn = service.model()
    with capture() as captured:
        churn.outcome("A-1", 1, time="2026-01-02T08:00:00Z")
        answer = churn.outcomes([("A-2", "stays"), {"id": "", "actual": 1}])
    assert (answer.accepted, answer.rejected) == (1, (driftline.Rejection(1, "it has no id"),))
    assert captured.outcomes == [
        CapturedOutcome("churn", "A-1", "1", time=datetime(2026, 1, 2, 8, tzinfo=UTC)),
        CapturedOutcome("churn", "A-2", "stays"),
    ]
    assert captured.assert_outcome("churn", id="A-2").actual == "stays"


def test_spans_of_the_program_that_has_no_provider_are_captured_with_their_parents() -> None:
    parent = trace.get_tracer("shop")
    score = driftline.Model("churn", task="binary").predict(id="order_id")(returns(0.25))
    for _ in range(2):
        with capture() as captured, parent.start_as_current_span("POST /predict"):
            score(ROW)
        inner, outer = captured.spans
        assert (inner.name, outer.name) == ("predict churn", "POST /predict")
        assert unwrap(inner.parent).span_id == unwrap(outer.context).span_id == 1
        assert (inner.start_time, inner.end_time) == (1_767_268_800_000_000_000,) * 2
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def test_a_provider_that_is_set_after_a_capture_has_the_spans_of_tracers_made_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score = driftline.Model("late", task="binary").predict(id="order_id")(returns(0.25))
    with capture():
        score(ROW)
    service = Service()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", service.tracers)
    score(ROW)
    with capture() as captured:
        score(ROW)
    assert len(captured.spans) == 1
    assert len(service.spans) == 2  # one of them its exporter in memory has beside the capture


# What is left alone


def test_what_was_recorded_before_and_after_goes_where_it_went(service: Service) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    score({**ROW, "order_id": "before"})
    with capture() as captured:
        score({**ROW, "order_id": "inside"})
        assert [row.id for row in captured.predictions] == ["inside"]
        assert driftline.flush(60.0)
        assert service.channel.bodies == []
    score({**ROW, "order_id": "after"})
    assert ids(service) == ["before", "after"]
    assert service.counts() == {(("ml.prediction.class", "0"),): 2}
    assert [row.id for row in captured.predictions] == ["inside"]


@pytest.mark.slow
def test_the_background_thread_goes_on_after_a_capture(service: Service) -> None:
    others = set(threading.enumerate())  # of services that earlier tests left
    score = service.model().predict(id="order_id")(returns(0.25))
    score({**ROW, "order_id": "before"})
    assert "driftline" in {one.name for one in threading.enumerate() if one not in others}
    with capture():
        score({**ROW, "order_id": "inside"})
        assert "driftline" not in {one.name for one in threading.enumerate() if one not in others}
    deadline = time.monotonic() + 60
    while not service.channel.bodies and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ids(service) == ["before"]


def test_a_capture_within_a_capture_has_what_is_recorded_while_it_is_open(service: Service) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    with capture() as outer:
        score({**ROW, "order_id": "1"})
        with capture() as inner:
            score({**ROW, "order_id": "2"})
        score({**ROW, "order_id": "3"})
    assert [row.id for row in inner.predictions] == ["2"]
    assert [row.id for row in outer.predictions] == ["1", "3"]
    assert (len(inner.spans), len(outer.spans)) == (1, 2)
    inner.assert_counted("churn", 1)
    outer.assert_counted("churn", 2)


def test_handles_made_inside_are_captured_and_record_as_ever_afterwards() -> None:
    service = Service()
    with capture() as captured:
        score = service.model().predict(id="order_id")(returns(0.25))
        score({**ROW, "order_id": "inside"})
    score({**ROW, "order_id": "after"})
    assert [row.id for row in captured.predictions] == ["inside"]
    assert len(captured.spans) == 1
    assert ids(service) == ["after"]


def test_what_a_test_ends_is_open_again_afterwards(service: Service) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    with capture() as captured:
        score({**ROW, "order_id": "inside"})
        driftline.shutdown()
        score({**ROW, "order_id": "too late"})
    score({**ROW, "order_id": "after"})
    assert [row.id for row in captured.predictions] == ["inside"]
    assert ids(service) == ["after"]


class Sent(SpanExporter):
    """Counts the spans that leave."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def export(self, spans: object) -> SpanExportResult:
        self.names += [span.name for span in spans]  # type: ignore[attr-defined]
        return SpanExportResult.SUCCESS


def test_an_application_sends_no_span_while_it_is_captured() -> None:
    service, sent = Service(), Sent()
    service.tracers.add_span_processor(BatchSpanProcessor(sent))
    score = service.model().predict(id="order_id")(returns(0.25))
    score(ROW)
    with capture() as captured:
        score(ROW)
    score(ROW)
    service.tracers.force_flush()
    assert sent.names == ["predict churn"] * 2
    assert len(captured.spans) == 1
    service.tracers.shutdown()


def test_the_applications_sampler_decides_what_is_a_span() -> None:
    score = Service(sampler=ALWAYS_OFF).model().predict(id="order_id")(returns(0.25))
    with capture() as captured:
        score(ROW)
    (prediction,) = captured.predictions
    assert (captured.spans, prediction.span, prediction.error) == ([], None, "")


def test_a_provider_of_another_kind_is_left_alone() -> None:
    score = Service().model(tracer_provider=trace.NoOpTracerProvider()).predict(id="order_id")(returns(0.25))
    with capture() as captured:
        score(ROW)
    assert (len(captured.predictions), captured.spans) == (1, [])


def test_rows_are_captured_where_opentelemetry_is_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    score = driftline.Model("churn", task="binary").predict(id="order_id")(returns(0.25))
    with capture() as captured:
        score(ROW)
    captured.assert_predicted("churn", id="A-1", score=0.25)
    captured.assert_counted("churn", 1)
    score(ROW)
    assert len(captured.predictions) == 1


def test_a_flush_in_a_test_does_not_wait_for_the_providers_that_configure_made() -> None:
    called: list[str] = []
    lifecycle.close_at_exit("test", lambda: called.append("close"), lambda: called.append("flush"))
    closings = list(lifecycle._closings)
    try:
        with capture():
            assert driftline.flush()
        assert called == []
        assert lifecycle._closings == closings
    finally:
        lifecycle._closings.pop().begin()


def test_nothing_is_put_back_twice_where_the_test_fails(service: Service) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    listeners = list(lifecycle.PIPELINES.listeners)
    with pytest.raises(ZeroDivisionError), capture():
        score({**ROW, "amount": 1 / 0})
    score({**ROW, "order_id": "after"})
    assert ids(service) == ["after"]
    assert lifecycle.PIPELINES.listeners == listeners
    assert pipeline.confirming is HttpChannel


def test_a_request_that_does_not_end_is_named(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_session, "HOLD_SECONDS", 0.05)
    sending, go_on = threading.Event(), threading.Event()

    def hang(body: bytes, timeout: float) -> Delivery:  # noqa: ARG001 - a channel
        sending.set()
        assert go_on.wait(timeout)
        return Delivery("delivered")

    monkeypatch.setattr(service.channel, "send", hang)
    service.model().predict(id="order_id")(returns(0.25))(ROW)
    flushing = threading.Thread(target=service.flush)
    flushing.start()
    assert sending.wait(60)
    with pytest.raises(TimeoutError, match=r"^a request to memory has not finished in 0\.05 seconds$"), capture():
        pass
    go_on.set()
    flushing.join()
    assert lifecycle.PIPELINES.listeners == []


# Time and ids


def test_the_clock_stands_still_until_it_is_moved(service: Service) -> None:
    model = service.model()
    with capture() as captured:

        @model.predict(id="order_id")
        def slow(order: dict[str, object]) -> float:
            captured.clock.advance(seconds=1.5)
            return float(len(order)) / 12

        slow({**ROW, "order_id": "1"})
        captured.clock.advance(days=1)
        slow({**ROW, "order_id": "2"})
        captured.clock.set(datetime(2026, 3, 1, 8))
        model.outcome("1", 1)
    first, second = captured.predictions
    assert (first.time, first.duration) == (NOON, 1.5)
    assert (second.time, second.duration) == (datetime(2026, 1, 2, 12, 0, 1, 500_000, tzinfo=UTC), 1.5)
    assert first.span is not None
    assert (first.span.end_time or 0) - (first.span.start_time or 0) == 1_500_000_000
    assert captured.clock.now == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_ids_count_from_the_start_of_each_capture(service: Service) -> None:
    score = service.model().predict(returns(0.25))
    made = []
    for _ in range(2):
        with capture(clock=Clock(datetime(2026, 2, 1, tzinfo=UTC))) as captured:
            score({"amount": 1.0})
            score({"amount": 2.0})
        made.append([row.id for row in captured.predictions])
    assert made[0] == made[1]
    assert made[0] == ["019c167f-cc00-7000-8000-000000000001", "019c167f-cc00-7001-8000-000000000001"]


def test_every_clock_of_the_sdk_is_the_tests() -> None:
    """A module that reads the time in a way of its own would leave a captured time to chance."""
    folder = Path(driftline.__file__).parent
    names = [
        ".".join(("driftline", *path.relative_to(folder).with_suffix("").parts))
        for path in sorted(folder.rglob("*.py"))
        if path.stem != "__init__" and path.parent.name != "testing"
    ]
    command = [sys.executable, "-c", _CLOCKS, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    assert set(done.stdout.split()) == {
        *(f"{module.__name__}._now" for module in READERS),
        *(f"{module.__name__}._clock" for module in TICKS),
    }


_CLOCKS = """
import sys, time
from importlib import import_module
for name in sys.argv[1:]:
    for key, value in vars(import_module(name)).items():
        if value is time.time_ns or value is time.perf_counter_ns:
            print(f"{name}.{key}")
"""


# What goes wrong


def test_an_error_inside_driftline_is_raised(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    score(ROW)
    monkeypatch.setattr("driftline.capture.call.take_inputs", _broken)
    with capture() as captured, pytest.raises(LookupError, match="nowhere"):
        score([1.0])
    assert Loss("driftline.sdk.faults", "", "LookupError", 1) in captured.lost


def test_an_error_inside_driftline_is_counted_where_it_may_not_raise(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    score(ROW)
    monkeypatch.setattr("driftline.capture.call.take_inputs", _broken)
    with capture(raising=False) as captured:
        assert score([1.0]) == 0.25
        assert Loss("driftline.sdk.faults", "", "LookupError", 1) in captured.lost
        captured.raising = True
        with pytest.raises(LookupError):
            score([1.0])
    assert FAULTS.raising  # as it was


def _broken(*given: object) -> None:
    raise LookupError("nowhere", given)


def test_an_error_of_the_background_is_raised_where_the_capture_is_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    score = service.model().predict(id="order_id")(returns(0.25))
    monkeypatch.setattr("driftline.export.records.column_codec.encode", _broken)
    with capture() as captured:
        score(ROW)
        with pytest.raises(LookupError, match="nowhere"):
            _ = captured.predictions
    with pytest.raises(LookupError, match="nowhere"), capture():  # or at the end, where nobody reads it
        score(ROW)


def test_nothing_of_a_capture_is_counted_afterwards(service: Service) -> None:
    score = service.model().predict(returns({"label": 1}))
    with capture() as captured:
        score({"amount": 1.0})
    assert captured.lost == [Loss("driftline.sdk.unrecorded.predictions", "churn", "unread_result", 1)]
    with capture() as captured:
        pass
    assert captured.lost == []
    captured.assert_nothing_lost()


# What assertions say


def said(statement: Callable[[], object]) -> str:
    """Return what an assertion says."""
    with pytest.raises(AssertionError) as raised:
        statement()
    return str(raised.value)


def test_a_prediction_that_is_not_there_is_named_with_the_nearest_ones(service: Service) -> None:
    @service.model().predict(id="order_id")
    def score(order: dict[str, Any]) -> float:
        return float(order["amount"] / 100)

    with capture() as captured:
        score({**ROW, "order_id": "A-2", "amount": 50.0})
        score({**ROW, "order_id": "A-1", "amount": 75.0})
    assert said(lambda: captured.assert_predicted("churn", id="A-1", score=0.5, features={"amount": 50})) == (
        "no prediction of 'churn' has id 'A-1', score 0.5, features {'amount': 50}; 2 were captured, nearest first:\n"
        "  churn 'A-1': score is 0.75, not 0.5; feature 'amount' is 75, not 50\n"
        "  churn 'A-2': id is 'A-2', not 'A-1'\n"
        "log lines:\n"
        "  driftline: churn.score: recorded a dict with keys ['order_id', 'amount', 'country'] as one row, "
        "a float as the score of class '1' (threshold 0.5)"
    )


def test_a_model_that_predicted_nothing_is_named(service: Service) -> None:
    with capture() as captured:
        pass
    assert said(lambda: captured.assert_predicted("churn", id=17)) == (
        "no prediction of 'churn' has id '17'; none was captured\n"
        "there are no predictions; was the function that @churn.predict decorates called?"
    )
    with capture() as captured:
        service.model("fraud").predict(id="order_id")(returns(0.25))(ROW)
    assert said(lambda: captured.assert_predicted("churn")).splitlines()[:2] == [
        "no prediction of 'churn'; 1 was captured:",
        "  fraud 'A-1': model is 'fraud', not 'churn'",
    ]


def test_a_result_that_could_not_be_read_is_named_with_the_fix(service: Service) -> None:
    score = service.model().predict(id="order_id")(returns({"label": 1, "probability": 0.75}))
    with capture() as captured:
        score(ROW)
    message = said(lambda: captured.assert_predicted("churn", id="A-1", score=0.75))
    assert "  churn 'A-1': score is None, not 0.75\n" in message
    assert 'specify how to read the result: @churn.predict(score="probability", predicted="label")' in message
    lines = said(captured.assert_nothing_lost).splitlines()
    assert lines[:2] == [
        "some data could not be recorded:",
        "  1 of churn: unread_result (driftline.sdk.unrecorded.predictions)",
    ]
    assert lines[2] == "log lines:"
    assert lines[3].endswith('specify how to read the result: @churn.predict(score="probability", predicted="label")')


def test_counts_and_outcomes_that_differ_are_named(service: Service) -> None:
    churn = service.model()
    score = churn.predict(id="order_id")(returns(0.75))
    with capture() as captured:
        score(ROW)
        churn.outcome("A-1", 0)
    assert said(lambda: captured.assert_counted("churn", 2, predicted=True)) == (
        "1 prediction of 'churn' with predicted '1' was counted, not 2; all counts:\n  1 of churn, predicted '1'"
    )
    assert said(lambda: captured.assert_outcome("churn", id="A-1", actual=1)).splitlines()[:2] == [
        "no outcome of 'churn' has id 'A-1', actual '1'; 1 was captured:",
        "  churn 'A-1': actual is '0', not '1'",
    ]


def test_expectations_are_read_as_the_sdk_reads_values(service: Service) -> None:
    score = service.model().predict(id="order_id")(returns(0.1 + 0.2))
    with capture() as captured:
        score({**ROW, "order_id": 17})
    captured.assert_predicted("churn", id=17.0, predicted=False, score=pytest.approx(0.3))
    assert "score is 0.30000000000000004, not 0.3" in said(lambda: captured.assert_predicted("churn", score=0.3))


NUMBERS = st.one_of(st.floats(width=64, allow_infinity=False), st.integers(-(2**53), 2**53), st.booleans())
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.lists(st.dictionaries(st.sampled_from("abc"), st.one_of(NUMBERS, TEXTS, st.none())), min_size=1, max_size=5)


@pytest.mark.slow
@given(rows=ROWS)
def test_what_is_captured_is_what_was_given(rows: list[dict[str, Any]]) -> None:
    score = driftline.Model("any", task="regression").predict(returns(1.0))
    with capture() as captured:
        for row in rows:
            score(row)
            captured.clock.advance(seconds=1)
    expected = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    assert [dict(one.features) for one in captured.predictions] == expected
