"""Ask a peer, in an environment of its own, what it says of drawn windows; see ``evidence/peers.md``.

    python simulations/drift/peer_answers.py evidently DRAWS evidently.json

``DRAWS``: what ``python -m simulations.drift.peer_draws`` wrote. Every peer as it comes, with its own defaults. A
file that it was asked about before is left out.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Said = dict[str, tuple[bool, float]]
"""Of one window: column → whether it drifts, and the peer's value."""


def evidently(reference: pd.DataFrame, windows: list[pd.DataFrame]) -> Iterator[Said]:
    """The preset; a column drifts as its own method and threshold have it."""
    report, preset = import_module("evidently").Report, import_module("evidently.presets").DataDriftPreset
    for window in windows:
        metrics = report([preset()]).run(window, reference).dict()["metrics"]
        said: Said = {}
        for metric in metrics:
            config = metric["config"]
            if config["type"].endswith("ValueDrift"):
                method, limit, value = config["method"], config["threshold"], float(metric["value"])
                said[config["column"]] = (value < limit if "p_value" in method else value >= limit, value)
        yield said


def nannyml(reference: pd.DataFrame, windows: list[pd.DataFrame]) -> Iterator[Said]:
    """The univariate calculator: one chunk a window; of a stray value its Kolmogorov-Smirnov."""
    calculate: Any = import_module("nannyml").UnivariateDriftCalculator
    names = list(reference.columns)
    chosen = {"continuous_methods": ["kolmogorov_smirnov"]} if len(windows) == 1 else {}
    calculator = calculate(column_names=names, chunk_size=len(windows[0]), **chosen).fit(reference)
    found = calculator.calculate(pd.concat(windows, ignore_index=True)).filter(period="analysis").to_df()
    for at in range(len(windows)):
        said: Said = {}
        for name in names:
            (method,) = {key[1] for key in found.columns if key[0] == name and key[2] == "alert"}
            row = found[name][method].iloc[at]
            said[name] = (bool(row["alert"]), float(row["value"]))
        yield said


def whylogs(reference: pd.DataFrame, windows: list[pd.DataFrame]) -> Iterator[Said]:
    """Its drift scores; drift is what it calls so."""
    why = import_module("whylogs")
    scored = import_module("whylogs.viz.drift.column_drift_algorithms").calculate_drift_scores
    before = why.log(reference).view()
    for window in windows:
        scores = scored(why.log(window).view(), before, with_thresholds=True)
        yield {
            name: (score["drift_category"] == "DRIFT", float(score["statistic"] or 0.0))
            for name, score in scores.items()
            if score is not None
        }


PEERS: dict[str, Callable[[pd.DataFrame, list[pd.DataFrame]], Iterator[Said]]] = {
    "evidently": evidently,
    "nannyml": nannyml,
    "whylogs": whylogs,
}
ENOUGH, FEWEST = 15.0, 5
"""CPU seconds, from the first window on, and windows after which the rest of a row is not asked."""

LONG = 60.0
"""CPU seconds a window, beyond which nothing more is."""

ALONE = ("clean", "stray")
"""Of one window, whose value is shown, too."""

ROWS = {"evidently": 20_000}
"""Rows of the reference, for a peer that reads all of them again for each window."""


def asked(peer: str, path: Path) -> dict[str, Any]:
    """Return what a peer says of the windows of a file, and its CPU seconds a window, its reference read once."""
    drawn = np.load(path, allow_pickle=False)
    alarms = found = windows = 0
    value, start, first = None, time.process_time(), 0.0
    for at in range(len(drawn.files) // 2):
        names = [f"x{column}" for column in range(drawn["reference0"].shape[1])]
        was = drawn[f"reference{at}"]
        reference = pd.DataFrame(was if path.stem in ALONE else was[: ROWS.get(peer)], columns=names)
        beside = [pd.DataFrame(window, columns=names) for window in drawn[f"windows{at}"]]
        for one in PEERS[peer](reference, beside):
            windows += 1
            alarms += any(drift for drift, _ in one.values())
            found += one["x0"][0]
            value = one["x0"][1]
            spent = time.process_time() - start
            first = first or spent
            if spent > LONG * windows or (spent - first > ENOUGH and windows >= FEWEST):
                break
    figures: dict[str, Any] = {"windows": windows, "alarm": alarms / windows, "found": found / windows}
    figures["seconds"] = float(f"{(time.process_time() - start) / windows:.2g}")
    return figures | ({"value": value} if path.stem in ALONE else {})


def main(peer: str, folder: str, kept: str) -> None:
    """Ask a peer about every file of a folder, and keep what it says as it comes."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    said: dict[str, Any] = {"version": version(peer), "figures": {}}
    if Path(kept).exists():
        said = json.loads(Path(kept).read_text())
    for path in sorted(Path(folder).glob("*.npz")):
        if path.stem not in said["figures"]:
            said["figures"][path.stem] = asked(peer, path)
            Path(kept).write_text(json.dumps(said))
            print(path.stem, said["figures"][path.stem], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
