"""Windows that are compared with their own hours or weekdays: in the service and from files, with the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import events
from driftline.tables.timestamps import Kind, Seasonality
from driftline_processor.config.model import Model, Reference
from driftline_processor.config.model import Reference as ReferenceKeys
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.present.evaluation_json import evaluations_to_json, to_json
from msgspec.structs import replace

from tests.end_to_end.scenarios.stage import same
from tests.support.otlp_requests import logs, record
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, baseline, predictions
from tests.support.unwrap import of_type, unwrap

MIDNIGHT = NOON - NOON % DAY
ZONE = "Europe/Paris"


def rows(
    days: int, each: int, seed: int, moved: float = 0.0, hours: range = range(24), first: int = 0
) -> dict[str, Any]:
    """Noons in Paris are high, Sundays low; mornings prefer a label; a night lacks values. Half the weight is 2."""
    rng = np.random.default_rng(seed)
    hour = np.repeat([day * 24 + at for day in range(first, first + days) for at in hours], each)
    time = MIDNIGHT + hour * HOUR + np.sort(rng.integers(0, HOUR, len(hour)).reshape(-1, each), axis=1).ravel()
    local = Seasonality("hour_of_week", ZONE).of(time)
    level = 2 * np.cos(2 * np.pi * (local % 24 - 12) / 24) - (local >= 144)
    early = rng.random(len(hour)) < np.where(local % 24 < 12, 0.8, 0.2)
    x = level + moved + rng.normal(size=len(hour))
    return {
        "x": np.where((local % 24 < 5) & (rng.random(len(x)) < 0.3), np.nan, x),
        "y": level + rng.normal(size=len(x)),
        "part": np.where(early, "early", "late"),
        "score": 1 / (1 + np.exp(-level)) * rng.random(len(x)),
        "time": time,
    }


def built(kind: Kind | Literal["none"]) -> Baseline:
    return Baseline.from_frame(
        rows(28, 20, 1),
        score="score",
        time="time",
        model="churn",
        version="1",
        task="binary",
        classes=["0", "1"],
        positive_class="1",
        seasonality=kind,
        timezone=ZONE,
    )


def send(state: Opened, frame: dict[str, Any]) -> None:
    n = len(frame["time"])
    for some in np.array_split(np.arange(n), 3):
        features = {name: frame[name][some].tolist() for name in ("x", "y", "part")}
        times = frame["time"][some].tolist()
        state.send(predictions([str(one) for one in some], times, frame["score"][some].tolist(), features=features))


def close(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == pytest.approx(other, rel=1e-9, abs=1e-9)) if isinstance(one, float) else bool(one == other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "window", "hours"),
    [("hour", "1h", range(3, 9)), ("hour_of_week", "1d", range(3, 15)), ("weekday", "1d", range(24))],
)
def test_files_say_what_the_service_says(
    kind: Kind, window: str, hours: range, open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    clock.now = MIDNIGHT + 30 * DAY
    baseline, frame = built(kind), rows(1, 100, 2, hours=hours)
    state = open_state(churn=Model(windows=(window,), seasonality=kind, timezone="UTC"))
    state.send(baselines=[baseline.to_json()])
    send(state, frame)
    live = [to_json(one) for one in state.view().windows[window]]
    pq.write_table(pa.table(frame), tmp_path / "rows.parquet")
    baseline.save(tmp_path / "b.json")
    options = EvaluationOptions(model="churn", time="time", seasonality=kind)
    found = evaluate_files(
        EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "b.json"),
        replace(options, window=window),
        lambda _: None,
    )
    files = [to_json(one) for one in found.evaluations]
    assert len(live) == len(files) == (6 if window == "1h" else 1)
    for one, other in zip(live, files, strict=True):
        assert one["baseline"]["compared"].startswith("the same")
        assert close(one["baseline"], other["baseline"])
        # the service's newest window is open, and adds nothing yet to what lasts
        assert close(one["drift"] | {"lasting": None}, other["drift"] | {"lasting": None})
        assert not any(feature["state"] == "drift" for feature in one["drift"]["features"].values())
        assert one["drift"]["score"]["state"] != "drift"
        assert one["drift"]["class"]["state"] != "drift"


@pytest.mark.slow
def test_without_seasonality_the_same_windows_drift_and_so_does_a_quiet_morning(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 30 * DAY
    state = open_state(churn=Model(windows=("1h", "1d")))
    state.send(baselines=[built("none").to_json()])
    send(state, rows(1, 100, 2, hours=range(10)))
    view = state.view().windows
    assert sum(one.features["x"].state == "drift" for one in view["1h"]) >= 5
    assert view["1d"][0].features["part"].state == "drift"


@pytest.mark.slow
def test_a_shift_within_the_hour_is_found_and_what_lacks_at_night_is_no_finding(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 30 * DAY
    state = open_state(churn=Model(windows=("1h",), seasonality="hour_of_week"))
    state.send(baselines=[built("hour_of_week").to_json()])
    send(state, rows(1, 200, 2, moved=1.5, hours=range(0, 3)))
    for one in state.view().windows["1h"]:
        assert one.features["x"].state == "drift"
        assert one.features["y"].state == "ok"
        assert not [finding for finding in one.findings if finding.check == "missing"]


def test_a_baseline_that_does_not_know_its_seasons_is_used_as_it_is_and_that_is_said(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + 30 * DAY
    state = open_state(churn=Model(windows=("1h",), seasonality="hour"))
    state.send(baselines=[built("none").to_json()])
    send(state, rows(1, 100, 2, hours=range(1)))
    (one,) = state.view().windows["1h"]
    assert one.compared == (facts.SeasonsUnknown(season="hour"),)


@pytest.mark.slow
def test_past_panes_know_their_seasons(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 30 * DAY
    frame = rows(3, 100, 4)
    state = open_state(churn=Model(windows=("1d",), seasonality="hour", timezone=ZONE))
    state.send(baselines=[built("none").to_json()])
    send(state, frame)
    (key,) = state.keys().values()
    past = unwrap(state.state.queries.baselines.of_production(key, MIDNIGHT, MIDNIGHT + 3 * DAY))
    seasons = unwrap(past.extras.seasons)
    assert seasons.seasonality == Seasonality("hour", ZONE)
    hour = Seasonality("hour", ZONE).of(frame["time"])
    assert seasons.rows[:, 0].tolist() == np.bincount(hour, minlength=24).tolist()
    early = past.bins.features["part"].categories.index("early")  # type: ignore[union-attr]
    counted = [float(((frame["part"] == "early") & (hour == at)).sum()) for at in range(24)]
    assert seasons.by_part["feature:part"][:, early].tolist() == counted
    assert seasons.blocks["feature:x"].counts.sum() == pytest.approx(np.isfinite(frame["x"]).sum(), rel=0.01)


@pytest.mark.slow
def test_a_drift_is_dated_to_the_day_it_began_not_to_the_morning(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 30 * DAY
    state = open_state(churn=Model(windows=("1h",), seasonality="hour_of_week"))
    state.send(baselines=[built("hour_of_week").to_json()])
    hours = range(6, 12)
    send(state, rows(2, 60, 5, hours=hours))
    send(state, rows(1, 60, 6, moved=1.5, hours=hours, first=2))
    last = state.view().windows["1h"][-1]
    (cause,) = unwrap(last.explanation).causes
    assert cause.features == ("x",)
    assert cause.since == MIDNIGHT + 2 * DAY + 6 * HOUR


@pytest.mark.slow
@pytest.mark.parametrize("seasonality", ["", "hour"])
def test_hours_of_the_days_before_are_compared_with_each_other_live_and_in_files(
    seasonality: str, open_state: Open, clock: Clock, tmp_path: Path
) -> None:
    clock.now = MIDNIGHT + 8 * DAY
    frame = rows(6, 30, 8, hours=range(6, 18))
    last = rows(1, 80, 9, hours=range(8, 14), first=6)
    both = {name: np.concatenate([frame[name], last[name]]) for name in frame}
    named: dict[str, Any] = {"seasonality": seasonality} if seasonality else {}
    state = open_state(
        churn=Model(windows=("1h",), reference=ReferenceKeys(last="4d", without="24h"), timezone="UTC", **named)
    )
    baseline = built("none")
    state.send(baselines=[baseline.to_json()])
    send(state, both)
    live = {one.window.start: to_json(one) for one in state.view().windows["1h"]}
    pq.write_table(pa.table(both), tmp_path / "rows.parquet")
    baseline.save(tmp_path / "b.json")
    options = EvaluationOptions(
        model="churn", time="time", seasonality=seasonality, window="1h", reference_last="4d", reference_without="24h"
    )
    path = tmp_path / "b.json"
    found = evaluate_files(
        EvaluationInputs([tmp_path / "rows.parquet"], path),
        options,
        lambda _: None,
    )
    files = {one.window.start: to_json(one) for one in found.evaluations}
    noon = MIDNIGHT + 6 * DAY + 12 * HOUR
    assert "the same hours" in live[noon]["baseline"]["compared"]
    assert live[noon]["baseline"]["compared"] == files[noon]["baseline"]["compared"]
    assert close(live[noon]["drift"], files[noon]["drift"])
    assert live[noon]["drift"]["features"]["x"]["state"] != "drift"


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


def left_out(evaluation: Evaluation) -> list[int]:
    """The days that the reference of a window leaves out."""
    edges = of_type(evaluation.compared[0], facts.OwnLastRows).left_out
    return [at for start, end in zip(edges[::2], edges[1::2], strict=True) for at in range(start, end, DAY)]


def days_between(first: int, end: int) -> list[int]:
    return [MIDNIGHT + day * DAY for day in range(first, end)]


@pytest.mark.slow
def test_a_shift_that_lasts_is_drift_until_the_time_to_accept_it_has_passed(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 26 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(10):
        send_day(state, day)
    for day in range(10, 26):
        send_day(state, day, moved=1.0)
    evaluations = state.view().windows["1d"]
    states = [one.features["x"].state for one in evaluations]
    assert states[:10] == ["ok"] * 10
    assert states[10:21] == ["drift"] * 11
    assert "drift" not in states[23:]
    assert [note.kind for note in evaluations[0].compared] == ["last_rows_too_few"]
    note = facts.OwnLastRows(last="10d", without="24h", rows=1_500, left_out=(), timezone="UTC")
    assert evaluations[10].compared == (note,)
    assert [left_out(evaluations[day]) for day in (11, 20)] == [days_between(10, 11), days_between(10, 20)]
    assert evaluations[10].features["x"].missing_was == 0


@pytest.mark.slow
def test_an_accepted_shift_is_the_reference_of_the_next_day(open_state: Open, clock: Clock) -> None:
    clock.now = MIDNIGHT + 26 * DAY
    accepted = ReferenceKeys(last="10d", without="24h", accepted_until=MIDNIGHT + 15 * DAY)
    state = open_state(churn=Model(windows=("1d",), reference=accepted))
    state.send(baselines=[known().to_json()])
    for day in range(17):
        send_day(state, day, moved=1.0 if day >= 10 else 0.0)
    evaluations = state.view().windows["1d"]
    assert left_out(evaluations[14]) == days_between(10, 14)
    assert (left_out(evaluations[15]), left_out(evaluations[16])) == ([], [])
    assert evaluations[15].features["x"].state != "drift"


@pytest.mark.slow
def test_a_day_whose_late_rows_end_its_drift_is_part_of_later_references_also_after_a_restart(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + 20 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(15):
        send_day(state, day, moved=1.0 if day == 11 else 0.0)
    assert [left_out(one) for one in state.view().windows["1d"][12:]] == [days_between(11, 12)] * 3
    again = open_state(churn=ROLLING)
    send_day(again, 15)
    assert left_out(newest(again)) == days_between(11, 12)
    for some in range(4):
        send_day(again, 11, 1_000, seed=1 + some)
    evaluations = again.view().windows["1d"]
    assert [left_out(one) for one in evaluations[12:]] == [[]] * 4
    assert of_type(evaluations[12].compared[0], facts.OwnLastRows).rows == 10 * 150 + 4_000


@pytest.mark.slow
def test_late_rows_change_what_later_windows_are_compared_with_also_after_a_restart(
    open_state: Open, clock: Clock
) -> None:
    clock.now = MIDNIGHT + 20 * DAY
    state = open_state(churn=ROLLING)
    state.send(baselines=[known().to_json()])
    for day in range(11):
        send_day(state, day)
    assert of_type(newest(state).compared[0], facts.OwnLastRows).rows == 1_500
    send_day(state, 3, 100, seed=1)
    assert of_type(newest(state).compared[0], facts.OwnLastRows).rows == 1_600
    send_day(state, 0, 100, seed=1)
    state.state.parts.evaluator.step = lambda **_: False  # type: ignore[method-assign]  # a crash before the next step
    again = open_state(churn=ROLLING)
    assert of_type(newest(again).compared[0], facts.OwnLastRows).rows == 1_700
    send_day(again, 10, 100, seed=1)
    assert of_type(newest(again).compared[0], facts.OwnLastRows).rows == 1_700
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
    assert [one["drift"]["features"]["age"]["state"] for one in in_files[30:]] == ["ok"] * 2 + ["drift"] * 4
    assert [left_out(one) for one in result.evaluations[32:]] == [days_between(32, day) for day in range(32, 36)]

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
