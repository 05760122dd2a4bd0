"""Scenario 13: a scikit-learn model with a baseline profile, and what Prometheus scrapes: latency, classes, drift."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from driftline.testing import Clock
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LogisticRegression

from tests.integrations.conftest import _plain_classes as _plain_classes
from tests.support.sdk_fixtures import _inside as _inside

from .stage import Section, days, drifted, evaluated, live, same

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, HOURS, ROWS, SINCE = 5, 12, 20, 4
"""Batches of 20 rows, twelve a day; on the last day support is called more often."""


def customers(rng: np.random.Generator, rows: int, shifted: bool = False) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tenure": np.round(rng.gamma(2, 15, rows)),
            "charges": np.round(rng.normal(65, 18, rows), 2),
            "calls": rng.poisson(3.2 if shifted else 1.3, rows),
        }
    )


def takes_40_ms(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let time, which stands still, pass while the classifier works."""
    work = LogisticRegression.decision_function

    def decision_function(self: Any, X: Any) -> Any:
        clock.advance(seconds=0.04)
        return work(self, X)

    monkeypatch.setattr(LogisticRegression, "decision_function", decision_function)


def test_what_prometheus_scrapes_is_what_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng, section = np.random.default_rng(13), Section(13)
    training = customers(rng, 6_000)
    risk = -0.03 * training["tenure"] + 0.03 * training["charges"] + 0.6 * training["calls"] - 2.5
    training.assign(churned=(risk + rng.logistic(size=6_000) > 0).astype(int)).to_parquet("training.parquet")
    names: dict[str, Any] = section.run(0, {})
    scored: list[pd.DataFrame] = []
    with live(tmp_path, section.yaml[0], START) as stage:
        takes_40_ms(monkeypatch, stage.clock)
        section.run(1, names)
        for at, day in enumerate(days(START, DAYS)):
            stage.clock.set(day)
            for _ in range(HOURS):
                batch = customers(rng, ROWS, at >= SINCE)
                chances = names["classifier"].predict_proba(batch)
                scored.append(batch.assign(score=chances[:, 1], time=pd.Timestamp(stage.clock.now)))
                stage.clock.advance(hours=2)
        said = stage.windows("churn", [HOURS * ROWS] * DAYS)
        families = {family.name: family.samples for family in text_string_to_metric_families(stage.metrics())}

    everything = pd.concat(scored)
    everything.to_parquet("scored.parquet")
    told = evaluated(*section.commands[0])
    assert same(said, told) == []
    assert drifted(told) == [[]] * SINCE + [["calls", "score"]] * (DAYS - SINCE)
    newest = told[-1]
    assert newest["drift"]["weighted_fraction"] > newest["drift"]["fraction"] == pytest.approx(1 / 3)

    classes = {one.labels["ml_prediction_class"]: one.value for one in families["driftline_predictions"]}
    leaves = int((everything["score"] >= 0.5).sum())
    assert classes == {"0": len(everything) - leaves, "1": leaves}
    latency = families["driftline_predict_duration_seconds"]
    (seconds,) = (one.value for one in latency if one.name.endswith("_sum"))
    within = {one.labels["le"]: one.value for one in latency if one.name.endswith("_bucket")}
    assert seconds == pytest.approx(0.04 * len(everything))
    assert (within["0.025"], within["0.05"], within["+Inf"]) == (0, len(everything), len(everything))
    values = {
        (
            one.labels["driftline_drift_column"],
            one.labels.get("driftline_feature_name"),
            one.labels["driftline_drift_method"],
        ): one.value
        for one in families["driftline_drift_value"]
    }
    columns = [("feature", name, one) for name, one in newest["drift"]["features"].items()]
    columns += [(part, None, newest["drift"][part]) for part in ("score", "class")]
    expected = {(part, name, how): it["value"] for part, name, one in columns for how, it in one["methods"].items()}
    expected |= {("features", None, how): one["value"] for how, one in newest["drift"]["multivariate"].items()}
    assert values == pytest.approx(expected, abs=1e-9)
    state = {
        (one.labels["driftline_drift_column"], one.labels.get("driftline_feature_name")): one.labels["driftline_state"]
        for one in families["driftline_drift_status"]
    }
    assert {what for what, word in state.items() if word == "drift"} == {
        ("feature", "calls"),
        ("score", None),
        ("class", None),
    }
