"""Begin and end a recorded call of any kind; ``fast_call.py`` inlines the common call.

A call takes a snapshot of the input, starts a span if it is sampled, runs the function, and appends one entry. All
other work runs on the background thread. Each of our steps is guarded, so the function returns and raises the same as
before.

A signal handler may raise in the middle of a step, such as a time limit of Celery or Ctrl-C in a notebook. Its error
reaches the caller, as it would without us, and the interrupted prediction must not stay open: later calls would be
taken for its inner ones. So whoever opens a prediction closes it in a ``finally``, even if :func:`end` could not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from driftline.faults import FAULTS
from driftline.loss_counters import UNREAD_RESULT, UNREADABLE_INPUT, UNRECORDED
from driftline.tables.ids import IDS

from .buffer import measure_entry
from .call_plan import CallPlan
from .prediction import OPEN, Prediction, is_over, open_prediction
from .prediction_span import abandoned_attributes, keep_identity, span_attributes
from .snapshot import fill, learn, take_inputs, take_result
from .span_errors import error_type, record_error

if TYPE_CHECKING:
    from contextvars import Token

_now = time.time_ns
_clock = time.perf_counter_ns


def begin(plan: CallPlan, args: tuple[Any, ...] | None, kwargs: dict[str, Any], *, current: bool = True) -> Prediction:
    """Open a prediction: take the snapshot, start the span and the clock. Never raises.

    ``args``: arguments of the call; None if they are not known yet. ``current``: whether the prediction and its span
    are the current ones until :func:`end`; an iteration makes them current for each step instead.
    """
    try:
        outer = open_prediction()
        if outer is not None and is_over(outer):  # interrupted before it could restore what was current before it
            OPEN.set(None)
            outer = None
        prediction = Prediction(plan, outer)
    except Exception as fault:
        FAULTS.swallow("begin", fault)
        return Prediction.detached()
    try:
        if args is not None:
            take_inputs(prediction, plan, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("inputs", fault)
        UNRECORDED.add((plan.identity.name, UNREADABLE_INPUT))
    try:
        try:
            prediction.time = now = _now()
            if outer is not None and (same := open_of(plan, outer)) is not None:
                prediction.fills = same
                learn(same, plan.identity.task)
                return prediction
            if outer is not None:
                if (exchange := outer.exchange) is not None:
                    exchange.admit(prediction)
                share_id(prediction, outer)
            prediction.span = span = plan.start_span(plan.span_name, attributes=plan.initial_attributes, start_time=now)
            if current:
                if span is not trace.INVALID_SPAN:  # otherwise no span is current, as before
                    prediction.span_token = context.attach(set_span_in_context(span))
                prediction.open_token = OPEN.set(prediction)
        except Exception as fault:
            FAULTS.swallow("begin", fault)
        prediction.started = _clock()
    except BaseException:  # of a signal handler: the caller never gets the prediction, and would not close it
        prediction.closed = True
        leave(prediction)
        raise
    return prediction


def end(prediction: Prediction, result: Any, error: BaseException | str | None) -> None:
    """Close a prediction: keep the result, finish the span, append the row to the buffer. Never raises.

    ``error``: the exception, or an error type, such as the status of a response.
    """
    if prediction.closed:  # or it was never open
        return
    prediction.closed = True
    if isinstance(error, GeneratorExit):
        error = None  # a caller may stop an iteration early
    try:
        elapsed, plan, span = elapsed_of(prediction), prediction.plan, prediction.span
    except Exception as fault:
        FAULTS.swallow("end", fault)
        return
    try:
        if prediction.fills is not None:  # inside an open prediction of the same model, nothing is counted twice
            take_result(prediction, result)
            if not prediction.fills.closed:  # an iteration may outlive the call that it began in
                fill(prediction.fills, prediction)
            prediction.outer = None
            return
        leave(prediction)
        finish(prediction, span, result, elapsed, error)
        let_go(prediction)
        prediction.span = trace.INVALID_SPAN
        plan.pipeline.append(prediction, *measure_entry(prediction))
    except Exception as fault:
        FAULTS.swallow("end", fault)
    try:
        span.end(prediction.time + elapsed)
    except Exception as fault:
        FAULTS.swallow("span", fault)


def elapsed_of(prediction: Prediction) -> int:
    """Return the nanoseconds since the prediction was opened."""
    return _clock() - prediction.started


def abandon(prediction: Prediction, reason: str) -> None:
    """Close a prediction without a result. Never raises.

    Its span has the reason, and nothing is counted or recorded.
    """
    if prediction.closed:
        return
    prediction.closed = True
    try:
        if prediction.fills is not None:
            return
        leave(prediction)
        if prediction.exchange is not None:
            prediction.exchange.forget(prediction)
        if prediction.span.is_recording():
            prediction.span.set_attributes(abandoned_attributes(prediction.plan, reason))
            keep_identity(prediction.plan, prediction.span)
    except Exception as fault:
        FAULTS.swallow("abandon", fault)
    try:
        prediction.span.end()
    except Exception as fault:
        FAULTS.swallow("span", fault)


def leave(prediction: Prediction) -> None:
    """Restore the previously current prediction and span, if this prediction replaced them. Never raises."""
    try:
        if prediction.open_token is not None and not is_left(prediction.open_token):
            return
        if prediction.span_token is not None:
            context.detach(prediction.span_token)
    except Exception as fault:
        FAULTS.swallow("leave", fault)


def is_left(token: Token[Any]) -> bool:
    """Restore the previously current prediction; return False if the current context is not that of the token.

    A framework may run both ends of a generator in contexts of their own, as FastAPI does for dependencies that yield.
    What was set in the first context ends with it.
    """
    try:
        OPEN.reset(token)
    except ValueError:
        return False
    return True


def finish(
    prediction: Prediction, span: trace.Span, result: Any, elapsed: int, error: BaseException | str | None
) -> None:
    """Keep the result, and set all attributes of the span."""
    try:
        take_result(prediction, result)
    except Exception as fault:
        UNRECORDED.add((prediction.plan.identity.name, UNREAD_RESULT))
        FAULTS.swallow("result", fault)
    prediction.elapsed = elapsed
    prediction.span_context = span.get_span_context()
    if error is not None:
        prediction.error = error if isinstance(error, str) else error_type(error)
    try:
        if span.is_recording():
            span.set_attributes(span_attributes(prediction))
            keep_identity(prediction.plan, span)
            if isinstance(error, BaseException):
                record_error(span, error, prediction.error, discreet=prediction.plan.identity.discreet)
            elif error is not None:
                span.set_status(Status(StatusCode.ERROR))
    except Exception as fault:
        FAULTS.swallow("span", fault)


def let_go(prediction: Prediction) -> None:
    """Release the references that only an open prediction needs."""
    if prediction.exchange is not None:  # the answer names it; made here, not by two threads at once
        prediction._id = prediction.id
    prediction.outer = prediction.span_token = prediction.open_token = prediction.exchange = None


def open_of(plan: CallPlan, outer: Prediction | None) -> Prediction | None:
    """Return the enclosing open prediction that this call only completes; None if there is none."""
    while outer is not None:
        if not outer.closed and (plan.joins or outer.plan.identity.is_model_of(plan.identity)):
            return outer
        outer = outer.outer
    return None


def share_id(prediction: Prediction, outer: Prediction | None) -> None:
    """Offer the id of an enclosing prediction of another version, such as that of the champion to its shadow.

    Not if the privacy rules differ: one of the versions may hash its ids.
    """
    model = prediction.plan.identity
    while outer is not None:
        around = outer.plan.identity if not outer.closed else None
        if around is not None and (around.name, around.privacy) == (model.name, model.privacy):
            outer.offered = outer.offered or IDS.uuid7(outer.time)
            prediction.offered = outer._id or outer.offered
            if prediction.batch is not None and prediction.ids is None and len(outer.ids or ()) == prediction.count:
                prediction.ids = outer.ids
            return
        outer = outer.outer
