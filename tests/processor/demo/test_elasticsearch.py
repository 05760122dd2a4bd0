"""The peer takes what Elasticsearch's OTLP endpoint takes, and keeps of it what Elasticsearch would keep."""

from __future__ import annotations

import base64
import gzip
from typing import Any

import pytest
from driftline_processor.demo.peers.elasticsearch import Elasticsearch
from driftline_processor.demo.peers.recorder import Asked
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList

KEY = base64.b64encode(b"id:secret").decode()
PATH = "/_otlp/v1/logs"


def attributes(**values: AnyValue) -> list[KeyValue]:
    return [KeyValue(key=name.replace("__", "."), value=value) for name, value in values.items()]


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def logs(*records: list[KeyValue], time: int = 1, **resource: AnyValue) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.extend(attributes(**resource))
    scope = of_resource.scope_logs.add()
    for record in records:
        scope.log_records.add(time_unix_nano=time, event_name="ml.outcome", attributes=record)
    return request


def asked(body: bytes, path: str = PATH, **headers: str) -> Asked:
    headers = {"authorization": f"ApiKey {KEY}", "content-type": "application/x-protobuf", **headers}
    return Asked("POST", path, {}, headers, body)


def sent(elastic: Elasticsearch, request: ExportLogsServiceRequest) -> Any:
    status, body = elastic(asked(request.SerializeToString()))
    assert status == 200
    return ExportLogsServiceResponse.FromString(body).partial_success


def test_a_record_is_kept_in_the_data_stream_of_its_resource() -> None:
    elastic = Elasticsearch(KEY)
    map_of_bytes = AnyValue(kvlist_value=KeyValueList(values=attributes(score=AnyValue(bytes_value=b"\1\2"))))
    request = logs(
        attributes(ml__model__name=text("churn"), columns=map_of_bytes), data_stream__namespace=text("credit")
    )
    assert not sent(elastic, request).rejected_log_records
    (document,) = elastic.documents
    assert (document.stream, document.event) == ("logs-generic.otel-credit", "ml.outcome")
    assert document.attributes == {"ml.model.name": "churn", "columns": {"score": "AQI="}}
    assert elastic.fields == {document.stream: {"ml.model.name": "keyword", "columns": "flattened"}}


def test_a_compressed_request_is_taken_as_it_is_without() -> None:
    elastic = Elasticsearch(KEY)
    body = gzip.compress(logs(attributes(a=text("b"))).SerializeToString())
    assert elastic(asked(body, **{"content-encoding": "gzip"}))[0] == 200
    assert [one.attributes for one in elastic.documents] == [{"a": "b"}]


def test_a_value_of_another_type_than_its_field_has_is_not_indexed() -> None:
    elastic = Elasticsearch(KEY)
    sent(elastic, logs(attributes(actual=AnyValue(int_value=1)), attributes(actual=text("urgent"))))
    assert [one.ignored for one in elastic.documents] == [(), ("actual",)]


def test_a_text_that_is_too_long_to_be_searched_is_named() -> None:
    elastic = Elasticsearch(KEY)
    sent(elastic, logs(attributes(short=text("x" * 1_024), long=text("x" * 1_025))))
    assert elastic.documents[0].unsearchable == ("long",)


def test_no_more_than_a_thousand_fields_are_made() -> None:
    elastic = Elasticsearch(KEY)
    sent(elastic, logs([KeyValue(key=f"f{at}", value=text("x")) for at in range(1_001)]))
    assert len(elastic.fields["logs-generic.otel-default"]) == 1_000


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (logs(attributes(a=text("b")), time=0), "[@timestamp] is missing"),
        (logs([KeyValue(key="a..b", value=text("c"))]), "empty part"),
        (logs([], data_stream__namespace=text("a-b")), "'a-b' cannot be part"),
        (logs([], data_stream__dataset=text("Models")), "'Models' cannot be part"),
        (logs([], data_stream__dataset=text("x" * 101)), "cannot be part"),
    ],
    ids=["no time", "empty part of a name", "hyphen", "capital letter", "too long"],
)
def test_a_record_that_cannot_be_kept_is_rejected_in_an_answer_of_200(
    request_: ExportLogsServiceRequest, reason: str
) -> None:
    elastic = Elasticsearch(KEY)
    partial = sent(elastic, request_)
    assert partial.rejected_log_records == 1
    assert reason in partial.error_message
    assert (elastic.documents, elastic.rejected) == ([], [partial.error_message])


def test_a_wrong_key_is_answered_401_and_keeps_nothing() -> None:
    elastic = Elasticsearch(KEY)
    body = logs(attributes(a=text("b"))).SerializeToString()
    for key in ("Bearer x", f"ApiKey {KEY}x", ""):
        assert elastic(asked(body, authorization=key))[0] == 401
    assert elastic.documents == []


def test_another_path_type_or_body_is_refused() -> None:
    elastic = Elasticsearch(KEY)
    with pytest.raises(AssertionError, match="not the path of logs"):
        elastic(asked(b"", path="/v1/logs"))
    with pytest.raises(AssertionError, match="only protobuf"):
        elastic(asked(b"{}", **{"content-type": "application/json"}))
    with pytest.raises(DecodeError):
        elastic(asked(b"\xff\xff"))
