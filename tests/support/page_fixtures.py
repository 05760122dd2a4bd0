"""A client of the pages over a view that the test chooses."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import pytest
from driftline.tables.table import OutcomeTable
from driftline_processor.health import Health
from driftline_processor.queries.overview import View
from driftline_processor.receipts import Receipt
from driftline_processor.web.app import create_app
from starlette.testclient import TestClient

from .fake_view import NOW


def accept(tables: list[OutcomeTable], _: bytes) -> Future[Receipt]:
    """Take outcomes in, as a state would."""
    future: Future[Receipt] = Future()
    future.set_result(Receipt(sum(map(len, tables))))
    return future


@pytest.fixture
def browse() -> Callable[[View], TestClient]:
    """Open the pages of a view."""
    return lambda view: TestClient(create_app(view, accept, Health(), clock=lambda: NOW))
