"""Compare what tools answer of models that are worse, equivalent, or neither; count planted goals and causes.

    make right-or-wrong                          # three tables, into evidence/right_or_wrong.json: an hour
    make right-or-wrong ARGS="--quick --print"   # Driftline, scipy and River, few worlds, printed: some minutes
    make right-or-wrong ARGS="--margin 0.5 2"    # the table of the streams for half and double the margin, printed
    make right-or-wrong ARGS="--only goals --first-seed 1000 --print"

Evidently and NannyML run in environments of their own (``.venv-peers/``, made once).
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

from simulations.frame import EVIDENCE, markdown, table_rows

from .answers import WINDOWS, Question, answered_windows
from .causes import FAULTS, table
from .goals import FULL, QUICK, goals
from .score import promises_table, streams_table
from .streams import ELSEWHERE, streams_in
from .tools import TOOLS

RESULTS = EVIDENCE / "right_or_wrong.json"
QUICK_TOOLS = ("driftline", "scipy", "river")
HISTORIES = 10
"""Histories of each planted cause."""


def main(arguments: list[str]) -> int:
    """Print or write the tables; 1 if a goal is not kept or a tool has no answers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.right_or_wrong", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tools of this environment, few worlds")
    parser.add_argument("--print", action="store_true", help="write nothing")
    parser.add_argument("--only", choices=("streams", "goals", "causes"))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, help="only these")
    parser.add_argument("--first-seed", type=int, default=1, help="of the planted worlds")
    parser.add_argument("--folder", type=Path, help="with files of streams that cannot be here; nothing is written")
    parser.add_argument("--block-days", type=int, help="of a block of the bootstrap; nothing is written")
    parser.add_argument(
        "--margin",
        type=float,
        nargs="+",
        help="times the margin, for the truth and for Driftline: the table of the streams for each; nothing is written",
    )
    options = parser.parse_args(arguments)
    options.print |= bool(options.margin or options.block_days or options.folder)
    options.only = "streams" if options.margin else options.only
    warnings.filterwarnings("ignore")
    tools = options.tools or (("driftline",) if options.margin else QUICK_TOOLS if options.quick else TOOLS)
    parts, failed = {}, False
    if options.only in (None, "streams"):
        for name in ELSEWHERE.keys() - set(streams_in(options.folder)):
            print(f"{name} is left out: {ELSEWHERE[name]}", file=sys.stderr)
        for factor in options.margin or [1.0]:
            question = Question(options.block_days or 1, factor, options.folder)
            windows, missing = answered_windows(tools, question)
            parts["streams" if factor == 1 else f"streams, {factor:g} times the margin"] = streams_table(windows)
            failed |= bool(missing)
            for asked, reason in missing.items():
                print(f"{asked}: {reason}", file=sys.stderr)
        if not options.margin:
            parts["promises"] = promises_table(windows)
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
        print(f"{name}\n\n{text}")
        if not options.print:
            write(name, text)
    return int(failed)


def write(name: str, text: str) -> None:
    """Write the rows of a table to the results."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) | {name: table_rows(text)}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
