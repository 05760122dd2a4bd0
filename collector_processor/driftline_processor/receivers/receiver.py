"""The contract of receivers, and the receivers of ``driftline.yaml``.

``tests/contracts/test_receivers.py`` checks the contract for every type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from importlib import import_module
from typing import Protocol

from driftline.tables.table import OutcomeTable
from msgspec import Struct, field

from driftline_processor.access.access import Access
from driftline_processor.access.principal import UNRESTRICTED, Principal, Sending
from driftline_processor.config.receivers import ReceiverKeys, Receivers
from driftline_processor.config.values import Address
from driftline_processor.core.decode.written_panes import WrittenPanes
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.health import Counters
from driftline_processor.ingest.queue_offsets import Offset, QueueProgress
from driftline_processor.ingest.transaction import Request
from driftline_processor.receipts import NO_HEADERS, Receipt, Signal
from driftline_processor.servers.http_server import HttpServers
from driftline_processor.servers.request_memory import RequestMemory

Accept = Callable[[Signal, bytes, Mapping[str, str], float, Sending], "Future[Receipt]"]
"""Accepts a request with its headers, the seconds that it has waited, and what its sender may send, like
:meth:`Intake.submit`.
"""


class Intake(Protocol):
    """The part of the processor that accepts messages from receivers.

    Each future resolves when the rows are on disk. ``Malformed`` and ``Overloaded`` are raised immediately or by the
    future.
    """

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
        sending: Sending = UNRESTRICTED,
    ) -> Future[Receipt]:
        """Accept an OTLP request.

        Args:
            signal: The OTLP signal.
            body: The protobuf message.
            headers: Headers of the request, some of which are forwarded.
            offsets: Positions in a queue after this request.
            waited: Seconds that its sender has waited for a thread.
            sending: What its sender may send.
        """

    def submit_outcomes(self, tables: Sequence[OutcomeTable], digest: bytes) -> Future[Receipt]:
        """Accept outcomes; ``digest``: of the request, so that a repeated request counts once."""

    def unknown_outcomes(self, tables: Sequence[OutcomeTable]) -> Sequence[UnknownOutcomes]:
        """Return the outcomes that cannot be used, as far as is known now."""

    def note_outcomes(self, sender: Principal, tables: Sequence[OutcomeTable]) -> None:
        """Record in the audit log who sent outcomes by hand."""

    def submit_panes(self, panes: WrittenPanes, size: int) -> Future[Receipt]:
        """Accept panes that a batch job has folded; ``size``: bytes of their document."""

    def note_panes(self, sender: Principal, panes: WrittenPanes) -> None:
        """Record in the audit log who sent panes."""

    def offer(self, request: Request) -> Future[Receipt]:
        """Accept rows that are already tables."""

    def offsets(self) -> QueueProgress:
        """Return the position in every partition of a queue."""


class Receiver(Protocol):
    """Receives requests, submits them, and answers the sender.

    A receiver may acknowledge a request only when its future has a receipt: then the rows are on disk. It answers
    ``Malformed`` so that the sender drops the request, and ``Overloaded`` and every other error so that the sender
    retries after ``retry_after`` seconds. A bad request does not affect others.

    To add a type, write one file ``receivers/types/KIND.py`` with a subclass of ``ReceiverKeys`` named ``RECEIVER``:
    its fields are its keys, its ``problems`` the rules between them. Its ``connect`` returns the receiver, already
    bound, so that a port in use is detected before anything else starts. Another distribution adds a type by an entry
    point of the group ``driftline_receivers``.
    """

    @property
    def address(self) -> Address | None:
        """Address of the receiver with its real port, available on creation; None for a receiver that fetches."""

    @property
    def line(self) -> str:
        """A line about the receiver for users, such as ``OTLP over gRPC on 127.0.0.1:4317``."""

    def start(self, intake: Intake) -> None:
        """Start to receive; at most once. The source of a receiver that fetches need not be available yet.

        Args:
            intake: Accepts what arrives.
        """

    def stop(self, grace: float) -> None:
        """Accept nothing new, and finish running requests.

        Tolerates a receiver that was never started, a second call, running requests, and a state that no longer
        answers. Unacknowledged requests remain with the sender.

        Args:
            grace: Seconds for running requests.
        """


class Surroundings(Struct, frozen=True):
    """The parts of the processor that receivers use.

    Attributes:
        counters: Counters of unusable data.
        clock: Returns unix nanoseconds.
        memory: The bytes of running requests.
        servers: The HTTP ports of the process.
        allowed_hosts: The host names of this processor.
        grace: Seconds that an HTTP port waits for running requests when it is stopped.
        access: Identifies senders.
    """

    counters: Counters
    clock: Callable[[], int]
    memory: RequestMemory
    servers: HttpServers
    allowed_hosts: Sequence[str] = ()
    grace: float = 5.0
    access: Access = field(default_factory=Access.without_log_in)


def make_receivers(receivers: Receivers, around: Surroundings) -> Iterator[tuple[str, Receiver]]:
    """Yield each configured receiver with a short name, such as ``grpc`` or ``kafka/labels``; none is started.

    Raises:
        PortInUse: An address is in use. The earlier receivers exist and must be stopped.
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
