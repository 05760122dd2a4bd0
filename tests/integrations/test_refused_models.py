"""A model that the file leaves out for its mistakes: what may be that model is recorded under no other name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from driftline import declared_models
from driftline.export import pipeline as pipelines
from driftline_integrations.estimators import library_method
from driftline_integrations.estimators.model_names import ModelLeftOut, declared_model, model_of
from driftline_integrations.fastapi import FastAPIInstrumentor
from driftline_integrations.sklearn import SklearnInstrumentor
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.integrations.quiet import QUIET
from tests.support.facts import lacking
from tests.support.service import Service

X = np.array([[0.0], [1.0], [2.0], [3.0]])
Y = np.array([0, 0, 1, 1])
LOGISTIC = "sklearn.linear_model.LogisticRegression"


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Let ``DRIFTLINE_CONFIG`` name a file with a text."""

    def write(text: str) -> Path:
        path = tmp_path / "driftline.toml"
        path.write_text(text)
        monkeypatch.setenv("DRIFTLINE_CONFIG", str(path))
        monkeypatch.setattr(declared_models, "_read", {})
        return path

    return write


@pytest.fixture
def everywhere(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Instrument scikit-learn in a process whose records go to the service's channel."""
    monkeypatch.setattr(pipelines, "_default", pipelines.pipeline_of(service.channel))
    SklearnInstrumentor().instrument()
    yield service
    SklearnInstrumentor().uninstrument()


def names_of(service: Service, *fitted: Any) -> list[str]:
    """Let estimators predict, and return the names by which that is recorded."""
    for estimator in fitted:
        estimator.predict_proba(X)
    service.flush()
    return [table.key.model for table in service.tables()]


def logistic() -> LogisticRegression:
    return LogisticRegression().fit(X, Y)


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier().fit(X, Y)


def pipeline() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


def test_the_estimator_that_a_left_out_model_names_is_recorded_under_no_name_and_the_log_says_so_once(
    declare: Callable[[str], Path], everywhere: Service, caplog: pytest.LogCaptureFixture
) -> None:
    path = declare(f'[models.churn]\nvresion = "3"\nestimator = "{LOGISTIC}"\n')
    caplog.set_level(logging.WARNING, "driftline")

    assert names_of(everywhere, logistic(), logistic(), pipeline(), tree()) == ["DecisionTreeClassifier"]

    reason = f"it may be [models.churn] of {path}, which is skipped because of its errors"
    assert [text for text in caplog.messages if "not recorded" in text] == [
        f"driftline: LogisticRegression is not recorded: {reason}",
        f"driftline: Pipeline is not recorded: {reason}",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[models.churn]\nvresion = "3"\n',
        f'[models.churn]\nestimater = "{LOGISTIC}"\n',
        '[models.churn]\nestimator = ["a"]\n',
        '[models.churn]\nvresion = "3"\n[models.churn.routes."POST /predict"]\n',
        "[models.churn",
        '[model.churn]\nversion = "3"\n',
        "models = 3",
    ],
    ids=["anybody", "misspelled", "no text", "routes", "no TOML", "no models", "no tables"],
)
def test_what_nobody_claims_may_be_a_left_out_model_that_does_not_say_which(
    declare: Callable[[str], Path], everywhere: Service, text: str
) -> None:
    declare(text)
    assert names_of(everywhere, logistic(), tree()) == []


def test_other_models_of_the_file_keep_what_they_claim(declare: Callable[[str], Path], everywhere: Service) -> None:
    declare(f'[models.churn]\nvresion = "3"\n[models.fraud]\nestimator = "{LOGISTIC}"\n')
    assert names_of(everywhere, logistic(), tree()) == ["fraud"]


def test_a_model_for_anybody_does_not_take_what_a_left_out_one_names(
    declare: Callable[[str], Path], everywhere: Service
) -> None:
    declare(f'[models.churn]\nvresion = "3"\nestimator = "{LOGISTIC}"\n[models.rest]\n')
    assert names_of(everywhere, logistic(), tree()) == ["rest"]


@pytest.mark.parametrize(("text", "withheld"), [('[models.churn]\nvresion = "3"\n', True), ("[models.fraud]\n", False)])
def test_a_name_of_the_environment_that_is_left_out_is_recorded_under_no_name(
    declare: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, text: str, withheld: bool
) -> None:
    declare(text)
    monkeypatch.setenv("DRIFTLINE_MODEL_NAME", "churn")
    if not withheld:
        assert model_of(logistic()).name == "churn"
        return
    with pytest.raises(ModelLeftOut, match=r"it may be \[models.churn\] of .*, which is skipped because of its errors"):
        model_of(logistic())


def test_models_that_go_by_a_name_are_withheld_by_it(declare: Callable[[str], Path]) -> None:
    declare('[models.churn]\nvresion = "3"\n[models.fraud]\ntask = "binary"\n')

    with pytest.raises(ModelLeftOut):
        declared_model("churn")
    fraud = declared_model("fraud")
    assert fraud is not None
    assert (fraud.name, declared_model("other")) == ("fraud", None)


def test_a_model_of_a_library_that_is_withheld_is_said_so_and_answers(
    declare: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    path = declare('[models.churn]\nvresion = "3"\n')

    def unnamed(_: object) -> library_method.RecordingPlan:
        declared_model("churn")
        raise AssertionError

    library = library_method.LibraryMethod("somebodys", __name__, "Somebodys", "ask", unnamed)
    library._imports.active = True
    caplog.set_level(logging.WARNING, "driftline")

    assert library._place(Somebodys()) is None
    assert lacking(caplog.messages[-1], "[models.churn]", f"{path}") == []


class Somebodys:
    """What a library asks."""


def test_a_mistake_of_the_routes_is_named_and_leaves_their_model_out(
    declare: Callable[[str], Path], everywhere: Service, caplog: pytest.LogCaptureFixture
) -> None:
    path = declare(
        '[models.churn]\ntask = "binary"\n'
        '[models.churn.routes."POST /predict"]\nscores = "p"\n'
        '[models.fraud]\ntask = "binary"\n[models.fraud.routes."POST /predict"]\nscore = "p"\n'
    )
    FastAPIInstrumentor().instrument()
    try:
        app = FastAPI(**QUIET)
        fitted = logistic()

        @app.post("/predict")
        def predict() -> dict[str, float]:
            return {"p": float(fitted.predict_proba(X)[0, 1])}

        assert TestClient(app).post("/predict").status_code == 200
    finally:
        FastAPIInstrumentor().uninstrument()

    assert [text for text in caplog.messages if "models.churn" in text] == [
        f"driftline: {path}: models.churn.routes.'POST /predict'.scores: unknown key; "
        "a route has the keys features, id, time, score, predicted, slices, span_features, limit",
        f"driftline: LogisticRegression is not recorded: it may be [models.churn] of {path}, "
        "which is skipped because of its errors",
    ]
    assert names_of(everywhere) == ["fraud"]
    assert [one.model.name for one in declared_models.declared()] == ["fraud"]
