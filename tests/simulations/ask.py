"""Ask a peer, in an environment of its own, what it says of drawn windows; see ``tests/golden/simulated_peers.md``.

    python tests/simulations/ask.py evidently DRAWS > evidently.json        # a last argument: at most so many windows

``DRAWS``: what ``python -m tests.simulations.draws`` wrote. Every peer as it comes, with its own defaults.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
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


def main(peer: str, folder: str, most: str = "1000") -> None:
    """Print what a peer says of every file."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    figures: dict[str, Any] = {}
    for path in sorted(Path(folder).glob("*.npz")):
        drawn = np.load(path, allow_pickle=False)
        names = [f"x{at}" for at in range(drawn["reference"].shape[1])]
        reference = pd.DataFrame(drawn["reference"], columns=names)
        windows = [pd.DataFrame(window, columns=names) for window in drawn["windows"][: int(most)]]
        said = list(globals()[peer](reference, windows))
        figures[path.stem] = {
            "windows": len(said),
            "alarm": sum(any(drift for drift, _ in one.values()) for one in said) / len(said),
            "found": sum(one["x0"][0] for one in said) / len(said),
        }
        if path.stem in ("clean", "stray"):
            figures[path.stem]["value"] = said[0]["x0"][1]
        print(path.stem, figures[path.stem], file=sys.stderr, flush=True)
    print(json.dumps({"version": version(peer), "figures": figures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
