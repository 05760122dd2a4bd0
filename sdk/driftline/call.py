"""The wrapper around somebody's function: the hot path.

A snapshot of the input, a span if one is sampled, the call, one append. Everything else happens on the background
thread. Each step of ours is guarded; none of them may change what the function returns or raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .capture import fill, take_inputs, take_result
from .current import ABSENT, OPEN, Prediction
from .faults import FAULTS
from .plan import Plan
from .single import compact
from .span import span_attributes

_now = time.time_ns
_clock = time.perf_counter_ns


def wrapper_of(plan: Plan, *, asynchronous: bool) -> Callable[..., Any]:
    """Return what wrapt calls in place of the function: one prediction, recorded."""

    def call(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        prediction = begin(plan, args, kwargs)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        end(prediction, result, None)
        return result

    async def await_(wrapped: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        prediction = begin(plan, args, kwargs)
        try:
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        end(prediction, result, None)
        return result

    def call_async(wrapped: Callable[..., Any], _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return await_(wrapped, args, kwargs)

    return call_async if asynchronous else call


def begin(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prediction:
    """Open a prediction: take the snapshot, start the span and the clock. Never raises."""
    outer = OPEN.get()
    prediction = Prediction(plan, outer)
    try:
        take_inputs(prediction, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("inputs", fault)
    try:
        name = plan.identity.name
        while outer is not None:
            if outer.plan.identity.name == name and not outer.closed:
                prediction.fills = outer
                return prediction
            outer = outer.outer
        prediction.time = now = _now()
        span = plan.tracer.start_span(plan.span_name, start_time=now)
        prediction.span_token = context.attach(set_span_in_context(span))
        prediction.span = span
        prediction.open_token = OPEN.set(prediction)
    except Exception as fault:
        FAULTS.swallow("begin", fault)
    prediction.started = _clock()
    return prediction


def end(prediction: Prediction, result: Any, error: BaseException | None) -> None:
    """Close a prediction: keep the result, finish the span, hand the row over. Never raises."""
    prediction.duration = (_clock() - prediction.started) * 1e-9
    prediction.closed = True
    try:
        if prediction.open_token is not None:
            OPEN.reset(prediction.open_token)
        if prediction.span_token is not None:
            context.detach(prediction.span_token)
    except Exception as fault:
        FAULTS.swallow("context", fault)
    try:
        take_result(prediction, result)
    except Exception as fault:
        FAULTS.swallow("result", fault)
    try:
        if prediction.fills is not None:  # inside an open prediction of the same model nothing is counted again
            fill(prediction.fills, prediction)
            return
        if error is not None:
            prediction.error = _error_type(error)
        if prediction.span is not None:
            _end_span(prediction, prediction.span, error)
    except Exception as fault:
        FAULTS.swallow("span", fault)
    try:
        prediction.outer = prediction.span = prediction.span_token = prediction.open_token = None
        prediction.plan.pipeline.append(compact(prediction), prediction)
    except Exception as fault:
        FAULTS.swallow("append", fault)


def _end_span(prediction: Prediction, span: trace.Span, error: BaseException | None) -> None:
    span_context = span.get_span_context()
    if span_context.trace_flags & 1:
        prediction.trace_id = span_context.trace_id
        prediction.span_id = span_context.span_id
    if span.is_recording():
        try:
            span.set_attributes(span_attributes(prediction))
        finally:
            if isinstance(error, Exception):
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
            span.end(prediction.time + int(prediction.duration * 1e9))


def _error_type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
