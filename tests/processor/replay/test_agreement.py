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
from driftline_processor.policy.alert_history import alert_histories
from driftline_processor.policy.watch import no_links
from driftline_processor.present.wording import iso_time
from driftline_processor.replay.shadow import RecordingCouriers
from driftline_processor.state import State

from tests.support.churn_files import Run
from tests.support.service import Service
from tests.support.state_rows import Clock

HOUR, DAY = pd.Timedelta("1h"), pd.Timedelta("1D")
START = pd.Timestamp("2026-03-02T00:00:00Z")
ROWS = 400
"""Rows a day."""
FEATURES = ["tenure", "charges"]

CONFIG = """
storage: {in_memory: true}
models: {churn: {task: binary, windows: [WINDOW], outcome_delay: 1d}}
notify: ["slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#models", team]
channels:
  team: {url: "json://127.0.0.1:1/", quiet: {from: "22:00", to: "07:00"}}
  oncall: {url: "json://127.0.0.1:2/"}
actions:
  http/rollback: {url: "https://127.0.0.1:9/", approval: true}
policies:
  accuracy: {when: accuracy < 72 %, significant: true, notify: [oncall], actions: [http/rollback]}
  inputs: {when: features drift}
  quieter: {when: data faulty, unless: [health, inputs]}
  never: {when: predictions > 1000}
"""


def drawn(rng: np.random.Generator, days: int, *, unit: range = range(0), concept: range = range(0)) -> pd.DataFrame:
    """Return rows of some days with their outcomes half a day later; ``unit``, ``concept``: the days of a fault."""
    time = START + pd.to_timedelta(np.sort(rng.random(days * ROWS)) * days, unit="D").round("us")
    day = (time - START) // DAY
    tenure, charges = rng.gamma(2.0, 15.0, len(time)), rng.normal(70, 12, len(time))
    score = 1 / (1 + np.exp(-((tenure - 30) / 10 + (charges - 70) / 12 + rng.normal(0, 0.3, len(time)))))
    actual = (rng.random(len(time)) < score).astype(int)
    actual = np.where(np.isin(day, [*concept]), 1 - actual, actual)
    return pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(len(time))],
            "time": time,
            "tenure": np.where(np.isin(day, [*unit]), 12 * tenure, tenure),
            "charges": charges,
            "score": score,
            "actual": actual,
            "known": (time + pd.to_timedelta(rng.uniform(1, 16, len(time)), unit="h").round("us")).map(
                lambda known: min(known, time.max())
            ),
        }
    )


def live(path: Path, rows: pd.DataFrame, baseline: Baseline, every: pd.Timedelta) -> list[dict[str, Any]]:
    """Send rows and outcomes when they happen, and return the alerts, the oldest first."""
    clock = Clock(START.value)
    state = State(load(path), clock=clock)
    couriers = RecordingCouriers(load(path).actions, clock)
    service = Service(resource={"service.name": "shop"})
    now = rows.iloc[:0]

    model = service.model("churn", version="1", baseline=baseline)

    @model.predict(id="id", time="time")
    def predict(_: pd.DataFrame) -> Any:
        return now["score"].to_numpy()

    state.start_storing()
    state.notifications.send_by(couriers, no_links)
    try:
        end = rows["time"].max().ceil("h") + pd.Timedelta("15min")
        until = START
        while until < end:
            since, until = until, min(until + every, end)
            clock.now = until.value
            now = rows[(rows["time"] >= since) & (rows["time"] < until)]
            predict(now[["id", "time", *FEATURES]])
            known = rows[(rows["known"] >= since) & (rows["known"] < until)]
            for id, actual, time in known[["id", "actual", "known"]].itertuples(index=False):
                model.outcome(id, actual=actual, time=time.to_pydatetime())
            service.flush()
            for body in service.channel.bodies:
                state.submit("logs", body).result()
            service.channel.forget()
            state.settle()
        return sorted(
            (
                {
                    "policy": history.alert.policy,
                    "state": history.alert.state or None,
                    "fired": iso_time(history.alert.fired),
                    "since": None if history.alert.since is None else iso_time(history.alert.since),
                    "until": None if history.alert.until is None else iso_time(history.alert.until),
                    "notified": sorted({one.message.channel for one in history.sent if "/" not in one.message.channel}),
                    "actions": sorted({one.message.channel for one in history.sent if "/" in one.message.channel}),
                }
                for history in alert_histories(state.alerts)
            ),
            key=str,
        )
    finally:
        state.stop()


def replayed(run: Run, path: Path, folder: Path, rows: pd.DataFrame, baseline: Baseline) -> list[dict[str, Any]]:
    """Return what `driftline policies test` shows of the same rows in files, in the same form."""
    baseline.save(folder / "churn.json")
    rows.drop(columns=["actual", "known"]).to_parquet(folder / "rows.parquet")
    rows[["id", "actual", "known"]].rename(columns={"known": "time"}).to_parquet(folder / "outcomes.parquet")
    files = "--rows", folder / "rows.parquet", "--outcomes", folder / "outcomes.parquet"
    result = run("policies", "test", path, *files, "--baseline", folder / "churn.json", "--json")
    assert result.exit_code == 0, result.stderr
    [answer] = json.loads(result.stdout)["models"]
    return sorted(
        (
            {
                "policy": policy["policy"],
                **{name: firing[name] for name in ("state", "fired", "since", "until")},
                "notified": sorted(firing["notified"]),
                "actions": sorted(action["action"] for action in firing["actions"]),
            }
            for policy in answer["policies"]
            for firing in policy["firings"]
        ),
        key=str,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("window", "days", "unit", "concept", "expected"),
    [
        ("1d", 14, range(4, 6), range(9, 12), {"health", "accuracy", "inputs"}),
    ],
)
def test_a_replay_of_files_shows_what_the_live_service_sends(
    run: Run, tmp_path: Path, window: str, days: int, unit: range, concept: range, expected: set[str]
) -> None:
    rng = np.random.default_rng(9)
    known = drawn(rng, 10)
    known["time"] -= 12 * DAY
    baseline = Baseline.from_frame(
        known[FEATURES],
        score=known["score"],
        actual=known["actual"],
        time=known["time"],
        model="churn",
        version="1",
        task="binary",
    )
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.replace("WINDOW", window), encoding="utf-8")
    rows = drawn(rng, days, unit=unit, concept=concept)
    found = replayed(run, path, tmp_path, rows, baseline)
    assert found == live(path, rows, baseline, 4 * HOUR)
    assert {one["policy"] for one in found if one["notified"]} == expected
