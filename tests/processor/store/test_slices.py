"""Slices of what arrives: panes of their own, the values that are told apart, and what is seen of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import ColumnDrift, Evaluation, SliceDrift
from driftline_processor.evaluation.evaluation_codec import decode_evaluation, encode_evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.present.sentences.causes import explanation_sentence
from driftline_processor.present.sentences.references import compared_words
from driftline_processor.present.sentences.window import drift_words
from driftline_processor.present.states import overall
from starlette.testclient import TestClient

from tests.support.facts import lacking
from tests.support.fake_view import app_of
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, predictions
from tests.support.unwrap import unwrap

SLICED = Model(slices=("country", "plan"), windows=("1h", "1d"))
MIDNIGHT = NOON - 12 * HOUR


def frame(n: int, seed: int, moved: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    country = rng.choice(np.array(["NL", "BE", "DE", "FR"], object), n, p=[0.05, 0.25, 0.3, 0.4])
    income = rng.normal(size=n) + (country == "FR") + moved * (country == "NL")
    plan = rng.choice(np.array([True, False], object), n)
    return {"income": income, "age": rng.normal(size=n), "score": rng.random(n), "country": country, "plan": plan}


def baseline(rows: dict[str, Any], **said: Any) -> Baseline:
    told: dict[str, Any] = {"score": "score", "model": "churn", "task": "binary", "version": "1", **said}
    return Baseline.from_frame(rows, features=["income", "age"], **told)


SLICES = baseline(frame(20_000, 1), slices=["country", "plan"])


def send(state: Opened, rows: dict[str, Any], start: int, batches: int = 1, length: int = HOUR) -> list[int]:
    """Send rows that are spread evenly over a stretch of time, and return their times."""
    n = len(rows["score"])
    times = (start + np.arange(n) * (length // n)).tolist()
    for at in np.array_split(np.arange(n), batches):
        some = slice(int(at[0]), int(at[-1]) + 1)
        state.send(
            predictions(
                [f"{start}-{row}" for row in at.tolist()],
                times[some],
                rows["score"][some].tolist(),
                features={name: rows[name][some].tolist() for name in ("income", "age")},
                slices={name: rows[name][some].tolist() for name in ("country", "plan") if name in rows},
            )
        )
    return times


def windows(state: Opened, name: str = "1h") -> list[Evaluation]:
    return [window for window in state.view().windows[name] if window.rows]


def told(column: ColumnDrift | None) -> Any:
    assert column is not None
    values = [value for method in column.methods.values() for value in (method.value, method.p_value)]
    known = [column.effect, column.design_effect, *values]
    return [column.state, column.rows, *(-1.0 if one is None else one for one in known)]


def nearly(column: ColumnDrift | None) -> Any:
    state, *numbers = told(column)
    return [state, *(pytest.approx(one, rel=1e-9, abs=1e-9) for one in numbers)]


def same(live: SliceDrift, in_file: SliceDrift) -> None:
    assert (live.rows, live.state, live.compared, live.evaluated, live.fraction) == (
        *(in_file.rows, in_file.state, in_file.compared, in_file.evaluated, in_file.fraction),
    )
    thin = in_file.thinned()
    assert list(live.features) == list(thin.features)
    for name, column in live.features.items():
        assert told(column) == nearly(thin.features[name])
    assert told(live.score) == nearly(in_file.score)


@pytest.mark.slow
def test_live_and_in_a_file_slices_say_the_same(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    state = open_state(churn=SLICED)
    state.send(baselines=[SLICES.to_json()])
    rows = frame(4_000, 8, moved=0.7)
    times = send(state, rows, MIDNIGHT, batches=3, length=3 * HOUR)
    clock.now = NOON + 2 * DAY
    [live] = windows(state, "1d")
    pd.DataFrame({**rows, "time": pd.to_datetime(times)}).to_parquet(tmp_path / "rows.parquet")
    SLICES.save(tmp_path / "baseline.json")
    inputs = EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "baseline.json")
    options = EvaluationOptions(window="1d")
    [in_file] = evaluate_files(inputs, options, print).evaluations

    assert set(live.slices) == set(in_file.slices)
    assert {name for name, found in live.slices.items() if found.state == "drift"} == {"country=NL"}
    for name, found in live.slices.items():
        same(found, in_file.slices[name])
    assert lacking(explanation_sentence(unwrap(live.explanation)), "country = NL") == []
    assert live.incident == in_file.incident == {"feature:income where country=NL": MIDNIGHT}
    for name, column in live.features.items():
        assert told(column) == nearly(in_file.features[name])


@pytest.mark.slow
def test_a_drift_in_a_slice_is_dated_shown_and_kept_over_a_restart(open_state: Open, clock: Clock) -> None:
    settings = Model(slices=("country", "plan"), windows=("1h",))
    state = open_state(churn=settings)
    state.send(baselines=[SLICES.to_json()])
    for hour in range(9):
        send(state, frame(2_000, 10 + hour, moved=0.9 if hour >= 6 else 0.0), NOON + hour * HOUR, batches=2)
        clock.now = NOON + hour * HOUR
        if hour == 2:
            state = open_state(churn=settings)
    clock.now = NOON + 15 * HOUR
    hours = windows(state)
    name = "feature:income where country=NL"
    assert [hour.incident.get(name) for hour in hours] == [None] * 6 + [NOON + 6 * HOUR] * 3
    last = hours[-1]
    assert lacking(explanation_sentence(unwrap(last.explanation)), "country = NL", "4 October 2024, 18:00") == []
    assert list(last.slices["country=NL"].features) == ["income"]  # what does not drift is not kept
    assert last.slices["country=BE"].features == {}
    assert to_json(decode_evaluation(encode_evaluation(last))) == to_json(last)
    assert (overall(last), drift_words(last)) == ("drift", "drift in 1 slice; over all rows none of 2 features drifts")

    series = [dict(point.attributes) for point in points(state.state) if point.metric == m.DRIFTLINE_DRIFT_STATUS]
    sliced = {
        (one[a.DRIFTLINE_DRIFT_SLICE], one[a.DRIFTLINE_DRIFT_COLUMN]): one
        for one in series
        if a.DRIFTLINE_DRIFT_SLICE in one
    }
    assert sliced["country=NL", "feature"][a.DRIFTLINE_FEATURE_NAME] == "income"
    assert sliced["country=NL", "feature"][a.DRIFTLINE_STATE] == "drift"
    assert {column for _, column in sliced} == {"feature", "score", "class"}
    assert len(sliced) == 6 * 2 + 1
    page = TestClient(app_of(state.state, clock))
    text = page.get("/models/churn/drift?window=1h").text
    assert "country=NL" in text
    assert "income (Kolmogorov-Smirnov" in text
    answer = page.get("/api/v1/models/churn/evaluations?window=1h").json()["windows"][-1]["drift"]
    assert (answer["drifted_slices"], answer["slices"]["plan=1"]["state"]) == (1, "ok")
    before = {name: to_json(one) for name, one in zip(range(9), hours, strict=True)}
    again = {name: to_json(one) for name, one in zip(range(9), windows(open_state(churn=settings)), strict=True)}
    assert again == before


@pytest.mark.slow
def test_the_first_rows_of_a_model_without_a_baseline_are_one_with_slices(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    send(state, frame(5_000, 3), NOON, batches=9)
    clock.now = NOON + 3 * HOUR
    [hour] = windows(state)
    assert hour.slices["country=FR"].compared == ""
    assert hour.slices["country=FR"].state == "ok"
    assert hour.slices["country=NL"].state == "inconclusive"
    counted = hour.slices["country=FR"].rows
    assert abs(counted - 0.4 * (5_000 - 1_000)) < 200  # the rows that the baseline was learned from are in no pane


def test_rows_that_waited_for_a_baseline_are_cut_too(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    rows = frame(900, 4)
    send(state, rows, NOON)
    state.send(baselines=[SLICES.to_json()])
    send(state, frame(100, 5), NOON + HOUR // 2, length=HOUR // 4)
    clock.now = NOON + 3 * HOUR
    [hour] = windows(state)
    assert sum(found.rows for name, found in hour.slices.items() if name.startswith("country=")) == 1_000


@pytest.mark.slow
def test_a_slice_is_compared_with_its_own_past_where_that_is_the_reference(open_state: Open, clock: Clock) -> None:
    rolling = Model(slices=("country",), windows=("1h",), reference={"last": "6h"})  # type: ignore[arg-type]
    state = open_state(churn=rolling)
    state.send(baselines=[baseline(frame(20_000, 1)).to_json()])  # it knows no slices
    for hour in range(8):
        send(state, frame(2_000, 30 + hour, moved=0.9 if hour == 7 else 0.0), NOON + hour * HOUR)
    clock.now = NOON + 10 * HOUR
    *before, last = windows(state)
    assert not any(hint.startswith("The baseline has no slices") for hint in state.view().hints)
    assert before[0].slices["country=FR"].compared == "all rows"  # there is no past yet
    assert {found.state for found in before[-1].slices.values()} == {"ok"}
    assert {found.compared for found in last.slices.values()} == {""}
    assert [name for name, found in last.slices.items() if found.state == "drift"] == ["country=NL"]


@pytest.mark.slow
def test_twenty_values_of_a_key_are_told_apart_those_of_the_baseline_first(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    state.send(baselines=[SLICES.to_json()])
    rows = frame(2_000, 6)
    rows["country"] = np.array([f"X{at % 30:02}" for at in range(2_000)], object)
    rows["country"][:50] = "X29"
    send(state, rows, NOON)
    state = open_state(churn=SLICED)
    rows["country"][:] = "late"
    send(state, rows, NOON + 2)
    clock.now = NOON + 3 * HOUR
    [hour] = windows(state)
    known = [name for name in hour.slices if name.startswith("country=")]
    assert len(known) == 17  # of 20 four are the baseline's, and have no row
    assert "country=X29" in known
    assert "country=late" not in known
    assert hour.slices["country=other"].rows > 2_000
    assert {hour.slices[name].state for name in known} == {"no_baseline"}
    assert hour.slices["plan=1"].state == "ok"


@pytest.mark.slow
def test_windows_of_minutes_and_open_ones_have_no_slices_and_undeclared_keys_none(
    open_state: Open, clock: Clock
) -> None:
    state = open_state(churn=Model(slices=("country",), windows=("1h", "30m")))
    state.send(baselines=[SLICES.to_json()])
    send(state, frame(500, 7), NOON)
    assert [window.slices for window in windows(state)] == [{}]
    clock.now = NOON + 3 * HOUR
    assert all(not window.slices for window in windows(state, "30m"))
    assert windows(state)[0].slices
    other = open_state(churn=Model(slices=("plan", "region")))
    send(other, frame(10, 8), NOON + 1)
    assert {name.partition("=")[0] for name in windows(other)[0].slices} == {"plan"}
    [hint] = [hint for hint in other.view().hints if hint.startswith("The baseline has no slices")]
    assert hint.startswith("The baseline has no slices by region: such slices are compared with all of its rows")


@pytest.mark.slow
def test_panes_of_slices_are_hours_that_roll_up_to_days_and_change_nothing(open_state: Open, clock: Clock) -> None:
    zone = Model(slices=("country",), windows=("1h", "1d"), timezone="Asia/Kolkata")
    state = open_state(churn=zone)
    state.send(baselines=[SLICES.to_json()])
    half = NOON + HOUR // 2  # there, hours begin half an hour later
    rows = frame(2_000, 9, moved=1.5)
    for at in range(3):
        send(state, rows, half + at * HOUR, batches=4)
    clock.now = half + 12 * HOUR
    before = [window.slices for window in windows(state)]
    assert len(before) == 3
    stored = "SELECT count(*), count(DISTINCT (fold, pane, part, idx)), count(DISTINCT pane) FROM slice_sums"
    [(pieces, distinct, hours)] = state.rows(stored)
    assert (hours, pieces > distinct) == (3, True)  # type: ignore[operator]
    state.state.tidy_now()
    assert state.rows(stored) == [(distinct, distinct, 3)]
    send(state, frame(50, 11), half + 120 * DAY)
    clock.now = half + 121 * DAY
    state.view()
    state.state.tidy_now()
    assert state.rows("SELECT DISTINCT span FROM slice_panes ORDER BY span") == [(HOUR,), (DAY,)]
    day = next(window for window in windows(state, "1d") if window.rows > 50)
    assert day.slices["country=NL"].rows == 3 * before[0]["country=NL"].rows


def by_hour(hour: np.ndarray[Any, Any], each: int, seed: int, moved: float = 0.0) -> dict[str, Any]:
    """Rows whose income swings by ±1 σ in a day in all countries; the age of the Germans may have moved."""
    rows = frame(len(hour) * each, seed)
    rows["income"] = rows["income"] + np.cos(2 * np.pi * np.repeat(hour % 24, each) / 24)
    rows["age"] = rows["age"] + moved * (rows["country"] == "DE")
    return rows


def test_slices_of_an_hour_are_compared_with_that_hour_live_and_in_a_file(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    hour = np.arange(14 * 24)
    past = by_hour(hour, 500, 1) | {"time": MIDNIGHT + (np.repeat(hour, 500) - 15 * 24) * HOUR}
    known = baseline(past, slices=["country"], time="time")
    state = open_state(churn=Model(slices=("country",), windows=("1h",)))
    state.send(baselines=[known.to_json()])
    rows = by_hour(np.array([0]), 500, 8, moved=1.0)
    rows.pop("plan")
    times = send(state, rows, MIDNIGHT, batches=3)
    clock.now = NOON + 2 * DAY
    [live] = windows(state)
    pd.DataFrame({**rows, "time": pd.to_datetime(times)}).to_parquet(tmp_path / "rows.parquet")
    known.save(tmp_path / "baseline.json")
    inputs = EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "baseline.json")
    options = EvaluationOptions(window="1h")
    [in_file] = evaluate_files(inputs, options, print).evaluations

    assert [note.kind for note in live.compared] == ["same_season", "slices_at_season"]
    assert in_file.compared == live.compared
    assert to_json(live)["baseline"]["compared"] == compared_words(live.compared)
    assert {name: found.state for name, found in live.slices.items()} == {
        "country=NL": "inconclusive", "country=BE": "ok", "country=DE": "drift", "country=FR": "ok",
    }  # fmt: skip
    assert [one.name for one in live.slices["country=DE"].drifted()] == ["age"]
    for name, found in live.slices.items():
        same(found, in_file.slices[name])
    # an income that is no midnight's in one country may be one of other hours, or of twice the cycle
    france = rows["country"] == "FR"
    for lower, state_of in ((1.0, "inconclusive"), (6.0, "drift")):
        pd.DataFrame({**rows, "income": rows["income"] - lower * france, "time": pd.to_datetime(times)}).to_parquet(
            tmp_path / "rows.parquet"
        )
        [other] = evaluate_files(inputs, options, print).evaluations
        income = other.slices["country=FR"].features["income"]
        assert (income.state, income.reason) == (state_of, "too_few_days" if state_of == "inconclusive" else "")
