"""A prediction inside a prediction of the same model counts once; the inner layer fills what the outer left empty."""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
from typing import Any

import driftline
import driftline.testing
import numpy as np
import pandas as pd
import pytest
from driftline.integration.recorder import Recorder
from driftline.integration.web_request import WebRequest
from driftline.tables.column_codec import strings
from driftline.testing import Capture

from tests.support.service import Service
from tests.support.unwrap import unwrap


def test_a_block_of_a_model_without_a_task_learns_it_from_what_predicts_inside(service: Service) -> None:
    """An instrumented estimator knows its classes; the handle around it was told only a name."""
    bare = service.model(task="")
    inner = Recorder(bare.completed("binary", ("stays", "leaves"), "leaves"), "Estimator.predict_proba")
    for _ in range(2):
        with bare.prediction(id="A-1", features={"age": 31}) as outer:
            opened = inner.open({"age": 31})
            opened.score = 0.25
            inner.close(opened)
        assert outer.id == "A-1"

    table = service.table()
    assert (table.task.classes, table.task.positive_class) == (("stays", "leaves"), "leaves")
    assert unwrap(table.scores)[:, 0].tolist() == [0.25, 0.25]
    attributes = service.spans[0].attributes or {}
    assert (attributes["ml.prediction.score"], attributes["ml.model.task"]) == (0.25, "binary")


def test_the_inner_layer_fills_result_features_and_id(service: Service) -> None:
    churn = service.model()

    @churn.predict(id="order_id")
    def score(order: dict[str, Any]) -> float:
        return 0.75

    @churn.predict(features=lambda request: None)
    def handler(request: object) -> dict[str, Any]:
        return {"answer": score({"order_id": "A-1", "amount": 17.5})}

    handler(object())

    attributes = service.attributes()
    assert attributes["ml.prediction.id"] == "A-1"
    assert attributes["ml.prediction.score"] == 0.75
    assert attributes["driftline.feature.value.amount"] == 17.5
    assert len(service.table()) == 1
    assert service.counts() == {(("ml.prediction.class", "1"),): 1}


def test_what_the_outer_layer_knows_stays(service: Service) -> None:
    churn = service.model()

    @churn.predict
    def probabilities(frame: pd.DataFrame) -> Any:
        return np.array([[0.25, 0.75]] * len(frame))

    @churn.predict(id="order_id")
    def handler(order: dict[str, Any]) -> dict[str, Any]:
        return {"churns": bool(probabilities(pd.DataFrame([{"x": 1.0}]))[0, 1] > 0.5)}

    handler({"order_id": "A-1", "amount": 17.5})

    table = service.table()
    assert list(table.features) == ["amount"]
    assert strings(table.id) == ["A-1"]
    assert unwrap(table.scores).tolist() == [[0.75]]


def test_another_model_inside_is_a_prediction_of_its_own(service: Service) -> None:
    spend = service.model("spend", task="regression")
    churn = service.model()

    @spend.predict
    def value(order: dict[str, Any]) -> float:
        prediction = unwrap(driftline.current())
        prediction.id = "inner"
        return 120.0

    @churn.predict
    def score(order: dict[str, Any]) -> float:
        value(order)
        prediction = unwrap(driftline.current())
        prediction.id = "outer"
        return 0.25

    score({"amount": 1.0})

    assert [(span.name, dict(span.attributes or {})["ml.prediction.id"]) for span in service.spans] == [
        ("predict spend", "inner"),
        ("predict churn", "outer"),
    ]


def test_a_model_inside_another_inside_itself_counts_once(service: Service) -> None:
    churn, spend = service.model(), service.model("spend", task="regression")

    @churn.predict
    def again(order: dict[str, Any]) -> float:
        return 0.25

    @spend.predict
    def value(order: dict[str, Any]) -> float:
        return 100 * again(order)

    @churn.predict
    def score(order: dict[str, Any]) -> float:
        return value(order) / 200

    score({"amount": 1.0})

    assert [span.name for span in service.spans] == ["predict spend", "predict churn"]
    assert {table.key.model: len(table) for table in service.tables()} == {"churn": 1, "spend": 1}


def test_an_error_inside_that_is_handled_outside_is_no_error(service: Service) -> None:
    churn = service.model()

    @churn.predict
    def score(order: dict[str, Any]) -> float:
        raise ValueError("no")

    @churn.predict
    def safe(order: dict[str, Any]) -> float:
        try:
            return score(order)
        except ValueError:
            return 0.5

    assert safe({"amount": 1.0}) == 0.5

    assert "error.type" not in service.attributes()
    assert service.attributes()["ml.prediction.score"] == 0.5


def test_two_handles_of_one_name_share_records_and_nesting(service: Service) -> None:
    one, two = service.model(), service.model()

    @one.predict
    def inner(order: dict[str, Any]) -> float:
        return 0.25

    @two.predict
    def outer(order: dict[str, Any]) -> float:
        return inner(order)

    outer({"amount": 1.0})
    inner({"amount": 2.0})

    table = service.table()
    assert unwrap(table.features["amount"].numbers).tolist() == [1.0, 2.0]


def versions(capture: Capture) -> list[tuple[str, str, float]]:
    """Return version, id and score of each recorded prediction."""
    return sorted((row.version, row.id, row.score) for row in capture.predictions)


@pytest.mark.parametrize("given", ["field", "request", "code", "generated"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_shadow_inside_its_champion_is_a_row_with_the_same_id(given: str, is_async: bool) -> None:
    champion, shadow = (driftline.Model("churn", task="binary", version=version) for version in "12")
    id_field = "id" if given == "field" else None

    @shadow.predict
    def score_shadow(features: list[float]) -> float:
        return 0.75

    def score(order: dict[str, Any]) -> float:
        if given == "code":
            unwrap(driftline.current()).id = order["id"]
        score_shadow([order["x"]])
        return 0.25

    async def score_async(order: dict[str, Any]) -> float:
        return score(order)

    def run() -> None:
        order = {"id": "A-1", "x": 1.0}
        if is_async:
            asyncio.run(champion.predict(id=id_field)(score_async)(order))
        else:
            champion.predict(id=id_field)(score)(order)

    with driftline.testing.capture() as capture:
        run()  # the first call of a function takes the general way
        if given == "request":
            request = WebRequest("A-1")
            token = request.enter()
            run()
            request.leave(token)
        else:
            run()

    rows = versions(capture)
    assert [(version, score) for version, _, score in rows] == [("1", 0.25), ("1", 0.25), ("2", 0.75), ("2", 0.75)]
    assert {id for version, id, _ in rows if version == "1"} == {id for version, id, _ in rows if version == "2"}
    expected = {"field": ["A-1", "A-1"], "code": ["A-1", "A-1"], "request": ["A-1"], "generated": []}[given]
    assert [id for version, id, _ in rows if version == "1"].count("A-1") == len(expected)


@pytest.mark.parametrize(("outer", "inner", "rows"), [("1", "1", 1), ("", "1", 1), ("1", "", 1), ("1", "2", 2)])
def test_predictions_of_two_versions_are_two_and_an_unset_version_is_any(outer: str, inner: str, rows: int) -> None:
    inside = Recorder(driftline.Model("churn", task="binary", version=inner), "Estimator.predict_proba")
    around = driftline.Model("churn", task="binary", version=outer)
    with driftline.testing.capture() as capture, around.prediction(id="A-1"):
        inside.close(inside.open({"x": 1.0}), 0.25)

    assert [row.id for row in capture.predictions] == ["A-1"] * rows
    assert capture.predictions[0].score == 0.25


def test_a_shadow_that_scores_the_batch_of_its_champion_has_the_same_ids() -> None:
    champion, shadow = (driftline.Model("churn", task="binary", version=version) for version in "12")
    inside = Recorder(shadow, "Estimator.predict_proba")
    rows = [{"x": 1.0}, {"x": 2.0}]
    with (
        driftline.testing.capture() as capture,
        champion.prediction(features=rows, id=["A", "B"]) as prediction,
    ):
        inside.close(inside.open(rows), [0.75, 0.5])
        prediction.score = [0.25, 0.125]

    assert versions(capture) == [("1", "A", 0.25), ("1", "B", 0.125), ("2", "A", 0.75), ("2", "B", 0.5)]


def test_an_id_that_the_champion_hashes_is_not_given_to_a_shadow_that_does_not() -> None:
    champion = driftline.Model(
        "churn", task="binary", version="1", privacy=driftline.Privacy(hash_id=True, key="k" * 32)
    )
    inside = Recorder(driftline.Model("churn", task="binary", version="2"), "Estimator.predict_proba")
    with driftline.testing.capture() as capture, champion.prediction(id="A-1") as prediction:
        inside.close(inside.open({"x": 1.0}), 0.75)
        prediction.score = 0.25

    assert "A-1" not in {row.id for row in capture.predictions}
    assert len({row.id for row in capture.predictions}) == 2
