"""A report in a real Chromium, in the style sheet of a notebook: readable in light and dark, and never too wide."""

from __future__ import annotations

from pathlib import Path

import driftline
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401 - fixtures

pytestmark = [needs_chromium, pytest.mark.slow]

NOTEBOOK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A notebook</title><style>
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr { text-align: right; max-width: none; }
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) { background: #f5f5f5; }
.jp-RenderedHTMLCommon dl dt { font-weight: bold; float: left; width: 20%%; }
.jp-RenderedHTMLCommon dl dd { float: left; width: 80%%; }
</style><body data-jp-theme-light="%s"><main class="jp-RenderedHTMLCommon">
<h1>A</h1><h2>B</h2><h3>C</h3>%s</main></body>"""

COLOURS = """() => Object.fromEntries(['td.bad .now', 'td:not(.bad) .now:not(.untold)', '.now.untold'].map((of) => [
  of, getComputedStyle(document.querySelector(of)).fill]))"""


@pytest.fixture(scope="module")
def page_of(week: pd.DataFrame, reference: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, str]:
    """Return the address of a notebook with a report, by whether its theme is dark."""
    folder: Path = tmp_path_factory.mktemp("notebook")
    report = driftline.evaluate(week.drop(columns="time"), reference, task="binary", actual="actual")
    for dark in (False, True):
        shown = NOTEBOOK % ("false" if dark else "true", report._repr_html_())  # type: ignore[attr-defined]
        (folder / f"{dark}.html").write_text(shown, encoding="utf-8")
    return {dark: (folder / f"{dark}.html").as_uri() for dark in (False, True)}


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(page_at: OpenPage, page_of: dict[bool, str], dark: bool) -> None:  # noqa: F811
    found = Axe().run(page_at(page_of[dark], dark=not dark)).response["violations"]
    assert [one["help"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_drift_is_blue_the_rest_grey_and_what_is_inconclusive_hatched(
    page_at: OpenPage,  # noqa: F811
    page_of: dict[bool, str],
) -> None:
    colours = page_at(page_of[False]).evaluate(COLOURS)
    assert colours["td.bad .now"] == "rgb(27, 79, 145)"
    assert colours["td:not(.bad) .now:not(.untold)"] == "rgb(132, 150, 168)"
    assert colours[".now.untold"].startswith('url("#driftline-')


def test_the_theme_of_the_notebook_counts_and_not_that_of_the_system(
    page_at: OpenPage,  # noqa: F811
    page_of: dict[bool, str],
) -> None:
    ground = "() => getComputedStyle(document.querySelector('.driftline-report')).backgroundColor"
    assert page_at(page_of[False], dark=True).evaluate(ground) == "rgb(255, 255, 255)"
    assert page_at(page_of[True], dark=False).evaluate(ground) == "rgb(24, 29, 27)"


def test_the_tables_of_a_notebook_leave_those_of_a_report_alone(
    page_at: OpenPage,  # noqa: F811
    page_of: dict[bool, str],
) -> None:
    name = "() => getComputedStyle(document.querySelector('tbody th')).textAlign"
    assert page_at(page_of[False]).evaluate(name) == "left"


def test_the_lines_of_the_verdict_are_as_wide_as_the_report(
    page_at: OpenPage,  # noqa: F811
    page_of: dict[bool, str],
) -> None:
    page = page_at(page_of[False])
    right = "(of) => document.querySelector(of).getBoundingClientRect().right"
    assert page.evaluate(right, ".lines dd") == page.evaluate(right, ".lines")
    assert page.evaluate("() => getComputedStyle(document.querySelector('.lines dt')).fontWeight") == "400"


def test_a_phone_scrolls_within_the_report(page_at: OpenPage, page_of: dict[bool, str]) -> None:  # noqa: F811
    page = page_at(page_of[False], 390, 844)
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    widest = "() => Math.min(...[...document.querySelectorAll('tbody th')].map((it) => it.clientWidth))"
    assert page.evaluate(widest) >= 90
