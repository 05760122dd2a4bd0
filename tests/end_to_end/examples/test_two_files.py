"""The README's first example reads as a practitioner would: a week of July against a winter.

Each test names a sentence that would be absurd there.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from driftline_processor.cli.commands import app
from typer.testing import CliRunner

from tests.support.facts import lacking

FILES = Path(__file__).parents[3] / "examples" / "two_files"
WEEK, REFERENCE = FILES / "lastweek.parquet", FILES / "reference.parquet"
COLUMNS = ("--task", "binary", "--score", "score", "--actual", "late", "--id", "id", "--time", "time")


@cache
def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", str(WEEK), *COLUMNS, *arguments], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.stderr
    return result.stdout


@cache
def window(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told("--json", *arguments))["windows"][0]
    return found


def as_named(*arguments: str) -> tuple[str, ...]:
    return "--baseline", str(REFERENCE), *arguments


def test_what_lies_outside_the_range_entirely_is_a_finding() -> None:
    found = {finding["features"][0]: finding for finding in window(*as_named())["quality"]["findings"]}
    assert {"temp", "dewp"} <= found.keys()
    assert found["dewp"]["check"] == "out_of_range"
    assert found["dewp"]["severity"] == "critical"
    assert lacking(told(*as_named()), "dewp:", "100 %", "above", "44.96") == []


def test_the_answer_ends_with_errors_beside_those_of_the_baseline() -> None:
    said = " ".join(told(*as_named("--all", "--explain")).split())
    end = said[said.rindex("concept:") :]
    assert lacking(end, "35.7 %", "21.8 %") == []


def test_the_rows_alone_are_compared_where_the_time_is_to_be_ignored() -> None:
    ignoring = window(*as_named("--ignore-time"))
    states = {name: feature["state"] for name, feature in ignoring["drift"]["features"].items()}
    assert {name for name, state in states.items() if state == "drift"} >= {
        *("temp", "dewp", "pressure", "wind_speed", "humid", "visib")
    }
    assert ignoring["start"] == window(*as_named())["start"]  # the rows' own times still say which week it is


def test_a_reference_without_times_is_compared_as_a_whole_and_that_is_said(tmp_path: Path) -> None:
    undated = tmp_path / "reference.parquet"
    pq.write_table(pq.read_table(REFERENCE).drop(["time"]), undated)
    days = json.loads(told("--json", "--window", "1d", "--baseline", str(undated)))["windows"]
    assert [day["start"][:10] for day in days] == [f"2013-07-{day:02}" for day in range(8, 15)]
    assert {day["baseline"]["compared"] for day in days} == {
        "all of the reference: its rows have no times, so it is not known whether its hours or days differ"
    }
    assert all(day["drift"]["features"]["temp"]["state"] == "drift" for day in days)


def test_a_large_shift_is_drift_also_beside_days_that_differ() -> None:
    drift = window(*as_named())["drift"]
    large = {name for name, feature in drift["features"].items() if feature["methods"]["psi"]["value"] >= 0.25}
    assert large == {"temp", "dewp", "pressure", "wind_speed", "humid", "visib"}
    assert {drift["features"][name]["state"] for name in large} == {"drift"}
    assert drift["score"]["state"] == "drift"  # 1,352 rows are not too few


def test_a_week_borrows_from_the_baseline_how_days_differ() -> None:
    """Its days differ by .11, the baseline's by .12: four standard errors of seven days are .18."""
    performance = window(*as_named())["performance"]
    accuracy, loss = (performance["realized"][name] for name in ("accuracy", "log_loss"))
    assert accuracy["interval"] == "blocks"
    assert 0.15 < accuracy["high"] - accuracy["low"] < 0.3
    assert loss["high"] - loss["low"] < 0.5
    assert performance["changes"]["log_loss"]["low"] > 0


@pytest.mark.parametrize("arguments", [(), ("--ignore-time",), ("--window", "1d")])
def test_nothing_is_ok_beside_a_psi_of_one(arguments: tuple[str, ...]) -> None:
    for one in json.loads(told("--json", *as_named(*arguments)))["windows"]:
        for name, feature in {**one["drift"]["features"], "score": one["drift"]["score"]}.items():
            psi = feature["methods"]["psi"]["value"]
            assert feature["state"] != "ok" or psi is None or psi < 1, name
