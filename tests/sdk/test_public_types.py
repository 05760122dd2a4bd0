"""What a type checker knows of a program that uses Driftline: mypy reads this file as part of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import assert_type

import driftline
import pytest
from driftline.capture.prediction import Prediction
from fastapi import FastAPI

from tests.support.service import Service

ROW = {"amount": 0.25}
SERVICE = Service()
churn = SERVICE.model()


@churn.predict
def score(row: dict[str, float]) -> float:
    return row["amount"]


@churn.predict
async def later(row: dict[str, float]) -> float:
    return row["amount"]


@churn.predict
def steps(row: dict[str, float]) -> Iterator[float]:
    yield row["amount"]


class Scorer:
    @churn.predict(id="key")
    def score(self, row: dict[str, float], key: str) -> float:  # noqa: ARG002
        return row["amount"]


def test_a_decorated_function_has_the_type_that_it_had() -> None:
    assert assert_type(score(ROW), float) == 0.25
    assert assert_type(asyncio.run(later(ROW)), float) == 0.25
    assert assert_type(list(steps(ROW)), list[float]) == [0.25]
    assert assert_type(Scorer().score(ROW, "A-1"), float) == 0.25
    with pytest.raises(TypeError):
        score(17)  # type: ignore[arg-type]


def test_an_instrumented_object_has_the_type_that_it_had() -> None:
    app = FastAPI()

    assert assert_type(churn.instrument(app, routes={}), FastAPI) is app


def test_a_prediction_is_one_and_may_be_missing_outside_of_a_call() -> None:
    with churn.prediction(features=ROW) as prediction:
        assert_type(prediction, Prediction)
        prediction.score = 0.25

    assert assert_type(driftline.current(), Prediction | None) is None
