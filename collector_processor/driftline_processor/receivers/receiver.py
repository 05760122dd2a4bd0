"""The contract of every receiver, and the receivers of ``driftline.yaml``.

``tests/contracts/test_receivers.py`` checks the promise on every type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Protocol

from driftline.tables.table import OutcomeTable
from msgspec import Struct

from driftline_processor.config.receivers import ReceiverKeys, Receivers
from driftline_processor.config.values import Address
from driftline_processor.health import Counters
from driftline_processor.ingest.deduplication import Upload, UploadPart
from driftline_processor.ingest.queue_offsets import Offset, QueueProgress
from driftline_processor.ingest.transaction import Request
from driftline_processor.receipts import NO_HEADERS, Receipt, Signal
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.servers.request_memory import RequestMemory

Accept = Callable[[Signal, bytes, Mapping[str, str], float], "Future[Receipt]"]
"""Takes a request with its headers and the seconds that it has waited, as :meth:`Intake.submit` does."""


class Intake(Protocol):
    """The side of the state that receivers hand messages to.

    Each future resolves when the rows are on disk. ``Malformed`` and ``Overloaded`` are raised at once or through it.
    """

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
    ) -> Future[Receipt]:
        """Take in an OTLP request.

        Args:
            signal: Which of the OTLP requests it is.
            body: The protobuf message.
            headers: Those it came with, some of which travel on with it.
            offsets: How far a queue has been read with it.
            waited: Seconds that its sender has waited for a thread.
        """

    def submit_outcomes(self, tables: Sequence[OutcomeTable], digest: bytes) -> Future[Receipt]:
        """Take in outcomes; ``digest``: of the request, so that the same request counts once."""

    def submit_part(self, tables: Sequence[OutcomeTable], digest: bytes, part: UploadPart) -> Future[Receipt]:
        """Take in a part of an upload."""

    def uploaded(self, upload: str) -> Upload | None:
        """Return what has come of an upload, None where nothing has."""

    def offer(self, request: Request) -> Future[Receipt]:
        """Take in rows that are tables already."""

    def offsets(self) -> QueueProgress:
        """Return how far every partition of a queue has been read."""


class Receiver(Protocol):
    """A way in. It hands what arrives to the state, and tells the sender what became of it.

    A receiver may acknowledge a request only when the future of the state has its receipt: then the rows are on disk.
    It answers ``Malformed`` so that the sender drops the request, and ``Overloaded`` and every other error so that the
    sender keeps the request and sends it again, after ``retry_after`` seconds. Each request costs only itself.

    To add a kind, write one file ``receivers/types/KIND.py`` with a subclass of ``ReceiverKeys`` that is called
    ``RECEIVER`` there: its fields are its keys, its ``problems`` the rules between them. Its ``connect`` returns the
    receiver, which listens from then on, so that a port that is taken is known before anything else begins. Another
    distribution adds a kind by an entry point of the group ``driftline_receivers``.
    """

    @property
    def address(self) -> Address | None:
        """Address of the receiver, with its real port, as soon as it is made; None for a receiver that fetches."""

    @property
    def line(self) -> str:
        """Line about the receiver, for people, such as ``OTLP over gRPC on 127.0.0.1:4317``."""

    def start(self, intake: Intake) -> None:
        """Begin to receive; at most once. What it fetches from need not be there yet.

        Args:
            intake: Takes in what arrives.
        """

    def stop(self, grace: float) -> None:
        """Take nothing new, and finish what is under way.

        Tolerates a receiver that was never started, a second call, requests under way, and a state that no longer
        answers. What is not acknowledged by then, the sender keeps.

        Args:
            grace: Seconds for requests under way.
        """


class Surroundings(Struct, frozen=True):
    """The parts of the processor that receivers use.

    Attributes:
        counters: Count what cannot be used.
        clock: Returns unix nanoseconds.
        memory: The bytes of requests under way.
        servers: The HTTP ports of the process.
        allowed_hosts: The names by which this processor may be called.
        grace: Seconds that an HTTP port waits for requests under way when it is stopped.
    """

    counters: Counters
    clock: Callable[[], int]
    memory: RequestMemory
    servers: HttpServers
    allowed_hosts: Sequence[str] = ()
    grace: float = 5.0


def make_receivers(receivers: Receivers, around: Surroundings) -> Iterator[tuple[str, Receiver]]:
    """Yield each receiver of the file with a short name, such as ``grpc`` or ``kafka/labels``; none is started.

    Raises:
        PortInUse: An address is taken. The receivers before are made, and are to be stopped.
    """
    for declared_receiver in receivers.declared:
        receiver: Receiver
        if isinstance(declared_receiver.settings, ReceiverKeys):
            receiver = declared_receiver.settings.connect(declared_receiver.key, around)
        else:
            receiver = import_module(f"{__package__}.{declared_receiver.type}").RECEIVER(
                declared_receiver.key, declared_receiver.settings, around
            )
        yield declared_receiver.key.rpartition(".")[2], receiver
