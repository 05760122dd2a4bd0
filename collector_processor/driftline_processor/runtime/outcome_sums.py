"""The sums of joined rows, by any groups."""

from __future__ import annotations

import pyarrow as pa
from driftline.fold import fold_outcomes_by
from driftline.sparse import Sparse
from driftline.tables import I64, Task

from .rankings import relevance_of
from .rows import actual_of, numbers_of, said_of

FOLDED = ["score", "scores", "predicted", "actual", "number", "weight", "value", "relevance", "missed", "outcome_time"]
"""The columns of rows that are folded into panes, beside the time."""


def fold_joined(task: Task, rows: pa.Table, group: I64, groups: int) -> dict[str, Sparse]:
    """Fold rows of the table ``joined`` into the performance parts of each group.

    ``group``: int64 (n,), 0 <= group < groups.
    """
    return fold_outcomes_by(
        task,
        *said_of(task, rows),
        actual_of(rows),
        numbers_of(rows, "weight"),
        numbers_of(rows, "value"),
        group,
        groups,
        relevance_of(rows) if task.kind == "ranking" else None,
    )
