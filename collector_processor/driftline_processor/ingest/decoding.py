"""Decode the bytes of OTLP requests to requests of rows, for ingestion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from driftline_processor.core.decode import requests
from driftline_processor.core.decode.business_points import NONE as NO_BUSINESS
from driftline_processor.core.decode.business_points import BusinessMetrics
from driftline_processor.core.decode.foreign_metrics import Mappings
from driftline_processor.receipts import Signal

from .deduplication import digest_of
from .queue_offsets import Offset
from .transaction import Request


class Decoding:
    """Checks and decodes requests of any signal. Thread-safe.

    Args:
        mappings: Meaning of metrics of other names, see :mod:`driftline_processor.core.decode.foreign_metrics`.
        business: The metrics of business series.
    """

    def __init__(self, mappings: Mappings | None = None, business: BusinessMetrics = NO_BUSINESS) -> None:
        self._use(mappings or {}, business)

    def replace(self, other: Decoding) -> None:
        """Decode further requests as ``other`` does."""
        self._use(other._mappings, other._business)

    def _use(self, mappings: Mappings, business: BusinessMetrics) -> None:
        self._mappings, self._business = mappings, business
        self._decoders: dict[Signal, Callable[[bytes, int], requests.Decoded]] = {
            "traces": requests.decode_traces,
            "logs": requests.decode_logs,
            "metrics": partial(requests.decode_metrics, mappings=self._mappings, business=business),
        }

    def check(self, signal: Signal, body: bytes) -> None:
        """Raise Malformed if protobuf would reject the body."""
        requests.check_form(signal, body)

    def holds_ours(self, signal: Signal, body: bytes) -> bool:
        """Return False for a request that certainly has nothing for the analysis."""
        return requests.holds_ours(signal, body, self._mappings, self._business)

    def traces(self, bodies: Mapping[bytes, bytes], received: int) -> Request:
        """Decode new requests of traces together; ``bodies``: by digest."""
        first, *more = bodies
        decoded = requests.decode_traces_together(list(bodies.values()), received)
        return Request(
            *(first, decoded.predictions, decoded.batches),
            rejected=decoded.rejected,
            more_digests=more,
            training_runs=decoded.training_runs,
        )

    def request(self, signal: Signal, body: bytes, received: int, offsets: Sequence[Offset] = ()) -> Request:
        """Decode a request, with the digest of its bytes.

        Args:
            signal: The OTLP signal.
            body: The protobuf message.
            received: Unix nanoseconds, the time of rows without a time.
            offsets: Positions in topics of Kafka after this request.
        """
        decoded = self._decoders[signal](body, received)
        return Request(
            digest=digest_of(body),
            predictions=decoded.predictions,
            batches=decoded.batches,
            outcomes=decoded.outcomes,
            baselines=decoded.baselines,
            points=decoded.points,
            rejected=decoded.rejected,
            offsets=offsets,
            training_runs=decoded.training_runs,
            business=decoded.business,
        )
