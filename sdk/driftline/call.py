"""The wrapper around somebody's function: the hot path.

A snapshot of the input, a span if one is sampled, the call, one append. Everything else happens on the background
thread. Each step of ours is guarded; none of them may change what the function returns or raises.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .capture import fill, take_inputs, take_result
from .faults import FAULTS
from .ids import IDS
from .inputs.row import clean
from .plan import Plan
from .prediction import ABSENT, OPEN, Prediction
from .single import measure
from .span import scored_attributes, slice_attributes, span_attributes

_now = time.time_ns
_clock = time.perf_counter_ns


def recorded(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what ``function`` does, and records each call as a prediction.

    A plain closure: it costs 0.1 µs, binds to instances as any function does, and pickles by its name.
    """

    @functools.wraps(function)
    def predict(*args: Any, **kwargs: Any) -> Any:
        prediction = begin(plan, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        end(prediction, result, None)
        return result

    @functools.wraps(function)
    async def predict_async(*args: Any, **kwargs: Any) -> Any:
        prediction = begin(plan, args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        end(prediction, result, None)
        return result

    return predict_async if inspect.iscoroutinefunction(function) else predict


def begin(plan: Plan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prediction:
    """Open a prediction: take the snapshot, start the span and the clock. Never raises."""
    outer = OPEN.get()
    prediction = Prediction(plan, outer)
    try:
        value = args[plan.position] if len(args) > plan.position else None
        if value.__class__ is dict and plan.first_input is not None:
            # The many: one argument that is a dict, and nothing else to select. The general way costs twice as much.
            names = tuple(value)
            values = clean(tuple(value.values()))
            prediction.shape = shape = plan.shapes.get(names) or plan.shape_of(names)
            prediction.values = values
            if shape.id_at is not None:
                prediction.id = values[shape.id_at]
        else:
            take_inputs(prediction, plan, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("inputs", fault)
    try:
        prediction.time = now = _now()
        if outer is not None and (same := _open_of(plan.identity.name, outer)) is not None:
            prediction.fills = same
            return prediction
        prediction.span = span = plan.start_span(plan.span_name, start_time=now)
        prediction.span_token = context.attach(set_span_in_context(span))
        prediction.open_token = OPEN.set(prediction)
    except Exception as fault:
        FAULTS.swallow("begin", fault)
    prediction.started = _clock()
    return prediction


def end(prediction: Prediction, result: Any, error: BaseException | None) -> None:
    """Close a prediction: keep the result, finish the span, hand the row over. Never raises."""
    elapsed = _clock() - prediction.started
    prediction.closed = True
    plan, span = prediction.plan, prediction.span
    try:
        if prediction.fills is not None:  # inside an open prediction of the same model nothing is counted again
            take_result(prediction, result)
            fill(prediction.fills, prediction)
            prediction.outer = None
            return
        if prediction.open_token is not None:
            OPEN.reset(prediction.open_token)
        if prediction.span_token is not None:
            context.detach(prediction.span_token)
        values, shape = prediction.values, prediction.shape
        if result.__class__ is float and plan.quick and not prediction.said and values is not None and shape:
            # The many: one row whose result is one float. The general way, step by step, costs a third more.
            id = prediction._id
            span_context = span.get_span_context()
            if span.is_recording():
                if id is None:
                    id = IDS.uuid7(prediction.time)
                attributes = scored_attributes(plan, shape, values, id, result)
                if prediction.slices:
                    attributes.update(slice_attributes(prediction.slices))
                span.set_attributes(attributes)
            sampled = span_context if span_context.trace_flags & 1 else None
            row = (plan, shape, values, prediction.time, elapsed, id, result, "", prediction.slices, "", sampled)
            plan.pipeline.append(row, shape.cost, 1)
        else:
            _end_any(prediction, plan, span, result, elapsed, error)
    except Exception as fault:
        FAULTS.swallow("end", fault)
    finally:
        span.end(prediction.time + elapsed)


def _end_any(
    prediction: Prediction, plan: Plan, span: trace.Span, result: Any, elapsed: int, error: BaseException | None
) -> None:
    """Record whatever else: batches, classes, arrays, unread results, errors."""
    try:
        take_result(prediction, result)
    except Exception as fault:
        FAULTS.swallow("result", fault)
    prediction.elapsed = elapsed
    span_context = span.get_span_context()
    prediction.span_context = span_context if span_context.trace_flags & 1 else None
    if error is not None:
        prediction.error = _error_type(error)
    try:
        if span.is_recording():
            span.set_attributes(span_attributes(prediction))
            if isinstance(error, Exception):
                span.record_exception(error)
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
    except Exception as fault:
        FAULTS.swallow("span", fault)
    prediction.outer = prediction.span_token = prediction.open_token = None
    prediction.span = trace.INVALID_SPAN
    plan.pipeline.append(prediction, *measure(prediction))


def _open_of(name: str, outer: Prediction | None) -> Prediction | None:
    """Return the open prediction of the model of that name, if there is one around this call."""
    while outer is not None:
        if outer.plan.identity.name == name and not outer.closed:
            return outer
        outer = outer.outer
    return None


def _error_type(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
