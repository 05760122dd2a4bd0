"""Compare what tools answer of models that are worse, equivalent, or neither; count planted goals and causes.

    make right-or-wrong                          # three tables, into evidence/right_or_wrong.json: 20 minutes
    make right-or-wrong ARGS="--quick --print"   # Driftline, scipy and River, few worlds, printed: a minute
    make right-or-wrong ARGS="--only goals --first-seed 1000 --print"

Evidently and NannyML run in environments of their own (``.venv-peers/``, made once).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.peers.__main__ import ROOT, environment, last_error
from simulations.frame import EVIDENCE, markdown, table_rows

from .causes import FAULTS, table
from .goals import FULL, QUICK, goals
from .score import cells_of
from .streams import LENGTHS, Stream
from .tools import TOOLS
from .truth import CLASSES, truths

RESULTS = EVIDENCE / "right_or_wrong.json"
WINDOWS = Path(__file__).parent / "windows.csv"
"""Each window with its class and all answers."""
OWN_ENVIRONMENT = ("evidently", "nannyml")
QUICK_TOOLS = ("driftline", "scipy", "river")
SEED, DRAWS = 1, 5_000
HISTORIES = 10
"""Histories of each planted cause."""

HEADS = {"worse": "worse beyond the margin", "equivalent": "equivalent", "neither": "neither is shown"}
ROWS = {
    "driftline windows": "Driftline, state of the window",
    "driftline model": "Driftline, state of the model when the window ended",
    "nannyml realized": "NannyML, realized performance",
    "nannyml estimated": "NannyML, estimated performance (CBPE, DLE)",
    "evidently quality": "Evidently, tests of its quality preset",
    "evidently decisive": "Evidently, only its tests of log loss, AUC, MAE, for the worse",
    "evidently drift": "Evidently, drift preset",
    "river errors": "River, ADWIN on the errors",
    "scipy inputs": "scipy, KS and chi-square per input, Bonferroni",
}
"""The lines of the table, by tool and kind of answer."""


def main(arguments: list[str]) -> int:
    """Print or write the tables; 1 if a goal is not kept or a tool has no answers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.right_or_wrong", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tools of this environment, few worlds")
    parser.add_argument("--print", action="store_true", help="write nothing")
    parser.add_argument("--only", choices=("streams", "goals", "causes"))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, help="only these")
    parser.add_argument("--first-seed", type=int, default=1, help="of the planted worlds")
    parser.add_argument(
        "--block-days", type=int, default=1, help="of the bootstrap; with more than 1, nothing is written"
    )
    options = parser.parse_args(arguments)
    options.print |= options.block_days > 1
    warnings.filterwarnings("ignore")
    tools = options.tools or (QUICK_TOOLS if options.quick else TOOLS)
    parts, failed = {}, False
    if options.only in (None, "streams"):
        windows, missing = answered_windows(tools, options.block_days)
        parts["streams"], failed = streams_table(windows), bool(missing)
        for tool, reason in missing.items():
            print(f"{tool}: {reason}", file=sys.stderr)
        if not options.print:
            windows.to_csv(WINDOWS, index=False)
    if options.only in (None, "goals"):
        plan = (QUICK if options.quick else FULL)._replace(first_seed=options.first_seed)
        found = list(goals(plan, lambda line: print(line, file=sys.stderr, flush=True)))
        parts["goals"] = markdown(("planted", "goal", "found", "seeds", "kept"), [goal.cells for goal in found])
        failed |= any(goal.kept is False for goal in found)
    if options.only in (None, "causes"):
        seeds = range(options.first_seed, options.first_seed + (1 if options.quick else HISTORIES))
        parts["causes"] = table(FAULTS, seeds, lambda line: print(line, file=sys.stderr, flush=True))
    for name, text in parts.items():
        print(text)
        if not options.print:
            write(name, text)
    return int(failed)


def write(name: str, text: str) -> None:
    """Write the rows of a table to the results."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) | {name: table_rows(text)}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def streams_table(windows: pd.DataFrame) -> str:
    """Return the table of the streams."""
    classes = windows["class"].tolist()
    head = ["called worse / fine / neither", *(f"{classes.count(name)} windows: {HEADS[name]}" for name in CLASSES)]
    columns = {column.partition(" ")[0] + column.partition(":")[2]: column for column in map(str, windows)}
    lines = [
        [words, *cells_of(zip(classes, windows[columns[row]], strict=True))]
        for row, words in ROWS.items()
        if row in columns
    ]
    versions = dict.fromkeys(column.partition(":")[0] for column in columns.values() if ":" in column)
    return f"{markdown(head, lines)}\n{', '.join(versions)}; {DRAWS:,} draws of the days, seed {SEED}.\n"


def answered_windows(tools: Iterable[str], block_days: int = 1) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return each window with its class and the answers of all tools, and why a tool has none.

    Tools that are not asked keep the answers that ``windows.csv`` has.
    """
    streams = [Stream(name) for name in LENGTHS]
    keys = [(stream.name, key) for stream in streams for key in stream.windows]
    windows = pd.DataFrame(
        {
            "stream": [name for name, _ in keys],
            "start": [stream.start(key) for stream in streams for key in stream.windows],
            "rows": [len(rows) for stream in streams for rows in stream.windows.values()],
            "class": [
                of_window for stream in streams for of_window in truths(stream, DRAWS, SEED, block_days).values()
            ],
        }
    )
    kept = pd.read_csv(WINDOWS) if WINDOWS.exists() else pd.DataFrame()
    failed = dict[str, str]()
    for tool in TOOLS:
        answer = run(tool) if tool in tools else ""
        if isinstance(answer, str):
            failed |= {tool: answer} if answer else {}
            old = (
                [column for column in map(str, kept) if column.startswith(f"{tool} ")]
                if len(kept) == len(windows)
                else []
            )
            windows[old] = kept[old]
        else:
            found = answer["answers"]
            for row in found[keys[0][0]]:
                windows[f"{tool} {answer['version']}: {row}"] = [found[name][row][str(key)] for name, key in keys]
    return windows, failed


def run(tool: str) -> dict[str, Any] | str:
    """Return the answers of a tool, or why it has none."""
    python = environment(tool) if tool in OWN_ENVIRONMENT else sys.executable
    if python.startswith("pip: "):
        return python
    print(f"{tool} ...", file=sys.stderr, flush=True)
    command = [python, "-m", "benchmarks.right_or_wrong.tools", tool, *LENGTHS]
    variables = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return dict(json.loads(lines[-1])) if lines else last_error(done.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
