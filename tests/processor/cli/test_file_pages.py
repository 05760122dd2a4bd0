"""The pages about files: their commands run, and no option is missing from them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from tests.support.churn_files import Run
from tests.support.doc_blocks import commands_of
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = ("tutorials/two-files", "how-to/evaluate-files", "how-to/check-in-a-pipeline", "reference/evaluate")
COMMANDS = "\n".join((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES)
PAGE = COMMANDS + (DOCS / "how-to/build-a-baseline.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_command_on_the_page_runs(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "week.parquet").rename(files / "lastweek.parquet")
    monkeypatch.chdir(files)
    written = [shlex.split(line)[1:] for line in COMMANDS.splitlines() if line.startswith("    driftline ")]
    # these have files of their own
    others = ("lists.parquet", "features.*", "message.features.*", "now.csv", "capture/*.jsonl", "export-*.parquet")
    commands = [command for command in written if not set(others).intersection(command)]
    Path("driftline.yaml").write_text("models: {churn: {baseline: churn.baseline.json, windows: [1d]}}")
    assert len(commands) == 11
    codes = [run(*command).exit_code for command in commands]
    assert codes == [0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0]


@pytest.mark.parametrize("command", [["evaluate"], ["baseline", "build"]])
def test_every_option_is_on_the_page(run: Run, command: list[str]) -> None:
    shown = {word.strip(",.;") for word in run(*command, "--help").stdout.split() if word.startswith("--")}
    of_url = {"--output", "--ca-file", "--cert-file", "--key-file", "--token-file"}
    assert {option for option in shown if option not in PAGE} == {"--help", *(of_url if len(command) > 1 else ())}


def test_the_output_on_the_page_is_what_is_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (DOCS / "start/two-csv-files.md").read_text(encoding="utf-8")
    command, output = re.findall(r"```(?:bash|text)\n(.*?)```", page, re.DOTALL)[:2]
    monkeypatch.chdir(ROOT)
    (words,) = commands_of(command)
    printed = run(*words[1:]).stdout
    assert [line.split() for line in output.splitlines()] == [line.split() for line in printed.splitlines()]


@pytest.mark.slow
def test_the_commands_of_baselines_run(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = ("how-to/compare-with-the-last-days", "how-to/build-a-baseline")
    page = "\n".join((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in pages)
    monkeypatch.chdir(files)
    for name, rows in (("old", "reference"), ("new", "reference"), ("churn.baseline", "reference")):
        built = run(
            "baseline", "build", f"{rows}.parquet", "--model", "churn", "--task", "binary", "-o", f"{name}.json"
        )
        assert built.exit_code == 0, built.stderr
    pd.read_parquet("reference.parquet").rename(columns={"time": "ts"}).to_parquet("events.parquet")
    rolling, *commands = [shlex.split(line)[1:] for line in page.splitlines() if line.startswith("    driftline ")]
    assert run(*rolling, "--task", "binary").exit_code == 0
    assert [command[1] for command in commands] == ["show", "diff", "push"]
    assert [run(*command).exit_code for command in commands[:2]] == [0, 0]
    assert run(*commands[2], "--url", "127.0.0.1:1").exit_code == 2
