"""What is deleted leaves the log of requests, too, and the destinations get what is left of a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline_processor.config.model import Model
from driftline_processor.ingest.admission import Passage
from driftline_processor.log.request_log import Reader
from driftline_processor.maintenance.erasure import ErasureOrder, ErasureOrders
from driftline_processor.receipts import Signal
from driftline_processor.state import State
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.support.otlp_requests import logs, record
from tests.support.state_rows import NOON, Clock, config


class Everything:
    """A forwarder that wants all."""

    headers = frozenset[str]()

    def passage(self, signal: Signal, body: bytes) -> Passage:
        del signal
        return Passage(body)

    def passed(self, passage: Passage) -> None:
        pass


class Waiting:
    """A state with a destination that is away."""

    def __init__(self, directory: Path) -> None:
        self.state = State(config(directory, churn=Model(subject="customer")), clock=Clock())
        self.destination: Reader = self.state.log.reader("otlp_http/away")
        self.state.forward(Everything())
        self.state.start_storing()

    def send(self, *records: LogRecord) -> None:
        self.state.submit("logs", logs(list(records))).result(60)

    def left(self) -> list[str]:
        """Ids that the destination will get."""
        requests, position = list[ExportLogsServiceRequest](), self.destination.position
        while position < self.state.log.end:
            found = self.state.log.read(position, 1 << 20)
            requests += [ExportLogsServiceRequest.FromString(stored.entry.body) for stored in found.stored]
            position = found.following
        return [
            attribute.value.string_value
            for request in requests
            for group in request.resource_logs
            for scope in group.scope_logs
            for one in scope.log_records
            for attribute in one.attributes
            if attribute.key == a.ML_PREDICTION_ID
        ]


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Waiting]:
    waiting = Waiting(tmp_path)
    yield waiting
    waiting.state.stop()


def predicted(name: str, customer: str = "", model: str = "churn") -> LogRecord:
    said: dict[str, Any] = {a.ML_MODEL_NAME: model, a.ML_MODEL_VERSION: "1", a.ML_PREDICTION_SCORE: 0.5}
    more = {f"{a.DRIFTLINE_FEATURE_VALUE}.customer": customer} if customer else {}
    return record(events.ML_PREDICTION, {**said, **more, a.ML_PREDICTION_ID: name}, time_unix_nano=NOON)


def outcome(name: str) -> LogRecord:
    said = {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: name, a.ML_OUTCOME_ACTUAL: 1}
    return record(events.ML_OUTCOME, said, time_unix_nano=NOON)


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in (directory / "log").glob("*.log"))


def test_an_id_leaves_the_log_and_its_neighbours_go_on(waiting: Waiting, tmp_path: Path) -> None:
    waiting.send(predicted("gone"), predicted("stays"))
    waiting.send(predicted("other"))
    waiting.state.erase(ErasureOrder("churn", "id", ("gone",)))
    assert sorted(waiting.left()) == ["other", "stays"]
    assert b"gone" not in on_disk(tmp_path)


def test_a_subject_leaves_the_log_with_the_outcomes_of_its_predictions(waiting: Waiting, tmp_path: Path) -> None:
    waiting.send(predicted("one", "ann"), predicted("two", "bob"))
    waiting.send(outcome("one"), outcome("two"))
    waiting.state.erase(ErasureOrder("churn", "subject", ("ann",)))
    assert sorted(waiting.left()) == ["two", "two"]
    assert b"ann" not in on_disk(tmp_path)


@pytest.mark.slow
def test_a_subject_leaves_the_log_with_its_outcomes_where_the_first_attempt_failed(
    waiting: Waiting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are gone by the second attempt, and outcomes in the log name no subject."""
    waiting.send(predicted("one", "ann"), predicted("two", "bob"))
    waiting.send(outcome("one"), outcome("two"))

    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(waiting.state._store, "rewrite", full)
        with pytest.raises(OSError, match="No space left"):
            waiting.state.erase(ErasureOrder("churn", "subject", ("ann",)))
    waiting.state.tidy_now()
    assert sorted(waiting.left()) == ["two", "two"]
    assert b"ann" not in on_disk(tmp_path)
    assert list(ErasureOrders(tmp_path)) == []


def test_a_model_leaves_the_log_and_others_stay(waiting: Waiting, tmp_path: Path) -> None:
    waiting.send(predicted("a"), predicted("b", model="other"))
    waiting.send(outcome("a"))
    waiting.state.erase(ErasureOrder("churn", "model"))
    assert waiting.left() == ["b"]
    assert b"churn" not in on_disk(tmp_path)


def test_what_everyone_has_read_goes_at_once(waiting: Waiting, tmp_path: Path) -> None:
    waiting.send(predicted("gone"), predicted("stays"))
    waiting.destination.move(waiting.state.log.end)
    waiting.state.erase(ErasureOrder("churn", "id", ("gone",)))
    assert on_disk(tmp_path) == b""
