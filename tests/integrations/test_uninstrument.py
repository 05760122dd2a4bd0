"""One rule for all instrumentors: ``uninstrument()`` ends whatever is recorded of the library, named in code or not.

So do those of OpenTelemetry: ``opentelemetry-instrumentation-fastapi`` takes applications out that ``instrument_app``
was called for.
"""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from driftline.export import pipeline

from tests.support.service import Service

from .named_objects import ALL, MAKERS, PLACES, Named, fastapi, instrumentor_of, sklearn, torch, xgboost


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
