"""Record the most common calls quickly: one dict as input; a number, a class or a row of probabilities as result.

``call.py`` has the same steps for every kind of call, at 4 µs more per call on a span of 20 µs, because Python pays for
each function and property: 1.3 times a bare span instead of 1.1. A coroutine function has two halves, with calls of
other tasks between them. Keep the three variants equal: ``tests/sdk`` runs every case through each.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import INVALID_SPAN, INVALID_SPAN_CONTEXT, TraceFlags, set_span_in_context

from driftline.faults import FAULTS
from driftline.inputs.objects import NO_COLUMNS, are_columns
from driftline.inputs.row import MOST_VALUES, clean, cost_of
from driftline.inputs.texts_and_vectors import TEXT_LIMIT
from driftline.outputs import row_result
from driftline.tables.ids import IDS, id_text
from driftline.tables.text import sendable

from . import call
from .absent import ABSENT
from .call import begin, end
from .call_plan import CallPlan
from .prediction import OPEN, Draft, Prediction, drafted
from .prediction_span import keep_identity, scored_attributes

PATIENCE = 1_000_000
"""Nanoseconds between checks of a tracer that creates no spans (the program has no provider yet). A provider that is
set later is noticed within 1 ms; a check costs 1 µs.
"""
_DRAFTED = 5
_clock = time.perf_counter_ns
_open, _set_open = OPEN.get, OPEN.set
SAMPLED = TraceFlags.SAMPLED


def recorded(plan: CallPlan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls ``function`` and records each call.

    It is a closure: it costs 0.1 µs, binds to instances as any function does, and is pickled by its name.
    """
    position, argument, get_id = plan.position, plan.inputs.argument, plan.inputs.id
    before = position - 1
    shapes, start_span, span_name, append = plan.shapes, plan.start_span, plan.span_name, plan.pipeline.append
    initial = plan.initial_attributes
    score_type, readers = plan.score_type, row_result.readers(plan.identity.task)
    asked_at = ask_again_at = 0  # unix nanoseconds between which a tracer that created no span is not checked again
    kind_of, number, text, integer, flag = type, float, str, int, bool  # a builtin is looked up: 0.1 µs in a row of 20
    longest, far = TEXT_LIMIT, 2**63

    @functools.wraps(function)
    def predict(first: Any = ABSENT, /, *rest: Any, **named: Any) -> Any:  # one argument, passed on as one: 40 ns less
        nonlocal asked_at, ask_again_at
        row = first
        if position or first is ABSENT:
            row = rest[before] if len(rest) > before >= 0 else named.get(argument)
        if type(row) is not dict or not plan.quick or _open():
            return any_call(_all(first, rest), named)
        try:
            shape = plan.newest
            try:
                values = shape.take(row) if len(row) == shape.width else None
            except KeyError:
                values = None
            if values is None:  # its names differ from the last row's
                if len(row) > MOST_VALUES:
                    return any_call(_all(first, rest), named)
                names, values = tuple(row), tuple(row.values())
                shape = plan.newest = shapes.get(names) or plan.shape_of(names)
            began = call._now()
            untraced = asked_at <= began < ask_again_at
            extra = 0
            for value in values:
                if kind_of(value) is number:
                    continue
                if kind_of(value) is text:
                    if len(value) <= longest and (untraced or value.isascii() or sendable(value) is value):
                        continue
                elif kind_of(value) is flag or (kind_of(value) is integer and -far <= value < far):
                    continue
                if kind_of(values[0]) not in NO_COLUMNS and are_columns(values, plan.has_vector_rows):
                    return any_call(_all(first, rest), named)
                values = clean(values, shape.id_index)
                extra = cost_of(values)
                break
            id = None
            if get_id is not None:
                id_value = get_id(_all(first, rest), named)
                id = None if id_value is ABSENT else id_text(id_value) or None
            elif shape.id_index is not None:
                id = id_text(values[shape.id_index]) or None
            if shape.guard is not None:
                values = shape.guard(values)
                extra = cost_of(values)
            span = span_token = None
            if not untraced:
                span = start_span(span_name, attributes=initial, start_time=began)
                if span is INVALID_SPAN:
                    asked_at, ask_again_at, span = began, began + PATIENCE, None
                else:
                    span_token = attach(set_span_in_context(span))
        except Exception as fault:
            FAULTS.swallow("begin", fault)
            return any_call(_all(first, rest), named)
        draft: Draft = [plan, shape, values, began, id]
        open_token = None
        try:
            started = _clock()
            try:
                open_token = _set_open(draft)
                result = function(*_all(first, rest), **named) if rest or named else function(first)
                elapsed = _clock() - started
            except BaseException as error:
                end(_taken_over(draft, span, span_token, open_token, started), ABSENT, error)
                raise
            score, decided = result, ""
            if type(result) is not score_type:
                answer = answer_of(plan, readers, result)
                if answer is None:
                    end(_taken_over(draft, span, span_token, open_token, started), result, None)
                    return result
                score, decided = answer
            if len(draft) > _DRAFTED:  # code requested the prediction
                prediction = _taken_over(draft, span, span_token, open_token, started)
                if prediction.is_assigned:
                    end(prediction, result, None)
                    return result
                prediction.closed = True
                id = prediction._id or prediction.offered
            draft.clear()  # empty = over: there was no open prediction before it
        except BaseException:  # also of a signal handler, in any of these lines
            draft.clear()
            raise
        try:
            context = INVALID_SPAN_CONTEXT
            if span is not None and span_token is not None:
                detach(span_token)
                context = span.get_span_context()
                if span.is_recording():
                    if not id:
                        id = IDS.uuid7(began)
                    span.set_attributes(scored_attributes(plan, shape, values, id, score, decided))
                    if plan.may_lose_identity:
                        keep_identity(plan, span)
                elif not context.trace_flags & SAMPLED:  # unused, and keeping it costs 0.15 µs
                    context = INVALID_SPAN_CONTEXT
            cost = shape.cost + extra
            append((plan, shape, values, began, elapsed, id, score, decided, None, "", context), cost, 1)
        except Exception as fault:
            FAULTS.swallow("end", fault)
        if span is not None:
            try:
                span.end(began + elapsed)
            except Exception as fault:
                FAULTS.swallow("span", fault)
        return result

    def any_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record a call with the general steps. Never raises, except what the function raises."""
        prediction = begin(plan, args, kwargs)
        try:
            result = function(*args, **kwargs)
            end(prediction, result, None)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        finally:
            prediction.closed = True
        return result

    return predict


def _all(first: Any, rest: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the positional arguments of a call. Never raises."""
    return rest if first is ABSENT else (first, *rest)


def answer_of(plan: CallPlan, readers: Mapping[type, row_result.Reader], result: Any) -> row_result.Answer | None:
    """Return the score and class of a result that can be read immediately, else None. Never raises."""
    if type(result) is plan.score_type:
        return result, ""
    try:
        read = readers.get(type(result))
        return None if read is None else read(result)
    except Exception as fault:
        FAULTS.swallow("result", fault)
        return None


def _taken_over(draft: Draft, span: Any, span_token: Any, open_token: Any, started: int) -> Prediction:
    """Return the :class:`Prediction` of a call that is not one of the common ones, for ``call.py``. Never raises."""
    try:
        prediction = drafted(draft) or Prediction.detached()
        prediction.take_over(span, span_token, open_token, started)
        draft.clear()
    except Exception as fault:
        FAULTS.swallow("end", fault)
        return _let_go(open_token, span_token, span)
    return prediction


def _let_go(open_token: Any, span_token: Any, span: Any) -> Prediction:
    """Restore the state before a call that cannot be recorded. Never raises."""
    try:
        OPEN.reset(open_token)
        if span is not None:
            detach(span_token)
            span.end()
    except Exception as fault:
        FAULTS.swallow("end", fault)
    return Prediction.detached()


Begin = Callable[[tuple[Any, ...], dict[str, Any]], Prediction]
Finish = Callable[[Prediction, Any], None]


def recorded_async(plan: CallPlan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a coroutine function that calls ``function`` and records each call."""
    start, finish = _halves(plan)

    @functools.wraps(function)
    async def predict(*args: Any, **kwargs: Any) -> Any:
        prediction = start(args, kwargs)
        try:
            result = await function(*args, **kwargs)
            finish(prediction, result)
        except BaseException as error:
            end(prediction, ABSENT, error)
            raise
        finally:
            prediction.closed = True
        return result

    return predict


def _halves(plan: CallPlan) -> tuple[Begin, Finish]:
    """Return the functions that begin a call and that end a call that returned. Neither raises."""
    position, argument, get_id = plan.position, plan.inputs.argument, plan.inputs.id
    shapes, start_span, span_name, append = plan.shapes, plan.start_span, plan.span_name, plan.pipeline.append
    initial = plan.initial_attributes
    readers = row_result.readers(plan.identity.task)

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
            if values is None:  # its names differ from the last row's
                names, values = tuple(row), tuple(row.values())
                shape = plan.newest = shapes.get(names) or plan.shape_of(names)
            if values and values[0].__class__ not in NO_COLUMNS and are_columns(values, plan.has_vector_rows):
                return begin(plan, args, kwargs)
            values = clean(values, shape.id_index)
            prediction = Prediction(plan, None)
            prediction.shape = shape
            if get_id is not None:
                id_value = get_id(args, kwargs)
                if id_value is not ABSENT:
                    prediction.identify(id_value)
            elif shape.id_index is not None:
                prediction.identify(values[shape.id_index])
            prediction.values = values if shape.guard is None else shape.guard(values)
            prediction.time = now = call._now()
            prediction.span = span = start_span(span_name, attributes=initial, start_time=now)
            prediction.span_token = attach(set_span_in_context(span))
        except Exception as fault:
            FAULTS.swallow("begin", fault)
            return begin(plan, args, kwargs)
        try:
            prediction.open_token = OPEN.set(prediction)
            prediction.quick = True
            prediction.started = _clock()
        except BaseException:  # of a signal handler
            prediction.closed = True
            raise
        return prediction

    def finish(prediction: Any, result: Any) -> None:
        """End a call that returned. Never raises."""
        now = _clock()
        answer = answer_of(plan, readers, result) if prediction.quick and not prediction.is_assigned else None
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
                if plan.may_lose_identity:
                    keep_identity(plan, span)
            elif not context.trace_flags & SAMPLED:
                context = INVALID_SPAN_CONTEXT
            id, cost = prediction._id or prediction.offered, shape.cost + cost_of(values)
            append((plan, shape, values, began, elapsed, id, score, decided, None, "", context), cost, 1)
        except Exception as fault:
            FAULTS.swallow("end", fault)
        try:
            span.end(began + elapsed)
        except Exception as fault:
            FAULTS.swallow("span", fault)

    return start, finish
