"""The common call, written out: one dict in, one float out, nothing around it.

Most predictions of most services are this. ``call.py`` says the same in steps, for every kind of call; step by step
it costs 4 µs more on a span of 20 (Python pays for each function and property on the way), and that is the difference
between 1.15 times a bare span and 1.3. Keep the two alike: ``tests/sdk`` runs every case through both.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import set_span_in_context

from . import call
from .call import begin, end
from .faults import FAULTS
from .ids import IDS
from .inputs.row import clean
from .plan import Plan
from .prediction import ABSENT, OPEN, Prediction
from .span import scored_attributes

_clock = time.perf_counter_ns


def recorded(plan: Plan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what ``function`` does, and records each call.

    A plain closure: it costs 0.1 µs, binds to instances as any function does, and pickles by its name.
    """
    position, shapes, append = plan.position, plan.shapes, plan.pipeline.append
    start_span, span_name = plan.start_span, plan.span_name

    @functools.wraps(function)
    def predict(*args: Any, **kwargs: Any) -> Any:
        if not (plan.quick and len(args) > position and args[position].__class__ is dict and OPEN.get() is None):
            return any_call(args, kwargs)
        try:
            row = args[position]
            names, values = tuple(row), clean(tuple(row.values()))
            shape = shapes.get(names) or plan.shape_of(names)
            prediction = Prediction(plan, None)
            prediction.shape = shape
            if shape.id_at is not None:
                prediction.id = values[shape.id_at]
            if shape.guard is not None:
                values = shape.guard(values)
            prediction.values = values
            prediction.time = start = call._now()
            span = start_span(span_name, start_time=start)
            span_token = attach(set_span_in_context(span))
        except Exception as fault:
            FAULTS.swallow("begin", fault)
            return any_call(args, kwargs)
        open_token = OPEN.set(prediction)
        started = _clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            prediction.take_over(span, span_token, open_token, started)
            end(prediction, ABSENT, error)
            raise
        if result.__class__ is not float or prediction.said:
            prediction.take_over(span, span_token, open_token, started)
            end(prediction, result, None)
            return result
        elapsed = _clock() - started
        prediction.closed = True
        try:
            OPEN.reset(open_token)
            detach(span_token)
            id = prediction._id
            if span.is_recording():
                if id is None:
                    id = IDS.uuid7(start)
                span.set_attributes(scored_attributes(plan, shape, values, id, result))
            append(
                (plan, shape, values, start, elapsed, id, result, "", None, "", span.get_span_context()), shape.cost, 1
            )
        except Exception as fault:
            FAULTS.swallow("end", fault)
        try:
            span.end(start + elapsed)
        except Exception as fault:
            FAULTS.swallow("span", fault)
        return result

    def any_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        prediction = begin(plan, args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        end(prediction, result, None)
        return result

    return predict
