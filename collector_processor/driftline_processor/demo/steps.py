"""Progress of the demo: an updating line on a terminal, else a line every three seconds."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from driftline_processor.present.numbers import count

SILENCE = 3.0
"""Seconds between two lines about one step if the output is not a terminal."""


class Steps:
    """The steps of long work."""

    def __init__(self, console: Console, silence: float = SILENCE) -> None:
        """Create steps on a console; ``silence``: seconds between two lines if it is not a terminal."""
        self._console, self._silence = console, silence
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._label, self._done, self._total, self._began = "", 0, 0, time.monotonic()
        self._ended = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Steps:
        """Start the output."""
        self._bar.start()
        if not self._console.is_terminal:
            self._teller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the output."""
        self._ended.set()
        self._bar.stop()
        if self._teller.is_alive():
            self._teller.join()

    def begin(self, what: str, total: int = 0) -> None:
        """Begin a step and end the previous one.

        Args:
            what: Description, as "Training the model".
            total: Number of rows, 0 = unknown.
        """
        self._label, self._done, self._total, self._began = what, 0, total, time.monotonic()
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        self._bar.add_task(self.line(), total=total or None)

    def go_on(self, done: int, what: str = "") -> None:
        """Update the number of done rows and the description."""
        self._done, self._label = done, what or self._label
        for task in self._bar.task_ids:
            self._bar.update(task, completed=done, description=self.line())

    def line(self) -> str:
        """Return the step as a line, without its time."""
        progress = f": {count(self._done)} of {count(self._total)}" if self._total else ""
        return escape(f"{self._label}{progress}")

    def _tell(self) -> None:
        while not self._ended.wait(self._silence):
            if self._label:
                self._console.print(f"  {self.line()} ({time.monotonic() - self._began:.0f} s)", style="dim")
