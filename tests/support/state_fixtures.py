"""A state on disk, opened as often as a test likes, and closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.policies import Policy
from driftline_processor.config.schema import Limits
from driftline_processor.health import Health
from driftline_processor.state import State
from driftline_processor.store.database import Connection, Store
from starlette.testclient import TestClient

from tests.support.fake_view import app_of

from .state_rows import Clock, Opened, config

Open = Callable[..., Opened]


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands at noon."""
    return Clock()


@pytest.fixture
def open_state(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """``open_state(churn=Model(...))`` opens the one directory of the test, closing what had it open before.

    ``away``: nanoseconds that pass while it is closed.
    """
    current: list[Opened] = []

    def close() -> None:
        while current:
            current.pop().state.stop()

    def open_state(
        retention: timedelta = timedelta(days=90),
        max_size: int | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        away: int = 0,
        policies: Mapping[str, Policy] = MappingProxyType({}),
        **models: Model,
    ) -> Opened:
        close()
        clock.now += away
        configured = config(tmp_path / "state", retention, **models)
        storage = configured.storage.model_copy(update={"max_size": max_size})
        kept = {"storage": storage, "limits": limits, "policies": {**configured.policies, **policies}}
        state = State(configured.model_copy(update=kept), clock=clock)
        state.start_storing()  # the keeper's work is done when a test asks for it, see Opened.view
        current.append(Opened(state))
        return current[-1]

    yield open_state
    for one in current:
        one.leave()


@pytest.fixture
def state(open_state: Open) -> Opened:
    """Return a state of models without settings."""
    return open_state()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an open file, closed in the end."""
    store = Store(tmp_path)
    yield store
    store.close()


@pytest.fixture
def connection(store: Store) -> Connection:
    """Return a connection to the open file."""
    return store.connect()


class StateWithRoutes(Opened):
    """A state with the routes of outcomes, which a test may close and open again."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        super().__init__(State(config(directory), clock=clock))
        self.state.start_storing()
        self.health = Health()
        self.client = TestClient(app_of(self.state, clock, self.health))
