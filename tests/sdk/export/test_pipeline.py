"""The way out: gathered, bounded, tried again, given up; and what people are told."""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.export import pipeline, records, transport
from driftline.export import pipeline as pipelines
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import ChannelError, Delivery
from driftline.faults import FAULTS
from driftline.tables.column_codec import strings
from driftline.testing.decoding import records as log_records
from driftline_processor.core.decode.requests import decode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.facts import lacking
from tests.support.service import NOW, Service, returns
from tests.support.unwrap import unwrap

UNREACHABLE = Delivery("unreachable", "ConnectionError", nothing_listens=True)


@pytest.fixture
def dropped(reasons: Callable[[str], dict[str, int]]) -> Callable[[], dict[str, int]]:
    """Return what tells which rows were dropped: reason → rows."""
    return lambda: reasons("driftline.sdk.dropped.rows")


def test_one_request_is_one_record_with_the_applications_resource(service: Service) -> None:
    score = service.model(version="7").predict(returns(0.5))
    for i in range(3):
        score({"i": i})
    service.flush()

    (body,) = service.channel.bodies
    (logs,) = ExportLogsServiceRequest.FromString(body).resource_logs
    resource = {pair.key: pair.value.string_value for pair in logs.resource.attributes}
    assert {"service.name": "shop", "deployment.environment.name": "test"}.items() <= resource.items()
    assert resource["service.instance.id"]
    (scope,) = logs.scope_logs
    assert (scope.scope.name, scope.schema_url) == ("driftline", "https://driftline.invalid/schemas/0.1.0")
    (record,) = scope.log_records
    assert record.event_name == "driftline.prediction.batch"
    values = {pair.key: pair.value for pair in record.attributes}
    assert sorted(values) == [
        "driftline.batch.id",
        "driftline.model.classes",
        "driftline.model.positive_class",
        "driftline.model.threshold",
        "driftline.prediction.columns",
        "ml.model.name",
        "ml.model.task",
        "ml.model.version",
        "ml.prediction.count",
    ]
    assert values["ml.prediction.count"].int_value == 3
    assert sorted(pair.key for pair in values["driftline.prediction.columns"].kvlist_value.values) == [
        "driftline.feature.value.i",
        "driftline.prediction.duration",
        "driftline.prediction.time_unix_nano",
        "ml.prediction.id",
        "ml.prediction.score",
        "span_id",
        "trace_id",
    ]
    assert all(pair.value.bytes_value for pair in values["driftline.prediction.columns"].kvlist_value.values)


def test_every_record_has_a_batch_id_of_its_own_and_a_repeat_keeps_it(service: Service) -> None:
    score = service.model().predict(returns(0.5))
    score({"i": 1})
    service.flush()
    score({"i": 2})
    service.channel.answers = [UNREACHABLE]
    assert service.flush() is False
    assert service.flush() is True

    ids = [decode_logs(body, NOW).batches[0] for body in service.channel.bodies]
    assert len(set(ids)) == 2


def test_batches_of_one_shape_share_a_record(service: Service) -> None:
    @service.model().predict
    def score(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return X[:, 0]

    for start in (0.0, 0.25, 0.5):
        score(np.array([[start, 1.0], [start + 0.1, 2.0]]))

    table = service.table()
    assert unwrap(table.scores)[:, 0].tolist() == pytest.approx([0.0, 0.1, 0.25, 0.35, 0.5, 0.6])


def test_a_baseline_is_sent_once_per_process_and_first(service: Service) -> None:
    baseline = Baseline.from_frame({"amount": [1.0, 2.0]}, score=[0.2, 0.9], model="churn", task="binary")
    for _ in range(2):
        service.model(baseline=baseline).predict(returns(0.5))({"amount": 1.0})
        service.flush()

    decoded = [decode_logs(body, NOW) for body in service.channel.bodies]
    assert [len(each.baselines) for each in decoded] == [1, 0, 0]
    assert Baseline.from_json(decoded[0].baselines[0]).digest == baseline.digest


def test_a_baseline_that_is_announced_during_a_flush_is_sent_with_the_next(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        Baseline.from_frame({"amount": [1.0, high]}, score=[0.2, 0.9], model="churn", version=version, task="binary")
        for version, high in (("1", 2.0), ("2", 3.0))
    )
    convert = records.frames

    def frames(*entries: Any, **keys: Any) -> Any:
        service.model(version="2", baseline=second)  # as another thread does
        return convert(*entries, **keys)

    monkeypatch.setattr(records, "frames", frames)
    service.model(version="1", baseline=first).predict(returns(0.5))({"amount": 1.0})
    service.flush()
    service.flush()

    sent = [Baseline.from_json(text) for body in service.channel.bodies for text in decode_logs(body, NOW).baselines]
    assert [one.digest for one in sent] == [first.digest, second.digest]


def test_nothing_listening_is_one_line_and_rows_are_kept(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    score = service.model().predict(returns(0.5))
    service.channel.answers = [UNREACHABLE, UNREACHABLE]
    service.channel.name = "http://localhost:4318"
    for i in range(3):
        score({"i": i})
        service.flush()

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "driftline: nothing listens on http://localhost:4318 (start 'driftline up' or set DRIFTLINE_ENDPOINT); "
        "the last 32 MB are kept in memory"
    ]
    assert sum(map(len, service.tables())) == 3


def test_the_reason_is_logged_if_something_listens_but_does_not_answer(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.channel.answers = [Delivery("unreachable", "UNAVAILABLE connection attempt timed out")]
    service.channel.name = "http://localhost:4317"
    service.model().predict(returns(0.5))({"i": 1})
    service.flush()

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "driftline: http://localhost:4317 cannot be reached: UNAVAILABLE connection attempt timed out; check "
        "DRIFTLINE_ENDPOINT and the network; the last 32 MB are kept in memory"
    ]


def test_the_pause_between_attempts_grows_and_the_receiver_may_say_how_long(service: Service) -> None:
    background = pipeline_of(service.channel)
    score = service.model().predict(returns(0.5))
    score({"i": 1})
    pauses = []
    for delivery in (UNREACHABLE, UNREACHABLE, Delivery("retry", "503"), *[UNREACHABLE] * 5):
        service.channel.answers = [delivery]
        background.flush(1.0, again=())
        pauses.append(background._backoff.pause)

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


@pytest.mark.parametrize("reason", ["404 Not Found", "UNIMPLEMENTED unknown service"])
def test_a_collector_without_logs_is_told_once_and_spans_count_meanwhile(
    service: Service, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    score = service.model(version="7").predict(returns(0.5))
    service.channel.answers = [Delivery("unsupported", reason)] * 4
    for i in range(3):
        score({"i": i})
        service.flush()

    assert [dict(span.attributes or {})["driftline.prediction.recorded"] for span in service.spans] == [
        True,
        False,
        False,
    ]
    assert dict(service.spans[-1].attributes or {}) == {
        "ml.operation.name": "predict",
        "ml.model.name": "churn",
        "ml.model.version": "7",
        "ml.model.task": "binary",
        "driftline.model.classes": ("0", "1"),
        "driftline.model.positive_class": "1",
        "driftline.model.threshold": 0.5,
        "driftline.prediction.recorded": False,
        "ml.prediction.id": dict(service.spans[-1].attributes or {})["ml.prediction.id"],
        "ml.prediction.score": 0.5,
        "ml.prediction.class": "1",
        "driftline.feature.value.i": 2,
    }
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lacking(line, "OTLP", f"{reason}", "DRIFTLINE_ENDPOINT", "'driftline up'") == []
    assert service.channel.bodies == []
    assert service.counts() == {(("ml.model.version", "7"), ("ml.prediction.class", "1")): 3}


def test_recording_goes_on_when_logs_are_taken_and_what_waited_is_sent(
    service: Service, caplog: pytest.LogCaptureFixture, dropped: Callable[[], dict[str, int]]
) -> None:
    caplog.set_level("INFO", logger="driftline")
    churn = service.model()
    score = churn.predict(returns(0.5), id="id")
    answers = [Delivery("unsupported", "404 Not Found")] * 2
    service.channel.answers = list(answers)
    flushed = []
    for id in ("before", "meanwhile", "found out", "after"):
        score({"id": id})
        churn.outcome(id, actual=1)
        flushed.append(service.flush())

    assert flushed == [False, False, False, True]  # the third sends all that waits, but two rows are in no record
    tables = service.tables()
    assert [text for table in tables for text in strings(table.id)] == ["before", "after"]
    truths = [strings(table.id) for table in service.outcomes()]
    assert truths == [["before"], ["meanwhile"], ["found out"], ["after"]]
    recorded = [dict(span.attributes or {})["driftline.prediction.recorded"] for span in service.spans]
    assert recorded == [True, False, False, True]  # as the records have it: nothing counts twice
    assert dropped() == {"unsupported": 2}
    assert caplog.messages[-1] == "driftline: memory accepts OTLP logs now; predictions are recorded again"


@pytest.mark.slow
def test_the_background_asks_again_by_itself_whether_logs_are_taken(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "GATHER_SECONDS", 0.01)
    asked: list[bytes] = []
    taken = threading.Event()

    def answer(body: bytes, timeout: float) -> Delivery:
        asked.append(body)
        if len(asked) == 1:
            return Delivery("unsupported", "404 Not Found")
        taken.set()
        return Delivery("delivered")

    monkeypatch.setattr(service.channel, "send", answer)
    churn = service.model()
    churn.outcome("A-1", actual=1)

    assert taken.wait(60)
    assert asked[0] == asked[1]
    assert service.flush()


def test_outcomes_that_wait_for_a_receiver_of_logs_are_bounded(
    service: Service, monkeypatch: pytest.MonkeyPatch, dropped: Callable[[], dict[str, int]]
) -> None:
    monkeypatch.setattr(pipeline, "QUEUE_BYTES", 5000)
    churn = service.model()
    service.channel.answers = [Delivery("unsupported", "404 Not Found")] * 60
    for i in range(60):
        churn.outcome(f"{i}", actual=1)
        service.flush()
    assert service.channel.answers == []

    kept = [text for table in service.outcomes() for text in strings(table.id)]
    assert kept == [str(i) for i in range(60 - len(kept), 60)]
    assert 2 < len(kept) < 30
    assert dropped() == {"buffer_full": 60 - len(kept)}


def test_a_flush_tries_again_until_everything_arrived(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "FLUSH_PAUSES", (0.0,))
    service.model().predict(returns(0.5))({"i": 1})
    service.channel.answers = [Delivery("retry", "503"), UNREACHABLE, Delivery("unsupported", "404 Not Found")] * 2

    assert pipeline_of(service.channel).flush(600.0)
    assert service.channel.answers == []
    assert len(service.table()) == 1


def test_a_flush_says_no_where_its_time_is_over_before_anything_arrived(service: Service) -> None:
    service.model().predict(returns(0.5))({"i": 1})
    service.channel.answers = [Delivery("retry", "429", after=60.0)]  # so it does not wait for that

    assert not pipeline_of(service.channel).flush(5.0)
    assert service.flush()


def test_a_flush_waits_for_no_receiver_that_is_known_not_to_take_logs(service: Service) -> None:
    churn = service.model()
    churn.outcome("A-1", actual=1)
    service.channel.answers = [Delivery("unsupported", "404 Not Found")] * 7
    for _ in range(5):
        service.flush()

    assert not pipeline_of(service.channel).flush(600.0)
    assert len(service.channel.answers) == 1


def test_a_flush_says_no_once_where_the_background_lost_rows_before(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "GATHER_SECONDS", 0.01)
    refused = threading.Event()
    send = service.channel.send

    def refuse(body: bytes, timeout: float) -> Delivery:
        if refused.is_set():
            return send(body, timeout)
        refused.set()
        return Delivery("refused", "400 Bad Request")

    monkeypatch.setattr(service.channel, "send", refuse)
    service.model().predict(returns(0.5))({"i": 1})
    assert refused.wait(60)

    assert [service.flush(), service.flush()] == [False, True]


def test_a_full_buffer_is_no_arrival(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BUFFER_BYTES", 2000)
    score = service.model().predict(returns(0.5))
    monkeypatch.setattr(pipeline_of(service.channel), "_rouse", lambda: None)
    for i in range(100):
        score({"x": i})

    assert [service.flush(), service.flush()] == [False, True]


def test_a_receiver_that_asks_for_a_year_is_asked_sooner() -> None:
    patient = transport.Backoff()
    patient.fail(after=365 * 86400.0)

    assert 0.0 < patient.seconds() <= transport.LONGEST_AFTER


def test_a_receiver_that_asks_for_another_attempt_at_once_is_not_asked_without_a_pause() -> None:
    paused: list[float] = []
    answers = [Delivery("retry", "503", after=0.0)] * 3 + [None]
    assert (
        transport.attempt_until(float("inf"), lambda: answers.pop(0), transport.TEMPORARY, sleep=paused.append) is None
    )
    assert paused == [transport.SHORTEST_AFTER] * 3
    background = transport.Backoff()
    background.fail(after=0.0)
    assert background.seconds() > 0.0


def test_a_channel_that_cannot_be_made_is_one_line_and_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    background = pipeline_of(service.channel)
    opened = [ChannelError("http://d:4318 requires the package 'requests'")] * 2

    def open_channel() -> Any:
        if opened:
            raise opened.pop()
        return service.channel

    monkeypatch.setattr(background, "_open_channel", open_channel)
    churn = service.model()
    score = churn.predict(returns(0.5), id="id")
    for id in ("a", "b"):
        assert score({"id": id}) == 0.5
        churn.outcome(id, actual=1)
        assert not service.flush()

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "driftline: predictions and outcomes are not recorded: http://d:4318 requires the package 'requests'"
    ]
    service.flush()
    assert [text for table in service.outcomes() for text in strings(table.id)] == ["a", "b"]
    assert [text for table in service.tables() for text in strings(table.id)] == ["a"]


def test_a_refused_record_is_lost_alone(
    service: Service, caplog: pytest.LogCaptureFixture, dropped: Callable[[], dict[str, int]]
) -> None:
    score = service.model().predict(returns(0.5))
    service.channel.answers = [Delivery("refused", "400 Bad Request")]
    score({"i": 1})
    assert not service.flush()
    score({"i": 2})
    assert service.flush()

    assert len(service.table()) == 1
    assert "driftline: memory refused a record: 400 Bad Request (rows lost: 1)" in caplog.text
    assert dropped() == {"refused": 1}


def test_a_sender_that_is_refused_for_hours_is_told_every_ten_minutes_and_when_it_is_accepted_again(
    service: Service,
    caplog: pytest.LogCaptureFixture,
    dropped: Callable[[], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("WARNING", "driftline")
    score = service.model().predict(returns(0.5))
    for seconds in (0.0, 600.0, 600.0):
        monkeypatch.setattr(pipeline, "LOSS_SECONDS", seconds)
        service.channel.answers = [Delivery("refused", "401 Unauthorized", fix="set a token", denied=True)]
        score({"i": 1})
        assert not service.flush()
    score({"i": 1})
    assert service.flush()

    assert dropped() == {"refused": 3}
    assert [record.getMessage() for record in caplog.records] == [
        "driftline: memory refused records: 401 Unauthorized; set a token (rows lost so far: 1)",
        "driftline: memory refused records: 401 Unauthorized; set a token (rows lost so far: 2)",
        "driftline: memory accepts records again (rows lost: 3)",
    ]


def test_a_connection_with_a_known_fault_keeps_its_rows_and_logs_the_fix(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    service.channel.answers = [Delivery("unreachable", "SSLError", fix="the certificate has expired; renew it")]
    service.model().predict(returns(0.5))({"i": 1})
    assert [service.flush(), service.flush()] == [False, True]

    assert "driftline: memory: the certificate has expired; renew it; the last 32 MB are kept in memory" in caplog.text
    assert len(service.table()) == 1


def test_rows_that_a_receiver_rejects_are_counted_once_and_not_sent_again(
    service: Service, caplog: pytest.LogCaptureFixture, dropped: Callable[[], dict[str, int]]
) -> None:
    score = service.model().predict(returns(np.zeros(3)))
    service.channel.answers = [Delivery("delivered", "model_limit (3)", rejected=1)] * 2  # records, of three rows each
    for _ in range(2):
        score(np.zeros((3, 1)))
        assert not service.flush()  # not all of it arrived

    assert service.flush()
    assert len(service.channel.bodies) == 2
    assert dropped() == {"rejected": 6}
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "driftline: memory rejected 3 of 3 rows: model_limit (3); further rejections are only counted"
    ]


def test_of_outcomes_as_many_are_lost_as_records_are_rejected(
    service: Service, dropped: Callable[[], dict[str, int]]
) -> None:
    service.channel.answers = [Delivery("delivered", "no_actual (2)", rejected=2)]
    churn = service.model()
    for row in range(3):
        churn.outcome(f"A-{row}", actual=1)

    assert not service.flush()
    assert dropped() == {"rejected": 2}


def test_no_more_rows_are_lost_than_were_sent(service: Service, dropped: Callable[[], dict[str, int]]) -> None:
    service.channel.answers = [Delivery("delivered", "full", rejected=100)]
    service.model().predict(returns(np.zeros(3)))(np.zeros((3, 1)))
    service.flush()

    assert dropped() == {"rejected": 3}


def test_a_warning_with_a_record_that_was_taken_is_said_once(
    service: Service, caplog: pytest.LogCaptureFixture, dropped: Callable[[], dict[str, int]]
) -> None:
    score = service.model().predict(returns(0.5))
    service.channel.answers = [Delivery("delivered", "1 not usable: wrong_type:age (1)")] * 2
    for _ in range(2):
        score({"i": 1})
        assert service.flush()

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "driftline: memory accepted a record with a warning: 1 not usable: wrong_type:age (1)"
    ]
    assert dropped() == {}


def test_a_full_buffer_drops_the_oldest_and_counts_them(
    service: Service, monkeypatch: pytest.MonkeyPatch, dropped: Callable[[], dict[str, int]]
) -> None:
    monkeypatch.setattr(pipeline, "BUFFER_BYTES", 10_000)
    score = service.model(tracer_provider=service.tracers).predict(returns(0.5), id="id")
    monkeypatch.setattr(pipeline_of(service.channel), "_rouse", lambda: None)
    for i in range(100):
        score({"id": i, "x": 1.0})

    rows = 10_000 // (600 + 2 * 40)
    assert strings(service.table().id) == [str(i) for i in range(100 - rows, 100)]
    assert dropped() == {"buffer_full": 100 - rows}


def test_a_full_buffer_is_logged_at_once_and_with_all_its_rows_at_the_end(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipeline, "BUFFER_BYTES", 10_000)
    score = service.model().predict(returns(0.5), id="id")
    channel = pipeline_of(service.channel)
    monkeypatch.setattr(channel, "_rouse", lambda: None)
    lost = list[int]()
    for _ in range(2):
        for i in range(100):
            score({"id": i, "x": 1.0})
        service.flush()
        lost.append(100 * (1 + len(lost)) - sum(len(table) for table in service.tables()))
    channel.report_undelivered()

    assert 0 < lost[0] < lost[1]
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.partition(";")[0] for line in warned] == [
        f"driftline: the buffer of 0 MB was full and dropped the oldest rows (rows lost so far: {lost[0]})",
        f"driftline: rows not delivered to memory: {lost[1]}",
    ]


def test_a_full_queue_drops_the_oldest_records(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "QUEUE_BYTES", 5000)
    score = service.model().predict(returns(0.5), id="id")
    for i in range(20):
        service.channel.answers = [UNREACHABLE]
        score({"id": i})
        service.flush()
    service.channel.answers = []

    kept = [text for table in service.tables() for text in strings(table.id)]
    assert kept == [str(i) for i in range(20 - len(kept), 20)]
    assert 2 < len(kept) < 10


def test_what_cannot_be_recorded_takes_no_neighbour_with_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)

    class Hostile:
        def __float__(self) -> float:
            raise RuntimeError("no")

    score = service.model().predict(returns(0.5), id="id")
    for value in (1.0, Hostile(), 2.0):
        assert score({"id": "a", "x": value}) == 0.5

    assert sum(map(len, service.tables())) == 3
    assert lacking(caplog.text, "RuntimeError", "driftline.inputs.row") == []


def test_the_thread_sends_by_itself(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "GATHER_SECONDS", 0.01)
    arrived = threading.Event()
    send = service.channel.send

    def notice(body: bytes, timeout: float) -> Delivery:
        arrived.set()
        return send(body, timeout)

    monkeypatch.setattr(service.channel, "send", notice)
    service.model().predict(returns(0.5))({"x": 1.0})

    assert arrived.wait(60)


def test_a_thread_that_was_to_end_for_a_fork_that_gave_up_goes_on(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "GATHER_SECONDS", 0.01)
    background = pipeline_of(service.channel)
    must_end = background._must_end
    asked: list[bool] = []

    def answer() -> bool:
        asked.append(len(asked) == 1 or must_end())  # the second time: before its first row
        return asked[-1]

    def send(body: bytes, timeout: float) -> Delivery:
        arrived.set()
        return Delivery("delivered")

    arrived = threading.Event()
    monkeypatch.setattr(background, "_must_end", answer)
    monkeypatch.setattr(service.channel, "send", send)
    service.model().predict(returns(0.5))({"x": 1.0})

    assert arrived.wait(60)
    assert asked[1]


def test_disabled_means_nothing_but_the_call(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    churn = service.model()

    @churn.predict(id="order_id")
    def score(order: dict[str, Any]) -> float:
        prediction = unwrap(driftline.current())
        assert prediction.id == "A-1"
        return 0.5

    assert score({"order_id": "A-1"}) == 0.5
    churn.outcome("A-1", 1)
    with churn.prediction(features={"x": 1.0}, id="A-2") as p:
        p.score = 0.5
    assert p.id == "A-2"
    assert churn.outcomes([("A-1", 1)]) == driftline.Accepted(0)

    assert service.spans == []
    assert service.tables() == []


@pytest.mark.parametrize(
    ("environment", "configured", "silenced"),
    [
        ({}, None, False),
        ({"OTEL_LOGS_EXPORTER": "none"}, None, True),
        ({"OTEL_LOGS_EXPORTER": "none", "DRIFTLINE_ENDPOINT": "http://localhost:4318"}, None, False),
        ({"OTEL_LOGS_EXPORTER": "none"}, "http://localhost:4318", False),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, None, False),
    ],
)
def test_logs_exporter_none_silences_records_without_an_endpoint_of_our_own(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], configured: str | None, silenced: bool
) -> None:
    monkeypatch.setattr(pipelines, "_configured", configured)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pipelines, "_default", None)

    assert pipeline_of(None).recording is not silenced


def test_a_with_block_is_a_prediction(service: Service) -> None:
    churn = service.model()
    with churn.prediction(features={"amount": 17.5}, id="A-1", slices={"region": "north"}) as p:
        assert driftline.current() is p
        p.score = np.float32(0.75)

    attributes = service.attributes()
    assert attributes["ml.prediction.id"] == "A-1"
    assert attributes["ml.prediction.score"] == 0.75
    assert attributes["ml.prediction.class"] == "1"
    assert attributes["driftline.slice.value.region"] == "north"
    assert p.score == 0.75
    assert strings(service.table().id) == ["A-1"]


def test_a_with_block_takes_a_batch_and_both_score_and_class(service: Service) -> None:
    import pandas as pd

    frame = pd.DataFrame({"order_id": ["a", "b"], "amount": [1.0, 2.0]})
    with service.model().prediction(features=frame, id="order_id") as p:
        p.score = np.array([[0.75, 0.25], [0.25, 0.75]])
        p.predicted = [1, 1]

    table = service.table()
    assert strings(table.id) == ["a", "b"]
    assert list(table.features) == ["amount"]
    assert unwrap(table.scores).tolist() == [[0.25], [0.75]]
    assert unwrap(table.predicted).categories == ("1",)


def test_a_with_block_that_raises_is_an_error(service: Service) -> None:
    with pytest.raises(ValueError, match="no"), service.model().prediction(features={"amount": 1.0}):
        raise ValueError("no")

    assert service.attributes()["error.type"] == "ValueError"


def test_a_with_block_of_regression_takes_the_value_as_predicted(service: Service) -> None:
    with service.model(task="regression").prediction(features={"amount": 1.0}) as p:
        p.predicted = 12

    assert service.attributes()["ml.prediction.value"] == 12.0


def test_the_record_of_an_outcome_has_the_time_at_which_the_outcome_became_known(service: Service) -> None:
    service.model().outcome("A-1", actual=1, time="2026-09-30T12:00:00Z")
    service.model().outcome("A-2", actual=1)
    service.flush()

    dated, undated = log_records(service.channel.bodies)
    assert dated.time_unix_nano == 1_790_769_600 * 10**9 < dated.observed_time_unix_nano
    assert undated.time_unix_nano == undated.observed_time_unix_nano
