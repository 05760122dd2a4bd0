"""One object per instrumentor: what somebody names, and how it is asked for a prediction."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from tests.support.paths import ROOT

from .quiet import QUIET

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PLACES: dict[str, str] = PROJECT["entry-points"]["opentelemetry_instrumentor"]

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
Y = np.array([0, 0, 1, 1])


class Named(NamedTuple):
    """What somebody names, how it is asked once, and how it is named: options of ``model.instrument``."""

    target: Any
    ask: Callable[[], object]
    options: Mapping[str, Any] = MappingProxyType({})
    wrapped: tuple[type, str] | None = None
    """The attribute of a class that is the library's own where nothing is recorded."""


def fastapi() -> Named:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from starlette.applications import Starlette

    app = FastAPI(**QUIET)
    app.post("/predict")(lambda: {"p": 0.25})
    client = TestClient(app)
    return Named(
        app, lambda: client.post("/predict"), {"routes": {"POST /predict": {"score": "p"}}}, (Starlette, "__call__")
    )


def flask() -> Named:
    from flask import Flask

    app = Flask("shop")
    app.post("/predict")(lambda: {"p": 0.25})
    return Named(
        app, lambda: app.test_client().post("/predict"), {"routes": {"POST /predict": {"score": "p"}}},
        (Flask, "__init__"),
    )  # fmt: skip


def sklearn() -> Named:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(X, Y)
    return Named(fitted, lambda: fitted.predict(X[:1]), wrapped=(LogisticRegression.__mro__[1], "predict"))


def xgboost() -> Named:
    library = pytest.importorskip("xgboost")
    fitted = library.XGBClassifier(n_estimators=2).fit(X, Y)
    return Named(fitted, lambda: fitted.predict(X[:1]), wrapped=(library.XGBClassifier, "predict"))


def lightgbm() -> Named:
    library = pytest.importorskip("lightgbm")
    fitted = library.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, Y)
    return Named(fitted, lambda: fitted.predict(X[:1]), wrapped=(library.LGBMClassifier, "predict"))


def catboost() -> Named:
    library = pytest.importorskip("catboost", reason="catboost is not installed: make frameworks")
    fitted = library.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False).fit(X, Y)
    return Named(fitted, lambda: fitted.predict(X[:1]), wrapped=(library.CatBoostClassifier, "predict"))


def torch() -> Named:
    library = pytest.importorskip("torch", reason="torch is not installed: make frameworks")
    net = library.nn.Sequential(library.nn.Linear(2, 1), library.nn.Sigmoid()).eval()
    return Named(net, lambda: net(library.zeros(1, 2)))


def mlflow() -> Named:
    library = pytest.importorskip("mlflow", reason="mlflow is not installed: make frameworks")
    pyfunc = pytest.importorskip("mlflow.pyfunc")

    class Own(pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
            return np.full(len(model_input), 0.25)

    library.pyfunc.save_model("model", python_model=Own())
    loaded = library.pyfunc.load_model("model")
    return Named(loaded, lambda: loaded.predict(X[:1]), wrapped=(pyfunc.PyFuncModel, "predict"))


def onnxruntime() -> Named:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from onnxruntime import InferenceSession

    from tests.support.onnx_graphs import network

    session = network()
    ask = lambda: session.run(None, {"x": np.zeros((1, 2), np.float32)})  # noqa: E731
    return Named(session, ask, wrapped=(InferenceSession.__mro__[1], "run"))


LARGE = (catboost, torch, mlflow)
MAKERS = (fastapi, flask, sklearn, xgboost, lightgbm, onnxruntime, *LARGE)
ALL = [pytest.param(make, marks=[pytest.mark.frameworks] if make in LARGE else [], id=make.__name__) for make in MAKERS]


def instrumentor_of(make: Callable[[], Named]) -> BaseInstrumentor:
    module, _, name = PLACES[f"driftline_{make.__name__}"].partition(":")
    made: BaseInstrumentor = getattr(import_module(module), name)()
    return made
