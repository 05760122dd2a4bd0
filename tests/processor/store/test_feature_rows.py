"""Features that are kept row by row: which, and what becomes of every kind of value."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from driftline.tables.table import Column, ModelKey
from driftline_processor.config.model import Model
from driftline_processor.config.values import Keep
from driftline_processor.core.stable_hash import hash_numbers
from driftline_processor.store.feature_rows import read_features
from scipy.stats import chisquare

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, NOON, Clock, Opened, baseline, outcomes, predictions

ALL = Model(keep_features=Keep(None))


def features_of(state: Opened, rows: int) -> dict[str, Column]:
    with state.state._store.reading() as connection:
        return read_features(connection, 1, np.arange(1, rows + 1))


def values(column: Column) -> list[object]:
    codes = (
        np.full(len(column.numbers if column.numbers is not None else ()), -1) if column.codes is None else column.codes
    )
    numbers = np.full(len(codes), np.nan) if column.numbers is None else column.numbers
    texts = [column.categories[code] if code >= 0 else None for code in codes.tolist()]
    return [t if t is not None else None if np.isnan(x) else x for t, x in zip(texts, numbers.tolist(), strict=True)]


@pytest.mark.slow
def test_every_kind_of_value_comes_back_and_columns_may_grow(open_state: Open) -> None:
    state = open_state(churn=ALL)
    state.send(predictions(["a", "b"], features={"age": [31, None], "region": ["north", None]}))
    state.send(predictions(["c"], features={"Age": [1], "age": ["n/a"], "new": ["x"]}))
    late = predictions(["d"], features={"age": [7]})
    late.features["face"] = Column(np.array([5.0]), vectors=np.array([[3.0, 4.0]], np.float32))
    state.send(late)
    for _ in range(2):
        found = features_of(state, 4)
        assert values(found["age"]) == [31.0, None, "n/a", 7.0]
        assert values(found["Age"]) == [None, None, 1.0, None]
        assert values(found["region"]) == ["north", None, None, None]
        assert values(found["new"]) == [None, None, "x", None]
        assert found["face"].vectors is not None
        assert found["face"].vectors[3].tolist() == [3.0, 4.0]
        assert np.isnan(found["face"].vectors[:3]).all()
        state = open_state(churn=ALL)


def test_nothing_is_kept_where_nothing_shall_be_or_nothing_came(open_state: Open) -> None:
    state = open_state(churn=Model(keep_features=Keep(0)))
    state.send(predictions(["a"], features={"age": [31]}))
    state.send(predictions(["b"], model="plain"))
    assert state.rows("SELECT * FROM kept") == []


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [9, 57, 400])
def test_a_days_sample_is_the_same_however_the_rows_came(open_state: Open, at_once: int) -> None:
    state = open_state(churn=Model(keep_features=Keep(20)))
    for first in range(0, 400, at_once):
        ids = [str(i) for i in range(first, min(first + at_once, 400))]
        state.send(predictions(ids, [NOON + int(i) for i in ids], features={"x": [float(i) for i in ids]}))
        if first == 399 // at_once // 2 * at_once:
            state = open_state(churn=Model(keep_features=Keep(20)))  # and was stopped in between
    held = len(state.rows("SELECT prediction FROM kept"))
    assert 20 <= held < 400
    state.state.tidy_now()
    kept = sorted(int(str(row[0])) for row in state.rows("SELECT prediction FROM kept"))
    assert kept == sorted((np.argsort(hash_numbers(np.arange(1, 401)))[:20] + 1).tolist())
    assert len(state.rows("SELECT seq FROM predictions")) == 400


def test_every_row_is_as_likely_to_be_kept() -> None:
    chosen = np.concatenate(
        [np.argsort(hash_numbers(np.arange(first, first + 1_000)))[:100] for first in range(1, 400_000, 1_000)]
    )
    assert chisquare(np.bincount(chosen // 50, minlength=20)).pvalue > 1e-4


def test_each_day_has_its_own_sample(open_state: Open) -> None:
    state = open_state(churn=Model(keep_features=Keep(3)))
    for day in range(3):
        ids = [f"{day}.{i}" for i in range(10)]
        state.send(predictions(ids, NOON - day * DAY, features={"x": [1.0] * 10}))
    state.state.tidy_now()
    assert state.rows("SELECT count(*) FROM kept GROUP BY day") == [(3,)] * 3


def test_features_expire_with_their_rows(open_state: Open, clock: Clock) -> None:
    state = open_state(retention=timedelta(days=30), churn=ALL)
    state.send(predictions(["a"], features={"x": [1]}))
    clock.now += 20 * DAY
    state.send(predictions(["b"], NOON + 20 * DAY, features={"x": [2]}))
    clock.now += 11 * DAY
    state.state.tidy_now()
    assert state.rows("SELECT prediction FROM kept") == [(2,)]


@pytest.mark.slow
def test_weak_slices_are_searched_in_the_even_sample_also_before_it_is_tidied(open_state: Open) -> None:
    state = open_state(churn=Model(keep_features=Keep(500)))
    x = np.random.default_rng(1).normal(size=3_000).tolist()
    known = baseline([0.5] * 3_000, {"x": x})
    state.send(baselines=[known.to_json()])
    for first in range(0, 3_000, 300):
        ids = [str(i) for i in range(first, first + 300)]
        state.send(predictions(ids, features={"x": x[first : first + 300]}), outcomes(ids, [1] * 300))
    state.state.settle()
    assert len(state.rows("SELECT prediction FROM kept")) > 500
    found = state.state.queries.weak_slices.search(ModelKey("churn", "1"), NOON, NOON + 1)
    assert found is not None
    assert found.rows == 500
