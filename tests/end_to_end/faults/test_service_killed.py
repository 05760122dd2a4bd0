"""`kill -9` at any moment: what was acknowledged is there after a restart, and a resend counts nothing twice."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

import httpx

from tests.support.processes import HEADERS, addresses, prediction, process


def send(url: str, body: bytes) -> bool:
    """Send a request; say whether it was acknowledged."""
    try:
        return httpx.post(f"{url}/v1/logs", content=body, headers=HEADERS, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def rows(web: str) -> int:
    return sum(model["rows"] for model in httpx.get(f"{web}/api/v1/models", trust_env=False).json()["models"])


def test_killed_and_started_again_it_has_every_row_once(tmp_path: Path) -> None:
    bodies = [prediction("churn", f"order-{i}") for i in range(30)]
    known = 0
    for sent in (1, 20):
        with process(tmp_path) as child:
            otlp, web = addresses(child)
            assert rows(web) == known
            assert all(send(otlp, body) for body in bodies[known:sent])
            state = tmp_path / "driftline-data"
            modes = {entry.name: oct(stat.S_IMODE(entry.stat().st_mode)) for entry in (state, *state.iterdir())}
            files = dict.fromkeys(["driftline.duckdb", "driftline.duckdb.wal", "driftline.acknowledged"], "0o600")
            assert modes == {"driftline-data": "0o700", **files}
            child.send_signal(signal.SIGKILL)
            assert not send(otlp, bodies[sent])
        known = sent
    with process(tmp_path) as last:
        otlp, web = addresses(last)
        assert rows(web) == known
        assert all(send(otlp, body) for body in bodies)  # an exporter that saw no acknowledgement sends all again
        assert rows(web) == len(bodies)
