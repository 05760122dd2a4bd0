"""Links lead where they say, and nowhere where an id or an address is missing; no id gets out of its place."""

from __future__ import annotations

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.present.links import NO_LINKS, Links

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
JAEGER = "http://localhost:16686/trace/{trace_id}"


def test_a_trace_is_found_by_its_id() -> None:
    assert Links(JAEGER).trace_link(TRACE) == f"http://localhost:16686/trace/{TRACE}"
    both = Links("https://tempo.example.com/{trace_id}?span={span_id}")
    assert both.trace_link(TRACE, SPAN) == f"https://tempo.example.com/{TRACE}?span={SPAN}"
    assert both.trace_link(TRACE) == f"https://tempo.example.com/{TRACE}?span="


@pytest.mark.parametrize("id", ["", TRACE[:-1], TRACE + "0", "../" + TRACE[3:], "x" * 32, TRACE[:-1] + "\n"])
def test_what_is_no_id_of_a_trace_gets_no_link(id: str) -> None:
    assert Links(JAEGER).trace_link(id) == ""


def test_an_id_of_a_span_that_is_none_is_left_out() -> None:
    assert Links(JAEGER + "?uiFind={span_id}").trace_link(TRACE, '"><script>x') == (
        f"http://localhost:16686/trace/{TRACE}?uiFind="
    )


def test_nobody_said_where_traces_and_pages_are() -> None:
    assert NO_LINKS.trace_link(TRACE, SPAN) == ""
    assert NO_LINKS.model_link(ModelKey("churn", "1", "")) == ""


def test_a_page_is_found_by_all_parts_of_its_model() -> None:
    links = Links(public_url="https://example.com/driftline")
    assert links.model_link(ModelKey("churn", "", "")) == "https://example.com/driftline/models/churn"
    assert links.model_link(ModelKey("../a?b", "1#2", "eu & us")) == (
        "https://example.com/driftline/models/..%2Fa%3Fb?version=1%232&environment=eu+%26+us"
    )
    assert len(links.model_link(ModelKey("é" * 10_000, "", ""))) < 2_000


def test_a_prediction_is_found_by_its_id_or_else_its_model_is() -> None:
    links, churn = Links(public_url="https://example.com"), ModelKey("churn", "7", "prod")
    assert links.prediction_link(churn, 'A&1="/..') == (
        "https://example.com/models/churn/predictions?id=A%261%3D%22%2F..&version=7&environment=prod"
    )
    page = "https://example.com/models/churn?version=7&environment=prod"
    assert [links.prediction_link(churn, id) for id in ("", "x" * 201, "a\nb", "\ud800")] == [page] * 4
    assert NO_LINKS.prediction_link(churn, "A-1") == ""
