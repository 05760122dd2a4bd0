"""One rule for all instrumentors: ``uninstrument()`` ends whatever is recorded of the library, named in code or not.

So do those of OpenTelemetry: ``opentelemetry-instrumentation-fastapi`` takes applications out that ``instrument_app``
was called for.
"""

from __future__ import annotations

import copy
import gc
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from driftline.export import pipeline
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from tests.integrations.quiet import QUIET
from tests.support.paths import ROOT
from tests.support.service import Service

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


def test_every_instrumentor_is_here() -> None:
    assert {f"driftline_{make.__name__}" for make in MAKERS} == set(PLACES)


@pytest.fixture
def home(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A process whose records go to the service's channel, also those of models that nobody names."""
    if (fastapi := sys.modules.get("driftline_integrations.fastapi")) is not None:
        fastapi._leave_class()  # it stays wrapped for applications of other tests, which nobody ends
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pipeline, "_default", pipeline.pipeline_of(service.channel))
    return service


def instrumentor_of(make: Callable[[], Named]) -> BaseInstrumentor:
    module, _, name = PLACES[f"driftline_{make.__name__}"].partition(":")
    made: BaseInstrumentor = getattr(import_module(module), name)()
    return made


def recorded(service: Service) -> int:
    """Return how many predictions were recorded since the last time."""
    service.flush()
    rows = sum(len(table.id) for table in service.tables())
    service.channel.bodies.clear()
    return rows


@pytest.mark.filterwarnings("ignore")  # of libraries that are not all of one mind
@pytest.mark.parametrize("make", ALL)
def test_uninstrument_ends_what_code_named_too_and_leaves_the_library_as_it_was(
    home: Service, make: Callable[[], Named]
) -> None:
    named, instrumentor = make(), instrumentor_of(make)
    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()  # what other tests and examples have left, an application that is still about, say
    owner, attribute = named.wrapped or (type(named.target), "__init__")
    plain = owner.__dict__.get(attribute)
    churn = home.model()

    churn.instrument(named.target, **named.options)
    named.ask()
    assert recorded(home) == 1

    instrumentor.instrument(skip_dep_check=True)
    named.ask()
    assert recorded(home) == 1

    instrumentor.uninstrument()
    named.ask()
    assert recorded(home) == 0
    assert owner.__dict__.get(attribute) is plain

    churn.instrument(named.target, **named.options)
    named.ask()
    assert recorded(home) == 1
    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()
    assert owner.__dict__.get(attribute) is plain


@pytest.mark.slow
def test_an_application_that_is_gone_keeps_nothing_wrapped(home: Service) -> None:
    instrumentor = instrumentor_of(fastapi)
    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()
    named = fastapi()
    owner, attribute = named.wrapped or (object, "")
    plain = owner.__dict__[attribute]
    home.model().instrument(named.target, **named.options)
    assert owner.__dict__[attribute] is not plain
    del named
    gc.collect()

    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()

    assert owner.__dict__[attribute] is plain


@pytest.mark.frameworks
def test_a_copy_of_a_network_is_left_alone_too(home: Service) -> None:
    named = torch()
    home.model().instrument(named.target)
    twin = copy.deepcopy(named.target)
    instrumentor = instrumentor_of(torch)
    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()

    twin(import_module("torch").zeros(1, 2))

    assert recorded(home) == 0


def test_the_instrumentor_of_one_library_leaves_what_was_named_through_another(home: Service) -> None:
    boosted, linear = xgboost(), sklearn()
    for named in (boosted, linear):
        home.model().instrument(named.target)
    instrumentor = instrumentor_of(xgboost)
    instrumentor.instrument(skip_dep_check=True)
    instrumentor.uninstrument()

    boosted.ask()
    assert recorded(home) == 0
    linear.ask()
    assert recorded(home) == 1


def test_what_nobody_named_is_not_recorded_any_more_though_another_of_its_class_was_named(home: Service) -> None:
    named, other = sklearn(), sklearn()
    instrumentor = instrumentor_of(sklearn)
    instrumentor.instrument(skip_dep_check=True)
    other.ask()
    assert recorded(home) == 1
    instrumentor.uninstrument()
    home.model().instrument(named.target)

    other.ask()

    assert recorded(home) == 0
