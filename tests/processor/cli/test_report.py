"""`driftline report` and `driftline evaluate --html`: one file to send."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.cli.commands import app as commands
from typer.testing import CliRunner

from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView
from tests.support.html_page import Page
from tests.support.paths import ROOT

TWO_FILES = ROOT / "examples" / "two_files"


def test_a_report_of_a_running_processor_is_a_file_or_standard_output(
    served: tuple[FakeView, str], tmp_path: Path
) -> None:
    asked = ["report", "flights", "--from", "2013-05-01T00:00:00Z", "--to", "2013-08-01T00:00:00Z", "--window", "1mo"]
    printed = CliRunner().invoke(commands, [*asked, "--url", served[1]])
    assert printed.exit_code == 0
    page = Page(printed.stdout)
    assert "3 windows of 1mo, 2013-05 to 2013-07" in page.text
    to_file = CliRunner().invoke(commands, [*asked, "--url", served[1], "-o", str(tmp_path / "july.html")])
    assert to_file.exit_code == 0
    assert (tmp_path / "july.html").read_text(encoding="utf-8") == printed.stdout


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["nothing"], ("'nothing'",)),
        (["flights", "--from", "yesterday"], ("--from:", "'yesterday'")),
        (["flights", "--window", "5m"], ("'5m'", "1d, 1mo")),
        (["flights", "-o", "/nowhere/july.html"], ("/nowhere/july.html: cannot be written",)),
    ],
)
def test_what_cannot_be_reported_is_one_sentence(
    served: tuple[FakeView, str], arguments: list[str], facts: Facts
) -> None:
    done = CliRunner().invoke(commands, ["report", *arguments, "--url", served[1]])
    assert (done.exit_code, done.stdout) == (2, "")
    assert lacking(done.stderr, *facts) == []
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_evaluate_writes_what_it_prints_as_a_report(tmp_path: Path) -> None:
    columns = ["--task", "binary", "--score", "score", "--actual", "late", "--id", "id", "--time", "time"]
    files = [str(TWO_FILES / "lastweek.parquet"), "--baseline", str(TWO_FILES / "reference.parquet")]
    for cut in ([], ["--window", "1d"], ["--window-rows", "400"]):
        done = CliRunner().invoke(commands, ["evaluate", *files, *columns, *cut, "--html", str(tmp_path / "week.html")])
        assert done.exit_code == 0, done.stderr
        text = (tmp_path / "week.html").read_text(encoding="utf-8")
        page = Page(text)
        assert " ".join(done.stdout.split())[:60] in page.text
        assert "temp" in page.text
        assert len(text.encode()) < 500_000
