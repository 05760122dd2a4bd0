"""Names that senders choose widen no table without bound, and what is left out is counted and said."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import Column, ModelKey, PredictionTable
from driftline_processor.ingest import feature_names
from driftline_processor.ingest.feature_names import FeatureNames, tables_of_bounded_size
from driftline_processor.store.arrow_tables import concatenate_predictions

from tests.support.otlp_requests import FEATURE, span, traces
from tests.support.state_fixtures import Open
from tests.support.state_rows import NOON, predictions

KEY = ModelKey("churn", "1")


def table(names: list[str], n: int = 20) -> PredictionTable:
    made = predictions([f"{names[0]}-{row}" for row in range(n)], [NOON + row for row in range(n)])
    made.features = {name: Column(np.arange(n, dtype=np.float64)) for name in names}
    return made


def test_names_up_to_the_limit_are_kept_and_those_in_most_rows_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_names, "MOST_NAMES", 3)
    names = FeatureNames()
    assert names.tables([table(["a", "b"])], ())[1] == {}
    rare, frequent = table(["rare"], 9), table(["a", "frequent", "known"], 30)
    tables, left_out = names.tables([rare, table(["other"], 29), frequent], {"known"})
    assert [sorted(one.features) for one in tables] == [[], [], ["a", "frequent", "known"]]
    assert left_out == {"rare": 9, "other": 29}
    assert names.tables([table(["a", "b", "frequent"])], ())[1] == {}


def test_a_name_in_few_rows_takes_no_place_if_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_names, "MOST_NAMES", 3)
    names = FeatureNames()
    _, left_out = names.tables([table([f"id-{number}"], 1) for number in range(5)], ())
    assert sorted(left_out) == [f"id-{number}" for number in range(5)]
    assert names.tables([table(["x", "y", "z"])], ())[1] == {}


@pytest.mark.parametrize("cells", [1, 7, 40, 10**6])
def test_tables_of_bounded_size_have_the_same_rows_in_order(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(feature_names, "MOST_CELLS", cells)
    tables = [table(["a", "b"], 5), table(["b", "c"], 9), table(["a"], 1)]
    parts = list(tables_of_bounded_size(tables, features=2))
    assert all(len(part) <= max(1, cells // 4) for part in parts)  # three features and a score
    whole, joined = concatenate_predictions(tables), concatenate_predictions(parts)
    assert (joined.id.data, joined.time.tolist()) == (whole.id.data, whole.time.tolist())
    for name, column in whole.features.items():
        numbers = joined.features[name].numbers
        assert numbers is not None
        np.testing.assert_array_equal(numbers, column.numbers)


def test_features_beyond_the_limit_are_counted_and_said(open_state: Open) -> None:
    state = open_state()
    rows = [
        span(
            {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_SCORE: 0.5, FEATURE + "age": 1.0, f"{FEATURE}id-{row}": 1.0},
            row,
            start_time_unix_nano=NOON,
        )
        for row in range(1_500)
    ]
    for part in (rows[:750], rows[750:]):
        state.state.submit("traces", traces(part)).result(60)
    assert state.rows("SELECT count(*) FROM predictions") == [(1_500,)]
    limited = state.state.counters()[m.DRIFTLINE_LIMITED_ROWS, (("driftline.limit", "features"),)]
    assert limited == 1_500
    [sentence] = [problem.message for problem in state.state.health.problems() if problem.name == "limits"]
    assert sentence == (
        "churn has more than 1,024 features; 1,500 names in few rows are not used, such as id-0, id-1, id-10; "
        "do not use ids as names of features"
    )
    intake = state.state.parts.intake
    [series] = intake.series
    in_force = intake.baselines.in_force(series.key)
    assert in_force is not None
    assert sorted(in_force.baseline.bins.features) == ["age"]
