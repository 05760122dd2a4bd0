"""`kill -9` between two cumulative points: what came in between counts once, whatever was acknowledged."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import httpx
from driftline.semconv import metrics as m

from tests.support.metric_requests import histogram_of, metrics_body, predictions_of
from tests.support.processes import HEADERS, addresses, process


def bodies(*totals: int) -> list[bytes]:
    """What a process says that has predicted so many times since it began."""
    began = time.time_ns()
    said: list[bytes] = []
    for total in totals:
        at = began + 1_000_000 * (1 + len(said))
        durations = histogram_of(m.ML_PREDICTION_DURATION, [1.0], [total, 0], start=began, time=at, sum=0.1)
        said.append(metrics_body([durations, predictions_of(total, start=began, time=at)]))
    return said


def send(url: str, content: bytes) -> bool:
    try:
        return httpx.post(f"{url}/v1/metrics", content=content, headers=HEADERS, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def counted(web: str) -> int:
    (model,) = httpx.get(f"{web}/api/v1/models", trust_env=False).json()["models"]
    assert sum(model["by_class"].values()) == model["distributed"]
    return int(model["distributed"])


def test_killed_between_two_points_it_counts_what_is_new(tmp_path: Path) -> None:
    hundred, more, most = bodies(100, 150, 175)
    with process(tmp_path) as first:
        otlp, web = addresses(first)
        assert send(otlp, hundred)
        assert counted(web) == 100
        first.send_signal(signal.SIGKILL)
        assert not send(otlp, more)
    with process(tmp_path) as second:
        otlp, web = addresses(second)
        assert counted(web) == 100
        assert send(otlp, more)
        assert counted(web) == 150
        second.send_signal(signal.SIGKILL)
    with process(tmp_path) as third:
        otlp, web = addresses(third)
        assert counted(web) == 150
        assert send(otlp, more)  # an exporter that saw no acknowledgement sends it again
        assert counted(web) == 150
        assert send(otlp, most)
        assert counted(web) == 175
