"""How pages look in a real Chromium, as far as no taste is needed: the answer is on the first screen, nothing overlaps.

``test_pictures.py`` compares pictures of the pages, with a font of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from driftline.tables.table import ModelKey
from msgspec.structs import replace
from playwright.sync_api import Page

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401 - fixtures
from tests.support.fake_view import RIGHT_TO_LEFT, FakeView, app_of, flights, many, right_to_left
from tests.support.serve import serve

pytestmark = [needs_chromium, pytest.mark.slow]

FIRST_SCREEN = {
    "/": ["#states", ".triage tbody tr"],
    "/models/flights": ["h1", ".tabs", ".answer"],
    "/models/flights/drift?window=1mo&at=2013-07-04": ["h1", ".tabs", ".answer"],
    "/models/flights/features/temp?window=1mo&at=2013-07-04": ["h1", ".tabs", ".answer"],
    "/models/flights/data": ["h1", ".tabs", ".answer"],
    "/models/flights/predictions": ["h1", ".tabs", ".answer"],
    "/models/flights/versions": ["h1", ".tabs", ".answer"],
    f"/models/{quote(RIGHT_TO_LEFT)}": ["h1", ".tabs", ".answer"],
}
"""Address → what stands on its first screen of 1280 x 720, in this order from above."""

BOXES = """(wanted) => wanted.map((one) => document.querySelector(one)?.getBoundingClientRect() ?? null)
  .map((box) => box && [box.top, box.bottom, box.width, box.height])"""

OVERLAPS = """() => {
  const found = [];
  const boxes = [...document.querySelectorAll('main > section, main > .card, main section > .card, main .grid > *')]
    .filter((it) => it.checkVisibility()).map((it) => [it, it.getBoundingClientRect()]);
  for (const [one, a] of boxes) {
    const name = one.id || one.getAttribute('aria-label') || one.className;
    if (a.width < 20 || a.height < 10) found.push(`${name} has no size`);
    for (const [other, b] of boxes) {
      if (one === other || one.contains(other) || other.contains(one)) continue;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 2 && high > 2) found.push(`${name} lies over ${other.id || other.className}`);
    }
  }
  return [...new Set(found)];
}"""
"""Parts of the page that lie over each other, and those without a size."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of pages of all models, one of which has a name that is written from right to left."""
    view = many()
    view.known.append(right_to_left())
    with serve(app_of(view)) as url:
        yield url


def missing(page: Page, wanted: list[str]) -> list[str]:
    """Return what is not on the first screen, or not in its place below what comes before it."""
    found, above = [], 0.0
    for name, box in zip(wanted, page.evaluate(BOXES, wanted), strict=True):
        if box is None or box[2] < 20 or box[3] < 8 or box[0] < above or box[1] > 720:
            found.append(name)
        else:
            above = box[0]
    return found


@pytest.mark.parametrize("path", FIRST_SCREEN)
def test_the_first_screen_holds_the_answer(page_at: OpenPage, address: str, path: str) -> None:  # noqa: F811
    assert missing(page_at(address + path, 1280, 720), FIRST_SCREEN[path]) == []


@pytest.mark.parametrize("path", [one for one in FIRST_SCREEN if one != "/"])
def test_the_verdict_of_a_phone_stands_before_the_choices(page_at: OpenPage, address: str, path: str) -> None:  # noqa: F811
    page = page_at(address + path, 390, 844)
    boxes = page.evaluate(BOXES, ["h1", ".answer", ".range"])
    assert boxes[0][1] <= boxes[1][0] < boxes[1][1] <= boxes[2][0]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", FIRST_SCREEN)
def test_no_part_of_a_page_lies_over_another(page_at: OpenPage, address: str, path: str, width: int) -> None:  # noqa: F811
    assert page_at(address + path, width, 844).evaluate(OVERLAPS) == []


def test_a_long_name_takes_no_room_from_what_an_incident_was(page_at: OpenPage) -> None:  # noqa: F811
    model = replace(flights(), key=ModelKey("long-name-of-a-model-" * 10, "1"), verdict=None)
    for one in model.windows["1mo"][-3:]:
        one.incident = {"score": one.window.start}
    with serve(app_of(FakeView([model]))) as url:
        page = page_at(f"{url}/incidents", 1280, 720)
        ends = page.evaluate(
            "[...document.querySelectorAll('.incidents thead th')].map((th) => [th.offsetWidth, "
            "th.getBoundingClientRect().right])"
        )
        assert len(ends) == 9
        assert [(wide, right) for wide, right in ends if wide < 56 or right > 1240] == []
        phone = page_at(f"{url}/incidents", 390, 844)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        assert phone.evaluate("document.querySelector('.incidents tbody tr').offsetHeight") < 110


def test_these_tests_see_what_is_gone_and_what_overlaps(page_at: OpenPage, address: str) -> None:  # noqa: F811
    path = "/models/flights/data"
    page = page_at(address + path, 1280, 720)
    page.evaluate("document.querySelector('.answer').remove()")
    assert missing(page, FIRST_SCREEN[path]) == [".answer"]
    page.evaluate("document.querySelector('#label-coverage').style.marginTop = '-120px'")
    assert [one for one in page.evaluate(OVERLAPS) if "label-coverage" in one] != []
