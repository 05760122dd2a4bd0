"""Performance by slice, as outcomes come: with the prediction or with the outcome, corrected, taken back, rolled up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from driftline.baseline.baseline import Baseline
from driftline.panes.outcome_sums import fold_outcomes
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Fairness, Performance
from driftline_processor.core.evaluation import Evaluation, SlicePerformance
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.performance.realized import realized
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.join import outcome_sums
from driftline_processor.present.evaluation_json import to_json
from driftline_processor.store.database import Connection, read
from msgspec import to_builtins
from starlette.testclient import TestClient

from tests.support.fake_view import app_of
from tests.support.html_page import page as page_of
from tests.support.slow import slow
from tests.support.state_fixtures import Open
from tests.support.state_rows import BINARY, DAY, HOUR, MINUTE, NOON, Clock, Opened, column, outcomes, predictions

OBJECTIVES = ("accuracy >= 0.45 in country", "recall >= 0.1 in country=NL", "precision <= 0.9 in gender over 1d")
FAIR = Performance(
    fairness=Fairness(attributes=("gender",), reference={"gender": "M"}),
    objectives=tuple(map(read_objective, OBJECTIVES)),
)
SLICED = Model(slices=("country",), windows=("1h", "1d"), performance=FAIR)
GIVEN = np.random.default_rng(5)
SCORES, ACTUAL = GIVEN.random(400), GIVEN.integers(0, 2, 400)
COUNTRY, GENDER = GIVEN.choice(["NL", "BE", "FR"], 400), GIVEN.choice(["M", "F"], 400)
IDS = [f"i{row}" for row in range(400)]
TIMES = (NOON + np.arange(400) * MINUTE // 4).tolist()
"""An hour and forty minutes."""


def sent(state: Opened, some: slice = slice(0, 400)) -> None:
    state.send(predictions(IDS[some], TIMES[some], SCORES[some].tolist(), slices={"country": COUNTRY[some].tolist()}))


def told(state: Opened, some: slice = slice(0, 400), at: int = NOON + 3 * HOUR, actual: Any = ACTUAL) -> None:
    state.send(outcomes(IDS[some], actual[some].tolist(), at, slices={"gender": GENDER[some].tolist()}))


def window(state: Opened, name: str) -> Evaluation:
    return next(one for one in state.view().windows[name] if one.rows)


def expected(which: np.ndarray, actual: np.ndarray = ACTUAL) -> dict[str, float | None]:
    rows = np.flatnonzero(which)
    pane = fold_outcomes(BINARY, SCORES[rows, np.newaxis], None, column(actual[rows].tolist()))
    return {name: metric.value for name, metric in realized(pane, BINARY).items()}


def same(found: SlicePerformance, which: np.ndarray, actual: np.ndarray = ACTUAL) -> None:
    assert found.rows == np.count_nonzero(which)
    assert {name: metric.value for name, metric in found.metrics.items()} == {
        name: value if value is None else pytest.approx(value, rel=1e-9)
        for name, value in expected(which, actual).items()
    }


def test_slices_of_predictions_and_of_outcomes_have_their_own_performance(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    sent(state)
    told(state, slice(0, 150))
    told(state, slice(150, 400))
    clock.now = NOON + 3 * DAY
    day = window(state, "1d").performance_slices
    assert sorted(day) == ["country=BE", "country=FR", "country=NL", "gender=F", "gender=M"]
    for value in "NL", "BE", "FR":
        same(day[f"country={value}"], np.equal(COUNTRY, value))
        assert day[f"country={value}"].metrics["accuracy"].low is not None
    same(day["gender=F"], GENDER == "F")
    first = np.arange(400) < 240
    same(window(state, "1h").performance_slices["country=NL"], first & (COUNTRY == "NL"))


@pytest.mark.slow
def test_what_is_corrected_and_taken_back_is_restated_in_every_slice(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    sent(state)
    told(state)
    clock.now = NOON + 3 * DAY
    same(window(state, "1d").performance_slices["gender=F"], GENDER == "F")
    corrected = ACTUAL.copy()
    corrected[:20] = 1 - corrected[:20]
    told(state, slice(0, 20), NOON + 4 * HOUR, corrected)
    state.send(outcomes(IDS[30:40], [None] * 10, NOON + 5 * HOUR, retracted=True))
    moved = GENDER.copy()
    moved[50:60] = "X"
    state.send(outcomes(IDS[50:60], ACTUAL[50:60].tolist(), NOON + 5 * HOUR, slices={"gender": ["X"] * 10}))
    left = ~np.isin(np.arange(400), np.arange(30, 40))
    found = window(state, "1d").performance_slices
    for value in "M", "F", "X":
        same(found[f"gender={value}"], left & (moved == value), corrected)
    for value in "NL", "BE", "FR":
        same(found[f"country={value}"], left & (np.equal(COUNTRY, value)), corrected)


def test_labels_are_told_apart_by_how_long_they_took(state: Opened, clock: Clock) -> None:
    sent(state)
    told(state, slice(0, 100), TIMES[0] + HOUR)
    told(state, slice(100, 250), NOON + 20 * HOUR)
    told(state, slice(250, 400), NOON + 40 * DAY)
    clock.now = NOON + 60 * DAY
    ages = window(state, "1d").ages
    row = np.arange(400)
    assert list(ages) == ["<1h", "<1d", ">=30d"]
    same(ages["<1h"], (row > 0) & (row < 100))
    same(ages["<1d"], (row == 0) | ((row >= 100) & (row < 250)))
    same(ages[">=30d"], row >= 250)


@pytest.mark.slow
def test_who_says_the_same_again_later_is_as_old_as_the_last_word(state: Opened, clock: Clock) -> None:
    sent(state)
    told(state, slice(0, 100), NOON + 10 * MINUTE)
    clock.now = NOON + 10 * DAY
    assert list(window(state, "1d").ages) == ["<1h"]
    told(state, slice(0, 40), NOON + 3 * DAY)
    ages = window(state, "1d").ages
    row = np.arange(400)
    same(ages["<7d"], row < 40)
    same(ages["<1h"], (row >= 40) & (row < 100))


@pytest.mark.slow
def test_days_that_are_rolled_up_are_restated_whole(open_state: Open, clock: Clock) -> None:
    state = open_state(timedelta(days=365), churn=SLICED)
    sent(state)
    told(state)
    clock.now = NOON + 100 * DAY
    state.send(predictions(["late"], NOON + 100 * DAY, [0.5]))
    state.view()
    state.state.parts.upkeep.step()
    assert state.rows("SELECT DISTINCT span FROM slice_panes WHERE fold LIKE 'task:%'") == [(DAY,)]
    same(window(state, "1d").performance_slices["gender=F"], GENDER == "F")
    corrected = ACTUAL.copy()
    corrected[100:140] = 1 - corrected[100:140]
    told(state, slice(100, 140), NOON + 90 * DAY, corrected)
    same(window(state, "1d").performance_slices["gender=F"], GENDER == "F", corrected)


@pytest.mark.slow
def test_fairness_says_on_which_rows_it_is_measured(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    sent(state)
    told(state, slice(0, 300))
    clock.now = NOON + 3 * DAY
    (found,) = window(state, "1d").fairness
    assert (found.attribute, found.reference, found.coverage, found.labelled_coverage) == ("gender", "M", None, 1.0)
    assert {one.basis for one in found.criteria} == {"labelled rows"}
    selected = SCORES[:300] >= 0.5
    rates = {value: selected[GENDER[:300] == value].mean() for value in "MF"}
    assert found.criteria[0].difference == pytest.approx(abs(rates["M"] - rates["F"]), rel=1e-9)


def built(seed: int) -> str:
    rng = np.random.default_rng(seed)
    frame = {"income": rng.normal(size=500), "score": rng.random(500)}
    return Baseline.from_frame(frame, score="score", features=["income"], model="churn", task="binary").to_json()


@pytest.mark.parametrize("baselines", [(), (150,), (0, 150)], ids=["none", "one", "two"])
def test_a_slice_has_all_its_rows_whatever_baseline_came_in_the_middle_of_a_window(
    open_state: Open, clock: Clock, baselines: tuple[int, ...]
) -> None:
    state = open_state(churn=SLICED)
    for first, last in ((0, 150), (150, 300), (300, 400)):
        if first in baselines:
            state.send(baselines=[built(first)])
        some = slice(first, last)
        said: Any = {"country": COUNTRY[some].tolist(), "gender": GENDER[some].tolist()}
        features: Any = {"income": SCORES[some].tolist()}
        state.send(predictions(IDS[some], TIMES[some], SCORES[some].tolist(), features=features, slices=said))
    state.send(outcomes(IDS[:350], ACTUAL[:350].tolist(), NOON + 3 * HOUR))
    clock.now = NOON + 3 * DAY
    day = window(state, "1d")
    assert {name: (one.predictions, one.rows) for name, one in day.performance_slices.items()} == {
        f"{key}={one}": (np.sum(column == one), np.sum(column[:350] == one))
        for key, column in (("country", COUNTRY), ("gender", GENDER))
        for one in np.unique(column)
    }
    (found,) = day.fairness
    assert (found.coverage, found.labelled_coverage) == (1.0, 1.0)
    rates = {value: (SCORES[np.equal(GENDER, value)] >= 0.5).mean() for value in "FM"}
    assert {one.value: one.rates["selection_rate"].value for one in found.groups} == pytest.approx(rates)


@pytest.mark.slow
def test_the_values_of_a_key_that_comes_with_outcomes_are_known_after_a_restart(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    sent(state)
    told(state, slice(0, 200))
    state.view()
    assert state.state.parts.intake.slices.of(1, "gender") in (("F", "M"), ("M", "F"))
    again = open_state(churn=SLICED)
    told(again, slice(200, 400))
    clock.now = NOON + 3 * DAY
    same(window(again, "1d").performance_slices["gender=M"], GENDER == "M")


@pytest.mark.slow
@pytest.mark.parametrize("with_prediction", [True, False])
def test_live_and_on_files_slices_ages_and_fairness_are_the_same(
    open_state: Open, clock: Clock, tmp_path: Path, with_prediction: bool
) -> None:
    """The attribute comes with the prediction, or with the outcome alone. Every other hour most decisions are wrong."""
    rng, times = np.random.default_rng(3), NOON + np.arange(400) * 90 * MINUTE // 60
    actual = (rng.random(400) < np.where(times // HOUR % 2, 0.9, 0.2)) == (SCORES >= 0.5)
    income = rng.normal(size=400)
    built = {"income": rng.normal(size=3_000), "score": rng.random(3_000)}
    before = Baseline.from_frame(built, score="score", features=["income"], model="churn", task="binary", version="1")
    known = np.arange(400) < 350
    age = np.where(np.arange(400) < 200, 30 * MINUTE, 3 * DAY)
    said = {"country": COUNTRY, **({"gender": GENDER} if with_prediction else {})}
    later = {} if with_prediction else {"gender": GENDER[known].tolist()}

    state = open_state(churn=SLICED)
    state.send(baselines=[before.to_json()])
    slices: Any = {name: values.tolist() for name, values in said.items()}
    state.send(predictions(IDS, times.tolist(), SCORES.tolist(), features={"income": income.tolist()}, slices=slices))
    known_at = (times + age)[known].tolist()
    state.send(outcomes(np.array(IDS)[known].tolist(), actual[known].astype(int).tolist(), known_at, slices=later))
    clock.now = NOON + 10 * DAY
    live = window(state, "1d")

    rows = {"id": IDS, "time": pd.to_datetime(times), "score": SCORES, "income": income, **said}
    pd.DataFrame(rows).to_parquet(tmp_path / "rows.parquet")
    truth = {"id": np.array(IDS)[known], "actual": actual[known].astype(int), "time": pd.to_datetime(known_at)}
    pd.DataFrame({**truth, **{f"slice.{name}": values for name, values in later.items()}}).to_parquet(
        tmp_path / "outcomes.parquet"
    )
    before.save(tmp_path / "baseline.json")
    files = ([tmp_path / "rows.parquet"], tmp_path / "baseline.json", tmp_path / "outcomes.parquet")
    declared = tmp_path / "driftline.yaml"
    fair = {"fairness": {"attributes": ["gender"], "reference": {"gender": "M"}}, "objectives": [*OBJECTIVES]}
    declared.write_text(yaml.safe_dump({"models": {"churn": {"performance": fair}}}))
    options = EvaluationOptions(slices=("country",), window="1d", performance=declared)
    [in_file] = evaluate_files(EvaluationInputs(*files), options, print).evaluations

    assert list(live.performance_slices) == list(in_file.performance_slices)
    assert len(live.performance_slices) == 5
    assert {one.metrics["accuracy"].interval for one in live.performance_slices.values()} == {"blocks"}
    assert list(live.ages) == list(in_file.ages) == ["<1h", "<7d"]
    assert set(live.slices) == set(in_file.slices) == {"country=BE", "country=FR", "country=NL"}
    told, told_of_file = to_json(live)["performance"], to_json(in_file)["performance"]
    for part in ("slices", "label_age", "fairness"):
        assert nearly(told[part]) == told_of_file[part]
    assert [one.rule for one in live.objectives] == list(OBJECTIVES)
    assert live.objectives[0].slices.keys() == {"country=BE", "country=FR", "country=NL"}
    assert [nearly(to_builtins(one)) for one in live.objectives] == [to_builtins(one) for one in in_file.objectives]
    (one,) = live.fairness
    assert {criterion.basis for criterion in one.criteria} == (
        {"predictions", "labelled rows"} if with_prediction else {"labelled rows"}
    )
    assert one.coverage == (1.0 if with_prediction else None)


def nearly(value: Any) -> Any:
    """The same, and numbers to 1e-9."""
    if isinstance(value, dict):
        return {name: nearly(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(nearly(one) for one in value)
    return pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value


def test_slices_are_metrics_a_page_and_json(open_state: Open, clock: Clock) -> None:
    state = open_state(churn=SLICED)
    sent(state)
    told(state)
    clock.now = NOON + 3 * DAY
    found = window(state, "1d")
    view = state.state
    values = {
        dict(point.attributes).get(a.DRIFTLINE_PERFORMANCE_SLICE): point.value
        for point in points(view)
        if point.metric == m.DRIFTLINE_PERFORMANCE_VALUE
        and dict(point.attributes)[a.DRIFTLINE_PERFORMANCE_METRIC] == "accuracy"
        and dict(point.attributes)[a.DRIFTLINE_WINDOW] == "1d"
    }
    assert set(values) == {None, *found.performance_slices, "label_age=<1d"}
    assert values["gender=F"] == found.performance_slices["gender=F"].metrics["accuracy"].value
    states = {
        (dict(point.attributes)[a.DRIFTLINE_FAIRNESS_CRITERION], dict(point.attributes)[a.DRIFTLINE_STATE])
        for point in points(view)
        if point.metric == m.DRIFTLINE_FAIRNESS_STATUS and dict(point.attributes)[a.DRIFTLINE_WINDOW] == "1d"
    }
    assert states == {(one.name, one.state) for one in found.fairness[0].criteria}
    objectives = {
        dict(point.attributes)[a.DRIFTLINE_PERFORMANCE_SLICE]: dict(point.attributes)[a.DRIFTLINE_STATE]
        for point in points(view)
        if point.metric == m.DRIFTLINE_OBJECTIVE_STATUS and dict(point.attributes)[a.DRIFTLINE_WINDOW] == "1d"
    }
    assert objectives == {one.slice.partition("=")[0]: one.state for one in found.objectives} | {
        "country=NL": found.objectives[1].state,
        "country": found.objectives[0].state,
    }
    page = TestClient(app_of(view, clock))
    words = page_of(page, "/models/churn/performance?window=1d").text
    answer = page.get("/api/v1/models/churn/evaluations?window=1d").json()["windows"][-1]["performance"]
    assert answer["slices"]["gender=F"]["metrics"]["accuracy"]["value"] == values["gender=F"]
    assert list(answer["label_age"]) == ["<1d"]
    short = page.get("/api/v1/models/churn/evaluations?window=1d&slices=false").json()["windows"][-1]
    assert (short["performance"]["slices"], short["performance"]["label_age"], short["drift"]["slices"]) == (None,) * 3
    assert short["performance"]["objectives"] == answer["objectives"]
    assert answer["objectives"][0]["slices"] == found.objectives[0].slices
    for text in ("Performance by slice", "country=NL", "Fairness", "disparate impact", "compared with M"):
        assert text in words


PERIOD = 10 * DAY


def spread(state: Opened, period: int = 0, panes: range = range(0)) -> list[tuple[object, ...]]:
    """Send 300 predictions of a period, each in a pane of its own, and their outcomes; correct those of some panes.

    Return all sums, with times since the start of the period.
    """
    start = NOON + period * PERIOD
    ids, times = [f"{period}-{row}" for row in range(300)], [start + row * 5 * MINUTE for row in range(300)]
    state.send(predictions(ids, times, SCORES[:300].tolist(), slices={"country": COUNTRY[:300].tolist()}))
    state.send(outcomes(ids, ACTUAL[:300].tolist(), start + 2 * DAY))
    state.state.join_now()
    if panes:
        state.send(outcomes([ids[row] for row in panes], [int(1 - ACTUAL[row]) for row in panes], start + 3 * DAY))
        state.state.join_now()
    return state.rows(
        "SELECT fold, part, idx, pane - ? AS pane, sum(value) AS value FROM sums"
        " WHERE fold LIKE 'task:%' AND pane BETWEEN ? AND ? GROUP BY ALL HAVING sum(value) <> 0 ORDER BY ALL",
        *(start, start - DAY, start + 2 * DAY),
    )


@pytest.mark.slow
def test_a_recomputation_reads_all_panes_together(open_state: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    state, queries = open_state(churn=SLICED), list[str]()

    def counted(connection: Connection, query: str, *parameters: object, **tables: pa.Table) -> pa.Table:
        queries.append(query)
        return read(connection, query, *parameters, **tables)

    monkeypatch.setattr(outcome_sums, "read", counted)
    spread(state, 0)
    spread(state, 1)
    counts = []
    for period, panes in ((0, range(1)), (1, range(300))):
        queries.clear()
        ids = [f"{period}-{row}" for row in panes]
        state.send(outcomes(ids, [int(1 - ACTUAL[row]) for row in panes], NOON + 30 * DAY))
        state.state.join_now()
        counts.append(len(queries))
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("limit", ["MOST_AT_ONCE", slow("MOST_RANGES")])
def test_a_recomputation_in_parts_has_the_same_sums(
    open_state: Open, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    state, some = open_state(churn=SLICED), range(0, 300, 7)
    whole = spread(state, 0, some)
    monkeypatch.setattr(outcome_sums, limit, 2)
    assert spread(state, 1, some) == whole
    assert spread(state, 2) != whole


def test_periods_are_recomputed_only_if_all_of_their_rows_are_stored(state: Opened) -> None:
    spread(state)
    panes = [(NOON + row * 5 * MINUTE, NOON + (row + 1) * 5 * MINUTE) for row in range(300)]
    ((series, _),) = state.keys().items()
    with state.state._store.reading() as connection:
        assert outcome_sums.kept_stretches(connection, series, panes) == panes
        assert outcome_sums.kept_stretches(connection, series, []) == []
        connection.execute("DELETE FROM joined WHERE time = ?", [panes[20][0]])
        hour = slice(12, 24)  # slices are stored per hour
        assert outcome_sums.kept_stretches(connection, series, panes) == panes[: hour.start] + panes[hour.stop :]
        assert outcome_sums.kept_stretches(connection, series, panes[hour]) == []
