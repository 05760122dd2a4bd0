"""Whatever can be called can be decorated, and stays what it was."""

# ruff: noqa: ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import math
import operator
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from driftline.capture.signature import name_of

from tests.support.service import Service

ORDER = {"amount": 0.75}


class Scorer:
    """Scores."""

    def __init__(self) -> None:
        self.factor = 1.0

    def __call__(self, order: dict[str, Any]) -> float:
        return float(order["amount"]) * self.factor

    def method(self, order: dict[str, Any]) -> float:
        return float(order["amount"])


class AsyncScorer:
    async def __call__(self, order: dict[str, Any]) -> float:
        await asyncio.sleep(0)
        return float(order["amount"])


def _scaled(factor: float, order: dict[str, Any]) -> float:
    return factor * float(order["amount"])


async def _scaled_later(factor: float, order: dict[str, Any]) -> float:
    return factor * float(order["amount"])


def _called(function: Any, *args: Any) -> Any:
    """Return what a function of any kind gives in the end."""
    result = function(*args)
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    return result


KINDS = [
    Scorer(),
    AsyncScorer(),
    Scorer().method,
    functools.partial(_scaled, 1.0),
    functools.partial(_scaled_later, 1.0),
    functools.partial(AsyncScorer()),
    functools.lru_cache(lambda order: 0.75),
]


@pytest.mark.parametrize("target", KINDS, ids=lambda target: type(target).__name__)
def test_a_callable_predicts_and_stays_what_it_was(service: Service, target: Any) -> None:
    questions = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.ismethod)
    argument: Any = (1, 2.5) if hasattr(target, "cache_info") else ORDER

    decorated = service.model().predict(target)

    assert _called(decorated, argument) == 0.75
    assert service.attributes()["ml.prediction.score"] == 0.75
    assert service.attributes()[
        "driftline.feature.value.f0" if argument != ORDER else "driftline.feature.value.amount"
    ] in (1, 0.75)
    assert isinstance(decorated, type(target))
    assert decorated == target
    for ask in questions:
        assert ask(decorated) == ask(target)
    if isinstance(target, Scorer | AsyncScorer):  # what Starlette asks of an instance
        for ask in questions[:3]:
            assert ask(decorated.__call__) == ask(target.__call__)
    assert inspect.signature(decorated) == inspect.signature(target)


def test_an_instance_keeps_its_state_and_copies_are_plain(service: Service) -> None:
    scorer = service.model().predict(Scorer())
    scorer.factor = 2.0

    assert scorer(ORDER) == 1.5
    assert scorer.__doc__ == "Scores."
    for twin in (copy.copy(scorer), copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
        assert type(twin) is Scorer
        assert twin(ORDER) == 1.5
    assert pickle.loads(pickle.dumps(service.model().predict(math.sqrt, features=lambda x: x))) is math.sqrt
    assert len(service.spans) == 1


def test_as_attributes_of_a_class_they_bind_as_they_did(service: Service) -> None:
    churn = service.model()

    class Service_:  # noqa: N801
        instance = churn.predict(Scorer())
        partial = churn.predict(functools.partial(_scaled, 1.0))
        cached = churn.predict(functools.lru_cache(lambda self, order: 0.75))

    assert Service_().instance(ORDER) == 0.75
    assert Service_().partial(ORDER) == 0.75
    assert Service_().cached(17.0) == 0.75
    assert Service_.cached.cache_info().misses == 1
    assert [dict(span.attributes or {})["ml.prediction.score"] for span in service.spans] == [0.75] * 3


def test_a_builtin_that_tells_no_parameters_is_told_its_features(service: Service) -> None:
    spend = service.model("spend", task="regression")
    without_signature = operator.itemgetter("amount")
    with pytest.raises(ValueError):
        inspect.signature(without_signature)

    with pytest.raises(TypeError, match=r"the parameters of itemgetter cannot be inspected; specify the features"):
        spend.predict(without_signature)
    score: Any = spend.predict(without_signature, features=lambda order: order)

    assert score(ORDER) == 0.75
    assert service.attributes()["driftline.feature.value.amount"] == 0.75


async def _async_steps(order: dict[str, Any]) -> AsyncIterator[float]:
    yield float(order["amount"])


def _steps(order: dict[str, Any]) -> Iterator[float]:
    yield float(order["amount"])


@pytest.mark.parametrize("generator", [_steps, _async_steps])
def test_a_generator_is_refused(service: Service, generator: Any) -> None:
    with pytest.raises(TypeError, match=generator.__name__):
        service.model().predict(generator)


def test_the_name_is_the_one_people_know() -> None:
    assert name_of(Scorer()) == "Scorer"
    assert name_of(Scorer().method) == "Scorer.method"
    assert name_of(functools.partial(functools.partial(_scaled, 1.0))) == "_scaled"


def test_methods_of_every_kind_bind_in_both_orders(service: Service) -> None:
    churn = service.model()

    class Kinds:
        @classmethod
        @churn.predict
        def inner_class(cls, order: dict[str, Any]) -> float:
            return float(order["amount"])

        @churn.predict
        @classmethod
        async def outer_class(cls, order: dict[str, Any]) -> float:
            return float(order["amount"])

        @staticmethod
        @churn.predict
        def inner_static(order: dict[str, Any]) -> float:
            return float(order["amount"])

        @churn.predict
        @staticmethod
        async def outer_static(order: dict[str, Any]) -> float:
            return float(order["amount"])

        @churn.predict
        def method(self, order: dict[str, Any]) -> float:
            return float(order["amount"])

    for function in (Kinds.inner_class, Kinds().outer_class, Kinds().inner_static, Kinds.outer_static, Kinds().method):
        assert _called(function, ORDER) == 0.75

    assert [dict(span.attributes or {})["driftline.feature.value.amount"] for span in service.spans] == [0.75] * 5
