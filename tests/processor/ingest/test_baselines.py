"""Which baseline is in force: configured, sent, or learned; and what happens when it changes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.inputs.texts_and_vectors import vector_column
from driftline.tables.table import Column, PredictionTable
from driftline.tables.task import Task
from driftline_processor.config.model import Model

from tests.support.facts import lacking
from tests.support.state_fixtures import Open
from tests.support.state_rows import HOUR, NOON, Clock, Opened, baseline, outcomes, predictions


def rows(n: int, start: int = 0, *, version: str = "1", time: int = NOON) -> PredictionTable:
    rng = np.random.default_rng(start)
    return predictions(
        [str(start + i) for i in range(n)],
        time,
        rng.random(n).tolist(),
        version=version,
        features={"x": rng.random(n).tolist(), "plan": [["a", "b", None][i % 3] for i in range(n)]},
    )


def compared(state: Opened, version: str = "1") -> int:
    """Rows of feature x that were counted over the bins of the newest daily window's baseline."""
    feature = state.view(version=version).windows["1d"][-1].features.get("x")
    return 0 if feature is None else feature.rows


def test_the_first_thousand_rows_become_a_provisional_baseline_and_are_not_compared_with_themselves(
    state: Opened,
) -> None:
    state.send(rows(10))
    view = state.view()
    assert view.baseline is not None
    assert (view.baseline.source, view.baseline.learned, view.baseline.needed) == ("provisional", 10, 1000)
    assert (
        lacking(
            view.hints[0],
            "churn 1",
            "10 of 1,000 rows",
            "driftline.Model('churn'",
            "baseline=",
            "driftline.yaml",
            "models.churn.baseline",
        )
        == []
    )
    assert view.windows["1d"][0].score is not None
    assert view.windows["1d"][0].score.state == "no_baseline"
    state.send(rows(1_500, 10))
    view = state.view()
    assert view.baseline is not None
    assert (view.baseline.source, view.baseline.rows) == ("provisional", 1_000)
    assert view.baseline.features == ("x", "plan")
    assert compared(state) == 510
    assert view.windows["1d"][0].rows == 1_510


@pytest.mark.slow
def test_what_was_learned_survives_a_restart(open_state: Open) -> None:
    open_state().send(rows(400))
    state = open_state()
    assert state.view().baseline.learned == 400  # type: ignore[union-attr]
    state.send(rows(600, 400))
    digest = state.view().baseline.digest  # type: ignore[union-attr]
    state = open_state()
    state.send(rows(50, 1_000))
    assert state.view().baseline.digest == digest  # type: ignore[union-attr]
    assert compared(state) == 50
    assert state.rows("SELECT count(*) FROM learning") == [(0,)]


def test_versions_and_environments_learn_apart(state: Opened) -> None:
    state.send(rows(1_200), rows(100, version="2"))
    assert state.view().baseline.learned == 0  # type: ignore[union-attr]
    assert state.view(version="2").baseline.learned == 100  # type: ignore[union-attr]


def test_a_baseline_that_is_sent_while_learning_counts_the_kept_rows_too(state: Opened) -> None:
    state.send(rows(300))
    state.send(baselines=[baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}).to_json()])
    state.send(rows(100, 300))
    view = state.view()
    assert view.baseline.source == "event"  # type: ignore[union-attr]
    assert compared(state) == 400
    assert state.rows("SELECT count(*) FROM learning") == [(0,)]


def hours_compared(state: Opened) -> list[int]:
    """Rows of feature x that were counted over the bins, of each window."""
    return [one.features["x"].rows if "x" in one.features else 0 for one in state.view().windows["1h"]]


@pytest.mark.parametrize("killed", [False, True])
def test_windows_of_rows_that_were_kept_for_learning_are_compared_once_a_baseline_comes(
    open_state: Open, clock: Clock, killed: bool
) -> None:
    state = open_state(churn=Model(windows=("1h",)))
    state.send(rows(30))
    clock.now += 2 * HOUR
    assert hours_compared(state) == [0]
    sent = baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}).to_json()
    state.send(rows(20, 30, time=clock.now), baselines=[sent])
    if killed:
        state.state.catch_up()
        state.state.parts.evaluator.step = lambda **_: False  # type: ignore[method-assign]  # the end comes before
        state = open_state(churn=Model(windows=("1h",)))
    assert hours_compared(state) == [30, 20]


def test_a_sent_baseline_is_for_its_version_and_the_newest_for_versions_without_one(state: Opened) -> None:
    old = baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}, version="1")
    new = baseline([0.2, 0.8] * 200, {"x": [0.2, 0.8] * 200}, version="2")
    state.send(baselines=[old.to_json(), new.to_json()])
    state.send(rows(5), rows(5, version="2"), rows(5, version="3"))
    digests = [state.view(version=version).baseline.digest for version in "123"]  # type: ignore[union-attr]
    assert digests == [old.digest, new.digest, new.digest]
    assert re.findall(r"ersion (\d)", state.view(version="3").hints[0]) == ["3", "2"]


def test_a_baseline_that_every_process_sends_is_stored_once(open_state: Open) -> None:
    state = open_state()
    text = baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}).to_json()
    state.send(baselines=[text, text])
    state.send(baselines=[text])
    assert state.rows("SELECT count(*) FROM baselines") == [(1,)]
    assert open_state().rows("SELECT count(*) FROM baselines") == [(1,)]


def test_going_back_to_an_older_baseline_is_possible(state: Opened) -> None:
    one = baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200})
    two = baseline([0.2, 0.8] * 200, {"x": [0.2, 0.8] * 200})
    for sent in (one, two, one):
        state.send(baselines=[sent.to_json()])
    state.send(rows(5))
    assert state.view().baseline.digest == one.digest  # type: ignore[union-attr]


def test_the_configured_baseline_wins(open_state: Open, tmp_path: Path) -> None:
    path = tmp_path / "churn.json"
    configured = baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200})
    configured.save(path)
    state = open_state(churn=Model(baseline=path))
    state.send(rows(5), baselines=[baseline([0.2, 0.8] * 200, {"x": [0.2, 0.8] * 200}).to_json()])
    view = state.view()
    assert (view.baseline.source, view.baseline.digest) == ("config", configured.digest)  # type: ignore[union-attr]
    assert compared(state) == 5


def test_a_configured_baseline_of_another_version_is_used_and_said_so(open_state: Open, tmp_path: Path) -> None:
    path = tmp_path / "churn.json"
    baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}, version="1").save(path)
    state = open_state(churn=Model(baseline=path))
    state.send(rows(5), rows(5, version="2"))
    said = "Version 2 has no baseline of its own; it is compared with the baseline of version 1."
    assert said in state.view(version="2").hints
    assert said not in state.view(version="1").hints


def test_a_new_baseline_begins_anew_and_windows_before_it_keep_theirs(state: Opened) -> None:
    day = 24 * 3600 * 10**9
    state.send(baselines=[baseline([0.1, 0.9] * 200, {"x": [0.1, 0.9] * 200}).to_json()])
    state.send(rows(60, time=NOON - day))
    state.send(baselines=[baseline([0.2, 0.8] * 200, {"x": [0.2, 0.8] * 200, "plan": ["a", "b"] * 200}).to_json()])
    state.send(rows(40, 60))
    before, after = state.view().windows["1d"]
    assert (before.features["x"].rows, after.features["x"].rows) == (60, 40)
    assert (list(before.features), list(after.features)) == (["x"], ["x", "plan"])


def test_rows_of_which_no_baseline_can_be_made_do_not_fail_the_next_ones(
    open_state: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> Baseline:
        raise ValueError("no bins")

    state = open_state()
    with monkeypatch.context() as patch:
        patch.setattr(Baseline, "from_tables", fail)
        state.send(rows(1_100))
    assert "no baseline could be learned" in caplog.text
    assert state.view().baseline.learned == 100  # type: ignore[union-attr]
    state.send(rows(1_000, 1_100))
    assert state.view().baseline.rows == 1_000  # type: ignore[union-attr]
    assert compared(state) == 100


@pytest.mark.parametrize(("others", "projected"), [(0, {"face"}), (100, set())])
def test_vectors_are_learned_and_a_number_instead_of_some_stops_no_learning(
    state: Opened, others: int, projected: set[str]
) -> None:
    vectors = rows(1_000 - others)
    vectors.features["face"] = vector_column(np.random.default_rng(1).normal(size=(len(vectors), 4)))
    numbers = rows(others, len(vectors))
    numbers.features["face"] = Column(np.zeros(others))
    state.send(numbers, vectors)
    view = state.view()
    assert view.baseline is not None
    assert (view.baseline.rows, view.baseline.features) == (1_000, ("x", "plan", "face"))
    (kept,) = state.rows("SELECT json FROM baselines")
    assert Baseline.from_json(str(kept[0])).bins.projections.keys() == projected


@pytest.mark.slow
def test_a_class_that_comes_after_the_provisional_baseline_is_learned_all_the_same(open_state: Open) -> None:
    """The first thousand rows of a rare class had none of it, and nobody declared what the classes are."""
    state, said = open_state(), Task("binary")
    scores = [i % 10 / 10 for i in range(1_000)]
    ids = [f"r{i}" for i in range(1_000)]
    state.send(predictions(ids, NOON, scores, predicted=["no"] * 1_000, task=said))
    assert state.view().task.classes == ("no",)
    state.send(predictions(["rare"], NOON + 1, [0.99], predicted=["yes"], task=said))
    state.send(outcomes(["rare", "r1"], ["yes", "no"]))
    view = state.view()
    assert view.baseline is not None
    assert (view.baseline.source, view.baseline.rows) == ("provisional", 1_000)
    assert (view.task.classes, view.outcomes) == (("no", "yes"), 2)
    assert open_state().view().task.classes == ("no", "yes")
