"""What one decorated call leaves behind: a span, a row and a count, and nothing of the caller's changed."""

# ruff: noqa: ARG001 - functions that predict the same whatever they are given

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import pickle
import threading
from typing import Any

import driftline
import numpy as np
import pytest
from driftline.export.resource import instance_id
from driftline.tables.column_codec import strings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import StatusCode

from tests.support.service import NOW, Service, returns
from tests.support.unwrap import unwrap
from tests.support.web_places import Place
from tests.support.web_places import predict as predict_request

CHURN = driftline.Model("module-level", task="binary")


@CHURN.predict
def module_level(order: dict[str, float]) -> float:
    return order["amount"]


def test_a_call_is_a_span_with_everything_a_person_wants_to_know(service: Service) -> None:
    churn = service.model(version="2026-11-01")

    @churn.predict(id="order_id")
    def score(order: dict[str, Any]) -> float:
        return 0.75

    assert score({"order_id": "A-1", "amount": 17.5, "country": "NO", "new": True, "age": None}) == 0.75

    (span,) = service.spans
    assert span.name == "predict churn"
    assert span.attributes == {
        "ml.operation.name": "predict",
        "ml.model.name": "churn",
        "ml.model.version": "2026-11-01",
        "ml.model.task": "binary",
        "driftline.prediction.recorded": True,
        "ml.prediction.id": "A-1",
        "ml.prediction.score": 0.75,
        "ml.prediction.class": "1",
        "driftline.feature.value.amount": 17.5,
        "driftline.feature.value.country": "NO",
        "driftline.feature.value.new": True,
    }
    assert unwrap(span.instrumentation_scope).name == "driftline"
    assert span.start_time == NOW
    assert span.status.is_unset


def test_a_call_is_a_row_that_the_processor_reads(service: Service) -> None:
    churn = service.model(version="2026-11-01")

    @churn.predict(id="order_id")
    def score(order: dict[str, Any]) -> float:
        return 0.75

    score({"order_id": 17.0, "amount": 17.5, "country": "NO", "new": True, "age": None})

    table = service.table()
    (span,) = service.spans
    assert (table.key.model, table.key.version, table.key.environment) == ("churn", "2026-11-01", "test")
    assert (table.task.kind, table.task.classes, table.task.positive_class) == ("binary", ("0", "1"), "1")
    assert table.time.tolist() == [NOW]
    assert strings(table.id) == ["17"]
    assert unwrap(table.scores).tolist() == [[0.75]]
    assert table.predicted is None
    assert span.context is not None
    assert unwrap(table.trace_id).tobytes() == span.context.trace_id.to_bytes(16, "big")
    assert unwrap(table.span_id).tobytes() == span.context.span_id.to_bytes(8, "big")
    assert list(table.features) == ["amount", "country", "new", "age"]
    assert unwrap(table.features["amount"].numbers).tolist() == [17.5]
    assert table.features["country"].categories == ("NO",)
    assert np.isnan(unwrap(table.features["age"].numbers)).all()


def test_calls_are_counted_by_decided_class_and_error(service: Service) -> None:
    churn = service.model(version="7")

    @churn.predict
    def score(order: dict[str, float]) -> float:
        return order["amount"] / order["parts"]

    for amount in (0.2, 0.5, 0.9):
        score({"amount": amount, "parts": 1.0})
    with pytest.raises(ZeroDivisionError):
        score({"amount": 1.0, "parts": 0.0})

    assert service.counts() == {
        (("ml.model.version", "7"), ("ml.prediction.class", "0")): 1,
        (("ml.model.version", "7"), ("ml.prediction.class", "1")): 2,
        (("error.type", "ZeroDivisionError"), ("ml.model.version", "7")): 1,
    }


def test_an_exception_passes_through_and_is_named_on_the_span(service: Service) -> None:
    error = LookupError("no such customer")

    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        raise error

    with pytest.raises(LookupError) as caught:
        score({"amount": 1.0})

    assert caught.value is error
    (span,) = service.spans
    assert span.attributes is not None
    assert span.attributes["error.type"] == "LookupError"
    assert "ml.prediction.score" not in span.attributes
    assert span.status.description == "no such customer"
    assert [event.name for event in span.events] == ["exception"]
    table = service.table()
    assert table.scores is None
    assert list(table.features) == ["amount"]


@pytest.mark.parametrize("stop", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_a_call_that_is_stopped_has_an_error_status_and_no_exception_event(
    service: Service, stop: type[BaseException]
) -> None:
    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        raise stop

    with pytest.raises(stop):
        score({"amount": 1.0})

    (span,) = service.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert str(unwrap(span.attributes)["error.type"]).endswith(stop.__name__)
    assert not span.events


def test_an_unsampled_call_is_still_a_row() -> None:
    service = Service(sampler=ALWAYS_OFF)

    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        return 0.25

    score({"amount": 1.0})

    assert service.spans == []
    assert service.table().trace_id is None


def test_sampled_and_unsampled_rows_share_a_record_and_the_latter_have_zero_ids(service: Service) -> None:
    quiet = Service(sampler=ALWAYS_OFF)
    score = service.model().predict(_half)
    quiet.channel = service.channel
    silent = quiet.model().predict(_half)

    score({"amount": 1.0})
    silent({"amount": 1.0})

    ids = [bytes(16) if table.trace_id is None else table.trace_id.tobytes() for table in service.tables()]
    assert sorted(value == bytes(16) for value in ids) == [False, True]


def test_the_row_is_recorded_as_the_function_was_called(service: Service) -> None:
    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        order["amount"] = -1.0
        order.pop("country")
        return 0.25

    score({"amount": 17.5, "country": "NO"})

    attributes = service.attributes()
    assert attributes["driftline.feature.value.amount"] == 17.5
    assert attributes["driftline.feature.value.country"] == "NO"


def test_an_array_is_recorded_as_the_function_was_called(service: Service) -> None:
    @service.model().predict
    def score(X: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        scores = X[:, 0].copy()
        X[:] = 0.0
        return scores

    scores = score(np.array([[0.25, 2.0], [0.75, 4.0]]))
    scores[:] = 9.0

    table = service.table()
    assert unwrap(table.features["f1"].numbers).tolist() == [2.0, 4.0]
    assert unwrap(table.scores).tolist() == [[0.25], [0.75]]


def test_the_prediction_span_is_the_child_of_what_is_around_it_and_the_parent_of_what_is_inside(
    service: Service,
) -> None:
    tracer = service.tracers.get_tracer("shop")

    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        with tracer.start_as_current_span("features"):
            return 0.25

    with tracer.start_as_current_span("POST /score"):
        score({"amount": 1.0})
        after = trace.get_current_span()
        assert getattr(after, "name", "") == "POST /score"

    inside, prediction, outside = service.spans
    assert unwrap(prediction.parent).span_id == unwrap(outside.context).span_id
    assert unwrap(inside.parent).span_id == unwrap(prediction.context).span_id


def test_a_coroutine_function_stays_one_and_is_timed_to_its_end(service: Service) -> None:
    churn = service.model()

    @churn.predict
    async def score(order: dict[str, float]) -> float:
        await asyncio.sleep(0)
        return order["amount"]

    async def both() -> list[float]:
        return await asyncio.gather(*(score({"amount": amount}) for amount in (0.25, 0.75)))

    assert inspect.iscoroutinefunction(score)
    assert asyncio.run(both()) == [0.25, 0.75]
    assert [dict(span.attributes or {})["ml.prediction.score"] for span in service.spans] == [0.25, 0.75]
    table = service.table()
    assert sorted(unwrap(table.scores)[:, 0].tolist()) == [0.25, 0.75]


def test_concurrent_tasks_each_have_their_own_open_prediction(service: Service) -> None:
    @service.model().predict(id="order_id")
    async def score(order: dict[str, Any]) -> float:
        await asyncio.sleep(0)
        prediction = unwrap(driftline.current())
        assert prediction.id == order["order_id"]
        return 0.25

    async def many() -> None:
        await asyncio.gather(*(score({"order_id": f"A-{i}"}) for i in range(20)))

    asyncio.run(many())

    assert driftline.current() is None
    assert sorted(strings(service.table().id)) == sorted(f"A-{i}" for i in range(20))


def test_counts_name_the_process_where_its_resource_does_not() -> None:
    """Four workers of one server share a resource: their cumulative counters would overwrite each other."""
    service = Service(resource={"service.name": "shop"})
    score = service.model().predict(returns(0.5))
    score({"x": 1.0})

    assert service.counts() == {(("ml.prediction.class", "1"), ("service.instance.id", instance_id())): 1}


def test_a_cancelled_call_is_counted_as_such(service: Service) -> None:
    @service.model().predict
    async def score(order: dict[str, Any]) -> float:
        await asyncio.sleep(3600)
        return 0.25

    async def cancel() -> None:
        task = asyncio.create_task(score({"amount": 1.0}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())

    assert service.counts() == {(("error.type", "asyncio.exceptions.CancelledError"),): 1}


def test_threads_lose_nothing(service: Service) -> None:
    @service.model().predict
    def score(order: dict[str, Any]) -> float:
        return 0.25

    def work(worker: int) -> None:
        for i in range(200):
            score({"worker": worker, "i": i})

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    tables = service.tables()
    assert sum(map(len, tables)) == 1600
    ids = [text for table in tables for text in strings(table.id)]
    assert len(set(ids)) == 1600


def test_methods_class_methods_and_static_methods(service: Service) -> None:
    churn = service.model()

    class Scorer:
        @churn.predict(slices=lambda order: {"plan": order["plan"]})
        def method(self, order: dict[str, Any]) -> float:
            return float(order["amount"])

        @churn.predict
        @classmethod
        def class_method(cls, order: dict[str, Any]) -> float:
            return float(order["amount"])

        @classmethod
        @churn.predict
        def inner_class_method(cls, order: dict[str, Any]) -> float:
            return float(order["amount"])

        @churn.predict
        @staticmethod
        def static_method(order: dict[str, Any]) -> float:
            return float(order["amount"])

    order = {"amount": 0.5, "plan": "basic"}
    assert Scorer().method(order) == 0.5
    assert Scorer.method(Scorer(), order=order) == 0.5
    assert Scorer.class_method(order) == 0.5
    assert Scorer.inner_class_method(order) == 0.5
    assert Scorer().static_method(order) == 0.5

    spans = [dict(span.attributes or {}) for span in service.spans]
    assert [span["driftline.feature.value.amount"] for span in spans] == [0.5] * 5
    assert [span.get("driftline.slice.value.plan") for span in spans] == ["basic", "basic", None, None, None]


def test_the_function_keeps_its_name_signature_and_pickle() -> None:
    assert module_level.__name__ == "module_level"
    assert list(inspect.signature(module_level).parameters) == ["order"]
    assert pickle.loads(pickle.dumps(module_level)) is module_level


def test_a_wrong_call_raises_what_the_function_raises(service: Service) -> None:
    score: Any = service.model().predict(_half)

    with pytest.raises(TypeError, match=r"_half\(\).*1 required.*'order'"):
        score()
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrong'"):
        score(wrong=1)

    assert service.counts() == {(("error.type", "TypeError"),): 2}


def _half(order: dict[str, Any]) -> float:
    return 0.5


def test_a_model_is_pickled_and_copied_as_what_it_was_made_from() -> None:
    churn = driftline.Model("churn", task="binary", version="7", classes=["n", "y"], positive_class="y")

    for twin in (pickle.loads(pickle.dumps(churn)), copy.deepcopy(churn)):
        assert repr(twin) == "driftline.Model('churn', task='binary', version='7')"
        assert twin._identity == churn._identity
        assert twin._pipeline is churn._pipeline


def test_an_exception_whose_message_utf8_cannot_hold_costs_no_other_span(service: Service) -> None:
    @service.model().predict
    def score(row: dict[str, Any]) -> float:
        raise ValueError(f"no such country: {row['country']}")

    with pytest.raises(ValueError, match="no such country"):
        score({"country": "\ud800"})

    (resource,) = encode_spans(service.spans).resource_spans
    assert [span.status.message for span in resource.scope_spans[0].spans] == ["no such country: ?"]


@pytest.mark.parametrize("slices", [None, "tariff\ud800"])  # the common call, and any other
def test_half_a_surrogate_pair_is_a_question_mark_on_the_span_as_in_the_record(
    service: Service, slices: str | None
) -> None:
    row = {"id": "A\udfff", "city": "Zürich", "street": "Gr\ud800n", "tariff\ud800": "b\udc00", "age": 31.0}

    @service.model(task="multiclass", classes=["low", "h\ud800h"]).predict(id="id", slices=slices)
    def score(row: dict[str, Any]) -> str:
        return "h\ud800h"

    score(row)

    (resource,) = encode_spans(service.spans).resource_spans
    ((span,),) = [scope.spans for scope in resource.scope_spans]
    said = {pair.key: pair.value for pair in span.attributes}
    assert said["ml.prediction.id"].string_value == "A?"
    assert said["ml.prediction.class"].string_value == "h?h"
    assert said["driftline.feature.value.city"].string_value == "Zürich"
    assert said["driftline.feature.value.street"].string_value == "Gr?n"
    assert said["driftline.feature.value.tariff?"].string_value == "b?"
    if slices:
        assert said["driftline.slice.value.tariff?"].string_value == "b?"
    assert row["street"] == "Gr\ud800n"  # what the function got is as it was
    table = service.table()
    assert strings(table.id) == ["A?"]
    assert {name: column.categories for name, column in table.features.items()} == {
        "city": ("Zürich",),
        "street": ("Gr?n",),
        "tariff?": ("b?",),
        "age": (),
    }


@pytest.mark.parametrize("kind", ["call", "asked", "coroutine", "slow", "block", "unsampled"])
def test_what_is_set_after_the_call_changes_neither_the_span_nor_the_record(kind: str, caplog: Any) -> None:
    service = Service(sampler=ALWAYS_OFF if kind == "unsampled" else None)
    churn, held = service.model(), []

    def score(row: dict[str, Any]) -> float:
        held.append(driftline.current())
        if kind == "asked":
            driftline.current().id = "said"  # type: ignore[union-attr]
        return 0.25

    async def score_async(row: dict[str, Any]) -> float:
        return score(row)

    if kind == "coroutine":
        for _ in range(2):  # the first goes the long way
            asyncio.run(churn.predict(id="id")(score_async)({"id": "said", "x": 1.0}))
    elif kind == "block":
        with churn.prediction(features={"x": 1.0}, id="said") as prediction:
            prediction.score = 0.25
            held.append(prediction)
    else:
        function = churn.predict(id="id", slices="x" if kind == "slow" else None)(score)
        for _ in range(2):
            function({"id": "said", "x": 1.0})
    for over in held:
        assert over is not None
        over.id, over.score, over.predicted = "late", 0.75, 1
        assert over.id == "said"

    tables = service.tables()
    assert {text for table in tables for text in strings(table.id)} == {"said"}
    assert {row[0] for table in tables if table.scores is not None for row in table.scores.tolist()} == {0.25}
    for span in service.spans:
        attributes = dict(span.attributes or {})
        assert attributes["ml.prediction.id"] == "said"
        assert attributes["ml.prediction.score"] == 0.25
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"driftline: the {what} of a prediction of churn was set after the call, when its span had ended, so it is "
        f"not changed; set it inside the call, or inside the with block: driftline.current().{what} = ..."
        for what in ("id", "score", "predicted")
    ]


class Chooser(Sampler):
    """A sampler that keeps the attributes that it was shown, and returns them if it is told to."""

    def __init__(self, *, returns: bool = True) -> None:
        self.shown: list[dict[str, Any]] = []
        self._returns = returns

    def should_sample(self, *given: Any, **_: Any) -> SamplingResult:
        attributes = given[4]  # parent context, trace id, name, kind, attributes, links
        self.shown.append(dict(attributes or {}))
        return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes if self._returns else None)

    def get_description(self) -> str:
        return "Chooser"


@pytest.mark.parametrize("returns_them", [True, False])
def test_a_sampler_decides_by_model_version_task_and_operation(
    returns_them: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DRIFTLINE_SPAN_FEATURES")
    sampler = Chooser(returns=returns_them)
    service = Service(sampler=sampler)
    model = service.model(version="7")

    @model.predict
    async def later(order: dict[str, Any]) -> float:
        return 0.25

    predict = model.predict(returns(0.25))
    for row in ({"amount": 1.0}, {"amount": 2.0}, np.array([1.0])):  # the first call takes the general path
        predict(row)
    asyncio.run(later({"amount": 1.0}))
    asyncio.run(later({"amount": 2.0}))
    with model.prediction(features={"amount": 1.0}) as prediction:
        prediction.score = 0.25
    place = Place(model)
    for _ in range(2):
        predict_request(place)
        service.flush()

    identity = {
        "ml.operation.name": "predict", "ml.model.name": "churn", "ml.model.version": "7", "ml.model.task": "binary",
    }  # fmt: skip
    assert sampler.shown == [identity] * 8
    assert len(service.spans) == 8
    assert all(identity.items() <= unwrap(span.attributes).items() for span in service.spans)


@pytest.mark.parametrize("way", ["quick", "general", "async", "request"])
def test_a_small_span_drops_features_and_never_the_model(way: str) -> None:
    service = Service()
    service.tracers = TracerProvider(span_limits=SpanLimits(max_span_attributes=40))
    service.tracers.add_span_processor(SimpleSpanProcessor(service.exporter))
    model = service.model(version="7")
    row = {f"f{i}": float(i) for i in range(100)}

    @model.predict
    async def later(order: dict[str, Any]) -> float:
        return 0.25

    if way == "quick":
        predict = model.predict(returns(0.25))
        predict(row)  # the first call takes the general path
        service.exporter.clear()
        predict(row)
    elif way == "async":
        asyncio.run(later(row))
        service.exporter.clear()
        asyncio.run(later(row))
    elif way == "request":
        place = Place(model)
        predict_request(place, row)
        service.flush()
        service.exporter.clear()
        predict_request(place, row)
        service.flush()
    else:
        with model.prediction(features=row) as prediction:
            prediction.score = 0.25

    attributes = service.attributes()
    assert len(attributes) == 40
    features = [name for name in attributes if name.startswith("driftline.feature.value.")]
    assert features == [f"driftline.feature.value.f{i}" for i in range(64 - len(features), 64)]
    assert {name for name in attributes if name not in features} == {
        *("ml.operation.name", "ml.model.name", "ml.model.version", "ml.model.task"),
        *("ml.prediction.id", "ml.prediction.score", "ml.prediction.class"),
        *("driftline.prediction.recorded", "driftline.feature.dropped"),
    }


def test_a_prediction_that_ends_with_an_iteration_stopped_early_is_no_error(service: Service) -> None:
    with contextlib.suppress(GeneratorExit), service.model().prediction() as prediction:
        prediction.score = 0.25
        raise GeneratorExit

    (span,) = service.spans
    assert span.status.status_code is StatusCode.UNSET
    assert "error.type" not in service.attributes()
    assert service.counts() == {(("ml.prediction.class", "0"),): 1}
