"""The pages look as their pictures do: no chart is gone, no column has collapsed, whatever fonts a machine has.

After a change of the looks: ``scripts/make_page_pictures.py``, and look at what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium, needs_chromium  # noqa: F401 - fixtures
from tests.support.page_pictures import (
    PICTURES,
    SCENES,
    TOLERANCE,
    difference,
    open_scene,
    read_picture,
    serve_scenes,
    take_picture,
)

pytestmark = [needs_chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Return the address of the pages."""
    with serve_scenes() as url:
        yield url


@pytest.mark.parametrize("name", SCENES)
def test_a_page_looks_as_its_picture_does(chromium: Browser, address: str, name: str) -> None:  # noqa: F811
    with open_scene(chromium, address, SCENES[name]) as page:
        assert difference(take_picture(page), read_picture(name)) < TOLERANCE


BROKEN = {
    "home": "for (const it of document.querySelectorAll('.triage .what')) it.remove()",
    "overview": "document.querySelector('.live-chart').remove()",
    "overview-days-dark": "document.querySelector('.reasons').remove()",
    "overview-phone": "document.querySelector('#picture').remove()",
    "performance": "document.querySelector('#metric-roc_auc svg').remove()",
    "drift": "document.querySelector('.heat-cells').style.visibility = 'hidden'",
    "drift-dark": "for (const it of document.querySelectorAll('.trend')) it.remove()",
    "feature": "document.querySelector('.feature-charts').style.gridTemplateColumns = '1fr'",
    "incidents": "for (const it of document.querySelectorAll('.incidents .told')) it.remove()",
    "report": "document.querySelector('#over-time svg').style.visibility = 'hidden'",
}
"""Name → what takes a chart away or lets a column collapse."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_page_that_lost_a_chart_or_a_column_does_not(chromium: Browser, address: str, name: str) -> None:  # noqa: F811
    with open_scene(chromium, address, SCENES[name]) as page:
        page.evaluate(BROKEN[name])
        assert difference(take_picture(page), read_picture(name)) > 1.5 * TOLERANCE


@pytest.mark.parametrize("font", ["serif", "monospace"])
def test_a_machine_with_other_fonts_has_the_same_pictures(chromium: Browser, address: str, font: str) -> None:  # noqa: F811
    with open_scene(chromium, address, SCENES["drift"]) as page:
        page.add_style_tag(content=f"body, body * {{ font-family: {font}; }}")
        assert difference(take_picture(page), read_picture("drift")) < TOLERANCE


def test_each_picture_is_of_a_scene_and_small() -> None:
    found = {file.stem: file.stat().st_size for file in PICTURES.glob("*.png")}
    assert found.keys() == SCENES.keys()
    assert max(found.values()) < 16_000
