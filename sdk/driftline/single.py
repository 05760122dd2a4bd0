"""One prediction of one row, as compact as it waits in the buffer."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import SpanContext

from . import results
from .capture import read_one
from .faults import FAULTS
from .inputs.row import clean_value, cost_of
from .instants import instant
from .notes import tell
from .plan import Plan
from .prediction import ABSENT, Prediction
from .shape import ROW_BYTES, Shape
from .unrecorded import UNREAD_RESULT, UNRECORDED

Single = tuple[
    Plan,
    Shape | None,
    tuple[Any, ...] | None,  # values
    int,  # time, unix nanoseconds
    int,  # duration, nanoseconds
    str | None,  # id; None where one is to be made
    Any,  # score: a float, or one per class, or a ranking; None where there is none
    str,  # the class that was decided for, "" where none was said
    dict[str, Any] | None,  # slices
    str,  # error type, "" where the call returned
    SpanContext,
]
"""A row that is done. A waiting object of twenty fields costs the next calls 2 µs in fresh memory, a tuple 0.3."""


def measure(entry: Prediction | Single) -> tuple[int, int]:
    """Return the bytes, about, and the rows of what waits."""
    if isinstance(entry, Prediction):
        if entry.later is not None:
            return entry.later.cost, 1
        batch, shape = entry.batch, entry.shape
        cost = (ROW_BYTES if shape is None else shape.cost) + (0 if batch is None else batch.cost)
        if batch is not None or entry.plan.identity.task.kind == "ranking":
            cost += sum(map(results.cost_of, (entry.result, entry.score, entry.predicted, entry.ids)))
        return cost + cost_of(entry.values), entry.count
    shape = entry[1]
    return (ROW_BYTES if shape is None else shape.cost) + cost_of(entry[2]), 1


def single_of(prediction: Prediction) -> Single:
    """Read a closed prediction of one row; on the background thread."""
    score, decided, unread = (None, "", None) if prediction.error else read_one(prediction)
    if unread is not None:
        tell(prediction.plan, None, scored=False, decided=False, unread=unread)
        UNRECORDED.add((prediction.plan.identity.name, UNREAD_RESULT))
    return (
        prediction.plan,
        prediction.shape,
        prediction.values,
        _time(prediction),
        prediction.elapsed,
        prediction.id,
        score,
        decided,
        prediction.slices,
        prediction.error,
        prediction.span_context,
    )


def _time(prediction: Prediction) -> int:
    """Return the time that was said, else that of the call."""
    if prediction.when is ABSENT:
        return prediction.time
    try:
        return instant(clean_value(prediction.when)) or prediction.time
    except ValueError as error:
        FAULTS.swallow("time", error)
        return prediction.time
