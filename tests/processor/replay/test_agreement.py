"""The same rows, live and as a replay of files: the same alerts, about the same windows, to the same channels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.schema import load
from driftline_processor.policy.alert_history import AlertHistory, alert_histories
from driftline_processor.policy.watch import no_links
from driftline_processor.present.wording import iso_time
from driftline_processor.replay.shadow import RecordingCouriers
from driftline_processor.state import State

from tests.support.churn_files import Run
from tests.support.replayed_rows import DAY, HOUR, START, baseline_of, drawn, requests, write_files
from tests.support.state_rows import Clock

CONFIG = """
storage: {in_memory: true}
models: {churn: {task: binary, windows: [WINDOWS], outcome_delay: 1d}}
notify: ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#models", team]
channels:
  team: {url: "json://127.0.0.1:1/", quiet: {from: "22:00", to: "07:00"}}
  oncall: {url: "json://127.0.0.1:2/"}
actions:
  http/rollback: {url: "https://127.0.0.1:9/", approval: required}
policies:
  accuracy: {when: accuracy < 72 %, significant: true, notify: [oncall], actions: [http/rollback]}
  inputs: {when: features drift}
  quieter: {when: data faulty, unless: [health, inputs]}
  never: {when: predictions > 1000}
"""


def live(path: Path, rows: pd.DataFrame, baseline: Baseline, looks: pd.Timedelta) -> list[dict[str, Any]]:
    """Send rows and outcomes by the hour, evaluate them every few hours, and return the alerts."""
    clock = Clock(START.value)
    state = State(load(path), clock=clock)
    state.start_storing()
    state.notifications.send_by(RecordingCouriers(load(path).actions, clock), no_links)
    try:
        end = rows["time"].max().ceil("h")
        for time, bodies in requests(rows, baseline, HOUR):
            clock.now = time.value
            for body in bodies:
                state.submit("logs", body).result()
            if (time - START) % looks == 0 * HOUR or time > end:
                state.settle()
        return sorted(map(_alert, alert_histories(state.alerts)), key=str)
    finally:
        state.stop()


def _alert(history: AlertHistory) -> dict[str, Any]:
    alert, names = history.alert, sorted({sent.message.channel for sent in history.sent})
    times = {name: getattr(alert, name) for name in ("fired", "since", "until")}
    return {
        "policy": alert.policy,
        "state": alert.state or None,
        **{name: None if time is None else iso_time(time) for name, time in times.items()},
        "notified": [name for name in names if "/" not in name],
        "actions": [name for name in names if "/" in name],
    }


def replayed(run: Run, path: Path, rows: pd.DataFrame, baseline: Baseline) -> list[dict[str, Any]]:
    """Return what `driftline policies test` shows of the same rows in files, in the same form."""
    files = write_files(path.parent, rows, baseline)
    options = [text for name, file in files.items() for text in (f"--{name}", file)]
    result = run("policies", "test", path, *options, "--json")
    assert result.exit_code == 0, result.stderr
    [answer] = json.loads(result.stdout)["models"]
    firings = [(policy["policy"], firing) for policy in answer["policies"] for firing in policy["firings"]]
    return sorted(
        (
            {
                "policy": name,
                **{key: firing[key] for key in ("state", "fired", "since", "until")},
                "notified": sorted(firing["notified"]),
                "actions": sorted(action["action"] for action in firing["actions"]),
            }
            for name, firing in firings
        ),
        key=str,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("windows", "days", "pause", "expected"),
    [
        pytest.param("1d", 11, range(0), {"health", "accuracy", "inputs"}, id="days"),
        pytest.param("6h", 7, range(6, 7), {"health", "inputs"}, id="six hours, and a pause"),
    ],
)
def test_a_replay_of_files_shows_what_the_live_service_sends(
    run: Run, tmp_path: Path, windows: str, days: int, pause: range, expected: set[str]
) -> None:
    rng = np.random.default_rng(9)
    baseline = baseline_of(rng)
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.replace("WINDOWS", windows), encoding="utf-8")
    rows = drawn(rng, days, 250, unit=range(4, 6), concept=range(8, 10))
    rows = rows[~((rows["time"] - START) // DAY).isin([*pause])]
    found = replayed(run, path, rows, baseline)
    assert found == live(path, rows, baseline, 6 * HOUR)
    assert {one["policy"] for one in found if one["notified"]} == expected


@pytest.mark.slow
def test_outcomes_that_end_with_the_last_look_are_replayed(run: Run, tmp_path: Path) -> None:
    """A nightly job dates its outcomes a moment after the hour in which the last row was."""
    rng = np.random.default_rng(9)
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.replace("WINDOWS", "1d"), encoding="utf-8")
    rows = drawn(rng, 2, 250, unit=range(0), concept=range(0))
    rows["known"] = rows["time"].max().ceil("h") + pd.Timedelta("15min")
    assert replayed(run, path, rows, baseline_of(rng)) == []
