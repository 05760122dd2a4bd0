"""Columns of what a job keeps to join outcomes with their predictions."""

from __future__ import annotations

import pyarrow as pa

ROW = pa.schema(
    [
        ("model", pa.string()),
        ("version", pa.string()),
        ("environment", pa.string()),
        ("id", pa.string()),
        ("time", pa.int64()),
        ("score", pa.float64()),
        ("scores", pa.binary()),
        ("predicted", pa.string()),
        ("weight", pa.float64()),
        ("slices", pa.string()),
        ("items", pa.string()),
        ("left_out", pa.int64()),
    ]
)
"""What outcomes need of a prediction. ``time``: unix nanoseconds. ``score``: of a task with one score; ``scores``,
``slices``, ``items``: see :mod:`.row_columns`. ``left_out``: number of further items of a ranking."""

OUTCOME = pa.schema(
    [
        ("model", pa.string()),
        ("environment", pa.string()),
        ("id", pa.string()),
        ("actual", pa.string()),
        ("number", pa.float64()),
        ("outcome_time", pa.int64()),
        ("prediction_time", pa.int64()),
        ("outcome_weight", pa.float64()),
        ("retracted", pa.bool_()),
        ("arrived", pa.int64()),
        ("item", pa.string()),
    ]
)
"""An outcome: a class as text or a number. ``environment``: null = any. ``arrived``: its epoch. ``item``: of a ranking
that it is about; null = the whole prediction."""

KEY = ("model", "version", "environment", "id", "time")
"""The columns of :data:`ROW` by which a label names its prediction."""

SAID = ("actual", "number", "outcome_time", "outcome_weight", "retracted", "item")
"""The columns of :data:`OUTCOME` that a label has of the outcome that counts."""

LABEL = pa.schema(
    [
        *(ROW.field(name) for name in KEY),
        *(OUTCOME.field(name) for name in SAID),
        ("latest", pa.int64()),
        ("arrived", pa.int64()),
    ]
)
"""The outcome that counts of a prediction, and the time and epoch of its latest outcome.

``outcome_time`` is the time that is in the sums. It is an earlier one than ``latest`` if the latest outcome repeats
what was known. Of labels of one prediction, the one of the latest outcome counts, of equal times the last to arrive.
Of a ranking, each outcome is a label, and all of them count together.
"""
