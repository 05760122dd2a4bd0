"""What the demo does and how far it is, on a terminal and in a pipe."""

from __future__ import annotations

import io

from driftline_processor.demo.steps import Steps
from rich.console import Console

from tests.support.waiting import wait_until


def test_a_pipe_is_told_again_and_again_while_a_step_goes_on() -> None:
    pipe = io.StringIO()
    with Steps(Console(file=pipe, width=100), silence=0.01) as steps:
        steps.begin("Training on [January]")
        wait_until(lambda: pipe.getvalue().count("Training on [January] (0 s)") > 1)
        steps.begin("Replaying", 56_965)
        steps.go_on(1_200, "Replaying 4 March")
        wait_until(lambda: "  Replaying 4 March: 1,200 of 56,965 (0 s)\n" in pipe.getvalue())
    said = pipe.getvalue()
    assert said.splitlines()[-1].startswith("  Replaying 4 March")


def test_a_terminal_has_a_line_that_moves_and_is_gone_at_the_end() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=100, force_terminal=True)
    with Steps(console) as steps:
        steps.begin("Training on [January]")
        steps.begin("Replaying", 56_965)
        steps.go_on(1_200, "Replaying 4 March")
    said = screen.getvalue()
    assert "Replaying 4 March: 1,200 of 56,965" in said
    assert said.endswith("\x1b[?25h\r\x1b[1A\x1b[2K")  # the cursor is back, the line erased


def test_quick_work_says_nothing_in_a_pipe() -> None:
    pipe = io.StringIO()
    with Steps(Console(file=pipe)) as steps:
        steps.begin("Reading a year of flights")
    assert pipe.getvalue() == ""
