"""What the pages say, for models that have everything and for models that lack something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote, urljoin

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    MethodValue,
    Verdict,
    VerdictState,
)
from msgspec import structs
from starlette.testclient import TestClient

from tests.support.facts import Facts, lacking
from tests.support.fake_view import FakeView, fraud, learning, many, price
from tests.support.html_page import Page, page

Browse = Callable[[FakeView], TestClient]

HOSTILE = "<script>alert(1)</script>\"'&\u202e"


def verdict(state: VerdictState, column: str) -> Verdict:
    return Verdict(state, reasons=(facts.ColumnMoved(name=column),))


def test_a_sentence_with_a_hostile_name_stays_text(browse: Browse) -> None:
    hostile = verdict("degraded", "<script>alert(1)</script> \x1b[2J")
    client = browse(FakeView([structs.replace(price(), verdict=hostile)]))
    for path in ("/", "/models/price"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "&lt;script&gt;alert(1)" in answer.text
        assert "\x1b" not in answer.text
    assert client.get("/api/v1/models").status_code == 200
    key = ModelKey('a"} 1\nml_model_state{x="', "\\", "<b>")
    lines = browse(FakeView([structs.replace(price(), key=key, verdict=hostile)])).get("/metrics").text.splitlines()
    assert [line for line in lines if line.startswith("driftline_model_status")] == [
        r'driftline_model_status{deployment_environment_name="<b>",driftline_state="degraded",'
        r'ml_model_name="a\"} 1\nml_model_state{x=\"",'
        r'ml_model_version="\\"} 1.0'
    ]


@pytest.mark.parametrize("name", [".", ".."])
def test_the_page_of_a_model_called_like_a_segment_of_an_address_opens(browse: Browse, name: str) -> None:
    client = browse(FakeView([structs.replace(price(), key=ModelKey(name))]))
    (address, *_) = [link for link in page(client).links if link.startswith("/models/")]
    shortened = urljoin("http://127.0.0.1:8780/", address).removeprefix("http://127.0.0.1:8780")  # as browsers do
    assert shortened == address
    assert client.get(address).status_code == 200


@pytest.mark.slow
def test_every_link_of_the_overview_and_of_a_model_leads_somewhere(browse: Browse) -> None:
    client = browse(many())
    home = page(client)
    links = {*home.links, *page(client, "/models/flights?window=1mo").links, *page(client, "/models/churn").links}
    of_rows = {link for link in links if "/weak-slices" in link or "/label-next" in link}  # a view has no rows
    for link in sorted(link for link in links - of_rows if not link.startswith("#")):
        address, _, target = link.partition("#")
        answer = client.get(address)
        assert answer.status_code == 200, link
        if target:
            assert unquote(target) in Page(answer.text).ids


def test_the_page_of_every_kind_of_model_is_sound(browse: Browse) -> None:
    client = browse(many())
    for name in ("flights", "flights?window=1d", "fraud", "animals", "price", "churn"):
        found = page(client, f"/models/{name}")
        assert len(found.ids) == len(set(found.ids))
        assert found.targets <= set(found.ids)
        assert found.styles == []
        assert "nan" not in found.text.lower().split()
        assert "None" not in found.text.split()


@pytest.mark.slow
def test_a_window_a_feature_and_a_metric_have_an_address(browse: Browse) -> None:
    client = browse(many())
    july = "?version=winter&environment=demo&window=1mo&at=2013-07-01T00:00:00Z"
    first = page(client, f"/models/flights{july}")
    assert "July 2013" in first.text
    assert "3 of 9 features drift" in first.text
    assert {"metric-log_loss", "performance"} <= set(page(client, f"/models/flights/performance{july}").ids)
    assert "drift" in page(client, f"/models/flights/drift{july}").ids
    assert "July 2013" in page(client, f"/models/flights/features/temp{july}").text


@pytest.mark.parametrize(
    ("address", "status", "facts"),
    [
        ("/models/nobody", 404, ("'nobody'",)),
        ("/models/flights?window=7h", 404, ("'7h'", "1d, 1mo")),
        ("/models/flights?at=noon", 400, ("at=2026-03-01T00:00:00Z",)),
        ("/models/flights?from=2013-10-04&to=2013-10-01", 400, ("from=2013-10-04", "to=2013-10-01")),
        ("/nowhere", 404, ("there is nothing at /nowhere",)),
    ],
)
def test_what_is_not_there_is_a_page_with_a_sentence(browse: Browse, address: str, status: int, facts: Facts) -> None:
    assert lacking(page(browse(many()), address, status).text, *facts) == []


def hostile_view(name: str) -> FakeView:
    model = fraud()
    model.key = ModelKey(name, name, name)
    model.hints = (name,)
    model.task = replace(model.task, positive_class=name, classes=(name,))
    for evaluation in model.windows["1h"]:
        amount = evaluation.features["amount"]
        bad = structs.replace(
            amount, name=name, cells=(name,) * 12, decided_by="chi2", methods={name: MethodValue(1.0), **amount.methods}
        )
        evaluation.features = {name: bad, "fine": structs.replace(amount, name="fine")}
        evaluation.missing_features = evaluation.new_features = (name,)
    return FakeView([model])


def test_names_from_the_wire_are_text_everywhere(browse: Browse) -> None:
    client = browse(hostile_view(HOSTILE))
    (address,) = {link.partition("#")[0] for link in page(client).links if "/models/" in link and "window" not in link}
    for html in (client.get("/").text, client.get(address).text, client.get("/models/" + "<b>").text):
        found = Page(html)
        assert '<script src="/static/' in html
        assert "<script>" not in html
        assert "b" not in found.tags
        assert found.styles == []
        assert "\u202e" not in html


def test_a_name_of_a_megabyte_is_cut_and_its_links_work(browse: Browse) -> None:
    client = browse(hostile_view("x" * 1_000_000))
    home = client.get("/")
    assert len(home.text) < 20_000
    address = next(link for link in Page(home.text).links if link.startswith("/models/x"))
    answer = client.get(address)
    assert answer.status_code == 200
    assert len(answer.text) < 300_000
    found = Page(answer.text)
    assert found.targets <= set(found.ids)


def test_a_clock_beyond_the_calendar_breaks_nothing(browse: Browse) -> None:
    model = price()
    model.last = model.watermark = 2**63 - 1
    assert "price" in page(browse(FakeView([model]))).text
    assert page(browse(FakeView([model])), "/models/price").text


def test_a_model_of_which_only_counts_came_says_nothing_of_a_last_row(browse: Browse) -> None:
    silent = structs.replace(learning(), rows=0, first=0, last=0, received=0, windows={"1h": [], "1d": []})
    client = browse(FakeView([silent]))
    assert "last " not in page(client, "/models/churn").text.split("outcome")[0]
    assert "0 rows so far. – – 0 – " in page(client).text  # since, performance, traffic, last seen
    assert client.get("/api/v1/models").json()["models"][0]["received"] is None
