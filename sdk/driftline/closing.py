"""One thing that takes its time to end, and the exit that waits for it only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .faults import FAULTS


class Closing:
    """A provider that waits for its end, in a thread that is started now: at the exit Python may refuse new ones.

    OpenTelemetry's providers end when their exporters are done with trying again, and no argument bounds that of
    traces; so nobody waits for the call, only for its thread, which the end of the process ends.

    >>> closing = Closing("traces", lambda: None)
    >>> closing.begin()
    >>> closing.wait(5.0)
    True
    """

    def __init__(self, name: str, close: Callable[[], object], *, after_records: bool = False) -> None:
        self.after_records = after_records
        """Whether it must stay open until the records are sent, because sending them counts."""
        self._name = name
        self._close = close
        self.start()

    def start(self) -> None:
        """Start the thread; also in a child, which has none of its parent's."""
        self._begun = threading.Event()
        self._done = threading.Event()
        threading.Thread(target=self._run, name=f"driftline-end-{self._name}", daemon=True).start()

    def begin(self) -> None:
        """Close it, in the background."""
        self._begun.set()

    def wait(self, timeout: float) -> bool:
        """Say whether it is closed, within ``timeout`` seconds."""
        return self._done.wait(max(0.0, timeout))

    def _run(self) -> None:
        begun, done = self._begun, self._done
        begun.wait()
        try:
            self._close()
        except Exception as error:
            FAULTS.swallow("exit", error)
        finally:
            done.set()
