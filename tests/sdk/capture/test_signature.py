"""Whatever can be called can be decorated and stays what it was; selectors, and what is refused at decoration."""

# ruff: noqa: ARG001, ARG005 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import math
import operator
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.batch.conversion import list_of
from driftline.capture.signature import name_of
from driftline.tables.column_codec import strings

from tests.support.facts import Facts, in_order, lacking
from tests.support.service import NOW, Service, returns
from tests.support.unwrap import unwrap


@dataclass
class Answer:
    label: str
    probability: float


def test_one_parameter_is_left_beside_id_and_slices(service: Service) -> None:
    @service.model().predict(id="order_id", slices=["region"])
    def score(order: dict[str, Any], order_id: int, region: str) -> float:
        return 0.25

    score({"amount": 1.0}, 17, region="north")

    attributes = service.attributes()
    assert attributes["ml.prediction.id"] == "17"
    assert attributes["driftline.slice.value.region"] == "north"
    assert attributes["driftline.feature.value.amount"] == 1.0
    assert "driftline.feature.value.region" not in attributes
    assert service.table().slices["region"].categories == ("north",)


def test_fields_of_the_input_may_be_id_and_slice(service: Service) -> None:
    @service.model().predict(id="order_id", slices="region")
    def score(order: dict[str, Any]) -> float:
        return 0.25

    score({"order_id": "A-1", "region": "north", "amount": 1.0})

    table = service.table()
    assert strings(table.id) == ["A-1"]
    assert list(table.features) == ["region", "amount"]
    assert table.slices["region"].categories == ("north",)


def test_selectors_may_be_functions_of_the_call(service: Service) -> None:
    @service.model().predict(
        features=lambda request, user: request["row"],
        id=lambda request, user: request["id"],
        slices=lambda request, user: {"plan": user},
        score=lambda result: result[1],
        predicted=lambda result: result[0],
    )
    def score(request: dict[str, Any], user: str) -> tuple[str, float]:
        return "0", 0.75

    assert score({"id": 7, "row": {"amount": 1.0}}, user="pro") == ("0", 0.75)

    attributes = service.attributes()
    assert attributes["ml.prediction.id"] == "7"
    assert attributes["driftline.feature.value.amount"] == 1.0
    assert attributes["driftline.slice.value.plan"] == "pro"
    assert attributes["ml.prediction.score"] == 0.75
    assert attributes["ml.prediction.class"] == "0"
    table = service.table()
    assert unwrap(table.predicted).categories == ("0",)


@dataclass
class Order:
    order_id: str
    at: str
    region: str
    amount: float


ORDERS = [
    {"order_id": "A-1", "at": "2026-01-02T03:04:05Z", "region": "north", "amount": 1.0},
    {"order_id": "A-2", "at": "2026-01-02T03:04:06Z", "region": "south", "amount": 2.0},
]
AT = 1_767_323_045_000_000_000


@pytest.mark.parametrize("given", [ORDERS[0], Order(**ORDERS[0])], ids=["dict", "object"])  # type: ignore[arg-type]
def test_fields_are_those_of_the_input_where_features_are_made_of_it(
    service: Service, caplog: pytest.LogCaptureFixture, given: Any
) -> None:
    @service.model().predict(
        features=lambda threshold, order: {"log": 0.5}, id="order_id", time="at", slices=("region", "log")
    )
    def score(threshold: float, order: Any) -> float:
        return 0.25

    assert score(0.5, given) == 0.25

    table = service.table()
    assert (strings(table.id), table.time.tolist(), list(table.features)) == (["A-1"], [AT], ["log"])
    assert table.slices["region"].categories == ("north",)
    assert sorted(table.slices) == ["log", "region"]  # what the function returned is looked through, too
    assert service.attributes()["ml.prediction.id"] == "A-1"
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize(
    "given",
    [ORDERS, [Order(**one) for one in ORDERS], pd.DataFrame(ORDERS)],  # type: ignore[arg-type]
    ids=["dicts", "objects", "frame"],
)
def test_fields_are_those_of_each_row_where_features_are_made_of_a_batch(service: Service, given: Any) -> None:
    @service.model().predict(
        features=lambda orders: np.array([[1.0], [2.0]]), id="order_id", time="at", slices="region"
    )
    def score(orders: Any) -> list[float]:
        return [0.25, 0.75]

    score(orders=given)

    table = service.table()
    assert (strings(table.id), table.time.tolist()) == (["A-1", "A-2"], [AT, AT + 10**9])
    assert list_of(table.slices["region"]) == ["north", "south"]


def quarter(order: dict[str, Any]) -> float:
    return 0.25


def test_outcomes_join_predictions_whose_features_are_made(service: Service) -> None:
    churn = service.model()
    score = churn.predict(quarter, features=lambda order: {"log": 0.5}, id="order_id")
    score(ORDERS[0])
    churn.outcome("A-1", actual=1)

    (outcome,) = service.outcomes()
    (table,) = service.tables()
    assert strings(table.id) == strings(outcome.id) == ["A-1"]


def test_fields_that_neither_the_input_nor_what_is_made_of_it_has_are_named(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    score = service.model().predict(
        quarter, features=lambda order: {"log": 0.5}, id="number", time="when", slices="city"
    )
    for _ in range(2):
        assert score(ORDERS[0]) == 0.25

    service.flush()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.partition(";")[0].partition("reads ")[2] for line in warned] == [
        "ids from the field 'number', but no argument has this name, and features= returned the fields 'log'",
        "times from the field 'when', but no argument has this name, and features= returned the fields 'log'",
        "slices from the field 'city', but no argument has this name, and features= returned the fields 'log'",
    ]


@pytest.mark.parametrize(
    "result", [{"label": "1", "probability": 0.25}, Answer("1", 0.25)], ids=lambda value: type(value).__name__
)
def test_score_and_class_may_be_fields_of_the_result(service: Service, result: Any) -> None:
    service.model().predict(returns(result), score="probability", predicted="label")({"amount": 1.0})

    attributes = service.attributes()
    assert attributes["ml.prediction.score"] == 0.25
    assert attributes["ml.prediction.class"] == "1"


@pytest.mark.parametrize(
    "result",
    [
        {"label": ["1", "0"], "probability": [0.25, 0.75]},
        [{"label": "1", "probability": 0.25}, {"label": "0", "probability": 0.75}],
        pd.DataFrame({"label": ["1", "0"], "probability": [0.25, 0.75]}),
    ],
    ids=["columns", "rows", "frame"],
)
def test_fields_of_the_result_of_a_batch(service: Service, result: Any) -> None:
    service.model().predict(returns(result), score="probability", predicted="label")(np.zeros((2, 1)))

    table = service.table()
    assert unwrap(table.scores).tolist() == [[0.25], [0.75]]
    assert table.predicted is not None
    assert [table.predicted.categories[code] for code in unwrap(table.predicted.codes).tolist()] == ["1", "0"]


def test_a_selected_score_is_a_score_whatever_its_dtype(service: Service) -> None:
    service.model().predict(returns({"p": 1}), score="p")({"amount": 1.0})

    assert service.attributes()["ml.prediction.score"] == 1.0


def test_a_result_without_the_selected_field_is_unread(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    service.model().predict(returns({"error": "no"}), score="p")({"amount": 1.0})

    assert service.attributes()["driftline.prediction.unread"] is True
    assert list(service.table().features) == ["amount"]
    assert lacking(caplog.text, "['error']", "'p'") == []


def test_the_time_may_be_said(service: Service) -> None:
    @service.model().predict(time="at")
    def score(row: dict[str, Any]) -> float:
        return 0.25

    @service.model().predict(time="at", features="row")
    def score_at(row: dict[str, Any], at: object) -> float:
        return 0.25

    score({"amount": 1.0, "at": "2013-07-01T12:00:00"})
    score_at({"amount": 1.0}, pd.Timestamp("2013-07-02T12:00:00", tz="UTC"))
    score_at({"amount": 1.0}, None)

    table = service.table()
    assert list(table.features) == ["amount"]
    assert sorted(table.time.tolist()) == [1_372_680_000_000_000_000, 1_372_766_400_000_000_000, NOW]


def test_several_candidates_for_the_features_are_named(service: Service) -> None:
    def score(order: dict[str, Any], customer: dict[str, Any]) -> float:
        return 0.25

    with pytest.raises(TypeError, match=r"score:.*\['order', 'customer'\].*features='order'"):
        service.model().predict(score)
    service.model().predict(score, features="customer")({}, {"amount": 1.0})
    assert service.attributes()["driftline.feature.value.amount"] == 1.0


@pytest.mark.parametrize("annotation", [None, dict])
def test_one_container_beside_scalars_with_defaults_is_the_features(service: Service, annotation: Any) -> None:
    def score(order: dict[str, Any], threshold: float = 0.5, mode: Literal["a"] | None = None) -> float:
        return 0.25

    service.model().predict(score)({"amount": 1.0})

    assert service.attributes()["driftline.feature.value.amount"] == 1.0


def test_names_of_several_arguments_are_one_row(service: Service) -> None:
    @service.model().predict(features=("age", "income"))
    def score(age: Any, income: Any, verbose: Any) -> float:
        return 0.25

    score(31, income=2.5, verbose=True)

    attributes = service.attributes()
    assert (attributes["driftline.feature.value.age"], attributes["driftline.feature.value.income"]) == (31, 2.5)
    assert "driftline.feature.value.verbose" not in attributes


def test_a_selector_that_names_no_parameter_is_refused(service: Service) -> None:
    def score(order: dict[str, Any]) -> float:
        return 0.25

    with pytest.raises(TypeError, match=r"'row'.*features=.*\['order'\]"):
        service.model().predict(score, features="row")


@pytest.mark.parametrize("selector", ["id", "time", "score", "predicted"])
def test_a_selector_that_is_neither_name_nor_function_is_refused(service: Service, selector: str) -> None:
    with pytest.raises(TypeError, match=rf"churn.predict\({selector}=\) .* a name or a function, not an int"):
        service.model().predict(returns(0.5), **{selector: 5})  # type: ignore[call-overload]


@pytest.mark.parametrize("argument", ["feature_names", "classes"])
def test_one_text_where_several_names_belong_is_refused(service: Service, argument: str) -> None:
    with pytest.raises(TypeError, match=rf"{argument} is a single string, 'age'; use {argument}=\('age',\)"):
        service.model(**{argument: "age"})


def test_a_function_without_parameters_is_refused(service: Service) -> None:
    def score() -> float:
        return 0.25

    with pytest.raises(TypeError, match="score has no parameter that could be the features"):
        service.model().predict(score)


def test_predict_is_told_apart_from_predicting(service: Service) -> None:
    churn: Any = service.model()

    with pytest.raises(TypeError, match="is a decorator and does not make predictions itself"):
        churn.predict({"amount": 1.0})


def test_a_model_without_a_task_cannot_predict_but_can_learn_outcomes(service: Service) -> None:
    churn = service.model(task="")

    with pytest.raises(TypeError, match="task='binary'"):
        churn.predict(returns(0.5))
    churn.outcome("A-1", 1)
    assert len(service.outcomes()) == 1


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({"classes": ["stays", "churns"]}, ("positive_class='stays'", "'churns'")),
        ({"classes": ["a", "b", "c"]}, ("a binary model has two classes",)),
        ({"positive_class": "2"}, ("not one of the classes",)),
        ({"threshold": 50}, ("between 0",)),
        ({"task": "clustering"}, ("must be 'binary', 'multiclass', 'regression' or 'ranking'",)),
        ({"task": "multiclass"}, ("pass classes=",)),
        ({"threshold": "high"}, ("'high'", "between 0")),
    ],
)
def test_what_does_not_fit_together_is_refused_at_construction(options: dict[str, Any], facts: Facts) -> None:
    with pytest.raises(ValueError, match=in_order(*facts)):
        driftline.Model("churn", **{"task": "binary", **options})


@pytest.mark.parametrize(("classes", "positive"), [(None, "1"), ([0, 1], "1"), ([False, True], "1"), (["0", "1"], "1")])
def test_the_last_of_zero_and_one_is_positive_unless_said(
    service: Service, classes: list[object] | None, positive: str
) -> None:
    service.model(classes=classes).predict(returns(0.9))({"amount": 1.0})

    assert service.table().task.positive_class == positive


def test_positive_class_and_threshold_come_from_the_baseline(service: Service) -> None:
    from driftline.baseline.baseline import Baseline

    baseline = Baseline.from_frame(
        {"amount": [1.0, 2.0]},
        score=[0.2, 0.9],
        actual=["ham", "spam"],
        model="spam",
        task="binary",
        positive_class="spam",
        threshold=0.7,
    )
    service.model(task="", baseline=baseline).predict(returns(0.65))({"amount": 1.0})

    task = service.tables()[-1].task
    assert (task.kind, task.classes, task.positive_class, task.threshold) == ("binary", ("ham", "spam"), "spam", 0.7)
    assert service.attributes()["ml.prediction.class"] == "ham"


@pytest.mark.parametrize("rows", [1, 2])
def test_a_time_and_slices_in_fields_that_are_not_there_are_told_once_and_counted(
    service: Service, caplog: pytest.LogCaptureFixture, rows: int, reasons: Callable[[str], dict[str, int]]
) -> None:
    row = {"orderTime": 1_600_000_000, "Region": "north", "plan": "gold"}
    given: Any = row if rows == 1 else [row] * rows
    predict = service.model().predict(
        returns(0.5 if rows == 1 else [0.5] * rows), time="ordertime", slices=("region", "plan")
    )
    for _ in range(2):
        predict(given)
        service.flush()

    fields = "the fields 'orderTime', 'Region', 'plan'"
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"driftline: churn.<lambda> reads times from the field 'ordertime', but was called with {fields}; the time of "
        "the call is used instead: set time= to a field, an argument or a function of the arguments",
        f"driftline: churn.<lambda> reads slices from the field 'region', but was called with {fields}; these rows are "
        "not in its slices: set slices= to fields, arguments or a function of the arguments",
    ]
    assert reasons("driftline.sdk.unusable.values") == {"no_such_field": 2 * 2 * rows}
    for table in service.tables():
        assert table.time.tolist() == [NOW] * rows
        assert list(table.slices) == ["plan"]


def test_of_many_fields_the_nearest_are_named(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    row = {**{f"f{i}": float(i) for i in range(40)}, "ordered_on": 1_600_000_000.0}
    service.model().predict(returns(0.5), time="ordered_at")(row)
    service.flush()

    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lacking(line, "'ordered_at'", "'ordered_on'") == []
    assert ", ...; the time" in line


def test_fields_that_are_there_are_not_missed(
    service: Service, caplog: pytest.LogCaptureFixture, reasons: Callable[[str], dict[str, int]]
) -> None:
    churn = service.model()
    churn.predict(returns(0.5), time="at", slices="region")({"at": None, "region": None, "x": 1.0})
    churn.predict(returns([0.5]), time="at", slices="region")([{"at": 1.6e9, "region": "n", "x": 1.0}])
    churn.predict(lambda row, at: 0.5, time="at", slices="at", features="row")({"x": 1.0}, 1.6e9)
    churn.predict(returns(0.5), time="at", slices="region")(object())  # of which nothing is known
    service.flush()

    assert not [line for line in caplog.messages if "but was given the" in line]
    assert reasons("driftline.sdk.unusable.values") == {}


ORDER = {"amount": 0.75}


class Scorer:
    """Scores."""

    def __init__(self) -> None:
        self.factor = 1.0

    def __call__(self, order: dict[str, Any]) -> float:
        return float(order["amount"]) * self.factor

    def method(self, order: dict[str, Any]) -> float:
        return float(order["amount"])


class Streamer:
    def __call__(self, order: dict[str, Any]) -> Iterator[float]:
        yield float(order["amount"])


class AsyncStreamer:
    async def __call__(self, order: dict[str, Any]) -> AsyncIterator[float]:
        yield float(order["amount"])


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
    if inspect.isgenerator(result):
        return next(iter(list(result)))
    if inspect.isasyncgen(result):

        async def first() -> Any:
            values = [value async for value in result]
            return values[0]

        return asyncio.run(first())
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    return result


KINDS = [
    Scorer(),
    AsyncScorer(),
    Streamer(),
    AsyncStreamer(),
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
    if isinstance(target, Scorer | AsyncScorer | Streamer | AsyncStreamer):  # what Starlette asks of an instance
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


def test_the_name_is_the_one_people_know() -> None:
    assert name_of(Scorer()) == "Scorer"
    assert name_of(Scorer().method) == "Scorer.method"
    assert name_of(functools.partial(functools.partial(_scaled, 1.0))) == "_scaled"


def test_methods_of_every_kind_bind_in_both_orders(service: Service) -> None:
    churn = service.model()

    class Kinds:
        @classmethod
        @churn.predict
        def inner_class(cls, order: dict[str, Any]) -> Iterator[float]:
            yield float(order["amount"])

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
        async def outer_static(order: dict[str, Any]) -> AsyncIterator[float]:
            yield float(order["amount"])

        @churn.predict
        def method(self, order: dict[str, Any]) -> Iterator[float]:
            yield float(order["amount"])

    for function in (Kinds.inner_class, Kinds().outer_class, Kinds().inner_static, Kinds.outer_static, Kinds().method):
        assert _called(function, ORDER) == 0.75

    assert [dict(span.attributes or {})["driftline.feature.value.amount"] for span in service.spans] == [0.75] * 5
