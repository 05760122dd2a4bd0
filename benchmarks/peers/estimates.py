"""Estimate performance without labels, with Driftline and with NannyML, on the same rows, and print one table.

    make bench-peers-estimates

Half a million rows in 100 chunks of 5,000, from DataFrames: a binary model and one of three classes by their scores
(CBPE), a regression by its eight features (direct loss estimation). What is learned from the reference is learned
before, and not counted. Promised: at least five times NannyML's rate, by CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .__main__ import ROOT, environment
from .estimates_one import CLASSES, FEATURES, TASKS

REFERENCE_ROWS, ROWS = 50_000, 500_000
PROMISED = 5.0


def rows(n: int, seed: int) -> pd.DataFrame:
    """Features, the predictions of three models, and what came true of each."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(FEATURES)))
    score = 1 / (1 + np.exp(-(x[:, 0] + x[:, 1])))
    raw = np.exp(x[:, :3])
    shares = raw / raw.sum(axis=1, keepdims=True)
    value = 100 + 10 * x[:, 2]
    frame = pd.DataFrame(x, columns=list(FEATURES))
    frame["score"], frame["said"] = score, (score >= 0.5).astype(int)
    frame["came"] = (rng.random(n) < score).astype(int)
    for at, name in enumerate(CLASSES):
        frame[f"p_{name}"] = shares[:, at]
    labels = np.array(CLASSES)
    frame["class"] = labels[shares.argmax(axis=1)]
    frame["was"] = labels[np.minimum((rng.random((n, 1)) > shares.cumsum(axis=1)).sum(axis=1), 2)]
    frame["value"], frame["price"] = value, value + rng.normal(size=n) * np.exp(x[:, 3] / 2)
    return frame


def main() -> int:
    """Print the table; 1 when the promise is broken."""
    pythons = {"driftline": sys.executable, "nannyml": os.environ.get("NANNYML_PYTHON") or environment("nannyml")}
    with tempfile.TemporaryDirectory() as folder:
        reference, window = Path(folder) / "reference.parquet", Path(folder) / "window.parquet"
        rows(REFERENCE_ROWS, 1).to_parquet(reference)
        rows(ROWS, 2).to_parquet(window)
        print(f"| {ROWS:,} rows, 100 chunks | CPU µs a row: NannyML | Driftline | times as many rows |")
        print("|---|---|---|---|")
        ratios = []
        for task in TASKS:
            found = {way: asked(python, way, task, reference, window) for way, python in pythons.items()}
            theirs, ours = (found[way]["seconds"] * 1e6 / ROWS for way in ("nannyml", "driftline"))
            ratios.append(theirs / ours)
            print(f"| {task} | {theirs:.2f} | {ours:.2f} | {ratios[-1]:.1f} |", flush=True)
    kept = min(ratios) >= PROMISED
    print(f"at least {min(ratios):.1f} times, {PROMISED:.0f} promised: {'kept' if kept else 'BROKEN'}")
    return int(not kept)


def asked(python: str, way: str, task: str, reference: Path, window: Path) -> dict[str, Any]:
    """Return what one library takes for one task, in the interpreter that has it."""
    print(f"{way}, {task} ...", file=sys.stderr)
    command = [python, "-m", "benchmarks.peers.estimates_one", way, task, str(reference), str(window)]
    variables = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
