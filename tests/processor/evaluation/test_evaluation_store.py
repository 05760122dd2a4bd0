"""Evaluations are read back as they were written, memory is bounded, and readers never see half a change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.drift.lasting import LIFE
from driftline_processor.core.evaluation import (
    Evaluation,
    LastingDrift,
    MethodValue,
    MetricValue,
    ScoreFunctions,
    SlicePerformance,
    TargetDrift,
)
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_store import EvaluationStore, evaluation_from_text, evaluation_to_text
from driftline_processor.store.database import Store, transaction

from tests.support.state_rows import HOUR, NOON, Clock

TARGET = TargetDrift(
    target="feature",
    name="age",
    state="drift",
    decided_by="ks",
    rows=12,
    methods={"ks": MethodValue(0.1, 0.001), "psi": MethodValue(None)},
    effect=0.09,
    size="large",
    cells=("< 1", "1 – 2"),
    was=np.array([0.1, 0.9]),
    now=np.array([0.3, 0.7]),
    missing_was=0.0,
)


def test_an_evaluation_survives_being_text() -> None:
    evaluation = Evaluation(
        key=ModelKey("churn", "1", "prod"),
        window=Window("1d", 1, 2),
        rows=12,
        closed=True,
        features={"age": TARGET},
        score=TARGET,
        share=1.0,
        realized={"auc": MetricValue(0.5, 12, "panes", 1e-4)},
        reference={"auc": MetricValue(None, 0, "panes")},
        outcome_rows=3,
        coverage=0.25,
        missing_features=("income",),
        new_features=("city",),
        baseline_version="1",
        compared="the same hours",
    )
    again = evaluation_from_text(evaluation_to_text(evaluation))
    assert repr(again) == repr(evaluation)
    assert evaluation_to_text(again) == evaluation_to_text(evaluation)


def test_fields_of_another_release_are_no_obstacle() -> None:
    slices = {"country=NL": SlicePerformance(3, {"accuracy": MetricValue(0.5, 3, "rows")}, 12)}
    evaluation = Evaluation(ModelKey("churn"), Window("1d", 1, 2), 12, True, performance_slices=slices)
    said = json.loads(evaluation_to_text(evaluation))
    said["more"] = said["performance_slices"]["country=NL"]["more"] = 1
    said["performance_slices"]["country=NL"]["metrics"]["accuracy"]["more"] = 1
    assert repr(evaluation_from_text(json.dumps(said))) == repr(evaluation)


def test_numpy_numbers_are_numbers() -> None:
    evaluation = Evaluation(ModelKey("churn"), Window("1d", 1, 2), 12, True, share=np.float64(0.5))
    assert evaluation_from_text(evaluation_to_text(evaluation)).share == 0.5


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no place in an evaluation"):
        evaluation_to_text(Evaluation(ModelKey("churn"), Window("1d", 1, 2), 12, True, share=object()))  # type: ignore[arg-type]


def evaluation(hour: int, closed: bool = True, rows: int = 1) -> Evaluation:
    start = NOON + hour * HOUR
    return Evaluation(ModelKey("churn"), Window("1h", start, start + HOUR), rows, closed)


def test_only_the_newest_windows_are_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.KEPT", 3)
    store = Store(tmp_path)
    connection = store.connect()
    evaluations = EvaluationStore(connection, Clock())
    for hour in (4, 0, 1, 3, 2):
        evaluations.put(1, evaluation(hour))
    with transaction(connection):
        assert evaluations.write(patient=True)
    again = EvaluationStore(connection, Clock())
    for one in (evaluations, again):
        assert list(one.history(1)["1h"]) == [NOON + hour * HOUR for hour in (2, 3, 4)]
    assert again.ends == {(1, "1h"): NOON + 5 * HOUR}
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(5,)]
    store.close()


def test_open_windows_are_in_memory_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    evaluations = EvaluationStore(connection, Clock())
    evaluations.put(1, evaluation(0, closed=False))
    with transaction(connection):
        evaluations.write(patient=False)
    assert [one.rows for one in evaluations.open(1)] == [1]
    assert EvaluationStore(connection, Clock()).history(1) == {}
    store.close()


def test_of_two_evaluations_at_one_time_of_the_clock_the_later_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    evaluations = EvaluationStore(connection, Clock())
    for rows in (1, 2, 2, 3):
        evaluations.put(1, evaluation(0, rows=rows))
        with transaction(connection):
            evaluations.write(patient=False)
    assert EvaluationStore(connection, Clock()).history(1)["1h"][NOON].rows == 3
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(3,)]
    store.close()


def test_what_a_reader_has_does_not_change_under_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    evaluations = EvaluationStore(store.connect(), Clock())
    evaluations.put(1, evaluation(0))
    seen = evaluations.history(1)["1h"]
    evaluations.put(1, evaluation(1))
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
    evaluations = EvaluationStore(connection, Clock())
    for hour in order:
        evaluations.put(1, drifting(hour, hour in (1, 2)))
        with transaction(connection):
            evaluations.write(patient=False)
    began = {"feature:age": NOON + HOUR}
    expected = [{}, {}, began, began, {}, {}]  # one quiet window ends nothing
    for one in (evaluations, EvaluationStore(connection, Clock())):
        assert [found.incident for found in one.history(1)["1h"].values()] == expected
    evaluations.put(1, drifting(1, drifts=False))  # late rows: it did not drift after all
    assert [found.incident for found in evaluations.history(1)["1h"].values()] == [{}] * 6
    store.close()


FACTS = np.array([[9.0, 0.0, 9.0, 0.0, 1.0, -1.0, 0.0]])
WATCHED = ScoreFunctions(("feature:age",), ("level",), np.ones(1), FACTS, HOUR)


def counted(hour: int, score: int | None = None) -> Evaluation:
    """Return a closed window whose mean score is so many hundredths of its standard error."""
    found = evaluation(hour)
    found.lasting = LastingDrift("digest", WATCHED.names, (hour if score is None else score,), (100.0,))
    found.lasting = replace(found.lasting, functions=WATCHED)
    return found


def evidence(evaluations: EvaluationStore, series: int) -> list[LastingDrift]:
    return [one.lasting for one in evaluations.history(series)["1h"].values() if one.lasting is not None]


@pytest.mark.parametrize("order", [(4, 3, 2, 1, 0), (2, 4, 0, 3, 1)])
def test_evidence_over_windows_is_the_same_in_whatever_order_they_are_evaluated(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    store = Store(tmp_path)
    evaluations = EvaluationStore(store.connect(), Clock())
    for series, hours in ((1, range(5)), (2, order)):
        for hour in hours:
            evaluations.put(series, counted(hour))
    straight, mixed = (evidence(evaluations, series) for series in (1, 2))
    assert straight == mixed
    assert [one.memory.tolist() for one in straight] == [one.memory.tolist() for one in mixed]
    assert [one.memory[0, LIFE] for one in straight] == [1.0, 2.0, 3.0, 4.0, 5.0]
    store.close()


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("kept", [4, 400])
def test_a_window_that_is_restated_restates_the_evidence_of_all_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, reopened: bool
) -> None:
    """Also those that are older than the windows in memory, and after a restart, when sums must be worked out again."""
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.KEPT", kept)
    monkeypatch.setattr("driftline_processor.core.drift.lasting.REMEMBERED", 3)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.REMEMBERED", 3)
    store, clock = Store(tmp_path), Clock()
    connection = store.connect()
    evaluations = EvaluationStore(connection, clock)
    for hour in range(12):
        evaluations.put(1, counted(hour))
    with transaction(connection):
        evaluations.write(patient=False)
    if reopened:
        evaluations = EvaluationStore(connection, clock)
    restated = {1: 250, 9: -40, 4: 300}
    for hour, score in restated.items():
        evaluations.put(1, counted(hour, score))
    evaluations.put(2, counted(0))
    for hour in range(1, 12):
        evaluations.put(2, counted(hour, restated.get(hour)))
    assert evidence(evaluations, 1) == evidence(evaluations, 2)
    with transaction(connection):
        evaluations.write(patient=False)
    told = []
    for series in (1, 2):
        query = "SELECT json FROM evaluations WHERE series = ? QUALIFY row_number() OVER"
        rows = connection.execute(f"{query} (PARTITION BY start ORDER BY believed DESC) = 1 ORDER BY start", [series])
        told.append([evaluation_from_text(text).lasting for (text,) in rows.fetchall()])
    assert told[0] == told[1]
    assert len(told[0]) == 12
    store.close()


def test_outcomes_that_restate_a_window_restate_no_other(tmp_path: Path) -> None:
    store = Store(tmp_path)
    connection = store.connect()
    evaluations = EvaluationStore(connection, Clock())
    for hour in range(5):
        evaluations.put(1, counted(hour))
    with transaction(connection):
        evaluations.write(patient=False)
    later = [one for at, one in evaluations.history(1)["1h"].items() if at > NOON + HOUR]
    evaluations.put(1, replace(counted(1), outcome_rows=9))
    assert [one for at, one in evaluations.history(1)["1h"].items() if at > NOON + HOUR] == later
    with transaction(connection):
        evaluations.write(patient=False)
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(6,)]
    store.close()
