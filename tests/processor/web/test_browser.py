"""Open pages in a real browser: they refresh themselves, and what their reader did to them stays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import Estimate
from driftline_processor.core.verdict.states import ORDER
from driftline_processor.queries.state_snapshot import StateSnapshot
from msgspec import structs
from msgspec.structs import replace
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests.support.browser import OpenPage, chromium, needs_chromium, page_at  # noqa: F401 - fixtures
from tests.support.fake_view import NOW, FakeView, app_of, fraud, many
from tests.support.serve import serve

pytestmark = [needs_chromium, pytest.mark.slow]

BUSY = NOW - 60 * 10**9


def look_again(page: Page) -> Response:
    """Let a page look for what is new, as when its window is shown again, and return the answer."""
    with page.expect_response(lambda answer: answer.request.resource_type == "fetch") as found:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    return found.value


def refreshed(page: Page, times: int) -> None:
    """Wait until a page has changed so many times."""
    page.wait_for_function("times => Number(document.documentElement.dataset.refreshed || 0) >= times", arg=times)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:  # noqa: F811
    """A window of its own, whose console may tell of a lost connection."""
    opened = chromium.new_context(viewport={"width": 1280, "height": 720})
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "path", ["/", "/incidents", "/status", "/models/flights?window=1d", "/models/fraud", "/models/flights/incidents"]
)
def test_a_page_renders_without_an_error(page_at: OpenPage, served: tuple[FakeView, str], path: str) -> None:  # noqa: F811
    page = page_at(served[1] + path)
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("h1")).to_have_count(1)


def test_an_open_page_shows_what_arrived_meanwhile(context: BrowserContext, served: tuple[FakeView, str]) -> None:
    view, address = served
    everything, view.known = view.known, []
    page = context.new_page()
    page.clock.install()
    page.goto(address)
    expect(page.locator("h1")).to_have_text("Waiting for the first prediction")
    view.known = everything
    page.clock.run_for(5000)
    expect(page.locator("tbody tr:not(.why)")).to_have_count(5)
    expect(page.locator("h1")).to_have_text("Models")
    assert page.title() == "Models · Driftline"


def test_a_page_that_did_not_change_is_not_sent_again(page_at: OpenPage, served: tuple[FakeView, str]) -> None:  # noqa: F811
    for path in ("/", "/models/flights", "/incidents"):
        page = page_at(served[1] + path)
        assert look_again(page).status == 200  # what a page was sent with at first, no script can know
        refreshed(page, 1)
        assert [look_again(page).status for _ in range(2)] == [304, 304]
        assert page.evaluate("document.documentElement.dataset.refreshed") == "1"


def estimated() -> FakeView:
    """Return models whose page is another at each look, with values in details that fold."""
    looks = count()
    estimate = Estimate(0.9, 0.88, 0.92, 0.01, 0.87, 0.93, False, 900, "panes", "cbpe", 0.9)

    class Estimated(FakeView):
        @property
        def snapshot(self) -> StateSnapshot:
            known = [replace(model, rows=model.rows + next(looks)) for model in many().known]
            for evaluation in known[0].windows["1d"]:
                evaluation.estimated = {"accuracy": structs.replace(estimate, value=0.5 + next(looks) / 1000)}
            return StateSnapshot(tuple(known))

    return Estimated()


def test_an_open_page_keeps_what_its_reader_opened_scrolled_and_focused(page_at: OpenPage) -> None:  # noqa: F811
    with serve(app_of(estimated())) as address:
        page = page_at(f"{address}/models/flights/performance?window=1d", 500, 500)
        page.evaluate("""() => {
            window.opened = document.getElementById("estimated-values");
            opened.open = true;
            opened.querySelector("summary").focus();
            window.wide = opened.querySelector(".scroll");
            wide.scrollLeft = 40;
            scrollTo(0, 300);
        }""")
        before = page.evaluate("opened.textContent")
        for times in (1, 2):
            look_again(page)
            refreshed(page, times)
        assert page.evaluate("opened.textContent") != before
        assert page.evaluate("[opened.isConnected, opened.open, opened.contains(document.activeElement)]") == [True] * 3
        assert page.evaluate("[wide.scrollLeft, Math.round(scrollY)]") == [40, 300]
        page.close()  # before the server ends, which it would tell of


def test_a_lost_connection_is_said_with_its_time_until_it_is_back(
    context: BrowserContext, served: tuple[FakeView, str]
) -> None:
    page = context.new_page()
    page.goto(served[1])
    context.set_offline(True)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    live = page.locator("#live")
    expect(live).to_have_text("connection lost since " + page.evaluate("new Date().toTimeString().slice(0, 5)"))
    expect(live).to_have_class("live lost")
    assert page.locator("tbody tr:not(.why)").count() == 5
    context.set_offline(False)
    look_again(page)
    expect(live).to_have_text("live")
    expect(live).to_have_class("live")


def test_what_is_shown_stays_when_the_processor_answers_with_a_failure(
    context: BrowserContext, served: tuple[FakeView, str]
) -> None:
    view, address = served
    everything = view.known
    page = context.new_page()
    page.goto(f"{address}/models/flights")
    live = page.locator("#live")
    view.known = [fraud()]
    assert look_again(page).status == 404
    expect(live).to_have_text("this model is no longer there")
    expect(live).to_have_class("live lost")
    expect(page.locator("h1")).to_contain_text("flights")
    view.known = None  # type: ignore[assignment]
    assert look_again(page).status == 500
    expect(live).to_have_text("the processor fails")
    expect(page.locator("h1")).to_contain_text("flights")
    view.known = everything
    look_again(page)
    expect(live).to_have_text("live")
    expect(live).to_have_class("live")


def test_a_failure_becomes_the_page_once_it_is_there(context: BrowserContext, served: tuple[FakeView, str]) -> None:
    view, address = served
    everything, view.known = view.known, [fraud()]
    page = context.new_page()
    page.goto(f"{address}/models/flights")
    assert look_again(page).status == 404
    expect(page.locator("#live")).to_have_text("live")
    view.known = everything
    look_again(page)
    expect(page.locator("h1")).to_contain_text("flights")


def test_a_page_that_nobody_sees_asks_for_nothing(context: BrowserContext, served: tuple[FakeView, str]) -> None:
    page, asked = context.new_page(), list[str]()
    page.clock.install()
    page.goto(served[1])
    page.on("request", lambda request: asked.append(request.resource_type))
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.clock.run_for(60_000)
    assert "fetch" not in asked
    page.evaluate("delete document.hidden")
    look_again(page)
    assert asked.count("fetch") == 1


def test_text_that_is_selected_stays_selected(page_at: OpenPage, served: tuple[FakeView, str]) -> None:  # noqa: F811
    page = page_at(served[1])
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.what'))")
    chosen = page.evaluate("String(getSelection())")
    served[0].known = served[0].known[:1]
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#live")).to_have_text("paused while text is selected")
    assert page.evaluate("String(getSelection())") == chosen
    page.evaluate("getSelection().removeAllRanges()")
    look_again(page)
    expect(page.locator("tbody tr:not(.why)")).to_have_count(1)


def test_models_are_searched_while_the_reader_types_and_a_refresh_keeps_the_text(
    page_at: OpenPage,  # noqa: F811
    served: tuple[FakeView, str],
) -> None:
    view, address = served
    page = page_at(address)
    page.keyboard.press("/")
    page.keyboard.type("prod")
    expect(page.locator("tbody tr:not(.why)")).to_have_count(1)
    assert page.url == f"{address}/?q=prod"
    view.known = [*view.known, replace(fraud(), key=ModelKey("new", "1", "prod"))]
    look_again(page)
    expect(page.locator("tbody tr:not(.why)")).to_have_count(2)
    assert page.evaluate("[document.activeElement.id, document.activeElement.value]") == ["search", "prod"]
    page.reload()
    expect(page.locator("tbody tr:not(.why)")).to_have_count(2)


def test_what_the_reader_sorts_groups_and_filters_by_stays_in_the_address(
    page_at: OpenPage,  # noqa: F811
    served: tuple[FakeView, str],
) -> None:
    view, address = served
    view.known = [replace(one, team=team) for one, team in zip(view.known, "aabbc", strict=True)]
    page = page_at(f"{address}/?state=unknown")
    page.get_by_label("sort").select_option("name")
    page.get_by_label("group").select_option("team")
    expect(page.locator("tr.group")).to_have_text(["a 1", "b 2", "c 1"])
    assert page.url == f"{address}/?state=unknown&group=team&sort=name"
    look_again(page)
    assert page.get_by_label("sort").input_value() == "name"
    assert page.locator("select[name=team]").is_visible()


def fleet(models: int) -> FakeView:
    """Return models of all states, with teams."""
    known = many().known
    found = []
    for at in range(models):
        state = ORDER[at % len(ORDER)]
        model = known[at % 4]
        verdict = None if known[0].verdict is None else structs.replace(known[0].verdict, state=state)
        key = ModelKey(f"a-model-with-a-name-{at}", "2026.10", "prod")
        found.append(replace(model, key=key, verdict=verdict, team=f"team {at % 5}", tier=1 + at % 3, received=BUSY))
    return FakeView(found)


def test_a_table_stays_filtered_by_what_was_typed_when_the_page_changes_and_the_focus_is_elsewhere(
    page_at: OpenPage,  # noqa: F811
) -> None:
    with serve(app_of(estimated())) as address:
        page = page_at(f"{address}/models/flights/drift?window=1d")
        rows = page.locator("#feature-table tbody tr:visible")
        whole = rows.count()
        page.get_by_label("search features").fill("temp")
        expect(rows).to_have_count(1)
        page.locator("h1").click()
        look_again(page)
        refreshed(page, 1)
        expect(rows).to_have_count(1)
        page.get_by_label("search features").fill("")
        expect(rows).to_have_count(whole)
        page.close()  # before the server ends, which it would tell of


def test_a_narrow_heat_map_shows_its_newest_windows_first(page_at: OpenPage, served: tuple[FakeView, str]) -> None:  # noqa: F811
    page = page_at(f"{served[1]}/models/flights/drift?window=1d", 390, 844)
    measured = page.locator("[data-heat]").evaluate("it => [it.scrollLeft, it.scrollWidth - it.clientWidth]")
    assert measured[1] > 100
    assert abs(measured[0] - measured[1]) < 2


def test_the_names_of_a_heat_map_stay_while_its_cells_are_scrolled(
    page_at: OpenPage,  # noqa: F811
    served: tuple[FakeView, str],
) -> None:
    page = page_at(f"{served[1]}/models/flights/drift?window=1d", 390, 844)
    page.locator("[data-heat]").scroll_into_view_if_needed()
    name = page.locator(".heat-names a.row text", has_text="dewp")
    for scrolled in (9999, 60, 0):
        page.locator("[data-heat]").evaluate("(it, left) => { it.scrollLeft = left; }", scrolled)
        box, within = name.bounding_box(), page.locator("[data-heat]").bounding_box()
        assert box is not None
        assert within is not None
        assert within["x"] <= box["x"] < within["x"] + 110
    page.locator("[data-heat]").evaluate("it => { it.scrollLeft = 9999; }")
    name.click()
    page.wait_for_url("**/models/flights/features/dewp?*")


def test_sixty_models_with_many_incidents_take_eighty_steps_a_page(page_at: OpenPage) -> None:  # noqa: F811
    view = fleet(60)
    for model in view.known:
        for at, one in enumerate(model.windows.get("1mo", [])):
            one.incident = {"score": one.window.start} if at % 2 else {}
    with serve(app_of(view)) as address:
        for path in ("/incidents", "/incidents?skip=50"):
            page = page_at(address + path, 390, 844)
            assert page.locator(".incidents tbody tr").count() == 50
            steps = page.evaluate(
                """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')].filter(
                  (it) => it.tabIndex >= 0 && !it.disabled && it.checkVisibility()).length"""
            )
            assert 50 < steps <= 80
        page.close()


def test_sixty_models_fit_in_four_screens_and_eighty_steps(page_at: OpenPage) -> None:  # noqa: F811
    with serve(app_of(fleet(60))) as address:
        page = page_at(address, 1280, 720)
        rows = page.locator("tbody tr:not(.why)")
        assert rows.count() == 60
        box = rows.last.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 4 * 720  # two lines each
        assert page.evaluate("document.documentElement.scrollWidth") == 1280
        for _ in range(81):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
        else:
            pytest.fail("more than eighty steps of the tab key")
        page.close()


def test_a_search_is_submitted_with_the_enter_key(context: BrowserContext, served: tuple[FakeView, str]) -> None:
    page = context.new_page()
    for start in ("/", "/status"):
        page.goto(served[1] + start)
        page.keyboard.press("/")
        page.keyboard.type("flights")
        page.keyboard.press("Enter")
        page.wait_for_url("**/models/flights")
        page.goto(served[1] + start)
        page.keyboard.press("/")
        page.keyboard.type("a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=a")  # several, and no empty parameters
        expect(page.locator("h1")).to_have_text("Search")


def test_the_first_model_is_five_steps_from_the_top_of_home(page_at: OpenPage, served: tuple[FakeView, str]) -> None:  # noqa: F811
    page = page_at(served[1])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.model-name') !== null"):
            return
    pytest.fail("the first model is not reached")


def test_ctrl_k_leads_to_the_search(page_at: OpenPage, served: tuple[FakeView, str]) -> None:  # noqa: F811
    page = page_at(f"{served[1]}/models/flights")
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "search"
