"""What the demo does right now and how far it is: a line that moves on a terminal, else a line every three seconds."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from driftline_processor.present.numbers import count

SILENCE = 3.0
"""Seconds of one step after which a pipe is told that it goes on."""


class Steps:
    """The steps of long work, one after the other."""

    def __init__(self, console: Console, silence: float = SILENCE) -> None:
        """Tell them to a console; ``silence``: seconds between two lines where it is no terminal."""
        self._console, self._silence = console, silence
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._what, self._done, self._total, self._began = "", 0, 0, time.monotonic()
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Steps:
        """Begin to tell."""
        self._bar.start()
        if not self._console.is_terminal:
            self._teller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Tell no more."""
        self._ended.set()
        self._bar.stop()
        if self._teller.is_alive():
            self._teller.join()

    def begin(self, what: str, total: int = 0) -> None:
        """Begin a step; the one before it has ended.

        Args:
            what: What is done, as "Training the model".
            total: Rows that are to be done, 0 = nobody knows.
        """
        self._what, self._done, self._total, self._began = what, 0, total, time.monotonic()
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._bar.add_task(self.line(), total=total or None)

    def go_on(self, done: int, what: str = "") -> None:
        """Say how many rows of the step are done, and what it is about now."""
        self._done, self._what = done, what or self._what
        for task in self._bar.task_ids:
            self._bar.update(task, completed=done, description=self.line())

    def line(self) -> str:
        """Return the step as a line, without its time."""
        progress = f": {count(self._done)} of {count(self._total)}" if self._total else ""
        return escape(f"{self._what}{progress}")

    def _tell(self) -> None:
        while not self._ended.wait(self._silence):
            if self._what:
                self._console.print(f"  {self.line()} ({time.monotonic() - self._began:.0f} s)", style="dim")
