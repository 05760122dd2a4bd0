"""Labels that are days late: the model's numbers are on every surface, without a word of configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import I64, Column
from driftline_processor.config.model import Model
from driftline_processor.core import facts
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions
from driftline_processor.evaluation.files.evaluate import evaluate_files, learn_delay
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.readers.row_store import RowStore
from driftline_processor.terminal.api_tables import models_table
from rich.console import Console
from starlette.testclient import TestClient

from tests.support.facts import lacking
from tests.support.fake_view import app_of
from tests.support.html_page import page as page_of
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, MINUTE, NOON, Clock, Opened, outcomes, predictions

ROWS, DAYS = 200, 8
MIDNIGHT = NOON - NOON % DAY
DAILY = Model(windows=("1d",))
TWO_DAYS = OutcomeDelay(2 * DAY, "learned", ROWS * (DAYS - 2))


def broken_model() -> pd.DataFrame:
    """Eight days of a model that is worse than a coin; each label comes 40 hours after its prediction."""
    rng = np.random.default_rng(42)
    at = np.sort(rng.integers(0, DAY, (DAYS, ROWS)), axis=1) + MIDNIGHT + np.arange(DAYS)[:, np.newaxis] * DAY
    score = rng.random(DAYS * ROWS)
    return pd.DataFrame(
        {
            "id": [f"r{row}" for row in range(DAYS * ROWS)],
            "time": at.ravel(),
            "score": score,
            "actual": (rng.random(DAYS * ROWS) < 0.62 - 0.24 * score).astype(int),
            "known": at.ravel() + 40 * 3_600 * 10**9,
        }
    )


def send(state: Opened, clock: Clock, rows: pd.DataFrame) -> pd.DataFrame:
    """Send all rows, and the labels that are known when the last day has just ended; return those with a label."""
    now = MIDNIGHT + DAYS * DAY
    clock.now = now + 3_600 * 10**9
    for start in range(0, len(rows), ROWS):
        day = rows.iloc[start : start + ROWS]
        state.send(predictions(day["id"].tolist(), day["time"].tolist(), day["score"].tolist()))
    state.send(predictions([f"next-{row}" for row in range(ROWS)], now + 1_800 * 10**9))
    labelled = rows[rows["known"] < now - 8 * 3_600 * 10**9]
    state.send(outcomes(labelled["id"].tolist(), labelled["actual"].tolist(), labelled["known"].tolist()))
    return labelled


def exported(state: Opened, metric: str) -> list[float]:
    return [point.value for point in points(state.state) if point.metric == metric]


@pytest.mark.slow
def test_a_broken_model_with_late_labels_shows_its_numbers_everywhere(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    rows = broken_model()
    labelled = send(state, clock, rows)
    view = state.view()
    assert view.outcome_delay == TWO_DAYS._replace(outcomes=len(labelled))
    closed = [one for one in view.windows["1d"] if one.closed]
    assert [one.maturity for one in closed] == ["mature"] * (DAYS - 2) + ["immature"] * 2
    assert closed[-1].immature == (facts.OutcomesMayStillCome(delay=2 * DAY, learned_from=len(labelled)),)

    newest = view.measured("1d")
    assert newest is not None
    assert (newest.window.start, newest.outcome_rows) == (MIDNIGHT + (DAYS - 3) * DAY, ROWS)
    (area,) = (
        point.value
        for point in points(state.state)
        if point.metric == m.DRIFTLINE_PERFORMANCE_VALUE
        and dict(point.attributes).get(a.DRIFTLINE_PERFORMANCE_METRIC) == "roc_auc"
        and a.DRIFTLINE_PERFORMANCE_SLICE not in dict(point.attributes)
    )
    assert area == newest.realized["roc_auc"].value
    assert area < 0.5
    assert exported(state, m.DRIFTLINE_PERFORMANCE_WINDOW_END) == [newest.window.end / 1e9]
    assert exported(state, m.DRIFTLINE_OUTCOME_COVERAGE) == [1.0]

    client = TestClient(app_of(state.state, clock))
    (model,) = client.get("/api/v1/models").json()["models"]
    assert model["outcome_delay"] == {"seconds": 172_800, "source": "learned", "outcomes": len(labelled)}
    assert model["windows"]["1d"]["measured"]["performance"]["roc_auc"]["value"] == pytest.approx(area)
    words, page = page_of(client, "/models/churn").text, client.get("/models/churn").text
    assert lacking(words, "2d", "95 %", f"{len(labelled):,}") == []
    assert "The newest window with final outcomes is <a href=" in page
    console = Console(width=140, color_system=None)
    with console.capture() as shown:
        console.print(models_table(client.get("/api/v1/models").json(), 140, clock.now))
    assert f"{newest.realized['log_loss'].value:.3f}" in shown.get()

    again = open_state(churn=DAILY)
    assert again.view().outcome_delay == view.outcome_delay
    assert [one.maturity for one in again.view().windows["1d"] if one.closed] == [one.maturity for one in closed]


@pytest.mark.slow
def test_what_driftline_yaml_says_wins(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY.model_copy(update={"outcome_delay": timedelta(days=4)}))
    send(state, clock, broken_model())
    view = state.view()
    assert view.outcome_delay == OutcomeDelay(4 * DAY, "configured")
    closed = [one.maturity for one in view.windows["1d"] if one.closed]
    assert closed == ["mature"] * (DAYS - 4) + ["immature"] * 4


@pytest.mark.slow
def test_without_a_mature_window_a_hint_says_what_is_waited_for(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    rows = broken_model().iloc[: 2 * ROWS]
    clock.now = MIDNIGHT + 2 * DAY + 3_600 * 10**9
    state.send(predictions(rows["id"].tolist(), rows["time"].tolist(), rows["score"].tolist()))
    state.send(predictions([f"next-{row}" for row in range(2 * ROWS)], MIDNIGHT + 2 * DAY + 1_800 * 10**9))
    some = rows.iloc[:60]
    state.send(outcomes(some["id"].tolist(), some["actual"].tolist(), some["known"].tolist()))
    hint = state.view().hints[-1]
    assert [part for part in ("2d", "all 60 ", "models.churn.outcome_delay") if part not in hint] == []


@pytest.mark.slow
def test_windows_that_turn_out_to_be_young_are_judged_anew(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    rows = broken_model()
    clock.now = MIDNIGHT + DAYS * DAY + 3_600 * 10**9
    state.send(predictions(rows["id"].tolist(), rows["time"].tolist(), rows["score"].tolist()))
    state.send(predictions([f"next-{row}" for row in range(ROWS)], MIDNIGHT + DAYS * DAY + 1_800 * 10**9))
    assert {one.maturity for one in state.view().windows["1d"] if one.closed} == {"mature"}
    first = rows.iloc[:ROWS]
    state.send(outcomes(first["id"].tolist(), first["actual"].tolist(), first["known"].tolist()))
    maturity = [one.maturity for one in state.view().windows["1d"] if one.closed]
    assert maturity == ["mature"] * (DAYS - 2) + ["immature"] * 2


@pytest.mark.slow
def test_windows_whose_panes_were_rolled_up_stay_as_believed(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=Model(windows=("5m",)))
    first, later = NOON, NOON + 15 * DAY
    for at, rows in ((first, 40), (first + 5 * MINUTE, 60), (first + HOUR, 300)):
        state.send(predictions([f"{at}-{row}" for row in range(rows)], at))
        clock.now = at + 10 * MINUTE
    assert [one.rows for one in state.view().windows["5m"]][:2] == [40, 60]
    clock.now = later + HOUR
    state.send(predictions([f"later-{row}" for row in range(300)], later))
    state.state.settle()
    state.state.tidy_now()
    assert state.rows(f"SELECT DISTINCT span FROM panes WHERE pane < {first + HOUR}") == [(HOUR,)]
    state.send(outcomes([f"later-{row}" for row in range(30)], [1] * 30, later + 40 * DAY))
    view = state.view()
    assert view.outcome_delay.nanoseconds >= 40 * DAY
    assert [one.rows for one in view.windows["5m"]][:2] == [40, 60]


@pytest.mark.slow
def test_files_learn_the_same_delay(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    state = open_state(churn=DAILY)
    rows = broken_model()
    labelled = send(state, clock, rows)
    built = Baseline.from_frame(
        {"score": rows["score"], "actual": rows["actual"]},
        score="score",
        actual="actual",
        model="churn",
        task="binary",
        version="1",
    )
    built.save(tmp_path / "churn.baseline.json")
    rows[["id", "time", "score"]].to_parquet(tmp_path / "rows.parquet")
    told = labelled[["id", "actual"]].assign(time=pd.to_datetime(labelled["known"], utc=True))
    told.to_parquet(tmp_path / "outcomes.parquet")
    found = evaluate_files(
        EvaluationInputs(
            *([tmp_path / "rows.parquet"], tmp_path / "churn.baseline.json", tmp_path / "outcomes.parquet")
        ),
        EvaluationOptions(time="time", id="id", window="1d"),
        lambda _: None,
    )
    assert found.delay == state.view().outcome_delay


MADE = MIDNIGHT + np.arange(6_000) * DAY // 100
"""Sixty days of predictions, a hundred a day."""


def nightly(lag: int) -> I64:
    """Times of outcomes that come each midnight, ``lag`` days after their prediction."""
    return (MADE // DAY + lag + 1) * DAY


@pytest.mark.parametrize(
    ("known", "learned"),
    [
        (MADE + DAY // 24, HOUR),
        (MADE + 40 * DAY, 45 * DAY),
        (nightly(0), DAY),
        (nightly(6), 7 * DAY),
        (MADE + (np.random.default_rng(1).exponential(5, 6_000) * DAY).astype(np.int64), 21 * DAY),
        (MADE[0] + (1 + (MADE - MADE[0]) // (7 * DAY)) * 7 * DAY, 7 * DAY),  # a batch a week
        (np.full(6_000, MADE[-1]), None),  # an import
        (np.full(6_000, MADE[-1] + 90 * DAY), None),  # three months later
        (MADE[-1] + np.arange(6_000) * DAY // 2_000, None),  # an import that takes three days
    ],
)
def test_outcomes_in_bulk_do_not_show_how_late_they_are(known: I64, learned: int | None) -> None:
    expected = OutcomeDelay(outcomes=6_000) if learned is None else OutcomeDelay(learned, "learned", 6_000)
    rows = LabelledPredictions(None, None, Column(numbers=np.ones(len(MADE))), None, MADE, known)
    assert learn_delay(rows, RowStore()) == expected


@pytest.mark.slow
def test_an_import_of_history_does_not_teach_a_delay(open_state: Open, clock: Clock, tmp_path: Path) -> None:
    state = open_state(churn=DAILY)
    rows = broken_model()
    clock.now = MIDNIGHT + DAYS * DAY + HOUR
    some = rows[np.arange(len(rows)) % 8 > 0]
    state.send(predictions(rows["id"].tolist(), rows["time"].tolist(), rows["score"].tolist()))
    clock.now += HOUR
    state.send(outcomes(some["id"].tolist(), some["actual"].tolist(), clock.now))
    assert state.view().outcome_delay.source == "unknown"
    closed = [one for one in state.view().windows["1d"] if one.closed]
    assert {one.maturity for one in closed} == {"mature"}
    assert [round(one.coverage or 0, 3) for one in closed] == [0.875] * len(closed)

    rows[["id", "time", "score"]].to_parquet(tmp_path / "rows.parquet")
    some[["id", "actual"]].assign(time=pd.to_datetime(clock.now, utc=True)).to_parquet(tmp_path / "outcomes.parquet")
    Baseline.from_frame(
        {"score": rows["score"], "actual": rows["actual"]}, score="score", actual="actual", model="churn", task="binary"
    ).save(tmp_path / "churn.baseline.json")
    in_files = evaluate_files(
        EvaluationInputs(
            *([tmp_path / "rows.parquet"], tmp_path / "churn.baseline.json", tmp_path / "outcomes.parquet")
        ),
        EvaluationOptions(time="time", id="id", window="1d"),
        lambda _: None,
    )
    assert in_files.delay.source == "unknown"

    for day in range(1, 4):  # live: outcomes two hours after their predictions, six times a day
        for hour in range(0, 24, 4):
            now = clock.now = MIDNIGHT + (DAYS + day) * DAY + hour * HOUR
            state.send(predictions([f"{day}-{hour}-{row}" for row in range(60)], now))
            clock.now += 2 * HOUR
            state.send(outcomes([f"{day}-{hour}-{row}" for row in range(60)], [1, 0] * 30, clock.now))
    assert open_state(churn=DAILY).view().outcome_delay.nanoseconds == 2 * HOUR


@pytest.mark.slow
def test_a_backfill_does_not_teach_a_delay(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=DAILY)
    for hour in range(0, 20 * 24, 6):
        clock.now = MIDNIGHT + hour * HOUR
        state.send(predictions([f"{hour}-{row}" for row in range(10)], clock.now))
    clock.now += HOUR
    ids = [f"{hour}-{row}" for hour in range(0, 20 * 24, 6) for row in range(10)]
    state.send(outcomes(ids, [1, 0] * (len(ids) // 2), clock.now))
    assert state.view().outcome_delay == OutcomeDelay(0, "unknown", len(ids))


def early_defaults(days: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a perfect model up to now, and the outcomes so far: a default is known sooner than a repayment."""
    rng = np.random.default_rng(seed)
    made = np.sort(rng.uniform(0, days, 150 * days))
    signal = rng.normal(size=len(made))
    score = 1 / (1 + np.exp(3 - signal))
    actual = (rng.random(len(made)) < score).astype(int)
    took = np.where(actual == 1, 2 + rng.exponential(8, len(made)), 12 + rng.exponential(15, len(made)))
    times = [pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(one, unit="D") for one in (made, made + took)]
    rows = pd.DataFrame({"id": np.arange(len(made)), "time": times[0], "signal": signal, "score": score})
    outcome_rows = pd.DataFrame({"id": rows["id"], "actual": actual, "time": times[1]})
    return rows, outcome_rows[made + took <= days]


def test_a_file_that_ends_today_waits_for_its_late_outcomes(tmp_path: Path) -> None:
    rows, arrived = early_defaults(30, seed=1)
    was, all_of_them = early_defaults(90, seed=2)
    was.assign(actual=all_of_them.set_index("id")["actual"].reindex(was["id"]).to_numpy()).dropna().to_parquet(
        tmp_path / "was.parquet"
    )
    rows.to_parquet(tmp_path / "rows.parquet")
    arrived.to_parquet(tmp_path / "outcomes.parquet")
    told: list[str] = []
    options = EvaluationOptions(task="binary", actual="actual", time="time", id="id", score=("score",))

    found = evaluate_files(
        EvaluationInputs(*([tmp_path / "rows.parquet"], tmp_path / "was.parquet", tmp_path / "outcomes.parquet")),
        options,
        told.append,
    )
    assert found.delay.source == "learned"
    assert found.verdict.state == "unknown"
    assert {one.maturity for one in found.evaluations} == {"immature"}

    known = rows.assign(actual=arrived.set_index("id")["actual"].reindex(rows["id"]).to_numpy())
    known.to_parquet(tmp_path / "known.parquet")
    evaluate_files(EvaluationInputs([tmp_path / "known.parquet"], tmp_path / "was.parquet"), options, told.append)
    assert lacking(told[-1], "of the newest fifth of the rows", "give the outcomes with their times (--outcomes)") == []
