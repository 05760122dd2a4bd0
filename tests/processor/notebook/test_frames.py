"""The tables of an evaluation: a row per window and column, or metric; frames of the library that somebody has."""

from __future__ import annotations

import sys
from typing import Any

import driftline
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from driftline_processor.notebook.frames import frame_of


@pytest.fixture(scope="module")
def report(week: pd.DataFrame, reference: pd.DataFrame) -> driftline.EvaluationReport:
    return driftline.evaluate(
        week, reference, task="binary", actual="actual", time="time", window="1d", slices="region"
    )


def test_drift_has_a_row_per_window_and_column(report: driftline.EvaluationReport) -> None:
    found = report.to_frame("drift")
    assert isinstance(found, pd.DataFrame)
    assert found.groupby("window_start").size().tolist() == [6] * 7
    assert str(found["window_start"].dtype) == "datetime64[ns, UTC]"
    last = found[found["window_start"] == found["window_start"].max()].set_index("name")
    shown = report.windows[-1]["drift"]["features"]["age"]
    assert (last.loc["age", "state"], last.loc["age", "rows"]) == (shown["state"], shown["rows"])
    assert last.loc["age", "psi"] == shown["methods"]["psi"]["value"]
    assert last.loc["age", "p_value"] == shown["methods"]["ks"]["p_value"]
    assert report.to_frame().equals(found)


def test_performance_has_a_row_per_window_metric_and_slice(report: driftline.EvaluationReport) -> None:
    found = report.to_frame("performance")
    realized = found[(found["basis"] == "realized") & (found["metric"] == "roc_auc")]
    assert realized["slice"].value_counts().to_dict()[""] == 7
    assert set(realized["slice"]) == {"", "region=east", "region=north", "region=south"}
    first = realized[realized["slice"] == ""].iloc[0]
    shown = report.windows[0]["performance"]["realized"]["roc_auc"]
    assert (first["value"], first["low"], first["high"]) == (shown["value"], shown["low"], shown["high"])
    assert first["baseline"] == pytest.approx(0.69805, abs=1e-5)  # the mean of its days
    estimated = found[(found["basis"] == "estimated") & (found["metric"] == "accuracy")]
    assert estimated["value"].tolist() == [
        one["performance"]["estimated"]["accuracy"]["value"] for one in report.windows
    ]


def test_windows_have_a_row_each(report: driftline.EvaluationReport) -> None:
    found = report.to_frame("windows")
    assert found["rows"].tolist() == [one["rows"] for one in report.windows]
    assert found["verdict"].tolist() == [one["verdict"]["state"] for one in report.windows]
    assert found["drift_fraction"].tolist() == [one["drift"]["fraction"] for one in report.windows]


def test_rows_without_times_have_windows_without_ends(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    found = driftline.evaluate(week[["age"]], reference[["age"]]).to_arrow("windows")
    assert found.column("window_start").to_pylist() == [None]


def test_an_unknown_table_is_named(report: driftline.EvaluationReport) -> None:
    wrong: Any = "performence"
    with pytest.raises(ValueError, match=r"there is no table 'performence'; did you mean 'performance'\?"):
        report.to_frame(wrong)


TABLE = pa.table({"age": [31]})


def test_a_frame_is_of_the_library_of_the_rows() -> None:
    assert isinstance(frame_of(TABLE, "polars"), pl.DataFrame)
    assert isinstance(frame_of(TABLE, "pandas"), pd.DataFrame)
    assert isinstance(frame_of(TABLE, ""), pd.DataFrame)


def test_without_pandas_a_frame_is_of_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert isinstance(frame_of(TABLE, ""), pl.DataFrame)


def test_without_any_library_the_error_names_the_table_that_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"to_frame\(\) needs pandas or polars.*to_arrow\(\)"):
        frame_of(TABLE, "")
