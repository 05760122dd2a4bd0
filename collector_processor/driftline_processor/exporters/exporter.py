"""The contract of exporters, and the exporter of each type in ``driftline.yaml``.

An exporter sends one request to one destination and returns the result. The forwarder has queues, pauses and retries.
``tests/contracts/test_exporters.py`` checks the contract for every type.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from driftline_processor.config.exporters import ExporterKeys
from driftline_processor.receipts import Signal

CLOSED = "closed"
"""The kind of the result after :meth:`Exporter.close`."""


class ExportResult(Struct, frozen=True):
    """The result of a request.

    Attributes:
        result: ``success``: the destination has it. ``retryable``: a retry may succeed. ``permanent``: no retry can
            succeed.
        kind: A short and stable name of the answer; each kind is logged once.
        message: The message of the destination.
        retry_after: Seconds that the destination asks for, None without.
        unreachable: True if there was no answer, so that the result does not depend on the request.
        rejected: Number of records that the destination rejected from a request that it accepted.
    """

    result: Literal["success", "retryable", "permanent"]
    kind: str = ""
    message: str = ""
    retry_after: float | None = None
    unreachable: bool = False
    rejected: int = 0


class Exporter(Protocol):
    """One destination, created from its keys in ``driftline.yaml`` and used by one thread until it is closed."""

    def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
        """Send one request and wait for the answer.

        It never raises for errors of a peer or a network. ``success`` requires the acknowledgement of the destination;
        an unknown end is ``retryable``, and the destination may get the request twice.

        Args:
            signal: The OTLP signal.
            body: The request in protobuf.
            headers: Forwarded headers of the received request.
        """

    def close(self) -> None:
        """Close connections. Thread-safe and idempotent.

        A running call returns at the latest after its timeout, and is never ``permanent`` because of the close. Every
        later one is ``retryable`` with the kind :data:`CLOSED`.
        """


class ExporterKind(ExporterKeys):
    """A type of exporter: its fields are its keys in ``driftline.yaml``, its ``problems`` the rules between them.

    To add a type, write one file ``exporters/types/KIND.py`` with a class named ``EXPORTER``. Another distribution
    adds a type by an entry point of the group ``driftline_exporters``.
    """

    @abstractmethod
    def connect(self) -> Exporter:
        """Return the exporter for the configured destination."""
