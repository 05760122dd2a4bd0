"""Measure one way of comparing a window with its reference, in the interpreter that has it: prints JSON.

python -m benchmarks.peers.drift_one WAY REFERENCE CURRENT TIMES

``REFERENCE``, ``CURRENT``: Parquet files. Reading them is not counted: a DataFrame is what Evidently takes.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

Job = Callable[[], object]


def evidently(current: Any, reference: Any, **methods: str) -> Job:
    """The preset, with its own methods or those named, to the numbers that it is asked for."""
    report, preset = import_module("evidently").Report, import_module("evidently.presets").DataDriftPreset
    return lambda: report([preset(**methods)]).run(current, reference).dict()


def driftline(current: Any, reference: Any, stored: bool) -> Job:
    """From the DataFrame to the evaluation; the baseline is kept, as it is in use, or built from the reference, too."""
    baselines, profile = import_module("driftline.baseline.baseline"), import_module("driftline.baseline.from_frame")
    fold, core = import_module("driftline.panes.fold").fold, import_module("driftline_processor.core.judge_window")
    window = import_module("driftline_processor.core.evaluation").Window("", 0, 0)
    built = partial(baselines.Baseline.from_frame, score="number_0", model="m", task="regression")
    known = built(reference) if stored else None

    def job() -> object:
        baseline = built(reference) if known is None else known
        table = profile.table_from_frame(current, score="number_0", model="m", task="regression")[0]
        rows = core.ModelWindow(table.key, window, fold(table, baseline.bins))
        return core.judge_window(rows, core.Reference(baseline))

    return job


WAYS: dict[str, tuple[str, Callable[[Any, Any], Job]]] = {
    "driftline": ("driftline", partial(driftline, stored=True)),
    "driftline, with its baseline": ("driftline", partial(driftline, stored=False)),
    "evidently": ("evidently", evidently),
    "evidently, psi": ("evidently", partial(evidently, method="psi")),
    "evidently, ks and chi-square": ("evidently", partial(evidently, num_method="ks", cat_method="chisquare")),
}
"""What it is called → the library, and what it makes of a window and its reference."""


def main(way: str, reference: str, current: str, times: str) -> None:
    """Print version, CPU seconds (of all threads, the median), and the peak of memory in MiB."""
    warnings.filterwarnings("ignore")
    pandas = import_module("pandas")
    library, prepare = WAYS[way]
    job = prepare(pandas.read_parquet(current), pandas.read_parquet(reference))
    taken = []
    for _ in range(int(times)):
        start = time.process_time()
        job()
        taken.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"version": importlib.metadata.version(library), "seconds": statistics.median(taken), "peak": round(peak)}
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
