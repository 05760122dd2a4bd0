"""A report of a model as one file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from driftline_processor.core import facts
from driftline_processor.present.links import Links
from driftline_processor.present.sentences.verdict import verdict_certainty, verdict_headline, verdict_lines
from driftline_processor.web.place import Place
from driftline_processor.web.selection import select
from msgspec import structs
from starlette.testclient import TestClient

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401
from tests.support.fake_view import FakeView, animals, app_of, flights, learning, many
from tests.support.html_page import Page
from tests.support.unwrap import unwrap
from tests.support.wide_models import wide

Browse = Callable[[FakeView], TestClient]

ONE_MONTH = "window=1mo&from=2013-07-01&to=2013-08-01"
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
    assert begins < text.index("over time", begins) < text.index("Performance", begins)


def test_a_report_of_one_window_draws_what_moved_once_in_a_picture_and_once_in_one_table(browse: Browse) -> None:
    text = written(browse(many()), f"/models/flights/report?{ONE_MONTH}")
    page = Page(text)
    assert "over time" not in page.text
    assert re.findall(r'figcaption><a dir="auto">(\w+)</a>', text.replace(' href=""', "")) == [
        "temp",
        "dewp",
        "wind_speed",
    ]
    assert text.count('<svg class="mini"') == 11  # nine features, the score and the predicted class
    assert not [one for one in page.ids if one.startswith("more-")]


def test_a_report_of_several_windows_draws_them_over_time_and_lists_the_newest(browse: Browse) -> None:
    text = written(browse(many()), "/models/flights/report?window=1d&from=2013-09-01&to=2013-10-01")
    page = Page(text)
    assert {"over-time", "columns", "windows"} <= set(page.ids)
    assert "among 29 windows of 1d, 2013-09-01 to 2013-09-30" in page.text
    windows = text.partition('id="windows"')[2].partition("</section>")[0]
    assert windows.count('<th scope="row"') == 12
    assert windows.index("2013-09-30") < windows.index("2013-09-19")


def test_rows_beyond_those_of_a_notebook_are_at_the_end_unless_they_are_few(browse: Browse) -> None:
    text = written(browse(FakeView([wide(30, 1)])), "/models/wide/report")
    page = Page(text)
    assert page.ids.index("more-columns") > page.ids.index("columns")
    assert "20 more features" in page.text
    few = Page(written(browse(FakeView([wide(15, 1)])), "/models/wide/report"))
    assert "more-columns" not in few.ids
    assert "feature-14" in few.text


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
    then, today = chosen.verdict(), structs.replace(model.verdict, certainty=(facts.RiseDetected(outcomes=123_456),))
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


@pytest.mark.parametrize("address", ["/models/flights/report", "/api/v1/models/flights/report"])
def test_download_is_a_flag(browse: Browse, address: str) -> None:
    client = browse(many())
    answers = [client.get(f"{address}?download={flag}") for flag in ("true", "1", "false", "0")]
    assert ["content-disposition" in answer.headers for answer in answers] == [True, True, False, False]
    assert client.get(f"{address}?download=maybe").status_code == 400


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
    assert text.count('<svg class="mini"') == 200
    assert len(text.encode()) < 500_000


def test_a_chart_of_a_report_leads_to_no_window(browse: Browse) -> None:
    text = written(browse(FakeView([wide(3, 30)])), "/models/wide/report")
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) > 10
    assert not [one for one in drawn if 'class="ground' in one]
    assert not [link for one in drawn for link in Page(one).links]


@pytest.mark.slow
@needs_chromium
def test_a_browser_shows_a_report_with_its_style_and_without_a_complaint(
    served: tuple[FakeView, str],
    page_at: OpenPage,  # noqa: F811
) -> None:
    page = page_at(f"{served[1]}/models/flights/report?window=1mo")
    assert page.evaluate("getComputedStyle(document.querySelector('.answer')).borderLeftWidth") != "0px"
