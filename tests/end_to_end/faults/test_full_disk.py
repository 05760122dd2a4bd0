"""A disk that really is full, the real processor on it, and a disk that has room again."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import httpx
import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.column_codec import encode_column, texts

from tests.support.facts import lacking
from tests.support.otlp_requests import FEATURE, logs, record
from tests.support.processes import addresses, process
from tests.support.waiting import wait_until

pytestmark = pytest.mark.heavy

SIZE, BALLAST = 256 << 20, 144 << 20
"""Bytes of the file system, and of what else is on it until there is room again."""

ROWS = 2000
MOST = 800


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(mounted)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs Linux and root")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def batch(number: int, rng: np.random.Generator) -> bytes:
    """Return a request of rows that take some room."""
    now = time.time_ns()
    columns = {
        a.ML_PREDICTION_ID: encode_column(texts([f"{number}-{row}" for row in range(ROWS)])),
        a.DRIFTLINE_PREDICTION_TIME_UNIX_NANO: encode_column(np.full(ROWS, now)),
        a.ML_PREDICTION_SCORE: encode_column(rng.random(ROWS)),
        **{f"{FEATURE}x{at}": encode_column(rng.normal(size=ROWS)) for at in range(20)},
    }
    said = {a.ML_MODEL_NAME: "churn", a.DRIFTLINE_BATCH_ID: f"batch-{number}", a.ML_PREDICTION_COUNT: ROWS}
    return logs([record(events.DRIFTLINE_PREDICTION_BATCH, {**said, a.DRIFTLINE_PREDICTION_COLUMNS: columns})], "prod")


def test_a_processor_goes_on_by_itself_after_its_disk_was_full(tmp_path: Path, disk: Path) -> None:
    (disk / "ballast").write_bytes(bytes(BALLAST))
    storage = f"storage: {{directory: {disk}/state}}\nmodels: {{churn: {{keep_features: all}}}}\n"
    with process(tmp_path, storage) as child, httpx.Client(trust_env=False, timeout=60) as client:
        otlp, web = addresses(child)

        def send(body: bytes) -> httpx.Response:
            return client.post(f"{otlp}/v1/logs", content=body, headers={"content-type": "application/x-protobuf"})

        def taken(body: bytes) -> bool:
            return send(body).status_code == 200

        rng, acknowledged, refused = np.random.default_rng(1), list[int](), dict[int, bytes]()
        while not refused:
            number = len(acknowledged)
            assert number < MOST
            body = batch(number, rng)
            answer = send(body)
            if answer.status_code == 200:
                acknowledged.append(number)
            else:
                refused[number] = body
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert b"(No space left on device); free space on its disk" in answer.content
        for number in range(len(acknowledged) + 1, len(acknowledged) + 6):
            body = batch(number, rng)
            answer = send(body)  # what is in the tables leaves the log, and gives a little room now and then
            assert answer.status_code in (200, 503)
            if answer.status_code == 200:
                acknowledged.append(number)
            else:
                refused[number] = body
        ready = client.get(f"{web}/readyz")
        named = {problem["name"] for problem in ready.json()["problems"]}
        assert "disk" in named
        assert named <= {"disk", "storage", "log"}
        assert 'driftline_problems{driftline_problem="disk"} 1.0' in client.get(f"{web}/metrics").text
        assert client.get(f"{web}/healthz").status_code == 200
        outcome = {"model": "churn", "outcomes": [{"id": "0-0", "actual": 1}]}

        (disk / "ballast").unlink()
        wait_until(lambda: client.get(f"{web}/readyz").status_code == 200)
        for body in refused.values():  # what began without room may fail after there is some: one sends again
            wait_until(partial(taken, body))
        wait_until(lambda: client.post(f"{web}/v1/outcomes", json=outcome).json() == {"accepted": 1, "rejected": []})
        expected = ROWS * (len(acknowledged) + len(refused))

        def shown() -> bool:
            models = client.get(f"{web}/api/v1/models").json()["models"]
            return [(model["rows"], model["outcomes"]) for model in models] == [(expected, 1)]

        wait_until(shown)
        child.send_signal(signal.SIGTERM)
        _, errors = child.communicate(timeout=120)
        assert child.returncode == 0
    said = [re.sub(r" \(.*|, after.*", "", line) for line in errors.splitlines()]
    both = ("cannot be written", "works again")
    for folder in (f"{disk}/state", f"{disk}/state/log"):  # which of them finds out first, and how often, is chance
        lines = [line for line in said if folder in line.split()]
        assert [lacking(line, "storage.directory:", how) for line, how in zip(lines, both * 4, strict=False)] == [
            [] for _ in lines
        ]
        assert len(lines) % 2 == 0
    assert 2 <= len(said) <= 8
    with duckdb.connect(str(disk / "state" / "driftline.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM predictions").fetchall()
    assert found == [(expected, expected)]
