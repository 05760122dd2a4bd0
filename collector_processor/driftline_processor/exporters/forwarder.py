"""Forward accepted requests unchanged: each destination reads the log independently, on its own thread.

Requests are delivered at least once, in the order of arrival; after a restart each destination continues at its
cursor. See ``adr/0005-forwarding.md`` and ``adr/0037-log-first.md``.

Neither ingestion nor the analysis waits for a destination. If it is further behind than the log reaches back, its
oldest requests are dropped and counted. Failed requests are retried without a limit. Only a request that fails for
five minutes while the destination accepts a later one is dropped, because it would block all others.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping

import xxhash
from driftline.export.backoff import doubling_pauses
from driftline.semconv import attributes, metrics

from driftline_processor.config.exporters import ExporterKeys
from driftline_processor.config.schema import Config
from driftline_processor.health import Counters, SendingReport
from driftline_processor.ingest.admission import NO_PASSAGE, Passage
from driftline_processor.log.entry_format import FOR_DESTINATIONS, Entry, Headers, Stored
from driftline_processor.log.request_log import Reader, RequestLog
from driftline_processor.otlp.envelope import drop_groups, groups_of, keep_logs, split_request
from driftline_processor.present.numbers import many
from driftline_processor.receipts import Overloaded, Signal

from .exporter import CLOSED, Exporter, ExportResult

MAX_REQUEST = 4 * 2**20
"""Maximum bytes of a request for a gRPC server by default."""

GATHER = 0.1
"""Seconds between requests in which small ones are merged; after a pause the first is sent immediately.

A request costs the same with eight spans or eight thousand. The Collector's batch processor waits 0.2 s.
"""

_SHORTEST_DELAY, _FIRST_DELAY, _LONGEST_DELAY, _PATIENCE = 0.1, 0.5, 30.0, 300.0
"""Seconds."""

_JOINED_PATIENCE = 10.0
"""Seconds of retries of merged requests before each half is tried separately."""

_LEAST_JOINED = 64 << 10
"""Bytes up to which requests are always merged.

The limit above it is halved when a merged request fails, and doubled when a request of that size succeeds, so that
a destination's own limit is not exceeded repeatedly.
"""

Parcel = tuple[Signal, Headers, list[bytes]]
"""Requests that are sent as one."""


class Destination:
    """One destination of requests.

    Args:
        reader: Its cursor in the log.
        exporter: Sends requests.
        counters: Counters of sent and failed requests.
        forward: The forwarded signals (traces, metrics, logs, records).
        forward_headers: Names of the forwarded headers.
        max_request: Bytes above which a request is split between its records.
        on_sent: Called with every delivered body.
        clock: Seconds.
        wall: Unix nanoseconds.
        pause: Waits for some seconds or until the event is set, and returns whether it is set.
    """

    def __init__(
        self,
        reader: Reader,
        exporter: Exporter,
        counters: Counters,
        forward: Iterable[str] = (),
        forward_headers: Iterable[str] = (),
        *,
        max_request: int = MAX_REQUEST,
        on_sent: Callable[[bytes], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
        pause: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.name, self.reader = reader.name, reader
        self.forward = frozenset(forward)
        self.headers = frozenset(header.lower() for header in forward_headers)
        self._exporter, self._counters = exporter, counters
        self._max_request, self._on_sent, self._clock, self._pause = max_request, on_sent, clock, pause
        self._wall = wall
        self._succeeded: int | None = None
        self._failed: tuple[int, str] | None = None
        self._most_joined, self._sent_ahead = max_request, -1
        self._stopping, self._ending = threading.Event(), False
        self._last_sent = -GATHER
        self._logged_kinds: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"driftline-{self.name}", daemon=True)

    def start(self) -> None:
        """Start to send."""
        self._thread.start()

    def report(self) -> SendingReport:
        """Return when the destination accepted a request last, and failed last."""
        failed, error = self._failed or (None, "")
        return SendingReport(self.name, self.reader.unread_bytes, self._succeeded, failed, error)

    def forwards(self, signal: Signal) -> bool:
        """Return True if received requests of this signal are forwarded here, at least in part."""
        return signal in self.forward or (signal == "logs" and "records" in self.forward)

    def end(self) -> None:
        """End after the requests that are being sent; :meth:`stop` waits for it, and the rest stays in the log."""
        self._ending = True
        self._stopping.set()
        self.reader.wake()

    def stop(self, grace: float) -> None:
        """Send waiting requests once each, for at most ``grace`` seconds; the rest is sent after the next start."""
        self._stopping.set()
        self.reader.wake()
        if self._thread.is_alive():
            self._thread.join(grace)
        self._exporter.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        if self.reader.unread_bytes and not self._ending:
            _log.info("%s: requests are waiting in the log, and will be sent after the next start", self.name)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Send until the end; retry if the log cannot be read."""
        going = True
        while going:
            try:
                going = self._turn() and not self._ending
            except Exception:
                _log.exception("%s: the log could not be read; driftline will retry", self.name)
                going = not self._pause(self._stopping, _FIRST_DELAY)

    def _turn(self) -> bool:
        """Send some waiting requests; return False at the end."""
        self.reader.gather(self._max_request, self._last_sent + GATHER - self._clock(), self._stopping.is_set)
        stored_requests = self.reader.wait(self._max_request, self._stopping.is_set)
        if stored_requests.following == self.reader.position:
            return not self._stopping.is_set()
        waiting = deque(self._together(stored_requests.stored))
        while waiting:
            parcel = waiting.popleft()
            try:
                delivered = self._deliver(parcel, waiting, stored_requests.following)
            except Exception:
                _log.exception("%s: a %s request could not be sent", self.name, parcel[0])
                if len(parcel[2]) > 1:
                    waiting.extendleft(reversed(_split_parcel(parcel, 1)))
                else:
                    self._count(metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS, parcel[0])
                continue
            if not delivered:
                return False  # the cursor stays in front of them
        self.reader.move(stored_requests.following)
        self._last_sent = self._clock()
        return True

    def _together(self, stored: Iterable[Stored]) -> list[Parcel]:
        """Merge requests, in the order of their first arrival."""
        bodies_by_key: dict[tuple[Signal, Headers], list[list[bytes]]] = {}
        sizes: dict[tuple[Signal, Headers], int] = {}
        order: list[Parcel] = []
        for position, entry in ((stored_entry.position, stored_entry.entry) for stored_entry in stored):
            body = self._of(entry)
            if not body or position == self._sent_ahead:
                continue
            key = entry.signal, self._travelling(entry)
            if key not in bodies_by_key or sizes[key] + len(body) > self._most_joined:
                bodies_by_key.setdefault(key, []).append([])
                sizes[key] = 0
                order.append((*key, bodies_by_key[key][-1]))
            bodies_by_key[key][-1].append(body)
            sizes[key] += len(body)
        return order

    def _travelling(self, entry: Entry) -> Headers:
        """Return the headers of an entry that are forwarded."""
        return tuple((name, value) for name, value in entry.headers if name in self.headers)

    def _of(self, entry: Entry) -> bytes:
        """Return the part of an entry that is forwarded here."""
        if not entry.readers & FOR_DESTINATIONS:
            return b""
        if entry.to:
            return entry.body if entry.to == self.name else b""
        return self._forwarded_part(entry.signal, entry.body) if self.forwards(entry.signal) else b""

    def _forwarded_part(self, signal: Signal, body: bytes) -> bytes:
        logs, records = "logs" in self.forward, "records" in self.forward
        return body if signal != "logs" or logs == records else keep_logs(body, is_own=records)

    def _deliver(self, parcel: Parcel, waiting: deque[Parcel], following: int) -> bool:
        """Send requests as one; return False if they remain for the next start.

        Args:
            parcel: The requests. If they fail together, they are put into ``waiting`` separately.
            waiting: The following requests.
            following: Position in the log after those.
        """
        signal, headers, bodies = parcel
        joined = len(bodies) > 1
        for piece in split_request(b"".join(bodies), self._max_request):
            answer = self._send(signal, dict(headers), piece, joined, lambda: self._takes_another(waiting, following))
            if answer is None:
                return False
            if answer.result == "success":
                self._note_sent(signal, piece, answer)
                if len(piece) >= self._most_joined:
                    self._most_joined = min(self._max_request, 2 * self._most_joined)
            elif joined:
                # One of the requests, or their size, may be the cause; the others are sent separately.
                put_off = answer.result == "retryable"
                if put_off:
                    self._most_joined = max(_LEAST_JOINED, len(piece) // 2)
                waiting.extendleft(reversed(_split_parcel(parcel, len(bodies) // 2 if put_off else 1)))
            else:
                self._count(metrics.DRIFTLINE_FORWARD_FAILED_REQUESTS, signal)
                why = f"{answer.kind}: {answer.message}" if answer.message else answer.kind
                self._say(
                    answer.kind,
                    f"{why}; this {signal} request is not sent again, and is lost for this destination; logged once, "
                    "counted from now on",
                )
        return True

    def _takes_another(self, waiting: deque[Parcel], following: int) -> bool:
        """Try a later request than the failing one once; return False if it fails too."""
        if waiting:
            signal, headers, bodies = waiting[0]
            answer = self._exporter.export(signal, bodies[0], dict(headers))
            if answer.result == "success":
                self._note_sent(signal, bodies.pop(0), answer)
                if not bodies:
                    waiting.popleft()
            return answer.result != "retryable"
        for stored_entry in self.reader.ahead(following, self._max_request).stored:
            if body := self._of(stored_entry.entry):
                answer = self._exporter.export(
                    stored_entry.entry.signal, body, dict(self._travelling(stored_entry.entry))
                )
                if answer.result == "success":
                    self._note_sent(stored_entry.entry.signal, body, answer)
                    self._sent_ahead = stored_entry.position
                return answer.result != "retryable"
        return False

    def _send(
        self,
        signal: Signal,
        headers: Mapping[str, str],
        body: bytes,
        joined: bool,
        takes_another: Callable[[], bool],
    ) -> ExportResult | None:
        """Retry until a request is sent, rejected, or dropped (see the module); None at the end."""
        pauses, put_off_since = doubling_pauses(_FIRST_DELAY, _LONGEST_DELAY), None
        while True:
            answer = self._exporter.export(signal, body, headers)
            if answer.result != "success" and answer.kind != CLOSED:
                error = f"{answer.kind}: {answer.message}" if answer.message else answer.kind
                self._failed = self._wall(), error[:300]
            if answer.result != "retryable":
                if answer.result == "success" and "unreachable" in self._logged_kinds:
                    self._logged_kinds.discard("unreachable")
                    _log.info("%s: reachable again", self.name)
                return answer
            if answer.kind == CLOSED:
                return None
            if answer.unreachable:
                why = answer.message or answer.kind
                self._say(
                    "unreachable", f"not reachable ({why}); requests are kept in the log, and driftline will retry"
                )
                put_off_since = None
            elif put_off_since is None:
                put_off_since = self._clock()
                why = f"{answer.kind}: {answer.message}" if answer.message else answer.kind
                self._say(
                    "put off",
                    f"is not accepting requests ({why}); they are kept in the log, "
                    "and driftline will retry; logged once",
                )
            elif self._clock() - put_off_since > (_JOINED_PATIENCE if joined else _PATIENCE):
                if joined:
                    return answer
                if takes_another():
                    return self._exporter.export(signal, body, headers)  # the destination may have recovered meanwhile
                put_off_since = self._clock()
            if answer.retry_after is None:
                wait = next(pauses) * random.uniform(0.5, 1.0)
            else:
                wait = min(max(answer.retry_after, _SHORTEST_DELAY), _PATIENCE)
            if self._pause(self._stopping, wait):
                return None

    def _note_sent(self, signal: Signal, body: bytes, answer: ExportResult) -> None:
        self._succeeded = self._wall()
        self._on_sent(body)
        self._count(metrics.DRIFTLINE_FORWARD_SENT_REQUESTS, signal)
        if answer.rejected:
            self._count(metrics.DRIFTLINE_FORWARD_REJECTED_RECORDS, signal, answer.rejected)
            self._say(
                "partial success",
                f"rejected {many(answer.rejected, 'record')} of a {signal} request ({answer.message}); they are lost "
                "for this destination; logged once, counted from now on",
            )
        elif answer.message:
            self._say("warning", f"accepted a {signal} request with a warning ({answer.message}); logged once")

    def _count(self, name: str, signal: Signal, count: int = 1) -> None:
        labels = {attributes.DRIFTLINE_DESTINATION: self.name, attributes.DRIFTLINE_SIGNAL: signal}
        self._counters.add(name, count, labels)

    def _say(self, kind: str, message: str) -> None:
        if kind not in self._logged_kinds:
            self._logged_kinds.add(kind)
            _log.warning("%s: %s", self.name, message)


def _split_parcel(parcel: Parcel, limit: int) -> list[Parcel]:
    signal, headers, bodies = parcel
    return [(signal, headers, bodies[index : index + limit]) for index in range(0, len(bodies), limit)]


_log = logging.getLogger("driftline")

_REMEMBERED_SECONDS = 15 * 60.0


class RecentRequests:
    """Requests of the last 15 minutes, to recognise repeats and loops.

    Groups of one resource are recognised by their bytes, because a Collector that sends back to us puts them into new
    requests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def new(self, body: bytes) -> Passage:
        """Return the new part of a request; the same bytes if all is new."""
        digests: list[bytes] = []

        def known(group: bytes) -> bool:
            digest = xxhash.xxh3_128_digest(group)
            if digest in self._times:
                return True
            digests.append(digest)
            return False

        with self._lock:
            self._forget(self._clock())
        return Passage(drop_groups(body, known), digests)

    def remember(self, digests: Iterable[bytes]) -> None:
        """Add groups by digest."""
        now = self._clock()
        with self._lock:
            for digest in digests:
                self._times.setdefault(digest, now)

    def remember_sent(self, body: bytes) -> None:
        """Add the groups of a sent request, which may differ from the received ones."""
        self.remember([xxhash.xxh3_128_digest(group) for group in groups_of(body)])

    def _forget(self, now: float) -> None:
        while self._times:
            oldest, when = next(iter(self._times.items()))
            if now - when <= _REMEMBERED_SECONDS and len(self._times) < 200_000:
                break
            del self._times[oldest]


class Forwarder:
    """All destinations. Nothing here blocks ingestion or makes it fail."""

    def __init__(self, config: Config, counters: Counters, log: RequestLog, clock: Callable[[], int]) -> None:
        """Create the configured destinations, before the log is started.

        Args:
            config: The configuration.
            counters: Counters of sent requests.
            log: The log of requests.
            clock: Unix nanoseconds.
        """
        self._passed = RecentRequests()
        self._said_again = False
        self._log, self._clock, self._counters = log, clock, counters
        self._exporters: Mapping[str, ExporterKeys] = config.exporters
        connections = {name: keys.connect() for name, keys in config.exporters.items()}
        self._use({name: self._destination(name, keys, connections[name]) for name, keys in config.exporters.items()})

    def _use(self, destinations: Mapping[str, Destination]) -> None:
        self.destinations = destinations
        self.headers = frozenset[str]().union(*(destination.headers for destination in destinations.values()))

    def _destination(
        self, name: str, keys: ExporterKeys, exporter: Exporter, before: Destination | None = None
    ) -> Destination:
        """Return a destination, which continues at the cursor of the one ``before``."""
        reader = self._log.reader(name) if before is None else before.reader
        reader.on_full = keys.on_full
        return Destination(
            reader,
            exporter,
            self._counters,
            keys.forward,
            keys.forward_headers,
            on_sent=self._passed.remember_sent,
            wall=self._clock,
        )

    def start(self) -> None:
        """Start to send."""
        for destination in self.destinations.values():
            destination.start()

    def connect_changed(self, exporters: Mapping[str, ExporterKeys]) -> dict[str, Exporter]:
        """Return connections for :meth:`replace`: of new and changed exporters. Raises OSError."""
        return {name: keys.connect() for name, keys in exporters.items() if keys != self._exporters.get(name)}

    def replace(self, exporters: Mapping[str, ExporterKeys], connections: Mapping[str, Exporter], grace: float) -> None:
        """Use other exporters; those whose keys are as before continue to send meanwhile.

        A changed one continues at its cursor, after the requests that are being sent; a new one begins with the next
        request; the requests that wait for a removed one are dropped.

        Args:
            exporters: Keys of all exporters.
            connections: From :meth:`connect_changed`.
            grace: Seconds for requests that are being sent; later, a destination may get them again.
        """
        end = time.monotonic() + grace
        ended = {name: one for name, one in self.destinations.items() if name in connections or name not in exporters}
        for destination in ended.values():
            destination.end()
        for destination in ended.values():
            destination.stop(max(0.1, end - time.monotonic()))
        for name in ended.keys() - exporters.keys():
            self._log.forget_reader(name)
        new = {
            name: self._destination(name, exporters[name], exporter, ended.get(name))
            for name, exporter in connections.items()
        }
        self._use({name: new.get(name) or self.destinations[name] for name in exporters})
        self._exporters = exporters
        for destination in new.values():
            destination.start()

    def stop(self, grace: float) -> None:
        """Deliver waiting requests, for at most ``grace`` seconds in total."""
        end = time.monotonic() + grace
        self._log.flush(grace)
        for destination in self.destinations.values():
            destination.stop(max(0.1, end - time.monotonic()))

    def reports(self) -> list[SendingReport]:
        """Return how each destination fares."""
        return [destination.report() for destination in self.destinations.values()]

    def sentence(self) -> str | None:
        """Return which destinations accepted nothing since they failed, and why; None if there are none."""
        failing = [f"{report.name} fails: {report.error}" for report in self.reports() if report.is_failing]
        return "; ".join(failing) or None

    def send(self, name: str, signal: Signal, body: bytes) -> None:
        """Append our own telemetry for one destination to the log; if the log rejects it, it is lost and logged."""
        try:
            self._log.append(Entry(signal, body, self._clock(), readers=FOR_DESTINATIONS, to=name))
        except Overloaded as refused:
            _log.warning("%s: driftline's own %s are lost: %s", name, signal, refused)

    def passage(self, signal: Signal, body: bytes) -> Passage:
        """Return the part of a request that any destination wants, without parts that passed before."""
        if not any(destination.forwards(signal) for destination in self.destinations.values()):
            return NO_PASSAGE
        new = self._passed.new(body)
        if new.body != body and not self._said_again:
            self._said_again = True
            _log.info(
                "a request that was already forwarded has arrived a second time; it is not forwarded again; "
                "either a sender repeated it because an acknowledgement was lost, or a destination sends data back "
                "to driftline"
            )
        return new

    def passed(self, passage: Passage) -> None:
        """Remember a request that is being forwarded."""
        self._passed.remember(passage.groups)


def described(config: Config) -> list[str]:
    """Return lines about the destinations.

    >>> described(Config())
    ['not forwarding: traces end here; add --forward URL']
    """
    lines = []
    for name, exporter in config.exporters.items():
        sent = []
        if exporter.forward:
            sent.append(f"forwarding {', '.join(exporter.forward)}")
        if exporter.derived:
            sent.append(f"sending derived {', '.join(exporter.derived)}")
        lines.append(f"{' and '.join(sent)} to {exporter.destination} ({name})")
    if not config.exporters:
        lines.append("not forwarding: traces end here; add --forward URL")
    elif not any(exporter.forward for exporter in config.exporters.values()):
        lines.append("not forwarding: received traces end here")
    return lines
