"""Panes that a batch job writes give the sums, states and metrics of the same rows sent as predictions and outcomes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePanes, make_panes
from driftline.tables.column_codec import decode_numbers, encode_column
from driftline.tables.table import F64, OutcomeTable, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Limits
from driftline_processor.core.decode.written_panes import MalformedPanes, parse_panes
from driftline_processor.maintenance.erasure import ErasureOrder
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.receipts import PanesReceipt
from driftline_processor.state import State
from driftline_processor.store.panes import ALL_PANES, ALL_SLICED, read_window

from tests.support.live_and_files import agree
from tests.support.slow import slow
from tests.support.state_rows import DAY, HOUR, Clock, Opened, config, outcomes, predictions
from tests.support.unwrap import unwrap

START = 20_000 * DAY
DAYS = 4
ROWS = 1_500


def reference(task: str) -> Baseline:
    """Return the baseline of a task."""
    frame = rows(task, 0, seed=1)
    role = "predicted" if task == "regression" else "score"
    names: Any = {role: ["score_a", "score_b", "score_c"] if task == "multiclass" else "score"}
    classes = ("a", "b", "c") if task == "multiclass" else None
    return Baseline.from_frame(
        frame, **names, actual="actual", model="churn", task=task, classes=classes, features=["age", "plan"],
        time="time", slices=["plan"],
    )  # fmt: skip


def rows(task: str, day: int, seed: int) -> pd.DataFrame:
    """Return a day of rows; on the last day the age has shifted, and the outcomes are worse."""
    random = np.random.default_rng([seed, day])
    shifted = day == DAYS - 1
    age = random.normal(45 if shifted else 35, 10, ROWS)
    plan = random.choice(["basic", "pro", "team"], ROWS, p=[0.6, 0.3, 0.1])
    score = 1 / (1 + np.exp(-(age - 38) / 8 - random.normal(0, 0.5, ROWS)))
    frame = pd.DataFrame({"age": np.where(random.random(ROWS) < 0.02, np.nan, age), "plan": plan, "score": score})
    frame["actual"] = (random.random(ROWS) < (0.5 if shifted else score)).astype(float)
    if task == "multiclass":
        parts = random.dirichlet([2, 2, 2], ROWS) * 0.4 + 0.6 * np.eye(3)[random.integers(0, 3, ROWS)]
        frame[["score_a", "score_b", "score_c"]] = parts / parts.sum(axis=1, keepdims=True)
        frame["actual"] = [("a", "b", "c")[random.choice(3, p=one)] for one in parts / parts.sum(axis=1, keepdims=True)]
    if task == "regression":
        frame["score"] = age * 2
        frame["actual"] = age * 2 + random.normal(5 if shifted else 0, 3, ROWS)
    frame["time"] = START + day * DAY + np.sort(random.integers(0, DAY, ROWS))
    frame["known"] = frame["time"] + random.integers(0, 6 * HOUR, ROWS)
    frame.loc[random.random(ROWS) < 0.1, "actual"] = None
    return frame


def three_hours() -> pd.DataFrame:
    """Return sixty rows at the start of each of three hours."""
    day = rows("binary", 0, seed=2)
    hours = pd.concat([day.head(60).assign(time=START + hour * HOUR) for hour in range(3)], ignore_index=True)
    hours["known"] = hours["time"] + HOUR
    return hours


def live_tables(task: Task, frame: pd.DataFrame) -> tuple[PredictionTable, OutcomeTable]:
    """Return the predictions and the outcomes of rows."""
    ids = [f"{time}" for time in range(len(frame))]
    scores = [name for name in ("score_a", "score_b", "score_c") if name in frame] or ["score"]
    made = predictions(
        ids,
        frame["time"].tolist(),
        frame[scores].to_numpy().tolist(),
        task=task,
        features={"age": frame["age"].tolist(), "plan": frame["plan"].tolist()},
        slices={"plan": frame["plan"].tolist()},
    )
    known = frame["actual"].notna().to_numpy()
    said = outcomes(
        [name for name, is_known in zip(ids, known, strict=True) if is_known],
        frame["actual"][known].tolist(),
        frame["known"][known].tolist(),
        prediction_time=0,
    )
    said.prediction_time = frame["time"][known].to_numpy(np.int64)
    return made, said


def written(frame: pd.DataFrame, baseline: Baseline, *, sliced: bool = False, **options: Any) -> MadePanes:
    """Return the panes of rows."""
    times: Any = {"time": frame["time"].to_numpy(), "outcome_time": frame["known"].to_numpy()}
    slices = ["plan"] if sliced else []
    return make_panes(frame, baseline, **times, slices=slices, version="1", environment="", **options)


def post(state: Opened, panes: MadePanes, epoch: int = 1, source: str = "nightly") -> PanesReceipt:
    """Write panes to a state, and return what it did with them."""
    total = PanesReceipt()
    for _, body in panes.requests(source, epoch):
        receipt = state.state.submit_panes(parse_panes(body), len(body)).result(60).panes
        assert receipt is not None
        assert receipt.conflict == ""
        for name in ("accepted", "replaced", "unchanged", "superseded"):
            setattr(total, name, getattr(total, name) + getattr(receipt, name))
        total.refused = [*total.refused, *receipt.refused]
    return total


def sums_of(state: Opened, table: str) -> dict[tuple[str, str], F64]:
    """Return all sums of the model: (fold, part) → its vector."""
    with state.state._store.reading() as connection:
        folds = read_window(connection, 1, START, START + DAYS * DAY, lambda *_: 1, table=table)
    return {(fold, part): sums for fold, pane in folds.items() for part, sums in pane.parts.items()}


def windows_of(state: Opened) -> Sequence[dict[str, Any]]:
    """Return the daily windows as the API shows them, without what needs rows."""
    windows = state.view().windows["1d"]
    assert [one.closed for one in windows] == [True] * DAYS
    return [to_json(one) for one in windows]


NewState = Callable[[Model], Opened]


@pytest.fixture
def clock() -> Clock:
    """Return a clock an hour after the last row."""
    return Clock(START + DAYS * DAY + HOUR)


@pytest.fixture
def new_state(tmp_path: Path, clock: Clock) -> Iterator[NewState]:
    """Open a new state of a model each time, and close all in the end."""
    opened = list[Opened]()

    def new_state(settings: Model) -> Opened:
        state = State(config(tmp_path / f"state{len(opened)}", churn=settings), clock=clock)
        state.start_storing()
        opened.append(Opened(state))
        return opened[-1]

    yield new_state
    for one in opened:
        one.leave()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Return a state for all documents with a bad pane: each is of a source of its own."""
    directory = tmp_path_factory.mktemp("shared")
    settings = settings_of(reference("binary"), directory)
    state = State(config(directory / "state", churn=settings), clock=Clock(START + DAYS * DAY + HOUR))
    state.start_storing()
    opened = Opened(state)
    yield opened
    opened.leave()


def settings_of(baseline: Baseline, directory: Path, **more: Any) -> Model:
    """Return the settings of a model with a baseline and a known delay of outcomes."""
    baseline.save(directory / "baseline.json")
    return Model(baseline=directory / "baseline.json", windows=("1d",), outcome_delay=timedelta(hours=6), **more)


@pytest.mark.parametrize(
    ("task", "span", "sliced"),
    [
        ("binary", "1h", True),
        ("regression", "5m", False),
        slow("binary", "5m", False),
        slow("multiclass", "1h", True),
        slow("multiclass", "5m", False),
        slow("regression", "1h", True),
    ],
)
def test_written_panes_equal_rows(
    task: str, span: Any, sliced: bool, new_state: NewState, clock: Clock, tmp_path: Path
) -> None:
    baseline = reference(task)
    settings = settings_of(baseline, tmp_path, slices=("plan",) if sliced else ())
    days = pd.concat([rows(task, day, seed=2) for day in range(DAYS)], ignore_index=True)
    live, batch = new_state(settings), new_state(settings)
    live.send(*live_tables(baseline.task, days))
    panes = written(days, baseline, sliced=sliced, span=span)
    receipt = post(batch, panes)
    assert (receipt.accepted, receipt.refused) == (len(panes.panes), [])
    clock.now += HOUR
    expected, found = windows_of(live), windows_of(batch)
    for window in expected:
        window["performance"] |= {"label_age": {}, "fast_labels": None}  # need the time of each outcome
    for window in (*expected, *found):
        del window["change"]  # is proven from rows with features and outcomes
    agree(expected, found)
    assert {one["drift"]["features"]["age"]["state"] for one in found} == {"ok", "drift"}
    for table in (ALL_PANES, ALL_SLICED):
        sums, other = sums_of(live, table), sums_of(batch, table)
        assert other.keys() == {(fold, part) for fold, part in sums if "label_age" not in fold}
        for place, values in other.items():
            np.testing.assert_allclose(values, sums[place], rtol=1e-12, atol=1e-12, err_msg=str(place))


def test_an_epoch_counts_once_a_later_one_replaces_it_and_an_earlier_one_is_ignored(
    new_state: NewState, clock: Clock, tmp_path: Path
) -> None:
    baseline = reference("binary")
    state = new_state(settings_of(baseline, tmp_path))
    first, corrected = rows("binary", 0, seed=2), rows("binary", 0, seed=3)
    panes = written(first.assign(actual=np.nan), baseline)
    assert post(state, panes, epoch=1).accepted == 24
    assert (state.view().rows, state.view().outcomes) == (ROWS, 0)
    before = sums_of(state, ALL_PANES)
    again = post(state, panes, epoch=1)
    assert (again.accepted, again.unchanged) == (0, 24)
    assert sums_of(state, ALL_PANES).keys() == before.keys()
    assert all((sums_of(state, ALL_PANES)[place] == values).all() for place, values in before.items())

    clock.now += 3 * DAY
    assert state.view().windows["1d"][0].closed
    assert state.view().windows["1d"][0].outcome_rows == 0
    clock.now += HOUR
    assert post(state, written(corrected, baseline), epoch=2).replaced == 24
    revised = state.view()
    known = int(corrected["actual"].notna().sum())
    assert (revised.windows["1d"][0].outcome_rows, revised.outcomes, revised.rows) == (known, known, ROWS)
    assert len({believed for believed, one in state.stored() if one.window.start == START}) == 2
    older = post(state, panes, epoch=1)
    assert (older.superseded, older.replaced, older.unchanged) == (24, 0, 0)
    only = new_state(settings_of(baseline, tmp_path))
    post(only, written(corrected, baseline))
    assert {place: values.tolist() for place, values in sums_of(state, ALL_PANES).items()} == {
        place: values.tolist() for place, values in sums_of(only, ALL_PANES).items()
    }


@pytest.mark.slow
def test_sources_add_up_and_the_view_names_them(new_state: NewState, clock: Clock, tmp_path: Path) -> None:
    baseline = reference("binary")
    state = new_state(settings_of(baseline, tmp_path))
    day = rows("binary", 0, seed=2)
    noon = START + DAY // 2
    post(state, written(day[day["time"] < noon], baseline), source="mornings", epoch=7)
    clock.now += HOUR
    post(state, written(day[day["time"] >= noon], baseline), source="evenings", epoch=9)
    clock.now += HOUR
    view = state.view()
    assert view.windows["1d"][0].rows == ROWS
    assert [(one.source, one.epoch, one.panes, one.first, one.last) for one in view.pane_sources] == [
        ("evenings", 9, 12, noon, START + DAY),
        ("mornings", 7, 12, START, noon),
    ]
    assert sum(one.rows for one in view.pane_sources) == view.rows == ROWS
    whole = new_state(settings_of(baseline, tmp_path))
    post(whole, written(day, baseline))
    clock.now += HOUR
    agree(to_json(whole.view().windows["1d"][0]), to_json(view.windows["1d"][0]))


@pytest.mark.slow
def test_windows_stay_open_for_panes_that_are_not_finished(new_state: NewState, clock: Clock, tmp_path: Path) -> None:
    baseline = reference("binary")
    state = new_state(settings_of(baseline, tmp_path))
    days = pd.concat([rows("binary", day, seed=2) for day in range(2)], ignore_index=True)
    days.loc[ROWS : ROWS + 50, "time"] = START + DAY + HOUR // 60
    begun = days[days["time"] <= START + DAY + HOUR // 60]
    post(state, replace(written(begun, baseline), newest=int(begun["time"].max())))
    assert [one.closed for one in state.view().windows["1d"]] == [False, False]
    post(state, written(days, baseline), epoch=2)
    clock.now += HOUR
    first, _ = state.view().windows["1d"]
    assert (first.closed, first.rows) == (True, ROWS)


@pytest.mark.slow
def test_panes_over_another_baseline_are_refused_with_both_digests(new_state: NewState, tmp_path: Path) -> None:
    baseline, other = reference("binary"), reference("regression")
    state = new_state(settings_of(baseline, tmp_path))
    [(_, body)] = written(rows("regression", 0, seed=2).head(5), other).requests("nightly", 1)
    receipt = state.state.submit_panes(parse_panes(body), len(body)).result(60).panes
    assert receipt is not None
    assert (
        f"counted over the baseline {other.digest}, and churn 1 has the baseline {baseline.digest}" in receipt.conflict
    )
    assert state.rows("SELECT count(*) FROM written_panes") == [(0,)]
    unknown = new_state(Model())
    receipt = unknown.state.submit_panes(parse_panes(body), len(body)).result(60).panes
    assert receipt is not None
    assert receipt.conflict.startswith("churn 1 has no baseline here, and the panes are counted over")


@pytest.mark.slow
def test_values_beyond_twenty_count_as_other(new_state: NewState, tmp_path: Path) -> None:
    baseline = reference("binary")
    state = new_state(settings_of(baseline, tmp_path, slices=("plan",)))
    day = rows("binary", 0, seed=2)
    for source, letter in (("first", "p"), ("second", "q")):
        named = day.assign(plan=[f"{letter}{row % 15}" for row in range(ROWS)])
        assert post(state, written(named, baseline, sliced=True), source=source).refused == []
    plain = {
        fold: sums[0] for (fold, part), sums in sums_of(state, ALL_SLICED).items() if part == "rows" and fold[0] == "|"
    }
    assert len(plain) == 18  # with other; the three values of the baseline, which no row has, take places too
    assert plain["|plan=p7"] == ROWS / 15
    assert plain["|plan=other"] == 2 * ROWS - sum(value for fold, value in plain.items() if fold != "|plan=other")


def test_an_environment_above_its_limit_is_refused(tmp_path: Path, clock: Clock) -> None:
    baseline = reference("binary")
    kept = config(tmp_path / "state", churn=settings_of(baseline, tmp_path))
    state = Opened(State(kept.model_copy(update={"limits": Limits(environments=1)}), clock=clock))
    state.state.start_storing()
    panes = written(rows("binary", 0, seed=2), baseline)
    receipts = []
    for environment in ("prod", "test", "prod"):
        [(_, body)] = replace(panes, environment=environment).requests("nightly", 1)
        receipts.append(unwrap(state.state.submit_panes(parse_panes(body), len(body)).result(60).panes))
    state.leave()
    assert [(one.accepted, one.unchanged) for one in receipts] == [(24, 0), (0, 0), (0, 24)]
    assert receipts[1].conflict == (
        "churn 1 test is above limits.models, limits.versions or limits.environments; raise the limit"
    )


@pytest.mark.slow
def test_a_restart_knows_what_was_written(new_state: NewState, clock: Clock, tmp_path: Path) -> None:
    baseline = reference("binary")
    settings = settings_of(baseline, tmp_path)
    state = new_state(settings)
    post(state, written(rows("binary", 0, seed=2), baseline))
    view = state.view()
    state.state.stop()
    reopened = Opened(State(config(tmp_path / "state0", churn=settings), clock=clock))
    reopened.state.start_storing()
    again = reopened.view()
    assert (again.rows, again.outcomes, again.first, again.last) == (view.rows, view.outcomes, view.first, view.last)
    assert again.pane_sources == view.pane_sources
    agree(to_json(again.windows["1d"][0]), to_json(view.windows["1d"][0]))
    assert post(reopened, written(rows("binary", 0, seed=2), baseline)).unchanged == 24
    reopened.leave()


@pytest.mark.slow
def test_panes_that_were_not_evaluated_before_a_kill_are_evaluated_after_it(
    new_state: NewState, clock: Clock, tmp_path: Path
) -> None:
    baseline = reference("binary")
    settings = settings_of(baseline, tmp_path)
    state = new_state(settings)
    post(state, written(rows("binary", 0, seed=2).assign(actual=np.nan), baseline))
    clock.now += DAY
    assert state.view().windows["1d"][0].outcome_rows == 0
    post(state, written(rows("binary", 0, seed=2), baseline), epoch=2)
    state.leave()
    reopened = Opened(State(config(tmp_path / "state0", churn=settings), clock=clock))
    reopened.state.start_storing()
    assert reopened.view().windows["1d"][0].outcome_rows > 0
    reopened.leave()


@pytest.mark.slow
def test_deleting_a_model_deletes_its_panes(new_state: NewState, tmp_path: Path) -> None:
    baseline = reference("binary")
    state = new_state(settings_of(baseline, tmp_path))
    post(state, written(rows("binary", 0, seed=2), baseline))
    state.state.erase(ErasureOrder("churn", "model"))
    for table in ("written_panes", "pane_sources"):
        assert state.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def one_by_one(made: MadePanes) -> dict[str, Any]:
    """Return the document in which each pane is an object of its own."""
    panes = [
        {
            "start": pane.start,
            "span": made.span,
            "sums": {part: base64.b64encode(encode_column(sums)).decode() for part, sums in pane.sums.items()},
        }
        for pane in made.panes
    ]
    about = {"model": made.model, "version": made.version, "environment": made.environment, "baseline": made.baseline}
    return {**about, "source": "nightly", "epoch": 1, "panes": panes}


def of_sums(**sums: Any) -> Callable[[dict[str, Any]], None]:
    return lambda pane: pane["sums"].update(sums)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_sums(rows=[1.5, 1, 1]), "the first sum of 'rows' is not a number of rows"),
        (of_sums(score=[1, 2]), "score has 2 sums; over this baseline it has 104"),
        (of_sums(score={"104": 1}), "score has a sum at place 104; over this baseline it has 104 sums"),
        (of_sums(score={"0": -1}), "score has a negative count"),
        (of_sums(score={"0": 1e6}), "score counts 1,000,000, more than the 60 of 'rows'"),
        (of_sums(outcomes=[61, 61, 61]), "'outcomes' counts 61 rows, more than the 60 of 'rows'"),
        (
            of_sums(losses=base64.b64encode(encode_column(np.array([1, np.nan, 1, 1, 1]))).decode()),
            "losses has a sum that",
        ),
        (of_sums(losses="AAAA"), "the bytes of a part are not a column of numbers (column_kind)"),
        (of_sums(losses=[None]), "Expected `float`, got `null` - at `$.sums[...][0]`"),
        (of_sums(**{"feature:income": [1]}), "'feature:income' is not a part of the panes of this model and baseline"),
        (lambda pane: pane["sums"].pop("rows"), "the part 'rows' is missing"),
        (lambda pane: pane["sums"].pop("outcomes"), "the part 'outcomes' is missing"),
        (
            lambda pane: pane.update(start=START // 10**9),
            "start 1728000000 is not a time since 1970 in unix nanoseconds",
        ),
        (lambda pane: pane.update(start=START + 60 * 10**9), "is not the start of a period of 1h in UTC"),
        (lambda pane: pane.update(start=START + 999 * DAY), "ahead of the clock of the processor; check that start is"),
        (
            lambda pane: pane.update(start=START + (DAYS * 24 + 2) * HOUR),
            "ahead of the clock of the processor: it is not",
        ),
        (lambda pane: pane.update(span="1w"), "Invalid enum value '1w' - at `$.span`"),
        (
            lambda pane: pane.update(span="1d", start=START),
            "it overlaps the pane of this source from 2024-10-04T00:00:00Z",
        ),
        (lambda pane: pane.update(slice="plan=pro"), "slice 'plan=pro' is not 'key=value' of a slice of the model"),
        (lambda pane: pane.update(rows=1), "Object contains unknown field `rows`"),
    ],
)
def test_a_bad_pane_is_refused_with_a_reason_and_the_others_count(
    change: Any, reason: str, shared: Opened, request: pytest.FixtureRequest
) -> None:
    document = {**one_by_one(written(three_hours(), reference("binary"))), "source": request.node.name}
    change(document["panes"][1])
    body = json.dumps(document).encode()
    panes = parse_panes(body)
    receipt = shared.state.submit_panes(panes, len(body)).result(60).panes
    assert receipt is not None
    [refused] = [*panes.refused, *receipt.refused]
    assert refused.index == 1
    assert reason in refused.reason
    assert receipt.accepted == 2
    assert rows_of_source(shared, request.node.name) == 120


def rows_of_source(state: Opened, source: str) -> object:
    [(rows,)] = state.rows("SELECT sum(rows)::BIGINT FROM pane_sources WHERE source = ?", source)
    return rows


def packed(part: str, values: Any, index: int | slice = slice(None)) -> Callable[[dict[str, Any]], None]:
    """Return a change of the sums of a part; ``index``: those of the second pane are 3:6 of three per pane."""

    def change(document: dict[str, Any]) -> None:
        sums = document["packed"]["sums"]
        column = decode_numbers(base64.b64decode(sums[part])).astype(np.float64)
        column[index] = values
        sums[part] = base64.b64encode(encode_column(column)).decode()

    return change


def column(*values: float) -> str:
    return base64.b64encode(encode_column(np.array(values))).decode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (packed("rows", 1.5, 3), "the first sum of 'rows' is not a number of rows"),
        (packed("outcomes", [61, 61, 61], slice(3, 6)), "'outcomes' counts 61 rows, more than the 60 of 'rows'"),
        (packed("losses", np.nan, 6), "losses has a sum that is not a finite number"),
        (packed("feature:age", -1, 110), "feature:age has a negative count"),
        (packed("feature:age", 100, 110), "feature:age counts 1"),
        (
            lambda one: one["packed"]["sums"].update(income={"panes": column(1), "sums": column(5, 6)}),
            "'income' is not a part of the panes of this model and baseline",
        ),
        (
            lambda one: one["packed"]["sums"].update(duration={"panes": column(1), "sums": column(5)}),
            "duration has 1 sums; over this baseline it has 21",
        ),
        (
            lambda one: one["packed"]["sums"].update(
                duration={"counts": column(0, 1, 1), "places": column(30, 3), "sums": column(5, 6)}
            ),
            "duration has a sum at place 30; over this baseline it has 21 sums",
        ),
        (lambda one: one["packed"]["starts"].__setitem__(1, -5), "start -5 is not a time since 1970"),
        (lambda one: one["packed"]["starts"].__setitem__(1, 10**30), "is not a time since 1970 in unix nanoseconds"),
        (lambda one: one["packed"].update(slices=["", "plan=pro", ""]), "slice 'plan=pro' is not 'key=value' of a"),
    ],
)  # fmt: skip
def test_a_bad_pane_of_a_packed_document_is_refused_with_a_reason_and_the_others_count(
    change: Any, reason: str, shared: Opened, request: pytest.FixtureRequest
) -> None:
    baseline = reference("binary")
    before = sums_of(shared, ALL_PANES)
    [(_, body)] = written(three_hours(), baseline).requests(request.node.name, 1)
    document = json.loads(body)
    change(document)
    receipt = shared.state.submit_panes(parse_panes(json.dumps(document).encode()), len(body)).result(60).panes
    assert receipt is not None
    assert [(one.index, reason in one.reason) for one in receipt.refused] == [(1, True)], receipt.refused
    assert receipt.accepted == 2
    assert rows_of_source(shared, request.node.name) == 120
    stored = {place: values - before.get(place, 0) for place, values in sums_of(shared, ALL_PANES).items()}
    assert stored["", "rows"].tolist() == [120, 120, 120]
    assert stored[baseline.fold, "feature:age"].sum() == 120


@pytest.mark.slow
def test_panes_that_are_written_one_by_one_and_packed_are_stored_alike(new_state: NewState, tmp_path: Path) -> None:
    baseline = reference("binary")
    state, other = (new_state(settings_of(baseline, tmp_path, slices=("plan",))) for _ in range(2))
    made = written(rows("binary", 0, seed=2), baseline, sliced=True)
    assert post(state, made).accepted == len(made.panes)
    document = one_by_one(made)
    for pane, of_document in zip(made.panes, document["panes"], strict=True):
        of_document["slice"] = pane.slice
        of_document["sums"]["score"] = pane.sums["score"].tolist()
        places = np.flatnonzero(pane.sums["rows"]).tolist()
        of_document["sums"]["rows"] = {str(place): pane.sums["rows"][place] for place in places}
    body = json.dumps(document).encode()
    assert unwrap(other.state.submit_panes(parse_panes(body), len(body)).result(60).panes).accepted == len(made.panes)
    for table in (ALL_PANES, ALL_SLICED):
        found, expected = sums_of(other, table), sums_of(state, table)
        assert {place: sums.tolist() for place, sums in found.items()} == {
            place: sums.tolist() for place, sums in expected.items()
        }


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        ("AAAA", "the bytes of 'rows' are not a column of numbers (column_kind)"),
        (column(1, 2, 3, 4), "'rows' has 4 sums for 3 panes"),
        ({"panes": column(1, 1), "sums": column(1, 2)}, "'rows' has panes that are not ascending positions from 0"),
        ({"panes": column(1, 3), "sums": column(1, 2)}, "'rows' has panes that are not ascending positions from 0"),
        ({"panes": column(0.5), "sums": column(1)}, "'rows' has panes that are not whole numbers"),
        ({"counts": column(1, 0, 0), "sums": column(1)}, "'rows' has only one of counts and places"),
        (
            {"counts": column(1, 0, 0), "places": column(1, 2), "sums": column(1)},
            "'rows' has counts, places and sums of different lengths",
        ),
        (
            {"counts": column(1, 0, 0), "places": column(-1), "sums": column(1)},
            "'rows' has a place that is not the position of a sum",
        ),
    ],
)  # fmt: skip
def test_a_packed_document_whose_columns_do_not_belong_together_is_malformed(sums: Any, reason: str) -> None:
    about = {"model": "m", "baseline": "d", "source": "s", "epoch": 1}
    document = {**about, "packed": {"span": "1h", "starts": [START] * 3, "sums": {"rows": sums}}}
    with pytest.raises(MalformedPanes, match=re.escape(f"packed.sums: {reason}" if "bytes" not in reason else reason)):
        parse_panes(json.dumps(document).encode())


def test_a_pane_longer_than_a_window_is_refused(new_state: NewState, tmp_path: Path) -> None:
    baseline = reference("binary")
    state = new_state(settings_of(baseline, tmp_path).model_copy(update={"windows": ("1h", "1d")}))
    receipt = post(state, written(rows("binary", 0, seed=2), baseline, span="1d"))
    assert [one.reason for one in receipt.refused] == [
        "a pane of 1d is longer than a window of 1h of churn; write shorter ones"
    ]


@pytest.mark.slow
def test_local_hours_and_days_are_those_of_the_model(new_state: NewState, tmp_path: Path) -> None:
    baseline = reference("binary")
    zone = "Asia/Kolkata"
    day = rows("binary", 1, seed=2)
    for span, panes in (("1h", 25), ("1d", 2)):
        state = new_state(settings_of(baseline, tmp_path, timezone=zone))
        receipt = post(state, written(day, baseline, span=span, timezone=zone))
        assert (receipt.accepted, receipt.refused) == (panes, [])
