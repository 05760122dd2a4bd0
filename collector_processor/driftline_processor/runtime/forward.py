"""Passing on what was accepted, as it came.

A request is offered to the destinations when its rows are on disk, so that what was refused, and will come again, is
not forwarded twice; see ``docs/decisions/0005-forwarding.md``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

import xxhash

from .config import Config, shown_endpoint
from .destination import Destination
from .envelope import without_groups
from .health import Counters
from .signals import Signal
from .transport import transport_for

_log = logging.getLogger("driftline")

_REMEMBERED_SECONDS = 15 * 60.0
_REMEMBERED = 200_000


class Passed:
    """What passed in the last 15 minutes: resends, and what comes back to where it was.

    Known again are the groups of a request, each of one resource, by their bytes: a Collector that sends back to us
    makes new requests of the old groups.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def new(self, body: bytes) -> bytes:
        """Remember a request, and return what of it was not known; the same bytes where nothing was."""
        met: list[bytes] = []

        def known(group: bytes) -> bool:
            met.append(xxhash.xxh3_128_digest(group))
            return met[-1] in self._times

        now = self._clock()
        with self._lock:
            self._forget(now)
            new = without_groups(body, known)
            for digest in met:
                self._times.setdefault(digest, now)
            return new

    def _forget(self, now: float) -> None:
        while self._times:
            oldest, when = next(iter(self._times.items()))
            if now - when <= _REMEMBERED_SECONDS and len(self._times) < _REMEMBERED:
                break
            del self._times[oldest]


class Forwarder:
    """All destinations. :meth:`offer` never blocks, and never fails the receiver."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self._passed = Passed()
        self._said_again = False
        self.destinations = {
            name: Destination(
                name,
                transport_for(name, exporter),
                counters,
                exporter.forward,
                exporter.forward_headers,
                on_sent=self._passed.new,
            )
            for name, exporter in config.exporters.items()
        }

    def start(self) -> None:
        """Begin to send."""
        for destination in self.destinations.values():
            destination.start()

    def stop(self, grace: float) -> None:
        """Deliver what waits, for at most ``grace`` seconds over all destinations."""
        end = time.monotonic() + grace
        for destination in self.destinations.values():
            destination.stop(max(0.1, end - time.monotonic()))

    def send(self, name: str, signal: Signal, body: bytes) -> None:
        """Queue something of our own making for one destination."""
        self.destinations[name].offer(signal, body, {})

    def offer(self, signal: Signal, body: bytes, headers: Mapping[str, str]) -> None:
        """Queue an accepted request for every destination that wants it, without what passed here before."""
        wanting = [destination for destination in self.destinations.values() if destination.forwards(signal)]
        if not wanting:
            return
        new = self._passed.new(body)
        if new != body and not self._said_again:
            self._said_again = True
            _log.info(
                "a request came again that was forwarded before, and is not forwarded again; a sender repeats "
                "itself when an acknowledgement was lost, or a destination sends back to driftline"
            )
        if not new:
            return
        for destination in wanting:
            destination.offer(signal, new, headers)


def described(config: Config) -> list[str]:
    """Say in plain lines where things are forwarded.

    >>> described(Config())
    ['forwarding nowhere: traces end here; add --forward URL']
    """
    lines = []
    for name, exporter in config.exporters.items():
        sent = []
        if exporter.forward:
            sent.append(f"forwarding {', '.join(exporter.forward)}")
        if exporter.derived:
            sent.append(f"sending derived {', '.join(exporter.derived)}")
        lines.append(f"{' and '.join(sent)} to {shown_endpoint(exporter.endpoint)} ({name})")
    if not any(exporter.forward for exporter in config.exporters.values()):
        lines.append("forwarding nowhere: traces end here; add --forward URL")
    return lines
