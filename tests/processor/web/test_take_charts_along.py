"""A chart is taken along from the page: its picture, its numbers and a link to it."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401 - fixtures
from tests.support.fake_view import app_of, many
from tests.support.serve import serve

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serve(app_of(many())) as url:
        yield url


def taken(page: Page, chart: str, words: str) -> tuple[str, bytes]:
    """Click a button below a chart, and return the name and the contents of the file."""
    with page.expect_download() as download:
        page.locator(f"{chart} > .take-along button", has_text=words).click()
    path = download.value.path()
    return download.value.suggested_filename, Path(path).read_bytes()


def test_a_picture_of_a_chart_has_its_size_and_more_than_one_colour(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights?window=1mo")
    name, picture = taken(page, "#picture", "PNG")
    assert name.endswith(".png")
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    box = page.locator("#picture svg").first.bounding_box()
    assert box is not None
    assert (width >= 2 * box["width"], height >= 2 * box["height"]) == (True, True)
    assert len(picture) > 5_000, "lines and texts, not one colour"


def test_the_numbers_of_a_chart_are_a_row_for_each_window(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights?window=1mo")
    name, file = taken(page, "#over-time", "CSV")
    rows = list(csv.reader(io.StringIO(file.decode())))
    assert name.endswith(".csv")
    july = next(row for row in rows if row[0] == "July 2013")
    assert july[1].startswith("log loss 0.")
    assert len(rows) == page.locator("#over-time svg a:has(title)").count()


def test_the_link_of_a_chart_leads_to_it(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights?window=1mo")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#picture > .take-along button", has_text="copy link").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{address}/models/flights?window=1mo#picture"
