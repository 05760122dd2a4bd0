"""The progress bar on a terminal: when it is shown, and that nothing of it stays; units stay beside their numbers."""

from __future__ import annotations

import io
import sys

import pytest
from driftline_processor.present.progress import no_progress
from driftline_processor.terminal.console import Text
from driftline_processor.terminal.progress import cell_html, progress_line, show_progress
from rich.console import Console


class Clock:
    """A clock that is set by hand, seconds."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, force_terminal=terminal, force_jupyter=False, width=100, color_system=None), written


def test_a_pipe_gets_no_bar() -> None:
    target, written = console(terminal=False)
    with show_progress(console=target) as progress:
        assert progress is no_progress
    assert written.getvalue() == ""


def test_work_that_takes_less_than_two_seconds_shows_no_bar() -> None:
    target, written = console(terminal=True)
    clock = Clock()
    with show_progress(console=target, clock=clock) as progress:
        progress(1, 10, "Counting rows")
        clock.now += 1.9
    assert "Counting" not in written.getvalue()


def test_longer_work_shows_the_step_and_how_far_it_is() -> None:
    target, written = console(terminal=True)
    clock = Clock()
    with show_progress(console=target, clock=clock) as progress:
        progress(10, 10, "Reading rows")
        clock.now += 2.0
        progress(3, 10, "Counting rows")
    shown = written.getvalue()
    assert "Counting rows" in shown
    assert "3/10" in shown
    assert "Reading rows" not in shown


def test_a_log_gets_a_line_every_few_seconds_with_the_remaining_time(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with show_progress(lines=True, clock=clock) as progress:
        progress(0, 100, "Replaying hours")
        clock.now += 4.9
        progress(10, 100, "Replaying hours")
        clock.now += 5.1
        progress(20, 100, "Replaying hours")
        clock.now += 4.9
        progress(30, 100, "Replaying hours")
    [line] = capsys.readouterr().err.splitlines()
    assert line == progress_line(20, 100, "Replaying hours", 40.0)
    assert "40s" in line


def test_a_bar_that_was_asked_for_is_shown_at_once() -> None:
    target, written = console(terminal=True)
    with show_progress(True, console=target, clock=Clock()) as progress:
        progress(0, 0, "Reading rows")
    assert "Reading rows" in written.getvalue()


def test_a_bar_that_nobody_wants_is_not_shown() -> None:
    target, written = console(terminal=True)
    clock = Clock()
    with show_progress(False, console=target, clock=clock) as progress:
        clock.now += 60
        progress(1, 10, "Counting rows")
    assert written.getvalue() == ""


def test_the_bar_of_a_cell_names_its_step_as_text() -> None:
    assert cell_html(0, 0, "<b>Reading") == "<label>&lt;b&gt;Reading <progress></progress></label>"


class Cell:
    """The display of a cell: what it shows, in order."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def HTML(self, text: str) -> str:  # noqa: N802 - as IPython calls it
        return text

    def display(self, shown: str, *, display_id: bool) -> Cell:
        assert display_id
        self.update(shown)
        return self

    def update(self, shown: str) -> None:
        self.shown.append(shown)


def test_a_cell_shows_late_work_a_few_times_a_second_and_is_empty_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, clock = Cell(), Clock()
    monkeypatch.setitem(sys.modules, "IPython.display", cell)
    with show_progress(console=Console(force_jupyter=True), clock=clock) as progress:
        progress(1, 10, "Counting rows")
        clock.now += 2.0
        progress(2, 10, "Counting rows")
        progress(3, 10, "Counting rows")
        clock.now += 0.2
        progress(4, 10, "Counting rows")
    assert cell.shown == [cell_html(2, 10, "Counting rows"), cell_html(4, 10, "Counting rows"), ""]


def test_a_cell_that_shows_nothing_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = Cell()
    monkeypatch.setitem(sys.modules, "IPython.display", cell)
    with show_progress(console=Console(force_jupyter=True), clock=Clock()) as progress:
        progress(1, 10, "Counting rows")
    assert cell.shown == []


def test_a_line_never_ends_between_a_number_and_its_unit() -> None:
    console = Console(width=14, file=io.StringIO())
    said = Text("it rose from 12 % to 40 %")
    assert [line.plain.rstrip() for line in said.wrap(console, 14)] == ["it rose from", "12 % to 40 %"]
    assert said.plain == "it rose from 12 % to 40 %"


def test_parts_make_one_text_with_its_units() -> None:
    said = Text.assemble(("churn", "bold"), ": 12 % of 900")
    assert [line.plain.rstrip() for line in said.wrap(Console(width=9, file=io.StringIO()), 9)] == [
        "churn:",
        "12 % of",
        "900",
    ]
