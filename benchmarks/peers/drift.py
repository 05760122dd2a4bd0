"""Compare a million rows of 20 features with their reference, with Driftline and with Evidently, and print one table.

    make bench-peers-drift

15 numbers and 5 texts, the same rows for both. From DataFrames, so that reading is not counted; then from Parquet, a
whole process with its interpreter, as ``driftline evaluate`` does it, for how memory grows with the rows. Promised: at
least 50 times less CPU time than Evidently, and memory that does not grow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .__main__ import ROOT, environment
from .drift_one import WAYS

REFERENCE_ROWS, ROWS, MORE_ROWS = 100_000, 1_000_000, 4_000_000
PROMISED = 50.0
FLAT = 1.2
"""Memory is flat when four times the rows take no more than this: what the allocator keeps differs by some MiB."""

TIMES = {"driftline": 5, "evidently": 1}


def main() -> int:
    """Print the tables; 1 when a promise is broken."""
    pythons = {"driftline": sys.executable, "evidently": environment("evidently")}
    with tempfile.TemporaryDirectory() as folder:
        reference, window, larger = (Path(folder) / f"{name}.parquet" for name in ("reference", "window", "larger"))
        for path, rows, seed in ((reference, REFERENCE_ROWS, 2), (window, ROWS, 1), (larger, MORE_ROWS, 3)):
            made(path, rows, seed)
        found = {way: asked(pythons[library], way, library, reference, window) for way, (library, _) in WAYS.items()}
        base = found["driftline"]["seconds"]
        print(f"| {ROWS:,} rows x 20, {REFERENCE_ROWS:,} of reference | CPU seconds | times Driftline's | peak |")
        print("|---|---|---|---|")
        for way, one in found.items():
            name, _, how = way.partition(", ")
            told = f"{name} {one['version']}{', ' + how if how else ''}"
            print(f"| {told} | {one['seconds']:.2f} | {one['seconds'] / base:.1f} | {one['peak']:,} MiB |", flush=True)
        print()
        built, columns = reference.with_suffix(".json"), ("--task", "regression", "--score", "number_0")
        evaluated("baseline", "build", str(reference), "--model", "m", *columns, "-o", str(built))
        peaks = {
            rows: evaluated("evaluate", str(path), "--baseline", str(built), "--json")
            for rows, path in ((ROWS, window), (MORE_ROWS, larger))
        }
    for rows, (seconds, peak) in peaks.items():
        print(f"driftline evaluate, {rows:,} rows of Parquet: {seconds:.2f} s of CPU, peak {peak:,} MiB")
    ratio = found["evidently"]["seconds"] / base
    grown = peaks[MORE_ROWS][1] / peaks[ROWS][1]
    print(f"ratio {ratio:.0f}, at least {PROMISED:.0f} promised: {'kept' if ratio >= PROMISED else 'BROKEN'}")
    print(f"memory of four times the rows: {grown:.2f}, flat promised: {'kept' if grown <= FLAT else 'BROKEN'}")
    return int(ratio < PROMISED or grown > FLAT)


def made(path: Path, rows: int, seed: int) -> None:
    """Write rows in a process of its own: a child's peak of memory begins with what its parent had."""
    call = f"write(pathlib.Path({str(path)!r}), {rows}, {seed})"
    code = f"import pathlib; from benchmarks.bench_files import write; {call}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def asked(python: str, way: str, library: str, reference: Path, window: Path) -> dict[str, Any]:
    """Return what one way takes, in the interpreter that has it."""
    print(f"{way} ...", file=sys.stderr)
    module = [python, "-m", "benchmarks.peers.drift_one", way]
    command = [*module, str(reference), str(window), str(TIMES[library])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def evaluated(*arguments: str) -> tuple[float, int]:
    """Run ``driftline``; return the CPU seconds and the peak of memory, in MiB, of the whole process."""
    command = [sys.executable, "-m", "driftline_processor", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return used.ru_utime + used.ru_stime, round(used.ru_maxrss / 1024)


if __name__ == "__main__":
    sys.exit(main())
