"""One training, `python training.py JOB.json`: epochs with checkpoints, so that an interruption loses none of them.

There is no GPU here: an epoch is trained by scikit-learn on the CPU and takes at least `PACE` seconds, and the run
declares `GPUS` of them. On your machine leave `gpus=` out: NVML is read.
"""

import json
import signal
import sqlite3
import sys
import time
from pathlib import Path

import driftline
import joblib
import numpy as np
import pandas as pd
from simulator import FEATURES
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

BATCH, PACE, GPUS, GPU_TYPE = 512, 0.2, 4, "A100"
INTERRUPTED = 75
"""Exit code of a training that is to be resumed."""


class InterruptedTraining(Exception):  # noqa: N818
    """The machine is about to be taken away."""


def train(job: dict, notices: list[int]) -> None:
    """Train the epochs that are missing; a notice ends it after the epoch that runs."""
    model, version = job["model"], job["version"]
    checkpoint = Path("checkpoints", f"{model}-{version}.joblib")
    rows, held_out = rows_of(job)
    scaler, network, done = joblib.load(checkpoint) if checkpoint.exists() else (*untrained(rows), 0)
    inputs, labels, before = scaler.transform(rows[FEATURES]), rows[job["target"]].to_numpy(), done

    # Driftline: what this run takes and costs; team and project are in OTEL_RESOURCE_ATTRIBUTES
    driftline.configure(service_name="training")
    run = driftline.training_run(model, version=version, price_sheet="prices.yaml", gpus=GPUS, gpu_type=GPU_TYPE)
    try:
        with run:
            while done < job["epochs"]:
                began = time.monotonic()
                train_epoch(network, inputs, labels)
                done += 1
                joblib.dump((scaler, network, done), checkpoint.with_suffix(".new"))
                checkpoint.with_suffix(".new").replace(checkpoint)
                print(f"{model} {version} epoch {done}", flush=True)
                run.record(rows=len(rows), epochs=done - before)  # Driftline
                time.sleep(max(0.0, PACE - (time.monotonic() - began)))
                if notices and done < job["epochs"]:
                    raise InterruptedTraining(f"after epoch {done} of {job['epochs']}")
    finally:
        book(job, run)
    joblib.dump((scaler, network), f"models/{model}-{version}.joblib")
    # Driftline: what this version does on days that it has not seen
    driftline.Baseline.from_frame(
        held_out[FEATURES],
        score=network.predict_proba(scaler.transform(held_out[FEATURES]))[:, 1],
        actual=held_out[job["target"]],
        time=held_out["time"],
        model=model,
        version=version,
        task="binary",
    ).save(f"models/{model}-{version}.baseline.json")


def rows_of(job: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows to train on, and those of every third day, which are held out."""
    sold = pd.read_parquet("sales.parquet", filters=[("time", ">=", pd.Timestamp(job["since"]))])
    third = (sold["time"].dt.day % 3 == 0).to_numpy()
    return sold[~third], sold[third]


def untrained(rows: pd.DataFrame) -> tuple[StandardScaler, MLPClassifier]:
    return StandardScaler().fit(rows[FEATURES]), MLPClassifier((16,), learning_rate_init=0.01, random_state=11)


def train_epoch(network: MLPClassifier, inputs: np.ndarray, labels: np.ndarray) -> None:
    for at in range(0, len(inputs), BATCH):
        network.partial_fit(inputs[at : at + BATCH], labels[at : at + BATCH], classes=[0, 1])


def book(job: dict, run: driftline.TrainingRun) -> None:
    """Add what a run cost to the ledger, under the day of the DAG run."""
    with sqlite3.connect("ledger.db") as ledger:
        entry = (run.id, job["day"], job["team"], job["project"], job["model"], run.cost.amount)
        ledger.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?)", entry)


if __name__ == "__main__":
    notices: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: notices.append(number))
    try:
        train(json.loads(Path(sys.argv[1]).read_text()), notices)
    except InterruptedTraining as notice:
        print(notice, flush=True)
        sys.exit(INTERRUPTED)
