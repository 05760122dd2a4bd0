"""The answers to a request: a receipt, or an overload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from msgspec import Struct, field

from driftline_processor.core.decode.written_panes import RefusedPane

Signal = Literal["traces", "metrics", "logs"]
"""The three OTLP requests: ``/v1/traces``, ``/v1/metrics``, ``/v1/logs``."""

UNUSABLE_OUTCOME = "unusable_outcome"
"""The reason under which rejected outcomes are counted, for all sources."""

UNUSABLE_PANE = "unusable_pane"
"""The reason under which refused panes are counted."""

NOT_PERMITTED = "not_permitted"
"""The reason under which rows are counted that their sender may not send."""


class PartialSuccess(Struct, frozen=True):
    """The part of an OTLP request that cannot be used.

    Attributes:
        rejected: Number of spans, log records or data points; 0 if a record loses only some of its rows.
        message: The reason, for the sender.
    """

    rejected: int
    message: str


class PanesReceipt(Struct):
    """What was done with the panes of a document.

    Attributes:
        accepted: Number of new panes.
        replaced: Number of panes that replaced those of an earlier epoch.
        unchanged: Number of panes that this epoch had written before.
        superseded: Number of panes that were ignored, because a later epoch has written them.
        refused: The other panes.
        conflict: Why no pane of the document can be stored; "" if some can.
    """

    accepted: int = 0
    replaced: int = 0
    unchanged: int = 0
    superseded: int = 0
    refused: Sequence[RefusedPane] = ()
    conflict: str = ""


class Receipt(Struct, frozen=True):
    """The result of one request.

    Attributes:
        accepted: Number of rows.
        rejected: Reason → number of unusable rows, spans or outcomes.
        partial_success: What the sender of OTLP is answered; None if everything is used.
        panes: What was done with the panes of a batch job; None for other requests.
    """

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    partial_success: PartialSuccess | None = None
    panes: PanesReceipt | None = None


NO_HEADERS: Mapping[str, str] = MappingProxyType({})
"""The headers of a request without headers."""


class Overloaded(Exception):  # noqa: N818 - a state of the receiver that senders see
    """The queue is full; the sender should retry after ``retry_after`` seconds (at most 2)."""

    def __init__(self, retry_after: float = 1.0) -> None:
        super().__init__(f"overloaded; retry after {retry_after} s")
        self.retry_after = retry_after


class StorageOutage(Overloaded):
    """The storage cannot be written or read for now; the message has the reason. The sender should retry."""

    def __init__(self, message: str) -> None:
        super().__init__(2.0)
        self.args = (message,)
