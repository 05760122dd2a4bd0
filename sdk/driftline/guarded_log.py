"""The only way in which Driftline logs: the application's filters, handlers and formatters run in a thread apart.

They may raise, block, call the model, or read a request that is not there. A line is therefore written by a thread that
ends with the last line. The caller waits for its line, but not for a handler that blocks.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

MOST_WAITING = 1000
"""Lines that wait for a handler that blocks; the oldest is dropped."""
PATIENCE_SECONDS = 0.5
"""Seconds that a caller waits for its line to be written; zero while an earlier line has exceeded them."""


@dataclass(slots=True, eq=False)
class _Line:
    level: int
    message: str
    arguments: tuple[object, ...]
    context: contextvars.Context
    """Context of the caller: a filter may add the id of its request."""
    is_written: threading.Event = field(default_factory=threading.Event)


class GuardedLogger:
    """A logger whose methods never raise, and return within :data:`PATIENCE_SECONDS`.

    >>> GuardedLogger("driftline-example").info("driftline: %s", "not shown")
    """

    def __init__(self, name: str) -> None:
        self.settings = logging.getLogger(name)
        """Level and handlers of the logger."""
        self.forget()

    def forget(self) -> None:
        """Reset in a child process: the parent writes its own lines."""
        self._lock = threading.RLock()  # reentrant, since a finalizer can log at any time
        self._lines = deque[_Line](maxlen=MOST_WAITING)
        self._writer: threading.Thread | None = None
        self._is_blocked = False

    def info(self, message: str, *arguments: object) -> None:
        """Log what is useful once, such as how a function is read."""
        self._log(logging.INFO, message, arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """Log what the user should change."""
        self._log(logging.WARNING, message, arguments)

    def error(self, message: str, *arguments: object) -> None:
        """Log what does not work at all."""
        self._log(logging.ERROR, message, arguments)

    def wait(self) -> None:
        """Wait until all lines are written, at most :data:`PATIENCE_SECONDS`."""
        writer = self._writer
        if writer is not None and writer is not threading.current_thread():
            writer.join(PATIENCE_SECONDS)

    def _log(self, level: int, message: str, arguments: tuple[object, ...]) -> None:
        with suppress(Exception):
            if self.settings.isEnabledFor(level):
                line = _Line(level, message, arguments, contextvars.copy_context())
                with self._lock:
                    self._lines.append(line)
                    if self._writer is None:
                        self._start()
                    writer = self._writer
                # A handler that calls the model may log: its thread must not wait for itself.
                if writer is not None and writer is not threading.current_thread() and not self._is_blocked:
                    self._is_blocked = not line.is_written.wait(PATIENCE_SECONDS)

    def _start(self) -> None:
        writer = self._writer = threading.Thread(target=self._write, name="driftline-log", daemon=True)
        try:
            writer.start()
        except RuntimeError:  # no thread can be opened: at exit, or at the limit of the system
            self._write()

    def _write(self) -> None:
        """Write lines until there is none, also those that arrive meanwhile."""
        while True:
            with self._lock:
                if not self._lines:
                    self._writer = None
                    return
                line = self._lines.popleft()
            with suppress(Exception):
                line.context.run(self._emit, line)
            line.is_written.set()
            self._is_blocked = False

    def _emit(self, line: _Line) -> None:
        try:
            self.settings.log(line.level, line.message, *line.arguments)
        except Exception:  # a filter or handler; Python's last resort writes warnings to stderr
            if logging.lastResort is not None and line.level >= logging.lastResort.level:
                logging.lastResort.handle(
                    logging.LogRecord(self.settings.name, line.level, "", 0, line.message, line.arguments, None)
                )


logger = GuardedLogger("driftline")

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=logger.wait, after_in_child=logger.forget)
