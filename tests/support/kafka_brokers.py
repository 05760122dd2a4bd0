"""Brokers of Kafka and their client, as a test plays them in this process."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from driftline_processor.ingest.queue_offsets import Offset


@dataclass
class Message:
    """A message of partition 0, or an error that a broker told."""

    body: bytes | None
    place: int = 0
    fault: str | None = None

    def value(self) -> bytes | None:
        return self.body

    def error(self) -> str | None:
        return self.fault

    def topic(self) -> str:
        return "labels"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.place


@dataclass
class Partition:
    """A place in a topic."""

    topic: str
    partition: int
    offset: int = -1001


@dataclass
class Brokers:
    """A consumer over a log of messages; ``committed``: how far the group has come at the brokers."""

    log: list[bytes | None]
    group: int = -1001
    polled: deque[str] = field(default_factory=deque)
    commits: list[int] = field(default_factory=list)
    closed: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    drained: threading.Event = field(default_factory=threading.Event)
    position: int = 0
    batch: int = 3

    def __call__(self, settings: dict[str, Any]) -> Brokers:
        self.settings, self.position, self.closed = settings, -1, False
        self.drained.clear()
        return self

    def subscribe(self, topics: list[str], on_assign: Callable[[Brokers, list[Partition]], None]) -> None:
        assert topics == ["labels"]
        on_assign(self, [Partition("labels", 0)])

    def committed(self, partitions: list[Partition], timeout: float) -> list[Partition]:
        assert timeout > 0
        return [Partition(one.topic, one.partition, self.group) for one in partitions]

    def assign(self, partitions: list[Partition]) -> None:
        self.position = max(0, partitions[0].offset)

    def consume(self, most: int, timeout: float) -> list[Message]:
        assert most >= 1
        if self.polled:
            return [Message(None, fault=self.polled.popleft())]
        first, self.position = self.position, min(self.position + self.batch, len(self.log))
        if first == self.position:
            self.drained.set()
            threading.Event().wait(timeout / 50)
        return [Message(self.log[at], at) for at in range(first, self.position)]

    def commit(self, offsets: list[Any], asynchronous: bool) -> None:
        assert asynchronous
        self.commits += [one.offset for one in offsets]

    def close(self) -> None:
        self.closed = True


def partition_of(offset: Offset) -> Partition:
    """Stand in for the client's own class of a place in a topic."""
    return Partition(offset.topic, offset.partition, offset.next)
