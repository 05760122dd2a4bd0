"""Ask the tools about every stream: one process for a tool and a stream, as many at a time as there are cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.peers.__main__ import ROOT, environment, last_error

from .streams import Stream, streams_in
from .tools import TOOLS
from .truth import truths

WINDOWS = Path(__file__).parent / "windows.csv"
"""Each window with its class and all answers."""
KEY = ["stream", "start"]
OWN_ENVIRONMENT = ("evidently", "nannyml")
SEED, DRAWS = 1, 5_000
CORES = os.cpu_count() or 1


class Question(NamedTuple):
    """How the windows are evaluated.

    Attributes:
        block_days: Days of a block of the bootstrap.
        factor: Times each margin, that of the truth and that of Driftline.
        folder: Where streams are that have no file in ``data/``.
    """

    block_days: int = 1
    factor: float = 1.0
    folder: Path | None = None


def answered_windows(tools: Iterable[str], question: Question) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return each window with its class and the answers of all tools, and why a tool has none.

    Tools that are not asked keep the answers that ``windows.csv`` has.
    """
    names = streams_in(question.folder)
    largest_first = sorted(names, key=lambda name: -len(Stream(name, question.folder).production))
    with ProcessPoolExecutor(CORES) as pool:
        classes = dict(zip(largest_first, pool.map(partial(classified, question=question), largest_first), strict=True))
    windows = pd.concat([classes[name] for name in names]).set_index(KEY)
    kept = pd.read_csv(WINDOWS, dtype={"start": str}).set_index(KEY)
    failed: dict[str, str] = {}
    for tool in TOOLS:
        asked = ask(tool, largest_first, question) if tool in tools else {}
        failed |= {f"{tool} {name}": answer for name, answer in asked.items() if isinstance(answer, str)}
        found = {name: answer for name, answer in asked.items() if not isinstance(answer, str)}
        old = [column for column in map(str, kept) if column.startswith(f"{tool} ")]
        windows = windows.join(kept[[column for column in old if not found or column.endswith(" at first")]])
        for name, answer in found.items():
            for row, answers in answer["answers"].items():
                column = f"{tool} {answer['version']}: {row}"
                windows.loc[name, column] = [answers[str(key)] for key in classes[name]["key"]]
    return windows.drop(columns="key").reset_index(), failed


def classified(name: str, question: Question) -> pd.DataFrame:
    """Return the windows of a stream, each with its key, first day, rows and class."""
    stream = Stream(name, question.folder)
    classes = truths(stream, DRAWS, SEED, question.block_days, question.factor)
    rows = [(name, stream.start(key), key, len(rows), classes[key]) for key, rows in stream.windows.items()]
    return pd.DataFrame(rows, columns=[*KEY, "key", "rows", "class"])


def ask(tool: str, names: Iterable[str], question: Question) -> Mapping[str, dict[str, Any] | str]:
    """Return the answers of a tool by stream, or why it has none."""
    python = environment(tool) if tool in OWN_ENVIRONMENT else sys.executable
    if python.startswith("pip: "):
        return dict.fromkeys(names, python)
    with ThreadPoolExecutor(CORES) as pool:
        return dict(zip(names, pool.map(partial(answer, python, tool, question=question), names), strict=True))


def answer(python: str, tool: str, name: str, question: Question) -> dict[str, Any] | str:
    """Return the answers of a tool about a stream, or why it has none."""
    print(f"{tool}: {name} ...", file=sys.stderr, flush=True)
    command = [python, "-m", "benchmarks.right_or_wrong.tools", tool, name, "--factor", str(question.factor)]
    command += ["--folder", str(question.folder)] if question.folder else []
    variables = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return dict(json.loads(lines[-1])) if lines else last_error(done.stderr)
