"""A service of another language, with an OpenTelemetry SDK that we did not write, and no line of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import NumberBins, count
from driftline.panes.pane import Pane
from driftline.tables.table import Column
from driftline_processor.core.drift.rule import drift

from tests.support.paths import ROOT

from .peers import Driftline, eventually, get

pytestmark = pytest.mark.interop

ROWS = 4_000
MODULES = Path(os.environ.get("DRIFTLINE_TEST_JS", ROOT / ".peers/js"))
METRICS = {
    "order.amount": {"feature": "amount"},
    "order.plan": {"feature": "plan", "category_attribute": "plan"},
}


@pytest.mark.parametrize(
    ("aggregation", "temporality"),
    [
        ("exponential", "delta"),
        ("explicit", "cumulative"),
        pytest.param("exponential", "cumulative", marks=pytest.mark.slow),
        pytest.param("explicit", "delta", marks=pytest.mark.slow),
    ],
)
def test_histograms_of_the_javascript_sdk_tell_the_drift_of_their_rows(
    tmp_path: Path, aggregation: str, temporality: str
) -> None:
    node = shutil.which("node")
    if node is None or not (MODULES / "node_modules/@opentelemetry/sdk-metrics").exists():
        pytest.skip("OpenTelemetry's SDK for JavaScript is not installed; `make interop` does it where there is npm")
    rng = np.random.default_rng(3)
    reference = {"amount": rng.lognormal(3, 0.6, 8_000), "plan": rng.choice(["free", "pro"], 8_000)}
    known = Baseline.from_frame(reference, score=np.zeros(8_000), model="pricing", task="regression")
    known.save(tmp_path / "baseline.json")
    amounts, plans = rng.lognormal(3.2, 0.6, ROWS), rng.choice(["free", "pro"], ROWS)
    bins = known.bins.features["amount"]
    assert isinstance(bins, NumberBins)
    bounds = np.nextafter(bins.edges, -np.inf).tolist()  # those of the baseline: then nothing is lost
    orders = json.dumps({"amount": amounts.tolist(), "plan": plans.tolist(), "bounds": bounds})
    parts = {"rows": np.full(3, float(ROWS)), "feature:amount": count(bins, Column(numbers=amounts))}
    exact = drift(Pane(parts), known).features["amount"]

    beside = Driftline()
    models = {"pricing": {"baseline": str(tmp_path / "baseline.json"), "windows": ["1mo"], "metrics": METRICS}}
    with beside.up(tmp_path, models=models):
        command = [node, str(Path(__file__).with_name("shop.mjs")), f"{beside.http}/v1/metrics"]
        said = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": temporality, "MODULES": str(MODULES)}
        said = {**os.environ, **said}
        subprocess.run([*command, aggregation], input=orders, text=True, check=True, timeout=60, env=said)
        found = eventually(
            lambda: get(f"{beside.web}/api/v1/models/pricing/evaluations?window=1mo"),
            lambda found: found["windows"] and found["windows"][-1]["rows"] == ROWS,
        )
    assert found["environment"] == "live"
    features = found["windows"][-1]["drift"]["features"]
    assert (features["amount"]["state"], features["plan"]["state"]) == ("drift", "ok")
    slack = 0.004 if aggregation == "exponential" else 1e-9
    ks = exact.methods["ks"].value
    assert features["amount"]["methods"]["ks"]["value"] == pytest.approx(ks, abs=slack)
