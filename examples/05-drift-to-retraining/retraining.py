"""The steps of the DAG `retrain_rain`, one command each: `python retraining.py STEP SINCE`.

SINCE is when the drift began, as the alert says. The new version has the name of the day on which it was made.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from train import FEATURES, train

MODEL = "rain-tomorrow"
WEEKS = pd.Timedelta("28D")
"""The rows of so many days before the alert are the new training set, and a canary that is not better by then goes."""
CANARY_PERCENT = 40
SNAPSHOT, DEPLOYMENT, DECISION = Path("snapshot.parquet"), Path("deployment.json"), Path("decision.txt")
URL = ["--url", os.environ.get("DRIFTLINE_URL", "http://127.0.0.1:8780")]


def driftline(*command: str) -> str:
    """Run a command of Driftline; an exit code other than 0 ends the step, and with it the run of the DAG."""
    return subprocess.run(["driftline", *command], check=True, stdout=subprocess.PIPE, text=True).stdout


def snapshot(since: pd.Timestamp) -> None:
    until = since + pd.Timedelta("3D")  # three days of drift, then the alert
    period = ["--since", f"{(until - WEEKS).isoformat()}", "--until", f"{until.isoformat()}"]
    driftline("snapshot", "--model", MODEL, *period, "--labelled", "-o", str(SNAPSHOT), *URL)


def validate(_: pd.Timestamp) -> None:
    serving = json.loads(DEPLOYMENT.read_text())["version"]
    broken = ["--fail-on", "quality.broken > 0", "--fail-on", "quality.critical > 0"]
    driftline(
        *["evaluate", str(SNAPSHOT), "--baseline", f"models/{serving}.baseline.json"],
        *["--expect", "driftline.yaml", "--model", MODEL, "--score", "score", "--actual", "actual", *broken],
    )


def retrain(since: pd.Timestamp) -> None:
    rows = pd.read_parquet(SNAPSHOT).rename(columns={"actual": "rain"}).astype({"rain": int})
    held_out = (rows["time"].dt.dayofyear % 3 == 0).to_numpy()
    train(rows[[*FEATURES, "time", "rain"]][~held_out], rows[held_out], version_of(since))


def canary(since: pd.Timestamp) -> None:
    deployment = json.loads(DEPLOYMENT.read_text())
    deploy({**deployment, "canary": version_of(since), "canary_percent": CANARY_PERCENT})


def compare(since: pd.Timestamp) -> None:
    """Decide once the log loss of both versions differs, or the canary has had its time; else exit with 1."""
    found = json.loads(driftline("versions", "--model", MODEL, "--json", *URL))["challengers"]
    pair = next((one for one in found if one["challenger"]["version"] == version_of(since)), None)
    if pair is None or pair["start"] is None:
        sys.exit("the canary has no outcomes yet")
    losses = pair["comparisons"].get("log_loss") or {"verdict": "inconclusive"}
    time_is_up = pd.Timestamp(pair["end"]) - pd.Timestamp(pair["start"]) > WEEKS
    if losses["verdict"] == "inconclusive" and not time_is_up:
        sys.exit(f"not yet: {losses}")
    print(losses)
    DECISION.write_text("promote" if losses["verdict"] == "better" else "roll_back")


def promote(since: pd.Timestamp) -> None:
    deploy({"version": version_of(since)})


def roll_back(_: pd.Timestamp) -> None:
    deploy({"version": json.loads(DEPLOYMENT.read_text())["version"]})


def version_of(since: pd.Timestamp) -> str:
    return f"{since + pd.Timedelta('2D'):%Y-%m-%d}"


def deploy(deployment: dict) -> None:
    """Let the service use it from its next call on: it never reads half a file."""
    written = DEPLOYMENT.with_suffix(".new")
    written.write_text(json.dumps(deployment))
    written.replace(DEPLOYMENT)


STEPS = {step.__name__: step for step in (snapshot, validate, retrain, canary, compare, promote, roll_back)}

if __name__ == "__main__":
    step, began = sys.argv[1:]
    STEPS[step](pd.Timestamp(began).tz_convert("UTC"))
