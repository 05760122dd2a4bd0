"""Whole drills: on rows of the model, with faults of their own, and with the channels of every policy that fires."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from driftline_extensions.drills.drill import Fired
from driftline_processor.core.windows.window import DAY

from tests.support.churn_files import Run
from tests.support.replayed_rows import DAY as ONE_DAY
from tests.support.replayed_rows import baseline_of, drawn, requests, write_files
from tests.support.running_service import get, running, url
from tests.support.waiting import wait_until

HEADERS = {"content-type": "application/x-protobuf"}
MODELS: dict[str, Any] = {"churn": {"task": "binary", "windows": ["1d"], "outcome_delay": "1d"}}
CONFIG = """
models: {churn: {task: binary, windows: [1d], outcome_delay: 1d}}
notify: [team]
channels: {team: "json://127.0.0.1:1/", data: "json://127.0.0.1:2/"}
policies:
  inputs: {when: features drift, notify: [data]}
  faults: {when: data faulty}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def drilled(run: Run, *arguments: object) -> dict[str, Any]:
    """Run a drill and return its result."""
    result = run("drill", *arguments, "--json")
    assert result.exit_code in (0, 1), result.stderr
    [drill] = json.loads(result.stdout)["drills"]
    return dict(drill)


@pytest.mark.slow
def test_each_policy_that_fires_names_its_channels_though_they_share_a_message(
    run: Run, tmp_path: Path, config: Path
) -> None:
    rng = np.random.default_rng(3)
    files = write_files(tmp_path, drawn(rng, 8, 250), baseline_of(rng))
    options = ("--records", files["rows"], "--outcomes", files["outcomes"], "--baseline", files["baseline"])
    drill = drilled(run, "unit-change", "--config", config, *options, "--at", "4d")
    assert (drill["outcome"], drill["features"], drill["quiet"]) == ("found", ["tenure"], True)
    assert {one["policy"]: one["notified"] for one in drill["fired"]} == {"inputs": ["data"], "faults": ["team"]}
    assert "2,000 recorded rows" in drill["traffic"]


@pytest.mark.slow
def test_a_fault_that_recorded_rows_have_is_no_false_alarm_and_does_not_hide_another(
    run: Run, tmp_path: Path, config: Path
) -> None:
    rng = np.random.default_rng(4)
    files = write_files(tmp_path, drawn(rng, 9, 250, unit=range(2, 9)), baseline_of(rng))
    options = ("--records", files["rows"], "--outcomes", files["outcomes"], "--baseline", files["baseline"])
    drill = drilled(run, "concept-shift", "--config", config, *options, "--at", "5d", "--size", "0.7")
    assert {one["policy"] for one in drill["fired_without_fault"] if one["own_problem"]} >= {"inputs", "health"}
    assert drill["quiet"]
    assert [(one["policy"], one["state"]) for one in drill["fired"]] == [("health", "degraded")]


@pytest.mark.slow
def test_a_drill_uses_the_rows_that_a_processor_stores(run: Run, tmp_path: Path, config: Path) -> None:
    rng = np.random.default_rng(5)
    rows, baseline = drawn(rng, 8, 250), baseline_of(rng)
    with running(tmp_path / "state", models=MODELS) as service:
        for _, bodies in requests(rows, baseline, 4 * ONE_DAY):
            for body in bodies:
                answer = httpx.post(url(service, "http", "/v1/logs"), content=body, headers=HEADERS, trust_env=False)
                assert answer.status_code == 200
        wait_until(lambda: _counts(get(service, "/api/v1/models/churn")) == {("rows", 2_000), ("outcomes", 2_000)})
        drill = drilled(run, "dead-exporter", "--config", config, "--url", url(service, "web", ""))
    assert "2,000 rows of version 1" in drill["traffic"]
    assert (drill["outcome"], drill["rows_a_day"]) == ("found", pytest.approx(250, rel=0.01))


def _counts(answer: httpx.Response) -> set[tuple[str, int]]:
    return {(name, version[name]) for version in answer.json().get("versions", ()) for name in ("rows", "outcomes")}


@pytest.mark.parametrize(
    ("anyway", "covered"),
    [
        ({}, True),
        ({"policy": "other"}, False),
        ({"until": DAY}, False),
        ({"after": 3 * DAY}, False),
        ({"state": "degraded"}, True),
        ({"state": "unknown"}, False),
    ],
)
def test_what_fires_anyway_is_open_then_and_at_least_as_severe(anyway: dict[str, Any], covered: bool) -> None:
    keys: dict[str, Any] = {"policy": "health", "state": "at_risk", "after": -DAY, "until": None, **anyway}
    fired = Fired("health", "warning", "at_risk", "", (), 2 * DAY, 1, "1d", (), ())
    until, state = keys["until"], keys["state"]
    other = Fired(keys["policy"], "warning", state, "", (), keys["after"], 1, "1d", (), (), until=until)
    assert other.covers(fired) == covered
