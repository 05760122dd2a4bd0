"""Progress of long work: a bar on a terminal or in a notebook, removed when the work is done, or lines of a log."""

from __future__ import annotations

import html
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.present.wording import duration

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import TaskID


@contextmanager
def show_progress(
    shown: bool | None = None,
    *,
    lines: bool = False,
    console: Console | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Show the progress of the work within the block, and remove the bar at its end.

    Args:
        shown: True = immediately, False = never; None = on a terminal or in a notebook, after two seconds.
        lines: Whether stderr gets a line every few seconds if it is neither, such as in the log of a pipeline.
        console: Output of the bar; None = stderr, so that a pipe of results does not contain it.
        clock: Returns the time in seconds.
    """
    if shown is False or (shown is None and console is None and not _is_shown_somewhere()):
        yield _log_lines(clock) if lines and shown is not False else no_progress
        return  # rich is loaded only if a bar can be shown
    from rich.console import Console

    target = Console(stderr=True) if console is None else console
    # 2.0: seconds before the bar is shown
    after = 0.0 if shown else 2.0
    if shown is None and not (target.is_terminal or target.is_jupyter):
        yield no_progress
    elif target.is_jupyter:
        with _cell_bar(after, clock) as progress:
            yield progress
    else:
        with _terminal_bar(target, after, clock) as progress:
            yield progress


def _is_shown_somewhere() -> bool:
    """Return False if stderr is neither a terminal nor a notebook, and rich is not forced to treat it as a terminal."""
    return sys.stderr.isatty() or "IPython" in sys.modules or bool({"FORCE_COLOR", "TTY_COMPATIBLE"} & {*os.environ})


@contextmanager
def _terminal_bar(console: Console, after: float, clock: Callable[[], float]) -> Iterator[Progress]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    began = clock()

    class LateBar(Bar):
        """A bar that draws nothing before its work has taken some time."""

        def get_renderables(self) -> Iterable[RenderableType]:
            if clock() - began >= after:
                yield from super().get_renderables()

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
    times = TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()
    bar = LateBar(*columns, *times, console=console, transient=True)
    current: tuple[str, TaskID] | None = None

    def progress(done: int, total: int, what: str) -> None:
        nonlocal current
        if current is None or current[0] != what:
            if current is not None:
                bar.remove_task(current[1])
            current = what, bar.add_task(what, total=total or None)
        bar.update(current[1], completed=done, total=total or None)

    with bar:
        yield progress


def _log_lines(clock: Callable[[], float]) -> Progress:
    """Return a progress that writes a line to stderr every few seconds, with the remaining time of the step."""
    last, step, began, first = clock(), "", clock(), 0

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last, step, began, first
        now = clock()
        if what != step:
            step, began, first = what, now, done
        # 5.0: seconds between two lines
        if now - last >= 5.0:
            last = now
            left = (now - began) / (done - first) * (total - done) if done > first else None
            print(progress_line(done, total, what, left), file=sys.stderr, flush=True)

    return progress


def progress_line(done: int, total: int, what: str, left: float | None) -> str:
    """Return a step of the work as a line; ``left``: the remaining seconds, None = unknown.

    >>> progress_line(500, 2_160, "Replaying hours", 166.2), progress_line(0, 0, "Reading rows", None)
    ('Replaying hours: 500 of 2,160, about 2m46s left', 'Reading rows')
    """
    line = f"{what}: {done:,} of {total:,}" if total else what
    return line if left is None or not total else f"{line}, about {duration(round(left) * 10**9)} left"


@contextmanager
def _cell_bar(after: float, clock: Callable[[], float]) -> Iterator[Progress]:
    """Show the bar below a cell: an HTML element that is replaced, without widgets."""
    from IPython.display import HTML, display

    began, last, handle = clock(), float("-inf"), None

    def progress(done: int, total: int, what: str) -> None:
        nonlocal last, handle
        now = clock()
        # 0.2: seconds between two updates in a notebook, since each is a message to the browser
        if now - began < after or (now - last < 0.2 and done):
            return
        last = now
        bar = HTML(cell_html(done, total, what))
        if handle is None:
            handle = display(bar, display_id=True)
        else:
            handle.update(bar)

    try:
        yield progress
    finally:
        if handle is not None:
            handle.update(HTML(""))


def cell_html(done: int, total: int, what: str) -> str:
    """Return a step of the work as HTML.

    >>> cell_html(50, 200, "Counting rows")
    '<label>Counting rows <progress value="50" max="200"></progress> 50 of 200</label>'
    """
    escaped = html.escape(what)
    if not total:
        return f"<label>{escaped} <progress></progress></label>"
    return f'<label>{escaped} <progress value="{done}" max="{total}"></progress> {done:,} of {total:,}</label>'
