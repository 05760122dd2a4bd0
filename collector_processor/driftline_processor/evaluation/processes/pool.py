"""Processes that judge windows beside the processor: started when there is much to judge, ended when there is little.

A process is given one order at a time, and asks what the store holds meanwhile. Whoever gives orders answers it, on
the same thread and connection. A process that ends, hangs or says what is no answer loses nothing: its windows go back
to whoever gave them, and it is started anew, each time after a longer while.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from driftline.export.backoff import next_pause
from driftline.semconv import metrics as m
from msgspec import Struct, field

from driftline_processor.evaluation.store_judge import JudgedWindow, JudgingOrder
from driftline_processor.evaluation.store_source import KnownBaselines
from driftline_processor.health import Counters
from driftline_processor.process_memory import own_bytes
from driftline_processor.store.database import Connection, is_of_all, is_of_memory, read

from .channel import BrokenChannelError, Channel, pack_table, unpack_table
from .messages import Answer, BaselineQuestion, Change, Done, Query, Ready, Work

_log = logging.getLogger(__name__)

WORTH = 2.0
"""Seconds of CPU that were judged in the last :data:`LATELY` seconds, or wait to be, from which on processes are worth
their start, which takes 0.8 s of CPU each."""

LATELY = 10.0
"""Seconds over which it is counted how much is judged."""

IDLE = 60.0
"""Seconds with less than that after which processes end, and give back their memory."""

PATIENCE = 30.0
"""Seconds for each window of an order, in which a process must say something, or take what it is told. A window of
1,000 features takes two, on cores that ten others want, too, twenty."""

BACK_OFF = 1.0, 300.0
"""Seconds from the failure of a process to the next start, doubled with each failure, and at most."""

AT_ONCE = 0.06
"""Seconds of CPU of one order: at the end of a turn all orders are waited for, which is an eighth of it."""

MOST_WINDOWS = 16
"""Windows of one order at most."""

MOST_CHANGES = 1_000
"""Changes that wait to be told to a process; one that was told nothing for so long is ended, and begins anew."""

_ONE_THREAD = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"
"""Variables by which each process computes on one thread: the processes are the threads."""


class _Process(Struct, eq=False):
    """A process that judges.

    Attributes:
        order: The order that it works on; None where it waits for one.
        ready: False until it has said so.
        changes: What it has to forget before the next order.
        heard: When it last said something, or was told something, in seconds that only grow.
        series: The series of its last order, whose sums it remembers.
    """

    process: subprocess.Popen[bytes]
    channel: Channel
    heard: float
    order: JudgingOrder | None = None
    ready: bool = False
    changes: list[Change] = field(default_factory=list)
    series: int = -1

    def end(self) -> None:
        """End it at once."""
        self.channel.close()
        with suppress(OSError):
            self.process.kill()
        self.process.wait()


class JudgingProcesses:
    """Processes that judge windows. One thread uses it; any may call :meth:`kill` and :attr:`running`.

    Args:
        most: How many there are at most.
        counters: Of the processor.
        clock: Seconds that only grow.
        pressed: Whether memory is short: processes end then.
        command: Starts a process; the number of a socket and its share of memory follow.
        share: Of the memory that what was read may take, for all processes together.
    """

    def __init__(
        self,
        most: int,
        counters: Counters,
        clock: Callable[[], float] = time.monotonic,
        pressed: Callable[[], bool] = lambda: False,
        command: Sequence[str] = (sys.executable, "-P", "-m", f"{__package__}.worker"),
        share: float = 1.0,
    ) -> None:
        self._most, self._counters, self._clock, self._command = most, counters, clock, command
        self._share = share / max(1, most)
        self._pressed, self._busy = pressed, 0.0
        self._processes: list[_Process] = []
        self._judged: deque[tuple[float, float, bool]] = deque()
        self._each, self._each_of = 0.0, dict[int, float]()
        self._worth_at = clock()
        self._pause, self._rests_until = BACK_OFF[0], clock()
        self._pause_of_pressure, self._calm_since = BACK_OFF[0], clock()
        self._publish()

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._processes)

    @property
    def pids(self) -> list[int]:
        """Their numbers in the system."""
        return [process.process.pid for process in list(self._processes)]

    @property
    def bytes(self) -> int:
        """The bytes of memory that all of them take and share with none."""
        return sum(own_bytes(pid) for pid in self.pids)

    def sentence(self) -> str | None:
        """Say how many there are and how busy; None where there is none."""
        count = self.running
        if not count:
            return None
        process_count, pronoun = (
            ("Another process judges", "it is") if count == 1 else (f"{count} other processes judge", "they are")
        )
        return f"{process_count} windows, because there are many; {pronoun} busy for {self._busy:.0%} of the time."

    @property
    def ready(self) -> bool:
        """True where a process takes orders, now or when it has answered."""
        return any(process.ready for process in self._processes)

    def windows_at_once(self, series: int) -> int:
        """Return how many windows of a series to put into an order: one where none was judged yet."""
        seconds_per_window = self._each_of.get(series)
        return max(1, min(MOST_WINDOWS, round(AT_ONCE / seconds_per_window) if seconds_per_window else 1))

    def note_judged(self, series: int, windows: int, cpu: float, here: bool = True) -> None:
        """Note the CPU that windows took to be judged.

        Args:
            series: The number of their series.
            windows: How many.
            cpu: Seconds of all of them.
            here: Whether the processor itself has judged them.
        """
        if windows:
            self._judged.append((self._clock(), cpu, here))
            cpu_per_window = cpu / windows
            self._each += (cpu_per_window - self._each) / 8 if self._each else cpu_per_window
            self._each_of[series] = (
                self._each_of.get(series, cpu_per_window) + cpu_per_window
            ) / 2  # the first reads more than the next

    def prepare(self, waiting: int) -> None:
        """Start processes where there is much to judge, and end them where there was little for a while.

        Args:
            waiting: How many windows wait.
        """
        now = self._clock()
        while self._judged and self._judged[0][0] < now - LATELY:
            self._judged.popleft()
        lately = sum(cpu for _, cpu, _ in self._judged)
        self._busy = min(1.0, sum(cpu for _, cpu, here in self._judged if not here) / LATELY / max(1, self.running))
        if self._pressed():
            self._end_for_memory(now)
            return
        if now - self._calm_since >= BACK_OFF[1]:
            self._pause_of_pressure = BACK_OFF[0]
        worth = lately + waiting * self._each >= WORTH
        if worth:
            self._worth_at = now
        if worth and len(self._processes) < self._most and now >= self._rests_until:
            self._start()
        if self._processes and now - self._worth_at >= IDLE:
            self.close()
        self._greet()

    def tell(self, forget: Callable[..., None], *arguments: Any) -> None:
        """Let all processes forget something before their next order: a method of the readers, and its arguments."""
        for process in list(self._processes):
            process.changes.append((forget, arguments))
            if len(process.changes) > MOST_CHANGES:
                self._drop(process)

    @property
    def free(self) -> bool:
        """True where a process waits for an order."""
        return any(process.ready and process.order is None for process in self._processes)

    def give(self, order: JudgingOrder, baselines: int) -> bool:
        """Give an order to a process; False where none takes it.

        Args:
            order: The windows.
            baselines: A number that is another one whenever baselines have changed.
        """
        while (process := self._best(order.series.number)) is not None:
            changes, process.changes = process.changes, []
            try:
                process.channel.send(Work(order, baselines, changes))
            except BrokenChannelError as error:
                self._lose(process, error)
                continue
            process.order, process.series, process.heard = order, order.series.number, self._clock()
            return True
        return False

    def collect(
        self, connection: Connection, baselines: KnownBaselines
    ) -> tuple[JudgingOrder, list[JudgedWindow] | None] | None:
        """Wait until an order is answered, and return both; None in place of the answer where its process is lost.

        What processes ask meanwhile is answered. Returns None where no order is left.

        Args:
            connection: To the store.
            baselines: Of the store.

        Raises:
            Exception: The storage failed while it was asked.
        """
        while working := [(process, process.order) for process in self._processes if process.order is not None]:
            ready_processes = self._wait_for([process for process, _ in working])
            for working_process, order in working:
                if working_process in ready_processes:
                    try:
                        answers = self._hear(working_process, connection, baselines)
                    except BrokenChannelError as error:
                        self._lose(working_process, error)
                        return order, None
                    if answers is not None:
                        return order, answers
                elif self._clock() - working_process.heard >= (patience := PATIENCE * len(order.windows)):
                    self._lose(working_process, f"says nothing for {patience:g} s")
                    return order, None
        return None

    def abandon(self) -> None:
        """End the processes that work on an order: their answers are not waited for."""
        for busy_process in [process for process in self._processes if process.order is not None]:
            self._drop(busy_process)

    def kill(self) -> None:
        """End all processes at once, from any thread: whoever waits for one judges its windows himself."""
        for process in list(self._processes):
            with suppress(OSError):
                process.process.kill()

    def close(self) -> None:
        """End all processes; orders that were not answered are lost."""
        for process in list(self._processes):
            self._drop(process)

    def _end_for_memory(self, now: float) -> None:
        """End all processes and rest, each time twice as long: they may be what took the memory."""
        if self._processes:
            self.close()
            self._rests_until = max(self._rests_until, now + self._pause_of_pressure)
            self._pause_of_pressure = next_pause(self._pause_of_pressure, *BACK_OFF)
        self._calm_since = max(now, self._rests_until)

    def _start(self) -> None:
        """Start a process; where that fails, say so, and rest."""
        try:
            process, own_socket = _open(self._command, self._share)
        except (OSError, ValueError) as error:
            self._fail(f"a process that judges windows cannot be started ({error})")
            return
        channel = Channel(own_socket)
        channel.set_patience(PATIENCE)
        self._processes.append(_Process(process, channel, self._clock()))
        self._publish()

    def _greet(self) -> None:
        """Hear from processes that have been started whether they are ready."""
        starting = [process for process in self._processes if not process.ready]
        for started in self._wait_for(starting, 0) if starting else ():
            try:
                ready = started.channel.receive()
                if not isinstance(ready, Ready):
                    raise BrokenChannelError("says what nobody asked")
            except BrokenChannelError as error:
                self._lose(started, error)
                continue
            started.ready, started.heard = True, self._clock()
            for message in ready.said:
                _log.info("%s", message)
        for started in starting:
            if not started.ready and started in self._processes and self._clock() - started.heard >= PATIENCE:
                self._lose(started, f"is not ready after {PATIENCE:g} s")

    def _best(self, series: int) -> _Process | None:
        """Return a process that waits for an order: the one that remembers the series, else any."""
        waiting = [process for process in self._processes if process.ready and process.order is None]
        return min(waiting, key=lambda one: one.series != series, default=None)

    def _wait_for(self, processes: Sequence[_Process], seconds: float = 1.0) -> list[_Process]:
        poll = select.poll()
        by_number = {process.channel.fileno(): process for process in processes}
        for number in by_number:
            poll.register(number, select.POLLIN)
        return [by_number[number] for number, _ in poll.poll(seconds * 1000)]

    def _hear(self, process: _Process, connection: Connection, baselines: KnownBaselines) -> list[JudgedWindow] | None:
        """Take in what a process says: the answer to its order, or a question, which is answered."""
        message = process.channel.receive()
        process.heard = self._clock()
        if isinstance(message, Query | BaselineQuestion):
            process.channel.send(_answer(message, connection, baselines))
            process.heard = self._clock()
            return None
        if not isinstance(message, Done) or process.order is None or len(message.judged) != len(process.order.windows):
            raise BrokenChannelError("says what nobody asked")
        series, process.order = process.order.series.number, None
        self._pause = BACK_OFF[0]
        self.note_judged(series, len(message.judged), message.cpu, here=False)
        self._counters.add(m.DRIFTLINE_EVALUATION_PROCESS_CPU_TIME, message.cpu)
        return message.judged

    def _lose(self, process: _Process, why: object) -> None:
        """End a process that has failed, and say so."""
        code = process.process.poll()
        self._drop(process)
        exit_sentence = f"; its exit status was {code}" if code is not None else ""
        self._fail(
            f"a process that judges windows {why}{exit_sentence}: its windows are judged in the processor itself"
        )

    def _fail(self, message: str) -> None:
        _log.warning("driftline: %s; another is started in %.0f s", message, self._pause)
        self._counters.add(m.DRIFTLINE_EVALUATION_PROCESS_FAILURES)
        self._rests_until = self._clock() + self._pause
        self._pause = next_pause(self._pause, *BACK_OFF)

    def _drop(self, process: _Process) -> None:
        self._processes = [running for running in self._processes if running is not process]
        process.end()
        self._publish()

    def _publish(self) -> None:
        self._counters.set(m.DRIFTLINE_EVALUATION_PROCESSES, len(self._processes))


def _open(command: Sequence[str], share: float) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process, and return it with the socket to it.

    Raises OSError or ValueError where there are no more files or processes, or no such command.
    """
    environment = {
        **os.environ,
        **dict.fromkeys(_ONE_THREAD, "1"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    own_socket, process_socket = socket.socketpair()
    with process_socket:
        try:
            process = subprocess.Popen(
                [*command, str(process_socket.fileno()), str(share)],
                pass_fds=[process_socket.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
        except BaseException:
            own_socket.close()
            raise
    return process, own_socket


def _answer(question: Query | BaselineQuestion, connection: Connection, baselines: KnownBaselines) -> Answer:
    """Answer a question about the store.

    Raises BrokenChannelError where there is no memory: without the process there is more, for those who judge here.
    What the storage raises when it fails goes on.
    """
    try:
        if isinstance(question, BaselineQuestion):
            asked_tables = question.asked
            return Answer(
                baselines.by_fold(asked_tables) if isinstance(asked_tables, str) else baselines.in_force(asked_tables)
            )
        tables = {name: unpack_table(part) for name, part in question.tables.items()}
        rows = read(connection, question.query, *question.parameters, **tables)
        if question.rows:
            return Answer([tuple(row.values()) for row in rows.to_pylist()])
        return Answer(pack_table(rows))
    except Exception as error:
        if is_of_all(error):
            raise
        if is_of_memory(error):
            raise BrokenChannelError("asked for more than there is memory for") from error
        return Answer(None, f"{type(error).__name__}: {error}")
