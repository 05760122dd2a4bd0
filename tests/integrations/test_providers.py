"""Providers that ``instrument()`` is given are those of the models that no code makes, as of every instrumentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from driftline import declared_models
from driftline.export import lifecycle, pipeline
from driftline_integrations.flask import FlaskInstrumentor
from driftline_integrations.instrumentation.instrumentor import with_providers
from driftline_integrations.sklearn import SklearnInstrumentor
from flask import Flask

from tests.support.service import Service

CONFIG = """
[models.churn]
task = "binary"

[models.churn.routes."POST /predict"]
score = "score"
"""


@pytest.fixture
def providers(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return what instrument() is given, in a process whose records reach nobody."""
    monkeypatch.setenv("DRIFTLINE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(pipeline, "_default", None)  # tests close the process's own when they end
    declared_models._read.clear()
    yield {"tracer_provider": service.tracers, "meter_provider": service.meters}
    declared_models._read.clear()


def test_an_estimator_that_nobody_named_reports_to_them(service: Service, providers: dict[str, Any]) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    SklearnInstrumentor().instrument(**providers)
    try:
        linear_model.LogisticRegression().fit([[0.0], [1.0]], [0, 1]).predict([[0.75]])
    finally:
        SklearnInstrumentor().uninstrument()
    lifecycle.settle_predictions(60.0)  # nothing listens, so a flush would try again for all of its time

    assert [span.name for span in service.spans] == ["predict LogisticRegression"]
    assert sum(service.counts().values()) == 1


def test_a_route_that_the_file_declares_reports_to_them(
    service: Service, providers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "driftline.toml").write_text(CONFIG)
    monkeypatch.setenv("DRIFTLINE_CONFIG", str(tmp_path / "driftline.toml"))
    FlaskInstrumentor().instrument(**providers)
    try:
        app = Flask("shop")
        app.post("/predict")(lambda: {"score": 0.25})
        app.test_client().post("/predict", json={"amount": 17.5})
    finally:
        FlaskInstrumentor().uninstrument()
    lifecycle.settle_predictions(60.0)  # nothing listens, so a flush would try again for all of its time

    assert [span.name for span in service.spans] == ["predict churn"]
    assert sum(service.counts().values()) == 1


def test_they_are_forgotten_when_the_instrumentor_leaves(service: Service, providers: dict[str, Any]) -> None:
    model = service.model(tracer_provider=None, meter_provider=None)
    FlaskInstrumentor().instrument(**providers)
    during = with_providers(model)._identity
    FlaskInstrumentor().uninstrument()

    assert (during.tracer_provider, during.meter_provider) == (service.tracers, service.meters)
    assert with_providers(model) is model


def test_a_block_that_a_model_has_recorded_before_does_not_take_the_providers_with_it(service: Service) -> None:
    plain, other = service.model(), Service()
    with plain.prediction(features={"amount": 17.5}) as prediction:
        prediction.score = 0.25
    instrumentor = SklearnInstrumentor()
    instrumentor.instrument(tracer_provider=other.tracers)
    try:
        with with_providers(plain).prediction(features={"amount": 17.5}) as prediction:
            prediction.score = 0.25
    finally:
        instrumentor.uninstrument()

    assert (len(service.spans), len(other.spans)) == (1, 1)
