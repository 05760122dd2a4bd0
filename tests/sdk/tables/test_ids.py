"""Ids are text; generated ones carry their time."""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

from typing import Any
from uuid import UUID

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.faults import FAULTS
from driftline.tables.column_codec import strings

from tests.support.service import NOW, Service, returns


@pytest.mark.parametrize("given", [17, 17.0, "17", " 17 ", np.int64(17), np.float64(17.0)])
def test_one_number_is_one_id_however_it_is_written(service: Service, given: Any) -> None:
    service.model().predict(returns(0.5), id="order_id")({"order_id": given, "amount": 1.0})

    assert service.attributes()["ml.prediction.id"] == "17"
    assert strings(service.table().id) == ["17"]


@pytest.mark.parametrize(
    "given", [None, "", " ", float("nan"), pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked, (), [], b"", bytearray()]
)
def test_a_missing_id_is_made_up(service: Service, given: Any) -> None:
    service.model().predict(returns(0.5), id="order_id")({"order_id": given, "amount": 1.0})

    (text,) = strings(service.table().id)
    assert UUID(text).version == 7


@pytest.mark.parametrize("given", [{"orderId": "A-1", "amount": 1.0}, [{"orderId": "A-1", "amount": 1.0}]])
def test_an_id_in_a_field_that_is_not_there_is_told_once(
    service: Service, caplog: pytest.LogCaptureFixture, given: Any
) -> None:
    predict = service.model().predict(returns([0.5] if isinstance(given, list) else 0.5), id="order_id")
    predict(given)
    service.flush()
    predict(given)
    service.flush()

    assert [line for line in caplog.messages if "order_id" in line] == [
        "driftline: churn.<lambda> reads ids from the field 'order_id', but was called with the fields 'orderId', "
        "'amount'; "
        "if the id is not set in another way, it is generated and no outcome can be joined: set id= to a field, an "
        "argument or a function of the arguments"
    ]


def test_a_field_that_holds_the_id_is_not_missed(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.model().predict(returns(0.5), id="order_id")({"order_id": None, "amount": 1.0})
    service.model().predict(returns([0.5]), id="order_id")([{"order_id": "A-1", "amount": 1.0}])
    service.flush()

    assert not [line for line in caplog.messages if "takes ids" in line]


@pytest.mark.parametrize("length", [300, 1000, 1024, 2**20])
def test_a_long_id_is_known_by_its_beginning_however_it_is_given(service: Service, length: int) -> None:
    text = f" {'A' * length}"
    churn = service.model()
    churn.predict(returns(0.5), id="order_id")({"order_id": text, "amount": 1.0})
    churn.predict(returns([0.5]), id="order_id")([{"order_id": text, "amount": 1.0}])
    churn.predict(returns(0.5), id=lambda order: order["name"])({"amount": 1.0, "name": text})
    with churn.prediction(features={"amount": 1.0}, id=text.encode()) as p:
        p.score = 0.5
    churn.outcome(text, actual=1)

    known = "A" * min(length, 1024)
    assert {id for table in service.tables() for id in strings(table.id)} == {known}
    (table,) = service.outcomes()
    assert strings(table.id) == [known]


def test_a_generated_id_is_a_uuid_of_version_7_with_its_time(service: Service) -> None:
    service.model().predict(returns(0.5))({"amount": 1.0})

    id = UUID(service.attributes()["ml.prediction.id"])
    assert id.version == 7
    assert id.variant == "specified in RFC 4122"
    assert id.int >> 80 == NOW // 1_000_000
    assert strings(service.table().id) == [str(id)]


@pytest.mark.slow
def test_rows_of_a_batch_are_numbered(service: Service) -> None:
    service.model().predict(returns(np.array([0.5, 0.5])))(np.zeros((2, 1)))

    prefix = service.attributes()["ml.prediction.id"]
    assert strings(service.table().id) == [f"{prefix}.0", f"{prefix}.1"]


def test_a_batch_takes_the_name_of_a_column(service: Service) -> None:
    frame = pd.DataFrame({"order_id": [17.0, 18.0], "amount": [1.0, 2.0]})
    service.model().predict(returns(np.array([0.5, 0.5])), id="order_id")(frame)

    table = service.table()
    assert strings(table.id) == ["17", "18"]
    assert list(table.features) == ["amount"]


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_a_batch_takes_n_ids(service: Service, kind: Any) -> None:
    @service.model().predict(id="ids", features="X")
    def score(X: Any, ids: Any) -> Any:
        return np.array([0.5, 0.5])

    score(np.zeros((2, 1)), kind(["a", "b"]))

    assert strings(service.table().id) == ["a", "b"]


def test_one_id_for_a_batch_is_the_prefix_of_its_rows(service: Service) -> None:
    @service.model().predict(id="request_id", features="X")
    def score(X: Any, request_id: str) -> Any:
        return np.array([0.5, 0.5])

    score(np.zeros((2, 1)), "r-1")

    assert strings(service.table().id) == ["r-1.0", "r-1.1"]


def test_missing_ids_of_a_batch_are_made_up_one_by_one(service: Service) -> None:
    rows = [{"id": "a", "x": 1.0}, {"id": None, "x": 2.0}]
    service.model().predict(returns(np.array([0.5, 0.5])), id="id")(rows)

    first, second = strings(service.table().id)
    assert first == "a"
    assert UUID(second.removesuffix(".1")).version == 7


def test_a_wrong_number_of_ids_is_counted_and_the_rows_are_kept(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FAULTS, "raising", False)

    @service.model().predict(id="ids", features="X")
    def score(X: Any, ids: Any) -> Any:
        return np.array([0.5, 0.5])

    score(np.zeros((2, 1)), ["only one"])

    assert len(service.table()) == 2


def test_the_open_prediction_can_be_asked_and_given_its_id(service: Service) -> None:
    made = []

    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        prediction = driftline.current()
        assert prediction is not None
        made.append(prediction.id)
        prediction.id = 17.0
        made.append(prediction.id)
        return 0.5

    score({"amount": 1.0})

    assert UUID(made[0]).version == 7
    assert made[1] == "17"
    assert service.attributes()["ml.prediction.id"] == "17"
    assert driftline.current() is None
