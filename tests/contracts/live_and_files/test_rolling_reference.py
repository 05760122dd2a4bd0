"""A model whose windows are compared with its own last days: late rows, restarts, and what is too little."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline_processor.config.model import Model, Reference
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.facts import fact
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.evaluation.files.options import EvaluationOptions
from driftline_processor.present.evaluation_json import evaluations_to_json
from msgspec.structs import replace

from tests.end_to_end.scenarios.stage import same
from tests.support.otlp_requests import logs, record
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, baseline, predictions

MIDNIGHT = NOON - NOON % DAY
ROLLING_30 = Reference(last="30d", without="24h")
ROLLING = Model(windows=("1d",), reference=Reference(last="10d", without="24h"))


def known() -> Baseline:
    rng = np.random.default_rng(0)
    return baseline(rng.random(2_000).tolist(), {"x": rng.normal(size=2_000).tolist()}, version="1")


def send_day(state: Opened, day: int, n: int = 150, moved: float = 0.0, seed: int = 0) -> None:
    rng = np.random.default_rng([day, seed])
    times = MIDNIGHT + day * DAY + np.sort(rng.integers(0, DAY, n))
    ids = [f"{day} {seed} {at}" for at in range(n)]
    features = {"x": rng.normal(moved, 1, n).tolist()}
    state.send(predictions(ids, times.tolist(), rng.random(n).tolist(), features=features))


def newest(state: Opened) -> Evaluation:
    return state.view().windows["1d"][-1]


@pytest.mark.slow
def test_a_shift_that_lasts_is_news_until_the_last_days_have_it(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 20 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(10):
        send_day(state, day)
    for day in range(10, 21):
        send_day(state, day, moved=1.0)
    evaluations = state.view().windows["1d"]
    states = [one.features["x"].state for one in evaluations]
    assert states[:10] == ["ok"] * 10
    assert (states[10], states[20]) == ("drift", "ok")
    assert [note.kind for note in evaluations[0].compared] == ["last_rows_too_few"]
    assert evaluations[10].compared == (fact("own_last_rows", last="10d", without="24h", rows=1_500),)
    moved = evaluations[10].features["x"]
    assert moved.missing_was == 0


@pytest.mark.slow
def test_late_rows_change_what_later_windows_are_compared_with_also_after_a_restart(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + 20 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(11):
        send_day(state, day)
    assert newest(state).compared[0].value("rows") == 1_500
    send_day(state, 3, 100, seed=1)
    assert newest(state).compared[0].value("rows") == 1_600
    send_day(state, 0, 100, seed=1)
    state.state.parts.evaluator.step = lambda **_: False  # type: ignore[method-assign]  # a crash before the next step
    again = open_state(churn=ROLLING)
    assert newest(again).compared[0].value("rows") == 1_700
    send_day(again, 10, 100, seed=1)
    assert newest(again).compared[0].value("rows") == 1_700
    assert newest(again).rows == 250


def produced(days: int, a_day: int) -> dict[str, np.ndarray]:
    """Rows in the order of time; from the 33rd day on one feature has moved, and stays."""
    rng = np.random.default_rng(7)
    n = days * a_day
    day = np.arange(n) // a_day
    return {
        "ts": MIDNIGHT + np.sort(rng.integers(0, DAY // 10**6, (days, a_day)) * 10**6).ravel() + day * DAY,
        "age": rng.normal(40 + 12 * (day >= 32), 12),
        "region": np.array(["north", "south", "west"])[rng.integers(0, 3, n)],
        "plan": np.where(rng.random(n) < 0.3, "free", "paid"),
        "score": rng.random(n),
    }


def as_records(rows: dict[str, np.ndarray], which: np.ndarray) -> bytes:
    """The rows as any OpenTelemetry SDK would send them."""
    said = {a.ML_MODEL_NAME: "shop", a.ML_MODEL_TASK: "binary"}
    return logs(
        record(
            events.ML_PREDICTION,
            {
                **said,
                a.ML_PREDICTION_ID: f"p{at}",
                a.ML_PREDICTION_SCORE: float(rows["score"][at]),
                f"{a.DRIFTLINE_FEATURE_VALUE}.age": float(rows["age"][at]),
                f"{a.DRIFTLINE_SLICE_VALUE}.region": str(rows["region"][at]),
                f"{a.DRIFTLINE_FEATURE_VALUE}.plan": str(rows["plan"][at]),
            },
            time_unix_nano=int(rows["ts"][at]),
        )
        for at in which.tolist()
    )


@pytest.mark.slow
def test_files_and_the_service_say_the_same_also_of_late_rows_and_after_a_restart(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    days, a_day = 36, 60
    rows = produced(days, a_day)
    order = np.random.default_rng(8).permutation(days * a_day)
    columns = {name: values[order] for name, values in rows.items()}
    pq.write_table(pa.table(columns), tmp_path / "shop.parquet")
    options = EvaluationOptions(
        reference_last="30d",
        reference_without="24h",
        model="shop",
        task="binary",
        time="ts",
        score=("score",),
        features=("age", "plan"),
        slices=("region",),
    )
    result = evaluate_files(EvaluationInputs([tmp_path / "shop.parquet"]), options, print)
    in_files = evaluations_to_json("shop", "", result.evaluations)["windows"]
    assert result.baseline.pane.rows == 30 * a_day
    assert all("30d" in one["baseline"]["compared"] and "1,800" in one["baseline"]["compared"] for one in in_files[-6:])
    assert in_files[16]["baseline"]["compared"].startswith("the baseline")
    assert [one["drift"]["features"]["age"]["state"] for one in in_files[30:33]] == ["ok", "ok", "drift"]

    result.baseline.save(tmp_path / "shop.baseline.json")
    rolling = Model(windows=("1d",), baseline=tmp_path / "shop.baseline.json", reference=ROLLING_30, slices=("region",))
    clock.now = MIDNIGHT + (days - 1) * DAY + 23 * 3_600 * 10**9
    late = np.random.default_rng(9).choice(days * a_day, 300, replace=False)
    state = open_state(shop=rolling)
    for some in np.array_split(np.setdiff1d(np.arange(days * a_day), late), 5):
        state.state.submit("logs", as_records(rows, some)).result(60)
        state.state.settle()
    state.state.submit("logs", as_records(rows, late[:150])).result(60)
    state.state.parts.evaluator.step = lambda **_: False  # type: ignore[method-assign]  # a crash before the next step
    state = open_state(shop=rolling)
    state.state.submit("logs", as_records(rows, late[150:])).result(60)
    clock.now += 2 * DAY
    live = evaluations_to_json("shop", "", state.view("shop", "").windows["1d"])["windows"]
    for one in (*in_files, *live):
        for own in one["drift"]["slices"].values():
            own.pop("features")  # the service keeps those of slices that drift
    assert same(in_files, live) == []
    assert {name for name, one in in_files[32]["drift"]["slices"].items() if one["compared"] is None} == {
        "region=north",
        "region=south",
        "region=west",
    }


@pytest.mark.slow
def test_stretches_of_an_hour_by_the_clock_of_the_model_are_the_same_in_files(
    open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    """Twelve hours are cut into quarters, and hours begin at half past: in UTC they would hold other rows."""
    zone, hours, an_hour = "Asia/Kolkata", 20, 150
    rows = produced(1, hours * an_hour)
    first = MIDNIGHT + HOUR // 2
    rows["ts"] = first + np.arange(hours * an_hour) * (HOUR // an_hour)
    rows["age"] += np.where(rows["ts"] >= first + 15 * HOUR, 12, 0)
    pq.write_table(pa.table({**rows}), tmp_path / "shop.parquet")
    known = Baseline.from_frame(
        {name: rows[name][:1_000] for name in ("age", "plan")},
        score=rows["score"][:1_000],
        model="shop",
        task="binary",
    )
    known.save(tmp_path / "shop.baseline.json")
    options = EvaluationOptions(
        model="shop", task="binary", time="ts", score=("score",), features=("age", "plan"), slices=("region",)
    )
    files = [tmp_path / "shop.parquet"], tmp_path / "shop.baseline.json"
    found = evaluate_files(
        EvaluationInputs(*files), replace(options, window="1h", timezone=zone, reference_last="12h"), print
    ).evaluations

    rolling = Model(
        windows=("1h",),
        timezone=zone,
        baseline=tmp_path / "shop.baseline.json",
        reference=Reference(last="12h"),
        slices=("region",),
    )
    clock.now = MIDNIGHT + 2 * DAY
    state = open_state(shop=rolling)
    for some in np.array_split(np.arange(hours * an_hour), 4):
        state.state.submit("logs", as_records(rows, some)).result(60)
        state.state.settle()
    clock.now += DAY
    in_files, live = (
        evaluations_to_json("shop", "", some)["windows"] for some in (found, state.view("shop", "").windows["1h"])
    )
    for one in (*in_files, *live):
        for own in one["drift"]["slices"].values():
            own.pop("features")  # the service keeps those of slices that drift
    assert same(in_files, live) == []
    assert [one["drift"]["features"]["age"]["state"] for one in in_files[13:16]] == ["ok", "ok", "drift"]
    assert [one["baseline"]["compared"] for one in in_files[13:15]] == ["its own last 12h, 1,800 rows"] * 2
