"""Windows close by event time, are restated by what comes late, are found once, and are whole again after a restart."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from driftline.tables.table import PredictionTable
from driftline_processor.config.model import Model
from driftline_processor.core import facts, judge_window
from driftline_processor.core.drift.slices import SlicedWindow, drift_of_windows
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.windows.window import Window
from driftline_processor.evaluation import evaluator as evaluating
from driftline_processor.evaluation import judge as judging
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.evaluator import (
    Evaluator,
    RipeWindows,
    SeriesWindow,
    UnchangedRows,
    changed_by_delay,
)
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.judge import judge_together
from driftline_processor.evaluation.store_source import StoreSource
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.present.sentences.references import compared_words
from driftline_processor.queries.model_view import ModelView
from driftline_processor.state import State
from driftline_processor.store import pane_memory
from driftline_processor.store.database import Connection, read
from driftline_processor.store.pane_memory import WITHOUT_OUTCOMES
from driftline_processor.store.panes import ALL_SLICED
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, baseline, config, outcomes, predictions
from tests.support.unwrap import of_type, unwrap

HOURLY = Model(windows=("1h",))

SECOND = 10**9


def hours(state: Opened, version: str = "1") -> list[tuple[int, int, bool]]:
    """(hours after noon, rows, closed) of the hourly windows."""
    found = state.view(version=version).windows["1h"]
    return [((one.window.start - NOON) // HOUR, one.rows, one.closed) for one in found]


def newest(state: Opened, window: str = "1h") -> Evaluation:
    return state.view().windows[window][-1]


@pytest.fixture(name="state")
def hourly_state(open_state: Open) -> Opened:
    return open_state(churn=HOURLY)


def test_a_window_closes_when_event_time_is_two_panes_past_its_end(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 2 * HOUR
    state.send(predictions(["a"], NOON))
    assert hours(state) == [(0, 1, False)]
    state.send(predictions(["b"] * 200, NOON + HOUR + 10 * MINUTE - 1, keyed=False))
    assert hours(state) == [(0, 1, False), (1, 200, False)]
    state.send(predictions(["c"] * 200, NOON + HOUR + 10 * MINUTE, keyed=False))
    assert hours(state) == [(0, 1, True), (1, 400, False)]


def test_one_sender_with_a_fast_clock_closes_nothing(state: Opened, clock: Clock) -> None:
    clock.now = NOON + 59 * MINUTE
    state.send(predictions(["a"] * 500, NOON, keyed=False))
    state.send(predictions(["b"] * 4, NOON + DAY, keyed=False))
    assert hours(state) == [(0, 500, False), (24, 4, False)]


def test_even_all_clocks_a_day_ahead_close_nothing_beyond_the_wall_clock(state: Opened) -> None:
    state.send(predictions(["a"] * 500, NOON + DAY, keyed=False))
    assert hours(state) == [(24, 500, False)]
    assert state.view().watermark == NOON + 5 * MINUTE


def test_the_last_window_of_a_silent_model_closes_with_wall_time(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a"], NOON))
    clock.now = NOON + HOUR + 10 * MINUTE - 1
    assert hours(state) == [(0, 1, False)]
    clock.now += 1
    assert hours(state) == [(0, 1, True)]


def test_late_rows_and_outcomes_restate_a_closed_window_and_what_was_believed_is_kept(
    state: Opened, clock: Clock
) -> None:
    state.send(predictions(["a"], NOON, [0.9]))
    clock.now += 2 * HOUR
    assert hours(state) == [(0, 1, True)]
    clock.now += HOUR
    state.send(predictions(["b"], NOON, [0.9]))
    assert hours(state) == [(0, 2, True)]
    clock.now += HOUR
    state.send(outcomes(["a", "b"], [1, 0]))
    assert newest(state).coverage == 1.0
    assert newest(state).realized["accuracy"].value == 0.5
    believed = [(time - one.window.start, one.rows, one.outcome_rows) for time, one in state.stored()]
    assert believed == [(2 * HOUR, 1, 0), (3 * HOUR, 2, 0), (4 * HOUR, 2, 2)]


@pytest.mark.slow
def test_what_did_not_change_is_not_believed_again(open_state: Open, clock: Clock, state: Opened) -> None:
    state.send(predictions(["a"], NOON), outcomes(["a"], [1], NOON + 65 * MINUTE))
    clock.now += 2 * HOUR
    state.state.settle()
    state.send(outcomes(["a"], [1], NOON + 90 * MINUTE))
    state.state.settle()
    assert open_state(churn=HOURLY).rows("SELECT count(*) FROM evaluations") == [(1,)]


def test_windows_begin_at_midnight_of_the_models_time_zone(open_state: Open, clock: Clock) -> None:
    clock.now += DAY
    state = open_state(churn=Model(windows=("1d",), timezone="America/New_York"))
    state.send(predictions(["a", "b"], [NOON - 9 * HOUR, NOON - 7 * HOUR]))
    view = state.view()
    assert [(one.window.start - NOON) // HOUR for one in view.windows["1d"]] == [-32, -8]
    assert view.timezone == "America/New_York"


def rounded(view: ModelView) -> str:
    """All there is to see, with nine digits of every number: sums of floats depend on their order in the last ones."""
    return re.sub(r"\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.9g}", repr(view))


def test_the_view_is_whole_again_after_a_restart(open_state: Open, clock: Clock) -> None:
    clock.now = NOON + 3 * HOUR
    named = Model(windows=("1h", "1d"))
    state = open_state(churn=named)
    rng = np.random.default_rng(1)
    ids = [str(i) for i in range(600)]
    times = [NOON + i * 18 * 10**9 for i in range(600)]
    state.send(
        predictions(
            ids, times, rng.random(600).tolist(), features={"x": rng.random(600).tolist()}, duration=[0.1] * 600
        )
    )
    state.send(outcomes(ids[:400], rng.integers(0, 2, 400).tolist(), NOON + HOUR), outcomes(["nobody"], [1]))
    before = state.view()
    after = open_state(churn=named).view()
    assert rounded(after) == rounded(before)
    assert len(after.windows["1h"]) == 3
    assert after.pending == 1
    assert after.by_class == before.by_class
    assert sum(after.by_class.values()) == 600


@pytest.mark.slow
def test_a_window_that_is_added_to_the_configuration_is_evaluated_from_the_panes(open_state: Open) -> None:
    open_state(churn=HOURLY).send(predictions(["a"] * 200, NOON, keyed=False), predictions(["b"], NOON - 3 * HOUR))
    state = open_state(churn=Model(windows=("1h", "1w")))
    assert [one.rows for one in state.view().windows["1w"]] == [201]
    assert hours(state) == [(-3, 1, True), (0, 200, False)]


def test_rows_acknowledged_but_not_evaluated_before_a_crash_are_evaluated_after_it(
    open_state: Open, clock: Clock, state: Opened
) -> None:
    state.send(predictions(["a"], NOON - 5 * HOUR), predictions(["b"] * 200, NOON, keyed=False))
    clock.now += 2 * HOUR
    assert hours(state) == [(-5, 1, True), (0, 200, True)]
    state.send(predictions(["c"], NOON - 5 * HOUR))
    state.state.parts.evaluator.step = lambda **_: False  # type: ignore[method-assign]  # the crash comes before
    assert hours(open_state(churn=HOURLY)) == [(-5, 2, True), (0, 200, True)]


def drifting(shift: float, n: int = 2_000, time: int = NOON, start: int = 0) -> PredictionTable:
    rng = np.random.default_rng(start + 1)
    return predictions(
        [str(start + i) for i in range(n)],
        time,
        rng.random(n).tolist(),
        features={"age": (rng.normal(size=n) + shift).tolist(), "plan": ["a", "b"] * (n // 2)},
    )


def test_drift_is_measured_against_the_configured_baseline(open_state: Open, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    reference = baseline(
        rng.random(5_000).tolist(), {"age": rng.normal(size=5_000).tolist(), "plan": ["a", "b"] * 2_500}
    )
    path = tmp_path / "churn.baseline.json"
    reference.save(path)
    state = open_state(churn=Model(windows=("1h",), baseline=path))
    state.send(drifting(0.5))
    found = newest(state)
    assert {name: column.state for name, column in found.features.items()} == {"age": "drift", "plan": "ok"}
    assert found.fraction == 0.5
    assert unwrap(found.score).state == "ok"
    assert state.view().baseline.source == "config"  # type: ignore[union-attr]
    (hint,) = state.view().hints
    assert "driftline.Model('churn').outcome(" in hint


def test_the_hint_on_outcomes_is_a_line_of_python_whatever_the_models_name(state: Opened) -> None:
    state.send(predictions(["A"], NOON, [0.5], model="two-years"))
    said = unwrap(re.search(r"send (.*) or POST", state.view("two-years").hints[-1]))
    call = ast.parse(said[1], mode="eval").body
    assert ast.unparse(call) == "driftline.Model('two-years').outcome(id, actual)"


def test_features_that_are_missing_or_new_are_named(state: Opened) -> None:
    reference = baseline([0.1, 0.9] * 500, {"age": [1.0, 2.0] * 500, "income": [1.0, 2.0] * 500})
    state.send(baselines=[reference.to_json()])
    state.send(predictions(["a", "b"], NOON, features={"age": [1.0, 2.0], "city": ["x", "y"]}))
    found = newest(state)
    assert (found.missing_features, found.new_features) == (("income",), ("city",))
    assert state.view().hints[0] == (
        "4 October 2024, 12:00 to 13:00: 1 of 2 baseline features arrived; missing: income; new: city."
    )


def test_the_hint_on_missing_features_names_its_window_in_the_zone_of_the_model(open_state: Open) -> None:
    state = open_state(churn=Model(windows=("1mo",), timezone="Asia/Tokyo"))
    reference = baseline([0.1, 0.9] * 500, {"age": [1.0, 2.0] * 500, "income": [1.0, 2.0] * 500})
    midnight = 1_725_116_400 * 10**9  # 2024-09-01 00:00 in Tokyo, still August in UTC
    state.send(baselines=[reference.to_json()])
    state.send(predictions(["a"], midnight, features={"age": [1.0]}))
    (hint,) = [hint for hint in state.view().hints if "income" in hint]
    assert hint.startswith("September 2024")
    assert re.findall(r"\b\d\b", hint) == ["1", "2"]


def test_a_feature_of_the_wrong_type_is_counted_as_invalid_and_spoils_nothing(state: Opened) -> None:
    reference = baseline([0.1, 0.9] * 500, {"age": [1.0, 2.0] * 500, "income": [1.0, 2.0] * 500})
    state.send(baselines=[reference.to_json()])
    values: list[object] = ["old", float("inf"), None, 1.5]
    state.send(predictions(["a", "b", "c", "d"], NOON, features={"age": values, "income": [1.0, 2.0, 1.0, 2.0]}))
    found = newest(state).features
    assert found["age"].rows == 1
    assert found["age"].missing_now == 0.75
    assert found["income"].rows == 4


def test_duplicate_rows_count_once_in_every_sum(state: Opened) -> None:
    rows = predictions(["a", "b"], NOON, [0.9, 0.1])
    state.send(rows)
    state.send(rows)
    assert hours(state) == [(0, 2, False)]
    assert state.view().by_class == {"0": 1.0, "1": 1.0}


def test_weights_count(state: Opened) -> None:
    state.send(predictions(["a", "b"], NOON, [0.9, 0.1], weight=[10.0, float("nan")]))
    state.send(outcomes(["a"], [1]))
    view = state.view()
    assert view.by_class == {"0": 1.0, "1": 10.0}
    assert view.windows["1h"][0].coverage == 0.5  # by rows: the weight of a reviewed outcome is no coverage


def test_the_busiest_model_comes_first(state: Opened) -> None:
    state.send(predictions(["a"], model="quiet"), predictions(["a", "b"], model="busy"))
    assert [view.key.model for view in state.state.publish().models] == ["busy", "quiet"]


@pytest.mark.slow
def test_restated_windows_are_stored_within_the_hour_and_found_after_a_crash_before_it(
    open_state: Open, clock: Clock, state: Opened
) -> None:
    state.send(predictions(["a"], NOON))
    clock.now += 2 * HOUR
    assert hours(state) == [(0, 1, True)]
    evaluator, count = state.state.parts.evaluator, "SELECT count(*) FROM evaluations"
    for late, stored in ((0, 1), (59 * MINUTE, 1), (MINUTE, 2)):
        clock.now += late
        state.send(predictions([f"late {clock.now}"], NOON))
        evaluator.step()
        assert state.rows(count) == [(stored,)]
    assert state.state.publish().models[0].windows["1h"][0].rows == 4
    state.send(predictions(["last"], NOON))
    evaluator.step()
    evaluator.step = lambda **_: False  # type: ignore[method-assign]  # the crash
    assert hours(open_state(churn=HOURLY)) == [(0, 5, True)]


def test_a_window_that_cannot_be_evaluated_stops_no_other(
    state: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock.now += 3 * HOUR
    evaluate = Evaluator._judge

    def fail(self: Evaluator, windows: Sequence[SeriesWindow]) -> list[Evaluation | None]:
        if any(window.start == NOON for _, window in windows):
            raise ArithmeticError
        return evaluate(self, windows)

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "_judge", fail)
        state.send(predictions(["a", "b"], [NOON, NOON + HOUR]))
        assert [start for start, _, _ in hours(state)] == [1]
    assert "window 1h of churn" in caplog.text
    state.send(predictions(["c"], NOON))
    assert [(start, rows) for start, rows, _ in hours(state)] == [(0, 2), (1, 1)]


@pytest.mark.parametrize("most_bytes", [0, 16 << 20])
def test_past_windows_are_judged_together_and_alone_where_one_of_them_cannot_be(
    open_state: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, most_bytes: int
) -> None:
    sizes: list[int] = []

    def judge(sources: Sequence[tuple[StoreSource, ModelSettings]], *others: Any) -> list[Evaluation]:
        sizes.append(len(sources))
        if any(source.window.start == NOON - 25 * HOUR for source, _ in sources):
            raise ArithmeticError
        return judge_together(sources, *others)

    monkeypatch.setattr(evaluating, "judge_together", judge)
    monkeypatch.setattr(judging, "MOST_BYTES", most_bytes)
    state = open_state(churn=HOURLY)
    state.send(predictions([f"p{at}" for at in range(40)], [NOON - at * HOUR for at in range(40)]))
    found = hours(state)
    assert [start for start, *_ in found] == [at for at in range(-39, 1) if at != -25]
    assert {rows for _, rows, _ in found} == {1}
    assert sizes == [2, 16, *[1] * 16, 16, 6]  # the newest two, then a group of which one fails
    assert caplog.text.count("could not be evaluated") == 1


def no_memory(failures: int) -> Callable[[Evaluator, Sequence[SeriesWindow]], list[Evaluation | None]]:
    """Return a way to judge windows that finds no memory for the one that begins at noon, so many times."""
    evaluate, left = Evaluator._judge, [failures]

    def judge(self: Evaluator, windows: Sequence[SeriesWindow]) -> list[Evaluation | None]:
        if any(window.start == NOON for _, window in windows) and left[0]:
            left[0] -= 1
            raise (MemoryError() if left[0] % 2 else duckdb.OutOfMemoryException("Out of Memory Error: no room"))
        return evaluate(self, windows)

    return judge


@pytest.mark.slow
def test_a_window_for_which_there_was_no_memory_is_tried_again(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: Opened
) -> None:
    state.send(predictions(["a", "b"], [NOON, NOON + HOUR]))
    clock.now += 3 * HOUR
    monkeypatch.setattr(Evaluator, "_judge", no_memory(4))
    assert hours(state) == [(1, 1, True)]
    tried = []
    for later in (1, 9, 59, 1, 599, 1):
        clock.now += later * SECOND
        tried.append(hours(state) == [(0, 1, True), (1, 1, True)])
    assert tried == [False, False, False, False, False, True]
    assert caplog.text.count("there was not enough memory") == 1
    assert hours(open_state(churn=HOURLY)) == [(0, 1, True), (1, 1, True)]


@pytest.mark.slow
def test_a_window_for_which_there_is_never_memory_rests_until_it_is_touched_and_is_tried_at_the_next_start(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, state: Opened
) -> None:
    state.send(predictions(["a", "b"], [NOON, NOON + HOUR]))
    clock.now += 3 * HOUR
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "_judge", no_memory(1_000))
        for _ in range(10):
            clock.now += 10 * MINUTE
            assert hours(state) == [(1, 1, True)]
        waiting = state.state.parts.evaluator.waiting
        assert not waiting
        state.send(predictions(["c"], NOON + HOUR))
        assert hours(state) == [(1, 2, True)]
        assert caplog.text.count("there was not enough memory") == 1
        assert state.rows("SELECT DISTINCT pane FROM restated") == [(NOON,)]
    state.send(predictions(["d"], NOON))
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "_judge", no_memory(1_000))
        assert hours(state) == [(1, 2, True)]
    state = open_state(churn=HOURLY)
    assert hours(state) == [(0, 2, True), (1, 2, True)]
    assert state.rows("SELECT * FROM restated") == []


@pytest.mark.slow
def test_a_window_shorter_than_what_its_panes_were_rolled_up_to_stays_as_it_was_believed(
    open_state: Open, clock: Clock
) -> None:
    short = Model(windows=("5m", "1d"))
    state = open_state(churn=short)
    state.send(predictions(["a"], NOON))
    state.state.settle()
    clock.now += 20 * DAY
    state.send(predictions(["b"] * 200, clock.now, keyed=False))
    state.state.settle()
    state.state.tidy_now()
    state.send(predictions(["late"], NOON + 10 * MINUTE))
    windows = state.view().windows
    assert [one.rows for one in windows["5m"]] == [1, 200]
    assert [one.rows for one in windows["1d"]] == [2, 200]


@pytest.mark.slow
def test_rows_of_one_customer_count_for_what_they_are_worth_as_in_files(open_state: Open, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    known = baseline(rng.random(5_000).tolist(), {"age": rng.normal(size=5_000).tolist()})
    known.save(tmp_path / "known.json")
    state = open_state(churn=Model(windows=("1h",), baseline=tmp_path / "known.json", cluster="customer"))
    names = np.repeat([f"customer {one}" for one in range(40)], 25)
    ages = np.repeat(rng.normal(size=40), 25) * 0.7 + rng.normal(size=1_000) * 0.7
    scores = rng.random(1_000)
    frame = pd.DataFrame({"age": ages, "score": scores, "customer": names})
    frame.to_parquet(tmp_path / "rows.parquet")
    for some in np.array_split(rng.permutation(1_000), 4):
        sent = frame.iloc[some]
        slices: dict[str, Sequence[object]] = {"customer": sent["customer"].tolist()}
        features: dict[str, Sequence[object]] = {"age": sent["age"].tolist()}
        ids = [f"p{at}" for at in some.tolist()]
        times = (NOON + some * MINUTE // 20).tolist()
        state.send(predictions(ids, times, sent["score"].tolist(), features=features, slices=slices))
    live = newest(state).features["age"]
    options = EvaluationOptions(cluster="customer")
    result = evaluate_files(
        EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "known.json"), options, lambda _: None
    )
    file = result.evaluations[0].features["age"]
    assert live.design_effect == pytest.approx(file.design_effect, rel=1e-9)
    assert live.design_effect > 5
    assert (live.state, live.methods["ks"]) == (file.state, file.methods["ks"])
    assert result.evaluations[0].new_features == ()


@pytest.mark.slow
def test_what_was_touched_is_evaluated_after_an_error_on_the_way(
    state: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.send(predictions(["a"]))
    clock.now += 2 * HOUR
    state.view()
    state.send(outcomes(["a"], [1]))
    evaluator = state.state.parts.evaluator

    def fail(*_: object, **__: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(evaluator.delays, "learn", fail)
        with pytest.raises(OSError, match="no room"):
            state.state.settle()
    assert newest(state).outcome_rows == 1


@pytest.mark.slow
def test_nothing_more_is_evaluated_while_what_was_cannot_be_stored_and_takes_all_room(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch, state: Opened
) -> None:
    state.send(predictions(["a"]))
    clock.now += 4 * HOUR

    def fail(*_: object, **__: object) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: no room")

    with monkeypatch.context() as patched:
        patched.setattr("driftline_processor.evaluation.evaluation_store.FOR_DETAILS", 0)
        patched.setattr("driftline_processor.evaluation.evaluation_store.insert", fail)
        for hour in range(3):
            state.send(predictions([f"b{hour}"], NOON + hour * HOUR))
            with pytest.raises(duckdb.OutOfMemoryException):
                state.state.settle()
        assert len(state.state.parts.evaluator.waiting) == 2
    assert hours(state) == [(0, 2, True), (1, 1, True), (2, 1, True)]
    assert hours(open_state(churn=HOURLY)) == [(0, 2, True), (1, 1, True), (2, 1, True)]


def test_windows_that_another_delay_changes_are_evaluated_after_an_error_on_the_way(
    state: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.send(predictions(["a"]))
    clock.now += 2 * HOUR
    assert newest(state).young is False
    evaluator = state.state.parts.evaluator
    monkeypatch.setattr(evaluator.delays, "of", lambda _: OutcomeDelay(DAY, "learned", 100))

    def fail(_: int) -> None:
        raise duckdb.OutOfMemoryException("Out of Memory Error: no room")

    with monkeypatch.context() as patched:
        patched.setattr(evaluator._evaluations, "closed", fail)
        with pytest.raises(duckdb.OutOfMemoryException):
            state.state.settle()
    assert newest(state).young is True


@pytest.fixture
def closed(open_state: Open, clock: Clock) -> Evaluation:
    state = open_state(churn=Model(windows=("1h",)))
    state.send(predictions(["a"], NOON))
    clock.now += 3 * HOUR
    state.state.settle()
    (evaluation,) = state.view().windows["1h"]
    assert evaluation.closed
    return evaluation


def test_a_young_window_is_ripe_once_when_its_outcomes_had_their_time(closed: Evaluation) -> None:
    ripe, delay, end = RipeWindows(), OutcomeDelay(DAY, "configured"), closed.window.end
    ripe.note(structs.replace(closed, young=True))
    assert list(ripe.mature(end + DAY - 1, delay)) == []
    assert list(ripe.mature(end + DAY, delay)) == [closed.window]
    assert list(ripe.mature(end + 2 * DAY, delay)) == []


def test_a_window_that_was_judged_again_meanwhile_is_not_ripe(closed: Evaluation) -> None:
    ripe, end = RipeWindows(), closed.window.end
    ripe.note(structs.replace(closed, closed=False))
    ripe.note(structs.replace(closed, young=True))
    assert list(ripe.closing(end + DAY)) == []
    ripe.note(structs.replace(closed, young=False))
    assert list(ripe.mature(end + DAY, OutcomeDelay())) == []


def test_another_delay_is_seen_once_and_says_which_windows_it_changes(closed: Evaluation) -> None:
    ripe, delay = RipeWindows(), OutcomeDelay(DAY, "learned", 100)
    assert ripe.is_new(delay)
    assert ripe.is_new(delay)  # nobody has seen all windows yet
    ripe.note_delay(delay)
    assert not ripe.is_new(delay._replace(outcomes=200))
    assert ripe.is_new(delay._replace(nanoseconds=2 * DAY))
    young, old = structs.replace(closed, young=True, coverage=0.0), structs.replace(closed, young=False, coverage=0.0)
    end = closed.window.end
    assert list(changed_by_delay([young, old], end + HOUR, delay)) == [old.window]
    assert list(changed_by_delay([young, old], end + DAY, delay)) == [young.window]


@pytest.mark.slow
def test_a_quiet_processor_asks_for_no_evaluation_twice(
    open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    for hour in range(5):
        state.send(predictions([f"p{hour}"], NOON + hour * HOUR), outcomes([f"p{hour}"], [1]))
    clock.now += 5 * HOUR
    state.state.settle()

    def walked(*_: object) -> list[Evaluation]:
        raise AssertionError("all evaluations were walked through")

    monkeypatch.setattr(EvaluationStore, "closed", walked)
    monkeypatch.setattr(EvaluationStore, "open", walked)
    for _ in range(3):
        clock.now += 5 * MINUTE
        state.state.evaluate_now()
    assert all(one.closed for one in state.view().windows["1h"])


MIDNIGHT = NOON - NOON % DAY


def send(state: Opened, hour: int, n: int, moved: float = 0.0) -> None:
    rng = np.random.default_rng([hour, 7])
    times = MIDNIGHT + hour * HOUR + np.sort(rng.integers(0, HOUR, n))
    level = 0.5 * np.cos(2 * np.pi * hour / 24)
    features = {"x": (level + moved + rng.normal(size=n)).tolist()}
    state.send(
        predictions([f"{hour} {at}" for at in range(n)], times.tolist(), rng.random(n).tolist(), features=features)
    )


def window(state: Opened, hour: int) -> Evaluation:
    found = {one.window.start: one for one in state.view().windows["1h"]}
    return found[MIDNIGHT + hour * HOUR]


@pytest.mark.slow
def test_a_fresh_model_is_compared_with_all_it_did_and_a_break_on_the_first_day_is_found(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + DAY
    state = open_state(churn=Model(windows=("1h",)))
    for hour in range(10):
        send(state, hour, 1_000 if hour == 0 else 150)
    for hour in range(10, 13):
        send(state, hour, 150, moved=-2.0)
    states = [window(state, hour).features["x"].state for hour in range(1, 13)]
    assert set(states[:9]) <= {"ok", "inconclusive"}  # a cycle whose end nobody has seen yet
    assert states[:2] == ["ok"] * 2
    assert states[9:] == ["drift"] * 3
    first, late = window(state, 1), window(state, 9)
    until = MIDNIGHT + 224 * HOUR
    assert first.compared == (facts.OwnFirstRows(covered=HOUR - 1, rows=1_000, until=until, shift=1.25),)
    note = of_type(late.compared[0], facts.OwnFirstRows)
    assert note.covered / HOUR == pytest.approx(6.7, abs=0.05)
    assert note.rows == 1_850
    assert to_json(late)["baseline"]["compared"] == compared_words(late.compared)


@pytest.mark.slow
def test_the_reference_stops_growing_after_a_week(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 11 * DAY
    state = open_state(churn=Model(windows=("1h",)))
    send(state, 0, 1_000)
    for hour in range(6, 10 * 24 + 1, 6):
        send(state, hour, 60)
    settled = [window(state, day * 24).compared for day in (9, 10)]
    assert [notes[0].kind for notes in settled] == ["own_first_rows", "own_first_week"]


DIGIT = re.compile(r"\d+\.\d+(e-?\d+)?")


class Rows(NamedTuple):
    """Rows of an hour after noon."""

    hour: int
    size: int
    shift: float

    def send(self, state: Opened, number: int) -> None:
        rng = np.random.default_rng(number)
        ids = [f"{self.hour}-{number}-{row}" for row in range(self.size)]
        features = {
            "age": (rng.normal(size=self.size) + self.shift).tolist(),
            "plan": rng.choice(["a", "b", "c"], self.size).tolist(),
        }
        state.send(predictions(ids, NOON + self.hour * HOUR, rng.random(self.size).tolist(), features=features))


class Truth(NamedTuple):
    """Outcomes of rows of an earlier request; again: they are corrected where they came before."""

    of: int
    fraction: float
    actual: int

    def send(self, state: Opened, sent: list[tuple[int, Rows]], clock: Clock) -> None:
        if not sent:
            return
        number, rows = sent[self.of % len(sent)]
        count = max(1, round(rows.size * self.fraction))
        ids = [f"{rows.hour}-{number}-{row}" for row in range(count)]
        state.send(outcomes(ids, [(row + self.actual) % 2 for row in range(count)], clock.now))


class Pause(NamedTuple):
    """Time that goes by."""

    minutes: int


EVENTS = st.one_of(
    st.builds(Rows, st.integers(0, 3), st.integers(1, 300), st.sampled_from([0.0, 1.0])),
    st.builds(Truth, st.integers(0, 9), st.sampled_from([0.2, 1.0]), st.integers(0, 1)),
    st.builds(Truth, st.integers(0, 9), st.sampled_from([0.2, 1.0]), st.integers(0, 1)),
    st.builds(Pause, st.sampled_from([30, 120])),
)


class Changed(UnchangedRows):
    """Takes the rows of each window for changed, so that all of it is evaluated."""

    def __contains__(self, window: Window) -> bool:
        return False


def saved_baseline(folder: Path) -> Path:
    rng, path = np.random.default_rng(0), folder / "churn.baseline.json"
    features = {"age": rng.normal(size=3_000).tolist(), "plan": ["a", "b"] * 1_500}
    baseline(rng.random(3_000).tolist(), features).save(path)
    return path


@contextmanager
def opened(path: Path, clock: Clock, *, whole: bool) -> Iterator[Opened]:
    model = Model(windows=("1h", "1d"), baseline=saved_baseline(path))
    state = State(config(path / "state", churn=model), clock=clock)
    state.start_storing()
    if whole:
        state.parts.evaluator._unchanged = defaultdict(Changed)
    both = Opened(state)
    yield both
    both.leave()


def numbers(state: Opened) -> dict[str, list[str]]:
    """All of each window, with nine digits of every number."""
    return {
        name: [DIGIT.sub(lambda number: f"{float(number[0]):.9g}", repr(window)) for window in windows]
        for name, windows in state.view().windows.items()
    }


@pytest.mark.slow
@given(st.lists(EVENTS, min_size=3, max_size=9))
@settings(max_examples=12, deadline=None)
def test_an_evaluation_that_keeps_the_drift_of_unchanged_rows_is_that_of_everything(
    events: list[Rows | Truth | Pause],
) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        clocks = Clock(NOON + 4 * HOUR), Clock(NOON + 4 * HOUR)
        with (
            opened(Path(one), clocks[0], whole=False) as state,
            opened(Path(other), clocks[1], whole=True) as whole,
        ):
            sent: list[tuple[int, Rows]] = []
            for number, event in enumerate(events):
                for each, clock in zip((state, whole), clocks, strict=True):
                    clock.now += MINUTE
                    if isinstance(event, Rows):
                        event.send(each, number)
                    elif isinstance(event, Truth):
                        event.send(each, sent, clock)
                    else:
                        clock.now += event.minutes * MINUTE
                    each.state.join_now()
                    each.state.evaluate_now()
                if isinstance(event, Rows):
                    sent.append((number, event))
                if sent:
                    assert numbers(state) == numbers(whole)


@pytest.mark.slow
def test_drift_is_compared_again_only_if_rows_came_to_the_window_or_the_time_before_it(
    open_state: Open, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def counted(windows: list[SlicedWindow]) -> list[object]:
        compared.extend(window.pane.rows for window in windows)
        return [*drift_of_windows(windows)]

    monkeypatch.setattr(judge_window, "drift_of_windows", counted)

    def evaluate(*events: Rows | Truth) -> tuple[bool, float | None]:
        """Return whether the hour of 200 rows was compared, and the coverage of that hour."""
        compared.clear()
        for number, event in enumerate(events):
            clock.now += MINUTE
            if isinstance(event, Rows):
                event.send(state, number)
            else:
                event.send(state, [(0, Rows(0, 200, 0.0))], clock)
        (coverage,) = [window.coverage for window in state.view().windows["1h"] if window.rows == 200]
        return 200 in compared, coverage

    state = open_state(churn=Model(windows=("1h",), baseline=saved_baseline(tmp_path)))
    clock.now = NOON + DAY
    assert evaluate(Rows(0, 200, 0.0), Rows(2, 10, 0.0)) == (True, 0.0)
    assert evaluate(Truth(0, 0.5, 0)) == (False, 0.5), "outcomes alone"
    assert evaluate(Truth(0, 0.5, 1)) == (False, 0.5), "corrections alone"
    assert evaluate(Rows(3, 10, 0.0)) == (False, 0.5), "rows of a later window"
    assert evaluate(Truth(0, 1.0, 1)) == (False, 1.0)
    assert evaluate(Rows(-1, 10, 0.0), Truth(0, 1.0, 0)) == (True, 1.0), "rows of the time before"


def test_outcomes_alone_do_not_read_the_sums_of_rows_again(
    tmp_path: Path, open_state: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []

    def counted(connection: Connection, query: str, *parameters: object, **tables: pa.Table) -> pa.Table:
        queries.append(query)
        return read(connection, query, *parameters, **tables)

    state = open_state(churn=Model(windows=("1h", "1d"), baseline=saved_baseline(tmp_path)))
    sent = Rows(0, 200, 0.0)
    sent.send(state, 0)
    clock.now = NOON + 2 * DAY
    assert {name: windows[0].coverage for name, windows in state.view().windows.items()} == {"1h": 0.0, "1d": 0.0}
    monkeypatch.setattr(pane_memory, "read", counted)
    Truth(0, 0.5, 0).send(state, [(0, sent)], clock)
    assert {name: windows[0].coverage for name, windows in state.view().windows.items()} == {"1h": 0.5, "1d": 0.5}
    of_panes = [query for query in queries if ALL_SLICED not in query]
    assert of_panes
    assert [query for query in of_panes if WITHOUT_OUTCOMES in query] == []
