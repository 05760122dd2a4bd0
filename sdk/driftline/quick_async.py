"""The common call of a coroutine function: ``quick.py`` in two halves, with other calls of other tasks between them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import INVALID_SPAN_CONTEXT, set_span_in_context

from . import answers, call
from .call import begin, end
from .faults import FAULTS
from .inputs.row import MOST_VALUES, clean, cost_of
from .plan import Plan
from .prediction import ABSENT, OPEN, Prediction
from .quick import SAMPLED, answer_of
from .span import scored_attributes

_clock = time.perf_counter_ns

Begin = Callable[[tuple[Any, ...], dict[str, Any]], Prediction]
Finish = Callable[[Prediction, Any], None]


def recorded_async(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function that does what ``function`` does, and records each call."""
    start, finish = _halves(plan)

    @functools.wraps(function)
    async def predict(*args: Any, **kwargs: Any) -> Any:
        prediction = start(args, kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        finish(prediction, result)
        return result

    return predict


def _halves(plan: Plan) -> tuple[Begin, Finish]:
    """Return what begins a call, and what ends it where it returns. Neither raises."""
    position, argument, get_id = plan.position, plan.inputs.argument, plan.inputs.id
    shapes, start_span, span_name, append = plan.shapes, plan.start_span, plan.span_name, plan.pipeline.append
    readers = answers.readers(plan.identity.task)

    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Prediction:
        """Begin a call. Never raises."""
        row = args[position] if len(args) > position else kwargs.get(argument)
        if type(row) is not dict or not plan.quick or OPEN.get() or len(row) > MOST_VALUES:
            return begin(plan, args, kwargs)
        try:
            shape = plan.newest
            try:
                values = shape.take(row) if len(row) == shape.width else None
            except KeyError:
                values = None
            if values is None:  # other names than the last row's
                names, values = tuple(row), tuple(row.values())
                shape = plan.newest = shapes.get(names) or plan.shape_of(names)
            values = clean(values)
            prediction = Prediction(plan, None)
            prediction.shape = shape
            if get_id is not None:
                given = get_id(args, kwargs)
                if given is not ABSENT:
                    prediction.identify(given)
            elif shape.id_at is not None:
                prediction.identify(values[shape.id_at])
            prediction.values = values if shape.guard is None else shape.guard(values)
            prediction.time = now = call._now()
            prediction.span = span = start_span(span_name, start_time=now)
            prediction.span_token = attach(set_span_in_context(span))
        except Exception as fault:
            FAULTS.swallow("begin", fault)
            return begin(plan, args, kwargs)
        prediction.open_token = OPEN.set(prediction)
        prediction.quick = True
        prediction.started = _clock()
        return prediction

    def finish(prediction: Any, result: Any) -> None:
        """End a call that returned. Never raises."""
        now = _clock()
        answer = answer_of(plan, readers, result) if prediction.quick and not prediction.said else None
        if answer is None:
            end(prediction, result, None)
            return
        score, decided = answer
        prediction.closed = True
        shape, values, span, began = prediction.shape, prediction.values, prediction.span, prediction.time
        elapsed = now - prediction.started
        try:
            OPEN.reset(prediction.open_token)
            detach(prediction.span_token)
            context = span.get_span_context()
            if span.is_recording():
                span.set_attributes(scored_attributes(plan, shape, values, prediction.id, score, decided))
            elif not context.trace_flags & SAMPLED:
                context = INVALID_SPAN_CONTEXT
            id, cost = prediction._id, shape.cost + cost_of(values)
            append((plan, shape, values, began, elapsed, id, score, decided, None, "", context), cost, 1)
        except Exception as fault:
            FAULTS.swallow("end", fault)
        try:
            span.end(began + elapsed)
        except Exception as fault:
            FAULTS.swallow("span", fault)

    return start, finish
