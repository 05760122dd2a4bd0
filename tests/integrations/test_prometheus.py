"""Distributions of features in a registry of prometheus_client, as its own parser reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.export import pipeline
from driftline.export.pipeline import pipeline_of
from driftline_integrations.prometheus import FeatureCollector
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.service import Memory, returns

BUCKET, CATEGORY, MISSING = (
    "driftline_feature_distribution_bucket",
    "driftline_feature_categories_total",
    "driftline_feature_missing_values_total",
)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    """Return a registry in a process whose records arrive, and whose metrics are not sent over OTLP."""
    own_pipeline = pipeline.Pipeline(Memory)
    monkeypatch.setattr(pipeline, "_default", own_pipeline)
    registry = CollectorRegistry()
    registry.register(FeatureCollector())
    yield registry
    own_pipeline.close()


def scraped(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Return sample name, feature, and the label that distinguishes its samples → value."""
    assert pipeline_of(None).flush(5.0)
    found = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert (labels.pop("ml_model_name"), labels.pop("ml_model_version")) == ("churn", "1")
            found[sample.name, labels.pop("driftline_feature_name"), *labels.values()] = sample.value
    return found


def zeros(rows: Any) -> Any:
    return np.zeros(len(rows))


def model(**options: Any) -> driftline.Model:
    return driftline.Model("churn", task="binary", version="1", **options)


def test_numbers_texts_and_missing_values_add_up_to_the_rows(registry: CollectorRegistry) -> None:
    score = model().predict(returns(0.25))
    for i in range(40):
        score({"a": float(i % 5 - 1), "b": "x", "c": None if i % 2 else 1.5})

    found = scraped(registry)
    assert [(le, n) for (name, feature, *le), n in found.items() if (name, feature) == (BUCKET, "a")] == [
        (["-0.7071067811865476"], 8), (["0.0"], 16), (["1.0"], 24), (["1.4142135623730951"], 24),
        (["2.0"], 32), (["2.8284271247461903"], 32), (["4.0"], 40), (["+Inf"], 40),
    ]  # fmt: skip
    assert found[CATEGORY, "b", "x"] == 40
    assert found[MISSING, "c", ""] == found["driftline_feature_distribution_count", "c"] == 20
    assert found["driftline_feature_distribution_sum", "c"] == 30
    assert ("driftline_feature_distribution_sum", "a") not in found  # a sum with negative numbers can fall
    score({"a": 1.0, "b": "x", "c": 1.5})
    assert scraped(registry)[CATEGORY, "b", "x"] == 41


def test_with_a_baseline_the_buckets_are_its_bins(registry: CollectorRegistry) -> None:
    frame = pd.DataFrame({"amount": np.arange(1000.0)})
    baseline = driftline.Baseline.from_frame(frame, score=np.zeros(1000), model="churn", task="binary")
    model(baseline=baseline).predict(zeros)(frame)

    counts = [n for (name, *_), n in scraped(registry).items() if name == BUCKET]
    bins: Any = baseline.bins.features["amount"]
    assert counts == [float(edge) for edge in bins.edges] + [1000.0]


def test_values_far_apart_keep_their_count(registry: CollectorRegistry) -> None:
    model().predict(zeros)(np.array([[1e-200], [1e200], *[[1000.0 + i] for i in range(998)]]))

    counts = [n for (name, *_), n in scraped(registry).items() if name == BUCKET]
    assert (counts[0], counts[-2], counts[-1]) == (1, 1000, 1000)


def test_a_sum_that_could_be_the_value_of_one_row_is_not_exposed(registry: CollectorRegistry) -> None:
    model(capture="none").predict(returns(0.25))({"a": 1234.5})

    names = {name for name, *_ in scraped(registry)}
    assert names == {BUCKET}
