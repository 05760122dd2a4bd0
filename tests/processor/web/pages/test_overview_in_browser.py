"""The overview in a real browser: one screen, and a timeline that zooms, tells and leads."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    Cause,
    Change,
    Explanation,
    MetricValue,
    ObjectiveState,
    SlicePerformance,
)
from driftline_processor.queries.model_view import ModelView
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401 - fixtures
from tests.support.fake_view import FakeView, app_of, flights, many, ns
from tests.support.serve import serve
from tests.support.unwrap import unwrap

pytestmark = [needs_chromium, pytest.mark.slow]

expect.set_options(timeout=30_000)

DAYS = "/models/flights?window=1d"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    view = many()
    view.known.append(busy())
    with serve(app_of(view)) as url:
        yield url


def busy() -> ModelView:
    """Return a model that is wrong in every way: three lines of verdict, and more of everything than is named."""
    model = flights()
    model.key = ModelKey("busy", "2026.10")
    cause = Cause(("income",), "", 0.9, (Change("values of 0.75 or more", 0.22, 0.55),), score_shift=0.56)
    rise = facts.ErrorsRose(metric="error_rate", before=0.176, after=0.655)
    likely = facts.LikelyCause(cause=cause, others=("age",))
    advice = facts.Retrain(facts.Since(None, "UTC", of_days=True))
    assert model.verdict is not None
    model.verdict = replace(model.verdict, state="degraded", reasons=(rise, likely), advice=advice)
    told = model.windows["1mo"][-1]
    told.explanation = Explanation(tuple(replace(cause, features=("temp",)) for _ in range(5)))
    rate = MetricValue(0.29, 90, "rows", low=0.17, high=0.45)
    told.performance_slices = {f"country={name}": SlicePerformance(90, {"accuracy": rate}) for name in "abcde"}
    told.objectives = tuple(
        ObjectiveState("accuracy", f"accuracy >= baseline - 0.0{at}", "broken", 0.2, 0.1, 0.3, 90, limit=-at / 100)
        for at in range(5)
    )
    told.incident = {"feature:temp": told.window.start}
    for one in model.windows["1mo"]:
        one.realized["log_loss"] = replace(one.realized["log_loss"], low=0.3, high=0.9)
    return model


def asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def drag(page: Page, begin: float, end: float, over: str = ".u-over") -> None:
    """Drag over the first chart, from one share of its width to another."""
    box = unwrap(page.locator(over).first.bounding_box())
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (begin + end) / 2 * box["width"], y)
    page.mouse.move(box["x"] + end * box["width"], y)
    page.mouse.up()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("model", ["busy", "flights", "flights?window=1d", "fraud", "animals", "price", "churn"])
def test_an_overview_fits_one_screen(page_at: OpenPage, address: str, model: str, dark: bool) -> None:  # noqa: F811
    page = page_at(f"{address}/models/{model}", 1280, 800, dark)
    if page.locator("#over-time").count():  # a single window has no chart over time
        expect(page.locator("#timeline-live canvas").first).to_be_visible()
    assert page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]") == [800, 1280]


def test_dragging_zooms_and_the_address_and_all_links_say_so(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(address + DAYS, 1280, 720)
    expect(page.locator("#timeline-live canvas").first).to_be_visible()
    drag(page, 0.5, 0.75)
    link = page.locator(".tabs a", has_text="Drift")
    expect(link).to_have_attribute("href", f"/models/flights/drift?{urlsplit(page.url).query}")
    page.wait_for_load_state("networkidle")  # the address changes before the windows of its range come
    zoomed = asked(page)
    assert "2013-11-1" in zoomed["from"][0]
    assert zoomed["from"] < zoomed["to"]
    drawn = page.evaluate("JSON.parse(document.getElementById('timeline-data').textContent).starts.length")
    assert 15 <= drawn <= 30
    page.locator("#timeline-live").press("Escape")
    page.wait_for_url(address + DAYS)
    expect(link).to_have_attribute("href", "/models/flights/drift?window=1d")
    assert asked(page) == {"window": ["1d"]}


def test_a_range_of_all_history_is_chosen_below_the_timeline(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(address + DAYS, 1280, 720)
    expect(page.locator("#timeline-live canvas").first).to_be_visible()
    drag(page, 0.0, 0.2, "#history svg")
    expect(page.locator("#choose-range summary")).to_have_text("2013-09-01 – 2013-09-25")
    assert asked(page)["from"] == ["2013-09-01T00:00:00Z"]


def test_keys_go_from_window_to_window_and_open_one(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(address + DAYS, 1280, 720)
    live, said = page.locator("#timeline-live"), page.locator("#timeline-said")
    expect(said).to_contain_text("31 December 2013: log loss")
    live.focus()
    live.press("ArrowLeft")
    expect(said).to_contain_text("30 December 2013: log loss")
    live.press("Home")
    expect(said).to_contain_text("2 October 2013: log loss")
    with page.expect_navigation():
        live.press("Enter")
    assert asked(page)["at"] == ["2013-10-02T00:00:00Z"]
    expect(page.locator("#window h2")).to_contain_text("2 October 2013")


def test_a_click_opens_the_window_under_the_pointer(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights?window=1mo", 1280, 720)
    chart = page.locator(".u-over").first
    expect(chart).to_be_visible()
    box = unwrap(chart.bounding_box())
    with page.expect_navigation():
        page.mouse.click(box["x"] + box["width"] * 0.45, box["y"] + box["height"] / 2)
    assert asked(page)["at"] == ["2013-07-01T00:00:00Z"]


def test_a_refresh_leaves_the_timeline_as_it_was_drawn(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(address + DAYS, 1280, 720)
    expect(page.locator("#timeline-live canvas").first).to_be_visible()
    page.evaluate("document.querySelector('#timeline-live canvas').dataset.mine = 'yes'")
    page.evaluate("document.dispatchEvent(new Event('driftline:refresh'))")
    expect(page.locator("html[data-refreshed]")).to_have_count(1)
    assert page.evaluate("document.querySelector('#timeline-live canvas').dataset.mine") == "yes"
    assert page.locator(".drawn").is_hidden()


def test_without_scripts_the_drawing_of_the_server_is_shown(chromium: object, address: str) -> None:  # noqa: F811
    context = chromium.new_context(java_script_enabled=False)  # type: ignore[attr-defined]
    page = context.new_page()
    page.goto(address + DAYS)
    assert page.locator(".drawn svg").is_visible()
    assert page.locator("#timeline-live").is_hidden()
    page.locator(".drawn a").nth(3).click(force=True)
    assert asked(page)["at"] == ["2013-10-05T00:00:00Z"]
    context.close()


def test_arrow_keys_go_along_a_strip_which_is_one_stop(page_at: OpenPage, address: str) -> None:  # noqa: F811
    page = page_at(f"{address}/models/flights/data?window=1d", 1280, 720)
    stop = page.locator(".strip a:not([tabindex])")
    expect(stop).to_have_count(1)
    stop.focus()
    page.keyboard.press("ArrowLeft")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert asked(page)["at"] == ["2013-12-30T00:00:00Z"]


def test_the_cursor_in_a_gap_says_what_is_missing_and_a_hatch_shows_it(page_at: OpenPage) -> None:  # noqa: F811
    model = flights()
    whole = timeline_pixels(page_at, model)
    words = "20 September to 9 October 2013: 20 windows without predictions"
    known = model.windows["1d"]
    model.windows["1d"] = [one for one in known if not ns(2013, 9, 20) <= one.window.start < ns(2013, 10, 10)]
    assert timeline_pixels(page_at, model, words) > whole + 200


def timeline_pixels(page_at: OpenPage, model: ModelView, words: str = "") -> int:  # noqa: F811
    """Return how many pixels of the first row are painted between 21 September and 8 October, above its line.

    ``words``: what the cursor there has to say.
    """
    with serve(app_of(FakeView([model]))) as url:
        page = page_at(f"{url}/models/flights?window=1d&from=2013-09-10&to=2013-11-01")
        canvas = page.locator("#timeline-live canvas").first
        canvas.wait_for()
        box = unwrap(page.locator("#timeline-live .u-over").first.bounding_box())
        left, right = (box["width"] * (day - 10) / 51 for day in (21, 38))
        if words:
            page.mouse.move(box["x"] + (left + right) / 2, box["y"] + 20)
            expect(page.locator("#timeline-said")).to_have_text(words)
        return int(
            page.evaluate(
                """([left, right]) => {
                    const canvas = document.querySelector("#timeline-live canvas");
                    const over = document.querySelector("#timeline-live .u-over");
                    const begin = over.offsetLeft + left;
                    const drawn = canvas.getContext("2d").getImageData(begin, over.offsetTop, right - left, 20).data;
                    return drawn.filter((value, at) => at % 4 === 3 && value > 60).length;
                }""",
                [left, right],
            )
        )
