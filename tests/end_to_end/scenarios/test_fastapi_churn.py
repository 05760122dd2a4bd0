"""Scenario 4: a churn model behind FastAPI, its handler unchanged; drift of each day against the training set."""

from __future__ import annotations

import http.client
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support.sdk_fixtures import _inside as _inside
from tests.support.serve import serve

from .stage import Section, days, drifted, evaluated, live, same

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, ROWS, SINCE = 5, 150, 3
"""On the fourth day prices rise."""


def customers(rng: np.random.Generator, rows: int, shifted: bool = False) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "tenure": np.round(rng.gamma(2, 15, rows)),
            "charges": np.round(rng.normal(83 if shifted else 65, 18, rows), 2),
            "calls": rng.poisson(1.3, rows),
            "contract": rng.choice(["monthly", "yearly"], rows, p=[0.6, 0.4]),
        }
    )


def trained(training: pd.DataFrame, rng: np.random.Generator) -> Any:
    X = np.column_stack([training[["tenure", "charges", "calls"]], training["contract"] == "monthly"]).astype(float)
    leaves = X @ [-0.03, 0.03, 0.5, 0.8] - 2.5 + rng.logistic(size=len(X)) > 0
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, leaves)
    training["probability"] = classifier.predict_proba(X)[:, 1]
    return classifier


def test_psi_per_feature_per_day_is_the_same_from_the_endpoint_and_from_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng, section = np.random.default_rng(4), Section(4)
    training = customers(rng, 4_000)
    names: dict[str, Any] = {"training": training, "classifier": trained(training, rng)}
    for block in (0, 1):
        section.run(block, names)
    log: list[dict[str, Any]] = []
    with live(tmp_path, section.yaml[0], START) as stage:
        section.run(2, names)
        with serve(names["app"]) as url:
            client = http.client.HTTPConnection(urlsplit(url).netloc)
            for at, day in enumerate(days(START, DAYS)):
                stage.clock.set(day)
                for row in customers(rng, ROWS, at >= SINCE).to_dict("records"):
                    stage.clock.advance(minutes=9)
                    customer: dict[Any, Any] = {"customer": f"C-{len(log)}", **row}
                    client.request("POST", "/churn", json.dumps(customer), {"content-type": "application/json"})
                    answer = client.getresponse()
                    assert answer.headers["x-prediction-id"] == customer["customer"]
                    log.append({"time": stage.clock.now.isoformat(), **customer, **json.loads(answer.read())})
            client.close()
        said = stage.windows("churn", [ROWS] * DAYS)
        page = stage.metrics()

    Path("requests.ndjson").write_text("".join(json.dumps(row) + "\n" for row in log))
    told = evaluated(*section.commands[0])
    assert same(said, told) == []
    assert drifted(told) == [[]] * SINCE + [["charges", "score"]] * (DAYS - SINCE)
    assert set(told[0]["drift"]["features"]) == {"tenure", "charges", "calls", "contract"}
    psi = {
        sample.labels["driftline_feature_name"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "driftline_drift_value" and sample.labels["driftline_drift_method"] == "psi"
        if sample.labels["driftline_drift_column"] == "feature"
    }
    newest = told[-1]["drift"]["features"]
    assert psi == pytest.approx({name: one["methods"]["psi"]["value"] for name, one in newest.items()}, abs=1e-9)
    assert psi["charges"] > 0.25 > 0.1 > max(value for name, value in psi.items() if name != "charges")
