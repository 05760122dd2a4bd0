"""A deletion in a process of its own that is killed at a step of it.

python -m tests.end_to_end.faults.killed_erase DIRECTORY STEP
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from driftline_processor.maintenance import erasure
from driftline_processor.state import erasures, state
from driftline_processor.store import database

from tests.support.state_rows import HOUR, NOON, Clock, Opened, config, outcomes, predictions

MARK = "MARKED-4b1f0c"
OTHERS = 40
STEPS: dict[str, tuple[Any, str, bool]] = {
    "ordered": (erasures, "erase", False),
    "deleted": (database.Store, "rewrite", False),
    "copied": (database.Store, "_exchange", False),
    "exchanged": (os, "replace", True),
    "reopened": (erasure.ErasureOrders, "done", False),
}
"""Step → where the process is killed: object, function, and whether after what that does."""


def killing(called: Callable[..., object], after: bool) -> Callable[..., None]:
    def kill(*given: object, **named: object) -> None:
        if after:
            called(*given, **named)
            if "fresh" not in str(given[0]):  # the order's own file is exchanged, too
                return
        os.kill(os.getpid(), signal.SIGKILL)

    return kill


def main(directory: Path, step: str) -> None:
    opened = Opened(state.State(config(directory), clock=Clock()))
    opened.state.start()
    ids = [MARK, *(f"other-{i}" for i in range(OTHERS))]
    opened.send(predictions(ids, NOON), outcomes(ids[1:], [1] * OTHERS, NOON + HOUR))
    opened.state.settle()
    owner, name, after = STEPS[step]
    setattr(owner, name, killing(getattr(owner, name), after))
    opened.state.erase(erasure.ErasureOrder("churn", "id", (MARK,)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
