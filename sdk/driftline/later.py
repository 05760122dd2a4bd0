"""Predictions that are read on the background thread, such as those of web requests: until then they are bytes.

To parse a request and its response, and to end its span, costs 20 µs where it is done for one prediction after the
other, and several times that in the middle of a request, when the processor's caches are full of other code.
"""

from __future__ import annotations

from typing import Any, Protocol

from opentelemetry.trace import INVALID_SPAN

from .call import elapsed_of, end, finish, let_go
from .faults import FAULTS
from .prediction import ABSENT, Prediction
from .span import unknown_attributes


class Later(Protocol):
    """What is known of a closed prediction. ``cost``: bytes that it holds, about."""

    cost: int

    def read(self) -> Any:
        """Add features, id and slices to the prediction, and return the model's result; on the background thread."""
        ...


def end_later(prediction: Prediction, later: Later) -> None:
    """Close a prediction now, and read it later. Its span ends then too, with the time of now. Never raises."""
    elapsed = elapsed_of(prediction)
    try:
        if prediction.fills is not None:  # the prediction around it is about to ask for what this one knows
            end(prediction, later.read(), None)
            return
        prediction.closed = True
        prediction.elapsed = elapsed
        prediction.later = later
        let_go(prediction)
        if not prediction.plan.pipeline.append(prediction, later.cost, 1):
            settle(prediction)  # no thread will, and the span must end
    except Exception as fault:
        FAULTS.swallow("end", fault)


def settle(prediction: Prediction) -> None:
    """Read a prediction that was closed before. Never raises."""
    later, span = prediction.later, prediction.span
    prediction.later = None
    result: Any = ABSENT
    try:
        if later is not None:
            result = later.read()
    except Exception as fault:
        FAULTS.swallow("read", fault)
    try:
        finish(prediction, span, result, prediction.elapsed, None)
    except Exception as fault:
        FAULTS.swallow("span", fault)
    _end_span(prediction)


def give_up(prediction: Prediction) -> None:
    """End the span of a prediction that was closed before and will not be read. Never raises.

    It says the model and that the prediction is counted elsewhere; its id, its score and its features nobody knows.
    """
    if prediction.later is None:
        return
    prediction.later = None
    try:
        if prediction.span.is_recording():
            prediction.span.set_attributes(unknown_attributes(prediction.plan))
    except Exception as fault:
        FAULTS.swallow("span", fault)
    _end_span(prediction)


def _end_span(prediction: Prediction) -> None:
    """End its span, if it was not. Never raises."""
    try:
        span, prediction.span = prediction.span, INVALID_SPAN
        span.end(prediction.time + prediction.elapsed)
    except Exception as fault:
        FAULTS.swallow("span", fault)
