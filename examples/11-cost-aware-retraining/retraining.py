"""The steps of the DAG `retrain_if_it_pays`, one command each: `python retraining.py STEP SINCE DAY`.

SINCE is when the loss began, as the alert says, and DAY the day of the DAG run, which names the new version.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

MODEL, EPOCHS = "stockout", 24


def check(*_: str) -> None:
    """End with 10 if it does not pay, and with 11 if nobody can tell yet: Airflow skips what follows."""
    # Driftline: the gain of a retraining against what the runs before have cost
    url = os.environ.get("DRIFTLINE_URL", "http://127.0.0.1:8780")
    sys.exit(subprocess.call(["driftline", "retrain-check", "--model", MODEL, "--window", "1w", "--url", url]))


def order(since: str, day: str) -> None:
    """Order a training on what was sold since the loss began."""
    job = {"model": MODEL, "version": day, "target": "sold_out", "epochs": EPOCHS, "since": since, "day": day}
    Path("jobs", f"{MODEL}-{day}.json").write_text(json.dumps({**job, "team": "planning", "project": "stock"}))


def wait(_: str, day: str) -> None:
    """End with 0 once a machine has trained it."""
    sys.exit(not Path("jobs", "done", f"{MODEL}-{day}.json").exists())


def deploy(_: str, day: str) -> None:
    Path("deployment.new").write_text(json.dumps({"version": day}))
    Path("deployment.new").replace("deployment.json")


if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    {one.__name__: one for one in (check, order, wait, deploy)}[step](*arguments)
