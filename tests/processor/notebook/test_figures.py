"""Interactive figures by plotly: the cells of a column beside the baseline's, and a metric over windows."""

from __future__ import annotations

import sys
from typing import Any

import driftline
import pandas as pd
import pytest
from driftline_processor.notebook.figures import COLOURS


@pytest.fixture(scope="module")
def report(week: pd.DataFrame, reference: pd.DataFrame) -> driftline.EvaluationReport:
    return driftline.evaluate(week, reference, task="binary", actual="actual", time="time", window="1d")


def traces(figure: Any) -> dict[str, Any]:
    return {trace["name"]: trace for trace in figure.to_plotly_json()["data"]}


def test_a_feature_is_drawn_beside_its_baseline_and_blue_if_it_drifts(report: driftline.EvaluationReport) -> None:
    drawn = traces(report.figure("region"))
    assert list(drawn) == ["window", "baseline"]
    assert drawn["window"]["x"] == drawn["baseline"]["x"]
    assert sum(drawn["window"]["y"]) == pytest.approx(1)
    states = {name: found["state"] for name, found in report.windows[-1]["drift"]["features"].items()}
    colours = {name: traces(report.figure(name))["window"]["marker"]["color"] for name in states}
    assert colours == {name: COLOURS["drift" if state == "drift" else "data"] for name, state in states.items()}
    assert set(colours.values()) == {COLOURS["drift"], COLOURS["data"]}


def test_the_figure_without_a_name_is_of_what_drifts_most(report: driftline.EvaluationReport) -> None:
    assert report.figure().to_json() == report.figure("region").to_json()


def test_score_and_class_have_figures(report: driftline.EvaluationReport) -> None:
    assert report.figure("score").layout.title.text.startswith("score: drift, large (KS ")
    assert list(traces(report.figure("class"))["window"]["x"]) == ["0", "1"]


def test_a_window_is_chosen_by_its_index(report: driftline.EvaluationReport) -> None:
    first, last = (report.figure("age", window).layout.title.text for window in (0, -1))
    assert "2 February 2026" in first
    assert "8 February 2026" in last
    with pytest.raises(IndexError):
        report.figure("age", 7)


def test_a_metric_is_drawn_over_windows_with_intervals_and_baseline(report: driftline.EvaluationReport) -> None:
    drawn = traces(report.figure("roc_auc"))
    realized = [window["performance"]["realized"]["roc_auc"] for window in report.windows]
    assert list(drawn["ROC AUC"]["y"]) == [one["value"] for one in realized]
    ends = [high - low for low, high in ((one["low"], one["high"]) for one in realized)]
    error = drawn["ROC AUC"]["error_y"]
    assert [sum(pair) for pair in zip(error["array"], error["arrayminus"], strict=True)] == pytest.approx(ends)
    assert drawn["baseline"]["y"][0] == pytest.approx(0.69805, abs=1e-5)


def test_a_wrong_name_names_the_nearest(report: driftline.EvaluationReport) -> None:
    with pytest.raises(ValueError, match="there is no column or metric 'regions'; did you mean 'region'"):
        report.figure("regions")


def test_a_name_is_a_text_and_never_markup(reference: pd.DataFrame, week: pd.DataFrame) -> None:
    before, after = (one.rename(columns={"age": "<b>age</b>"}) for one in (reference, week))
    figure = driftline.evaluate(after, before, task="binary", actual="actual").figure("<b>age</b>")
    assert figure.layout.xaxis.title.text == "&lt;b&gt;age&lt;/b&gt;"


def test_without_plotly_the_error_names_it(report: driftline.EvaluationReport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match="pip install plotly"):
        report.figure("region")
