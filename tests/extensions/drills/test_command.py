"""`driftline drill`: what is asked wrongly costs no drill, and a whole drill answers in each form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.churn_files import Run
from tests.support.facts import Facts, lacking

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
    ("asked", "facts"),
    [
        (["unit-chnge"], ("'unit-chnge'", "'unit-change'")),
        ([], ("--all",)),
        (["unit-change", "--all"], ("--all",)),
        (["unit-change", "--outcomes", "y.csv"], ("--records", "--outcomes")),
        (["unit-change", "--within", "3"], ("--within:", "'3'", "'3d'", "'3h'")),
        (["unit-change", "--url", "x", "--simulated"], ("--url", "--simulated")),
        (["unit-change", "--url", "127.0.0.1:9"], ("http://127.0.0.1:9",)),
        (["unit-change", "--rows", "0"], ("--rows", "between 1", "100,000 rows")),
        (["unit-change", "--at", "soon"], ("--at", "'soon'", "28d")),
        (["unit-change", "--days", "900"], ("--at", "--days", "400 days", "14", "900")),
        (["unit-change", "--task", "binary", "--model", "chrun"], ("--model:", "'chrun'")),
    ],
)
def test_what_is_asked_wrongly_is_said(run: Run, file: Path, asked: list[str], facts: Facts) -> None:
    result = run("drill", *asked, "--config", str(file))
    assert result.exit_code == 2
    assert lacking(result.stderr, *facts) == []


@pytest.mark.slow
def test_rankings_are_not_drawn(run: Run, file: Path) -> None:
    file.write_text("models: {shop: {task: ranking}}")
    result = run("drill", "dead-exporter", "--simulated", "--config", str(file))
    assert result.exit_code == 2
    assert "shop: rankings cannot be generated; use --records" in result.stderr


@pytest.mark.slow
def test_a_unit_change_is_found_and_named(run: Run, file: Path) -> None:
    asked = ("--simulated", "--config", str(file), "--rows", "200", "--at", "6d", "--days", "3", "--json")
    result = run("drill", "unit-change", *asked)
    [told] = json.loads(result.stdout)["drills"]
    assert result.exit_code == 0, told
    assert (told["outcome"], told["features"], told["quiet"]) == ("found", ["tenure"], True)
    assert "1,800 simulated rows" in told["traffic"]
    assert told["verdict"]["kind"] == "data_fault"
    assert told["fired"][0]["notified"] == ["json"]
    assert told["found_after_seconds"] <= 2 * 86_400
