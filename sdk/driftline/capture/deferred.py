"""Predictions that are read on the background thread, such as those of web requests. Until then, they are bytes.

Parsing a request and its response and ending the span costs 20 µs in a loop, and several times that in the middle of
a request, when the CPU caches contain other code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT, TraceFlags

from driftline.faults import FAULTS

from .absent import ABSENT
from .call import elapsed_of, end, finish, leave, let_go
from .prediction import DeferredReading, Prediction
from .prediction_span import keep_identity, scored_attributes, unknown_attributes
from .row_schema import RowSchema

if TYPE_CHECKING:
    from .buffer import BufferedRow
    from .call_plan import CallPlan

Plain = tuple[RowSchema, tuple[Any, ...], Any, str]
"""A prediction in its most common form: schema and values of the row, score, and class ("" without a class)."""


class DeferredReader(Protocol):
    """Reads the predictions of one route from their inputs and results."""

    plan: CallPlan

    def plain(self, request: Any, response: Any) -> Plain | None:
        """Return a prediction of one row with a score; None if it requires the general reader."""
        ...

    def defer(self, prediction: Prediction, request: Any, response: Any) -> DeferredReading:
        """Return the general reader of this request and response."""
        ...


class UnmadePrediction(tuple[Any, ...]):
    """A closed prediction for which no :class:`Prediction` was created, as a compact tuple.

    The fields are its :class:`DeferredReader`, approximate size in bytes, time (unix nanoseconds), duration
    (nanoseconds), id, span or None, input, and result.
    """

    __slots__ = ()

    @property
    def plan(self) -> CallPlan:
        """Call plan of the reader."""
        plan: CallPlan = self[0].plan
        return plan

    @property
    def cost(self) -> int:
        """Approximate size in bytes."""
        return int(self[1])

    @property
    def elapsed(self) -> int:
        """Duration of the call in nanoseconds."""
        return int(self[3])


def read_unmade(late: UnmadePrediction) -> Prediction | BufferedRow:
    """Read a prediction from its tuple, and end its span. Never raises."""
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
                keep_identity(plan, span)
            if span.get_span_context().trace_flags & TraceFlags.SAMPLED:
                context = span.get_span_context()
            span.end(time + elapsed)
        except Exception as fault:
            FAULTS.swallow("span", fault)
    return plan, shape, values, time, elapsed, id, score, decided, None, "", context


def make_prediction(late: UnmadePrediction) -> Prediction:
    """Return a :class:`Prediction` from its tuple; its input and result are not read yet."""
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
    """Read a prediction with the general reader. Never raises."""
    try:
        prediction = make_prediction(late)
    except Exception as fault:
        FAULTS.swallow("read", fault)
        prediction = Prediction(late.plan, None)
    read_deferred(prediction)
    return prediction


def end_deferred(prediction: Prediction, deferred_reading: DeferredReading) -> None:
    """Close a prediction now and read it later. Its span ends later, with the current time. Never raises."""
    elapsed = elapsed_of(prediction)
    try:
        if prediction.fills is not None:  # the outer prediction needs its values now
            end(prediction, deferred_reading.read(), None)
            return
        prediction.closed = True
        leave(prediction)
        prediction.elapsed = elapsed
        prediction.deferred_reading = deferred_reading
        let_go(prediction)
        if not prediction.plan.pipeline.append(prediction, deferred_reading.cost, prediction.count):
            read_deferred(prediction)  # no thread will read it, and the span must end
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
    """End the span of a closed prediction that will not be read. Never raises.

    The span has the model and ``recorded``, because the prediction is counted elsewhere; id, score and features are
    unknown.
    """
    if prediction.deferred_reading is None:
        return
    prediction.deferred_reading = None
    try:
        if prediction.span.is_recording():
            prediction.span.set_attributes(unknown_attributes(prediction.plan))
            keep_identity(prediction.plan, prediction.span)
    except Exception as fault:
        FAULTS.swallow("span", fault)
    _end_span(prediction)


def _end_span(prediction: Prediction) -> None:
    """End the span if it has not ended. Never raises."""
    try:
        span, prediction.span = prediction.span, INVALID_SPAN
        span.end(prediction.time + prediction.elapsed)
    except Exception as fault:
        FAULTS.swallow("span", fault)
