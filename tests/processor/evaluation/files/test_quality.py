"""What is expected of files, and what is exported of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.support.churn_files import Run
from tests.support.facts import Facts, lacking

EXPECT = """
models:
  week:
    expect: {rows: ">= 3000", duplicates: "< 1%", freshness: 1h}
    features:
      income: {expect: {missing: "< 5%", range: [0, 100], unique: ">= 90%"}}
      region: {expect: {values: [north, south]}}
      absent: {expect: {exists: true}}
"""


def expected(window: dict[str, Any]) -> dict[str, tuple[str, float | None]]:
    return {
        f"{one['feature'] or ''} {one['rule']}".strip(): (one["state"], one["low"])
        for one in window["quality"]["expectations"]
    }


@pytest.mark.slow
def test_expectations_of_a_file_are_judged_by_its_rows(run: Run, files: Path) -> None:
    (files / "driftline.yaml").write_text(EXPECT)
    result = run(
        "evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", "--task", "binary",
        "--expect", files / "driftline.yaml", "--json", "--fail-on", "quality.broken > 1",
    )  # fmt: skip
    assert result.exit_code == 3
    assert lacking(result.stderr, "--expect: absent:") == []
    [window] = json.loads(result.stdout)["windows"]
    found = expected(window)
    for rule, share in (("income missing: < 5%", 0.155), ("region values: [north, south]", 0.5)):
        state, low = found.pop(rule)
        assert state == "broken"
        assert low == pytest.approx(share, abs=0.03)
    state, age = found.pop("freshness: 1h")
    assert state == "broken"  # the file is all there is, and its newest row is of February 2026
    assert age is not None
    assert age > 86_400
    assert found == {
        "rows: >= 3000": ("met", 3_000.0),
        "duplicates: < 1%": ("met", 0.0),
        "income range: [0, 100]": ("met", 1.0),
        "income unique: >= 90%": ("met", 1.0),
        "absent exists: true": ("inconclusive", None),
    }


@pytest.mark.slow
def test_windows_of_a_day_are_judged_each_by_itself(run: Run, files: Path) -> None:
    (files / "driftline.yaml").write_text(EXPECT.replace(">= 3000", ">= 430"))
    options = ("--task", "binary", "--expect", files / "driftline.yaml", "--window", "1d", "--json")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options)
    windows = json.loads(result.stdout)["windows"]
    assert len(windows) == 7
    for window in windows:
        state, low = expected(window)["rows: >= 430"]
        assert (state, low) == ("met" if window["rows"] >= 430 else "broken", window["rows"])
        assert expected(window)["freshness: 1h"][0] == "met"


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("models: {week: {windows: [25]}}", ("'25' has no unit",)),
        ("models: {week: {}}", ("'expect:'",)),
        ("models: {other: {expect: {rows: 1}}}", ("it has nothing for the model 'week'",)),
    ],
)
def test_a_file_that_expects_nothing_usable_is_bad_input(run: Run, files: Path, text: str, facts: Facts) -> None:
    (files / "driftline.yaml").write_text(text)
    options = ("--expect", files / "driftline.yaml")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options)
    assert result.exit_code == 2
    assert lacking(result.stderr, *facts) == []


@pytest.mark.slow
def test_windows_are_written_as_openlineage_events(run: Run, files: Path) -> None:
    out = files / "events.ndjson"
    options = ("--task", "binary", "--window", "1d", "--write", f"openlineage={out}")
    assert run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *options).exit_code == 0
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(events) == 7
    assert len({event["run"]["runId"] for event in events}) == 7
    assert {event["inputs"][0]["name"] for event in events} == {str((files / "week.parquet").resolve())}
    told = events[0]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [one["success"] for one in told if one["assertion"] == "missing"] == [False, False]
    nowhere = ("--write", f"openlineage={files / 'no' / 'folder'}")
    result = run("evaluate", files / "week.parquet", "--baseline", files / "reference.parquet", *nowhere)
    assert result.exit_code == 2
    assert "cannot be written: No such file or directory" in result.stderr


@pytest.mark.parametrize("n", [3, 2_000])
def test_a_feature_that_is_gone_is_a_finding_of_however_few_rows(
    run: Run, files: Path, reference: pd.DataFrame, n: int
) -> None:
    few = reference.head(40)
    few.to_parquet(files / "few.parquet")
    few.head(n).rename(columns={"age": "age_years"}).to_parquet(files / "now.parquet")
    answer = json.loads(run("evaluate", files / "now.parquet", "--baseline", files / "few.parquet", "--json").stdout)
    found = {one["features"][0]: one for one in answer["windows"][0]["quality"]["findings"]}
    assert (found["age"]["check"], found["age"]["severity"]) == ("missing", "critical")


def test_a_feature_that_a_built_baseline_compares_with_nothing_is_named(
    run: Run, files: Path, reference: pd.DataFrame
) -> None:
    reference.assign(order=[f"o{at}" for at in range(len(reference))]).to_parquet(files / "reference.parquet")
    path = files / "churn.json"
    run("baseline", "build", files / "reference.parquet", "--model", "churn", "--task", "binary", "-o", path)
    said = run("evaluate", files / "reference.parquet", "--baseline", path).stderr.splitlines()
    assert any(line.startswith("driftline: order: not compared") and str(path) in line for line in said)
