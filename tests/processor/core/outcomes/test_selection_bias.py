"""Rows with outcomes that are a selection by score do not show that a model is healthy."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.panes.bins import SCORE_BINS, score_bin
from driftline.panes.pane import Pane
from driftline_processor.core.outcomes.selection_bias import has_selection_bias

from tests.support.evaluated import evaluated


def pane(scores: np.ndarray, known: np.ndarray) -> Pane:
    every, labelled = (
        np.bincount(score_bin(one), minlength=SCORE_BINS).astype(float) for one in (scores, scores[known])
    )
    return Pane({"score_grid:0": every, "score_negative": labelled, "score_positive": np.zeros(SCORE_BINS)})


def test_outcomes_of_chance_are_hardly_ever_a_selection() -> None:
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        scores = rng.beta(2, 5, 2_000)
        found += has_selection_bias(pane(scores, rng.random(2_000) < rng.choice([0.05, 0.3, 0.9])))
    assert found <= 1


@pytest.mark.parametrize("power", [2.0, -0.9])
def test_outcomes_that_follow_the_score_are_a_selection(power: float) -> None:
    rng = np.random.default_rng(3)
    scores = rng.beta(2, 5, 2_000)
    chance = scores**power
    assert has_selection_bias(pane(scores, rng.random(2_000) < 0.6 * chance / chance.max()))


def test_all_outcomes_and_few_are_no_selection() -> None:
    scores = np.linspace(0.01, 0.99, 500)
    assert not has_selection_bias(pane(scores, np.ones(500, bool)))
    assert not has_selection_bias(pane(scores, scores > 0.95))
    assert not has_selection_bias(Pane())


def test_a_biased_sample_does_not_make_a_model_healthy() -> None:
    rng = np.random.default_rng(4)

    def rows(n: int) -> pd.DataFrame:
        x = rng.normal(size=n)
        score = 1 / (1 + np.exp(-1.5 * x))
        return pd.DataFrame({"x": x, "score": score, "y": (rng.random(n) < score).astype(float)})

    reference, whole = rows(8_000), rows(8_000)
    biased = whole.assign(y=whole.y.where(rng.random(8_000) < whole.score))
    options: dict[str, Any] = {
        "task": "binary",
        "score": "score",
        "actual": "y",
        "positive_class": "1",
        "progress": False,
    }
    found = [driftline.evaluate(one, baseline=reference, **options).to_dict() for one in (whole, biased)]
    changes = [one["windows"][0]["performance"]["changes"]["log_loss"]["reason"] for one in found]
    assert changes == [None, "not_comparable"]
    states = [one["verdict"]["state"] for one in found]
    assert states[0] == "healthy"
    assert states[1] != "healthy"


def _rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    score = 1 / (1 + np.exp(-(x + 0.5 * z)))
    return pd.DataFrame({"x": x, "z": z, "score": score, "actual": (rng.random(n) < score).astype(float)})


def _known(rows: pd.DataFrame, kind: str, seed: int) -> pd.DataFrame:
    """Return rows of which about half have an outcome."""
    rank = rows.score.rank(pct=True)
    chance = {
        "random": 0.5 + 0.0 * rank,
        "high scores": 0.05 + 0.9 * (rank > 0.5),
        "higher scores": rank,
        "positives first": pd.Series(np.where(rows.actual == 1, 0.9, 0.4)),
    }[kind]
    return rows.assign(actual=rows.actual.where(np.random.default_rng(seed).random(len(rows)) < chance))


@pytest.mark.parametrize(
    ("kind", "withdrawn"), [("random", 0), ("high scores", 10), ("higher scores", 10), ("positives first", 10)]
)
def test_a_selection_by_score_shows_neither_health_nor_a_loss(kind: str, withdrawn: int) -> None:
    """Ten days each: none of chance is a selection, each of the others is, and none degrades or acquits the model."""
    before, found, states = _rows(5_000, 1), 0, set[str]()
    for seed in range(10):
        now = _known(_rows(2_000, 5_000 + seed), kind, seed)
        result = evaluated(now, before, task="binary")
        found += result.evaluations[0].realized_changes["log_loss"].reason == "not_comparable"
        states.add(result.verdict.state)
    assert found == withdrawn
    if withdrawn:
        assert states == {"unknown"}


def test_a_baseline_of_the_same_selection_is_comparable() -> None:
    before, now = _known(_rows(8_000, 1), "high scores", 1), _known(_rows(4_000, 2), "high scores", 2)
    result = evaluated(now, before, task="binary")
    assert result.evaluations[0].realized_changes["log_loss"].reason != "not_comparable"
