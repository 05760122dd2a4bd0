"""A storage that fails while the processor runs: it says so, takes nothing, and goes on by itself afterwards."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from errno import ENOSPC
from pathlib import Path
from types import SimpleNamespace

import duckdb
import grpc
import httpx
import pytest
from driftline_processor.ingest.transaction import Intake
from driftline_processor.otlp.protocol import METHODS
from driftline_processor.receipts import StorageOutage
from driftline_processor.service import Service
from driftline_processor.state import keeper
from driftline_processor.store import audit_log
from driftline_processor.store.database import Connection, StorageError, Store, transaction
from google.rpc.error_details_pb2 import RetryInfo

from tests.support.facts import lacking
from tests.support.processes import prediction
from tests.support.running_service import get, running, url
from tests.support.waiting import wait_until

LOGS = next(method for method, signal in METHODS.items() if signal == "logs")
PROTOBUF = {"content-type": "application/x-protobuf"}
FULL = {
    "invalidated": duckdb.FatalException(
        "FATAL Error: Failed: database has been invalidated because of a previous fatal error.\nOriginal error: "
        '"Failed to create checkpoint: Could not write file "driftline.duckdb": No space left on device"'
    ),
    "commit failed": duckdb.TransactionException(
        'TransactionContext Error: Failed to commit: Could not write file "x.wal": No space left on device'
    ),
}


class Disk:
    """Is full when told to. ``late``: the commit was on disk all the same when it failed."""

    def __init__(self, error: duckdb.Error, late: bool) -> None:
        self.full = False
        self.error, self.late = error, late

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        if self.full and not self.late:
            raise self.error
        with transaction(connection):
            yield
        if self.full:
            raise self.error

    def check_room(self) -> None:
        if self.full:
            raise OSError(ENOSPC, "No space left on device")


@pytest.fixture(params=[(name, late) for name in FULL for late in (False, True)], ids=str)
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Disk:
    name, late = request.param
    disk = Disk(FULL[name], late)
    monkeypatch.setattr(audit_log, "transaction", disk.transaction)
    monkeypatch.setattr(Store, "_check_room", disk.check_room, raising=False)
    monkeypatch.setattr(keeper, "REOPEN_AFTER", (0.01, 0.01), raising=False)
    return disk


def send(service: Service, body: bytes) -> httpx.Response:
    return httpx.post(url(service, "http", "/v1/logs"), content=body, headers=PROTOBUF, trust_env=False)


def tell(service: Service, prediction_id: str, part: str = "web") -> httpx.Response:
    outcome = {"model": "churn", "outcomes": [{"id": prediction_id, "actual": 1, "time": "2024-01-01"}]}
    return httpx.post(url(service, part, "/v1/outcomes"), json=outcome, trust_env=False)


def rows(service: Service) -> int:
    models = get(service, "/api/v1/models").json()["models"]
    return int(models[0]["rows"]) if models else 0


@pytest.mark.slow
def test_a_full_disk_is_said_once_and_everything_goes_on_when_there_is_room(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    kept, refused = prediction("churn", "kept"), prediction("churn", "refused")
    with running(tmp_path) as service, caplog.at_level(logging.WARNING):
        assert send(service, kept).status_code == 200
        wait_until(lambda: rows(service) == 1)
        disk.full = True
        early = prediction("churn", "early")
        assert send(service, early).status_code in (200, 503)  # as long as nobody knows, it is kept in the log
        wait_until(lambda: get(service, "/readyz").status_code == 503)
        for _ in range(3):
            answer = send(service, refused)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert b"free space on its disk" in answer.content
        for part in ("web", "http"):
            answer = tell(service, "kept", part)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            assert "(No space left on device); free space on its disk" in answer.json()["error"]

        with grpc.insecure_channel(str(service.addresses["grpc"])) as channel, pytest.raises(grpc.RpcError) as error:
            channel.unary_unary(LOGS)(refused, timeout=60)
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        retry = dict(error.value.trailing_metadata())["google.rpc.retryinfo-bin"]
        assert RetryInfo.FromString(retry).retry_delay.seconds == 2

        for path, status in (("/readyz", 503), ("/healthz", 200)):
            answer = get(service, path)
            (problem,) = answer.json()["problems"]
            assert (answer.status_code, problem["name"], problem["ready"]) == (status, "storage", False)
            assert lacking(problem["message"], "storage.directory:", f"{tmp_path}") == []
        assert rows(service) in (1, 1 + disk.late)  # whoever finds out first, what is not stored is in the log
        unread = get(service, "/api/v1/models/churn/outcomes?id=kept")
        assert (unread.status_code, unread.headers["retry-after"]) == (503, "2")
        (said,) = caplog.records
        assert (said.exc_info, said.getMessage()) == (None, f"driftline: {problem['message']}")

        disk.full = False
        wait_until(lambda: get(service, "/readyz").status_code == 200)
        assert [send(service, body).status_code for body in (kept, early, refused, prediction("churn", "new"))] == [
            200
        ] * 4
        assert tell(service, "refused").json() == {"accepted": 1, "rejected": []}

        def joined() -> bool:
            (model,) = get(service, "/api/v1/models").json()["models"]
            return (model["rows"], model["outcomes"]) == (4, 1)  # each once, though one commit failed and was kept

        wait_until(joined)
        assert [record.exc_info for record in caplog.records] == [None, None]
        assert lacking(caplog.text, f"{tmp_path}") == []


def test_a_disk_that_is_full_again_and_again_is_said_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now, disk = [1000.0], Disk(FULL["invalidated"], late=False)
    monkeypatch.setattr(Store, "_check_room", disk.check_room)
    monkeypatch.setattr("driftline_processor.store.database.time", SimpleNamespace(monotonic=lambda: now[0]))
    store = Store(tmp_path)

    def fail() -> None:
        disk.full = True
        with pytest.raises(StorageOutage), store.watched():
            raise disk.error
        with pytest.raises(StorageError, match="free space on its disk"):
            store.reopen()

    def mend() -> None:
        disk.full = False
        store.reopen()
        store.recover()

    fail()
    now[0] += 5
    mend()
    now[0] += 5
    fail()
    now[0] += 5
    mend()
    now[0] += 5
    fail()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    now[0] += 50  # this one lasts
    with pytest.raises(StorageError):
        store.reopen()
    now[0] += 100
    mend()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING", "ERROR", "WARNING"]
    assert caplog.records[-1].getMessage().endswith("works again, after 150 s")
    assert [path.name for path in tmp_path.glob("driftline.room")] == []
    store.close()


@pytest.mark.slow
def test_a_processor_stops_in_order_while_its_disk_is_full(
    tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    with running(tmp_path) as service:
        assert send(service, prediction("churn", "kept")).status_code == 200
        wait_until(lambda: rows(service) == 1)
        disk.full = True
        assert send(service, prediction("churn", "early")).status_code in (200, 503)
        wait_until(lambda: get(service, "/readyz").status_code == 503)
        assert send(service, prediction("churn", "refused")).status_code == 503
    assert [record.exc_info for record in caplog.records] == [None]
    disk.full = False
    with running(tmp_path) as service:
        again = [send(service, prediction("churn", name)).status_code for name in ("early", "refused")]
        assert again == [200] * 2
        wait_until(lambda: rows(service) == 3)


def test_a_request_that_no_storage_is_to_blame_for_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise duckdb.ConversionException("Conversion Error: Could not convert")

    with running(tmp_path) as service:
        monkeypatch.setattr(Intake, "_sort", fail)
        assert tell(service, "a").status_code == 503
        assert get(service, "/readyz").status_code == 200
