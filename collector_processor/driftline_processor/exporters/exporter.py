"""The contract of every exporter, and the exporter of each type in ``driftline.yaml``.

An exporter sends one request to one destination and says what became of it. Queues, pauses and repeats are the
forwarder's. ``tests/contracts/test_exporters.py`` checks the promise on every exporter.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from driftline_processor.config.exporters import ExporterKeys
from driftline_processor.receipts import Signal

CLOSED = "closed"
"""The kind of the answer to a request after :meth:`Exporter.close`."""


class ExportResult(Struct, frozen=True):
    """The result of a request.

    Attributes:
        result: ``success``: the destination has it. ``retryable``: it may take the same request later.
            ``permanent``: it never will, so nobody sends the request again.
        kind: A short and stable name of the answer; the log has each kind once.
        message: What the destination says.
        retry_after: Seconds that the destination asks for, None where it does not.
        unreachable: Whether nobody answered, so that the answer says nothing about the request.
    """

    result: Literal["success", "retryable", "permanent"]
    kind: str = ""
    message: str = ""
    retry_after: float | None = None
    unreachable: bool = False


class Exporter(Protocol):
    """One destination: made from its keys in ``driftline.yaml``, then used by one thread until it is closed."""

    def export(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> ExportResult:
        """Send one request and wait for the answer.

        It never raises for what a peer or a network does. ``success`` is said only after the destination has
        acknowledged the request: of unknown ends it is ``retryable``, and the destination may get the request twice.

        Args:
            signal: What the request holds.
            body: The request in protobuf.
            headers: Headers of the received request that travel on.
        """

    def close(self) -> None:
        """End connections, from any thread and also twice.

        A call under way returns at the latest after its timeout, and is never ``permanent`` because of the end. Every
        later one is ``retryable`` with the kind :data:`CLOSED`.
        """


class ExporterKind(ExporterKeys):
    """A kind of exporter: its fields are its keys in ``driftline.yaml``, its ``problems`` the rules between them.

    To add a kind, write one file ``exporters/types/KIND.py`` with a class that is called ``EXPORTER`` there. Another
    distribution adds a kind by an entry point of the group ``driftline_exporters``.
    """

    @abstractmethod
    def connect(self) -> Exporter:
        """Return the exporter to the destination of the keys."""
