"""One prediction of one row, as compact as it waits in the buffer."""

from __future__ import annotations

from typing import Any, NamedTuple

from .capture import read_one
from .current import ABSENT, Prediction
from .faults import FAULTS
from .inputs.row import clean_value
from .instants import instant
from .notes import tell
from .plan import Plan
from .shape import Shape


class Single(NamedTuple):
    """A row that is done. ``time``: unix nanoseconds; ``duration``: seconds; ``id``: None where one is to be made.

    ``score``: a float, or one per class; None where there is none. ``decided``: the class, "" where none was said.
    """

    plan: Plan
    shape: Shape | None
    values: tuple[Any, ...] | None
    time: int
    duration: float
    id: str | None
    score: Any
    decided: str
    slices: dict[str, Any] | None
    error: str
    trace_id: int
    span_id: int


def single_of(prediction: Prediction) -> Single:
    """Read a closed prediction of one row; on the background thread."""
    score, decided, unread = (None, "", None) if prediction.error else read_one(prediction)
    if unread is not None:
        tell(prediction.plan, None, scored=False, decided=False, unread=unread)
    return Single(
        prediction.plan,
        prediction.shape,
        prediction.values,
        _time(prediction),
        prediction.duration,
        prediction.id,
        score,
        decided,
        prediction.slices,
        prediction.error,
        prediction.trace_id,
        prediction.span_id,
    )


def compact(prediction: Prediction) -> Any:
    """Return the prediction as it should wait: the many whose result is one float as a plain tuple, others as they are.

    A waiting object of twenty fields costs the next calls 2 µs in garbage collection and fresh memory, a tuple 0.3.
    """
    score = prediction.result
    plan = prediction.plan
    if (
        score.__class__ is not float
        or prediction.batch is not None
        or not prediction.plain
        or not plan.identity.scored_by_float
        or prediction.when is not ABSENT
    ):
        return prediction
    return (
        plan,
        prediction.shape,
        prediction.values,
        prediction.time,
        prediction.duration,
        prediction._id,
        score,
        "",
        prediction.slices,
        "",
        prediction.trace_id,
        prediction.span_id,
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
