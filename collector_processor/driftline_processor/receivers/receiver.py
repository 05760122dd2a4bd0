"""What every receiver promises, and the receivers that ``driftline.yaml`` names.

``tests/contracts/test_receivers.py`` checks the promise over OTLP (gRPC, HTTP), over outcomes by HTTP and over Kafka.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from driftline_processor.config.receivers import NAMED, Receivers
from driftline_processor.config.values import Address
from driftline_processor.health import Counters
from driftline_processor.ingest.deduplication import KafkaProgress, Offset
from driftline_processor.ingest.transaction import Request
from driftline_processor.receipts import Receipt, Signal


class Receiver(Protocol):
    """A way in. It hands what arrives to the state, and tells the sender what became of it.

    A receiver may acknowledge a request only when the future of the state has its receipt: then the rows are on disk.
    It answers ``Malformed`` so that the sender drops the request, and ``Overloaded`` and every other error so that the
    sender keeps the request and sends it again, after ``retry_after`` seconds. Each request costs only itself.
    """

    @property
    def address(self) -> Address | None:
        """Where it listens, with the real port, as soon as it is made; None for a receiver that fetches."""

    def start(self) -> None:
        """Begin to receive; at most once. What it fetches from need not be there yet."""

    def stop(self, grace: float) -> None:
        """Take nothing new, and finish what is under way.

        Tolerates a receiver that was never started, a second call, requests under way, and a state that no longer
        answers. What is not acknowledged by then, the sender keeps.

        Args:
            grace: Seconds for requests under way.
        """


class Intake(Protocol):
    """The side of the state that receivers hand messages to, and that knows how far messages were taken."""

    def offer(self, request: Request) -> Future[Receipt]:
        """Take in rows that are tables already."""

    def submit(self, signal: Signal, body: bytes, offsets: Sequence[Offset] = ()) -> Future[Receipt]:
        """Take in an OTLP request."""

    def offsets(self) -> KafkaProgress:
        """Return how far every partition has been read."""


@dataclass(frozen=True)
class Surroundings:
    """What a receiver that is named in the file works with.

    Attributes:
        intake: Takes in what arrives.
        counters: Count what cannot be used.
        clock: Returns unix nanoseconds.
        forward: Is given each OTLP request that is on disk.
    """

    intake: Intake
    counters: Counters
    clock: Callable[[], int]
    forward: Callable[[Signal, bytes], object]


def named_receivers(receivers: Receivers, around: Surroundings) -> Iterator[Receiver]:
    """Yield a receiver for each ``TYPE/NAME`` below ``receivers``, not started.

    To add a type, write ``receivers/TYPE.py`` with a class that is called ``RECEIVER`` there, and its keys as a field
    ``TYPE`` of ``Receivers`` in ``config/receivers.py``.
    """
    for kind in NAMED:
        for name, config in getattr(receivers, kind).items():
            yield import_module(f"{__package__}.{kind}").RECEIVER(name, config, around)
