"""Fewer positives lower the log loss of any model; they do not make it healthy."""

from __future__ import annotations

from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest


def rows(n: int, rate: float, skill: float, seed: int) -> pd.DataFrame:
    """Return rows with scores of the right level, and the positives' input ``skill`` deviations above the others'."""
    random = np.random.default_rng(seed)
    actual = (np.arange(n) < round(n * rate)).astype(int)
    signal = random.normal(size=n) + skill * actual
    logit = skill * signal - skill**2 / 2 + np.log(rate / (1 - rate))
    return pd.DataFrame({"signal": signal, "score": 1 / (1 + np.exp(-logit)), "actual": actual})


WAS = rows(20_000, 0.25, 1.4, seed=1)


def evaluated(now: pd.DataFrame) -> dict[str, Any]:
    report = driftline.evaluate(now, baseline=WAS, task="binary", score="score", actual="actual")
    found: dict[str, Any] = report.to_dict()["windows"][0]
    return found


def test_a_model_that_hardly_ranks_is_not_healthy_because_few_click() -> None:
    few = evaluated(rows(300, 0.08, 0.3, seed=2))
    loss = few["performance"]["changes"]["log_loss"]
    assert loss["high"] < 0  # its log loss is surely lower than that of the baseline
    assert (loss["state"], loss["reason"]) == ("inconclusive", "easier_outcomes")
    assert few["verdict"]["state"] != "healthy"

    many = evaluated(rows(6_000, 0.08, 0.3, seed=3))
    assert (many["verdict"]["state"], many["verdict"]["metric"]) == ("degraded", "roc_auc")


@pytest.mark.parametrize("rate", [0.08, 0.25])
def test_a_model_that_ranks_as_before_is_healthy_where_fewer_are_positive(rate: float) -> None:
    window = evaluated(rows(6_000, rate, 1.4, seed=4))
    assert window["verdict"]["state"] == "healthy"


def test_a_log_loss_decides_where_the_model_kept_its_skill() -> None:
    window = evaluated(rows(6_000, 0.22, 1.45, seed=5))
    assert (window["verdict"]["state"], window["verdict"]["metric"]) == ("healthy", "log_loss")
