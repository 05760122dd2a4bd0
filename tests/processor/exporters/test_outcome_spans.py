"""Outcomes become spans in the traces of their predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from driftline.capture.model_identity import VERSION
from driftline.semconv import SCHEMA_URL, events
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.config.exporters import OutcomeParent
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.decode.requests import decode_traces
from driftline_processor.exporters.outcome_spans import (
    TRACE_WINDOW,
    JoinedRow,
    OutcomeSpans,
    spans_request,
)
from driftline_processor.health import Counters
from driftline_processor.present.links import Links
from driftline_processor.state import State
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp_requests import NOW, logs, record, span, traces

HOUR = 3_600 * 10**9
ARRIVED = NOW + 400 * 24 * HOUR
TRACE, PARENT = b"t" * 16, b"s" * 8
CHURN = ModelKey("churn", "7", "prod")


def row(key: ModelKey = CHURN, **fields: Any) -> tuple[ModelKey, JoinedRow]:
    return key, {
        "id": "A-1",
        "time": NOW,
        "score": 0.25,
        "predicted": "0",
        "actual": "1",
        "number": None,
        "outcome_time": NOW + HOUR,
        "received": ARRIVED,
        "outcome_received": ARRIVED + HOUR,
        "weight": 1.0,
        "trace_id": TRACE,
        "span_id": PARENT,
        "value": None,
        "item": None,
        "slices": None,
        **fields,
    }


def spans(*rows: tuple[ModelKey, JoinedRow]) -> list[Span]:
    request = ExportTraceServiceRequest.FromString(spans_request(rows))
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def said(span: Span) -> dict[str, Any]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}


def test_an_outcome_is_a_child_of_its_prediction() -> None:
    request = ExportTraceServiceRequest.FromString(spans_request([row()]))

    [resource] = request.resource_spans
    assert {each.key: each.value.string_value for each in resource.resource.attributes} == {
        a.SERVICE_NAME: "driftline",
        a.SERVICE_VERSION: VERSION,
        a.DEPLOYMENT_ENVIRONMENT_NAME: "prod",
    }
    [scope] = resource.scope_spans
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("driftline.processor", VERSION, SCHEMA_URL)
    [made] = scope.spans
    assert made.name == "outcome churn"
    assert (made.trace_id, made.parent_span_id) == (TRACE, PARENT)
    assert (made.start_time_unix_nano, made.end_time_unix_nano) == (ARRIVED + HOUR, ARRIVED + HOUR + 1_000)
    assert [(link.trace_id, link.span_id) for link in made.links] == [(TRACE, PARENT)]
    assert said(made) == {
        a.ML_OPERATION_NAME: "outcome",
        a.ML_MODEL_NAME: "churn",
        a.ML_MODEL_VERSION: "7",
        a.ML_PREDICTION_ID: "A-1",
        a.ML_PREDICTION_SCORE: 0.25,
        a.ML_PREDICTION_CLASS: "0",
        a.ML_OUTCOME_ACTUAL: "1",
        a.DRIFTLINE_OUTCOME_TIME_UNIX_NANO: NOW + HOUR,
    }


def test_a_span_leads_to_the_page_of_its_prediction_where_people_can_reach_it() -> None:
    links = Links(public_url="https://driftline.example.com")
    body = spans_request([row(id="A 1")], links)
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    ((linked,),) = (scope.spans for scope in resource.scope_spans)
    (plain,) = spans(row(id="A 1"))
    page = "https://driftline.example.com/models/churn/predictions?id=A+1&version=7&environment=prod"
    assert said(linked) == {**said(plain), a.DRIFTLINE_PAGE_URL_FULL: page}
    assert linked.span_id == plain.span_id  # an address that changes makes no second span


def test_the_outcome_of_a_regression_is_a_text_beside_the_value() -> None:
    [made] = spans(row(predicted=None, actual=None, number=12.5, score=10.0, weight=4.0))

    found = said(made)
    assert found[a.ML_PREDICTION_VALUE] == 10.0
    assert found[a.ML_OUTCOME_ACTUAL] == "12.5"
    assert found[a.DRIFTLINE_OUTCOME_WEIGHT] == 4.0
    assert a.ML_PREDICTION_SCORE not in found
    assert a.ML_PREDICTION_CLASS not in found


def test_a_repeat_is_the_same_span_and_a_correction_another() -> None:
    [first], [again], [corrected], [later] = (
        spans(row()),
        spans(row()),
        spans(row(actual="0")),
        spans(row(outcome_time=NOW + HOUR + 1)),
    )

    assert first == again
    assert len({made.span_id for made in (first, corrected, later)}) == 3
    assert all(len(made.span_id) == 8 for made in (first, corrected, later))


def test_whatever_an_outcome_says_makes_it_another_span() -> None:
    told: list[dict[str, Any]] = [
        *(
            {},
            {"weight": 2.0},
            {"value": 3.5},
            {"item": "b", "actual": None, "number": 1.0},
            {"item": "c", "actual": None, "number": 1.0},
        ),
        {"slices": [("country", "NL")]},
    ]
    found = [spans(row(**more))[0] for more in told]
    assert len({span.span_id for span in found}) == len(told)
    assert said(found[2])[a.DRIFTLINE_OUTCOME_VALUE] == 3.5
    assert said(found[3])[a.DRIFTLINE_OUTCOME_ITEM] == "b"


def test_rows_of_one_batch_call_get_a_span_each() -> None:
    first, second = spans(row(id="b.0"), row(id="b.1", score=np.nan, predicted="1"))

    assert first.span_id != second.span_id
    assert first.parent_span_id == second.parent_span_id == PARENT
    assert a.ML_PREDICTION_SCORE not in said(second)


@pytest.mark.parametrize(("after", "joins"), [(-HOUR, True), (TRACE_WINDOW, True), (TRACE_WINDOW + 1, False)])
def test_an_outcome_that_arrives_after_the_trace_window_begins_a_trace_with_a_link(after: int, joins: bool) -> None:
    [made] = spans(row(outcome_received=ARRIVED + after))

    if joins:
        assert (made.trace_id, made.parent_span_id) == (TRACE, PARENT)
    else:
        assert len(made.trace_id) == 16
        assert made.trace_id != TRACE
        assert made.parent_span_id == b""
    assert [(link.trace_id, link.span_id) for link in made.links] == [(TRACE, PARENT)]


def test_an_exporter_may_want_outcomes_in_traces_of_their_own() -> None:
    sent: dict[OutcomeParent, list[bytes]] = {"prediction": [], "none": []}
    offers = {parent: [bodies.append] for parent, bodies in sent.items()}

    OutcomeSpans(lambda: {1: ModelKey("churn")}, offers, Counters())(joined(1))

    (child,), (alone,) = (
        [ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0] for body in bodies]
        for bodies in sent.values()
    )
    assert (alone.parent_span_id, alone.links[0].span_id) == (b"", child.parent_span_id)
    assert alone.trace_id != child.trace_id == alone.links[0].trace_id
    assert alone.span_id == child.span_id


def test_each_environment_is_a_resource_of_its_own() -> None:
    body = spans_request([row(), row(ModelKey("fraud", "", "")), row(ModelKey("fraud", "1", "prod"))])

    found = ExportTraceServiceRequest.FromString(body).resource_spans

    assert [[made.name for made in resource.scope_spans[0].spans] for resource in found] == [
        ["outcome churn", "outcome fraud"],
        ["outcome fraud"],
    ]


def test_outcome_spans_are_never_taken_for_predictions() -> None:
    assert not decode_traces(spans_request([row()]), NOW).predictions


def joined(n: int, sampled: bool = True, series: int = 1) -> pa.Table:
    return pa.table(
        {
            "series": pa.array([series] * n, pa.int32()),
            "time": np.full(n, NOW),
            "id": [f"{i}" for i in range(n)],
            "score": np.full(n, 0.5),
            "predicted": ["0"] * n,
            "actual": pa.nulls(n, pa.string()),
            "number": np.ones(n),
            "weight": np.ones(n),
            "value": pa.nulls(n, pa.float64()),
            "item": pa.nulls(n, pa.string()),
            "slices": pa.nulls(n, pa.string()),
            "outcome_time": np.full(n, NOW),
            "received": np.full(n, ARRIVED),
            "outcome_received": np.full(n, ARRIVED),
            "trace_id": pa.array([TRACE] * n) if sampled else pa.nulls(n, pa.binary()),
            "span_id": pa.array([PARENT] * n) if sampled else pa.nulls(n, pa.binary()),
        }
    )


def test_only_sampled_rows_of_known_models_are_taken_from_a_join() -> None:
    table = pa.concat_tables([joined(2), joined(1, sampled=False), joined(1, series=9)])

    sent = list[bytes]()

    OutcomeSpans(lambda: {1: ModelKey("churn")}, {"prediction": [sent.append]}, Counters())(table)

    [resource] = ExportTraceServiceRequest.FromString(sent[0]).resource_spans
    found = [said(made) for made in resource.scope_spans[0].spans]
    assert [(each[a.ML_PREDICTION_ID], each[a.ML_OUTCOME_ACTUAL]) for each in found] == [("0", "1"), ("1", "1")]


def test_more_outcomes_than_a_second_allows_are_counted() -> None:
    now, sent, counters = [0.0], list[bytes](), Counters()
    listener = OutcomeSpans(
        lambda: {1: ModelKey("churn")}, {"prediction": [sent.append]}, counters, 10.0, lambda: now[0]
    )

    for elapsed, n in ((0.0, 8), (0.0, 8), (0.5, 8), (60.0, 8)):
        now[0] += elapsed
        listener(joined(n))

    assert [
        len(ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans) for body in sent
    ] == [
        8,
        2,
        5,
        8,
    ]
    assert counters.snapshot() == {(m.DRIFTLINE_SKIPPED_OUTCOME_SPANS, ()): 9.0}


def test_nothing_is_sent_when_no_row_was_sampled() -> None:
    sent, counters = list[bytes](), Counters()

    OutcomeSpans(lambda: {1: ModelKey("churn")}, {"prediction": [sent.append]}, counters)(joined(5, sampled=False))

    assert not sent
    assert not counters.snapshot()


def test_an_outcome_that_the_state_joins_becomes_a_span_of_the_prediction(tmp_path: Path) -> None:
    state = State(Config(storage=Storage(directory=tmp_path / "state")), clock=lambda: NOW + HOUR)
    sent = list[bytes]()

    def keys() -> dict[int, ModelKey]:
        found = state.read("SELECT series, model, version, environment FROM models").to_pylist()
        return {row["series"]: ModelKey(row["model"], row["version"], row["environment"]) for row in found}

    state.on_joined(OutcomeSpans(keys, {"prediction": [sent.append]}, Counters()))
    state.start()
    prediction = span({a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_PREDICTION_SCORE: 0.25})
    outcome = record(events.ML_OUTCOME, {a.ML_MODEL_NAME: "churn", a.ML_PREDICTION_ID: "A-1", a.ML_OUTCOME_ACTUAL: 1})
    state.submit("traces", traces([prediction])).result(60)
    state.submit("logs", logs([outcome])).result(60)
    state.stop()

    [body] = sent
    [made] = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert (made.trace_id, made.parent_span_id) == (prediction.trace_id, prediction.span_id)
    found = said(made)
    assert (found[a.ML_PREDICTION_SCORE], found[a.ML_PREDICTION_CLASS], found[a.ML_OUTCOME_ACTUAL]) == (0.25, "0", "1")
