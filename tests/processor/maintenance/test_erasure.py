"""What somebody wants deleted is gone: from every table, from what is shown, and from every byte on disk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.ranges import Ranges
from driftline.tables.task import Task
from driftline_processor.config.model import Model, Reference
from driftline_processor.maintenance.erasure import ROWS, SUMS, ErasureOrder, ErasureOrders, UnknownModel
from driftline_processor.store.database import Store
from msgspec import structs

from tests.support.evaluation_text import evaluation_to_text
from tests.support.privacy_markers import MARK, found_on_disk
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, baseline, outcomes, predictions

DAILY = Model(windows=("1d",), subject="customer")


def by_id(*ids: str) -> ErasureOrder:
    return ErasureOrder("churn", "id", ids)


def filled(open_state: Open, **more: Model) -> Opened:
    """A state of a model that learns its baseline, with predictions and outcomes of the marked and of others."""
    state = open_state(churn=DAILY, **more)
    ids = [MARK, *(f"other-{i}" for i in range(50))]
    times = [NOON + i * MINUTE for i in range(51)]
    plans = [f"plan-{MARK}", *["basic"] * 50]
    state.send(predictions(ids, times, [0.9, *[0.2] * 50], features={"plan": plans, "age": list(range(51))}))
    state.send(outcomes(ids, [1, *[0] * 50], NOON + HOUR), outcomes([MARK], [0], NOON + 2 * HOUR))
    state.state.settle()
    state.state.parts.connection.execute("CHECKPOINT")
    return state


def test_an_id_is_gone_from_the_tables_the_page_and_the_disk(open_state: Open, tmp_path: Path) -> None:
    state = filled(open_state)
    before = state.view()
    assert found_on_disk(tmp_path) == ["driftline.duckdb"]

    erased = state.state.erase(by_id(MARK))

    assert (erased.predictions, erased.outcomes, erased.joined) == (1, 2, 1)
    assert found_on_disk(tmp_path) == []
    after = state.view()
    assert (before.rows, before.outcomes) == (51, 51)
    assert (after.rows, after.outcomes, after.pending) == (50, 50, 0)
    assert state.rows("SELECT sum(rows)::INT FROM (SELECT DISTINCT part, rows FROM learning)") == [(50,)]
    assert found_on_disk(tmp_path) == []


@pytest.mark.slow
def test_the_state_goes_on_after_its_file_was_exchanged(open_state: Open, tmp_path: Path) -> None:
    state = filled(open_state)
    state.state.erase(by_id(MARK))
    state.send(predictions(["new"], NOON), outcomes(["new", "other-3"], [1, 1], NOON + 3 * HOUR))
    assert (state.view().rows, state.view().outcomes) == (51, 51)
    assert state.rows("SELECT max(seq)::INT FROM predictions") == [(52,)]

    state = open_state(churn=DAILY)
    assert (state.view().rows, state.view().outcomes) == (51, 51)
    files = ["driftline.acknowledged", "driftline.audit.key", "driftline.duckdb", "driftline.duckdb.wal", "log"]
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == files


@pytest.mark.slow
def test_performance_is_restated_without_the_row_and_the_rows_counted_stay(open_state: Open) -> None:
    state = filled(open_state)
    (before,) = state.view().windows["1d"]
    state.state.erase(by_id(MARK))
    (after,) = state.view().windows["1d"]
    assert (before.outcome_rows, after.outcome_rows) == (51, 50)
    assert (before.realized["accuracy"].value, after.realized["accuracy"].value) == (50 / 51, 1.0)
    assert (before.rows, after.rows) == (51, 51)

    state.send(outcomes(["other-0"], [1], NOON + 4 * HOUR))
    (corrected,) = state.view().windows["1d"]
    assert corrected.realized["accuracy"].value == 49 / 50
    assert state.counted("expired") == 0


@pytest.mark.slow
def test_a_failed_call_waits_for_no_outcome_and_a_deleted_one_is_no_call_that_does(
    open_state: Open, clock: Clock
) -> None:
    state = open_state(churn=DAILY.model_copy(update={"slices": ("plan",)}))
    ids, errors = [f"{i}" for i in range(10)], ["TimeoutError"] * 4 + [None] * 6
    plans = ["a", "b"] * 5
    state.send(predictions(ids, NOON, [0.2] * 10, errors=errors, slices={"plan": plans}))
    state.send(outcomes(ids[4:], [0] * 6, NOON + HOUR))
    clock.now += 3 * DAY
    before = state.view().windows["1d"][0]
    assert before.service is not None
    assert (before.rows, before.service.failed, before.coverage) == (10, 4, 1.0)
    assert {name: one.predictions for name, one in before.performance_slices.items()} == {"plan=a": 3, "plan=b": 3}
    state.state.erase(by_id("0", "9"))  # one that failed, and one that returned
    after = state.view().windows["1d"][0]
    assert after.service == before.service, "what was counted stays counted"
    assert (after.outcome_rows, after.coverage) == (5, 1.0)
    assert state.rows("SELECT sum(value)::INT FROM sums WHERE part = 'unanswered' AND idx = 0") == [(3,)]


def test_a_subject_goes_with_all_predictions_and_outcomes_that_are_about_it(open_state: Open, tmp_path: Path) -> None:
    state = open_state(churn=DAILY)
    customers: dict[str, Sequence[object]] = {"customer": [MARK, "anna", MARK, "anna"]}
    state.send(predictions(["a", "b"], NOON, features={"customer": [MARK, "anna"], "age": [1, 2]}))
    state.send(predictions(["c", "d", "e", "f"], NOON, slices=customers), outcomes(["a", "b", "c"], [1, 1, 1]))
    told = outcomes(["nobody", "x"], [1, 1])
    told.slices["customer"] = predictions(["", ""], slices={"customer": [MARK, "anna"]}).slices["customer"]
    state.send(told)
    state.state.settle()
    assert state.rows("SELECT DISTINCT name FROM learning ORDER BY ALL") == [
        ("feature:age",),
        ("scores",),
        ("seq",),
        ("time",),
    ]

    erased = state.state.erase(ErasureOrder("churn", "subject", (MARK,)))

    assert (erased.predictions, erased.outcomes, erased.joined) == (3, 3, 2)
    assert state.rows("SELECT id FROM predictions ORDER BY id") == [("b",), ("d",), ("f",)]
    assert state.rows("SELECT id FROM outcomes ORDER BY id") == [("b",), ("x",)]
    assert state.rows("SELECT id FROM waiting") == [("x",)]
    assert found_on_disk(tmp_path) == []


def test_a_subject_is_no_feature_and_no_slice_of_anything_that_is_kept(open_state: Open) -> None:
    state = open_state(churn=DAILY)
    state.send(predictions(["a"], NOON, features={"customer": [17], "age": [1]}))
    told = outcomes(["a"], [1])
    told.slices["customer"] = predictions([""], slices={"customer": [17]}).slices["customer"]
    state.send(told)
    assert state.rows("SELECT subject, slices FROM predictions UNION ALL SELECT subject, slices FROM outcomes") == [
        ("17", None),
        ("17", None),
    ]
    assert not [name for (name,) in state.rows("SELECT DISTINCT part FROM sums") if "customer" in str(name)]


def test_only_the_environment_that_is_named(open_state: Open) -> None:
    state = open_state(churn=DAILY)
    for environment in ("live", "test"):
        state.send(predictions(["a"], NOON, environment=environment), outcomes(["a"], [1], environment=environment))
    state.send(outcomes(["a"], [0]))
    erased = state.state.erase(ErasureOrder("churn", "id", ("a",), "live"))
    assert (erased.predictions, erased.outcomes) == (1, 2)  # one outcome may be that of either environment
    assert state.rows("SELECT environment FROM outcomes") == [("test",)]


def _sizes(state: Opened) -> dict[str, tuple[int, int]]:
    """Return the predictions and the matched outcomes of each model with its version."""
    state.state.settle()
    views = state.state.publish().models
    return {f"{view.key.model} {view.key.version}": (view.rows, view.outcomes) for view in views}


def test_data_of_a_deleted_model_are_new_if_they_are_sent_again(open_state: Open, clock: Clock) -> None:
    clock.now = NOON + DAY
    state = open_state(churn=DAILY)
    rows = [predictions(["a", "b"], version=version) for version in ("1", "2")]
    other = predictions(["c"], model="fraud"), outcomes(["c"], [1], model="fraud")

    def send() -> None:
        state.send(*rows, outcomes(["a", "b"], [1, 0]), *other, digest=b"request".ljust(16))
        clock.now += MINUTE

    everything = {"churn 1": (2, 2), "churn 2": (2, 2), "fraud 1": (1, 1)}
    send()
    send()
    assert _sizes(state) == everything
    assert state.counted("request_seen") == 8

    state.state.erase(ErasureOrder("churn", "model"))
    clock.now += MINUTE
    assert _sizes(state) == {"fraud 1": (1, 1)}
    state = open_state(churn=DAILY)  # a restart brings nothing back
    assert _sizes(state) == {"fraud 1": (1, 1)}

    send()
    assert _sizes(state) == everything
    send()
    assert _sizes(state) == everything

    state.state.erase(ErasureOrder("churn", "model", ("2",)))
    assert _sizes(state) == {"churn 1": (2, 2), "fraud 1": (1, 1)}
    send()
    assert _sizes(state) == everything


@pytest.mark.slow
@pytest.mark.parametrize(
    ("versions", "environment", "left"),
    [
        ((), "live", (0, 1)),
        ((), "test", (2, 1)),
        ((), "", (2, 0)),
        ((), None, (0, 0)),
        (("1",), "live", (3, 1)),
        (("1",), "", (3, 0)),
        (("1",), None, (3, 0)),
    ],
)
def test_outcomes_and_baselines_are_new_after_a_deletion_in_one_environment(
    open_state: Open, clock: Clock, versions: tuple[str, ...], environment: str | None, left: tuple[int, int]
) -> None:
    clock.now = NOON + DAY
    state = open_state(churn=DAILY)
    places = ("live", "test", "")
    rows = [predictions(["a"], environment=place) for place in places]
    labels = outcomes(["a"], [1]), outcomes(["a", "b"], [0, 1], environment="live")
    sent = baseline([0.1, 0.9] * 25, {"age": list(range(50))}, version="1").to_json()

    def count() -> list[tuple[Any, ...]]:
        of_event = "SELECT count(*)::INT FROM baselines WHERE source = 'event'"
        return state.rows(f"SELECT (SELECT count(*)::INT FROM outcomes) AS outcomes, ({of_event}) AS baselines")

    def send() -> list[tuple[Any, ...]]:
        state.send(*rows, *labels, baselines=[sent], digest=b"request".ljust(16))
        clock.now += MINUTE
        return count()

    assert send() == [(3, 1)]
    state.state.erase(ErasureOrder("churn", "model", versions, environment))
    clock.now += MINUTE
    assert count() == [left]
    assert send() == [(3, 1)]
    assert send() == [(3, 1)]


def test_a_batch_of_a_deleted_model_is_new_also_after_days(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    for model in ("churn", "fraud"):
        state.send(predictions(["a", "b"], model=model), batch="batch")
    clock.now += DAY
    state.state.erase(ErasureOrder("churn", "model", environment=""))
    clock.now += DAY
    for model in ("churn", "fraud", "churn"):
        state.send(predictions(["a", "b"], model=model), batch="batch")
    assert _sizes(state) == {"churn 1": (2, 0), "fraud 1": (2, 0)}
    assert state.counted("batch_seen") == 4


def test_another_model_and_what_was_never_there_lose_nothing(open_state: Open) -> None:
    state = filled(open_state)
    erased = state.state.erase(ErasureOrder("fraud", "id", (MARK,)))
    assert (erased.predictions, erased.outcomes, erased.joined) == (0, 0, 0)
    assert state.view().rows == 51


@pytest.mark.slow
def test_an_order_that_could_not_be_finished_is_finished_later(
    open_state: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = filled(open_state)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(state.state._store, "rewrite", full)
        with pytest.raises(OSError, match="No space left"):
            state.state.erase(by_id(MARK))
    assert (state.view().rows, list(ErasureOrders(tmp_path / "state"))) == (50, [structs.replace(by_id(MARK), entry=1)])
    assert found_on_disk(tmp_path) != []

    state.state.tidy_now()
    assert found_on_disk(tmp_path) == []
    assert state.view().rows == 50


@pytest.mark.slow
def test_a_copy_that_finds_no_room_costs_neither_the_storage_nor_the_next_start(
    open_state: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = f'Failed to commit: Could not write file "{tmp_path}/driftline.fresh.duckdb.wal": No space left on device'

    def full(_: Store) -> None:
        raise duckdb.TransactionException(said)

    state = filled(open_state)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "rewrite", full)
        with pytest.raises(duckdb.TransactionException, match="No space left"):
            state.state.erase(by_id(MARK))
        state.send(predictions(["new"], NOON))
        state = open_state(churn=DAILY)
        assert state.view().rows == 51
        assert list(ErasureOrders(tmp_path / "state")) == [structs.replace(by_id(MARK), entry=1)]
    (logged,) = caplog.records
    assert (logged.exc_info, logged.getMessage()) == (
        None,
        f"driftline: a deletion is not finished ({said}); driftline retries every ten minutes",
    )
    state.state.tidy_now()
    assert (found_on_disk(tmp_path), list(ErasureOrders(tmp_path / "state"))) == ([], [])


def test_every_table_is_known_to_hold_rows_or_not_to(open_state: Open) -> None:
    """A table of rows that nobody told :mod:`driftline_processor.maintenance.erasure` of would keep what was
    deleted.
    """
    tables = {str(name) for (name,) in open_state().rows("SELECT table_name FROM duckdb_tables() WHERE NOT temporary")}
    assert tables == set(ROWS) | SUMS | {"learning"}


@pytest.mark.slow
def test_a_reader_waits_while_files_are_exchanged(open_state: Open) -> None:
    state = filled(open_state)
    seen: list[object] = []
    reader = Thread(
        target=lambda: seen.extend(state.rows("SELECT count(*)::INT AS n FROM predictions") for _ in range(200))
    )
    reader.start()
    for number in range(3):
        state.state.erase(by_id(f"other-{number}"))
    reader.join()
    assert set(map(str, seen)) <= {str([(n,)]) for n in (51, 50, 49, 48)}
    assert len(seen) == 200


def test_a_baseline_that_was_learned_holds_no_extreme_of_a_subject(open_state: Open, tmp_path: Path) -> None:
    """Six rows of a subject are the greatest of the thousand that are learned from; none of them is in its JSON."""
    state, income = open_state(churn=DAILY), np.random.default_rng(0).normal(size=1_000).tolist()
    income[100:106] = [31337.777] * 6
    customers = [MARK if 100 <= i < 106 else f"c{i % 300}" for i in range(1_000)]
    ids, times = [f"r{i}" for i in range(1_000)], [NOON + 1 + i * 1_000_000_007 for i in range(1_000)]
    scores = np.linspace(0.001, 0.999, 1_000).tolist()
    features: dict[str, Sequence[object]] = {"income": income, "customer": customers}
    state.send(predictions(ids, times, scores, features=features))
    state.state.erase(ErasureOrder("churn", "subject", (MARK,)))
    state.state.settle()
    state.state.parts.connection.execute("CHECKPOINT")
    ((text,),) = state.rows("SELECT json FROM baselines")
    assert found_on_disk(tmp_path, "31337.7") == []
    told = set(numbers_in(json.loads(str(text))))
    assert len(told) > 100
    assert told & {*income, *scores, *times} == set()


def numbers_in(value: object) -> Iterator[float]:
    """Yield every number that a JSON document holds."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from numbers_in(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


@pytest.mark.slow
def test_a_value_of_a_slice_that_few_rows_are_left_of_is_counted_among_the_others(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    """Twelve rows had the value, eight of them the subject's: it leaves panes, baseline and what was believed."""
    sliced = Model(windows=("1d",), subject="customer", slices=("region",))
    state = open_state(churn=sliced)
    regions = [MARK if i < 12 else "north" for i in range(1_200)]
    customers = ["gone" if i < 8 else f"c{i % 300}" for i in range(1_200)]
    ids, times = [f"r{i}" for i in range(1_200)], [NOON + i * 10**9 for i in range(1_200)]
    scores = [i % 10 / 10 for i in range(1_200)]
    cuts: dict[str, Sequence[object]] = {"region": regions, "customer": customers}
    state.send(predictions(ids, times, scores, features={"x": scores}, slices=cuts))
    state.send(outcomes(ids, [i % 2 for i in range(1_200)], NOON + HOUR))
    clock.now += 3 * DAY
    state.send(predictions(["later"] * 200, clock.now, keyed=False))
    state.state.settle()
    state.state.parts.connection.execute("CHECKPOINT")
    assert [f"region={MARK}" in evaluation_to_text(one) for _, one in state.stored()] == [True]
    assert state.rows("SELECT value FROM slice_values ORDER BY value") == [(MARK,), ("north",)]
    counted = "SELECT sum(value)::INT FROM slice_sums WHERE fold = '|region={}' AND part = 'rows' AND idx = 0"
    assert state.rows(counted.format(MARK)) == [(12,)]

    state.state.erase(ErasureOrder("churn", "subject", ("gone",)))

    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    gone = [path for path in files if f"region={MARK}".encode() in path.read_bytes()]
    assert gone == []
    state.state.settle()
    assert state.rows(counted.format("other")) == [(12,)]
    assert state.rows("SELECT value FROM slice_values") == [("north",)]
    assert [f"region={MARK}" in evaluation_to_text(one) for _, one in state.stored()] == [False]
    (day, _) = state.view().windows["1d"]
    assert set(day.performance_slices) == {"region=north", "region=other"}
    ((text,),) = state.rows("SELECT json FROM baselines")
    assert set(json.loads(str(text))["extras"]["slices"]["by_key"]["region"]) == {"north", "other"}
    state = open_state(churn=sliced)
    assert set(state.view().windows["1d"][0].performance_slices) == {"region=north", "region=other"}


def rare_region(open_state: Open, **more: Any) -> Opened:
    """A state of a model by region, one of which is rare once a subject is deleted: an hour of every day at noon."""
    state = open_state(churn=Model(windows=("1h",), subject="customer", slices=("region",), **more))
    scores = [i % 10 / 10 for i in range(60)]
    state.send(baselines=[baseline(scores * 10, {"x": scores * 10}, version="1").to_json()])
    return state


def send_region(state: Opened, hour: int, marked: int = 12) -> None:
    regions = [MARK if i < marked else "north" for i in range(60)]
    customers = ["gone" if i < marked - (hour == 0) else "other" for i in range(60)]
    scores = [0.9 if i < marked else (i + hour) % 10 / 10 for i in range(60)]  # so that the marked region drifts
    ids, cuts = [f"{hour}-{i}" for i in range(60)], {"region": regions, "customer": customers}
    state.send(predictions(ids, NOON + hour * HOUR, scores, features={"x": scores}, slices=dict(cuts)))


def named_in_memory(state: Opened) -> list[int]:
    """Return the hours of the windows that name the marked region."""
    known = state.state.parts.evaluator._evaluations.history(1)["1h"]
    return [(at - NOON) // HOUR for at, one in known.items() if f"region={MARK}" in evaluation_to_text(one)]


def _contents(value: Any) -> Any:
    """Return everything inside a value, of which the ``repr`` shows only some."""
    names = [field.name for field in fields(value)] if is_dataclass(value) else getattr(value, "__struct_fields__", ())
    if names:
        return [_contents(getattr(value, name)) for name in names]
    if isinstance(value, Mapping):
        return [(name, _contents(inner)) for name, inner in value.items()]
    return [_contents(inner) for inner in value] if isinstance(value, list | tuple | set | frozenset) else value


@pytest.mark.slow
def test_no_reference_in_memory_tells_a_deleted_value_of_a_slice_apart(open_state: Open, clock: Clock) -> None:
    state = rare_region(open_state, reference=Reference(last="1d"))
    for hour in range(30):
        clock.now = NOON + hour * HOUR + 30 * MINUTE
        send_region(state, hour, 12 if hour < 25 else 0)
        state.state.settle()
    references = state.state.parts.evaluator._readers.past._references
    assert sum(MARK in repr(_contents(one)) for one in references.values()) > 10
    state.state.erase(ErasureOrder("churn", "subject", ("gone",)))
    assert [MARK in repr(_contents(one)) for one in references.values()] == []
    state.send(predictions(["late"], NOON + 29 * HOUR))
    live = state.view().windows["1h"][-1]
    assert references
    assert not any(MARK in repr(_contents(one)) for one in references.values())
    state = open_state(churn=state.state._config.models["churn"])
    state.send(predictions(["later"], NOON + 29 * HOUR))
    again = state.view().windows["1h"][-1]
    assert {name: evaluation.features["x"].methods for name, evaluation in again.slices.items()} == {
        name: evaluation.features["x"].methods for name, evaluation in live.slices.items()
    }


@pytest.mark.slow
def test_no_window_that_is_in_memory_or_waits_to_be_stored_names_a_deleted_value_of_a_slice(
    open_state: Open, clock: Clock
) -> None:
    state = rare_region(open_state)
    evaluator = state.state.parts.evaluator
    for hour in range(3):
        clock.now = NOON + hour * HOUR + 30 * MINUTE
        send_region(state, hour)
        state.state.settle()
    send_late = predictions(["late"], NOON, features={"x": [0.5]}, slices={"region": ["north"]})
    state.send(send_late)  # restated, and stored within the hour
    state.state.join_now()
    clock.now += 20 * MINUTE
    evaluator.step()
    assert (named_in_memory(state), len(evaluator._evaluations._unstored)) == ([0, 1], 1)
    state.state.erase(ErasureOrder("churn", "subject", ("gone",)))
    assert named_in_memory(state) == []
    state.state.settle()
    assert named_in_memory(state) == []
    assert [one.rows for one in state.view().windows["1h"]] == [61, 60, 60]
    assert not any(MARK in evaluation_to_text(one) for _, one in state.stored())


@pytest.mark.parametrize("part", ["baselines", slow("slices")])
def test_windows_are_restated_also_where_what_is_left_could_not_be_read_at_once(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    state = filled(open_state)
    clock.now += 2 * DAY
    assert state.view().windows["1d"][0].outcome_rows == 51
    loaded = getattr(state.state.parts.intake, part)

    def fail(_: object) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: no room")

    with monkeypatch.context() as patched:
        patched.setattr(loaded, "load", fail)
        with pytest.raises(duckdb.OutOfMemoryException):
            state.state.erase(by_id(MARK))
    assert state.view().windows["1d"][0].outcome_rows == 50
    state.state.tidy_now()
    assert list(ErasureOrders(state.state._store.path.parent)) == []


@pytest.mark.slow
def test_a_baseline_that_an_older_version_learned_goes_with_a_subject_and_another_is_learned(open_state: Open) -> None:
    state, n = open_state(churn=DAILY), 1_000
    features: dict[str, Sequence[object]] = {"x": list(range(n)), "customer": ["a"] * n}
    state.send(predictions([f"r{i}" for i in range(n)], scores=[i % 10 / 10 for i in range(n)], features=features))
    ((text,),) = state.rows("SELECT json FROM baselines")
    old = Baseline.from_json(str(text))
    exact = replace(old, extras=replace(old.extras, ranges=Ranges({"x": (0.0, 999.0)})))
    changed = "UPDATE baselines SET json = ?, digest = ?"
    state.state.parts.connection.execute(changed, [exact.to_json(), exact.digest])
    state = open_state(churn=DAILY)
    state.state.erase(ErasureOrder("churn", "subject", ("nobody",)))
    assert state.rows("SELECT count(*)::INT FROM baselines") == [(1,)]
    state.state.erase(ErasureOrder("churn", "subject", ("a",)))
    assert state.rows("SELECT count(*)::INT FROM baselines") == [(0,)]
    state.send(predictions(["new"], features={"x": [1]}))
    view = state.view()
    assert view.baseline is not None
    assert view.baseline.learned == 1


@pytest.mark.slow
def test_losses_that_wait_for_a_scale_lose_those_of_deleted_rows(open_state: Open) -> None:
    state = open_state(churn=DAILY)
    ids, times, task = ["a", "b", "c"], [NOON, NOON + MINUTE, NOON + 2 * MINUTE], Task("regression")
    state.send(predictions(ids, times, [1.0, 2.0, 3.0], task=task), outcomes(ids, [1.5, 31339.25, 3.5]))
    state.state.settle()

    def waiting() -> list[list[float]]:
        ((text,),) = state.rows("SELECT state FROM concept")
        return [list(one[:2]) for one in json.loads(str(text))["waiting"]]

    assert waiting() == [[0.5, NOON], [31337.25, NOON + MINUTE], [0.5, NOON + 2 * MINUTE]]
    state.state.erase(by_id("b"))
    assert waiting() == [[0.5, NOON], [0.5, NOON + 2 * MINUTE]]
    state.send(predictions(["d"], NOON + 3 * MINUTE, [4.0], task=task), outcomes(["d"], [4.25]))
    state.state.settle()
    assert waiting() == [[0.5, NOON], [0.5, NOON + 2 * MINUTE], [0.25, NOON + 3 * MINUTE]]


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
    assert left(alone, GONE) == ["audit"]
    assert (alone.rows(rows), alone.rows("SELECT count(*)::INT AS n FROM joined")) == expected
    assert [view.key for view in alone.state.publish().models] == [view.key for view in view_before]
    alone.state.settle()
    [after] = alone.state.publish().models
    assert (after.rows, after.outcomes) == (1100, 500)
    assert after.windows["1h"][-1].rows == view_before[0].windows["1h"][-1].rows
    assert found_on_disk(tmp_path / "state" / "log", GONE) == []
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
def test_one_version_or_one_environment_may_be_forgotten_alone(state: Opened) -> None:
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


def test_what_is_not_known_cannot_be_forgotten(state: Opened) -> None:
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
    assert left(state, GONE) == ["audit"]
