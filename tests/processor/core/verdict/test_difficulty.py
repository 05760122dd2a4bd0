"""Fewer positives lower the log loss of any model, more raise it: neither makes it healthy, or worse."""

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


@pytest.mark.parametrize("rate", [0.06, 0.25])
def test_a_calibrated_model_is_not_degraded_where_outcomes_are_harder_to_predict(rate: float) -> None:
    harder = rows(12_000, 1.7 * rate, 1.4, seed=6)
    report = driftline.evaluate(
        harder, baseline=rows(20_000, rate, 1.4, seed=7), task="binary", score="score", actual="actual"
    ).to_dict()["windows"][0]
    loss = report["performance"]["changes"]["log_loss"]
    assert loss["low"] > loss["margin"]  # surely higher, by more than the margin
    assert (loss["state"], loss["reason"]) == ("inconclusive", "harder_outcomes")
    assert report["verdict"]["state"] in ("unknown", "at_risk")
    assert "retraining is not needed" in report["verdict"]["action"]


def test_a_model_that_does_not_follow_its_outcomes_is_degraded_where_they_are_harder_to_predict() -> None:
    harder = rows(6_000, 0.42, 1.4, seed=8)
    logit = np.log(harder["score"] / (1 - harder["score"])) - np.log(0.42 / 0.58) + np.log(0.25 / 0.75)
    harder["score"] = 1 / (1 + np.exp(-logit))
    assert evaluated(harder)["verdict"]["state"] == "degraded"


def test_scores_that_are_off_are_a_risk_where_a_lower_log_loss_hides_it() -> None:
    """3.5 % predicted, 5 % actual, beside 10 % in the baseline."""
    rarer = rows(20_000, 0.05, 1.4, seed=9)
    rarer["score"] = 0.66 * rarer["score"]
    was = rows(20_000, 0.1, 1.4, seed=10)
    report = driftline.evaluate(rarer, baseline=was, task="binary", score="score", actual="actual")
    window = report.to_dict()["windows"][0]
    assert window["performance"]["changes"]["log_loss"]["high"] < 0
    assert (window["verdict"]["state"], window["verdict"]["metric"]) == ("at_risk", "mean_score")
    assert window["verdict"]["action"].startswith("Recalibrate")
    assert "may be worse" not in window["verdict"]["evidence"]


def test_without_outcomes_of_one_decision_the_verdict_names_these_rows_and_asks_for_a_sample() -> None:
    """Nobody knows whether a rejected applicant would have paid: more outcomes of others do not help."""
    was, now = rows(20_000, 0.03, 1.4, seed=11), rows(8_000, 0.03, 1.4, seed=12)
    rejected = now["score"] >= 0.1
    now["actual"] = now["actual"].astype("float").where(~rejected)
    report = driftline.evaluate(now, baseline=was, task="binary", score="score", actual="actual", threshold=0.1)
    verdict = report.to_dict()["windows"][0]["verdict"]

    assert (verdict["state"], verdict["reason"]) == ("unknown", "not_comparable")
    assert verdict["headline"].endswith(f"none of the {rejected.sum():,} rows that were predicted '1' has an outcome")
    assert verdict["action"].startswith("Get outcomes of a random sample of these rows")
