"""What evaluating a file costs, against bare pyarrow and numpy over the same bytes, in the same run.

    python -m benchmarks.bench_files

One million rows of 20 features (15 numbers, 5 strings; Parquet) against a built baseline of 100,000. Promised: the
whole within 3 times reading the file and counting over given bins with ``searchsorted`` and ``bincount``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from driftline_processor.evaluation.files.baseline import build_from_files
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs

ROWS, REFERENCE_ROWS, NUMBERS = 1_000_000, 100_000, 15
LABELS = (3, 8, 20, 50, 100)
MAX_RATIO = 3.0
RUNS = 5


def write(path: Path, n: int, seed: int) -> None:
    """Write rows of 20 features."""
    pq.write_table(pa.table(columns_of(n, seed)), path)


def columns_of(n: int, seed: int) -> dict[str, pa.Array]:
    """Return 15 columns of numbers and 5 of texts."""
    random = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {f"number_{i}": pa.array(random.normal(i, 1 + i, n)) for i in range(NUMBERS)}
    for i, k in enumerate(LABELS):
        chances = 1 / np.arange(1, k + 1)
        codes = pa.array(random.choice(k, n, p=chances / chances.sum()).astype(np.int32))
        labels = pa.array([f"label {j}" for j in range(k)])
        columns[f"text_{i}"] = pa.DictionaryArray.from_arrays(codes, labels).cast(pa.string())
    return columns


def best(function: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the least wall and CPU seconds."""
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        function()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def bare(path: Path, edges: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> None:
    """Read the file and count every column over bins that are given: the least there is to do."""
    table = pq.read_table(path, read_dictionary=[f"text_{i}" for i in range(len(LABELS))])
    for name, bounds in edges.items():
        values = table.column(name).to_numpy()
        np.bincount(np.searchsorted(bounds, values, side="right"), minlength=len(bounds) + 1)
    for i, k in enumerate(LABELS):
        for chunk in table.column(f"text_{i}").chunks:
            np.bincount(chunk.indices.to_numpy(), minlength=k)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        week, reference, built = (Path(folder) / name for name in ("week.parquet", "reference.parquet", "b.json"))
        write(week, ROWS, 1)
        write(reference, REFERENCE_ROWS, 2)
        options = EvaluationOptions(model="bench")
        build_from_files([reference], options, print).save(built)
        random = np.random.default_rng(3)
        edges = {
            f"number_{i}": np.quantile(random.normal(i, 1 + i, 100_000), np.arange(1, 100) / 100)
            for i in range(NUMBERS)
        }
        floor_wall, floor_cpu = best(lambda: bare(week, edges), RUNS)
        wall, cpu = best(lambda: evaluate_files(EvaluationInputs([week], built), EvaluationOptions(), print), RUNS)
        command = [sys.executable, "-m", "driftline_processor", "evaluate", str(week), "--baseline", str(built)]
        whole, _ = best(lambda: subprocess.run(command, check=True, capture_output=True), min(RUNS, 3))
    ratio = cpu / floor_cpu
    print(f"evaluate, {ROWS:,} rows of {NUMBERS + len(LABELS)} features")
    print(f"  read + searchsorted + bincount   {floor_wall:6.2f} s wall  {floor_cpu:6.2f} s CPU")
    print(f"  driftline                        {wall:6.2f} s wall  {cpu:6.2f} s CPU")
    print(f"  the command, interpreter and all {whole:6.2f} s wall")
    print(f"  ratio of CPU {ratio:.2f} (promised at most {MAX_RATIO})")
    return 0 if ratio <= MAX_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
