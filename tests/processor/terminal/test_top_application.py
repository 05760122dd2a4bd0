"""The application of ``driftline top``, driven key by key over the pages' own JSON."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from driftline.tables.table import ModelKey
from driftline_processor.cli.connection import Connection
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Cause, Explanation, Verdict, VerdictState
from driftline_processor.present.sentences.verdict import verdict_action, verdict_headline, verdict_lines
from driftline_processor.queries.model_view import ModelView
from driftline_processor.terminal.api_tables import STATES, fetch_models
from driftline_processor.terminal.top_application import ModelScreen, ModelsScreen, ModelsTable, TopApplication
from msgspec.structs import replace
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Static

from tests.support.fake_view import NOW, FakeView, app_of, flights, fraud, many, price
from tests.support.serve import serve
from tests.support.unwrap import unwrap
from tests.support.waiting import PATIENCE

NARROW, WIDE = (80, 24), (160, 50)
HOSTILE = "x\x1b[2J[red]y[/]"


def judged(view: ModelView, name: str, state: VerdictState, version: str = "", rows: int = 10) -> ModelView:
    verdict = Verdict(state, NOW, "mae", 9.0, 5.0, 13.0, reasons=(facts.ColumnMoved(name="[bold]error[/]"),))
    return replace(view, key=ModelKey(name, version), verdict=verdict, rows=rows)


def fleet() -> FakeView:
    """200 models, each state as often as every other."""
    small = price()
    return FakeView([judged(small, f"model-{at:03d}", STATES[at % 6], rows=1_000 - at) for at in range(200)])  # type: ignore[arg-type]


@asynccontextmanager
async def opened(url: str, size: tuple[int, int]) -> AsyncIterator[Pilot[None]]:
    application = TopApplication(Connection(url), fetch_models(lambda path: httpx.get(url + path)))
    async with application.run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


def played(url: str, play: Callable[[Pilot[None]], Awaitable[None]], size: tuple[int, int] = NARROW) -> None:
    """Open the application and play it."""

    async def run() -> None:
        async with opened(url, size) as pilot:
            await play(pilot)

    asyncio.run(run())


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Let the application go on until a condition holds; fail when patience ends."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, screen_text(pilot)
        await pilot.pause(0.02)


def screen_text(pilot: Pilot[None]) -> str:
    """Return what is on the screen, line by line."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def names(pilot: Pilot[None]) -> list[str]:
    return [key.value or "" for key in pilot.app.query_one(ModelsTable).rows]


def chosen(pilot: Pilot[None]) -> str:
    screen = pilot.app.screen
    assert isinstance(screen, ModelsScreen)
    row = screen.chosen()
    return "" if row is None else row.name


@pytest.fixture
def many_models() -> Iterator[tuple[FakeView, str]]:
    view = fleet()
    with serve(app_of(view)) as url:
        yield view, url


def test_all_models_are_rows_the_worst_first_and_the_one_under_the_cursor_says_its_verdict(
    served: tuple[FakeView, str],
) -> None:
    async def play(pilot: Pilot[None]) -> None:
        text = screen_text(pilot)
        assert names(pilot) == ["flights", "fraud", "animals", "price", "churn"]
        assert "5 models  by need" in text
        assert "4 at risk 1  5 unknown 1" in text
        verdict = unwrap(flights().verdict)
        words = " ".join(text.split())
        assert f"flights winter demo {verdict_headline(verdict)}" in words
        assert verdict_action(verdict)[:30] in words
        assert max(map(len, text.splitlines())) <= 80
        await pilot.press("down")
        assert "fraud v7 prod  " in screen_text(pilot)

    played(served[1], play)


@pytest.mark.parametrize(("size", "columns"), [(NARROW, 6), (WIDE, 10)])
def test_columns_go_where_it_is_narrow_and_names_and_states_stay(
    served: tuple[FakeView, str], size: tuple[int, int], columns: int
) -> None:
    async def play(pilot: Pilot[None]) -> None:
        table = pilot.app.query_one(ModelsTable)
        assert len(table.columns) == columns
        assert table.max_scroll_x == 0
        assert "flights winter demo  at risk" in screen_text(pilot)

    played(served[1], play, size)


@pytest.mark.slow
def test_two_hundred_models_scroll_and_home_and_end_go_to_both_ends(many_models: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        assert len(names(pilot)) == 200
        assert chosen(pilot) == "model-000"
        await pilot.press("end")
        assert chosen(pilot) == "model-197"  # right, the least traffic
        await pilot.pause()
        assert "model-197" in screen_text(pilot)
        await pilot.press("home", "pagedown", "down")
        assert chosen(pilot) != "model-000"
        await pilot.press("home")
        assert chosen(pilot) == "model-000"

    played(many_models[1], play)


@pytest.mark.slow
def test_words_filter_names_and_states_and_escape_shows_all_again(many_models: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"19", "space", *"deg")
        assert names(pilot) == ["model-192", "model-198"]
        await pilot.press("enter")  # keeps the words, and the keys move the rows again
        assert 'filter "19 deg"' in screen_text(pilot)
        await pilot.press("down")
        assert chosen(pilot) == "model-198"
        await pilot.press("escape")
        assert len(names(pilot)) == 200
        assert chosen(pilot) == "model-198"

    played(many_models[1], play)


@pytest.mark.slow
def test_digits_show_one_state_and_s_sorts(many_models: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("4")
        assert len(names(pilot)) == 33
        assert chosen(pilot) == "model-003"
        await pilot.press("0", "s")
        assert "by name" in screen_text(pilot)
        assert names(pilot)[:2] == ["model-000", "model-001"]
        await pilot.press("s", "s", "s")
        assert "by need" in screen_text(pilot)

    played(many_models[1], play)


@pytest.mark.slow
def test_where_no_model_fits_it_says_how_to_see_all(many_models: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("slash", *"nothing", "enter", "enter")
        assert names(pilot) == []
        assert "Escape" in screen_text(pilot)

    played(many_models[1], play)


@pytest.mark.slow
def test_a_look_keeps_cursor_scroll_filter_and_sort(many_models: tuple[FakeView, str]) -> None:
    view, url = many_models

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("s", "slash", *"model-0", "enter", *["pagedown"] * 3)
        table, before = pilot.app.query_one(ModelsTable), chosen(pilot)
        await until(pilot, lambda: table.scroll_y == table.scroll_target_y > 0)
        scrolled, place = table.scroll_y, table.cursor_row
        view.known = [judged(price(), "model-000b", "degraded"), *view.known]
        await until(pilot, lambda: "model-000b" in names(pilot))
        assert (chosen(pilot), table.cursor_row) == (before, place + 1)
        assert abs(table.scroll_y - scrolled) <= 1
        assert "by name" in screen_text(pilot)
        assert len(names(pilot)) == 101

    played(url, play)


@pytest.mark.slow
def test_a_processor_that_goes_away_is_said_to_be_away_and_found_again() -> None:
    view = FakeView([flights()])
    served = serve(app_of(view))
    url = served.__enter__()
    port = int(url.rpartition(":")[2])

    async def play(pilot: Pilot[None]) -> None:
        await asyncio.to_thread(served.__exit__, None, None, None)
        await until(pilot, lambda: "connection lost" in screen_text(pilot))
        assert names(pilot) == ["flights"]
        view.known = [flights(), fraud()]
        with serve(app_of(view), port):
            await until(pilot, lambda: names(pilot) == ["flights", "fraud"])
            assert "connection lost" not in screen_text(pilot)

    played(url, play)


def test_another_servers_answer_counts_as_no_answer(served: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, TopApplication)
        pilot.app.client.base_url = httpx.URL(f"{served[1]}/static/driftline.css?")
        pilot.app.look()
        await until(pilot, lambda: "connection lost" in screen_text(pilot))

    played(served[1], play)


def shown_model(pilot: Pilot[None]) -> str:
    page = pilot.app.screen.query_one("#page", Static)
    return str(screen_text(pilot)) if page.is_mounted else ""


@pytest.mark.slow
def test_enter_goes_into_a_model_and_escape_comes_back(served: tuple[FakeView, str]) -> None:
    view, url = served
    why = Cause((f"temp {HOSTILE}",), "", 0.4)
    month = [one for one in view.known[0].windows["1mo"] if one.closed][-1]
    month.explanation = Explanation((why,))

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: "Windows" in shown_model(pilot))
        lines = screen_text(pilot).splitlines()
        text = " ".join(" ".join(lines).split())
        assert "windows of 1mo" in lines[0]
        assert "flights winter demo · binary · 56,965 rows · 54,800 outcomes" in text
        told = unwrap(view.known[0].verdict)
        said = [f"{title}: {line}" for title, line in verdict_lines(told)]
        assert " ".join([verdict_headline(told), *said]) in text
        assert "1. temp x·[2J[red]y[/]" in text
        wind = next(line for line in lines if line.strip().startswith("wind_speed"))
        assert {"drift", "moderate", "KS", "0.18"} <= {*wind.split()}
        assert "█" in wind or "▁" in wind
        assert any(line.split()[:3] == ["ROC", "AUC", "0.636"] for line in lines)
        assert any(line.split()[:3] == ["2013-12", "5,533", "96"] for line in lines)
        await pilot.press("w")
        await until(pilot, lambda: "windows of 1d" in screen_text(pilot) and "2013-12-31" in screen_text(pilot))
        await pilot.press("escape")
        assert chosen(pilot) == "flights"

    played(url, play, WIDE)


@pytest.mark.slow
def test_a_page_of_a_model_scrolls_in_a_small_terminal(served: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        scroll = pilot.app.screen.query_one(VerticalScroll)
        await until(pilot, lambda: scroll.max_scroll_y > 10)
        await pilot.press("end")
        await until(pilot, lambda: "2013-03" in screen_text(pilot))
        assert max(map(len, screen_text(pilot).splitlines())) <= 80

    played(served[1], play)


@pytest.mark.slow
def test_v_goes_to_the_next_version(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.known = [judged(price(), "price", "degraded", "2"), judged(price(), "price", "healthy", "1")]

    async def play(pilot: Pilot[None]) -> None:
        assert "price (2 versions)" in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Versions" in screen_text(pilot))
        assert "price 2 · regression" in screen_text(pilot)
        await pilot.press("v")
        await until(pilot, lambda: "price 1 · regression" in screen_text(pilot))
        text = " ".join(screen_text(pilot).split())
        assert "[bold]error[/]" in text

    played(url, play, WIDE)


def test_a_model_without_windows_says_what_is_missing(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.known = [replace(view.known[4], windows={})]

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ModelScreen))
        text = " ".join(screen_text(pilot).split())
        assert "no windows yet" in text
        assert "10 of 1,000 rows" in text

    played(url, play, WIDE)


@pytest.mark.slow
def test_a_model_that_is_forgotten_while_it_is_read_is_said_to_be_gone(served: tuple[FakeView, str]) -> None:
    view, url = served

    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        view.known = view.known[1:]
        assert isinstance(pilot.app, TopApplication)
        pilot.app.look()
        await until(pilot, lambda: "no longer exists" in " ".join(screen_text(pilot).split()))

    played(url, play)


@pytest.mark.slow
def test_a_hostile_name_is_text(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.known = [judged(flights(), HOSTILE, "degraded", "[/b]")]

    async def play(pilot: Pilot[None]) -> None:
        assert "x·[2J[red]y[/] [/b]" in screen_text(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Windows" in screen_text(pilot))
        assert "x·[2J[red]y[/] [/b] · binary" in screen_text(pilot)
        assert "[bold]error[/]" in screen_text(pilot)

    played(url, play, WIDE)


def test_without_a_model_it_says_where_to_read_on(served: tuple[FakeView, str]) -> None:
    view, url = served
    view.known, view.said = [], ("1 outcome waits for model rsik.",)

    async def play(pilot: Pilot[None]) -> None:
        text = " ".join(screen_text(pilot).split())
        assert "No model has sent predictions yet" in text
        assert "1 outcome waits for model rsik." in text
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, ModelsScreen)

    played(url, play)


@pytest.mark.slow
def test_the_question_mark_shows_the_keys(served: tuple[FakeView, str]) -> None:
    async def play(pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: "open the model; Escape goes back" in screen_text(pilot))
        await pilot.press("escape", "q")
        await until(pilot, lambda: pilot.app.return_code == 0)

    played(served[1], play)


@pytest.mark.slow
def test_in_a_terminal_it_runs_until_q() -> None:
    with serve(app_of(many())) as url:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        process = subprocess.Popen(
            [sys.executable, "-m", "driftline_processor", "top", url],
            stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        try:
            heard = b""
            while b"animals" not in heard:
                heard += os.read(ours, 65_536)
            os.write(ours, b"q")
            while process.poll() is None:
                os.read(ours, 65_536)
        except OSError:  # the terminal is closed with the last process on it
            pass
        finally:
            process.send_signal(signal.SIGTERM) if process.poll() is None else None
            assert process.wait(30) == 0
            os.close(ours)
