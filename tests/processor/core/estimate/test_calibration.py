"""Calibration from the sums of a pane, beside scikit-learn's from rows."""

from __future__ import annotations

import numpy as np
import pytest
from driftline.panes.bins import SCORE_BINS, score_bin, score_edges
from driftline.panes.pane import Pane
from driftline_processor.core.estimate.sums import calibration
from sklearn.isotonic import IsotonicRegression


def pane(score: np.ndarray, positive: np.ndarray, weight: np.ndarray | None = None) -> Pane:
    at = score_bin(score)
    w = np.ones(len(score)) if weight is None else weight
    sides = {"score_positive": positive, "score_negative": ~positive}
    return Pane({name: np.bincount(at[of], w[of], minlength=SCORE_BINS).astype(float) for name, of in sides.items()})


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_isotonic_regression_of_the_rows(weighted: bool) -> None:
    rng = np.random.default_rng(2)
    score = rng.beta(1.2, 4, 20_000)
    positive = rng.random(20_000) < score**1.5
    weight = rng.choice([1.0, 10.0], 20_000) if weighted else None
    found = calibration(pane(score, positive, weight))
    assert found is not None
    of_rows = IsotonicRegression(out_of_bounds="clip").fit(score_edges()[score_bin(score)], positive, weight)
    at = rng.random(500)
    # between two steps scikit-learn draws a line where a step function jumps
    steps = of_rows.predict(score_edges()[score_bin(at)])
    assert np.mean(np.abs(found.of(at) - steps) < 1e-9) > 0.5
    assert np.abs(found.of(score) - of_rows.predict(score_edges()[score_bin(score)])).max() < 1e-9
    assert (np.diff(found.rates) > 0).all()
    assert found.weights.sum() == pytest.approx(len(score) if weight is None else weight.sum())


def test_without_outcomes_there_is_none() -> None:
    assert calibration(Pane()) is None
    empty = np.zeros(SCORE_BINS)
    assert calibration(Pane({"score_negative": empty, "score_positive": empty})) is None


def test_the_edges_are_those_of_the_grid() -> None:
    edges = score_edges()
    assert (np.diff(edges) > 0).all()
    inner = edges[1:-1]
    assert (score_bin(np.nextafter(inner * (1 + 1e-12), 1)) == np.arange(1, SCORE_BINS - 1)).all()
