"""A prediction's trace, opened in Jaeger, shows what really happened."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from driftline.semconv import attributes as a
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from tests.support.paths import ROOT

from .peers import Driftline, eventually, get, jaeger, post
from .rows import predict, tracer

pytestmark = pytest.mark.interop


Span = dict[str, Any]


def spans(api: str, trace: str) -> list[Span]:
    """Return what Jaeger has of a trace."""
    found = get(f"{api}/api/traces/{trace}")["data"]
    return [span for each in found for span in each["spans"]]


def tags(span: Span) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def unregistered(span: Span, group: str) -> set[str]:
    """Return the attributes of a span that its registry entry, and the one that it extends, do not list."""
    files = [ROOT / "sdk/driftline/semconv/registry" / name for name in ("core.yaml", "spans.yaml")]
    groups = {g["id"]: g for file in files for g in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]}
    both = (groups[group], groups.get(groups[group].get("extends", ""), {"attributes": []}))
    listed = {entry["ref"] for one in both for entry in one["attributes"]}
    ours = {key for key in tags(span) if not key.startswith(("otel.", "span.kind", "internal."))}
    return {
        key
        for key in ours
        if key not in listed and not key.startswith(("driftline.feature.value.", "driftline.slice.value."))
    }


def named(seen: list[Span], name: str) -> list[Span]:
    return [span for span in seen if span["operationName"] == name]


def parent(span: Span) -> str:
    (reference,) = span["references"]
    # a link to the parent: Jaeger keeps one of both
    assert reference["refType"] == ("FOLLOWS_FROM" if span["operationName"].startswith("outcome ") else "CHILD_OF")
    return str(reference["spanID"])


def test_the_outcome_of_a_stock_span_is_its_child(tmp_path: Path) -> None:
    driftline = Driftline()
    with jaeger(tmp_path) as (otlp, api):
        exporter = {"endpoint": otlp, "tls": {"insecure": True}, "forward": ["traces"], "derived": ["traces"]}
        with driftline.up(tmp_path, exporters={"otlp_grpc/jaeger": exporter}):
            with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
                trace = predict(shop, "A-1001", 0.9)
            outcome = {"id": "A-1001", "actual": 0}
            answer = post(f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": [outcome]})
            assert answer == {"accepted": 1, "rejected": []}
            seen = eventually(lambda: spans(api, trace), lambda found: len(found) == 3)

    (request,), (prediction,), (truth,) = (named(seen, n) for n in ("POST /score", "predict churn", "outcome churn"))
    assert parent(prediction) == request["spanID"]
    assert parent(truth) == prediction["spanID"]
    assert (tags(truth)[a.ML_PREDICTION_ID], tags(truth)[a.ML_OUTCOME_ACTUAL]) == ("A-1001", "0")
    # a child after its parent has ended: for Jaeger a skewed clock, which it does not correct by default
    warnings = {span["operationName"]: span["warnings"] for span in seen}
    assert [name for name, warning in warnings.items() if warning] == ["outcome churn"]
    assert all(text.startswith("clock skew adjustment disabled") for text in warnings["outcome churn"])


def test_an_outcome_in_a_trace_of_its_own_is_linked_and_jaeger_has_nothing_to_warn_about(tmp_path: Path) -> None:
    driftline = Driftline()
    with jaeger(tmp_path) as (otlp, api):
        exporter = {
            "endpoint": otlp, "tls": {"insecure": True},
            "forward": ["traces"], "derived": ["traces"], "outcome_parent": "none",
        }  # fmt: skip
        with driftline.up(tmp_path, exporters={"otlp_grpc/jaeger": exporter}):
            with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
                trace = predict(shop, "A-1001", 0.9)
            post(f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": [{"id": "A-1001", "actual": 0}]})
            search = f"{api}/api/traces?service=driftline&operation=outcome%20churn"
            ((truth,),) = eventually(lambda: [trace["spans"] for trace in get(search)["data"]], bool)
            seen = spans(api, trace)

    (reference,) = truth["references"]
    assert reference == {
        "refType": "FOLLOWS_FROM", "traceID": trace, "spanID": named(seen, "predict churn")[0]["spanID"]
    }  # fmt: skip
    assert [span["warnings"] for span in (*seen, truth)] == [None] * 3


def test_a_trace_leads_to_the_page_and_the_page_to_the_trace(tmp_path: Path) -> None:
    driftline = Driftline()
    patterns = ROOT / "otel-config/jaeger-ui.json"
    with jaeger(tmp_path, patterns) as (otlp, api):
        exporter = {"endpoint": otlp, "tls": {"insecure": True}, "forward": ["traces"], "derived": ["traces"]}
        endpoint = driftline.web.removeprefix("http://")
        web = {"endpoint": endpoint, "public_url": driftline.web, "trace_url": f"{api}/api/traces/{{trace_id}}"}
        with driftline.up(tmp_path, exporters={"otlp_grpc/jaeger": exporter}, web=web):
            with tracer(OTLPSpanExporter(endpoint=f"{driftline.http}/v1/traces")) as shop:
                trace = predict(shop, "A & 1", 0.9)
            post(f"{driftline.web}/v1/outcomes", {"model": "churn", "outcomes": [{"id": "A & 1", "actual": 0}]})
            seen = eventually(lambda: spans(api, trace), lambda found: len(found) == 3)

            (truth,) = named(seen, "outcome churn")
            there = tags(truth)[a.DRIFTLINE_PAGE_URL_FULL]
            assert there == f"{driftline.web}/models/churn/predictions?id=A+%26+1&version=1"
            assert "<html" in eventually(lambda: get(there))  # the page has a row once it is evaluated
            (wrong,) = get(f"{driftline.web}/api/v1/models/churn/mispredictions")["rows"]
            (back,) = get(wrong["trace_url"])["data"]
            assert {span["spanID"] for span in back["spans"]} == {span["spanID"] for span in seen}

            known = tags(named(seen, "predict churn")[0])
            for pattern in json.loads(patterns.read_text(encoding="utf-8"))["linkPatterns"]:
                assert pattern["key"] in known
                link = re.sub(r"#{([^}]*)}", lambda found: quote(known[found[1]], safe=""), pattern["url"])
                assert "<html" in get(link.replace("http://127.0.0.1:8780", driftline.web))
    assert unregistered(truth, "span.driftline.outcome") == set()


def test_the_outcomes_of_recorded_rows_are_children_of_the_call_that_predicted_them(tmp_path: Path) -> None:
    driftline = Driftline()
    with jaeger(tmp_path) as (otlp, api):
        exporter = {"endpoint": otlp, "tls": {"insecure": True}, "forward": ["traces"], "derived": ["traces"]}
        with driftline.up(tmp_path, exporters={"otlp_grpc/jaeger": exporter}):
            command = [sys.executable, "-m", "tests.interop.shop", driftline.http]
            done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            assert done.returncode == 0, done.stderr
            trace = done.stdout.strip()
            seen = eventually(lambda: spans(api, trace), lambda found: len(found) == 7)
            assert eventually(lambda: driftline.rows("churn"), lambda rows: rows == 4) == 4

    calls = {tags(span).get(a.ML_PREDICTION_COUNT, 1): span["spanID"] for span in named(seen, "predict churn")}
    truths = named(seen, "outcome churn")
    assert sorted((tags(truth)[a.ML_PREDICTION_ID], parent(truth)) for truth in truths) == [
        ("A-1", calls[1]),
        ("B-1", calls[3]),
        ("B-2", calls[3]),
        ("B-3", calls[3]),
    ]
    assert [unregistered(truth, "span.driftline.outcome") for truth in truths] == [set()] * 4
    assert [unregistered(call, "span.driftline.predict") for call in named(seen, "predict churn")] == [set()] * 2
