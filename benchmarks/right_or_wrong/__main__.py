"""Compare what tools answer of models that are worse, equivalent, or neither, and count Driftline's planted goals.

    make right-or-wrong                          # both tables, into docs/data/right-or-wrong.md: 20 minutes
    make right-or-wrong ARGS="--quick --print"   # Driftline, scipy and River, few worlds, printed: a minute
    make right-or-wrong ARGS="--only goals --first-seed 1000 --print"

Evidently and NannyML run in environments of their own (``.venv-peers/``, made once).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from benchmarks.peers.__main__ import ROOT, environment, last_error
from simulations.frame import DATA, markdown

from .goals import FULL, QUICK, goals
from .score import cells_of, classes_of, count_answers
from .streams import LENGTHS, Stream
from .tools import TOOLS
from .truth import CLASSES, truths

PAGE = DATA / "right-or-wrong.md"
OWN_ENVIRONMENT = ("evidently", "nannyml")
QUICK_TOOLS = ("driftline", "scipy", "river")
SEED, DRAWS = 1, 1_000

HEADS = {"worse": "worse beyond the margin", "equivalent": "equivalent", "neither": "neither is shown"}
ROWS = {
    ("driftline", "windows"): "Driftline, state of the window",
    ("driftline", "model"): "Driftline, state of the model when the window ended",
    ("nannyml", "realized"): "NannyML, realized performance",
    ("nannyml", "estimated"): "NannyML, estimated performance (CBPE, DLE)",
    ("evidently", "quality"): "Evidently, tests of its quality preset",
    ("evidently", "quality, kindly"): "Evidently, only its tests of log loss, AUC, MAE, for the worse",
    ("evidently", "drift"): "Evidently, drift preset",
    ("river", "errors"): "River, ADWIN on the errors",
    ("scipy", "inputs"): "scipy, KS and chi-square per input, Bonferroni",
}


def main(arguments: list[str]) -> int:
    """Print or write the tables; 1 if a goal is not kept or a tool has no answers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.right_or_wrong", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tools of this environment, few worlds")
    parser.add_argument("--print", action="store_true", help="leave the page as it is")
    parser.add_argument("--only", choices=("streams", "goals"))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, help="only these")
    parser.add_argument("--first-seed", type=int, default=1, help="of the planted worlds")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    tools = options.tools or (QUICK_TOOLS if options.quick else TOOLS)
    parts = {}
    failed = False
    if options.only != "goals":
        parts["streams"], failed = streams_table(tools)
    if options.only != "streams":
        plan = (QUICK if options.quick else FULL)._replace(first_seed=options.first_seed)
        found = list(goals(plan, lambda line: print(line, file=sys.stderr, flush=True)))
        parts["goals"] = markdown(("planted", "goal", "found", "seeds", "kept"), [goal.cells for goal in found])
        failed |= not all(goal.kept for goal in found)
    for name, text in parts.items():
        print(text)
        if not options.print:
            write(name, text)
    return int(failed)


def write(name: str, text: str) -> None:
    """Put a table into the page, between its markers."""
    begin, end = f"<!-- measured: {name} -->\n", "<!-- measured: end -->\n"
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    after = rest.partition(end)[2]
    PAGE.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


def streams_table(tools: Iterable[str]) -> tuple[str, bool]:
    """Return the table of the streams, and whether a tool has no answers."""
    truth = {name: truths(Stream(name), DRAWS, SEED) for name in LENGTHS}
    classes = classes_of(truth.values())
    head = ["called worse / fine / neither", *(f"{classes[name]} windows: {HEADS[name]}" for name in CLASSES)]
    lines, versions, failed = [], [], False
    answers = {tool: run(tool) for tool in tools}
    for tool, answer in answers.items():
        if isinstance(answer, str):
            lines.append([tool, answer, "", ""])
            failed = True
        else:
            versions.append(f"{tool} {answer['version']}")
    for (tool, row), words in ROWS.items():
        answer = answers.get(tool, "")
        if not isinstance(answer, str):
            of_row = {stream: {int(k): v for k, v in found[row].items()} for stream, found in answer["answers"].items()}
            lines.append([words, *cells_of(count_answers(truth, of_row))])
    told = f"Python {platform.python_version()}, {', '.join(versions)}; {DRAWS:,} draws of the days, seed {SEED}."
    return f"{markdown(head, lines)}\n{told}\n", failed


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
