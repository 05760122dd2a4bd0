"""`driftline.evaluate` says what the command says, of tables as of files, and says what is wrong with them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import driftline
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.notebook.evaluate import read_options
from pyarrow import parquet

from tests.support.churn_files import Run
from tests.support.facts import Facts, lacking
from tests.support.paths import ROOT

TWO_FILES = ROOT / "examples/two_files"
LIBRARIES: dict[str, Callable[[Path], Any]] = {
    "arrow": parquet.read_table,
    "pandas": pd.read_parquet,
    "polars": pl.read_parquet,
    "paths": str,
}

OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in LIBRARIES if name != "pandas"]


def answer_of(run: Run, *arguments: object) -> dict[str, Any]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize(
    "library", ["pandas", *(pytest.param(one, marks=pytest.mark.slow) for one in ("arrow", "polars", "paths"))]
)
def test_two_tables_get_the_answer_of_the_command(run: Run, library: str) -> None:
    read, week, reference = LIBRARIES[library], TWO_FILES / "lastweek.parquet", TWO_FILES / "reference.parquet"
    options = ("--task", "binary", "--score", "score", "--actual", "late", "--id", "id", "--time", "time")
    named: dict[str, Any] = {
        "task": "binary",
        "score": "score",
        "actual": "late",
        "id": "id",
        "time": "time",
        "model": "lastweek",
    }
    report = driftline.evaluate(read(week), read(reference), **named)

    assert report.to_dict() == answer_of(run, week, "--baseline", reference, *options)
    assert report.verdict.state == "degraded"


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_windows_outcomes_and_slices_are_those_of_the_command(run: Run, files: Path, library: str) -> None:
    read, week, reference = LIBRARIES[library], files / "week.parquet", files / "reference.parquet"
    outcomes = pd.read_csv(files / "outcomes.csv")
    truth = {"pandas": outcomes, "polars": pl.from_pandas(outcomes), "arrow": pa.table(outcomes)}
    options = ("--task", "binary", "--window", "1d", "--slices", "region,vip", "--mispredictions", "3", "--curves")
    report = driftline.evaluate(
        read(week),
        read(reference),
        outcomes=truth.get(library, files / "outcomes.csv"),
        task="binary",
        window="1d",
        slices=["region", "vip"],
        mispredictions=3,
        curves=True,
        model="week",
    )

    expected = answer_of(run, week, "--baseline", reference, "--outcomes", files / "outcomes.csv", *options)
    assert report.to_dict() == expected
    assert len(report.windows) == 7


def test_rows_are_compared_with_the_rows_before_them(run: Run, files: Path, week: pd.DataFrame) -> None:
    asked = ("--task", "binary", "--time", "time", "--window", "1d", "--reference-last", "2d")
    report = driftline.evaluate(
        week.drop(columns="actual"), task="binary", time="time", window="1d", reference_last="2d", model="week"
    )
    assert report.to_dict() == answer_of(run, files / "week.parquet", *asked)


@pytest.mark.slow
@pytest.mark.parametrize("built", ["object", "path"])
def test_a_built_baseline_is_an_object_or_a_path(
    files: Path, reference: pd.DataFrame, week: pd.DataFrame, built: str
) -> None:
    baseline = driftline.Baseline.from_frame(
        reference, score="score", actual="actual", time="time", id="id", model="churn", task="binary"
    )
    baseline.save(files / "churn.json")
    given = {"object": baseline, "path": files / "churn.json"}[built]
    report = driftline.evaluate(week, given)

    assert report.to_dict()["model"] == "churn"
    assert report.windows[0]["performance"]["realized"]["roc_auc"]["rows"] == 3_000
    assert report.to_dict() == driftline.evaluate(week, str(files / "churn.json")).to_dict()


def test_several_tables_are_one_set_of_rows(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    halves = [week.head(1_500), pl.from_pandas(week.tail(1_500))]
    named: dict[str, Any] = {"task": "binary", "actual": "actual", "time": "time"}
    assert driftline.evaluate(halves, reference, **named).windows[0]["rows"] == 3_000


@pytest.mark.slow
def test_the_index_of_a_frame_is_no_column(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    plain = driftline.evaluate(week, reference, task="binary", time="time")
    indexed = week.set_index(pd.MultiIndex.from_arrays([week["id"], week["age"]], names=["id", "age"]))
    assert driftline.evaluate(indexed, reference, task="binary", time="time").to_dict() == plain.to_dict()


@pytest.mark.slow
def test_nullable_and_categorical_columns_are_the_same_values(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    def typed(frame: pd.DataFrame) -> pd.DataFrame:
        kinds = {"age": "Int64", "income": "Float64", "vip": "boolean", "region": "category", "actual": "Int8"}
        return frame.astype(kinds)

    named: dict[str, Any] = {"task": "binary", "actual": "actual", "time": "time"}
    plain = driftline.evaluate(week, reference, **named)
    assert driftline.evaluate(typed(week), typed(reference), **named).to_dict() == plain.to_dict()


def test_what_the_rows_say_is_noted_in_the_words_of_arguments(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    report = driftline.evaluate(week, reference)
    assert 'left out: actual; use task="binary", multiclass or regression for performance' in report.notes


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"score": "scor", "task": "binary"}, ("baseline:", "'scor'", "score=", "'score'")),
        ({"slices": "regoin"}, ("baseline:", "'regoin'", "slices=", "'region'")),
        ({"score": "score"}, ("task=",)),
        ({"window": "7"}, ("window",)),
        ({"objectives": "recal >= 0.8", "task": "binary"}, ("objectives",)),
        ({"config": "missing.yaml"}, ("config=",)),
    ],
)
def test_what_cannot_be_made_sense_of_is_a_value_error_of_one_sentence(
    reference: pd.DataFrame, week: pd.DataFrame, options: dict[str, Any], facts: Facts
) -> None:
    with pytest.raises(ValueError) as raised:
        driftline.evaluate(week, reference, **options)
    assert lacking(str(raised.value), *facts) == []
    assert raised.value.__suppress_context__


def test_a_wrong_option_is_a_type_error_that_names_the_nearest(week: pd.DataFrame) -> None:
    wrong: dict[str, Any] = {"scores": "score"}
    with pytest.raises(TypeError, match=r"evaluate\(\) has no option 'scores'; did you mean 'score'"):
        driftline.evaluate(week, week, **wrong)
    with pytest.raises(TypeError, match=r"score=3"):
        driftline.evaluate(week, week, score=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"time=3"):
        driftline.evaluate(week, week, time=3)  # type: ignore[arg-type]
    for name in ("score", "predicted", "time", "id", "features"):
        values: dict[str, Any] = {name: week["score"]}
        with pytest.raises(TypeError, match=rf"evaluate\(\): {name}= contains values; .* pass the column's name$"):
            driftline.evaluate(week, week, **values)


def test_names_in_an_array_are_names() -> None:
    assert read_options({"features": pd.DataFrame(columns=["age", "plan"]).columns}).features == ("age", "plan")


def test_times_in_the_index_of_a_frame_are_reported() -> None:
    rows = pd.DataFrame({"x": np.arange(40.0)}, index=pd.date_range("2026-02-01", periods=40, freq="h"))
    note = "the index contains times, but is not a column; use reset_index() to read them"
    assert driftline.evaluate([rows, rows.tz_localize("UTC")], rows.reset_index(drop=True)).notes == (
        f"current: {note}",
        f"current: {note}",
    )


@pytest.mark.parametrize(
    ("current", "facts"),
    [
        (pd.DataFrame({"a": [1]}).head(0), ("current:",)),
        (pd.DataFrame(), ("current:",)),
        (pl.LazyFrame({"a": [1]}), ("current:", "polars.lazyframe.frame.LazyFrame")),
        (np.zeros((2, 2)), ("current:", "numpy.ndarray", "DataFrame")),
        ([], ("current: the list is empty",)),
        (
            [{"plan": "basic"}, {"plan": "pro"}],
            ("current[0]:", "column 'plan' is the single value 'basic'", "DataFrame"),
        ),
        ([{"age": 31}, {"age": 32}], ("current[0]:", "column 'age' is the single value 31", "DataFrame")),
        ({"age": None}, ("current:", "column 'age' is the single value None")),
        ("absent.parquet", ("absent.parquet: no such file",)),
    ],
)
def test_what_is_no_table_is_said(week: pd.DataFrame, current: object, facts: Facts) -> None:
    with pytest.raises(ValueError) as raised:
        driftline.evaluate(current, week)
    assert lacking(str(raised.value), *facts) == []


def test_a_baseline_in_memory_holds_no_rows(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    built = driftline.Baseline.from_frame(reference, score="score", model="churn", task="binary")
    with pytest.raises(ValueError, match=r"^exact: a baseline in memory contains no rows; use the rows themselves"):
        driftline.evaluate(week, built, exact=True)


def test_an_argument_that_nobody_gave_asks_for_what_the_command_does() -> None:
    defaults = {
        name: one.default
        for name, one in inspect.signature(driftline.evaluate).parameters.items()
        if name not in ("current", "baseline", "outcomes", "champion", "progress", "unknown")
    }
    assert read_options(defaults) == EvaluationOptions()


def test_values_of_python_are_those_of_the_options() -> None:
    asked = read_options(
        {
            "classes": [True, False],
            "positive_class": 1,
            "quantiles": [0.1, 0.9],
            "method": "age=psi",
        }
    )
    assert (asked.classes, asked.positive_class, asked.quantiles) == (("1", "0"), "1", ("0.1", "0.9"))
    assert asked.method == ("age=psi",)
