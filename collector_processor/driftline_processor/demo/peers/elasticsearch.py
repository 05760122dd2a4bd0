"""Elasticsearch's OTLP endpoint for logs: what it takes, and the documents that it keeps.

Path, content type and key are those of https://www.elastic.co/docs/manage-data/ingest/otlp-endpoint, names of data
streams those of https://www.elastic.co/docs/reference/ecs/ecs-data_stream. Documents are those of the index template
``logs-otel@template`` with ``logs@settings``: an attribute that is an object is ``flattened``, a value that does not
fit its field is not indexed (``ignore_malformed``), and no field is made beyond ``total_fields.limit``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from .recorder import Asked

ROUTING = ("data_stream.dataset", "data_stream.namespace")
FIELDS = 1_000
"""``index.mapping.total_fields.limit`` of a data stream."""
KEYWORD = 1_024
"""``ignore_above`` of a text: a longer one is kept, and cannot be searched."""
PART_OF_NAME = re.compile(r"[^-\\/*?\"<>| ,#:A-Z]{1,100}")


class Document(Struct, frozen=True):
    """A log record as it is kept.

    Attributes:
        stream: Name of its data stream.
        event: Name of the event; "" = an ordinary log line.
        resource: Attributes of the resource.
        attributes: Those of the record; bytes are base64, as they are kept.
        body: Text of the body; "" = none.
        ignored: Names of attributes that are in the source of the document only, since their field has another type.
        unsearchable: Names of attributes whose text is too long to be searched.
    """

    stream: str
    event: str
    resource: dict[str, Any]
    attributes: dict[str, Any]
    body: str
    ignored: tuple[str, ...]
    unsearchable: tuple[str, ...]


class Elasticsearch:
    """The data streams of logs of a deployment.

    Attributes:
        documents: What was kept, in its order.
        fields: Data stream → name of an attribute → type of its field, as the first value made it.
        rejected: Why records were rejected; the others of their request were kept.

    Args:
        key: The API key that is asked for, as it is in the header.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self.documents: list[Document] = []
        self.fields: dict[str, dict[str, str]] = {}
        self.rejected: list[str] = []

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        """Answer a request.

        Raises:
            AssertionError: It has another path, method or type than the endpoint takes.
            google.protobuf.message.DecodeError: Its body is no request of OTLP.
        """
        assert (asked.method, asked.path) == ("POST", "/_otlp/v1/logs"), f"{asked.path} is not the path of logs"
        if asked.headers.get("authorization") != f"ApiKey {self._key}":
            return 401, {"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401}
        assert asked.headers["content-type"] == "application/x-protobuf", "only protobuf is taken"
        request = ExportLogsServiceRequest.FromString(asked.unpacked)
        reasons = []
        for of_resource in request.resource_logs:
            resource = _plain(of_resource.resource.attributes)
            for of_scope in of_resource.scope_logs:
                routed = {**resource, **_plain(of_scope.scope.attributes)}
                for record in of_scope.log_records:
                    try:
                        self.documents.append(self._document(record, resource, routed))
                    except ValueError as reason:
                        reasons.append(str(reason))
        self.rejected += reasons
        answer = ExportLogsServiceResponse()
        if reasons:
            answer.partial_success.rejected_log_records = len(reasons)
            answer.partial_success.error_message = reasons[0]
        return 200, answer.SerializeToString()

    def _document(self, record: LogRecord, resource: dict[str, Any], routed: dict[str, Any]) -> Document:
        attributes = _plain(record.attributes)
        dataset, namespace = ({**routed, **attributes}.get(name) for name in ROUTING)
        for part in (dataset, namespace):
            if part is not None and not PART_OF_NAME.fullmatch(part):
                raise ValueError(f"'{part}' cannot be part of the name of a data stream")
        if not (record.time_unix_nano or record.observed_time_unix_nano):
            raise ValueError("data stream timestamp field [@timestamp] is missing")
        stream = f"logs-{dataset or 'generic'}.otel-{namespace or 'default'}"
        kept = {name: value for name, value in attributes.items() if name not in ROUTING}
        fields, ignored = self.fields.setdefault(stream, {}), []
        for name, value in kept.items():
            if not all(part.strip() for part in name.split(".")):
                raise ValueError(f"field name '{name}' has an empty part")
            kind = _kind(value)
            if kind and not _fits(kind, fields.get(name, kind)):
                ignored.append(name)
            elif kind and len(fields) < FIELDS:
                fields.setdefault(name, kind)
        long = tuple(name for name, value in kept.items() if isinstance(value, str) and len(value) > KEYWORD)
        return Document(stream, record.event_name, resource, kept, record.body.string_value, tuple(ignored), long)


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Any:
    case = value.WhichOneof("value")
    if case is None:
        return None
    if case == "kvlist_value":
        return _plain(value.kvlist_value.values)
    if case == "array_value":
        return [_value(one) for one in value.array_value.values]
    if case == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, case)


def _kind(value: Any) -> str:
    """Return the type of the field that a value makes where there is none; "" = none is made."""
    if isinstance(value, list):
        return _kind(value[0]) if value else ""
    kinds = {bool: "boolean", int: "long", float: "float", str: "keyword", dict: "flattened"}
    return kinds.get(type(value), "")


def _fits(kind: str, field: str) -> bool:
    """Return whether a value fits a field: a keyword takes every scalar, a float every number."""
    return kind == field or (field == "keyword" and kind != "flattened") or (kind, field) == ("long", "float")
