"""`kill -9` of a service: acknowledged rows are there once, and what came between cumulative points counts once."""

from __future__ import annotations

import signal
import stat
import time
from pathlib import Path

import httpx
from driftline.semconv import metrics as m

from tests.support.metric_requests import histogram_of, metrics_body, predictions_of
from tests.support.processes import HEADERS, addresses, has_rows, post_predictions, prediction, process
from tests.support.waiting import wait_until


def bodies(*totals: int) -> list[bytes]:
    """What a process says that has predicted so many times since it began."""
    began = time.time_ns()
    said: list[bytes] = []
    for total in totals:
        at = began + 1_000_000 * (1 + len(said))
        durations = histogram_of(m.ML_PREDICT_DURATION, [1.0], [total, 0], start=began, time=at, sum=0.1)
        said.append(metrics_body([durations, predictions_of(total, start=began, time=at)]))
    return said


def send(url: str, content: bytes) -> bool:
    try:
        return httpx.post(f"{url}/v1/metrics", content=content, headers=HEADERS, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def counts(web: str, expected: int) -> bool:
    """Wait until so many are counted, and a moment longer for more than that."""
    wait_until(lambda: counted(web) >= expected)
    time.sleep(1.5)  # what waits in the log is stored within a second
    return counted(web) == expected


def counted(web: str) -> int:
    found = httpx.get(f"{web}/api/v1/models", trust_env=False).json()["models"]
    if not found:
        return 0
    (model,) = found
    assert sum(model["by_class"].values()) == model["distributed"]
    return int(model["distributed"])


def test_killed_between_two_points_it_counts_what_is_new(tmp_path: Path) -> None:
    hundred, more, most = bodies(100, 150, 175)
    with process(tmp_path) as first:
        otlp, web = addresses(first)
        assert send(otlp, hundred)
        assert counts(web, 100)
        first.send_signal(signal.SIGKILL)
        assert not send(otlp, more)
    with process(tmp_path) as second:
        otlp, web = addresses(second)
        assert counts(web, 100)
        assert send(otlp, more)
        assert counts(web, 150)
        second.send_signal(signal.SIGKILL)
    with process(tmp_path) as third:
        otlp, web = addresses(third)
        assert counts(web, 150)
        assert send(otlp, more)  # an exporter that saw no acknowledgement sends it again
        assert counts(web, 150)
        assert send(otlp, most)
        assert counts(web, 175)


def test_killed_and_started_again_it_has_every_row_once(tmp_path: Path) -> None:
    bodies = [prediction("churn", f"order-{i}") for i in range(30)]
    known = 0
    for sent in (1, 20):
        with process(tmp_path) as child:
            otlp, web = addresses(child)
            assert has_rows(web, known)
            assert all(post_predictions(otlp, body) for body in bodies[known:sent])
            state = tmp_path / "driftline-data"
            modes = {entry.name: oct(stat.S_IMODE(entry.stat().st_mode)) for entry in (state, *state.iterdir())}
            assert modes == {
                "driftline-data": "0o700",
                "log": "0o700",
                "driftline.duckdb": "0o600",
                "driftline.duckdb.wal": "0o600",
                "driftline.acknowledged": "0o600",
                "driftline.acknowledged.log": "0o600",
                "driftline.audit.key": "0o600",
                "session.key": "0o600",
            }
            child.send_signal(signal.SIGKILL)
            assert not post_predictions(otlp, bodies[sent])
        known = sent
    with process(tmp_path) as last:
        otlp, web = addresses(last)
        assert has_rows(web, known)
        assert all(
            post_predictions(otlp, body) for body in bodies
        )  # an exporter that saw no acknowledgement sends all again
        assert has_rows(web, len(bodies))
