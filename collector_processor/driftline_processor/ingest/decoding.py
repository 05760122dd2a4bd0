"""Decode the bytes of OTLP requests to requests of rows, for ingestion."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from driftline_processor.core.decode import requests
from driftline_processor.core.decode.business_points import NONE as NO_BUSINESS
from driftline_processor.core.decode.business_points import BusinessMetrics
from driftline_processor.core.decode.event_times import LATEST, LATEST_POINT, has_future_times, timely
from driftline_processor.core.decode.foreign_metrics import Mappings
from driftline_processor.core.decode.metric_points import METRICS
from driftline_processor.present.numbers import many
from driftline_processor.receipts import PartialSuccess, Signal

from .deduplication import digest_of
from .fault_isolation import find_faulty
from .queue_offsets import Offset
from .transaction import Request

_log = logging.getLogger(__name__)

NOT_DECODED = "not_decoded"
"""The reason under which spans, log records and data points are counted that cannot be decoded."""

FUTURE = 0.1
"""Maximum share of one CPU that counting rows with future times may take."""


class Allowance:
    """CPU time for work that others wait for, of which a second may be saved up. Thread-safe.

    Args:
        share: Share of one CPU.

    >>> allowance = Allowance(0.1)
    >>> allowance.take(5.0), allowance.is_left
    (None, False)
    """

    def __init__(self, share: float) -> None:
        self._share, self._seconds, self._since = share, 1.0, time.monotonic()
        self._lock = threading.Lock()

    @property
    def is_left(self) -> bool:
        """Whether work may begin."""
        with self._lock:
            now = time.monotonic()
            self._seconds = min(1.0, self._seconds + self._share * (now - self._since))
            self._since = now
            return self._seconds > 0

    def take(self, seconds: float) -> None:
        """Subtract the seconds that work took."""
        with self._lock:
            self._seconds -= seconds


class Decoding:
    """Checks and decodes requests of any signal. Thread-safe.

    Args:
        mappings: Meaning of metrics of other names, see :mod:`driftline_processor.core.decode.foreign_metrics`.
        business: The metrics of business series.

    Attributes:
        for_future_times: CPU time for counting rows with future times.
    """

    def __init__(self, mappings: Mappings | None = None, business: BusinessMetrics = NO_BUSINESS) -> None:
        self._use(mappings or {}, business)
        self.for_future_times = Allowance(FUTURE)

    def replace(self, other: Decoding) -> None:
        """Decode further requests as ``other`` does."""
        self._use(other._mappings, other._business)

    def _use(self, mappings: Mappings, business: BusinessMetrics) -> None:
        self._mappings, self._business = mappings, business
        self._metrics = {*METRICS, *mappings, *business}
        self._decoders: dict[Signal, Callable[[bytes, int], requests.Decoded]] = {
            "traces": requests.decode_traces,
            "logs": requests.decode_logs,
            "metrics": partial(requests.decode_metrics, mappings=self._mappings, business=business),
        }

    def holds_ours(self, signal: Signal, body: bytes) -> bool:
        """Return False for a request that certainly has nothing for the analysis."""
        return requests.holds_ours(signal, body, self._mappings, self._business)

    def check(self, signal: Signal, body: bytes, now: int | None) -> PartialSuccess | None:
        """Return what the analysis will reject for its time; None if that is nothing.

        Only a request with such times is decoded, because that costs five times as much as everything before the
        acknowledgement, or a hundred times for a single row. Senders with a wrong clock would otherwise slow all
        others, so beyond an allowance of CPU time the answer is a warning without a count.

        Args:
            signal: The OTLP signal.
            body: The protobuf message.
            now: Unix nanoseconds; None = times are not compared.

        Raises:
            Malformed: Protobuf rejects the body.
        """
        message = requests.parse_request(signal, body)
        if now is None or not has_future_times(message, body, now, self._metrics):
            return None
        del message  # the rows need as much memory again
        if not self.for_future_times.is_left:
            return PartialSuccess(0, f"time_out_of_range: times are too far {_AHEAD}")
        began = time.thread_time()
        try:
            return _time_out_of_range(self._decoders[signal](body, now), now)
        except Exception:  # the analysis logs it, and counts the request
            return None
        finally:
            self.for_future_times.take(time.thread_time() - began)

    def traces(self, bodies: Mapping[bytes, bytes], received: int) -> Request:
        """Decode new requests of traces together; ``bodies``: by digest.

        Raises :class:`~driftline_processor.core.decode.requests.LimitsExceeded` if they must be decoded separately.
        """
        first, *more = bodies
        decoded = requests.decode_bounded_traces(list(bodies.values()), received)
        return Request(
            *(first, decoded.predictions, decoded.batches),
            rejected=decoded.rejected,
            more_digests=more,
            training_runs=decoded.training_runs,
        )

    def _decoded(self, signal: Signal, body: bytes, received: int) -> requests.Decoded:
        """Decode a request, without rows that cannot be decoded; these are counted and logged once."""
        decode = self._decoders[signal]
        try:
            return decode(body, received)
        except requests.Malformed:
            raise
        except Exception as error:
            rows = requests.OtlpRows(signal, body)

            def works(some: NDArray[np.bool_]) -> bool:
                try:
                    decode(rows.selected(some), received)
                except Exception:
                    return False
                return True

            faulty = find_faulty(len(rows), works)
            _log.error(
                "%s of %s cannot be decoded and are counted as %s; all others are used",
                *(f"{faulty.sum():,}", many(len(rows), "record"), NOT_DECODED),
                exc_info=error,
            )
            decoded = decode(rows.selected(~faulty), received)
            decoded.rejected[NOT_DECODED] += int(faulty.sum())
            return decoded

    def request(self, signal: Signal, body: bytes, received: int, offsets: Sequence[Offset] = ()) -> Request:
        """Decode a request, with the digest of its bytes.

        Args:
            signal: The OTLP signal.
            body: The protobuf message.
            received: Unix nanoseconds, the time of rows without a time.
            offsets: Positions in topics of Kafka after this request.
        """
        decoded = self._decoded(signal, body, received)
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


_AHEAD = (
    "ahead of the clock of the processor and are not used; check the clock of the sender, and that times are unix "
    "nanoseconds"
)


def _time_out_of_range(decoded: requests.Decoded, now: int) -> PartialSuccess | None:
    """Return the rows and points whose time cannot be used, as spans, log records and data points; None without any."""
    times = [*(table.time for table in decoded.predictions), *(table.time for table in decoded.outcomes)]
    rows_of_tables = [int(np.count_nonzero(~timely(time, now))) for time in times]
    runs = sum(not 0 < run.end < now + LATEST for run in decoded.training_runs)
    business = sum(point.time >= now + LATEST for point in decoded.business)
    points = sum(point.end > now + LATEST_POINT for point in decoded.points)
    unusable = sum(rows_of_tables) + runs + business + points
    if not unusable:
        return None
    whole = sum(rows == len(time) for rows, time in zip(rows_of_tables[: decoded.columnar], times, strict=False))
    noun, limit = "data points" if points or business else "rows", "an hour" if points else "a year"
    return PartialSuccess(
        whole + sum(rows_of_tables[decoded.columnar :]) + runs + business + points,
        f"time_out_of_range: {unusable:,} {noun} are more than {limit} {_AHEAD}",
    )
