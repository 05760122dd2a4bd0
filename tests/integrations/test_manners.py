"""What OpenTelemetry asks of every instrumentation: a scope of its own, silence on request, and its dependencies."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import driftline
import driftline.testing
import pytest
from driftline.capture.model_identity import VERSION
from driftline.semconv import SCHEMA_URL
from opentelemetry.instrumentation.utils import suppress_instrumentation
from packaging.requirements import Requirement

from tests.support.service import Service, returns
from tests.support.unwrap import unwrap

from .named_objects import ALL, MAKERS, Named, instrumentor_of, lightgbm, onnxruntime, sklearn, xgboost

ROW = {"amount": 17.5}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MLflow writes a model


def scopes(service: Service) -> list[str]:
    """Return the instrumentation scope of each span."""
    service.flush()  # which ends the spans of requests
    return [unwrap(span.instrumentation_scope).name for span in service.spans]


@pytest.mark.filterwarnings("ignore")  # of libraries that are not all of one mind
@pytest.mark.parametrize("make", ALL)
def test_spans_of_an_integration_have_its_own_scope(service: Service, make: Callable[[], Named]) -> None:
    named = make()
    service.model().instrument(named.target, **named.options)

    named.ask()

    assert scopes(service) == [f"driftline.{make.__name__}"]
    scope = unwrap(service.spans[0].instrumentation_scope)
    assert (scope.version, scope.schema_url) == (VERSION, SCHEMA_URL)


def test_spans_of_decorated_functions_have_the_scope_of_the_sdk(service: Service) -> None:
    service.model().predict(returns(0.25))(ROW)

    assert scopes(service) == ["driftline"]


def test_the_scope_is_that_of_the_estimator_where_another_library_calls_it(service: Service) -> None:
    from driftline_integrations.sklearn import instrument

    boosted = xgboost()
    instrument(service.model(), boosted.target)

    boosted.ask()

    assert scopes(service) == ["driftline.xgboost"]


@pytest.mark.filterwarnings("ignore")  # of libraries that are not all of one mind
@pytest.mark.parametrize("make", ALL)
def test_a_suppressed_call_leaves_nothing_behind(service: Service, make: Callable[[], Named]) -> None:
    named = make()
    service.model().instrument(named.target, **named.options)

    with suppress_instrumentation():
        named.ask()

    assert (service.tables(), service.spans, service.counts()) == ([], [], {})
    named.ask()
    assert len(service.table()) == len(service.spans) == sum(service.counts().values()) == 1


def test_a_decorated_function_is_recorded_all_the_same_and_the_estimator_inside_is_not(service: Service) -> None:
    named, model = sklearn(), service.model()
    model.instrument(named.target)

    @model.predict
    def score(order: dict[str, float]) -> float:  # noqa: ARG001
        named.ask()
        return 0.25

    with suppress_instrumentation():
        score(ROW)

    assert list(service.table().features) == ["amount"]
    assert scopes(service) == ["driftline"]


@pytest.mark.filterwarnings("ignore")  # of libraries that are not all of one mind
@pytest.mark.parametrize("make", ALL)
def test_an_instrumentor_depends_on_the_package_that_is_installed(make: Callable[[], Named]) -> None:
    make()  # skipped if no such package is installed
    (dependency,) = instrumentor_of(make).instrumentation_dependencies()
    requirement = Requirement(dependency)

    assert requirement.specifier.contains(metadata.version(requirement.name))


def test_one_of_several_packages_with_the_same_module_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    from driftline_integrations.instrumentation import instrumentor

    def installed(name: str) -> object:
        if name != "xgboost-cpu":
            raise metadata.PackageNotFoundError(name)
        return object()

    monkeypatch.setattr(instrumentor, "distribution", installed)
    needed = {make.__name__: instrumentor_of(make).instrumentation_dependencies() for make in MAKERS}

    assert needed["xgboost"] == ["xgboost-cpu >= 2.0"]
    assert needed["onnxruntime"] == ["onnxruntime >= 1.18"]


@pytest.mark.parametrize("make", [sklearn, xgboost, lightgbm, onnxruntime])
def test_an_object_that_is_named_for_a_second_model_is_recorded_as_that_alone_with_a_line(
    make: Callable[[], Named],
) -> None:
    named = make()
    with driftline.testing.capture() as capture:
        for name in ("first", "second"):
            driftline.Model(name, task="binary").instrument(named.target, **named.options)
        named.ask()
    assert {row.model for row in capture.predictions} == {"second"}
    assert [line for line in capture.log if "recorded as first is now recorded as second only" in line]
