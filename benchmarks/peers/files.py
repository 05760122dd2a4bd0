"""Judge a file of a million labelled rows with Driftline and its peers, whole commands, and print one table.

    make bench-peers-files [ARGS="numpy evidently"]     # only these

20 features, a score and a label in Parquet, against 100,000 rows of reference; CPU time of all threads and the peak
of memory of each process, with its interpreter, its imports and its reading. The three peers have no command of their
own: a script does what their guides do (:mod:`.files_one`). Promised: at most twice the CPU of bare numpy that counts
over given bins and computes the same metrics, at least 15 times less than Evidently, and ten million rows in 500 MB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.bench_files import columns_of

from .__main__ import ROOT, environment

REFERENCE_ROWS, ROWS, MANY = 100_000, 1_000_000, 10_000_000
MOST_OF_NUMPY, LEAST_OF_EVIDENTLY, MOST_MEGABYTES = 2.0, 15.0, 500.0
PEERS = ("numpy", "evidently", "nannyml", "whylogs")
TIMES = 3
"""Runs of what takes seconds, of which the least counts; what takes longer runs once."""


class Taken(NamedTuple):
    """CPU seconds and the peak of memory, in MB, of a whole process."""

    seconds: float
    megabytes: float


def main(peers: list[str]) -> int:
    """Print the table; 1 when a promise is broken."""
    with tempfile.TemporaryDirectory() as folder:
        reference, current, many = (Path(folder) / f"{name}.parquet" for name in ("reference", "current", "many"))
        built = reference.with_suffix(".json")
        for path, rows, seed in ((reference, REFERENCE_ROWS, 2), (current, ROWS, 1), (many, MANY, 3)):
            made(path, rows, seed)
        driftline = [sys.executable, "-m", "driftline_processor"]
        said = ["--model", "m", "--task", "binary", "--score", "score", "--actual", "label", "-o", str(built)]
        run([*driftline, "baseline", "build", str(reference), *said])
        evaluate = [*driftline, "evaluate", "--json", "--baseline", str(built)]
        found, failed = {"driftline": least([*evaluate, str(current)])}, dict[str, str]()
        for peer in peers:
            python = sys.executable if peer == "numpy" else environment(peer)
            command = [python, "-m", "benchmarks.peers.files_one", peer, str(reference), str(current), str(built)]
            try:
                found[peer] = least(command) if peer == "numpy" else run(command)
            except OSError as error:
                failed[peer] = str(error)
        larger = run([*evaluate, str(many)])
    own = found["driftline"]
    print(f"| {ROWS:,} rows x 20 with labels, a whole command | CPU seconds | times Driftline's | peak |")
    print("|---|---|---|---|")
    for name, one in found.items():
        print(f"| {name} | {one.seconds:.1f} | {one.seconds / own.seconds:.2f} | {one.megabytes:,.0f} MB |")
    for name, reason in failed.items():
        print(f"| {name} | {reason} | | |")
    print(f"| driftline, {MANY:,} rows | {larger.seconds:.1f} | | {larger.megabytes:,.0f} MB |")
    kept = [larger.megabytes <= MOST_MEGABYTES]
    if "numpy" in found:
        kept.append(own.seconds <= MOST_OF_NUMPY * found["numpy"].seconds)
    if "evidently" in found:
        kept.append(found["evidently"].seconds >= LEAST_OF_EVIDENTLY * own.seconds)
    print("promises kept" if all(kept) else "BROKEN")
    return int(not all(kept))


def made(path: Path, rows: int, seed: int) -> None:
    """Write rows in a process of its own: a child's peak of memory begins with what its parent had."""
    code = f"from benchmarks.peers.files import write; write({str(path)!r}, {rows}, {seed})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def write(path: str, rows: int, seed: int) -> None:
    """Write rows of 20 features, a score that two of them make, and what happened."""
    random, writer = np.random.default_rng(seed), None
    for start in range(0, rows, ROWS):
        n = min(ROWS, rows - start)
        columns = columns_of(n, seed + start)
        raw = columns["number_0"].to_numpy() + (columns["number_1"].to_numpy() - 1) / 2
        score = 1 / (1 + np.exp(-raw))
        label = (random.random(n) < score).astype(np.int64)
        table = pa.table({**columns, "score": score, "label": label})
        writer = pq.ParquetWriter(path, table.schema) if writer is None else writer
        writer.write_table(table)
    if writer is not None:
        writer.close()


def least(command: list[str]) -> Taken:
    """Return the least of several runs: what else the machine does is not counted."""
    return min(run(command) for _ in range(TIMES))


def run(command: list[str]) -> Taken:
    """Run a command to its end. Raises ``OSError`` with its last words where it fails."""
    with tempfile.TemporaryFile("w+") as words:
        quiet = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"}  # nannyml calls home else, and waits for it
        child = subprocess.Popen(command, cwd=ROOT, env=quiet, stdout=subprocess.DEVNULL, stderr=words)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        words.seek(0)
        said = words.read().strip().splitlines()
    if child.returncode:
        raise OSError(said[-1] if said else f"ended with {child.returncode}")
    return Taken(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(PEERS)))
