"""The answer to a request with rows whose time is too far ahead, which the analysis leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.semconv import metrics as m
from driftline.tables.column_codec import encode
from driftline_processor.config.model import Model
from driftline_processor.core.decode.event_times import LATEST, has_future_times
from driftline_processor.core.decode.requests import parse_request
from driftline_processor.ingest.decoding import Decoding
from driftline_processor.receipts import PartialSuccess, Signal
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.facts import lacking
from tests.support.metric_requests import metrics_body, sum_of
from tests.support.otlp_peers import counted
from tests.support.otlp_requests import NOW, logs, record, span, traces
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON

SCORED = {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.5}
FAR = NOW + 400 * DAY
TIME = a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO


def predicted(time: int = NOW, **things: Any) -> Span:
    return span({**SCORED, **things}, start_time_unix_nano=time)


def outcome(time: int = NOW, **things: Any) -> LogRecord:
    actual = {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "1", a.ML_OUTCOME_ACTUAL: "1"}
    return record(events.ML_OUTCOME, {**actual, **things}, time_unix_nano=time)


def plain(time: int = NOW, **fields: Any) -> LogRecord:
    return record(events.ML_PREDICTION, SCORED, **{"time_unix_nano": time, **fields})


def batch(*times: int, name: str = events.DRIFTLINE_PREDICTION_BATCH) -> LogRecord:
    columns = encode({TIME: np.array(times), a.ML_PREDICTION_SCORE: np.full(len(times), 0.5)})
    things = {
        a.ML_MODEL_NAME: "churn",
        a.ML_PREDICTION_COUNT: len(times),
        a.DRIFTLINE_PREDICTION_COLUMNS: columns,
    }
    return record(name, things)


def predictions_of(time: int) -> bytes:
    return metrics_body([sum_of(m.ML_PREDICTIONS, 3, start=time - HOUR, time=time)])


def partial_success(signal: Signal, body: bytes) -> PartialSuccess | None:
    return Decoding().check(signal, body, NOW)


MANY = [predicted(NOW + row) for row in range(200)]


@pytest.mark.parametrize(
    ("signal", "body", "rejected"),
    [
        ("traces", traces([predicted(), predicted(FAR), predicted(FAR)]), 2),
        ("traces", traces([*MANY, predicted(FAR)]), 1),
        ("traces", traces([predicted(**{TIME: FAR}), predicted()]), 1),
        ("traces", traces([predicted(NOW + LATEST)]), 1),
        ("logs", logs([plain(), plain(FAR)]), 1),
        ("logs", logs([plain(0, observed_time_unix_nano=FAR)]), 1),
        ("logs", logs([outcome(FAR), outcome()]), 1),
        ("logs", logs([outcome(**{a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: FAR})]), 1),
        ("logs", logs([batch(FAR, FAR), batch(NOW, NOW), plain(FAR)]), 2),
        ("metrics", predictions_of(NOW + 2 * HOUR), 1),
    ],
    ids=[
        "spans",
        "one of many spans",
        "attribute of a span",
        "the limit",
        "records",
        "observed time",
        "outcomes",
        "attribute of an outcome",
        "batch and record",
        "points",
    ],
)
def test_future_times_are_counted_as_messages_of_the_signal(signal: Signal, body: bytes, rejected: int) -> None:
    partial = partial_success(signal, body)

    assert partial is not None
    assert partial.rejected == rejected
    facts = ("data points", "an hour") if signal == "metrics" else ("rows", "a year")
    assert lacking(partial.message, "time_out_of_range", *facts, "clock") == []


def test_wrong_clocks_beyond_their_cpu_time_are_a_warning_that_decodes_nothing() -> None:
    decoding, bodies = Decoding(), [traces([predicted(FAR)]), traces([predicted()])]
    decoding.for_future_times.take(100.0)
    decoding._decoders.clear()  # decoding would raise, which is no answer

    ahead, right = (decoding.check("traces", body, NOW) for body in bodies)

    assert right is None
    assert ahead is not None
    assert ahead.rejected == 0
    assert lacking(ahead.message, "time_out_of_range", "clock") == []


def test_a_batch_that_loses_some_rows_is_a_warning() -> None:
    partial = partial_success("logs", logs([batch(NOW, FAR, FAR)]))

    assert partial is not None
    assert partial.rejected == 0
    assert lacking(partial.message, "2 rows", "time_out_of_range") == []


def test_a_batch_may_be_named_by_an_attribute() -> None:
    named = batch(FAR, FAR, name="")
    named.attributes.add(key="event.name").value.string_value = events.DRIFTLINE_PREDICTION_BATCH

    assert partial_success("logs", logs([named])) == partial_success("logs", logs([batch(FAR, FAR)]))


@pytest.mark.parametrize(
    ("signal", "body"),
    [
        ("traces", traces([*MANY, predicted(NOW + 365 * DAY), predicted(0), predicted(**{TIME: NOW + 358 * DAY})])),
        ("traces", traces([predicted(**{TIME: 1}), predicted(**{TIME: -1})])),
        ("logs", logs([plain(), plain(0), outcome(), batch(NOW, NOW + 365 * DAY), batch(0, 1)])),
        ("logs", logs([outcome(**{a.DRIFTLINE_OUTCOME_PREDICTION_TIME_UNIX_NANO: FAR})])),
        ("metrics", predictions_of(NOW + HOUR - 1)),
        ("metrics", metrics_body([sum_of("http.server.requests", 3, start=NOW, time=FAR)])),
    ],
    ids=["spans", "old attributes", "records", "unlimited time", "points", "another's points"],
)
def test_other_requests_are_not_decoded(signal: Signal, body: bytes) -> None:
    assert not has_future_times(parse_request(signal, body), body, NOW, {m.ML_PREDICTIONS})


def test_a_request_that_cannot_be_decoded_is_no_partial_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender would otherwise send it again for ever; the analysis counts it."""
    monkeypatch.setattr("driftline_processor.ingest.decoding.timely", lambda *_: 1 / 0)

    assert partial_success("traces", traces([predicted(FAR)])) is None


def test_the_receipt_agrees_with_the_analysis_and_the_request_is_kept_whole(open_state: Open) -> None:
    state = open_state(churn=Model())
    body = traces([predicted(NOON), predicted(NOON + 400 * DAY), predicted(NOON + 400 * DAY)])

    receipt = state.state.submit("traces", body).result(60)

    assert receipt.partial_success is not None
    assert receipt.partial_success.rejected == 2
    assert [stored.entry.body for stored in state.state.log.read(0, 1 << 20).stored] == [body]
    state.state.catch_up()
    assert counted(state.state.health.counters, m.DRIFTLINE_REJECTED_ROWS) == 2
