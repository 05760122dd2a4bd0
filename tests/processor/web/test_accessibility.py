"""Every page for everyone: axe-core, keyboard, phone, zoom, dark, and names that are written from right to left.

A new page is one line in :data:`PAGES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.present.links import Links
from playwright.sync_api import Browser, Page
from starlette.applications import Starlette

from tests.support.browser import OpenPage, chromium, needs_chromium, opened_pages, page_at  # noqa: F401 - fixtures
from tests.support.fake_rows import RIGHT_TO_LEFT_ID, fake_rows
from tests.support.fake_view import RIGHT_TO_LEFT, RIGHT_TO_LEFT_FEATURE, FakeView, app_of, many, right_to_left
from tests.support.policy_watch import Watched, explained_fleet
from tests.support.serve import serve

pytestmark = [needs_chromium, pytest.mark.slow]

PAGES = {
    "overview": "/models/flights",
    "overview of days": "/models/flights?window=1d",
    "overview without outcomes": "/models/fraud",
    "overview while learning": "/models/churn",
    "performance": "/models/flights/performance?window=1d",
    "performance of classes": "/models/animals/performance",
    "home": "/",
    "incidents": "/incidents",
    "alert": "/alerts/{alert}",
    "audit": "/audit",
    "status": "/status",
    "words": "/glossary",
    "outcomes of unknown models": "/unknown-outcomes",
    "incidents of a model": "/models/flights/incidents",
    "drift": "/models/flights/drift?window=1d",
    "drift of too few rows": "/models/price/drift",
    "feature": "/models/flights/features/temp?window=1d",
    "feature of categories": "/models/flights/features/carrier",
    "data": "/models/flights/data",
    "data of faulty inputs": "/models/fraud/data",
    "predictions": "/models/flights/predictions",
    "prediction": "/models/flights/predictions?id=UA-5",
    "versions": "/models/flights/versions",
    "versions compared": "/models/flights/versions?window=1mo&compare=at:2013-04-03",
}
"""Name → address of each page that is tested, over :func:`tests.support.fake_view.many`; ``{alert}`` is an id."""

POLICIES = {
    "drifts-and-fails": {"when": {"all": ["features drift", "accuracy < 80 %"]}, "window": "1d"},
    "patient": {"when": "features drift", "in_a_row": 3, "resolve": "drift_fraction < 0.1"},
    "off": {"when": "no data", "enabled": False},
}
SILENCES = {"patient": {"since": "2013-01-01T00:00:00Z", "until": "2033-01-01T00:00:00Z", "policies": ["patient"]}}

MOST_STOPS = 80
"""Presses of the tab key from the first to the last element, at most."""

TAB_STOPS = """() => [...document.querySelectorAll(
  'a[href], button, input, select, textarea, summary, [tabindex]')].filter(
  (it) => it.tabIndex >= 0 && !it.disabled && it.checkVisibility()).length"""

HEADINGS = "() => [...document.querySelectorAll('h1, h2, h3, h4')].map((it) => Number(it.tagName[1]))"

TOO_WIDE = """() => [document.documentElement.scrollWidth - innerWidth, ...[...document.querySelectorAll('main *')]
  .filter((it) => it.checkVisibility())
  .filter((it) => it.getBoundingClientRect().right > innerWidth + 1 && !it.closest('.scroll, .tabs, svg, .skip'))
  .slice(0, 3).map((it) => it.outerHTML.slice(0, 120))]"""
"""By how many pixels the page is wider than its window, and the first elements that stand out."""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Return the address of each page, of all models, one of which has a name that is written from right to left."""
    view = many()
    view.known.append(right_to_left())
    folder = tmp_path_factory.mktemp("alerts")
    with explained_fleet(folder, view.known, policies=POLICIES, silences=SILENCES) as watch:
        alert = next(one.id for one in watch.alerts.alerts.values() if one.policy == "drifts-and-fails")
        with serve(pages_of(view, watch.alerts, watch)) as url:
            yield {"": url, **{name: url + page.replace("{alert}", alert) for name, page in PAGES.items()}}


@pytest.fixture(scope="module")
def address(addresses: Mapping[str, str]) -> str:
    """Return the address of the first page."""
    return addresses[""]


def pages_of(view: FakeView, alerts: AlertStore, watch: Watched | None = None) -> Starlette:
    view.alerts = alerts
    view.explanations = None if watch is None else watch.explanations
    view.decisions = None if watch is None else watch.decisions
    if watch is not None:
        view.silences, view.audit_log = watch.silences, watch.audit
    return app_of(
        view,
        rows=fake_rows(),
        links=Links("http://jaeger.example.com/trace/{trace_id}"),
    )


@pytest.fixture(scope="module", params=PAGES)
def wide(request: pytest.FixtureRequest, chromium: Browser, addresses: Mapping[str, str]) -> Iterator[Page]:  # noqa: F811
    """Return a page in a wide window; all tests of it look at it before the next is opened."""
    with opened_pages(chromium) as open_page:
        yield open_page(addresses[request.param], 1440, 900)


@pytest.fixture(scope="module", params=PAGES)
def narrow(request: pytest.FixtureRequest, chromium: Browser, addresses: Mapping[str, str]) -> Iterator[Page]:  # noqa: F811
    """Return a page on a phone; all tests of it look at it before the next is opened."""
    with opened_pages(chromium) as open_page:
        yield open_page(addresses[request.param], 390, 844)


def serious(page: Page, **options: object) -> list[str]:
    """Return what axe-core finds on a page, as it looks now, that keeps somebody out; ``options``: of axe-core."""
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])})"
        for one in Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""Rules about colours: in the dark nothing else of a page is other than in the light."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(wide: Page, scheme: Literal["light", "dark"]) -> None:
    wide.emulate_media(color_scheme=scheme)
    assert serious(wide, **(COLOURS if scheme == "dark" else {})) == []


def test_headings_go_down_a_step_at_a_time(wide: Page) -> None:
    levels = wide.evaluate(HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_keyboard_reaches_all_in_few_steps(wide: Page) -> None:
    assert wide.evaluate(TAB_STOPS) <= MOST_STOPS
    wide.keyboard.press("Tab")
    assert wide.evaluate("document.activeElement.className") == "skip"
    wide.keyboard.press("Enter")
    assert wide.evaluate("document.activeElement.id") in ("page", "models"), "the models of home, else the content"
    wide.keyboard.press("/")
    assert wide.evaluate("document.activeElement.id") == "search"


def test_axe_finds_nothing_serious_on_a_phone(narrow: Page) -> None:
    assert serious(narrow) == []


@pytest.mark.parametrize("width", [390, 640])
def test_a_page_is_no_wider_than_a_phone_or_a_window_at_twice_its_size(narrow: Page, width: int) -> None:
    narrow.set_viewport_size({"width": width, "height": 844})
    assert narrow.evaluate(TOO_WIDE) == [0]


DIRECTIONS = """(name) => [...document.querySelectorAll('main *')]
  .filter((it) => [...it.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim() === name))
  .map((it) => [it.closest('[dir]')?.getAttribute('dir') || '', it.tagName])"""


@pytest.mark.parametrize("page_of_model", ["", "data", "predictions", "versions"])
def test_a_name_from_right_to_left_has_its_own_direction(
    page_at: OpenPage,  # noqa: F811
    address: str,
    page_of_model: str,
) -> None:
    page = page_at(f"{address}/models/{quote(RIGHT_TO_LEFT)}/{page_of_model}".rstrip("/"))
    shown = {"predictions": RIGHT_TO_LEFT_ID, "data": RIGHT_TO_LEFT_FEATURE}.get(page_of_model, RIGHT_TO_LEFT)
    for name in {RIGHT_TO_LEFT, shown}:
        found = page.evaluate(DIRECTIONS, name)
        assert found
        assert [one for one in found if one[0] != "auto"] == []
