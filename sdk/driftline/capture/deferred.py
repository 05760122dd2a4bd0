"""Predictions that are read on the background thread, such as those of web requests: until then they are bytes.

To parse a request and its response and to end its span costs 20 µs, one prediction after the other. In the middle of a
request it costs several times that, since the processor's caches are full of other code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT, TraceFlags

from driftline.faults import FAULTS

from .absent import ABSENT
from .call import elapsed_of, end, finish, leave, let_go
from .prediction import DeferredReading, Prediction
from .prediction_span import scored_attributes, unknown_attributes
from .row_schema import RowSchema

if TYPE_CHECKING:
    from .buffer import BufferedRow
    from .call_plan import CallPlan

Plain = tuple[RowSchema, tuple[Any, ...], Any, str]
"""A prediction that was read, in its most common form: shape and values of the row, score, and class ("" for none)."""


class DeferredReader(Protocol):
    """The reader of the predictions of one place, each from its input and its result."""

    plan: CallPlan

    def plain(self, request: Any, response: Any) -> Plain | None:
        """Return what a prediction says that is one row with a score, None where it takes a closer look."""
        ...

    def defer(self, prediction: Prediction, request: Any, response: Any) -> DeferredReading:
        """Return what takes that look."""
        ...


class UnmadePrediction(tuple[Any, ...]):
    """A closed prediction that was never made, as compact as it waits.

    Its :class:`DeferredReader`, about how many bytes it holds, time (unix nanoseconds), duration (nanoseconds), id,
    span or
    None, and what was given and returned.
    """

    __slots__ = ()

    @property
    def plan(self) -> CallPlan:
        """Call plan of the place that made the prediction."""
        plan: CallPlan = self[0].plan
        return plan

    @property
    def cost(self) -> int:
        """Bytes that it holds, about."""
        return int(self[1])

    @property
    def elapsed(self) -> int:
        """Nanoseconds that it took."""
        return int(self[3])


def read_unmade(late: UnmadePrediction) -> Prediction | BufferedRow:
    """Read a prediction that was never made, and end its span. Never raises."""
    reader, _, time, elapsed, id, span, request, response = late
    plan = late.plan
    plain = None
    try:
        if plan.first_input is not None and plan.first_result is not None:
            plain = reader.plain(request, response)
    except Exception as fault:
        FAULTS.swallow("read", fault)
    if plain is None:
        return _read_closely(late)
    shape, values, score, decided = plain
    context = INVALID_SPAN_CONTEXT
    if span is not None:
        try:
            if span.is_recording():
                span.set_attributes(scored_attributes(plan, shape, values, id, score, decided))
            if span.get_span_context().trace_flags & TraceFlags.SAMPLED:
                context = span.get_span_context()
            span.end(time + elapsed)
        except Exception as fault:
            FAULTS.swallow("span", fault)
    return plan, shape, values, time, elapsed, id, score, decided, None, "", context


def make_prediction(late: UnmadePrediction) -> Prediction:
    """Return a prediction that was never made, as one that was, still to be read."""
    reader, _, time, elapsed, id, span, request, response = late
    prediction = Prediction(late.plan, None)
    prediction.closed = True
    prediction.time, prediction.elapsed = time, elapsed
    prediction.identify(id)
    if span is not None:
        prediction.span = span
    prediction.deferred_reading = reader.defer(prediction, request, response)
    return prediction


def _read_closely(late: UnmadePrediction) -> Prediction:
    """Read it in the steps that fit all. Never raises."""
    try:
        prediction = make_prediction(late)
    except Exception as fault:
        FAULTS.swallow("read", fault)
        prediction = Prediction(late.plan, None)
    read_deferred(prediction)
    return prediction


def end_deferred(prediction: Prediction, deferred_reading: DeferredReading) -> None:
    """Close a prediction now, and read it later. Its span ends then too, with the time of now. Never raises."""
    elapsed = elapsed_of(prediction)
    try:
        if prediction.fills is not None:  # the prediction around it is about to ask for what this one knows
            end(prediction, deferred_reading.read(), None)
            return
        prediction.closed = True
        leave(prediction)
        prediction.elapsed = elapsed
        prediction.deferred_reading = deferred_reading
        let_go(prediction)
        if not prediction.plan.pipeline.append(prediction, deferred_reading.cost, 1):
            read_deferred(prediction)  # no thread will, and the span must end
    except Exception as fault:
        FAULTS.swallow("end", fault)


def read_deferred(prediction: Prediction) -> None:
    """Read a prediction that was closed before. Never raises."""
    reading, span = prediction.deferred_reading, prediction.span
    prediction.deferred_reading = None
    result: Any = ABSENT
    try:
        if reading is not None:
            result = reading.read()
    except Exception as fault:
        FAULTS.swallow("read", fault)
    try:
        finish(prediction, span, result, prediction.elapsed, None)
    except Exception as fault:
        FAULTS.swallow("span", fault)
    _end_span(prediction)


def abandon_deferred(prediction: Prediction) -> None:
    """End the span of a prediction that was closed before and will not be read. Never raises.

    It says the model and that the prediction is counted elsewhere; its id, its score and its features nobody knows.
    """
    if prediction.deferred_reading is None:
        return
    prediction.deferred_reading = None
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
