"""What a consumer of Kafka does with what it is given: into a real state, from brokers that the test plays."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.config.schema import validate_file
from driftline_processor.health import Counters
from driftline_processor.ingest.admission import Passage
from driftline_processor.ingest.queue_offsets import Offset
from driftline_processor.ingest.transaction import Request
from driftline_processor.otlp.json_requests import protobuf_of
from driftline_processor.readers.outcomes.messages import outcome_tables
from driftline_processor.receipts import Overloaded, Signal
from driftline_processor.receivers.types.kafka import Kafka, KafkaReceiver
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.facts import Facts, lacking
from tests.support.fake_intake import surroundings
from tests.support.kafka_brokers import Brokers, partition_of
from tests.support.processes import prediction
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, NOON, Opened, baseline


@pytest.fixture(autouse=True)
def _client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.receivers.types.kafka._partition", partition_of)


def read(state: Opened, brokers: Brokers, forwarded: list[bytes] | None = None, **keys: Any) -> Counters:
    """Read everything there is, and end."""
    settings = Kafka(brokers=("b:9092",), topics=("labels",), **keys)
    counters, passed = Counters(), forwarded if forwarded is not None else []

    class Passing:
        headers = frozenset[str]()

        def passage(self, signal: Signal, body: bytes) -> Passage:
            assert signal == keys.get("signal", "logs")
            return Passage(body)

        def passed(self, passage: Passage) -> None:
            passed.append(passage.body)

    state.state.forward(Passing())
    receiver = KafkaReceiver("kafka/labels", settings, surroundings(counters), brokers)
    receiver.start(state.state)
    assert brokers.drained.wait(60)
    receiver.stop(60)
    assert brokers.closed
    return counters


def rejected(counters: Counters) -> dict[str, float]:
    return {dict(labels)["driftline.reason"]: value for (_, labels), value in counters.snapshot().items()}


def outcome(id: str, **more: Any) -> bytes:
    return json.dumps({"id": id, "actual": 1, "time": 1_728_000_000, **more}).encode()


IDS = "SELECT id, model FROM outcomes ORDER BY seq"


def test_messages_are_outcomes_lists_and_documents_and_a_bad_one_costs_only_itself(state: Opened) -> None:
    log = [
        outcome("a"),
        b"[" + outcome("b") + b"," + outcome("c") + b"]",
        json.dumps({"model": "fraud", "outcomes": [{"id": "d", "actual": 0}, {"id": ""}]}).encode(),
        b"{torn",
        b"\xff\xfe",
        None,
        b"[" * 100_000,
        b"[" * 900 + b"]" * 900,
        b'{"model": {"a": 1}, "outcomes": []}',
        outcome("e", model="prices"),
        b"17",
    ]
    counters = read(state, brokers := Brokers(log), model="churn")
    assert sorted(state.rows(IDS)) == [
        ("a", "churn"),
        ("b", "churn"),
        ("c", "churn"),
        ("d", "fraud"),
        ("e", "prices"),
    ]
    assert rejected(counters) == {"bad_message": 5, "unusable_outcome": 2}
    assert brokers.commits[-1] == len(log)
    assert state.state.offsets() == {("driftline", "labels", 0): len(log)}


def test_lines_of_a_message_are_outcomes_each(state: Opened) -> None:
    log: list[bytes | None] = [outcome("a") + b"\n\n" + outcome("b") + b"\n{\n", outcome("c")]
    counters = read(state, Brokers(log), format="ndjson", model="churn", environment="live")
    assert state.rows("SELECT id, environment FROM outcomes") == [("a", "live"), ("b", "live"), ("c", "live")]
    assert rejected(counters) == {"unusable_outcome": 1}


@pytest.mark.slow
def test_a_message_counts_once_whatever_the_brokers_remember(open_state: Open) -> None:
    brokers = Brokers([outcome(str(i)) for i in range(5)])
    read(open_state(), brokers, model="churn")
    brokers.log += [outcome("5")]
    state = open_state()
    read(state, brokers, model="churn")  # the brokers were never told: their memory is that of the test
    assert state.rows(IDS) == [(str(i), "churn") for i in range(6)]

    brokers.log += [outcome("6"), outcome("7")]
    brokers.group = 7  # another processor of the group has taken 6 in
    read(state, brokers, model="churn")
    assert state.rows("SELECT max(id) FROM outcomes") == [("7",)]
    assert state.rows("SELECT count(*)::INT AS n FROM outcomes") == [(7,)]
    state.state.tidy_now()
    assert state.rows("SELECT next::INT AS next FROM offsets") == [(8,)]
    assert open_state().state.offsets() == {("driftline", "labels", 0): 8}


@pytest.mark.parametrize("kind", ["otlp_proto", "otlp_json"])
def test_otlp_is_taken_in_once_and_forwarded(open_state: Open, kind: str) -> None:
    state, forwarded = open_state(), list[bytes]()
    bodies = [prediction("churn", f"order-{i}") for i in range(4)]
    sent: list[bytes | None] = [as_json(body) if kind == "otlp_json" else body for body in bodies]
    sent.insert(2, b"\x00 neither of the two")
    sent.append(sent[0])  # a producer that lost the acknowledgement
    counters = read(state, Brokers(sent), forwarded, format=kind, signal="logs")
    assert len(state.rows("SELECT id FROM predictions")) == 4
    assert len(forwarded) == 5
    assert rejected_only(counters) == {"bad_message": 1}
    assert state.state.offsets() == {("driftline", "labels", 0): 6}


def rejected_only(counters: Counters) -> dict[str, float]:
    return {
        dict(labels)["driftline.reason"]: value
        for (_, labels), value in counters.snapshot().items()
        if "driftline.reason" in dict(labels)
    }


def as_json(body: bytes) -> bytes:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    return json.dumps(MessageToDict(ExportLogsServiceRequest.FromString(body))).encode()


def of_panes(known: Baseline, epoch: int, *rows: int, **more: Any) -> bytes:
    """Return a document of panes of consecutive hours, with the given numbers of rows."""
    about = {"model": "churn", "version": "1", "baseline": known.digest, "source": "nightly", "epoch": epoch}
    panes = [
        {"start": NOON - (12 - hour) * HOUR, "span": "1h", "sums": {"rows": [n, n, n]}} for hour, n in enumerate(rows)
    ]
    return json.dumps({**about, "panes": panes, **more}).encode()


def test_panes_count_once_and_a_bad_message_costs_only_itself(
    tmp_path: Path, open_state: Open, caplog: pytest.LogCaptureFixture
) -> None:
    known = baseline([0.2, 0.4, 0.6, 0.8] * 50, {"age": list(range(200))}, version="1")
    known.save(tmp_path / "churn.json")
    model = Model(baseline=tmp_path / "churn.json")
    brokers = Brokers([of_panes(known, 1, 3, 4), b"{torn", of_panes(known, 1, 3, 4), None])
    brokers.log += [of_panes(known, 1, 5, baseline="another"), of_panes(known, 2, 7, -1), of_panes(known, 2, 8)]
    state = open_state(churn=model)
    counters = read(state, brokers, format="panes")
    stored = "SELECT epoch::INT AS epoch, rows::INT AS rows FROM pane_sources ORDER BY pane"
    assert state.rows(stored) == [(2, 7), (1, 4)]
    assert rejected_only(counters) == {"bad_message": 2, "unusable_pane": 1}  # the state counts the pane of -1 rows
    lines = [line for line in caplog.messages if "panes were not stored" in line]
    assert lines == [
        "kafka/labels: panes were not stored: topic labels, partition 0, offset 1: this is not a document of panes: "
        "JSON is malformed: object keys must be strings (byte 1)",
        "kafka/labels: panes were not stored: topic labels, partition 0, offset 3: this is not a document of panes: "
        "Input data was truncated (2 more messages)",
    ]
    assert state.state.offsets() == {("driftline", "labels", 0): 7}


def test_ids_of_otlp_json_are_hexadecimal() -> None:
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "predict"}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "startTimeUnixNano": "17", "odd": 1}]}]}]}
    request = ExportTraceServiceRequest.FromString(protobuf_of("traces", json.dumps(document).encode()))
    (found,) = request.resource_spans[0].scope_spans[0].spans
    assert (found.trace_id.hex(), found.span_id.hex(), found.start_time_unix_nano) == (*list(span.values())[:2], 17)


def test_overload_is_waited_out_and_nothing_is_lost(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    state, faults = open_state(), iter([True, True, False, True])
    offer = state.state.offer

    def busy(request: Request) -> Any:
        if next(faults, False):
            raise Overloaded(0.01)
        return offer(request)

    monkeypatch.setattr(state.state, "offer", busy)
    read(state, Brokers([outcome(str(i)) for i in range(7)]), model="churn")
    assert len(state.rows(IDS)) == 7


def test_a_message_that_cannot_be_stored_costs_only_itself(state: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    offer = state.state.offer

    def poisoned(request: Request) -> Any:
        if any(b"poison" in table.id.data for table in request.outcomes):
            raise RuntimeError("no such thing")
        return offer(request)

    monkeypatch.setattr(state.state, "offer", poisoned)
    counters = read(state, Brokers([outcome("a"), outcome("poison"), outcome("b"), outcome("c")]), model="churn")
    assert state.rows(IDS) == [("a", "churn"), ("b", "churn"), ("c", "churn")]
    assert rejected(counters) == {"bad_message": 1}


@pytest.mark.slow
def test_a_state_that_takes_nothing_is_waited_for(
    state: Opened, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    offer, full = state.state.offer, iter([True] * 2)

    def ill(request: Request) -> Any:
        if next(full, False):
            raise OSError(28, "No space left on device")
        return offer(request)

    monkeypatch.setattr(state.state, "offer", ill)
    counters = read(state, Brokers([outcome("a")]), model="churn")
    assert (state.rows(IDS), rejected(counters)) == ([("a", "churn")], {})
    assert lacking(caplog.text, "kafka/labels:", "waiting") == []


def test_what_a_broker_tells_is_logged_once_and_read_over(state: Opened, caplog: pytest.LogCaptureFixture) -> None:
    read(state, Brokers([outcome("a")], polled=deque(["no such topic"] * 3)), model="churn")
    assert caplog.messages.count("kafka/labels: no such topic") == 1
    assert state.rows(IDS) == [("a", "churn")]


def test_what_the_file_says_reaches_the_client(open_state: Open) -> None:
    brokers = Brokers([])
    read(open_state(), brokers, model="churn", group="g", start="latest", options={"security.protocol": "ssl"})
    names = ("bootstrap.servers", "group.id", "auto.offset.reset", "enable.auto.commit", "security.protocol")
    assert [brokers.settings[name] for name in names] == ["b:9092", "g", "latest", False, "ssl"]


@pytest.mark.parametrize(
    ("written", "facts"),
    [
        ("kafka/a: {brokers: b, topics: t}", ("receivers.kafka/a.brokers:", "'b'", "'b:9092'")),
        ("kafka/a: {brokers: [], topics: t}", ("receivers.kafka/a.brokers:",)),
        ("kafka/a: {topics: t}", ("receivers.kafka/a.brokers:",)),
        ("kafka/a: {brokers: 'b:1', topics: t, formt: json}", ("receivers.kafka/a.formt:",)),
        ("kafka/a: {brokers: 'b:1', topics: t, format: xml}", ("receivers.kafka/a.format:", "'xml'")),
        ("kafka/a: {brokers: 'b:1', topics: t, signal: logs}", ("receivers.kafka/a.signal:",)),
        ("kafka/a: {brokers: 'b:1', topics: t, format: otlp_json, model: m}", ("receivers.kafka/a.model:", "OTLP")),
        ("kafka/a: {brokers: 'b:1', topics: t, options: {group.id: g}}", ("receivers.kafka/a.options:", "'group.id'")),
        (
            "kafka/a: {brokers: 'b:1', topics: t}, kafka/b: {brokers: 'b:1', topics: [t]}",
            ("receivers.kafka/b.topics:", "'driftline'", "'t'", "kafka/a"),
        ),
        ("kafak/a: {brokers: 'b:1', topics: t}", ("receivers.kafak/a:", "'kafak'", "'kafka'")),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, written: str, facts: Facts) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text(f"receivers: {{{written}}}\n")
    (found,) = [*map(str, validate_file(file))]
    assert lacking(found, *facts) == []


def test_a_file_that_is_right_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "driftline.yaml"
    file.write_text("receivers: {kafka/labels: {brokers: 'b:9092', topics: labels, model: churn}}\n")
    assert [*map(str, validate_file(file))] == []


def test_an_offset_without_rows_is_stored(open_state: Open) -> None:
    state = open_state()
    state.state.offer(Request(b"1" * 16, offsets=[Offset("g", "t", 3, 17)])).result(60)
    assert open_state().state.offsets() == {("g", "t", 3): 17}


def test_a_message_is_bounded_by_its_own_slices_and_not_by_those_before_it() -> None:
    said = [{"id": f"a{row}", "actual": 1, "slices": {f"s{row}": "x"}} for row in range(200)]
    tables, rejected = outcome_tables([json.dumps(one).encode() for one in said], False, "churn", None, 5)
    assert sum(map(len, tables)) == 200
    assert not rejected
    greedy = {"id": "b", "actual": 1, "slices": dict.fromkeys(map(str, range(65)), "x")}
    tables, rejected = outcome_tables([json.dumps(one).encode() for one in (greedy, said[0])], False, "churn", None, 5)
    assert (sum(map(len, tables)), dict(rejected)) == (1, {"unusable_outcome": 1})
