"""The same rows, sent live and in a file: drift is explained in the same words, since the same day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.core.evaluation import Evaluation, Explanation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from msgspec import to_builtins

from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, predictions

DAYS, ROWS, SINCE = 14, 400, 9
MIDNIGHT = NOON - DAY // 2
DAYS_ONLY = Model(windows=("1d",))


def frame(days: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = days * ROWS
    age = rng.normal(45, 10, n)
    return pd.DataFrame(
        {
            "age": age,
            "income": rng.lognormal(10, 0.5, n),
            "plan": rng.choice(np.array(["basic", "pro"], object), n),
            "score": 1 / (1 + np.exp(-(age - 45) / 10)),
            "time": MIDNIGHT + np.repeat(np.arange(days), ROWS) * DAY + rng.integers(0, DAY, n),
        }
    )


def drifting() -> pd.DataFrame:
    rows = frame(DAYS, 2)
    late = rows["time"] >= MIDNIGHT + SINCE * DAY
    rows.loc[late, "age"] += 8
    rows.loc[late, "income"] *= 100
    rows["score"] = 1 / (1 + np.exp(-(rows["age"] - 45) / 10))
    return rows


@pytest.fixture
def baseline() -> Baseline:
    rows = frame(20, 1).drop(columns="time")
    return Baseline.from_frame(rows, score="score", model="churn", task="binary", version="1")


def send(state: Opened, rows: pd.DataFrame) -> None:
    names = ("age", "income", "plan")
    features: dict[str, Sequence[object]] = {name: rows[name].tolist() for name in names}
    sent = predictions(
        *([""] * len(rows), rows["time"].tolist(), rows["score"].tolist()),
        features=features,
        slices={"plan": rows["plan"].tolist()},
    )
    state.send(sent)


def live(state: Opened, clock: Clock, rows: pd.DataFrame, baseline: Baseline, window: str) -> list[Evaluation]:
    state.send(baselines=[baseline.to_json()])
    for _, day in rows.groupby(rows["time"] // DAY):
        send(state, day)
    clock.now = MIDNIGHT + 30 * DAY
    return [one for one in state.view().windows[window] if one.rows]


def in_file(directory: Path, rows: pd.DataFrame, baseline: Baseline, window: str) -> list[Evaluation]:
    baseline.save(directory / "baseline.json")
    rows.assign(time=pd.to_datetime(rows["time"])).to_parquet(directory / "rows.parquet")
    files = [directory / "rows.parquet"], directory / "baseline.json"
    return evaluate_files(EvaluationInputs(*files), EvaluationOptions(window=window), print).evaluations


def said(evaluations: list[Evaluation]) -> list[Any]:
    return [(one.window.start, one.explanation and to_builtins(one.explanation)) for one in evaluations]


def explanation(evaluations: list[Evaluation]) -> Explanation:
    found = evaluations[-1].explanation
    assert found is not None
    return found


@pytest.mark.slow
@pytest.mark.parametrize("window", ["1d", "1w"])
def test_drift_is_explained_live_as_in_a_file(
    open_state: Open, clock: Clock, tmp_path: Path, baseline: Baseline, window: str
) -> None:
    rows = drifting()
    found = live(open_state(churn=Model(windows=("1d", "1w"))), clock, rows, baseline, window)
    assert said(found) == said(in_file(tmp_path, rows, baseline, window))
    age, income = explanation(found).causes
    assert (income.features, income.check, age.features) == (("income",), "unit_change", ("age",))
    assert {income.since, age.since} == {MIDNIGHT + SINCE * DAY}
    assert age.score_shift == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
def test_a_step_that_late_rows_touch_is_read_again(open_state: Open, clock: Clock, baseline: Baseline) -> None:
    rows = drifting()
    early = rows["time"] // DAY == MIDNIGHT // DAY + SINCE  # the first day of the drift comes last
    state = open_state(churn=DAYS_ONLY)
    before = live(state, clock, rows[~early], baseline, "1d")
    assert {cause.since for cause in explanation(before).causes} == {MIDNIGHT + (SINCE + 1) * DAY}
    send(state, rows[early])
    last = rows["time"] // DAY == MIDNIGHT // DAY + DAYS - 1
    send(state, rows[last])  # so that the last day is judged again
    found = [one for one in state.view().windows["1d"] if one.rows]
    assert {cause.since for cause in explanation(found).causes} == {MIDNIGHT + SINCE * DAY}


@pytest.mark.slow
def test_no_change_is_dated_further_back_than_the_steps_before_a_window(
    open_state: Open, clock: Clock, tmp_path: Path, baseline: Baseline
) -> None:
    """Three drifting hours, ten days of nothing, and two more: the first ones are 240 hours ago, more than 184."""
    rows = drifting().tail(5 * ROWS)
    hour = np.repeat([0, 1, 2, 243, 244], ROWS)
    rows["time"] = MIDNIGHT + hour * HOUR + np.tile(np.arange(ROWS) * 10**9, 5)
    found = live(open_state(churn=Model(windows=("1h",))), clock, rows, baseline, "1h")
    assert said(found) == said(in_file(tmp_path, rows, baseline, "1h"))
    assert {cause.since for cause in explanation(found[:3]).causes} == {MIDNIGHT}
    assert {cause.since for cause in explanation(found).causes} == {MIDNIGHT + 243 * HOUR}


@pytest.mark.slow
def test_a_slice_is_dated_by_its_own_rows_live_as_in_a_file(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    reference, rows = frame(20, 1), frame(DAYS, 2)
    late = (rows["time"] >= MIDNIGHT + SINCE * DAY) & (rows["plan"] == "pro")
    rows.loc[late, "income"] *= 1.6
    known = Baseline.from_frame(
        reference.drop(columns="time"), score="score", model="churn", task="binary", version="1", slices=["plan"]
    )
    state = open_state(churn=Model(windows=("1d",), slices=("plan",)))
    found = live(state, clock, rows, known, "1d")
    assert said(found) == said(in_file(tmp_path, rows, known, "1d"))
    [cause] = explanation(found).causes
    assert (cause.features, cause.slice, cause.since) == (("income",), "plan=pro", MIDNIGHT + SINCE * DAY)


def test_one_window_of_a_whole_file_is_dated_by_its_days(tmp_path: Path, baseline: Baseline) -> None:
    found = explanation(in_file(tmp_path, drifting(), baseline, ""))
    assert {cause.since for cause in found.causes} == {MIDNIGHT + SINCE * DAY}


def test_rows_without_times_have_no_date(tmp_path: Path, baseline: Baseline) -> None:
    baseline.save(tmp_path / "baseline.json")
    drifting().drop(columns="time").to_parquet(tmp_path / "rows.parquet")
    files = [tmp_path / "rows.parquet"], tmp_path / "baseline.json"
    found = explanation(evaluate_files(EvaluationInputs(*files), EvaluationOptions(), print).evaluations)
    assert {cause.since for cause in found.causes} == {None}


@pytest.mark.slow
def test_an_explanation_outlives_the_process(open_state: Open, clock: Clock, baseline: Baseline) -> None:
    found = live(open_state(churn=DAYS_ONLY), clock, drifting(), baseline, "1d")
    again = [one for one in open_state(churn=DAYS_ONLY).view().windows["1d"] if one.rows]
    assert said(again) == said(found)
