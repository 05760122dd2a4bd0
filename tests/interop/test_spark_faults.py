"""Kills at random of everything that a job of Spark needs: the panes are those of a run without faults.

`DRIFTLINE_KILLS` and `DRIFTLINE_SEED` set the number of kills and the seed of their order, 20 and 1. With 20 it takes
five to fifteen minutes.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from operator import le, lt
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from driftline.baseline.baseline import Baseline
from driftline.batch_panes import MadePanes
from driftline_processor.demo.peers.kafka import Broker
from numpy.typing import NDArray

from tests.support.scored_topics import (
    HOUR,
    RETRACTED,
    Frame,
    baseline_of,
    columnar_messages,
    days_ago,
    difference,
    outcome_messages,
    panes_of,
    scored,
    span_messages,
    sums_of,
    taken,
)
from tests.support.spark_panes import stored_difference, stored_sums, written_sums

from .peers import eventually
from .spark_peers import (
    PATIENCE,
    Cluster,
    Processor,
    SubmittedJob,
    Topics,
    Victim,
    kill_java_child,
    skip_without_spark,
)

pytestmark = pytest.mark.interop

KILLS = int(os.environ.get("DRIFTLINE_KILLS", "20"))
SEED = int(os.environ.get("DRIFTLINE_SEED", "1"))
KINDS = ("executor", "worker", "driver", "broker", "processor")
ROUNDS, ROWS = 10 * KILLS, 200
"""What is written: a round every two seconds, of so many predictions and the outcomes of earlier ones."""

EVERY = 10
"""`StreamSettings.late_every`."""

START = days_ago(4)
KNOWN = START + 30 * HOUR


class Round(NamedTuple):
    """The requests that are written together."""

    spans: list[bytes]
    logs: list[bytes]


class History:
    """Predictions and what becomes of them: outcomes that are early, late, corrected, retracted and repeated."""

    def __init__(self) -> None:
        self.frame = scored(ROUNDS * ROWS, START, 24, 1)
        order = np.random.default_rng(2).permutation(ROUNDS * ROWS)  # every round has rows of all hours
        self.frame = taken(self.frame, order)
        self.baseline: Baseline = baseline_of(scored(10_000, START, 24, 99))
        place = np.arange(ROUNDS * ROWS) % ROWS
        self._known, self._early = place < 160, place < 10
        self._flipped, self._gone = (place >= 10) & (place < 30), (place >= 30) & (place < 40)

    def rounds(self) -> Iterator[Round]:
        """Yield what is written, round by round."""
        for number in range(ROUNDS):
            rows = self._rows(number)
            half = ROWS // 2
            spans = span_messages(taken(rows, slice(0, half)), 50)
            logs = columnar_messages(taken(rows, slice(half, ROWS)), 50)
            if number % 20 == 7:
                spans, logs = [spans[0][:-9], *spans], [b"\xff\xff", *logs]
            logs += self._outcomes(number + 1, self._early)
            logs += self._outcomes(number, self._known & ~self._early)
            logs += self._outcomes(number - 2, self._flipped, flip=True)
            logs += self._outcomes(number - 3, self._gone, known=KNOWN + HOUR, retract=True)
            logs += self._outcomes(number - 4, self._flipped | self._gone)  # what is corrected arrives again
            yield Round(spans, logs)

    def _rows(self, number: int) -> Frame:
        return taken(self.frame, slice(number * ROWS, (number + 1) * ROWS))

    def _outcomes(
        self, number: int, rows: NDArray[np.bool_], *, flip: bool = False, retract: bool = False, known: int = KNOWN
    ) -> list[bytes]:
        if not 0 <= number < ROUNDS:
            return []
        chosen = taken(self._rows(number), rows[number * ROWS : (number + 1) * ROWS])
        if flip:
            return outcome_messages(chosen["id"], 1 - chosen["y"], KNOWN + HOUR)
        return outcome_messages(chosen["id"], chosen["y"], known, **(RETRACTED if retract else {}))

    def repeated(self) -> list[bytes]:
        """Return requests that change nothing after all others."""
        return self._outcomes(0, self._known & ~self._early)

    def panes(self) -> MadePanes:
        """Return what must come of it."""
        number = np.arange(ROUNDS * ROWS) // ROWS
        early = self._early & (number > 0)  # those of the first round would be written before it
        flipped, gone = self._flipped & (number < ROUNDS - 2), self._gone & (number < ROUNDS - 3)
        actual = np.where(flipped, 1 - self.frame["y"], self.frame["y"]).astype(str).astype(object)
        actual[~(early | (self._known & ~self._early)) | gone] = None
        return panes_of(self.frame, self.baseline, actual, np.where(flipped, KNOWN + HOUR, KNOWN))


class Faults:
    """Kills processes, and starts again those that have ended, as a supervisor does."""

    def __init__(self, broker: Victim, processor: Victim, cluster: Cluster, job: SubmittedJob) -> None:
        self._broker, self._processor, self._cluster, self._job = broker, processor, cluster, job
        self._random = random.Random(SEED)
        self._away: dict[Victim, float] = {}
        self._ended = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise)
        self.kills = Counter[str]()
        self._supervisor.start()

    def _supervise(self) -> None:
        watched = (self._broker, self._processor, self._job, *self._cluster.workers)
        while not self._ended.wait(0.2):
            for process in watched:
                if self._away.get(process, 0.0) < time.monotonic():
                    process.start()

    def stop(self) -> None:
        """Start nothing again any more."""
        self._ended.set()
        self._supervisor.join()

    def kill(self, count: int) -> None:
        """Kill each kind in turn, in an order of chance."""
        kinds = [KINDS[number % len(KINDS)] for number in range(count)]
        self._random.shuffle(kinds)
        for kind in kinds:
            time.sleep(self._random.uniform(2, 30))
            eventually(partial(self._killed, kind), patience=PATIENCE)
            print(f"{time.strftime('%H:%M:%S')} killed: {kind}, epoch {self._job.epoch()}", flush=True)

    def _killed(self, kind: str) -> bool:
        """Kill one of a kind; return False if there is none now."""
        workers = self._random.sample(self._cluster.workers, 2)
        if kind == "executor":
            done = any(kill_java_child(worker.pid) for worker in workers)
        elif kind == "driver" and self._random.random() < 0.5:
            kind, done = "driver's Java", kill_java_child(self._job.pid)
        else:
            one = {"worker": workers[0], "driver": self._job, "broker": self._broker, "processor": self._processor}
            process = one[kind]
            done = process.process is not None and process.process.poll() is None
            if done:
                self._away[process] = time.monotonic() + self._random.uniform(0, 8)
                process.kill()
        if done:
            self.kills[kind] += 1
        return done


def settle(job: SubmittedJob, topics: Topics, repeated: list[bytes]) -> None:
    """Wait until all messages are read, and outcomes that wait have been searched in all days."""
    eventually(lambda: job.read() == topics.ends(), patience=PATIENCE)
    late = (job.epoch() // EVERY + 1) * EVERY
    while (epoch := job.epoch()) < late:
        topics.send([], repeated)  # an epoch needs a message
        eventually(job.epoch, partial(lt, epoch), patience=PATIENCE)
    eventually(lambda: job.read() == topics.ends(), patience=PATIENCE)


def answers(broker: Broker) -> bool:
    """Return whether a broker answers."""
    from confluent_kafka import KafkaException

    with suppress(KafkaException):
        broker.admin().list_topics(timeout=5)
        return True
    return False


def test_the_panes_after_kills_are_those_of_a_run_without(tmp_path: Path) -> None:
    skip_without_spark()
    (tmp_path / "kafka").mkdir()
    history = History()
    broker, cluster = Broker(tmp_path / "kafka"), Cluster(tmp_path)
    broker_process = Victim(broker.command, tmp_path / "kafka/broker.log")
    faulty, calm = (Processor(tmp_path / name, history.baseline) for name in ("faulty", "calm"))
    small = {"spark.executor.memory": "600m", "spark.executor.cores": "1", "spark.cores.max": "2"}
    job = SubmittedJob(tmp_path / "faulty-job", faulty, broker, "1s", cluster.url, **small)
    other = SubmittedJob(tmp_path / "calm-job", calm, broker, "0s", "local[2]")
    with ExitStack() as stack:
        for process in (broker_process, faulty.process, calm.process, job, other):
            stack.callback(process.stop)
        stack.callback(cluster.stop)
        broker_process.start()
        eventually(partial(answers, broker))
        topics = Topics(broker)
        faulty.start()
        cluster.start()
        began = time.monotonic()
        faults = Faults(broker_process, faulty.process, cluster, job)
        stack.callback(faults.stop)
        rounds = history.rounds()
        topics.send(*next(rounds))
        eventually(job.epoch, partial(le, 0), patience=PATIENCE)
        killing = threading.Thread(target=faults.kill, args=(KILLS,))
        killing.start()
        for requests in rounds:
            topics.send(*requests, wait=False)
            killing.join(2 if killing.is_alive() else 0)
        killing.join()
        topics.send()
        assert sum(faults.kills.values()) == KILLS
        settle(job, topics, history.repeated())
        seconds = time.monotonic() - began
        faults.stop()
        job.stop()
        cluster.stop()
        calm.start()
        other.finished()
        panes = history.panes()
        from_calm = difference(written_sums(job.work), written_sums(other.work), without=())
        from_rows = difference(written_sums(job.work), sums_of(panes.panes))
        print(f"{dict(faults.kills)} in {seconds:.0f} s; {job.epoch() + 1} epochs, {job.starts} starts of the driver")
        print(f"{len(panes.panes)} panes; difference from a calm run {from_calm:.1e}, from the rows {from_rows:.1e}")
        assert max(from_calm, from_rows) < 1e-12
        for processor in (faulty, calm):
            eventually(processor.model, lambda model: model.get("rows") == ROUNDS * ROWS)
    assert stored_difference(stored_sums(faulty.state), stored_sums(calm.state)) < 1e-12
