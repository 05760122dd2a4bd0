"""The figures of an evaluation: their colours and hatches, their words, and what they need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import driftline
import matplotlib
import pandas as pd
import pytest
from driftline_processor.notebook.figures import DRIFT, SAME, UNSURE
from matplotlib import pyplot
from matplotlib.colors import to_hex


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    pyplot.close("all")


def report(current: pd.DataFrame, reference: pd.DataFrame, **options: Any) -> driftline.EvaluationReport:
    return driftline.evaluate(current, reference, task="binary", actual="actual", **options)


@pytest.fixture(scope="module")
def found(week: pd.DataFrame, reference: pd.DataFrame) -> driftline.EvaluationReport:
    """Return the report of a week without times."""
    return report(week.drop(columns="time"), reference)


def test_features_are_ranked_and_coloured_by_state(found: driftline.EvaluationReport) -> None:
    figure = found.plot()
    left, right = figure.axes
    assert left.get_title(loc="left") == "1 of 3 features drifts"
    names = [label.get_text() for label in left.get_yticklabels()]
    colours = dict(zip(names, [to_hex(bar.get_facecolor()) for bar in left.patches], strict=False))
    assert colours == {"region": DRIFT, "income": SAME, "vip": SAME, "age": UNSURE}
    assert names[0] == "region"
    assert right.get_title(loc="left") == "performance, and the baseline as a bar"


def test_what_cannot_be_told_is_hatched(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    bars = report(week.head(15), reference).plot("age").axes[0].patches
    assert {(to_hex(bar.get_facecolor()), bar.get_hatch()) for bar in bars[:3]} == {(UNSURE, "////")}


def test_a_feature_is_drawn_beside_its_baseline(found: driftline.EvaluationReport, week: pd.DataFrame) -> None:
    [axes] = found.plot("region").axes
    assert axes.get_title(loc="left") == "region: drift, all rows"
    names = [label.get_text() for label in axes.get_xticklabels()]
    shares = dict(zip(names, [bar.get_height() for bar in axes.containers[0]], strict=True))
    expected = week["region"].value_counts(normalize=True) * 100
    assert shares == pytest.approx(expected.to_dict())


@pytest.mark.slow
def test_windows_are_a_line_with_intervals(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    right = report(week, reference, window="1d").plot().axes[1]
    assert right.get_title(loc="left") == "ROC AUC (higher is better)"
    assert len(right.get_xticklabels()) == 7
    assert len(right.containers) == 7


def test_a_feature_that_is_not_there_is_named(found: driftline.EvaluationReport) -> None:
    with pytest.raises(ValueError, match=r"no feature 'regon'; did you mean 'region'\?"):
        found.plot("regon")


def test_a_name_is_no_formula(week: pd.DataFrame, reference: pd.DataFrame) -> None:
    names = {"age": "$a_$"}
    figure = report(week.drop(columns="time").rename(columns=names), reference.rename(columns=names)).plot("$a_$")
    figure.canvas.draw()
    assert figure.axes[0].get_title(loc="left").startswith(r"\$a_\$: too few days")


def test_without_matplotlib_the_error_says_what_to_install(
    found: driftline.EvaluationReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"plot\(\) needs matplotlib: pip install matplotlib"):
        found.plot()
