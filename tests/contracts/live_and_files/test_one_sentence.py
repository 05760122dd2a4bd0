"""The two example files give one sentence: of evaluate, its JSON, /api, the pages, top and the demo's findings."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.demo.runner import findings_of
from driftline_processor.terminal.top import run as run_top
from rich.console import Console
from starlette.testclient import TestClient

from tests.support.churn_files import Run
from tests.support.fake_view import app_of
from tests.support.live_and_files import agree
from tests.support.paths import ROOT
from tests.support.serve import serve
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, Clock, Opened, outcomes, predictions

FILES = ROOT / "examples" / "two_files"
ROLES = ("id", "time", "score", "late")
NAMED = ("--task", "binary", "--score", "score", "--actual", "late", "--id", "id", "--time", "time")


@pytest.fixture
def lived(open_state: Open, clock: Clock) -> Opened:
    """Return a state that has received the reference as a baseline, the week, and its outcomes."""
    reference, week = (pd.read_parquet(FILES / f"{name}.parquet") for name in ("reference", "lastweek"))
    features = [str(name) for name in week if name not in ROLES]
    baseline = Baseline.from_frame(
        reference, score="score", actual="late", time="time", id="id", model="late", task="binary", features=features
    )
    state = open_state(late=Model(windows=("1w",)))
    times = week["time"].astype("int64").to_numpy() * 1_000
    clock.now = int(times.max())
    columns: dict[str, Sequence[object]] = {
        name: [None if pd.isna(one) else one for one in week[name].tolist()] for name in features
    }
    made = predictions(week["id"].tolist(), times.tolist(), week["score"].tolist(), model="late", features=columns)
    state.send(made, baselines=[baseline.to_json()])
    landed = week["late"].notna().to_numpy()
    known = week[landed]
    actual = known["late"].astype(int).astype(str).tolist()
    state.send(
        outcomes(
            known["id"].tolist(),
            actual,
            (times[landed] + HOUR).tolist(),
            model="late",
        )
    )
    clock.now += 3 * DAY
    state.view("late")
    return state


def shown(text: str) -> str:
    """Return the words of a terminal or a page, without where its lines break."""
    return re.sub(r"\s+", " ", text)


@pytest.mark.slow
def test_all_surfaces_show_the_same_sentence(run: Run, lived: Opened, clock: Clock) -> None:
    command = ("evaluate", FILES / "lastweek.parquet", "--baseline", FILES / "reference.parquet", *NAMED)
    of_file: dict[str, Any] = json.loads(run(*command, "--window", "1w", "--json").stdout)["verdict"]
    sentence = of_file["sentence"]
    assert of_file["state"] == "degraded"
    assert re.findall(r"8 to 14 July 2013|\d+ %", sentence)[:3] == ["8 to 14 July 2013", "14 %", "36 %"]
    assert shown(run(*command, "--window", "1w").stdout).startswith(f"{sentence} {of_file['next']} {of_file['sure']}")

    app = app_of(lived.state, clock)
    client = TestClient(app, base_url="http://localhost")
    listed, answer = (
        client.get(f"/api/v1/models{path}").json() for path in ("", "/late/evaluations?version=1&window=1w")
    )
    for live in (listed["models"][0]["verdict"], answer["verdict"]):
        agree(live, of_file | {"interval": live["interval"]})
        assert live["interval"] == pytest.approx(of_file["interval"], rel=1e-9)
    for page in ("/", "/models/late?version=1"):
        assert sentence in shown(html.unescape(client.get(page).text))
    assert of_file["next"] in shown(html.unescape(client.get("/models/late?version=1").text))

    assert findings_of(answer, lambda _: 0.0)[0] == f"{sentence} {of_file['next']}"

    screen = Console(file=io.StringIO(), width=120, color_system=None)
    with serve(app) as address:
        assert run_top(address, screen) == 0
    assert isinstance(screen.file, io.StringIO)
    assert sentence in shown(screen.file.getvalue())
