"""`driftline drill`: what is asked wrongly costs no drill, and a whole drill answers in each form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.churn_files import Run

CONFIG = """
notify: json://127.0.0.1:9/
models: {churn: {task: binary, windows: [1d], outcome_delay: 6h}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["unit-chnge"], "there is no fault 'unit-chnge'; did you mean 'unit-change'?"),
        ([], "the fault is missing; use one fault, such as unit-change, or --all"),
        (["unit-change", "--all"], "the fault is missing; use one fault, such as unit-change, or --all"),
        (["unit-change", "--outcomes", "y.csv"], "--records is missing: --outcomes needs recorded rows"),
        (["unit-change", "--within", "3"], "--within: '3' has no unit; use '3d' or '3h'"),
        (["unit-change", "--rows", "0"], "--rows 0: must be between 1 and 100,000 rows per day"),
        (["unit-change", "--at", "soon"], "--at 'soon': for synthetic traffic, use days after its start, such as 28d"),
        (["unit-change", "--days", "900"], "--at and --days: must be 1 to 400 days each, not 14 and 900"),
        (["unit-change", "--task", "binary", "--model", "chrun"], "--model: the configuration has no model 'chrun'"),
    ],
)
def test_what_is_asked_wrongly_is_said(run: Run, file: Path, asked: list[str], said: str) -> None:
    result = run("drill", *asked, "--config", str(file))
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.slow
def test_rankings_are_not_drawn(run: Run, file: Path) -> None:
    file.write_text("models: {shop: {task: ranking}}")
    result = run("drill", "dead-exporter", "--config", str(file))
    assert result.exit_code == 2
    assert "shop: rankings cannot be generated; use --records" in result.stderr


@pytest.mark.slow
def test_a_unit_change_is_found_and_named(run: Run, file: Path) -> None:
    asked = ("--config", str(file), "--rows", "200", "--at", "6d", "--days", "3", "--json")
    result = run("drill", "unit-change", *asked)
    [told] = json.loads(result.stdout)["drills"]
    assert result.exit_code == 0, told
    assert (told["outcome"], told["features"], told["quiet"]) == ("found", ["tenure"], True)
    assert told["verdict"]["kind"] == "data_fault"
    assert told["fired"][0]["told"] == ["json"]
    assert told["found_after_seconds"] <= 2 * 86_400
