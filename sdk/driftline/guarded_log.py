"""The only way in which Driftline logs: the application's filters, handlers and formatters run in a thread apart.

They may raise, block, call the model, or read a request that is not there. A line is therefore written by a thread that
ends with the last line. The caller waits for its line, but not for a handler that blocks.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

MOST_WAITING = 1000
"""Lines that wait for a handler that blocks; the oldest is dropped."""
PATIENCE_SECONDS = 0.5
"""Seconds that a caller waits for its line to be written; zero while an earlier line has exceeded them."""


_LIBRARIES = (
    "opentelemetry.attributes",
    "opentelemetry.sdk.resources",
    "opentelemetry.util.re",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.util.retry",
)
"""Loggers of the libraries that Driftline calls where an error would cost rows: to send, and to read its settings."""
_is_guarded = contextvars.ContextVar("driftline_guarded", default=False)


@dataclass(slots=True, eq=False)
class _Line:
    record: logging.LogRecord
    context: contextvars.Context
    """Context of the caller: a filter may add the id of its request."""
    is_noted: bool = False
    """Whether the line is shown without a handler although it is at INFO."""
    is_written: threading.Event = field(default_factory=threading.Event)


def is_from_signal(error: BaseException) -> bool:
    """Return True if a signal handler raised an error.

    Python calls a handler with the frame that it interrupts, which is the caller of the handler. Other functions, such
    as those that find the line of their caller, keep this frame in a variable, which is not an argument.
    """
    traceback = error.__traceback__
    while traceback is not None:
        frame, caller = traceback.tb_frame, traceback.tb_frame.f_back
        if caller is not None:
            code, variables = frame.f_code, frame.f_locals
            several = bool(code.co_flags & inspect.CO_VARARGS)
            for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + several]:
                argument = variables.get(name)  # None if the function deleted it
                given = argument if type(argument) is tuple else (argument,)
                if any(value is caller for value in given):
                    return True
        traceback = traceback.tb_next
    return False


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

    def note(self, message: str, *arguments: object) -> None:
        """Log an INFO line that is rare and expected by its reader, also if the root logger is at WARNING.

        That is its level in a program that did not set up logging, or that sets up only OpenTelemetry. A level that the
        program sets for this logger decides.
        """
        settings = self.settings
        inherits = settings.level == logging.NOTSET and settings.manager.disable < logging.INFO
        self._log(logging.INFO, message, arguments, always=inherits and not settings.disabled)

    def wait(self) -> None:
        """Wait until all lines are written, at most :data:`PATIENCE_SECONDS`."""
        writer = self._writer
        if writer is not None and writer is not threading.current_thread():
            writer.join(PATIENCE_SECONDS)

    def release_handlers(self) -> None:
        """Release the handlers that block the writer: ``logging.shutdown`` would wait for their locks without end."""
        if self._writer is None:
            return
        with suppress(Exception):
            for reference in list(logging._handlerList):  # type: ignore[attr-defined] # all handlers, also nested ones
                handler = reference()
                lock = None if handler is None else handler.lock
                if lock is None:
                    continue
                if lock.acquire(timeout=PATIENCE_SECONDS):
                    lock.release()
                else:
                    logging._handlerList.remove(reference)  # type: ignore[attr-defined] # its flush may block too
                    handler.createLock()  # another handler may write to it when it is flushed

    def _log(self, level: int, message: str, arguments: tuple[object, ...], *, always: bool = False) -> None:
        try:
            if always or self.settings.isEnabledFor(level):
                name, file = self.settings.name, "(unknown file)"
                try:
                    record = self.settings.makeRecord(name, level, file, 0, message, arguments, None)
                except Exception:  # the application's factory of records
                    record = logging.LogRecord(name, level, file, 0, message, arguments, None)
                self.write(record, is_noted=always)
        except Exception as fault:
            if is_from_signal(fault):
                raise

    def write(self, record: logging.LogRecord, *, is_noted: bool = False) -> None:
        """Write a record with the handlers of its logger."""
        line = _Line(record, contextvars.copy_context(), is_noted)
        with self._lock:
            self._lines.append(line)
            if self._writer is None:
                self._start()
            writer = self._writer
        # A handler that calls the model may log: its thread must not wait for itself.
        if writer is not None and writer is not threading.current_thread() and not self._is_blocked:
            self._is_blocked = not line.is_written.wait(PATIENCE_SECONDS)

    def _start(self) -> None:
        if sys.is_finalizing():  # a thread would never start, and Python 3.11 would wait for it for ever
            self._write()
            return
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
            with suppress(BaseException):  # a handler may call sys.exit
                line.context.run(_handle, line.record, line.is_noted)
            line.is_written.set()
            self._is_blocked = False


def _handle(record: logging.LogRecord, is_noted: bool) -> None:
    _is_guarded.set(False)
    try:
        if is_noted and logging.lastResort is not None and not logger.settings.hasHandlers():
            logging.lastResort.handle(record)  # which otherwise writes warnings only
        else:
            logging.getLogger(record.name).handle(record)
    except BaseException:  # a filter or handler; Python's last resort writes warnings to stderr
        if logging.lastResort is not None and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)


logger = GuardedLogger("driftline")


@contextmanager
def guard_libraries() -> Iterator[None]:
    """Also write the lines of the libraries that Driftline calls in the thread apart, such as those of urllib3."""
    for name in _LIBRARIES:
        logging.getLogger(name).addFilter(_divert)  # has no effect the second time
    token = _is_guarded.set(True)
    try:
        yield
    finally:
        _is_guarded.reset(token)


def _divert(record: logging.LogRecord) -> bool:
    """Write a line of a guarded call apart; return True for the lines of the application's own calls."""
    if not _is_guarded.get():
        return True
    logger.write(record)
    return False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=logger.wait, after_in_child=logger.forget)
