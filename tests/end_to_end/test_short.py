"""One processor from a prediction to its outcome on the page, with ``kill -9`` between; ``make test`` runs it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from driftline.semconv import metrics as m

from tests.support.processes import HEADERS, addresses, prediction, process

PATIENCE = 60.0
"""Seconds until a processor that does not do its work fails the test."""


def get(address: str) -> httpx.Response:
    return httpx.get(address, trust_env=False)


def eventually(ask: Callable[[], Any], wanted: Any) -> None:
    """Ask until the answer is the wanted one."""
    deadline = time.monotonic() + PATIENCE
    while (answer := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer == wanted


def test_a_prediction_and_its_outcome_are_on_the_page_and_for_prometheus_after_a_kill(tmp_path: Path) -> None:
    body = prediction("churn", "order-1")
    with process(tmp_path) as child:
        otlp, web = addresses(child)
        assert httpx.post(f"{otlp}/v1/logs", content=body, headers=HEADERS, trust_env=False).status_code == 200
        child.send_signal(signal.SIGKILL)

    with process(tmp_path) as child:
        otlp, web = addresses(child)
        assert httpx.post(f"{otlp}/v1/logs", content=body, headers=HEADERS, trust_env=False).status_code == 200
        outcome = {"model": "churn", "outcomes": [{"id": "order-1", "actual": 1}]}
        assert httpx.post(f"{web}/v1/outcomes", json=outcome, trust_env=False).json() == {"accepted": 1, "rejected": []}

        def counts() -> list[tuple[str, int, int]]:
            models = get(f"{web}/api/v1/models").json()["models"]
            return [(model["model"], model["rows"], model["outcomes"]) for model in models]

        eventually(counts, [("churn", 1, 1)])
        assert "churn" in get(f"{web}/models/churn").text
        series = m.INSTRUMENTS[m.DRIFTLINE_PREDICTIONS].prometheus
        lines = [line for line in get(f"{web}/metrics").text.splitlines() if line.startswith(series)]
        assert [line.rpartition(" ")[2] for line in lines] == ["1.0"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0
