"""`kill -9` at any moment: what was acknowledged is there after a restart, and a resend counts nothing twice."""

from __future__ import annotations

import signal
import stat
from pathlib import Path

from tests.support.processes import addresses, has_rows, post_predictions, prediction, process


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
            files = dict.fromkeys(["driftline.duckdb", "driftline.duckdb.wal", "driftline.acknowledged"], "0o600")
            assert modes == {"driftline-data": "0o700", "log": "0o700", **files}
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
