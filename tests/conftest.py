"""What holds for every test: property tests draw the same examples each time, and no clock fails them."""

from __future__ import annotations

import atexit
import gc

from hypothesis import settings

settings.register_profile("driftline", derandomize=True, deadline=None)
settings.load_profile("driftline")


def pytest_collection_finish() -> None:
    """Keep ten thousand tests out of every collection of garbage: each took a second to go through them."""
    gc.freeze()
    atexit.register(gc.unfreeze)
