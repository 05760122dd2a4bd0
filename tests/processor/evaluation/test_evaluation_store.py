"""Evaluations are read back as they were written, memory is bounded, and readers never see half a change."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.drift.lasting import LIFE
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Estimate,
    Evaluation,
    LastingDrift,
    MethodValue,
    MetricValue,
    ScoreFunctions,
    SlicePerformance,
)
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation.evaluation_codec import Dictionary, mentions
from driftline_processor.evaluation.evaluation_store import (
    FOR_DETAILS,
    HEAD,
    Dictionaries,
    EvaluationStore,
    LazyEvaluation,
    WindowDetails,
    expire_evaluations,
    forget_evaluations,
    read_evaluations,
)
from driftline_processor.evaluation.judge import follow
from driftline_processor.store.database import Connection, Store, read, transaction
from msgspec.structs import replace

from tests.support.evaluation_text import evaluation_to_text
from tests.support.state_rows import HOUR, NOON, Clock

COLUMN = ColumnDrift(
    column="feature",
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


def evaluation(hour: int, closed: bool = True, rows: int = 1) -> Evaluation:
    start = NOON + hour * HOUR
    return Evaluation(ModelKey("churn"), Window("1h", start, start + HOUR), rows, closed)


def test_only_the_newest_windows_are_held_in_memory(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.KEPT", 3)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.LEAST_KEPT", 3)
    evaluations = EvaluationStore(connection, Clock())
    noted: list[bool] = []
    for hour in (4, 0, 1, 3, 2):
        evaluations.put(1, evaluation(hour))
    evaluations.write(patient=True, also=noted.append)
    assert noted == [True]
    again = EvaluationStore(connection, Clock())
    for one in (evaluations, again):
        assert list(one.history(1)["1h"]) == [NOON + hour * HOUR for hour in (2, 3, 4)]
    assert again.ends == {(1, "1h"): NOON + 5 * HOUR}
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(5,)]


def test_open_windows_are_in_memory_only(connection: Connection) -> None:
    evaluations = EvaluationStore(connection, Clock())
    evaluations.put(1, evaluation(0, closed=False))
    evaluations.write(patient=False)
    assert [one.rows for one in evaluations.open(1)] == [1]
    assert EvaluationStore(connection, Clock()).history(1) == {}


def test_of_two_evaluations_at_one_time_of_the_clock_the_later_counts(connection: Connection) -> None:
    evaluations = EvaluationStore(connection, Clock())
    for rows in (1, 2, 2, 3):
        evaluations.put(1, evaluation(0, rows=rows))
        evaluations.write(patient=False)
    assert EvaluationStore(connection, Clock()).history(1)["1h"][NOON].rows == 3
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(3,)]


def test_what_a_reader_has_does_not_change_under_it(store: Store) -> None:
    evaluations = EvaluationStore(store.connect(), Clock())
    evaluations.put(1, evaluation(0))
    evaluations.settle()
    seen = evaluations.history(1)["1h"]
    evaluations.put(1, evaluation(1))
    evaluations.settle()
    assert len(seen) == 1
    assert len(evaluations.history(1)["1h"]) == 2


def drifting(hour: int, drifts: bool) -> Evaluation:
    found = evaluation(hour)
    state = ColumnDrift("feature", "age", "drift" if drifts else "ok", "ks", 9, {"ks": MethodValue(0.2, 0.004)})
    found.features = {"age": state}
    return found


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 5, 0, 4, 1, 3)])
def test_incidents_are_the_same_in_whatever_order_windows_are_evaluated(
    connection: Connection, order: tuple[int, ...]
) -> None:
    evaluations = EvaluationStore(connection, Clock())
    for hour in order:
        evaluations.put(1, drifting(hour, hour in (1, 2)))
        evaluations.write(patient=False)
    began = {"feature:age": NOON + HOUR}
    expected = [{}, {}, began, began, {}, {}]  # one quiet window ends nothing
    for one in (evaluations, EvaluationStore(connection, Clock())):
        assert [found.incident for found in one.history(1)["1h"].values()] == expected
    evaluations.put(1, drifting(1, drifts=False))  # late rows: it did not drift after all
    evaluations.settle()
    assert [found.incident for found in evaluations.history(1)["1h"].values()] == [{}] * 6


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
    store: Store, order: tuple[int, ...]
) -> None:
    evaluations = EvaluationStore(store.connect(), Clock())
    for series, hours in ((1, range(5)), (2, order)):
        for hour in hours:
            evaluations.put(series, counted(hour))
            evaluations.settle()
    straight, mixed = (evidence(evaluations, series) for series in (1, 2))
    assert straight == mixed
    assert [one.memory.tolist() for one in straight] == [one.memory.tolist() for one in mixed]
    assert [one.memory[0, LIFE] for one in straight] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("kept", [4, 400])
def test_a_window_that_is_restated_restates_the_evidence_of_all_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, reopened: bool
) -> None:
    """Also those that are older than the windows in memory, and after a restart, when sums must be worked out again."""
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.KEPT", kept)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.LEAST_KEPT", min(kept, 60))
    monkeypatch.setattr("driftline_processor.core.drift.lasting.REMEMBERED", 3)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.REMEMBERED", 3)
    store, clock = Store(tmp_path), Clock()
    connection = store.connect()
    evaluations = EvaluationStore(connection, clock)
    for hour in range(12):
        evaluations.put(1, counted(hour))
    evaluations.write(patient=False)
    if reopened:
        evaluations = EvaluationStore(connection, clock)
    restated = {1: 250, 9: -40, 4: 300}
    for hour, score in restated.items():
        evaluations.put(1, counted(hour, score))
        evaluations.settle()
    evaluations.put(2, counted(0))
    for hour in range(1, 12):
        evaluations.put(2, counted(hour, restated.get(hour)))
    evaluations.settle()
    assert evidence(evaluations, 1) == evidence(evaluations, 2)
    evaluations.write(patient=False)
    told = []
    for series in (1, 2):
        query = "SELECT * FROM evaluations WHERE series = ? QUALIFY row_number() OVER"
        newest = f"{query} (PARTITION BY start ORDER BY believed DESC) = 1 ORDER BY start"
        rows = read(connection, newest, series).to_pylist()
        told.append([found.lasting for _, found in read_evaluations(connection, rows)])
    assert told[0] == told[1]
    assert len(told[0]) == 12
    store.close()


def test_outcomes_that_restate_a_window_restate_no_other(connection: Connection) -> None:
    evaluations = EvaluationStore(connection, Clock())
    for hour in range(5):
        evaluations.put(1, counted(hour))
    evaluations.write(patient=False)
    later = [one for at, one in evaluations.history(1)["1h"].items() if at > NOON + HOUR]
    evaluations.put(1, replace(counted(1), outcome_rows=9))
    evaluations.settle()
    assert [one for at, one in evaluations.history(1)["1h"].items() if at > NOON + HOUR] == later
    evaluations.write(patient=False)
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(6,)]


def with_features(hour: int, drifts: bool = False) -> Evaluation:
    found = evaluation(hour)
    names = ("age", "income", "city")
    found.features = {name: replace(COLUMN, name=name, rows=hour, state="drift" if drifts else "ok") for name in names}
    found.realized = {"auc": MetricValue(0.5 + hour / 100, 12, "panes")}
    return found


def stored_hours(connection: Connection, hours: int) -> EvaluationStore:
    evaluations = EvaluationStore(connection, Clock())
    for hour in range(hours):
        evaluations.put(1, with_features(hour))
    evaluations.write(patient=False)
    evaluations.write(patient=False)  # what was committed may go
    return evaluations


def in_memory(evaluations: EvaluationStore) -> list[int]:
    """Return the hours whose details are in memory."""
    windows = evaluations.history(1)["1h"].items()
    return [(at - NOON) // HOUR for at, one in windows if details_of(one).values is not None]


def details_of(evaluation: Evaluation) -> WindowDetails:
    assert isinstance(evaluation, LazyEvaluation)
    return evaluation.details


def test_details_are_in_memory_while_there_is_room_and_come_from_the_store_else(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 20_000)
    evaluations = stored_hours(store.connect(), 30)
    few = in_memory(evaluations)
    assert few == list(range(30 - len(few), 30))
    assert 1 <= len(few) < 10
    windows = evaluations.history(1)["1h"]
    with ThreadPoolExecutor(4) as threads:  # a page asks from any thread
        found = list(threads.map(evaluation_to_text, windows.values()))
    assert found == [evaluation_to_text(with_features(hour)) for hour in range(30)]
    assert len(in_memory(evaluations)) < 10
    assert 29 in in_memory(evaluations)


@pytest.mark.slow
def test_details_of_newest_windows_stay_beyond_the_room_of_others_up_to_a_limit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 20_000)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_NEWEST", 100_000)
    evaluations = EvaluationStore(store.connect(), Clock())

    def put(names: range, hour: int) -> None:
        for series in names:
            evaluations.put(series, with_features(hour))
        evaluations.write(patient=False)
        evaluations.write(patient=False)  # what was committed may go

    def newest_in_memory(names: range) -> int:
        return sum(details_of(evaluations.history(series)["1h"][NOON + HOUR]).values is not None for series in names)

    put(range(15), 0)
    put(range(15), 1)
    assert newest_in_memory(range(15)) == 15
    assert evaluations._held_bytes > 20_000
    put(range(15, 100), 1)
    assert evaluations._held_bytes <= 100_000
    assert 0 < newest_in_memory(range(100)) < 100
    read_again = [evaluations.history(series)["1h"][NOON + HOUR] for series in range(100)]
    assert {evaluation_to_text(one) for one in read_again} == {evaluation_to_text(with_features(1))}


def test_a_summary_of_drift_stays_when_details_go_as_long_as_there_is_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 1)
    evaluations = stored_hours(store.connect(), 30)
    windows = list(evaluations.history(1)["1h"].values())
    first = [one.drift for one in windows]
    assert [one.rows.tolist() for one in first] == [[hour] * 3 for hour in range(30)]
    assert in_memory(evaluations) == [28, 29]
    assert all(one.drift is known for one, known in zip(windows, first, strict=True))
    assert in_memory(evaluations) == [28, 29]
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_SUMMARIES", 4_000)
    evaluations.put(1, with_features(3, drifts=True))
    evaluations.settle()
    restated = evaluations.history(1)["1h"][NOON + 3 * HOUR]
    assert restated.drift.drifted == 3
    kept = [one for one in evaluations.history(1)["1h"].values() if details_of(one).summary is not None]
    assert 1 <= len(kept) < 10
    assert restated in kept


def test_estimates_are_replaced_without_reading_details(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 1)
    evaluations = stored_hours(store.connect(), 3)
    first = evaluations.history(1)["1h"][NOON]
    estimate = Estimate(0.8, 0.7, 0.9, 0.05, None, None, None, 12, "rows", "cbpe")
    made = replace(first, estimated={"accuracy": estimate})
    assert (made.estimated, made.rows, made.realized) == ({"accuracy": estimate}, first.rows, first.realized)
    assert (first.estimated, in_memory(evaluations)) == ({}, [2])
    assert (list(made.features), made.drift) == (["age", "income", "city"], first.drift)


def test_of_many_names_fewer_windows_each_are_in_memory_and_the_newest_of_each(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.MEMORY", FOR_DETAILS + 20 * HEAD)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.LEAST_KEPT", 4)
    evaluations = EvaluationStore(connection, Clock())
    for hour in range(30):
        for series in range(2):
            evaluations.put(series, with_features(hour))
        evaluations.write(patient=False)
    for one in (evaluations, EvaluationStore(connection, Clock())):
        kept = [[(at - NOON) // HOUR for at in one.history(series)["1h"]] for series in range(2)]
        assert kept == [list(range(20, 30))] * 2
    half = EvaluationStore(connection, Clock(), share=0.5)
    assert [(at - NOON) // HOUR for at in half.history(0)["1h"]] == list(range(25, 30))


def test_a_start_reads_no_evaluation_until_somebody_asks(connection: Connection) -> None:
    stored_hours(connection, 5)
    again = EvaluationStore(connection, Clock())
    assert again.ends == {(1, "1h"): NOON + 5 * HOUR}
    assert again.open(1) == []
    assert [one.realized["auc"].value for one in again.history(1)["1h"].values()] == [0.5, 0.51, 0.52, 0.53, 0.54]
    assert in_memory(again) == []
    assert again.history(1)["1h"][NOON].features["age"].rows == 0
    assert in_memory(again) == [0]


def test_a_row_that_cannot_be_read_costs_itself_alone(store: Store, connection: Connection) -> None:
    stored_hours(connection, 4)
    connection.execute("UPDATE evaluations SET blob = 'damaged'::BLOB WHERE start = ?", [NOON])
    known = EvaluationStore(connection, Clock()).history(1)["1h"]
    assert [(at - NOON) // HOUR for at in known] == [1, 2, 3]
    connection.execute("UPDATE evaluations SET blob = blob[:40] WHERE start = ?", [NOON + HOUR])
    assert [len(one.features) for one in known.values()] == [0, 3, 3]
    assert "2 of evaluations" in str(store.unreadable.sentence())


@pytest.mark.parametrize("damage", ["UPDATE dictionaries SET packed = packed[:30]", "DELETE FROM dictionaries"])
def test_a_damaged_dictionary_costs_the_windows_that_were_compressed_with_it(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.WINDOWS_OF_DICTIONARY", 2)
    stored_hours(connection, 5)
    assert dictionaries(connection) == 3
    where = "WHERE digest = (SELECT dictionary FROM evaluations WHERE start = ?)"
    connection.execute(f"{damage} {where}", [NOON + HOUR])
    again = EvaluationStore(connection, Clock())
    assert [(at - NOON) // HOUR for at in again.history(1)["1h"]] == [2, 3, 4]
    assert "2 of evaluations" in str(store.unreadable.sentence())
    for hour in (0, 1):
        again.put(1, with_features(hour))
    again.write(patient=False)
    restored = EvaluationStore(connection, Clock()).history(1)["1h"]
    assert [len(one.features) for one in restored.values()] == [3] * 5


def test_a_dictionary_that_makes_room_for_others_is_read_again(
    store: Store, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WINDOWS_OF_DICTIONARY", 2), ("DICTIONARIES", 1)):
        monkeypatch.setattr(f"driftline_processor.evaluation.evaluation_store.{name}", value)
    stored_hours(connection, 6)
    rows = read(connection, "SELECT series, start, dictionary, blob FROM evaluations ORDER BY start DESC").to_pylist()
    known = Dictionaries()
    assert len(list(known.read(connection, rows[-1:], bytes))) == 1
    assert len(list(known.read(connection, rows, bytes))) == 6
    assert not store.unreadable.sentence()


def test_a_window_that_says_the_same_after_a_restart_is_not_stored_again(connection: Connection) -> None:
    stored_hours(connection, 4)
    again = EvaluationStore(connection, Clock())
    again.put(1, with_features(1))
    again.put(1, replace(with_features(2), outcome_rows=3))
    again.write(patient=False)
    rows = "SELECT (start - ?) // ?, count(*) FROM evaluations GROUP BY ALL ORDER BY ALL"
    assert connection.execute(rows, [NOON, HOUR]).fetchall() == [(0, 1), (1, 1), (2, 2), (3, 1)]
    assert dictionaries(connection) == 2  # one for each process


def dictionaries(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM dictionaries").fetchall()[0][0])


def test_what_a_slice_names_is_deleted_and_dictionaries_that_nobody_needs_too(connection: Connection) -> None:
    stored_hours(connection, 2)
    slices = {"country=NL": SlicePerformance(3, {}, 12)}
    more = EvaluationStore(connection, Clock())
    more.put(1, replace(evaluation(3), performance_slices=slices))
    more.write(patient=False)
    connection.execute("UPDATE evaluations SET blob = 'damaged'::BLOB WHERE start = ?", [NOON + HOUR])
    with transaction(connection):
        series, starts = forget_evaluations(connection, 1, "country=NL")
    assert (series, sorted((starts - NOON) // HOUR)) == (1, [1, 3])  # what nobody can read may name it
    left = connection.execute("SELECT (start - ?) // ? FROM evaluations ORDER BY start", [NOON, HOUR]).fetchall()
    assert left == [(0,)]
    assert dictionaries(connection) == 1
    with transaction(connection):
        expire_evaluations(connection, 1, NOON + HOUR)
    assert dictionaries(connection) == 0


def test_windows_whose_dictionary_names_a_slice_are_compressed_with_another_when_it_is_deleted(
    connection: Connection,
) -> None:
    evaluations = EvaluationStore(connection, Clock())
    slices = {"country=NL": SlicePerformance(3, {}, 12)}
    evaluations.put(1, replace(with_features(0), performance_slices=slices))
    for hour in (1, 2):
        evaluations.put(1, with_features(hour))
    evaluations.write(patient=False)
    assert dictionaries(connection) == 1
    with transaction(connection):
        _, starts = forget_evaluations(connection, 1, "country=NL")
    evaluations.forget_slice(1, "country=NL")
    assert ((starts - NOON) // HOUR).tolist() == [0]
    (packed,) = (row[0] for row in connection.execute("SELECT packed FROM dictionaries").fetchall())
    assert not mentions(Dictionary.unpack(packed).raw, "country=NL")
    evaluations.put(1, with_features(3))
    evaluations.write(patient=False)
    for one in (evaluations, EvaluationStore(connection, Clock())):
        found = one.history(1)["1h"]
        assert [((at - NOON) // HOUR, len(each.features)) for at, each in found.items()] == [(1, 3), (2, 3), (3, 3)]


def test_windows_outlive_the_one_that_is_their_dictionary(connection: Connection) -> None:
    evaluations = stored_hours(connection, 3)
    with transaction(connection):
        expire_evaluations(connection, 1, NOON + 2 * HOUR)
    assert dictionaries(connection) == 1
    with transaction(connection):
        expire_evaluations(connection, 1, NOON + 3 * HOUR)
    assert dictionaries(connection) == 0
    evaluations.put(1, with_features(4))
    evaluations.write(patient=False)
    assert [len(one.features) for one in EvaluationStore(connection, Clock()).history(1)["1h"].values()] == [3]


def failing_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a function of the store of evaluations find no memory the next time, and work from then on."""
    module = "driftline_processor.evaluation.evaluation_store"
    works = getattr(sys.modules[module], name)

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(f"{module}.{name}", works)
        raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")

    monkeypatch.setattr(f"{module}.{name}", fail)


@pytest.mark.parametrize("name", ["follow", "encode_evaluation", "read", "insert"])
def test_what_could_not_be_stored_is_stored_the_next_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 0)
    evaluations, clock = stored_hours(connection, 3), Clock()
    evaluations.put(1, replace(with_features(1), outcome_rows=7))
    evaluations.put(1, with_features(3))
    failing_once(monkeypatch, name)
    with pytest.raises(duckdb.OutOfMemoryException):
        evaluations.write(patient=False)
    evaluations.write(patient=False)
    evaluations.write(patient=False)  # what was committed may go
    for one in (evaluations, EvaluationStore(connection, clock)):
        found = one.history(1)["1h"].values()
        assert [(each.outcome_rows, len(each.features)) for each in found] == [(0, 3), (7, 3), (0, 3), (0, 3)]


def test_what_is_said_of_others_in_the_transaction_is_kept_with_evaluations_or_not_at_all(
    connection: Connection,
) -> None:
    evaluations = EvaluationStore(connection, Clock())
    evaluations.put(1, evaluation(0))

    def fail(_: bool) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        evaluations.write(patient=True, also=fail)
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(0,)]
    assert dictionaries(connection) == 0
    evaluations.write(patient=True)
    assert connection.execute("SELECT count(*) FROM evaluations").fetchall() == [(1,)]
    assert dictionaries(connection) == 1


def test_windows_that_cannot_be_continued_take_no_others_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(one: Evaluation, before: Evaluation | None) -> Evaluation:
        if one.rows == 13:
            raise ArithmeticError
        return follow(one, before)

    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.follow", fail)
    store = Store(tmp_path)
    evaluations = EvaluationStore(store.connect(), Clock())
    evaluations.put(1, evaluation(0, rows=13))
    evaluations.put(2, evaluation(0))
    for _ in range(2):
        evaluations.write(patient=False)
    assert [len(evaluations.history(series)) for series in (1, 2)] == [0, 1]
    assert caplog.text.count("could not be compared with earlier windows") == 1
    store.close()


def test_a_window_older_than_those_in_memory_that_says_the_same_is_not_stored_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.KEPT", 3)
    monkeypatch.setattr("driftline_processor.evaluation.evaluation_store.LEAST_KEPT", 3)
    clock = Clock()
    first = stored_hours(connection, 8)
    for evaluations in (first, EvaluationStore(connection, clock)):
        for _ in range(2):
            evaluations.put(1, with_features(1))
            evaluations.write(patient=True)
    evaluations.put(1, replace(with_features(2), outcome_rows=3))
    evaluations.write(patient=True)
    rows = "SELECT count(*) FROM evaluations"
    assert connection.execute(rows).fetchall() == [(8,)]  # restated windows are stored together, once an hour
    clock.now += HOUR
    evaluations.write(patient=True)
    assert connection.execute(f"{rows} WHERE start = ?", [NOON + 2 * HOUR]).fetchall() == [(2,)]
    assert connection.execute(rows).fetchall() == [(9,)]


def test_heads_are_read_while_an_outage_ends(store: Store, connection: Connection) -> None:
    """Whoever makes the parts of the state again reads them before the outage is over."""
    stored_hours(connection, 3)
    store.outage = "storage.directory: no room"
    assert [one.rows for one in EvaluationStore(connection, Clock()).closed(1)] == [1, 1, 1]


def test_a_restated_window_is_stored_once_after_a_slice_was_forgotten_that_it_does_not_name(
    connection: Connection,
) -> None:
    evaluations = EvaluationStore(connection, Clock())
    for at in range(2):
        evaluations.put(1, evaluation(at))
    evaluations.write(patient=True)
    evaluations.put(1, evaluation(0, rows=7))
    evaluations.write(patient=True)  # it is restated within the hour
    assert not len(evaluations.forget_slice(1, "country"))
    for _ in range(2):
        evaluations.write(patient=False)
        rows = read(connection, "SELECT start FROM evaluations ORDER BY start")["start"].to_pylist()
        assert rows == [NOON, NOON, NOON + HOUR]
    assert [one.rows for one in evaluations.history(1)["1h"].values()] == [7, 1]


def test_what_lasts_is_let_go_of_a_window_that_was_stored_before_anybody_asked_for_its_series(store: Store) -> None:
    evaluations = EvaluationStore(store.connect(), Clock())
    evaluations.put(1, counted(0))
    evaluations.settle()
    assert not len(evaluations.forget_slice(1, "country"))
    for _ in range(2):
        evaluations.write(patient=False)
    assert len(evaluations.history(1)["1h"]) == 1
