"""`kill -9` of a processor that receives panes, and the example of the page about them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import make_panes

from tests.support.paths import ROOT
from tests.support.processes import addresses, process
from tests.support.waiting import wait_until

MODEL = "models: {churn: {baseline: churn.baseline.json, windows: [1d], outcome_delay: 1d}}\n"
DAY = 86_400 * 10**9
START = 20_000 * DAY


def scored(rows: int, seed: int) -> pd.DataFrame:
    """Return rows of three days with their outcomes."""
    random = np.random.default_rng(seed)
    age = random.normal(40, 10, rows)
    score = 1 / (1 + np.exp(-(age - 40) / 10))
    time = pd.to_datetime(START + np.sort(random.integers(0, 3 * DAY, rows)), utc=True)
    actual = (random.random(rows) < score).astype(int)
    return pd.DataFrame({"age": age, "score": score, "actual": actual, "scored_at": time})


def baseline_in(folder: Path) -> Baseline:
    """Write the baseline of the model to a folder."""
    baseline = Baseline.from_frame(
        scored(2_000, 1), score="score", actual="actual", time="scored_at", model="churn", task="binary"
    )
    baseline.save(folder / "churn.baseline.json")
    return baseline


def post(otlp: str, body: bytes) -> dict[str, Any] | None:
    """Send panes; return the answer, None if the processor is gone."""
    try:
        answer = httpx.post(
            f"{otlp}/v1/panes", content=body, headers={"content-type": "application/json"}, trust_env=False
        )
    except httpx.TransportError:
        return None
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def model_of(web: str) -> dict[str, Any]:
    """Return the model as the API shows it; {} before it is published."""
    models = httpx.get(f"{web}/api/v1/models", trust_env=False).json()["models"]
    return dict(models[0]) if models else {}


def test_a_run_that_is_interrupted_by_kills_gives_the_panes_of_one_without(tmp_path: Path) -> None:
    baseline = baseline_in(tmp_path)
    frame = scored(6_000, 2)
    first = [body for _, body in make_panes(frame.assign(actual=None), baseline).requests("nightly", 1)]
    second = [body for _, body in make_panes(frame, baseline).requests("nightly", 2)]
    assert (len(first), len(second)) == (1, 1)
    with process(tmp_path, MODEL) as child:
        otlp, _ = addresses(child)
        assert post(otlp, first[0]) == {"accepted": 72, "replaced": 0, "unchanged": 0, "superseded": 0, "refused": []}
        child.send_signal(signal.SIGKILL)
    for wait in (0.0, 0.05, 0.2):  # killed before, in and after the transaction, and the job tries again
        with process(tmp_path, MODEL) as child:
            otlp, _ = addresses(child)
            killer = threading.Timer(wait, child.send_signal, [signal.SIGKILL])
            killer.start()
            post(otlp, second[0])
            killer.join()
    with process(tmp_path, MODEL) as child:
        otlp, web = addresses(child)
        answer = post(otlp, second[0])
        assert answer is not None
        assert answer["replaced"] + answer["unchanged"] == 72
        assert post(otlp, second[0]) == {"accepted": 0, "replaced": 0, "unchanged": 72, "superseded": 0, "refused": []}
        wait_until(lambda: model_of(web).get("windows", {}).get("1d", {}).get("closed"))
        model = model_of(web)
        assert (model["rows"], model["outcomes"]) == (6_000, 6_000)
        assert [(one["source"], one["epoch"], one["rows"]) for one in model["pane_sources"]] == [("nightly", 2, 6_000)]
        page = httpx.get(f"{web}/models/churn/data", trust_env=False).text
        assert re.search(r"Panes from batch jobs.*nightly.*6,000", page, re.DOTALL)


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    page = (ROOT / "docs/deploy/panes.md").read_text(encoding="utf-8")
    baseline_in(tmp_path)
    scored(3_000, 2).to_parquet(tmp_path / "scored.parquet")
    [make, send] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    make = make.replace("examples/two_files/lastweek.parquet", "scored.parquet").replace(
        'time="time")', 'time="scored_at")'
    )
    make = re.sub(
        r"reference = .*?\n\)\n", "baseline = driftline.Baseline.load('churn.baseline.json')\n", make, flags=re.DOTALL
    )
    example = make + send
    with process(tmp_path, MODEL) as child:
        otlp, web = addresses(child)
        done = subprocess.run(
            [sys.executable, "-c", example],
            cwd=tmp_path,
            env={**os.environ, "DRIFTLINE_ENDPOINT": otlp},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.returncode) == ("72 ()\n", 0), done.stderr
        wait_until(lambda: model_of(web).get("rows") == 3_000)
