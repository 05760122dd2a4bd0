"""Concept drift of what arrives: each first outcome is fed once, in order of arrival, and a restart changes nothing."""

from __future__ import annotations

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.task import Task
from driftline_processor.config.model import Concept as Watched
from driftline_processor.config.model import Model
from driftline_processor.config.performance import Performance
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.evaluation.files.evaluate import evaluate_files
from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.evaluation.files.inputs import EvaluationInputs
from driftline_processor.exporters.derived_metrics import points
from driftline_processor.join import concept_drift as watching
from driftline_processor.present.evaluation_json import json_of
from driftline_processor.present.sections.concept import concept_sentence
from driftline_processor.store.database import StorageError

from tests.support.facts import lacking
from tests.support.service import Service
from tests.support.state_fixtures import Open
from tests.support.state_rows import DAY, HOUR, NOON, Clock, Opened, outcomes, predictions
from tests.support.unwrap import unwrap

SECOND = 10**9
RATES = np.repeat([0.1, 0.5], [600, 400])
N = len(RATES)
WRONG = np.random.default_rng(5).random(N) < RATES


def ids(first: int = 0, last: int = N) -> list[str]:
    return [f"p{number}" for number in range(first, last)]


def predict(state: Opened, **options: Any) -> None:
    """Send all predictions: each says 1."""
    times = [NOON + SECOND * number for number in range(N)]
    state.send(predictions(ids(), times, [0.9] * N, **options))


def tell(state: Opened, clock: Clock, first: int, last: int) -> None:
    """Send outcomes, a later arrival than all before, and join them."""
    clock.now += SECOND
    actual = np.where(WRONG[first:last], 0, 1).tolist()
    times = [NOON + HOUR + SECOND * number for number in range(first, last)]
    state.send(outcomes(ids(first, last), actual, times))
    state.state.join_now()


def concept(state: Opened, **key: str) -> ConceptDrift:
    return unwrap(state.view(**key).concept)


def test_errors_that_become_more_are_found_and_logged(
    state: Opened, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    predict(state)
    tell(state, clock, 0, 60)
    assert concept(state).state == "learning"
    tell(state, clock, 60, 600)
    assert (concept(state).state, concept(state).outcomes) == ("ok", 600)
    with caplog.at_level(logging.INFO, "driftline_processor.join.concept_drift"):
        tell(state, clock, 600, N)
    assert concept(state).state == "unconfirmed"
    clock.now += 2 * DAY
    found = concept(state)
    assert (found.state, found.outcomes) == ("drift", N)
    [change] = found.changes
    assert found.since == change.since == NOON + 600 * SECOND
    assert NOON + HOUR + 600 * SECOND < change.detected_at < NOON + HOUR + 700 * SECOND
    assert found.before == WRONG[:600].mean()
    assert found.after == WRONG[600:].mean()
    [said] = caplog.messages
    assert lacking(said, "the errors of churn 1 rose", "order", "from 0.1") == []
    assert said.endswith("in predictions since 2024-10-04T12:10:00Z")


@pytest.mark.slow
def test_neither_steps_nor_restarts_change_what_is_found(open_state: Open, clock: Clock) -> None:
    """With restarts while it learns, on both sides of the change and within it, and after it was found."""
    state = open_state()
    predict(state)
    tell(state, clock, 0, N)
    at_once = concept(state)
    other = open_state(churn=Model())
    later = [f"q{number}" for number in range(N)]
    other.send(predictions(later, [NOON + SECOND * number for number in range(N)], [0.9] * N, version="3"))
    for first, last in pairwise([0, 1, 37, 74, 324, 597, 634, 671, 900, N]):
        clock.now += SECOND
        times = [NOON + HOUR + SECOND * number for number in range(first, last)]
        other.send(outcomes(later[first:last], np.where(WRONG[first:last], 0, 1).tolist(), times))
        other = open_state()
    assert concept(other, version="3") == at_once
    assert concept(other) == at_once


@pytest.mark.slow
def test_a_model_whose_mistakes_are_known_first_is_not_called_degraded(open_state: Open, clock: Clock) -> None:
    """A fraud is known after a day, a payment is honest after ten; the model is as good as in its baseline."""
    rng = np.random.default_rng(3)

    def day(number: int) -> tuple[list[str], list[int], list[float], list[int]]:
        scores = rng.beta(0.3, 0.9, 600)
        times = NOON + number * DAY + np.sort(rng.integers(0, 20 * HOUR, 600))
        actual = (rng.random(600) < scores).astype(int)
        return [f"{number}-{row}" for row in range(600)], times.tolist(), scores.tolist(), actual.tolist()

    past = [day(number) for number in range(-28, 0)]
    at = np.array([each for one in past for each in one[1]], "datetime64[ns]")
    usual = np.array([each for one in past for each in one[2]])
    baseline = Baseline.from_frame(
        {"u": usual, "t": at}, score=usual, actual=[each for one in past for each in one[3]], model="churn",
        task="binary", time="t",
    )  # fmt: skip
    state = open_state(churn=Model.model_validate({"windows": ["1d"], "outcome_delay": "11d"}))
    state.send(baselines=[baseline.to_json()])
    waiting: list[tuple[int, str, int]] = []
    states, errors = [], []
    for number in range(24):
        names, times, scores, actual = day(number)
        state.send(predictions(names, times, scores))
        waiting += [
            (time + (DAY if positive else 10 * DAY), name, positive)
            for time, name, positive in zip(times, names, actual, strict=True)
        ]
        clock.now = NOON + (number + 1) * DAY
        known = [one for one in waiting if one[0] <= clock.now]
        waiting = [one for one in waiting if one[0] > clock.now]
        if known:
            state.send(outcomes([one[1] for one in known], [str(one[2]) for one in known], [one[0] for one in known]))
        view = state.view()
        states.append(unwrap(view.verdict).state)
        errors.append(unwrap(view.concept).state)
    assert "unconfirmed" in errors
    assert "drift" not in errors
    assert set(states) <= {"unknown", "healthy", "at_risk"}
    assert states[-1] == "healthy"


def test_arrival_decides_the_order_whoever_came_last(state: Opened, clock: Clock) -> None:
    tell(state, clock, 0, N)  # all outcomes wait
    for first, last in ((600, N), (0, 600)):  # those that go wrong come first
        clock.now += SECOND
        times = [NOON + SECOND * number for number in range(first, last)]
        state.send(predictions(ids(first, last), times, [0.9] * (last - first)))
    found = concept(state)
    assert (found.state, found.outcomes) == ("ok", N)
    [change] = found.changes
    assert [change.before, change.after] == pytest.approx([0.5, 0.13], abs=0.02)
    assert change.since == NOON + 984 * SECOND  # sixteen before the last of them


@pytest.mark.slow
def test_a_correction_is_not_fed_and_counted(state: Opened, clock: Clock) -> None:
    predict(state)
    tell(state, clock, 0, 500)
    before = concept(state)
    state.send(outcomes(ids(0, 200), [0] * 200, NOON + 2 * HOUR))
    after = concept(state)
    right = 200 - int(WRONG[:200].sum())
    assert (after.outcomes, after.corrected) == (500, right)
    assert after.after == before.after
    assert state.view().windows["1d"][-1].realized["accuracy"].value == (500 - right - WRONG[:500].sum()) / 500


def test_of_two_outcomes_in_one_step_the_first_is_fed(state: Opened, clock: Clock) -> None:
    state.send(predictions(ids(0, 200), NOON, [0.9] * 200))
    state.send(outcomes(ids(0, 200), [1] * 200, NOON + HOUR))
    clock.now += SECOND
    state.send(outcomes(ids(0, 200), [0] * 200, NOON + 2 * HOUR))
    found = concept(state)
    assert (found.outcomes, found.corrected, found.after) == (200, 200, 0.0)
    assert state.view().windows["1d"][-1].realized["accuracy"].value == 0.0


@pytest.mark.slow
def test_a_prediction_sent_again_feeds_its_outcome_once(state: Opened, clock: Clock) -> None:
    state.send(predictions(["a", "b"], NOON, [0.9, 0.9], keyed=False))
    state.send(outcomes(["a", "b"], [1, 0]))
    assert concept(state).outcomes == 2
    clock.now += SECOND
    state.send(predictions(["a"], NOON + HOUR, [0.1], keyed=False))  # the outcome belongs to this one now
    found = concept(state)
    assert (found.outcomes, found.corrected) == (2, 1)


@pytest.mark.slow
def test_each_version_and_environment_has_a_stream_of_its_own(state: Opened, clock: Clock) -> None:
    predict(state)
    state.send(predictions(["x"], NOON, [0.9], version="2"))
    tell(state, clock, 0, N)
    state.send(outcomes(["x"], [1]))
    assert concept(state).outcomes == N
    assert concept(state, version="2").outcomes == 1


@pytest.mark.slow
def test_a_step_that_fails_leaves_nothing_behind(state: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    predict(state)
    tell(state, clock, 0, 300)
    before = concept(state)
    with monkeypatch.context() as patch:
        patch.setattr("driftline_processor.join.outcome_join.write_waiting", _fails)
        with pytest.raises(StorageError):
            tell(state, clock, 300, N)
    assert concept_of_now(state) == before
    assert concept(state).outcomes == N
    assert concept(state).changes[0].before == WRONG[:600].mean()


def concept_of_now(state: Opened) -> ConceptDrift | None:
    """Return what is shown, without joining anything."""
    (model,) = state.state.publish().models
    return model.concept


def _fails(*_: object) -> None:
    raise StorageError("the disk is full")


def test_what_breaks_a_detector_breaks_no_join(
    state: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    predict(state)
    monkeypatch.setattr(watching, "losses_of_rows", _fails)
    tell(state, clock, 0, N)
    assert state.view().outcomes == N
    assert (concept(state).state, concept(state).outcomes) == ("unknown", 0)
    assert "concept drift of churn could not be computed" in caplog.text


@pytest.mark.slow
def test_the_search_can_be_ended(open_state: Open, clock: Clock) -> None:
    state = open_state()
    predict(state)
    tell(state, clock, 0, N)
    assert concept(state).state == "unconfirmed"
    state = open_state(churn=Model(concept=Watched(enabled=False)))
    assert state.view().concept is None


def test_a_sample_for_review_has_none(open_state: Open) -> None:
    """The rows that a person reviews are chosen by their score, so that their errors are not those of all rows."""
    state = open_state(churn=Model(performance=Performance(outcomes="sampled")))
    predict(state)
    assert state.view().concept is None


def test_a_ranking_has_none(state: Opened) -> None:
    state.send(predictions(["r"], NOON, [1.0], model="shop", task=Task("ranking")))
    assert state.view("shop").concept is None


def test_metrics_say_the_state_and_by_how_much_errors_rose(state: Opened, clock: Clock) -> None:
    predict(state)
    state.state.settle()
    assert said(state) == {("driftline.drift.status", "unknown"): 1.0}
    tell(state, clock, 0, 600)
    assert said(state) == {("driftline.drift.status", "ok"): 1.0, ("driftline.drift.value", "adwin"): 0.0}
    tell(state, clock, 600, N)
    rise = WRONG[600:].mean() - WRONG[:600].mean()
    assert said(state) == {("driftline.drift.status", "unconfirmed"): 1.0}
    clock.now += 2 * DAY
    state.state.settle()
    assert said(state) == {("driftline.drift.status", "drift"): 1.0, ("driftline.drift.value", "adwin"): rise}


def said(state: Opened) -> dict[tuple[str, str], float]:
    """Return metric, and state or method, of the concept."""
    found = {}
    for point in points(state.state):
        labels = dict(point.attributes)
        if labels.get(a.DRIFTLINE_DRIFT_COLUMN) == "concept":
            assert a.DRIFTLINE_WINDOW not in labels
            key = a.DRIFTLINE_STATE if point.metric == m.DRIFTLINE_DRIFT_STATUS else a.DRIFTLINE_DRIFT_METHOD
            found[point.metric, labels[key]] = point.value
    return found


class TestTheSameRowsInFilesAndLive:
    @pytest.mark.slow
    @pytest.mark.parametrize("task", ["binary", "regression"])
    def test_are_told_the_same(self, open_state: Open, clock: Clock, tmp_path: Path, task: str) -> None:
        rows = self.rows(task)
        reference = self.rows(task, 2_000, changed=False)
        baseline = Baseline.from_frame(
            reference[["amount"]],
            score=reference["score"],
            actual=reference["actual"],
            model="churn",
            version="1",
            task=task,
        )
        baseline.save(tmp_path / "churn.json")
        known = rows[["id", "actual", "known"]].rename(columns={"known": "time"})
        corrected = known.iloc[:40].assign(actual=known["actual"] * 0, time=known["time"].max() + DAY)
        known = pd.concat([known, corrected])
        rows[["id", "time", "amount", "score"]].sample(frac=1, random_state=3).to_parquet(tmp_path / "rows.parquet")
        known.sample(frac=1, random_state=4).to_csv(tmp_path / "outcomes.csv", index=False)
        [one] = [tmp_path / "rows.parquet"]
        in_files = evaluate_files(
            EvaluationInputs([one], tmp_path / "churn.json", tmp_path / "outcomes.csv"), EvaluationOptions(), print
        ).concept

        state = open_state()
        for body in self.sent(rows, known, baseline, task):
            clock.now += SECOND
            state.state.submit("logs", body).result(60)
            state.state.join_now()
        clock.now += 2 * DAY  # the window is closed, and its outcomes had time to arrive
        state.state.settle()
        [view] = state.state.publish().models
        live = unwrap(view.concept)
        assert in_files is not None
        assert (live.state, live.outcomes) == ("drift", N)
        assert live.corrected == (known["actual"].iloc[:40] != 0).sum()
        assert json_of(live) == json_of(in_files)

    @staticmethod
    def rows(task: str, n: int = N, changed: bool = True) -> pd.DataFrame:
        random = np.random.default_rng(7 + n)
        at = np.arange(n)
        score = random.random(n)
        if task == "binary":
            wrong = random.random(n) < (RATES if changed else 0.1)
            actual = np.where(wrong, score < 0.5, score >= 0.5).astype(int)
        else:
            actual = score + random.normal(0, 0.1, n) * (np.where(at < 600, 1, 4) if changed else 1)
        return pd.DataFrame(
            {
                "id": [f"p{number}" for number in at],
                "time": NOON + at * SECOND,
                "amount": random.normal(size=n),
                "score": score,
                "actual": actual,
                "known": NOON + HOUR + at * SECOND,
            }
        )

    @staticmethod
    def sent(rows: pd.DataFrame, known: pd.DataFrame, baseline: Baseline, task: str) -> list[bytes]:
        service = Service()
        model = service.model(task=task, version="1", baseline=baseline)

        @model.predict(id="id", time="time")
        def score(batch: pd.DataFrame) -> Any:
            return rows["score"][batch.index].to_numpy()

        score(rows[["id", "time", "amount"]])
        service.flush()
        for at, one in enumerate(known.itertuples()):
            model.outcome(one.id, one.actual, time=one.time)
            if at % 150 == 0:
                service.flush()
        service.flush()
        return service.channel.bodies


def test_no_value_of_a_state_is_anything_but_json(state: Opened, clock: Clock) -> None:
    predict(state)
    tell(state, clock, 0, 10)
    [(text,)] = state.rows("SELECT state FROM concept")
    assert isinstance(text, str)
    assert not {"NaN", "Infinity"} & set(text.replace(",", " ").split())


@pytest.mark.slow
def test_errors_that_become_more_in_one_slice_are_found_there_live_as_in_a_file(
    open_state: Open, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "driftline_processor.join.concept_drift")
    sliced = Model(slices=("country", "plan"))
    rng = np.random.default_rng(3)
    country = rng.choice(np.array(["NL", "BE", "DE", None], object), N, p=[0.2, 0.3, 0.4, 0.1])
    wrong = rng.random(N) < np.where((country == "NL") & (np.arange(N) >= 500), 0.6, 0.1)
    state = open_state(churn=sliced)
    times = [NOON + SECOND * number for number in range(N)]
    state.send(predictions(ids(), times, [0.9] * N, slices={"country": country.tolist()}))
    actual = np.where(wrong, 0, 1).tolist()
    for first in (0, 300, 700):
        last = {0: 300, 300: 700, 700: N}[first]
        clock.now += SECOND
        told = [NOON + HOUR + SECOND * number for number in range(first, last)]
        state.send(outcomes(ids(first, last), actual[first:last], told))
        state.state.join_now()
        state = open_state(churn=sliced)
    clock.now += 2 * DAY
    live = concept(state)
    assert live.outcomes == N
    assert {name: one.outcomes for name, one in live.slices.items()} == {
        f"country={name}": int((country == name).sum()) for name in ("BE", "DE", "NL")
    }
    assert list(live.drifting()) == ["country=NL"]
    found = live.slices["country=NL"]
    assert unwrap(found.after) > unwrap(found.before) + 0.3
    assert lacking(caplog.text, "churn 1", "country=NL", "rose") == []
    assert json_of(live)["slices"]["country=NL"]["state"] == "drift"
    assert "; in country=NL it rose from" in concept_sentence(live, str)
    series = [dict(point.attributes) for point in points(state.state) if point.metric == m.DRIFTLINE_DRIFT_STATUS]
    of_concept = {
        one.get(a.DRIFTLINE_DRIFT_SLICE): one[a.DRIFTLINE_STATE]
        for one in series
        if one[a.DRIFTLINE_DRIFT_COLUMN] == "concept"
    }
    assert of_concept["country=NL"] == "drift"
    assert (len(of_concept), of_concept["country=BE"]) == (4, "ok")

    rows = pd.DataFrame({"x": rng.normal(size=N), "score": [0.9] * N, "country": country, "actual": actual})
    rows["time"] = pd.to_datetime(times)
    rows.to_parquet(tmp_path / "rows.parquet")
    reference = rows[:500].assign(score=np.linspace(0, 1, 500))
    Baseline.from_frame(
        reference, score="score", actual="actual", time="time", model="m", task="binary", slices=["country"]
    ).save(tmp_path / "baseline.json")
    inputs = EvaluationInputs([tmp_path / "rows.parquet"], tmp_path / "baseline.json")
    options = EvaluationOptions()
    in_file = unwrap(evaluate_files(inputs, options, print).concept)
    assert set(in_file.slices) == set(live.slices)
    for name, one in in_file.slices.items():
        own = live.slices[name]
        assert (one.state, one.outcomes, one.since, one.before, one.after) == (
            *(own.state, own.outcomes, own.since, own.before, own.after),
        )
