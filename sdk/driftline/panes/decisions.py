"""The decided class of each row, and the parts of a pane that count it: ``decided:CLASS``.

They need no bins: the weight of each class of the task, of ``other`` for any further class, and of "" for rows without
a class.
"""

from __future__ import annotations

import numpy as np

from driftline.tables.classes import class_column
from driftline.tables.performance_columns import decide
from driftline.tables.table import I64, Column, PredictionTable
from driftline.tables.task import Task

DECIDED = "decided:"
"""Prefix of parts with the weight of one decided class, independent of bins."""

MOST_CATEGORIES = 100


def class_names(task: Task) -> tuple[str, ...]:
    """Return the classes of decisions, "other" for any class that is not among the first 100, "" = unknown.

    >>> class_names(Task("binary", ("no", "yes"), "yes"))
    ('no', 'yes', 'other', '')
    """
    return (*task.classes[:MOST_CATEGORIES], "other", "")


def decided_classes(table: PredictionTable) -> Column | None:
    """Return the decided class of each row as canonical text; None for a task without decisions (regression, ranking).

    This is the service's own decision if sent, else the one from scores and the current threshold; a later threshold
    does not change earlier decisions.
    """
    if not table.task.may_have_classes:
        return None
    sent = None if table.predicted is None else class_column(table.predicted)
    if sent is not None and sent.codes is None:
        sent = None
    if table.scores is None:
        return sent
    derived = Column(codes=decide(table.task, table.scores, None), categories=table.task.classes)
    if sent is None or sent.codes is None or derived.codes is None:
        return derived
    shifted = np.where(derived.codes >= 0, derived.codes + len(sent.categories), -1)
    return Column(
        codes=np.where(sent.codes >= 0, sent.codes, shifted), categories=(*sent.categories, *derived.categories)
    )


def positions_of(decided: Column | None, categories: tuple[str, ...], n: int) -> I64:
    """Return the position of each row's class among the :func:`class_names`: int64 (n,).

    >>> positions_of(Column(codes=np.array([0, 1, -1], np.int32), categories=("yes", "maybe")), ("yes", "other", ""), 3)
    array([0, 1, 2])
    """
    if decided is None or decided.codes is None:
        return np.full(n, len(categories) - 1, dtype=np.int64)
    index = {category: code for code, category in enumerate(categories[:-2])}
    lookup = [*(index.get(category, len(categories) - 2) for category in decided.categories), len(categories) - 1]
    return np.array(lookup, dtype=np.int64)[decided.codes]
