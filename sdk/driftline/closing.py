"""One thing that takes its time to end, and the exit that waits for it only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable

from . import background
from .faults import FAULTS


class Closing:
    """A provider that waits for its end, in a thread that is started now: at the exit Python may refuse new ones.

    OpenTelemetry's providers end when their exporters are done with trying again, and no argument bounds that of
    traces; so nobody waits for the call, only for its thread, which the end of the process ends.

    >>> closing = Closing("traces", lambda: None, lambda: None)
    >>> closing.begin()
    >>> closing.wait(5.0)
    True
    """

    def __init__(
        self, name: str, close: Callable[[], object], flush: Callable[[], object], *, after_records: bool = False
    ) -> None:
        self.after_records = after_records
        """Whether it must stay open until the records are sent, because sending them counts."""
        self._name = name
        self._close = close
        self._flush = flush
        self.start()

    def start(self) -> None:
        """Start the thread; also in a child, which has none of its parent's."""
        self._begun = threading.Event()
        self._done = threading.Event()
        self._sent = threading.Event()
        self._resting = False
        self._thread = background.start(f"driftline-end-{self._name}", self._run)

    def rest(self) -> None:
        """Let the thread end without closing anything, until :meth:`go_on`; one that has begun to close does that."""
        if not self._begun.is_set():
            self._resting = True
            self._begun.set()
            self._thread.join()

    def go_on(self) -> None:
        """Start again what rested."""
        if self._resting:
            self.start()

    def begin_flush(self) -> None:
        """Let the provider send what waits in it, in the background."""
        sent = self._sent = threading.Event()

        def flush() -> None:
            try:
                self._flush()
            except Exception as error:
                FAULTS.swallow("flush", error)
            finally:
                sent.set()

        background.start(f"driftline-flush-{self._name}", flush)

    def flushed(self, timeout: float) -> bool:
        """Say whether the provider sent that, within ``timeout`` seconds."""
        return self._sent.wait(max(0.0, timeout))

    def begin(self) -> None:
        """Close it, in the background."""
        self._begun.set()

    def wait(self, timeout: float) -> bool:
        """Say whether it is closed, within ``timeout`` seconds."""
        return self._done.wait(max(0.0, timeout))

    def _run(self) -> None:
        begun, done = self._begun, self._done
        begun.wait()
        if self._resting:
            return
        try:
            self._close()
        except Exception as error:
            FAULTS.swallow("exit", error)
        finally:
            done.set()
