"""Metrics that somebody installs: found by name; one that fails costs itself alone and is said once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from driftline.panes.pane import Pane
from driftline.tables.task import Task
from driftline_processor.custom_metrics import GROUP, load_custom_metrics

from tests.support.churn_files import Run
from tests.support.paths import ROOT

DOCS = ROOT / "docs/how-to/write-a-metric.md"


def install(folder: Path, code: str, **points: str) -> None:
    """Lay out what pip leaves of a package: a module, and the metadata with its entry points."""
    (folder / "our_metrics.py").write_text(code)
    info = folder / "our_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-metrics\nVersion: 1.0\n")
    named = "".join(f"{name} = {target}\n" for name, target in points.items())
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{named}")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(__import__("sys").modules, "our_metrics", raising=False)
    return folder


def example() -> str:
    """The function of the documentation, as a module."""
    found = re.search(r"^    # our_metrics\.py\n((?:    .*\n|\n)+)", DOCS.read_text(), re.MULTILINE)
    assert found is not None
    return re.sub(r"^    ", "", found[1], flags=re.MULTILINE)


def test_the_example_of_the_documentation_is_a_metric_on_files_and_can_stand_in_a_condition(
    run: Run, files: Path, site: Path
) -> None:
    install(site, example(), profit_of_retention="our_metrics:profit_of_retention")
    said = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    condition = "performance.realized.profit_of_retention.value < 0"
    done = run(*said, "--outcomes", files / "outcomes.csv", "--json", "--curves", "--fail-on", condition)
    assert done.exit_code == 0, done.stderr
    (window,) = json.loads(done.stdout)["windows"]
    found = window["performance"]["realized"]["profit_of_retention"]
    (_, alarms), (_, hits) = window["performance"]["confusion"]
    assert found["value"] == 300 * hits - 20 * (hits + alarms)
    assert found["rows"] == 2_400
    assert "failed" not in done.stderr


@pytest.mark.slow
def test_one_that_fails_is_left_out_and_said_once(run: Run, files: Path, site: Path) -> None:
    code = (
        "def broken(pane, task):\n    return pane.parts['confusion'][99]\ndef endless(pane, task):\n    return 1e999\n"
    )
    points = {"broken": "our_metrics:broken", "endless": "our_metrics:endless", "gone": "our_metrics:gone"}
    install(site, code, **points, accuracy="our_metrics:broken")
    said = ("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary")
    done = run(*said, "--outcomes", files / "outcomes.csv", "--json", "--window", "1d")
    assert done.exit_code == 0, done.stderr
    windows = json.loads(done.stdout)["windows"]
    assert len(windows) > 3
    for window in windows:
        assert not {"broken", "endless", "gone"} & window["performance"]["realized"].keys()
    lines = [line for line in done.stderr.splitlines() if "the metric '" in line]
    assert len(lines) == 4
    assert "the metric 'accuracy' (our_metrics:broken) is left out: Driftline has one of that name" in done.stderr
    assert "the metric 'gone' (our_metrics:gone) cannot be loaded: AttributeError" in done.stderr
    assert "the metric 'broken' is left out where it fails: IndexError" in done.stderr
    assert "the metric 'endless' is left out where it fails: its value is inf" in done.stderr


def test_nothing_is_installed_where_nobody_installed_anything() -> None:
    said: list[str] = []
    assert load_custom_metrics(said.append) == {}
    assert said == []


def test_what_a_metric_returns_may_be_nothing(site: Path) -> None:
    install(site, "def own(pane, task):\n    return None if task.kind else 3\n", own="our_metrics:own")
    found = load_custom_metrics(print)["own"]
    assert (found(Pane(), Task("binary")), found(Pane(), Task())) == (None, 3.0)
