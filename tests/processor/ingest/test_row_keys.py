"""A row that is stored is never taken for a new one, whatever is in memory; and memory stays within its bound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from driftline_processor.core.arrow_arrays import text_array
from driftline_processor.ingest.row_keys import RowKeys, keys_of
from driftline_processor.store.arrow_tables import numbers_of_ids, prediction_rows
from driftline_processor.store.database import Connection, Store, insert
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, NOON, Opened, predictions, text

SERIES = 1


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    store = Store(tmp_path)
    yield store.connect()
    store.close()


def stored(connection: Connection, ids: list[str], times: list[int]) -> None:
    insert(connection, "predictions", prediction_rows(predictions(ids, times), SERIES, 1, None, NOON))


def asked(keys: RowKeys, ids: list[str], times: list[int], newest: int) -> list[str]:
    """Return the ids of the rows that may be stored, and note the others as stored."""
    when, numbers = np.array(times), numbers_of_ids(text_array(text(ids)))
    mine = keys_of(when, numbers)
    suspects = keys.suspects(SERIES, when, mine, newest)
    new = np.setdiff1d(np.arange(len(ids)), suspects)
    keys.add(SERIES, when[new], mine[new])
    return [ids[place] for place in suspects]


def test_rows_of_the_store_are_found_and_new_ones_are_not(connection: Connection) -> None:
    stored(connection, ["a", "b"], [NOON, NOON + 1])
    keys = RowKeys(connection)
    assert asked(keys, ["a", "b", "c"], [NOON, NOON, NOON], NOON + 1) == ["a"]
    assert asked(keys, ["c", "d", "b"], [NOON, NOON, NOON + 1], NOON + 1) == ["c", "b"]


def test_the_same_row_twice_in_one_table_is_asked_about(connection: Connection) -> None:
    assert asked(RowKeys(connection), ["a", "b", "a"], [NOON, NOON, NOON], 0) == ["a", "a"]


def test_an_hour_is_not_read_while_the_store_lacks_rows_of_it(connection: Connection) -> None:
    keys = RowKeys(connection)
    assert not keys.knows(SERIES, np.array([NOON]))  # of columns, which are known by their batch, and stored later
    assert asked(keys, ["a"], [NOON], NOON) == ["a"]
    stored(connection, ["a"], [NOON])
    keys.settle()
    assert asked(keys, ["a", "b"], [NOON, NOON], NOON) == ["a"]


def test_an_hour_with_too_many_rows_is_left_to_the_store(connection: Connection) -> None:
    ids = [f"{number}" for number in range(200)]
    stored(connection, ids, [NOON] * 200)
    keys = RowKeys(connection, most=2_000)
    assert asked(keys, ["200"], [NOON], NOON) == ["200"]
    assert keys.size == 0


def test_memory_stays_within_its_bound(connection: Connection) -> None:
    keys = RowKeys(connection, most=10_000)
    for hour in range(20):
        ids = [f"{hour}-{number}" for number in range(100)]
        assert asked(keys, ids, [NOON + hour * HOUR] * 100, NOON + (hour - 1) * HOUR) == []
        assert keys.size <= 10_000
    assert asked(keys, ["19-7"], [NOON + 19 * HOUR], NOON + 19 * HOUR) == ["19-7"]
    assert asked(keys, ["0-7"], [NOON], NOON + 19 * HOUR) == ["0-7"]  # forgotten, and the store lacks it so far


def test_a_row_that_comes_in_two_layouts_at_once_is_stored_once(state: Opened) -> None:
    scored = predictions(["a", "b"], scores=[0.1, 0.2])
    failed = predictions(["b", "c"], scores=[0.2, 0.3], errors=[None, "timeout"])
    other = predictions(["b"], model="upsell")
    state.send(scored, failed, other)
    found = state.rows("SELECT model, id FROM predictions JOIN models USING (series) ORDER BY ALL")
    assert found == [("churn", "a"), ("churn", "b"), ("churn", "c"), ("upsell", "b")]


ROWS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=30)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(ROWS, st.booleans(), st.booleans(), st.integers(1, 3)), min_size=1, max_size=8))
def test_any_history_stores_each_keyed_row_once(
    open_state: Open, history: list[tuple[list[tuple[int, int]], bool, bool, int]]
) -> None:
    """Spans and columns, late ones, ones that come again, several tables a transaction, restarts in between."""
    state = open_state()
    ((count,),) = state.rows("SELECT count(*) FROM predictions")
    model = f"model-{count}-{len(history)}-{id(history)}"
    known: set[tuple[str, int]] = set()
    columns = 0
    for rows, keyed, again, tables in history:
        if again:
            state = open_state()
        size = -(-len(rows) // tables)
        parts = [rows[first : first + size] for first in range(0, len(rows), size)]
        made = [
            predictions(
                [f"{one}" for one, _ in part], [NOON - hour * HOUR for _, hour in part], model=model, keyed=keyed
            )
            for part in parts
        ]
        state.send(*made)
        if keyed:
            known |= {(f"{one}", NOON - hour * HOUR) for one, hour in rows}
        else:
            columns += len(rows)
        found = state.rows(f"SELECT id, time FROM predictions JOIN models USING (series) WHERE model = '{model}'")
        assert known <= set(found)
        assert len(found) <= len(known) + columns
        if not columns:
            assert len(found) == len(known)
