"""Pages and reports on paper: they fit A4, nothing that was folded is missing, and nothing is there to click."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from driftline_processor.present.links import Links
from playwright.sync_api import Browser, Page

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401 - fixtures
from tests.support.fake_rows import fake_rows
from tests.support.fake_view import app_of, many
from tests.support.serve import serve
from tests.support.wide_models import wide

pytestmark = [needs_chromium, pytest.mark.slow]

JULY = "window=1mo&at=2013-07-04"
SHEETS = {
    "/": 1,
    "/incidents": 1,
    "/models/flights": 1,
    "/models/flights?window=1d": 1,
    f"/models/flights/performance?{JULY}": 3,
    f"/models/flights/drift?{JULY}": 2,
    f"/models/flights/features/temp?{JULY}": 2,
    "/models/flights/data": 2,
    "/models/flights/predictions": 2,
    "/models/flights/versions?window=1mo&compare=at:2013-04-03": 2,
    "/models/flights/incidents": 1,
    f"/models/flights/report?{JULY}": 2,
    "/models/flights/report?window=1mo&from=2013-07-01&to=2013-08-01": 2,
    "/models/fraud/data": 1,
    "/models/wide": 1,
    "/models/wide/performance": 10,
    "/models/wide/report": 9,
}
"""Address → sheets of A4 that it may take. ``wide`` has 200 features and 365 windows, of which a page shows 90."""

A4 = 182 / 25.4 * 96
"""Width of a sheet inside its margins of 14 mm, in CSS pixels."""

TOO_WIDE = """(most) => [...document.querySelectorAll('body *')]
  .filter((it) => it.checkVisibility() && !it.matches('.skip, .unseen, svg *'))
  .filter((it) => it.getBoundingClientRect().right > most + 1).slice(0, 3).map((it) => it.outerHTML.slice(0, 160))"""
"""The first elements that stand out of the sheet."""

NOT_PRINTED = """() => [...document.querySelectorAll('details:not([open])')].filter((it) => !it.closest('.range'))
  .filter((it) => ![...it.children].some((one) => one.tagName !== 'SUMMARY' && one.checkVisibility({
    contentVisibilityAuto: true}) && one.getBoundingClientRect().height > 5)).map((it) => it.id || it.textContent)"""
"""What is folded on the screen and would be missing on paper."""

CONTROLS = """() => [...document.querySelectorAll('input, button, select, nav a, .skip, .range, .live, footer, .act')]
  .filter((it) => it.checkVisibility() && !it.closest('.contents')).map((it) => it.outerHTML.slice(0, 120))"""

BROKEN = """() => [...document.querySelectorAll('main svg, main tr, main h2, main h3')]
  .filter((it) => getComputedStyle(it).breakInside !== 'avoid').map((it) => it.outerHTML.slice(0, 120))"""
"""Drawings, rows and headings that a page may break in two."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of pages of all models, one of which has many features and windows."""
    view = many()
    view.known.append(wide(200, 365))
    app = app_of(
        view,
        rows=fake_rows(),
        links=Links("http://jaeger.example.com/trace/{trace_id}"),
    )
    with serve(app) as url:
        yield url


def on_paper(page: Page, dark: bool = False) -> Page:
    """Let a page be laid out as on paper."""
    page.emulate_media(media="print", color_scheme="dark" if dark else "light")
    page.set_viewport_size({"width": int(A4), "height": 1016})
    return page


@pytest.mark.parametrize("path", SHEETS)
def test_a_page_takes_few_sheets_of_a4(page_at: OpenPage, address: str, path: str) -> None:  # noqa: F811
    printed = page_at(address + path).pdf(prefer_css_page_size=True)
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert {(round(float(width)), round(float(height))) for width, height in sizes} == {(595, 842)}
    assert len(re.findall(rb"/Type /Page\b(?!s)", printed)) == len(sizes)
    assert len(sizes) <= SHEETS[path]


@pytest.mark.parametrize("path", SHEETS)
def test_all_of_a_page_is_on_the_sheet_and_whole(page_at: OpenPage, address: str, path: str) -> None:  # noqa: F811
    page = on_paper(page_at(address + path))
    assert page.evaluate(TOO_WIDE, int(A4)) == []
    assert page.evaluate(NOT_PRINTED) == []
    assert page.evaluate(CONTROLS) == []
    assert page.evaluate(BROKEN) == []


def test_these_tests_see_what_stands_out_what_is_folded_and_what_is_to_click(
    page_at: OpenPage,  # noqa: F811
    address: str,
) -> None:
    page = page_at(f"{address}/models/flights/performance?{JULY}")
    assert {"more-metrics", "values-by-window", "realized-values"} <= set(page.evaluate(NOT_PRINTED))
    assert len(page.evaluate(CONTROLS)) > 5
    assert page.evaluate(BROKEN) != []
    on_paper(page).evaluate("document.querySelector('.answer').style.width = '900px'")
    assert len(page.evaluate(TOO_WIDE, int(A4))) == 1


def test_paper_has_the_moment_where_the_screen_says_how_long_ago(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights/versions")
    last = page.locator("time[data-ago]").last
    assert last.inner_text() == "2014-01-01 08:59", "a moment of years ago is a date on the screen, too"
    page.evaluate("""() => {
        const last = [...document.querySelectorAll("time[data-ago]")].pop();
        last.dateTime = new Date(Date.now() - 3 * 86400e3).toISOString();
    }""")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert last.inner_text() == "3 days ago"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert last.inner_text() == "2014-01-01 08:59"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert last.inner_text() == "3 days ago"


def test_paper_is_white_for_a_reader_of_dark_pages(chromium: Browser, address: str) -> None:  # noqa: F811
    page = chromium.new_page()
    try:
        page.goto(f"{address}/models/flights")
        colours = """() => ['--ground', '--ink', '--drift'].map(
            (it) => getComputedStyle(document.body).getPropertyValue(it))"""
        light = on_paper(page).evaluate(colours)
        assert light[0] == "#fff"
        assert on_paper(page, dark=True).evaluate(colours) == light
        assert page.evaluate("getComputedStyle(document.querySelector('.badge')).printColorAdjust") == "exact"
    finally:
        page.close()


def test_the_drawing_of_the_server_is_printed_in_place_of_the_one_to_zoom(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights?window=1d")
    shown = "() => ['.drawn svg', '.live-chart', '#history'].map((it) => document.querySelector(it).checkVisibility())"
    assert page.evaluate(shown) == [False, True, True]
    assert on_paper(page).evaluate(shown) == [True, False, False]
