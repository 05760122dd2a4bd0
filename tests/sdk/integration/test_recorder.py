"""What integrations build on: a prediction is opened, added to and closed, and joins what is open around it."""

from __future__ import annotations

import contextvars
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.faults import FAULTS
from driftline.integration.recorder import Recorder
from driftline.tables.column_codec import strings

from tests.support.service import Service
from tests.support.unwrap import unwrap

ORDER = {"order_id": "A-1", "amount": 17.5}


def test_a_prediction_is_what_was_opened_added_and_closed(service: Service) -> None:
    recorder = Recorder(service.model(), "POST /score")

    prediction = recorder.open()
    assert driftline.current() is prediction
    recorder.add(prediction, id="A-1")
    recorder.add(prediction, features={"amount": 17.5}, slices={"region": "north"})
    recorder.add(prediction, slices={"plan": "basic"})
    recorder.close(prediction, 0.75)

    assert driftline.current() is None
    assert service.attributes()["ml.prediction.score"] == 0.75
    assert service.attributes()["driftline.feature.value.amount"] == 17.5
    assert service.attributes()["driftline.slice.value.region"] == "north"
    assert service.attributes()["driftline.slice.value.plan"] == "basic"
    assert strings(service.table().id) == ["A-1"]


def test_fields_are_id_and_time_and_selectors_read_the_result(service: Service) -> None:
    recorder = Recorder(service.model(), "Pipeline.predict", id_field="order_id", score="p", predicted="label")

    recorder.close(recorder.open(ORDER), {"p": 0.25, "label": 1})

    table = service.table()
    assert strings(table.id) == ["A-1"]
    assert list(table.features) == ["amount"]
    assert unwrap(table.scores).tolist() == [[0.25]]
    assert service.attributes()["ml.prediction.class"] == "1"


def test_a_batch_takes_an_id_per_row(service: Service) -> None:
    recorder = Recorder(service.model(), "Pipeline.predict_proba")

    recorder.close(recorder.open(np.ones((2, 2)), id=["a", "b"]), np.array([[0.75, 0.25], [0.25, 0.75]]))

    table = service.table()
    assert strings(table.id) == ["a", "b"]
    assert unwrap(table.scores).tolist() == [[0.25], [0.75]]


def test_an_error_is_an_exception_or_its_name(service: Service) -> None:
    recorder = Recorder(service.model(), "POST /score")

    recorder.close(recorder.open(ORDER), error=LookupError("no"))
    recorder.close(recorder.open(ORDER), error="503")

    assert service.counts() == {(("error.type", "LookupError"),): 1, (("error.type", "503"),): 1}
    assert [len(span.events) for span in service.spans] == [1, 0]


def test_what_joins_fills_in_the_prediction_of_any_model(service: Service) -> None:
    joining = Recorder(service.model("some-booster"), "Booster.predict", joins=True)

    def predict() -> None:
        joining.close(joining.open({"amount": 17.5}), 0.75)

    @service.model().predict(features=lambda request: None)  # noqa: ARG005
    def handler(request: str) -> dict[str, str]:  # noqa: ARG001
        predict()
        return {"answer": "no"}

    handler("request")
    predict()

    assert [(span.name, dict(span.attributes or {})["ml.prediction.score"]) for span in service.spans] == [
        ("predict churn", 0.75),
        ("predict some-booster", 0.75),
    ]


def test_what_does_not_join_is_a_prediction_of_its_own(service: Service) -> None:
    inner, outer = Recorder(service.model("inner"), "inner"), Recorder(service.model("outer"), "outer")

    around = outer.open(ORDER)
    inner.close(inner.open(ORDER), 0.25)
    outer.close(around, 0.75)

    first, second = service.spans
    assert unwrap(first.parent).span_id == unwrap(second.context).span_id
    assert {table.key.model: len(table) for table in service.tables()} == {"inner": 1, "outer": 1}


def test_closed_twice_it_counts_once(service: Service) -> None:
    recorder = Recorder(service.model(), "POST /score")

    prediction = recorder.open(ORDER)
    recorder.close(prediction, 0.75)
    recorder.close(prediction, 0.25)
    recorder.abandon(prediction, "422")

    assert service.counts() == {(("ml.prediction.class", "1"),): 1}
    assert len(service.spans) == 1


def test_closed_in_a_context_of_its_own_it_is_recorded_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)
    recorder = Recorder(service.model(), "POST /score")
    opened: list[Any] = []

    contextvars.copy_context().run(lambda: opened.append(recorder.open(ORDER)))
    recorder.close(opened[0], 0.75)

    assert FAULTS.drain() == {}  # frameworks do so
    assert service.attributes()["ml.prediction.score"] == 0.75
    assert len(service.table()) == 1


def test_what_never_came_to_be_leaves_a_span_alone(service: Service) -> None:
    recorder = Recorder(service.model(), "POST /score")

    recorder.abandon(recorder.open(ORDER), "422")

    assert service.attributes()["driftline.reason"] == "422"
    assert "error.type" not in service.attributes()
    assert service.attributes()["driftline.prediction.recorded"] is True
    assert service.counts() == {}
