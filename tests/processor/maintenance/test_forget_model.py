"""A model that is forgotten leaves nothing: in no table, in no memory, and in no byte on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline_processor.config.model import Model
from driftline_processor.maintenance.erasure import ErasureOrder, ErasureOrders, UnknownModel

from tests.support.privacy_markers import found_on_disk
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, NOON, Opened, baseline, outcomes, predictions

GONE = "a-model-to-forget"


def fill(state: Opened, model: str, version: str = "1", environment: str = "") -> None:
    """Predictions of two slices, outcomes that join, one that waits, and more than a baseline to learn."""
    ids = [f"{model}-{environment}{version}-{i}" for i in range(1100)]
    state.send(
        predictions(
            ids,
            NOON,
            model=model,
            version=version,
            environment=environment,
            features={"age": [i % 50 for i in range(1100)], "city": ["x" if i % 2 else "y" for i in range(1100)]},
            slices={"region": ["north" if i % 3 else "south" for i in range(1100)]},
        ),
        outcomes([*ids[:500], f"{model}-waits"], [i % 2 for i in range(501)], model=model, environment=environment),
    )


def left(state: Opened, model: str) -> list[str]:
    """The tables that have a row of a model, or of a series that is nobody's."""
    numbers = [series.number for series in state.state.parts.intake.series if series.key.model != model]
    found = []
    columns = (
        "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, table_name)"
    )
    for table, column in state.rows(f"{columns} WHERE NOT temporary AND column_name IN ('series', 'model')"):
        known = ", ".join(map(str, [*numbers, -1]))
        where = f"series NOT IN ({known})" if column == "series" else f"model = '{model}'"
        if state.rows(f"SELECT count(*)::INT AS n FROM {table} WHERE {where}") != [(0,)]:
            found.append(str(table))
    return found


@pytest.mark.slow
def test_nothing_is_left_of_it_and_everything_of_the_others(open_state: Open, tmp_path: Path) -> None:
    models = {name: Model(windows=("1h",), slices=("region",)) for name in ("stays", GONE)}
    alone = open_state(**models)
    fill(alone, "stays")
    alone.state.settle()
    rows = "SELECT count(*)::INT AS n, count(DISTINCT id)::INT AS ids FROM predictions"
    expected = (alone.rows(rows), alone.rows("SELECT count(*)::INT AS n FROM joined"))
    fill(alone, GONE)
    fill(alone, GONE, "2", "test")
    sent = baseline([0.1, 0.9] * 25, {"age": list(range(50))}, model=GONE, version="3")
    alone.send(baselines=[sent.to_json()])
    alone.state.settle()
    assert len(left(alone, GONE)) > 3
    view_before = [view for view in alone.state.publish().models if view.key.model == "stays"]

    erased = alone.state.erase(ErasureOrder(GONE, "model"))

    assert (erased.predictions, erased.outcomes, erased.joined) == (2200, 1002, 1000)
    assert left(alone, GONE) == []
    assert (alone.rows(rows), alone.rows("SELECT count(*)::INT AS n FROM joined")) == expected
    assert [view.key for view in alone.state.publish().models] == [view.key for view in view_before]
    alone.state.settle()
    [after] = alone.state.publish().models
    assert (after.rows, after.outcomes) == (1100, 500)
    assert after.windows["1h"][-1].rows == view_before[0].windows["1h"][-1].rows
    assert found_on_disk(tmp_path, GONE) == []
    assert alone.state.publish().hints == ()  # no outcome waits for a model that is gone


@pytest.mark.slow
def test_what_comes_again_begins_anew_under_a_number_that_nobody_had(open_state: Open) -> None:
    state = open_state()
    fill(state, "stays")
    fill(state, GONE)
    numbers = {series.number for series in state.state.parts.intake.series}
    state.state.erase(ErasureOrder(GONE, "model"))
    state = open_state()
    state.send(predictions(["new"], NOON + HOUR, model=GONE))
    state.state.settle()
    [view] = [view for view in state.state.publish().models if view.key.model == GONE]
    assert (view.rows, view.outcomes, view.first) == (1, 0, NOON + HOUR)
    [series] = [series for series in state.state.parts.intake.series if series.key.model == GONE]
    assert series.number not in numbers


@pytest.mark.slow
def test_one_version_or_one_environment_may_be_forgotten_alone(open_state: Open) -> None:
    state = open_state()
    for version, place in (("1", "live"), ("2", "live"), ("1", "test")):
        fill(state, GONE, version, place)
    state.state.settle()
    assert state.state.erase(ErasureOrder(GONE, "model", ("2",))).joined == 500
    assert sorted((view.key.version, view.key.environment, view.outcomes) for view in state.state.publish().models) == [
        ("1", "live", 500),
        ("1", "test", 500),
    ]
    assert state.state.erase(ErasureOrder(GONE, "model", environment="test")).outcomes == 501
    state.state.settle()
    [stays] = state.state.publish().models
    assert (stays.key.environment, stays.rows, stays.outcomes) == ("live", 1100, 500)


def test_what_is_not_known_cannot_be_forgotten(open_state: Open) -> None:
    state = open_state()
    fill(state, "stays")
    for order in (
        ErasureOrder(GONE, "model"),
        ErasureOrder("stays", "model", ("9",)),
        ErasureOrder("stays", "model", environment="test"),
    ):
        with pytest.raises(UnknownModel, match=f"no data of {order.model}"):
            state.state.erase(order)
    assert state.view("stays").rows == 1100


@pytest.mark.slow
def test_an_order_that_was_written_down_is_carried_out_by_the_next_start(open_state: Open, tmp_path: Path) -> None:
    state = open_state()
    fill(state, "stays")
    fill(state, GONE)
    ErasureOrders(tmp_path / "state").add(ErasureOrder(GONE, "model"))
    state = open_state()
    assert [view.key.model for view in state.state.publish().models] == ["stays"]
    assert found_on_disk(tmp_path, GONE) == []
