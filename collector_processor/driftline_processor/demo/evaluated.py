"""Wait until the processor has evaluated what was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from driftline_processor.present.numbers import count

PATIENCE = 300.0
"""Seconds without any change after which the wait is given up; a busy machine is slow, not wrong."""
LOOK_EVERY = 0.5

Windows = list[dict[str, Any]]


def wait_until_evaluated(
    windows: Callable[[], Windows], rows: int, outcomes: int | None, progress: Callable[[int, int], None]
) -> Windows:
    """Wait until the windows of a model have all rows and outcomes and no closed one waits; return them.

    Args:
        windows: Returns the evaluated windows, as the API does.
        rows: Number of predictions.
        outcomes: Number of outcomes; None where rows without one have an implicit outcome.
        progress: Called with the numbers of predictions and outcomes so far.

    Raises:
        RuntimeError: Nothing has changed for :data:`PATIENCE`.
    """
    before, deadline = (-1, -1, -1), time.monotonic() + PATIENCE
    while True:
        found = windows()
        closed = [one for one in found if one["closed"]]
        waiting = sum((one["verdict"] or {}).get("state") == "lagging" for one in closed)
        now = sum(one["rows"] for one in found), sum(one["outcomes"]["rows"] for one in found), waiting
        progress(*now[:2])
        if now[0] == rows and outcomes in (None, now[1]) and not waiting:
            return found
        if now != before:
            before, deadline = now, time.monotonic() + PATIENCE
        if time.monotonic() > deadline:
            of = "" if outcomes is None else f" of {count(outcomes)}"
            raise RuntimeError(
                f"the processor shows {count(now[0])} of {count(rows)} predictions, {count(now[1])}{of} outcomes, and "
                f"{count(waiting)} windows that wait; nothing has changed for {PATIENCE:.0f} s"
            )
        time.sleep(LOOK_EVERY)
