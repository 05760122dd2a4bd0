"""Run what CI does not run for each change, in parts: `python -m scripts.nightly [PART...]`, `... --status`.

Without a part, all parts that have not passed on the current commit run. After each part, a line with its commit,
result and duration is appended to `build/nightly/runs.tsv`, so a run that was interrupted continues with the next part.
A part that takes longer than 40 minutes is stopped and has failed; those that keep their own results (`peers`,
`simulate`) continue from there. A part is counted for a commit only if no tracked file differed from that commit before
and after.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from driftline_processor.demo.examples import example_folders

from scripts.run_examples import LONG

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "build" / "nightly"
LIMIT = 40 * 60.0
"""Seconds of a part."""

TO_END = 60.0
"""Seconds in which a part that is stopped may print which tests failed."""

TESTS = {
    "sdk": "sdk integrations tests/sdk tests/integrations tests/extensions",
    "analysis": "tests/processor/core tests/processor/evaluation tests/processor/queries tests/processor/policy",
    "service": "tests/processor/ingest tests/processor/join tests/processor/store tests/processor/maintenance "
    "tests/processor/web tests/processor/cli",
    "contracts": "tests/contracts tests/simulations",
    "end-to-end": "tests/end_to_end",
}
"""The folders of each part of ``make test-all``; another part runs all other folders."""

DEMO_EXTRA = "with_the_extra_demo_alone"
"""Part of the name of the test of :mod:`tests.packaging.test_demo_extra`, which runs every example."""

BENCHMARKS = 4
"""Parts of ``make bench``."""


def parts() -> dict[str, list[str]]:
    """Return the targets and variables of ``make`` for each part, in the order in which they run."""
    others = " ".join(f"--ignore={folder}" for folders in TESTS.values() for folder in folders.split())
    examples = [0, *example_folders()]
    long = " or ".join(folder.name for number, folder in sorted(example_folders().items()) if number in LONG)
    benchmarks = sorted(file.stem for file in (ROOT / "benchmarks").glob("bench_*.py"))
    return {
        "lint": ["lint"],
        **{f"test-{name}": ["test-all", f"PYTEST_ARGS={folders}"] for name, folders in TESTS.items()},
        "test-others": ["test-all", f"PYTEST_ARGS={others}"],
        "examples-short": ["examples", f"EXAMPLES={_words(number for number in examples if number not in LONG)}"],
        "examples-long": ["examples", f"EXAMPLES={_words(LONG)}"],
        "frameworks": ["frameworks"],
        "peers": ["peers"],
        "interop-spark": ["interop", f"PYTEST_ARGS=-k 'spark and not {DEMO_EXTRA}'"],
        "interop-others": ["interop", f"PYTEST_ARGS=-k 'not spark and not {DEMO_EXTRA}'"],
        "demo-extra-short": ["interop", f"PYTEST_ARGS=-k '{DEMO_EXTRA} and not ({long})'"],
        "demo-extra-long": ["interop", f"PYTEST_ARGS=-k '{DEMO_EXTRA} and ({long})'"],
        "oldest-sdk": ["oldest", f"PATHS={TESTS['sdk']}"],
        "oldest-processor": ["oldest", "PATHS=tests/processor"],
        "lowest": ["lowest"],
        "newest": ["newest"],
        "exporters": ["exporters"],
        "audit": ["audit"],
        "airflow": ["airflow"],
        "simulate": ["simulate"],
        **{f"bench-{n + 1}": ["bench", f"BENCHMARKS={_words(benchmarks[n::BENCHMARKS])}"] for n in range(BENCHMARKS)},
        "soak": ["soak", "MINUTES=10"],
    }


def _words(values: Iterable[object]) -> str:
    return " ".join(str(value) for value in values)


@dataclass(frozen=True)
class Run:
    """A run of a part. ``commit``: the abbreviated hash, with ``+`` if tracked files differed from it."""

    started: str
    commit: str
    part: str
    result: str
    minutes: str
    failed_tests: str

    @property
    def line(self) -> str:
        """What is printed about the run."""
        failed = f": {self.failed_tests}" if self.failed_tests else ""
        return f"{self.commit}  {self.part}  {self.result}  {self.minutes} min{failed}"


def commit(root: Path) -> str:
    """Return the commit that is checked out, with ``+`` if tracked files differ from it.

    Evidence is left out: ``make simulate`` writes it.
    """
    hash_ = _git(root, "rev-parse", "--short=12", "HEAD")
    return hash_ + "+" * bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!evidence"))


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def runs(record: Path) -> list[Run]:
    """Return all runs, the oldest first. A line that was cut off by a kill is left out."""
    try:
        with (record / "runs.tsv").open(encoding="utf-8", newline="") as file:
            return [Run(*cells) for cells in csv.reader(file, delimiter="\t") if len(cells) == 6]
    except FileNotFoundError:
        return []


def run_part(root: Path, record: Path, part: str, words: Sequence[str], limit: float = LIMIT) -> Run:
    """Run one part with its output in a log, and append its line to the record."""
    record.mkdir(parents=True, exist_ok=True)
    before, started, clock = commit(root), time.strftime("%Y-%m-%dT%H:%M:%S"), time.monotonic()
    log = record / f"{before}-{part}.log"
    print(f"{before}  {part}  running, output in {log}", flush=True)
    with log.open("wb") as output:
        # A group of its own: what a part leaves behind ends with it.
        process = subprocess.Popen(
            ["make", "--no-print-directory", *words],
            cwd=root,
            # Without the variables of the `make` that runs this.
            env={
                name: value
                for name, value in os.environ.items()
                if name not in ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit)
            result = "failed" if code else "passed"
        except subprocess.TimeoutExpired:
            result = f"stopped after {limit / 60:g} min"
            _stop(process, signal.SIGINT)
        finally:
            _stop(process, signal.SIGKILL)
    after = commit(root)
    run = Run(
        started,
        before if after == before else before.rstrip("+") + "+",
        part,
        result,
        f"{(time.monotonic() - clock) / 60:.1f}",
        "" if result == "passed" else failed_tests(log),
    )
    with (record / "runs.tsv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerow(run.__dict__.values())
    print(run.line, flush=True)
    return run


def _stop(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the group of the process, and wait for the process."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
    try:
        process.wait(TO_END)
    except subprocess.TimeoutExpired:
        return


def failed_tests(log: Path) -> str:
    """Return the tests that pytest's summary lists as failed, or the last line if the log has no such summary."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(encoding="utf-8", errors="replace"))
    names = dict.fromkeys(re.findall(r"^(?:FAILED|ERROR) (\S+(?: \S+)*?)(?: - .*)?$", text, re.MULTILINE))
    lines = [line for line in text.splitlines() if line.strip()]
    return ", ".join(names) or (lines[-1].replace("\t", " ")[:200] if lines else "no output")


def status(root: Path, record: Path, known: Iterable[str]) -> tuple[str, list[str]]:
    """Return a line for each part, and the parts that have not passed on the current commit."""
    now, last = commit(root), {(run.part, run.commit): run for run in runs(record)}
    latest: Mapping[str, Run] = {run.part: run for run in runs(record)}
    lines, missing = [f"commit {now}"], []
    for part in known:
        run = None if now.endswith("+") else last.get((part, now))
        if run is None or run.result != "passed":
            missing.append(part)
        before = latest.get(part)
        if run is not None:
            lines.append(f"  {part}: {run.line}")
        elif before is None:
            lines.append(f"  {part}: not run")
        else:
            lines.append(f"  {part}: not run on this commit; last: {before.started} {before.line}")
    lines.append(f"not passed on {now}: {' '.join(missing)}" if missing else f"all parts passed on {now}")
    return "\n".join(lines), missing


def main(words: Sequence[str], root: Path = ROOT, record: Path = RECORD) -> int:
    """Run parts or print their status; return 1 if a part has not passed."""
    known = parts()
    parser = argparse.ArgumentParser(prog="python -m scripts.nightly")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default: all that have not passed; {_words(known)}")
    parser.add_argument("--status", action="store_true", help="run nothing; print which parts have not passed")
    options = parser.parse_args(words)
    if unknown := [part for part in options.parts if part not in known]:
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {_words(known)}")
    if options.status:
        text, missing = status(root, record, known)
        print(text)
        return 1 if missing else 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    results = [
        run_part(root, record, part, known[part]).result for part in options.parts or status(root, record, known)[1]
    ]
    print(status(root, record, known)[0])
    return 1 if set(results) - {"passed"} else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
