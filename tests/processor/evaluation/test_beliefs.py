"""What is held in memory is bounded, what is stored is not lost, and readers never see a half-changed history."""

from __future__ import annotations

from pathlib import Path

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Evaluation, MethodValue, TargetDrift
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.store.database import Store, transaction

from tests.support.state_rows import HOUR, NOON, Clock


def evaluation(hour: int, closed: bool = True, rows: int = 1) -> Evaluation:
    start = NOON + hour * HOUR
    return Evaluation(ModelKey("churn"), Window("1h", start, start + HOUR), rows, closed)


def test_only_the_newest_windows_are_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.KEPT", 3)
    store = Store(tmp_path)
    connection = store.connect()
    beliefs = EvaluationStore(connection, Clock())
    for hour in (4, 0, 1, 3, 2):
        beliefs.believe(1, evaluation(hour))
    with transaction(connection):
        assert beliefs.write(patient=True)
    again = EvaluationStore(connection, Clock())
    for one in (beliefs, again):
        assert list(one.history(1)["1h"]) == [NOON + hour * HOUR for hour in (2, 3, 4)]
    assert again.ends == {(1, "1h"): NOON + 5 * HOUR}
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(5,)]
    store.close()


def test_open_windows_are_in_memory_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    beliefs = EvaluationStore(connection, Clock())
    beliefs.believe(1, evaluation(0, closed=False))
    with transaction(connection):
        beliefs.write(patient=False)
    assert [one.rows for one in beliefs.open(1)] == [1]
    assert EvaluationStore(connection, Clock()).history(1) == {}
    store.close()


def test_of_two_beliefs_at_one_time_of_the_clock_the_later_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    beliefs = EvaluationStore(connection, Clock())
    for rows in (1, 2, 2, 3):
        beliefs.believe(1, evaluation(0, rows=rows))
        with transaction(connection):
            beliefs.write(patient=False)
    assert EvaluationStore(connection, Clock()).history(1)["1h"][NOON].rows == 3
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(3,)]
    store.close()


def test_what_a_reader_has_does_not_change_under_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    beliefs = EvaluationStore(store.connect(), Clock())
    beliefs.believe(1, evaluation(0))
    seen = beliefs.history(1)["1h"]
    beliefs.believe(1, evaluation(1))
    assert len(seen) == 1
    store.close()


def drifting(hour: int, drifts: bool) -> Evaluation:
    found = evaluation(hour)
    state = TargetDrift("feature", "age", "drift" if drifts else "ok", "ks", 9, {"ks": MethodValue(0.2, 0.004)})
    found.features = {"age": state}
    return found


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 5, 0, 4, 1, 3)])
def test_incidents_are_the_same_in_whatever_order_windows_are_evaluated(tmp_path: Path, order: tuple[int, ...]) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    beliefs = EvaluationStore(connection, Clock())
    for hour in order:
        beliefs.believe(1, drifting(hour, hour in (1, 2)))
        with transaction(connection):
            beliefs.write(patient=False)
    began = {"feature:age": NOON + HOUR}
    expected = [{}, {}, began, began, {}, {}]  # one quiet window ends nothing
    for one in (beliefs, EvaluationStore(connection, Clock())):
        assert [found.incident for found in one.history(1)["1h"].values()] == expected
    beliefs.believe(1, drifting(1, drifts=False))  # late rows: it did not drift after all
    assert [found.incident for found in beliefs.history(1)["1h"].values()] == [{}] * 6
    store.close()
