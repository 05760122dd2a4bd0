"""A state on disk, opened as often as a test likes, and closed in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Limits
from driftline_processor.state import State

from .state_rows import Clock, Opened, config

Open = Callable[..., Opened]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_state(tmp_path: Path, clock: Clock) -> Iterator[Open]:
    """``open_state(churn=Model(...))`` opens the one directory of the test, closing what had it open before."""
    current: list[Opened] = []

    def close() -> None:
        while current:
            current.pop().state.stop()

    def open_state(
        retention: timedelta = timedelta(days=90),
        max_size: int | None = None,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        **models: Model,
    ) -> Opened:
        close()
        configured = config(tmp_path / "state", retention, **models)
        storage = configured.storage.model_copy(update={"max_size": max_size})
        state = State(configured.model_copy(update={"storage": storage, "limits": limits}), clock=clock)
        state._ingest.start()  # the keeper's work is done when a test asks for it, see Opened.view
        current.append(Opened(state))
        return current[-1]

    yield open_state
    close()
