"""A push of outcomes in a process of its own that is killed after so many parts.

python -m tests.end_to_end.faults.killed_push FILE URL PARTS
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path

from driftline_processor.cli.connection import Connection
from driftline_processor.cli.outcome_upload import OutcomeColumns, UploadTarget, upload_outcomes

ROWS = 50
"""Rows of a part."""


def main(file: Path, url: str, parts: int) -> None:
    seen = count(1)

    def sent(_: int) -> None:
        if next(seen) == parts:
            os.kill(os.getpid(), signal.SIGKILL)

    upload_outcomes(file, UploadTarget(Connection(url), "churn"), OutcomeColumns({}), print, sent, ROWS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
