"""Outcomes apart: joined by id, the last one holds, and what cannot be used is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.baseline.baseline import Baseline
from driftline.tables.performance_columns import WEIGHTS
from driftline.tables.table import Column
from driftline_processor.core.stable_hash import numbers_of_ids
from driftline_processor.evaluation.files.outcome_join import resolve_rows, row_outcome_pairs
from driftline_processor.readers.outcomes.files import FileOutcomes
from driftline_processor.readers.table_source import TableSource
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.churn_files import Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    scores = [0.1, 0.2, 0.8, 0.9] * 30
    pd.DataFrame({"id": range(120), "score": scores, "x": range(120)}).to_parquet("rows.parquet")
    return tmp_path


def evaluate(run: Run, outcomes: str, task: str = "binary", data: str = "rows.parquet") -> tuple[Any, list[str]]:
    """Return the one window and what was said."""
    options = ("--task", task, "--outcomes", outcomes, "--json")
    result = run("evaluate", data, "--baseline", "rows.parquet", *options)
    assert result.exit_code == 0, result.stderr
    notes = [line for line in result.stderr.splitlines() if not line.startswith("driftline: columns: ")]
    return json.loads(result.stdout)["windows"][0], notes


@pytest.mark.parametrize("ids", [["0", "2", "3"], ["0.0", "2.0", "3.0"], [" 0", "2 ", "3"], ['"0"', '"2"', '"3"']])
def test_an_id_is_one_however_it_is_written(run: Run, folder: Path, ids: list[str]) -> None:
    (folder / "o.csv").write_text("id,actual\n" + "".join(f"{i},1\n" for i in ids))
    window, said = evaluate(run, "o.csv")
    assert (window["outcomes"]["rows"], window["outcomes"]["coverage"], said) == (3, 3 / 120, [])
    assert window["performance"]["realized"]["recall"]["value"] == 2 / 3


def test_leading_zeros_are_part_of_an_id(run: Run, folder: Path) -> None:
    (folder / "rows.csv").write_text("id,score,x\n007,0.9,1\n7,0.1,1\n")
    (folder / "o.csv").write_text("id,actual\n007,1\n")
    window, said = evaluate(run, "o.csv", data="rows.csv")
    accuracy = window["performance"]["realized"]["accuracy"]
    assert (accuracy["value"], accuracy["rows"], accuracy["source"]) == (1.0, 1, "rows")
    assert (accuracy["low"], accuracy["high"]) == pytest.approx((0.025, 1.0))
    assert said == []


def test_an_id_made_to_have_the_number_of_another_does_not_take_its_outcome(run: Run, folder: Path) -> None:
    real, made = "customer-0000017", "2QSaSdEDIy}vAvD|"
    assert len(set(numbers_of_ids(pa.array([real, made])).tolist())) == 1
    pd.DataFrame({"id": [real, "0", "1"], "score": [0.9, 0.1, 0.1], "x": range(3)}).to_parquet("few.parquet")
    (folder / "o.csv").write_text(f"id,actual\n{made},1\n0,0\n1,0\n")
    window, said = evaluate(run, "o.csv", data="few.parquet")
    assert window["outcomes"]["rows"] == 2
    assert said == [f"driftline: o.csv: 1 outcome with an id that no row has in 'id', such as {made!r}"]


@pytest.mark.parametrize("actual", ["1", "1.0", "true", "True", '"1"'])
def test_an_actual_is_one_class_however_it_is_written(run: Run, folder: Path, actual: str) -> None:
    (folder / "o.csv").write_text(f"id,actual\n2,{actual}\n3,{actual}\n")
    window, said = evaluate(run, "o.csv")
    assert (window["performance"]["realized"]["precision"]["value"], said) == (1.0, [])


def test_the_last_outcome_by_time_holds(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,actual,time\n2,1,2026-01-03\n2,0,2026-01-02\n3,0,2026-01-01\n3,1,2026-01-01\n")
    window, _ = evaluate(run, "o.csv")
    assert window["outcomes"]["rows"] == 2
    assert window["performance"]["realized"]["accuracy"]["value"] == 1.0


def test_without_times_the_last_in_the_file_holds(run: Run, folder: Path) -> None:
    (folder / "o.ndjson").write_text('{"id": 2, "actual": 0}\n{"id": 2, "actual": 1}\n')
    window, _ = evaluate(run, "o.ndjson")
    assert window["performance"]["realized"]["accuracy"]["value"] == 1.0


def test_weights_count(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,actual,weight\n2,1,3\n3,0,1\n0,0,\n")
    window, said = evaluate(run, "o.csv")
    assert window["performance"]["realized"]["accuracy"]["value"] == pytest.approx((3 + 1) / 5, abs=1e-12)
    assert said == []


def test_what_cannot_be_used_is_named_and_the_rest_is_kept(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,actual,weight\n2,1,\n,1,\n3,,\n0,0,-1\n1,0,inf\n99999,1,\n3,maybe,\n")
    window, said = evaluate(run, "o.csv")
    assert said == [
        "driftline: o.csv: left out 1 outcome, because id is missing: the first is row 2",
        "driftline: o.csv: left out 1 outcome, because actual is missing: the first is row 3",
        f"driftline: o.csv: left out 2 outcomes, because weight is not {WEIGHTS}: the first is row 4",
        "driftline: o.csv: left out 1 outcome with an actual that is none of the classes 0, 1: "
        "the first is row 7, 'maybe'",
        "driftline: o.csv: 1 outcome with an id that no row has in 'id', such as '99999'",
    ]
    assert window["outcomes"]["rows"] == 1


def test_a_value_that_is_no_number_in_a_regression(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,actual\n2,0.5\n3,many\n")
    window, said = evaluate(run, "o.csv", task="regression")
    assert window["performance"]["realized"]["mae"]["value"] == pytest.approx(0.3, abs=1e-12)
    assert said == ["driftline: o.csv: left out 1 outcome with an actual that is no number: the first is row 2, 'many'"]


@pytest.mark.parametrize(
    ("value", "option"),
    [("17,379", "--thousands comma"), ("1,5", "--decimal ,"), ("$1.234,50", "--decimal , --thousands point")],
)
def test_a_message_about_outcomes_shows_the_option_that_reads_them(
    run: Run, folder: Path, value: str, option: str
) -> None:
    """In a file of outcomes, in the rows and in the rows of the baseline, as for scores."""
    hint = f"{value!r}; use numbers without the unit, and {option}" if "$" in value else f"{value!r}; use {option}"
    (folder / "o.csv").write_text(f'id,actual\n2,0.5\n3,"{value}"\n')
    _, said = evaluate(run, "o.csv", task="regression")
    assert said == [
        f"driftline: o.csv: left out 1 outcome with an actual that is no number: the first is row 2, {hint} to read it"
    ]
    (folder / "r.csv").write_text("x,score,actual\n" + "0.5,1,1.1\n1.5,2,2.1\n" * 15)
    (folder / "bad.csv").write_text("x,score,actual\n" + f'0.5,1,"{value}"\n' * 30)
    columns = ("--task", "regression", "--actual", "actual")
    said = run("evaluate", "bad.csv", "--baseline", "r.csv", *columns).stderr.splitlines()
    assert said[0] == (
        "driftline: bad.csv: 30 rows with an actual that is no number, treated as unknown: "
        f"the first is row 1, {hint} to read it"
    )
    refused = run("evaluate", "r.csv", "--baseline", "bad.csv", *columns)
    assert refused.exit_code == 2
    assert refused.stderr == (
        "driftline: bad.csv: actual: an actual must be a number, but there are none; "
        f"the first value is row 1, {hint} to read it\n"
    )


@pytest.mark.parametrize(
    ("time", "prediction"),
    [(20260220, 20260201), (46073, 46054), (46073.5, 46054.25), (20260220090500, 20260201000000)],
)
@pytest.mark.parametrize("form", ["csv", "parquet", "ndjson"])
def test_times_of_outcomes_are_read_as_times_of_rows(tmp_path: Path, form: str, time: float, prediction: float) -> None:
    rows = pd.DataFrame({"id": range(60), "time": prediction, "score": np.linspace(0, 1, 60), "x": np.arange(60) % 7.0})
    outcomes = pd.DataFrame({"id": range(60), "actual": np.arange(60) % 2, "time": time, "prediction_time": prediction})
    path = tmp_path / f"o.{form}"
    if form == "csv":
        outcomes.to_csv(path, index=False)
    elif form == "parquet":
        outcomes.to_parquet(path)
    else:
        outcomes.to_json(path, orient="records", lines=True)
    report = driftline.evaluate(rows, baseline=rows.assign(actual=outcomes["actual"]), outcomes=path, task="binary")
    assert report.to_dict()["windows"][0]["outcomes"]["rows"] == 60
    assert not [note for note in report.notes if "o." in note]


def test_a_day_that_does_not_exist_is_no_time_of_an_outcome(run: Run, folder: Path) -> None:
    times = [*pd.date_range("2026-03-01", periods=60).strftime("%Y%m%d"), "20260230", ""]
    (folder / "o.csv").write_text("id,actual,time\n" + "".join(f"{n},{n % 2},{time}\n" for n, time in enumerate(times)))
    window, said = evaluate(run, "o.csv")
    assert said[0] == (
        "driftline: o.csv: left out 1 outcome, because time is not a time between 1970 and 2262: the first is row 61"
    )
    assert window["outcomes"]["rows"] == 61


def test_a_later_word_that_cannot_be_used_leaves_the_one_before(run: Run, folder: Path) -> None:
    (folder / "o.csv").write_text("id,actual,time\n2,1,2026-01-01\n2,maybe,2026-01-02\n")
    window, _ = evaluate(run, "o.csv")
    assert window["outcomes"]["rows"] == 1


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("key,actual", "o.csv: no column 'id'; available: key, actual"),
        ("id,Actual", "o.csv: no column 'actual'; did you mean 'Actual'?"),
    ],
)
def test_an_outcomes_file_without_its_columns(run: Run, folder: Path, header: str, sentence: str) -> None:
    (folder / "o.csv").write_text(f"{header}\n1,1\n")
    result = run("evaluate", "rows.parquet", "--baseline", "rows.parquet", "--task", "binary", "--outcomes", "o.csv")
    assert (result.exit_code, result.stderr) == (2, f"driftline: {sentence}\n")


def test_what_is_taken_back_is_not_known_until_it_is_said_again(run: Run, folder: Path) -> None:
    lines = [
        "2,1,2026-01-01,",
        "2,,2026-01-02,true",
        "3,1,2026-01-03,",
        "3,0,2026-01-02,1",
        "0,,2026-01-01,yes",
        "1,0,2026-01-01,false",
    ]
    (folder / "o.csv").write_text("\n".join(["id,actual,time,retracted", *lines]))
    window, said = evaluate(run, "o.csv")
    assert window["outcomes"]["rows"] == 2  # 1 and 3; 2 was taken back, and of 0 nothing was said
    assert window["performance"]["realized"]["accuracy"]["value"] == 1.0
    assert said == [
        "driftline: o.csv: left out 1 outcome, because retracted is a string; send true or false: the first is row 5"
    ]


def test_a_correction_of_the_worth_or_of_a_slice_alone_is_one(run: Run, folder: Path) -> None:
    first = [f"{row},1,2026-01-01,{value},{kind}" for row, value, kind in ((2, 5, "a"), (3, 5, "a"), (6, 5, "a"))]
    later = ["2,1,2026-01-02,7,", "3,1,2026-01-02,,b", "6,1,2026-01-02,5,a"]  # the last says what it said before
    (folder / "o.csv").write_text("\n".join(["id,actual,time,value,slice.kind", *first, *later]))
    Baseline.from_frame(pd.read_parquet("rows.parquet"), score="score", id="id", model="m", task="binary").save(
        "b.json"
    )
    options = ("--outcomes", "o.csv", "--slices", "kind", "--json")
    told = json.loads(run("evaluate", "rows.parquet", "--baseline", "b.json", *options).stdout)
    performance = told["windows"][0]["performance"]
    assert told["concept"]["corrected"] == 2
    assert performance["realized"]["value"]["value"] == 17.0
    assert {name: one["rows"] for name, one in performance["slices"].items()} == {"kind=a": 2, "kind=b": 1}


def test_an_id_that_was_scored_often_has_its_outcome_at_the_named_time_or_at_the_latest_before(
    run: Run, folder: Path
) -> None:
    times = ["2026-01-01", "2026-01-05", "2026-01-09"]
    rows = pd.DataFrame({"id": ["a"] * 3 + ["b"] * 3, "score": [0.9, 0.1, 0.9] * 2, "time": pd.to_datetime(times * 2)})
    rows.assign(x=range(6)).to_parquet("often.parquet")
    (folder / "o.csv").write_text(
        "id,actual,time,prediction_time\na,1,2026-01-07,\nb,1,2026-01-20,2026-01-01\nb,1,2025-12-01,\nb,1,2026-01-20,2026-01-02\n"
    )
    result = run(
        "evaluate",
        "often.parquet",
        "--baseline",
        "rows.parquet",
        "--task",
        "binary",
        "--outcomes",
        "o.csv",
        "--window",
        "1d",
        "--json",
    )
    found = {window["start"][:10]: window["outcomes"]["rows"] for window in json.loads(result.stdout)["windows"]}
    assert found == {"2026-01-01": 1, "2026-01-05": 1, "2026-01-09": 0}
    assert "1 outcome with an id and prediction_time that no row has in 'id', such as 'b'" in result.stderr


def test_the_time_of_a_prediction_is_enough_to_name_it(run: Run, folder: Path) -> None:
    rows = pd.DataFrame({"id": ["a", "a"], "score": [0.9, 0.1], "time": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    rows.assign(x=[1, 2]).to_parquet("often.parquet")
    (folder / "o.csv").write_text("id,actual,prediction_time\na,1,2026-01-01\na,0,2026-01-02\n")
    window, said = evaluate(run, "o.csv", data="often.parquet")
    assert (window["performance"]["realized"]["accuracy"]["value"], window["outcomes"]["rows"]) == (1.0, 2)
    assert said == []


NAN = float("nan")
_MINUTE = 60 * 10**9
MOMENTS = st.integers(1, 6).map(lambda minute: minute * _MINUTE)


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 2), MOMENTS), max_size=8, unique=True),
    st.lists(
        st.tuples(
            st.integers(0, 2),
            MOMENTS,
            st.sampled_from([0, 0, _MINUTE, 3 * _MINUTE]),
            st.booleans(),
            st.sampled_from([NAN, 1.0, 2.0]),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_the_join_is_that_of_its_definition(
    rows: list[tuple[int, int]], said: list[tuple[int, int, int, bool, float]], sampled: bool
) -> None:
    said = sorted(said, key=lambda one: one[1])
    ids, heard, made, retracted = (np.array([one[at] for one in said], dtype=np.int64) for at in range(4))
    actual, weight = Column(numbers=np.arange(len(said), dtype=np.float64)), np.array([one[4] for one in said])
    lines, numbers, back = np.arange(len(said)), ids.astype(np.uint64) + np.uint64(1), retracted.astype(bool)
    source = TableSource(Path("o"), pa.table({}), lambda _: None)
    outcomes = FileOutcomes(source, lines, numbers, actual, back, heard, made, weight)
    code, time = (np.array([row[at] for row in rows], dtype=np.int64) for at in range(2))
    row_of, outcome_of = row_outcome_pairs(code, time, ids, heard, made)
    found = set(outcome_of.tolist())
    resolved = resolve_rows(outcomes, row_of, outcome_of, len(rows), sampled)
    last, first, stays = resolved.latest, resolved.first, resolved.weight

    expected: dict[int, list[int]] = {at: [] for at in range(len(rows))}
    for at, (name, when, named, *_) in enumerate(said):
        mine = [(moment, row) for row, (other, moment) in enumerate(rows) if other == name]
        exact = next((row for moment, row in mine if moment == named), None)
        before, after = [one for one in mine if one[0] <= when], [one for one in mine if one[0] > when]
        row = exact if named else max(before)[1] if before else min(after)[1] if after else None
        assert (at in found) == (row is not None)
        if row is not None:
            expected[row].append(at)
    for row, words in expected.items():
        weighs, usable = -1, []
        for at in words:
            weighs = -1 if said[at][3] else at if said[at][4] == said[at][4] else weighs
            if said[at][3] or weighs >= 0 or not sampled:
                usable.append(at)
        spoken = [at for at in usable if not said[at][3]]
        assert (last[row], first[row]) == (usable[-1] if usable else -1, spoken[0] if spoken else -1)
        assert stays[row] == weighs
