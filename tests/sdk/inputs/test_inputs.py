"""Every kind of input, and the rows it decides."""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pydantic
import pytest
from driftline.batch.conversion import list_of
from driftline.inputs.batch import Unrecorded
from driftline.inputs.readers import reader_for
from driftline.inputs.row import MOST_VALUES
from driftline.inputs.texts_and_vectors import short_text
from driftline.tables.column_codec import strings

from tests.support.facts import lacking
from tests.support.service import Service, returns


@dataclass
class Order:
    amount: float
    country: str


class OrderModel(pydantic.BaseModel):
    amount: float
    country: str


class OpenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    amount: float

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> float:
        raise AssertionError("code of somebody's own, which may take long")


class EmptyModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")


class OrderTuple(NamedTuple):
    amount: float
    country: str


class Plan(enum.Enum):
    BASIC = "basic"


def recorded(service: Service, *arguments: Any, function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Return the columns that one call leaves: name → values."""
    model = service.model(task="regression", feature_names=options.pop("feature_names", None))
    model.predict(**options)(function or (lambda value: _zeros(value)))(*arguments)
    table = service.table()
    return {name: list_of(column) for name, column in table.features.items()}


def _zeros(value: Any) -> Any:
    """Return one value per row."""
    if isinstance(value, np.ndarray | pd.DataFrame) and value.ndim == 2:
        return np.zeros(len(value))
    if isinstance(value, list) and value and isinstance(value[0], list | dict | Order | np.ndarray):
        return np.zeros(len(value))
    return 0.0


ONE = {"amount": [17.5], "country": ["NO"]}


@pytest.mark.parametrize(
    "value",
    [
        {"amount": 17.5, "country": "NO"},
        MappingProxyType({"amount": 17.5, "country": "NO"}),
        Order(17.5, "NO"),
        OrderModel(amount=17.5, country="NO"),
        OpenModel.model_validate({"amount": 17.5, "country": "NO"}),
        EmptyModel.model_validate({"amount": 17.5, "country": "NO"}),
        OrderTuple(17.5, "NO"),
        pd.Series({"amount": 17.5, "country": "NO"}),
        np.array((17.5, "NO"), dtype=[("amount", "f8"), ("country", "U2")]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_row_with_names(service: Service, value: Any) -> None:
    assert recorded(service, value) == ONE


def test_extra_fields_of_some_rows_of_a_batch_are_missing_in_the_others(service: Service) -> None:
    rows = [OpenModel.model_validate(row) for row in ({"amount": 1.0}, {"amount": 2.0, "country": "NO", "gift": True})]
    assert recorded(service, rows, function=lambda value: np.zeros(len(value))) == {
        "amount": [1.0, 2.0],
        "country": [None, "NO"],
        "gift": [None, 1.0],
    }


def test_an_extra_field_may_be_the_id(service: Service) -> None:
    model = service.model(task="regression")
    model.predict(id="order")(lambda value: value.amount)(OpenModel.model_validate({"amount": 2.0, "order": "A-17"}))

    table = service.table()
    assert (strings(table.id), list(table.features)) == (["A-17"], ["amount"])


def test_more_extra_fields_than_a_row_may_have_are_not_recorded() -> None:
    row = OpenModel.model_validate({"amount": 1.0, **{f"x{i}": 0.0 for i in range(MOST_VALUES)}})
    assert isinstance(reader_for(type(row))(row), Unrecorded)


def test_a_computed_field_is_a_feature_where_somebody_says_so(service: Service) -> None:
    class Basket(pydantic.BaseModel):
        prices: list[float]

        @pydantic.computed_field  # type: ignore[prop-decorator]
        @property
        def total(self) -> float:
            return sum(self.prices)

    basket = Basket(prices=[1.0, 2.0])
    columns = recorded(service, basket, features=lambda value: value.model_dump(include={"total"}))
    assert columns == {"total": [3.0]}


@pytest.mark.parametrize("value", [np.array([1.5, 2.0]), [1.5, 2.0], (1.5, 2.0)], ids=["array", "list", "tuple"])
def test_one_row_without_names_is_called_by_the_models_features_or_by_number(service: Service, value: Any) -> None:
    assert recorded(service, value, feature_names=["age", "tenure"]) == {"age": [1.5], "tenure": [2.0]}
    assert recorded(Service(), value) == {"f0": [1.5], "f1": [2.0]}


TWO = {"amount": [17.5, 2.0], "country": ["NO", None]}


@pytest.mark.parametrize(
    "value",
    [
        [{"amount": 17.5, "country": "NO"}, {"amount": 2.0, "country": None}],
        [{"amount": 17.5, "country": "NO"}, {"amount": 2}],
        [{"amount": 17.5, "country": "NO"}, {"country": None, "amount": 2.0}],
        [Order(17.5, "NO"), Order(2.0, None)],  # type: ignore[arg-type]
        pd.DataFrame({"amount": [17.5, 2.0], "country": ["NO", None]}),
        pd.DataFrame({"amount": [17.5, 2.0], "country": pd.Categorical(["NO", None])}),
        pd.DataFrame({"amount": pd.array([17.5, 2.0], dtype="Float64"), "country": ["NO", None]}),
    ],
    ids=["dicts", "ragged dicts", "dicts in another order", "dataclasses", "frame", "categorical", "nullable"],
)
def test_a_batch_with_names(service: Service, value: Any) -> None:
    assert recorded(service, value) == TWO


@pytest.mark.parametrize(
    "value",
    [np.array([[1.5, 2.0], [3.0, 4.0]]), [[1.5, 2.0], [3.0, 4.0]], [np.array([1.5, 2.0]), np.array([3.0, 4.0])]],
    ids=["array", "lists", "arrays"],
)
def test_a_batch_without_names(service: Service, value: Any) -> None:
    assert recorded(service, value, feature_names=["age", "tenure"]) == {"age": [1.5, 3.0], "tenure": [2.0, 4.0]}


@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "i4", "u1", "?", "O"])
def test_arrays_of_every_dtype(service: Service, dtype: str) -> None:
    assert recorded(service, np.array([[1, 0], [0, 1]]).astype(dtype)) == {"f0": [1.0, 0.0], "f1": [0.0, 1.0]}


def test_an_array_of_texts_is_a_batch_of_categories(service: Service) -> None:
    assert recorded(service, np.array([["a", "7"], ["b", "7"]])) == {"f0": ["a", "b"], "f1": ["7", "7"]}


def test_several_scalars_are_one_row(service: Service) -> None:
    def price(rooms: int, area: float, street: str = "Main", *, garden: bool = False) -> float:
        return 0.0

    assert recorded(service, 3, 70.5, function=price) == {
        "rooms": [3.0],
        "area": [70.5],
        "street": ["Main"],
        "garden": [0.0],
    }


def test_one_scalar_is_one_feature_by_the_name_of_its_parameter(service: Service) -> None:
    assert recorded(service, 3.5, function=lambda distance: 0.0) == {"distance": [3.5]}


def test_values_of_every_kind(service: Service) -> None:
    row = {
        "nan": math.nan,
        "inf": -math.inf,
        "whole": 3,
        "beyond int64": 2**70,
        "beyond doubles": 10**400,
        "text": "x" * 256,
        "document": "x" * 1_000_000,
        "none": None,
        "float32": np.float32(1.5),
        "int64": np.int64(7),
        "bool_": np.bool_(True),
        "str_": np.str_("n"),
        "decimal": Decimal("2.5"),
        "enum": Plan.BASIC,
        "day": pd.Timestamp("2026-11-20"),
        "instant": datetime(2026, 11, 20, 9, tzinfo=timezone(timedelta(hours=1))),
        "numpy's": np.datetime64("2026-11-20", "ns"),
        "date": date(2026, 11, 20),
        "clock": time(1, 0, 1),
        "took": timedelta(seconds=1.5),
        "no time": pd.NaT,
        "bytes": b"raw",
        "list": ["a", 2],
        "vector": [3, 4],
        "object": object(),
        "zero-d": np.array(4.0),
    }

    columns = recorded(service, row)

    assert columns == {
        "nan": [None],
        "inf": [-math.inf],
        "whole": [3.0],
        "beyond int64": [float(2**70)],
        "beyond doubles": [math.inf],
        "text": ["x" * 256],
        "document": [short_text("x" * 1_000_000)],
        "none": [None],
        "float32": [1.5],
        "int64": [7.0],
        "bool_": [1.0],
        "str_": ["n"],
        "decimal": [2.5],
        "enum": ["basic"],
        "day": [1795132800.0],
        "instant": [1795161600.0],
        "numpy's": [1795132800.0],
        "date": [1795132800.0],
        "clock": [3601.0],
        "took": [1.5],
        "no time": [None],
        "bytes": ["raw"],
        "list": [None],
        "vector": [5.0],
        "object": [None],
        "zero-d": [4.0],
    }
    attributes = service.attributes()
    assert attributes["driftline.feature.value.int64"] == 7
    assert type(attributes["driftline.feature.value.float32"]) is float
    assert "driftline.feature.value.none" not in attributes
    assert "driftline.feature.value.list" not in attributes


def test_a_feature_may_be_a_number_here_and_a_text_there(service: Service) -> None:
    model = service.model()
    score = model.predict(returns(0.5))
    for value in (1, "a", None, 2.5):
        score({"x": value})

    assert list_of(service.table().features["x"]) == [1.0, "a", None, 2.5]


def test_rows_of_other_names_are_a_record_of_their_own(service: Service) -> None:
    score = service.model().predict(returns(0.5))
    score({"a": 1.0})
    score({"b": 2.0})
    score({"a": 3.0})

    tables = service.tables()
    assert sorted((list(table.features), len(table)) for table in tables) == [(["a"], 2), (["b"], 1)]


def test_an_input_that_is_no_row_is_a_prediction_without_features(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    score = service.model().predict(returns(0.5))
    score(np.zeros((2, 2, 2)))
    score(object())

    assert all(not table.features for table in service.tables())
    assert "churn" in caplog.text
    assert lacking(caplog.text, "float64", "shape (2, 2, 2") == []


def test_an_empty_batch_is_no_prediction(service: Service) -> None:
    score = service.model().predict(returns([]))
    assert score([]) == []
    assert score(np.zeros((0, 3))) == []

    assert service.tables() == []
    assert service.counts() == {}


def test_a_large_batch_is_cut_into_records_of_at_most_5000_rows(service: Service) -> None:
    X = np.arange(12_000.0).reshape(-1, 1)

    @service.model(task="regression").predict
    def score(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return X[:, 0]

    score(X)

    tables = service.tables()
    assert [len(table) for table in tables] == [5000, 5000, 2000]
    assert np.concatenate([table.scores[:, 0] for table in tables if table.scores is not None]).tolist() == list(
        range(12_000)
    )
    ids = [text for table in tables for text in strings(table.id)]
    assert ids == [f"{ids[0][:-2]}.{i}" for i in range(12_000)]


def test_a_record_is_at_most_a_mebibyte(service: Service) -> None:
    rows = [{f"f{i}": f"{n} {i}".ljust(200, "x") for i in range(20)} for n in range(400)]
    service.model(task="regression").predict(returns(np.zeros(400)))(rows)

    tables = service.tables()
    assert max(map(len, service.channel.bodies)) <= 2**20
    assert sum(map(len, tables)) == 400
    assert [list_of(table.features["f0"])[0][:5].split()[0] for table in tables] == ["0", "200"]


def test_a_baseline_is_the_allow_list_and_feature_names_win(service: Service) -> None:
    from driftline.baseline.baseline import Baseline

    baseline = Baseline.from_frame({"amount": [1.0, 2.0]}, predicted=[1.0, 2.0], model="churn", task="regression")
    service.model(task="", baseline=baseline).predict(returns(0.0))({"amount": 1.0, "secret": "x"})
    service.model(task="", baseline=baseline, feature_names=["secret"]).predict(returns(0.0))(
        {"amount": 1.0, "secret": "x"}
    )

    assert [list(table.features) for table in service.tables()] == [["amount"], ["secret"]]
    first, second = (dict(span.attributes or {}) for span in service.spans)
    assert "driftline.feature.value.secret" not in first
    assert "driftline.feature.value.amount" not in second


def test_a_span_carries_at_most_64_features_and_says_how_many_stayed_behind(service: Service) -> None:
    service.model().predict(returns(0.5))({f"f{i}": float(i) for i in range(100)})

    attributes = service.attributes()
    assert len([key for key in attributes if key.startswith("driftline.feature.value.")]) == 64
    assert attributes["driftline.feature.dropped"] == 36
    assert attributes["ml.model.name"] == "churn"
    assert len(service.table().features) == 100


def test_a_span_never_carries_more_than_the_attribute_limit_less_32(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "40")
    service.model().predict(returns(0.5))({f"f{i}": float(i) for i in range(10)})

    attributes = service.attributes()
    assert len([key for key in attributes if key.startswith("driftline.feature.value.")]) == 8
    assert attributes["driftline.feature.dropped"] == 2


def test_features_may_stay_off_the_span(service: Service) -> None:
    service.model().predict(returns(0.5), span_features=False)({"amount": 1.0})

    assert not [key for key in service.attributes() if key.startswith("driftline.feature.")]
    assert list(service.table().features) == ["amount"]
