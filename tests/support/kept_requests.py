"""A log with the cursor of one destination."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from driftline_processor.health import Counters
from driftline_processor.log.entry_format import FOR_DESTINATIONS, Entry
from driftline_processor.log.request_log import LogLimits, RequestLog, travelling
from driftline_processor.receipts import NO_HEADERS, Signal


class KeptRequests:
    """A log whose requests are for destinations, and the reader of one of them."""

    def __init__(self, folder: Path, name: str = "otlp/x", limits: LogLimits | None = None) -> None:
        self.counters = Counters()
        self.log = RequestLog(folder, self.counters, lambda: 0, limits)
        self.reader = self.log.reader(name, on_full="drop_oldest")
        self.log.start()

    def offer(self, signal: Signal, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
        travels = travelling(headers, frozenset(name.lower() for name in headers))
        self.log.append(Entry(signal, body, 0, travels, FOR_DESTINATIONS)).result(60)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptRequests]:
    """Return a log that ends with the test."""
    requests = KeptRequests(tmp_path / "log")
    yield requests
    requests.log.stop()
