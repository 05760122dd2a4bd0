"""A model's pages as one file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from driftline_processor.core.facts import fact
from driftline_processor.present.links import Links
from driftline_processor.present.sentences.verdict import verdict_certainty, verdict_headline, verdict_lines
from driftline_processor.web.place import Place
from driftline_processor.web.report import shows
from driftline_processor.web.selection import select
from msgspec import structs
from starlette.testclient import TestClient

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401
from tests.support.fake_view import FakeView, animals, app_of, flights, learning, many
from tests.support.html_page import Page
from tests.support.unwrap import unwrap
from tests.support.wide_models import wide

Browse = Callable[[FakeView], TestClient]

MODELS = ("flights", "fraud", "animals", "price", "churn")


def written(client: TestClient, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("model", MODELS)
def test_a_report_needs_no_server_and_runs_nothing(browse: Browse, model: str) -> None:
    text = written(browse(many()), f"/models/{model}/report")
    page = Page(text)
    assert [link for link in page.links if not link.startswith("#")] == []
    assert not {"script", "link", "form", "img", "iframe"} & set(page.tags)
    assert page.styles == []
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(text.encode()) < 500_000


def test_a_report_begins_with_the_verdict_and_what_to_do(browse: Browse) -> None:
    verdict = unwrap(flights().verdict)
    text = Page(written(browse(many()), "/models/flights/report")).text
    parts = [part for line in verdict_lines(verdict) for part in line]
    begins = text.index(" ".join([verdict_headline(verdict), *parts]))
    assert begins < text.index("Overview")


def test_a_report_has_a_chapter_for_each_page_and_each_drifted_feature(browse: Browse) -> None:
    page = Page(written(browse(many()), "/models/flights/report?window=1mo&at=2013-07-04"))
    chapters = [one.removeprefix("page/") for one in page.ids if one.startswith("page/")]
    assert chapters[:3] == ["overview", "performance", "drift"]
    assert {"features/temp", "features/dewp"} <= set(chapters[3:-5])
    assert chapters[-5:] == ["data", "predictions", "versions", "incidents", "scorecard"]
    assert "features/carrier" not in chapters
    assert {f"page/{one}" for one in chapters} <= page.targets


def test_a_report_of_a_range_says_what_was_true_at_its_end(browse: Browse) -> None:
    client = browse(FakeView([flights()]))
    whole = written(client, "/models/flights/report?window=1d&from=2013-09-01&to=2013-10-01")
    assert "30 September 2013" in whole
    assert "31 October 2013" not in whole
    verdict = unwrap(flights().verdict)
    assert verdict_headline(verdict) not in whole


def test_a_report_of_an_earlier_window_says_of_when_its_verdict_is_and_how_sure_that_one_is(browse: Browse) -> None:
    model = flights()
    chosen = select(Place("flights", window="1mo", at="2013-07-01"), [model])
    assert model.verdict is not None
    then, today = chosen.verdict(), structs.replace(model.verdict, certainty=(fact("rise_detected", outcomes=123_456),))
    assert then is not None
    assert verdict_certainty(then)
    model.verdict = today
    client = browse(FakeView([model]))
    for address in ("/models/flights/report", "/models/flights"):
        earlier = Page(written(client, f"{address}?window=1mo&at=2013-07-01")).text
        assert re.search(r"(?i)\bas of 31 July 2013\b", earlier)
        assert verdict_certainty(then) in earlier
        assert "123,456" not in earlier
        newest = Page(written(client, f"{address}?window=1mo")).text
        assert not re.search(r"(?i)\bas of\b", newest)
        assert "123,456" in newest


def test_links_to_other_pages_lead_to_the_processor_where_its_address_is_known() -> None:
    links = Links("", "https://driftline.example.com")
    client = TestClient(app_of(many(), links=links))
    page = Page(written(client, "/models/flights/report?window=1mo"))
    away = [link for link in page.links if not link.startswith("#")]
    assert away
    assert all(link.startswith("https://driftline.example.com/") for link in away)


def test_a_report_is_served_under_a_policy_that_lets_it_have_its_style_and_nothing_else(browse: Browse) -> None:
    answer = browse(many()).get("/models/flights/report?download=1")
    assert re.match(r"default-src 'none'; style-src 'sha256-", answer.headers["content-security-policy"])
    assert answer.headers["content-disposition"] == 'attachment; filename="driftline-flights.html"'


def test_the_name_of_the_file_is_plain_whatever_the_model_is_called(browse: Browse) -> None:
    model = flights()
    model.key = replace(model.key, model='../نموذج "x"\r\n')
    address = Page(browse(FakeView([model])).get("/").text)
    links = [link for link in address.links if link.startswith("/models/")]
    path = links[0].partition("?")[0]
    answer = browse(FakeView([model])).get(f"{path}/report?download=1")
    name = answer.headers["content-disposition"].partition("filename=")[2]
    assert re.fullmatch(r'"driftline-[A-Za-z0-9._-]+\.html"', name)


def test_programs_hear_of_a_missing_model_as_json(browse: Browse) -> None:
    answer = browse(many()).get("/api/v1/models/nothing/report")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_a_model_without_a_window_has_a_report(browse: Browse) -> None:
    model = learning()
    model.windows = {"1h": []}
    text = Page(written(browse(FakeView([model, animals()])), "/models/churn/report")).text
    assert "No window has been evaluated yet" in text


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["", "?from=all"])
def test_a_report_of_200_features_and_a_year_of_days_is_below_half_a_megabyte(browse: Browse, asked: str) -> None:
    text = written(browse(FakeView([wide(200, 365)])), f"/models/wide/report{asked}")
    assert text.count('class="chapter"') == 11  # eight pages, and the three features that drift most
    assert len(text.encode()) < 500_000


def test_a_chart_of_a_report_leads_to_no_window(browse: Browse) -> None:
    text = written(browse(FakeView([wide(3, 30)])), "/models/wide/report")
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) > 10
    assert not [one for one in drawn if 'class="ground' in one]
    assert {link for one in drawn for link in Page(one).links} <= {f"#page/features/feature-{at}" for at in range(3)}


@pytest.mark.parametrize(
    ("address", "there"),
    [
        ("drift", True),
        ("drift?window=1d", True),
        ("drift?window=1d&at=2013-12-31T00:00:00Z", True),
        ("drift?version=1", True),
        ("drift?at=2013-07-01", False),
        ("drift?window=1mo", False),
        ("drift?version=2", False),
        ("drift?environment=staging", False),
        ("drift?from=2013-07-01", False),
        ("drift?slice=country%3DNL", False),
        ("drift?sort=name", False),
    ],
)
def test_a_link_stays_inside_where_it_asks_for_what_the_report_shows(address: str, there: bool) -> None:
    model = wide(3, 365)
    selection = select(Place("wide"), [model])
    assert selection.chosen is not None
    query = address.partition("?")[2]
    assert shows(selection, "wide", query) is there
    assert not shows(selection, "another", query)


def test_a_link_to_another_version_of_a_report_leads_nowhere_without_an_address(browse: Browse) -> None:
    first = wide(3, 3)
    second = structs.replace(first, key=replace(first.key, version="2"))
    text = written(browse(FakeView([first, second])), "/models/wide/report?version=1")
    chapter = text.partition('id="page/versions"')[2]
    assert "<a>2</a>" in chapter
    assert 'href=""' not in text


@pytest.mark.slow
@needs_chromium
def test_a_browser_shows_a_report_with_its_style_and_without_a_complaint(
    served: tuple[FakeView, str],
    page_at: OpenPage,  # noqa: F811
) -> None:
    page = page_at(f"{served[1]}/models/flights/report?window=1mo")
    assert page.evaluate("getComputedStyle(document.querySelector('.answer')).borderLeftWidth") != "0px"


def test_a_report_has_no_control_that_does_nothing_and_says_no_title_twice(browse: Browse) -> None:
    text = written(browse(many()), "/models/flights/report?window=1mo")
    for dead in (
        "Show 100",
        "as CSV",
        'id="states"',
        'id="compare"',
        "From the API",
        'class="steps" aria-label="features',
    ):
        assert dead not in text
    assert text.count(">Incidents</h2>") == 1
    for name in ("temp", "dewp"):
        assert f'<h2 class="chapter-title">{name}</h2>' not in text
    assert '<h2 class="chapter-title">Overview</h2>' in text
