"""What a summary of a window's drift says is what its columns say."""

from __future__ import annotations

from typing import Any

from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, MethodValue, SliceDrift, size_of
from driftline_processor.core.windows.window import Window
from msgspec.structs import replace

COLUMN = ColumnDrift("feature", "x", "ok", "ks", 9, {"ks": MethodValue(0.3, 0.04)}, effect=0.2)


def window(*features: ColumnDrift, **fields: Any) -> Evaluation:
    known = {one.name: one for one in features}
    return replace(Evaluation(ModelKey("churn"), Window("1d", 0, 1), 500, True, known), **fields)


def test_size_is_psi_else_the_effect_that_decides() -> None:
    assert size_of(COLUMN) == 0.2
    assert size_of(replace(COLUMN, methods={"psi": MethodValue(0.4)})) == 0.4
    assert size_of(replace(COLUMN, methods={"psi": MethodValue(float("inf"))})) is None


def test_a_summary_says_of_each_feature_what_its_column_says() -> None:
    moved = replace(COLUMN, name="y", state="drift", size="large", missing_now=0.25, missing_was=0.125)
    drift = window(COLUMN, moved).drift
    assert (drift.places, drift.states, drift.sizes) == ({"x": 0, "y": 1}, ("ok", "drift"), ("", "large"))
    assert (drift.of("x", drift.values), drift.of("y", drift.p_values), drift.of("y", drift.moved)) == (0.3, 0.04, 0.2)
    assert [drift.of(name, drift.missing) for name in ("x", "y", "z")] == [None, 0.25, None]
    assert (drift.of("y", drift.missing_was), drift.rows.tolist()) == (0.125, [9, 9])
    assert [drift.state(name) for name in ("x", "y", "z")] == ["ok", "drift", None]
    assert (drift.drifted, drift.compared, drift.overall) == (1, 2, "drift")


def test_a_summary_counts_those_that_could_be_compared_and_says_what_the_others_lack() -> None:
    untold = [replace(COLUMN, name=name, state="inconclusive", reason="too_few_days") for name in ("a", "b")]
    drift = window(*untold, replace(untold[0], name="c", reason="too_few_rows")).drift
    assert (drift.drifted, drift.compared, drift.overall, drift.reason) == (0, 0, "inconclusive", "too_few_days")
    assert window().drift.overall == "no_baseline"


def test_a_slice_that_drifts_is_drift_of_the_window_and_the_score_is_told_with_its_psi() -> None:
    part = SliceDrift(9, "drift", "", 1, 1.0, {}, None, None)
    score = replace(
        COLUMN, column="score", name="score", state="within_normal_variation", methods={"psi": MethodValue(0.5)}
    )
    drift = window(COLUMN, slices={"country=NL": part, "country=BE": replace(part, state="ok")}, score=score).drift
    assert (drift.slices, drift.overall, drift.drifted) == (1, "drift", 0)
    assert (drift.score, drift.predicted) == (("within_normal_variation", 0.5), None)


def test_an_evaluation_that_is_made_from_another_is_summarized_anew() -> None:
    one = window(COLUMN)
    assert one.drift is one.drift
    assert replace(one, features={}).drift.states == ()
