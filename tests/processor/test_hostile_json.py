"""Hostile JSON in every field of every POST of a running processor: a sentence, and the processor goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path
from typing import Any

import httpx
import pytest
from driftline_processor.access.local import local_token_file
from driftline_processor.readers.json_rows import parse_lines
from driftline_processor.readers.outcomes.documents import parse_ndjson

from tests.support.running_service import get, running, url

VALUES = {
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "3,000 levels": b"[" * 3_000 + b"]" * 3_000,
    "integer of 5,000 digits": b"9" * 5_000,
    "2^64": b"18446744073709551616",
    "1e400": b"1e400",
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
    "lone surrogate": b'"\\ud800"',
    "no UTF-8": b'"\xff"',
    "NUL": b'"a\\u0000b"',
    "megabytes": b'"' + b"x" * 3_000_000 + b'"',
    "null": b"null",
    "true": b"true",
    "float": b"-1.5",
    "text": b'"x"',
    "empty text": b'""',
    "list": b"[]",
    "list of a huge integer": b"[1000000000, 0]",
    "list of others": b"[{}, [], null, 1]",
    "object": b"{}",
    "nested object": b'{"a": [{"b": {}}]}',
}

USER = getuser()
VALUE = {"stringValue": "x"}
ATTRIBUTES = [{"key": "ml.model.name", "value": VALUE}]
TIME = "2026-11-28T00:00:00Z"
OUTCOME = {
    "id": "a", "actual": 1, "time": TIME, "prediction_time": TIME, "weight": 1, "value": 1, "item": "i",
    "retracted": False, "model": "m", "environment": "p", "slices": {"country": "de"}, "slice.age": "old",
}  # fmt: skip
RECORD = {"timeUnixNano": "1", "eventName": "ml.prediction", "body": VALUE, "attributes": ATTRIBUTES, "traceId": "ab"}
SPAN = {
    "traceId": "ab" * 16, "spanId": "ab" * 8, "name": "x", "kind": 1, "startTimeUnixNano": "1", "endTimeUnixNano": "2",
    "attributes": ATTRIBUTES, "status": {"code": 1}, "traceState": "ot=th:0",
}  # fmt: skip
POINT = {"timeUnixNano": "1", "asDouble": 1.0, "attributes": ATTRIBUTES}
METRIC = {"name": "x", "gauge": {"dataPoints": [POINT]}}
POSTS: dict[str, tuple[str, str, Any]] = {
    "outcomes": ("/v1/outcomes", "json", {"model": "m", "environment": "p", "outcomes": [OUTCOME]}),
    "outcomes by line": ("/v1/outcomes?model=m", "x-ndjson", OUTCOME),
    "replay": ("/api/v1/policies/replay", "json", {
        "policies": {"bad": {"when": "verdict is degraded", "for": "1h", "channels": ["a"]}}, "all_quiet": False,
    }),
    "annotation": ("/v1/annotations", "json", {
        "model": "m", "text": "t", "kind": "note", "by": USER, "version": "", "time": "",
    }),
    "silence": ("/v1/silences", "json", {
        "model": "m", "environment": "", "policy": "", "for": "1h", "by": USER, "why": "w",
    }),
    "decision": ("/api/v1/models/m/decisions", "json", {"kind": "retired", "by": USER, "why": "w", "version": ""}),
    "acknowledgement": ("/api/v1/alerts/x/acknowledgement", "json", {"by": USER, "why": "", "take_over": "true"}),
    "approval": ("/api/v1/alerts/x/approval", "json", {"action": "a", "by": USER, "why": "", "digest": ""}),
    "panes": ("/v1/panes", "json", {
        "model": "m", "version": "1", "environment": "", "source": "job", "epoch": 1,
        "panes": [{"start": 0, "span": "1h", "sums": {"rows": [3, 3, 3]}}],
    }),
    "event": ("/v1/cloudevents", "cloudevents+json", {
        "specversion": "1.0", "id": "a", "source": "s", "type": "org.kubeflow.serving.inference.request",
        "time": TIME, "data": {"instances": [{"age": 1}], "inputs": [
            {"name": "x", "shape": [1], "datatype": "FP32", "data": [1.0], "parameters": {"a": 1}},
        ]},
    }),
    "logs": ("/v1/logs", "json", {"resourceLogs": [
        {"resource": {"attributes": ATTRIBUTES}, "scopeLogs": [{"scope": {"name": "s"}, "logRecords": [RECORD]}]},
    ]}),
    "traces": ("/v1/traces", "json", {"resourceSpans": [
        {"resource": {"attributes": ATTRIBUTES}, "scopeSpans": [{"scope": {"name": "s"}, "spans": [SPAN]}]},
    ]}),
    "metrics": ("/v1/metrics", "json", {"resourceMetrics": [
        {"resource": {"attributes": ATTRIBUTES}, "scopeMetrics": [{"scope": {"name": "s"}, "metrics": [METRIC]}]},
    ]}),
}  # fmt: skip
"""Path, media type, and a document with every field."""

OF_PAGES = {"replay", "annotation", "silence", "decision", "acknowledgement", "approval"}
MARK = "<here>"


def marked(document: Any) -> Iterator[Any]:
    """Yield the document with a mark in the place of each of its values."""
    yield MARK
    if not isinstance(document, dict | list):
        return
    for place, value in [*(document.items() if isinstance(document, dict) else enumerate(document))]:
        for changed in marked(value):
            copy = {**document} if isinstance(document, dict) else [*document]
            copy[place] = changed
            yield copy


def bodies(document: Any) -> Iterator[tuple[str, bytes]]:
    for template in marked(document):
        text = json.dumps(template).encode()
        for name, value in VALUES.items():
            yield f"{name} in {text.decode():.300}", text.replace(json.dumps(MARK).encode(), value)
    whole = json.dumps(document).encode()
    yield "each key twice", whole[:-1] + b"," + whole[1:]
    yield "one line of megabytes", b" " * 5_000_000 + whole
    yield "cut off", whole[:-2]
    yield "UTF-16", whole.decode().encode("utf-16")
    yield "mark of byte order", b"\xef\xbb\xbf" + whole
    yield "null before", b"null\n" + whole
    yield "null behind", whole + b"\nnull"


@pytest.mark.slow
@pytest.mark.parametrize("post", POSTS)
def test_hostile_json_is_answered_with_a_sentence(
    post: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    path, kind, document = POSTS[post]
    with running(tmp_path / "data") as service, httpx.Client(trust_env=False, timeout=60) as client:
        address = url(service, "web" if post in OF_PAGES else "http", path)
        token = local_token_file(service.addresses["web"].port).read_text().strip()
        headers = {"content-type": f"application/{kind}", "authorization": f"Bearer {token}"}
        for name, body in bodies(document):
            answer = client.post(address, content=body, headers=headers)
            assert answer.status_code < 500, (name, answer.text)
            assert answer.status_code not in (401, 405)
            if answer.is_client_error:
                said = answer.json()
                assert len(said.get("error") or said.get("message")) < 1_000, name
        assert get(service, "/readyz").json() == {"ready": True, "problems": []}
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("data", [b"null", b" \tnull\n{}", b"\xef\xbb\xbfnull", b"\r\nnull\n", b"null {}"])
def test_a_line_that_begins_with_null_is_a_bad_line(data: bytes) -> None:
    # it ended the process inside Arrow, from four bytes on
    lines = data + b'\n{"id": "a", "actual": 1}\n'
    parsed = parse_ndjson(lines, "m", None)
    assert parsed.rows.id.to_pylist() == ["a"]
    assert parsed.rejections >= 1
    table = parse_lines(lines, 1).table
    assert table is not None
    assert table.num_rows >= 1
