"""A process that judges windows: ``python -m driftline_processor.evaluation.processes.worker SOCKET SHARE``.

The processor starts it and speaks to it through a socket that it inherits. It keeps what it has read of the store in
memory, as the processor itself does, within a share of what the processor may take. It ends when the processor closes
the socket or is gone.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

from msgspec.structs import replace

from driftline_processor.custom_metrics import load_custom_metrics
from driftline_processor.evaluation.store_judge import JudgedWindow, JudgingOrder, StoreJudge
from driftline_processor.evaluation.store_source import StoreReaders
from driftline_processor.process_memory import keep_memory_small

from .channel import BrokenChannelError, Channel
from .messages import Answer, Done, Ready, Work
from .remote_store import RemoteBaselines, RemoteConnection, RemoteStoreError

NICENESS = 5
"""By how much the processor goes before it where both want one core: requests are answered first."""

LOOK_EVERY = 5.0
"""Seconds from one look for the processor to the next, of a process that is busy while the processor is killed."""


class JudgingProcess:
    """The work of the process, one order after the other."""

    def __init__(self, channel: Channel, share: float = 1.0) -> None:
        """Speak through ``channel``. ``share``: of the memory that what was read may take."""
        self._channel, self._share = channel, share
        self._said: list[str] = []
        self._baselines = RemoteBaselines(self._ask)
        self._judge: StoreJudge | None = None

    def run(self) -> None:
        """Work until the other end is closed."""
        load_custom_metrics(self._said.append)
        self._channel.send(Ready(self._take_said()))
        while True:
            self._channel.send(self._do(self._channel.receive()))

    def _do(self, work: Work) -> Done:
        began = time.process_time()
        self._baselines.expect(work.baselines)
        if self._judge is None:
            self._judge = StoreJudge(StoreReaders(RemoteConnection(self._ask), self._baselines, self._share))
        for forget, arguments in work.changes:
            forget(self._judge.readers, *arguments)
        judged_windows = self._judged(self._judge, work.order)
        if messages := self._take_said():
            judged_windows[-1] = JudgedWindow(
                judged_windows[-1].evaluation, (*judged_windows[-1].said, *messages), judged_windows[-1].failure
            )
        return Done(judged_windows, time.process_time() - began)

    def _judged(self, judge: StoreJudge, order: JudgingOrder) -> list[JudgedWindow]:
        """Judge windows together; each alone where one of them cannot be judged."""
        try:
            return judge.judge(order)
        except (BrokenChannelError, MemoryError):
            raise  # the processor is gone, or judges the windows itself
        except Exception:
            if len(order.windows) == 1:
                return [JudgedWindow(None, (), traceback.format_exc())]
        return [
            judged_window
            for window in order.windows
            for judged_window in self._judged(judge, replace(order, windows=(window,)))
        ]

    def _take_said(self) -> tuple[str, ...]:
        messages, self._said[:] = tuple(self._said), []
        return messages

    def _ask(self, question: object) -> Any:
        """Return the answer to a question about the store."""
        self._channel.send(question)
        answer: Answer = self._channel.receive()
        if answer.failure:
            raise RemoteStoreError(answer.failure)
        return answer.value


def main(descriptor: int, share: float) -> None:
    """Judge windows until the processor closes the socket, with that share of the memory of what was read."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever ends the processor lets it end its processes
    os.nice(NICENESS)
    keep_memory_small()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        JudgingProcess(Channel(socket.socket(fileno=descriptor)), share).run()
    except (BrokenChannelError, MemoryError):
        os._exit(0)


def _end_with(parent: int) -> None:
    """End this process once its parent is gone."""
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
