"""Measure one library estimating performance without labels, in the interpreter that has it: prints JSON.

python -m benchmarks.peers.estimates_one driftline|nannyml TASK REFERENCE WINDOW
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

CLASSES = ("a", "b", "c")
FEATURES = tuple(f"x{at}" for at in range(8))
TASKS = ("binary", "multiclass", "regression")
CHUNK = 5_000
TIMES = 3

Job = Callable[[], object]


def nannyml(task: str, reference: Any, window: Any) -> Job:
    """Its estimator, taught by the reference; asked for the metrics that Driftline gives, as far as it has them."""
    nml = import_module("nannyml")
    shared = {"chunk_size": CHUNK}
    if task == "regression":
        estimator = nml.DLE(
            feature_column_names=list(FEATURES),
            y_pred="value",
            y_true="price",
            metrics=["mae", "rmse", "mape"],
            **shared,
        )
    else:
        several = task == "multiclass"
        estimator = nml.CBPE(
            problem_type=f"classification_{task}",
            y_pred_proba={name: f"p_{name}" for name in CLASSES} if several else "score",
            y_pred="class" if several else "said",
            y_true="was" if several else "came",
            metrics=["roc_auc", "accuracy", "precision", "recall", "f1"],
            **shared,
        )
    estimator.fit(reference)
    return lambda: estimator.estimate(window).to_df()


def driftline(task: str, reference: Any, window: Any) -> Job:
    """From the DataFrame to the estimates of each chunk, by a baseline that is kept."""
    np, profile = import_module("numpy"), import_module("driftline.baseline.from_frame")
    baselines, panes = import_module("driftline.baseline.baseline"), import_module("driftline.panes.pane")
    core = import_module("driftline_processor.core.estimate.estimator")
    parts = import_module("driftline_processor.core.estimate.sums")
    columns: dict[str, Any] = {
        "binary": {"score": "score", "predicted": "said", "features": []},
        "multiclass": {"score": [f"p_{name}" for name in CLASSES], "predicted": "class", "features": []},
        "regression": {"score": "value", "features": list(FEATURES)},
    }[task]
    columns |= {"model": "m", "task": task, "classes": {"binary": [0, 1], "multiclass": list(CLASSES)}.get(task)}
    truth = {"binary": "came", "multiclass": "was", "regression": "price"}[task]
    known = baselines.Baseline.from_frame(reference, actual=truth, **columns)

    def job() -> object:
        table = profile.table_from_frame(window, **columns)[0]
        chunks = -(-len(table) // CHUNK)
        group = np.arange(len(table)) // CHUNK
        found = [*parts.score_parts(table, group), *parts.learned_parts(table, known, group, chunks)]
        dense = {one.part: one.dense(chunks) for one in found}
        rows = np.full(3, float(CHUNK))
        return [
            core.estimated(
                panes.Pane({"rows": rows} | {name: sums[at] for name, sums in dense.items()}), known, known.task, 0
            )
            for at in range(chunks)
        ]

    return job


def main(way: str, task: str, reference: str, window: str) -> None:
    """Print the CPU seconds of all threads, the median of some times."""
    warnings.filterwarnings("ignore")
    pandas = import_module("pandas")
    prepare = {"driftline": driftline, "nannyml": nannyml}[way]
    job = prepare(task, pandas.read_parquet(reference), pandas.read_parquet(window))
    taken = []
    for _ in range(TIMES):
        start = time.process_time()
        job()
        taken.append(time.process_time() - start)
    print(json.dumps({"seconds": statistics.median(taken)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
