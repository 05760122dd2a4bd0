"""A threshold beside a baseline that was built at another one: files say what a running service says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.schema import load
from driftline_processor.core import facts
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.present.sentences import clause
from driftline_processor.state import State

from tests.support.churn_files import Run
from tests.support.live_and_files import agree
from tests.support.state_rows import DAY, NOON, Clock, Opened, outcomes, predictions

ROWS = 1_500
SECOND = 10**9
SAID = """
models:
  churn:
    threshold: 0.3
    windows: [1d]
    performance: {objectives: ["accuracy >= baseline - 0.01", "precision >= baseline - 0.01"]}
"""


def scored(seed: int) -> tuple[list[float], list[int]]:
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 3, ROWS)
    return score.tolist(), (rng.random(ROWS) < score).astype(int).tolist()


def live(folder: Path, reference: Baseline) -> dict[str, Any]:
    said = folder / "driftline.yaml"
    said.write_text(f"storage: {{directory: {folder / 'state'}}}\n{SAID}")
    clock = Clock(NOON)
    state = State(load(said), clock=clock)
    state.start_storing()
    opened, (score, actual) = Opened(state), scored(2)
    ids, times = [str(row) for row in range(ROWS)], [NOON + row * SECOND for row in range(ROWS)]
    opened.send(
        predictions(ids, times, score, features={"x": score}),
        outcomes(ids, actual, [time + SECOND for time in times]),
        baselines=[reference.to_json()],
    )
    clock.now = NOON + 2 * DAY
    (evaluation,) = opened.view().windows["1d"]
    state.stop()
    return to_json(evaluation)


def of_files(run: Run, folder: Path, reference: Baseline) -> dict[str, Any]:
    score, actual = scored(2)
    reference.save(folder / "base.json")
    times = pa.array([NOON + row * SECOND for row in range(ROWS)], pa.timestamp("ns", "UTC"))
    ids = [str(row) for row in range(ROWS)]
    pq.write_table(pa.table({"id": ids, "x": score, "score": score, "time": times}), folder / "rows.parquet")
    pq.write_table(pa.table({"id": ids, "actual": actual}), folder / "outcomes.parquet")
    (folder / "said.yaml").write_text(SAID.replace("    windows: [1d]\n", ""))
    told = run(
        *("evaluate", folder / "rows.parquet", "--baseline", folder / "base.json", "--window", "1d"),
        *("--outcomes", folder / "outcomes.parquet", "--id", "id", "--score", "score", "--time", "time", "--json"),
        *("--performance", folder / "said.yaml", "--threshold", "0.3"),
    )
    assert told.exit_code == 0, told.stderr
    (window,) = json.loads(told.stdout)["windows"]
    return dict(window)


@pytest.mark.slow
def test_nothing_that_the_threshold_alone_has_changed_is_an_alert(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    score, actual = scored(1)
    reference = Baseline.from_frame(
        {"x": score},
        score=np.array(score),
        actual=actual,
        time=np.arange(ROWS) * 600 + (NOON - 12 * DAY) // SECOND,
        model="churn",
        task="binary",
    )
    running, files = live(tmp_path, reference), of_files(run, tmp_path, reference)
    told = clause(facts.BaselineDecidedAgain(threshold=0.3, baseline_threshold=0.5))
    assert running["baseline"]["compared"] == told
    assert caplog.messages.count(f"churn is compared with {told}") == 1
    said = running["performance"]
    assert said["realized"]["recall"]["value"] > 0.8
    assert said["estimated"]["recall"]["reference"] > 0.8
    assert {name: one["alert"] for name, one in said["estimated"].items() if one["alert"]} == {}
    assert "broken" not in [one["state"] for one in said["objectives"]]
    assert running["drift"]["class"] is None
    for one in (*said["estimated"].values(), *files["performance"]["estimated"].values()):
        del one["record"]  # which tells of other windows
    for part in ("estimated", "objectives"):
        agree(said[part], files["performance"][part], part)
    assert files["baseline"]["compared"] == told
