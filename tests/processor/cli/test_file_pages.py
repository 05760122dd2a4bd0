"""The pages about files: their commands run, no option is missing from them, and the output is what is printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.support.churn_files import Run
from tests.support.doc_blocks import commands_of
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = ("start/two-csv-files", "files/evaluate-files", "files/pipelines", "reference/evaluate", "monitor/baseline")
PAGE = "\n".join((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES)


def commands_on(*pages: str) -> Iterator[list[str]]:
    """Yield the arguments of the commands of `driftline` on pages."""
    for page in pages:
        for block in re.findall(r"^```bash\n(.*?)^```", (DOCS / f"{page}.md").read_text("utf-8"), re.DOTALL | re.M):
            yield from (words[1:] for words in commands_of(block) if words[:1] == ["driftline"])


@pytest.mark.slow
def test_every_command_on_the_page_runs(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "week.parquet").rename(files / "lastweek.parquet")
    (files / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(files)
    rows = pd.read_parquet("reference.parquet").rename(columns={"score": "probability", "actual": "churned"})
    rows.to_csv("reference.csv", index=False)
    pd.read_parquet("lastweek.parquet").rename(columns={"score": "probability"}).assign(
        churned=lambda week: (week["probability"] > 0.5).astype(int)
    ).to_csv("lastweek.csv", index=False)
    options = ("--model", "churn", "--task", "binary", "-o", "churn.baseline.json")
    assert run("baseline", "build", "reference.parquet", *options).exit_code == 0
    Path("driftline.yaml").write_text("models: {churn: {baseline: churn.baseline.json, windows: [1d]}}")
    for month, name in (("01", "reference"), ("02", "lastweek")):
        folder = Path(f"rows/2026-{month}/region=eu")
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(Path(f"{name}.parquet").read_bytes())
    # these have files of their own
    others = {"lists.parquet", "features.*", "message.features.*", "now.csv", "capture/*.jsonl", "export-*.parquet"}
    commands = [command for command in commands_on(*PAGES[:4]) if not others.intersection(command)]
    assert len(commands) == 14
    results = [run(*command) for command in commands]
    assert [result.exit_code for result in results] == [*[0] * 12, 3, 0], [
        (command, result.output) for command, result in zip(commands, results, strict=True) if result.exit_code
    ]


@pytest.mark.slow
def test_the_commands_of_baselines_run(run: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(files)
    for name in ("old", "new"):
        built = run(
            "baseline", "build", "reference.parquet", "--model", "churn", "--task", "binary", "-o", f"{name}.json"
        )
        assert built.exit_code == 0, built.stderr
    (rolling,) = [command for command in commands_on("concepts/windows") if "--reference-last" in command]
    assert run(*rolling).exit_code == 0
    *commands, push = commands_on("monitor/baseline")
    assert [command[:2] for command in commands] == [
        ["baseline", "build"],
        ["baseline", "show"],
        ["evaluate", "examples/two_files/lastweek.parquet"],
        ["baseline", "diff"],
    ]
    assert [run(*command).exit_code for command in commands] == [0, 0, 0, 0]
    assert push[:2] == ["baseline", "push"]
    assert run(*push, "--url", "127.0.0.1:1").exit_code == 2


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
