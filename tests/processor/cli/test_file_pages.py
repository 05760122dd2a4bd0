"""The pages about files: no option is missing from them, and the output is what is printed."""

from __future__ import annotations

import re

import pytest

from tests.support.churn_files import Run
from tests.support.doc_blocks import commands_of
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PAGES = ("start/two-csv-files", "files/evaluate-files", "files/pipelines", "reference/evaluate", "monitor/baseline")
PAGE = "\n".join((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in PAGES)


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
