"""Decorate a function that predicts: its call plan is worked out once, before the first call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from opentelemetry import trace

from driftline.capture.call_plan import CallPlan
from driftline.capture.fast_call import recorded, recorded_async
from driftline.capture.generators import recorded_async_generator, recorded_generator
from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.capture.signature import Inputs, Selector, callable_like, name_of, read_signature
from driftline.export.pipeline import SILENT, Pipeline
from driftline.outputs.output import describe

from .semconv import SCHEMA_URL

_WRAPPERS: tuple[tuple[Callable[[Any], bool], Callable[[CallPlan, Callable[..., Any]], Callable[..., Any]]], ...] = (
    (inspect.iscoroutinefunction, recorded_async),
    (inspect.isgeneratorfunction, recorded_generator),
    (inspect.isasyncgenfunction, recorded_async_generator),
)


def decorate(
    identity: Identity,
    pipeline: Pipeline,
    function: Any,
    *,
    id: Selector | None,
    features: Selector | Sequence[str] | None,
    score: Selector | None,
    predicted: Selector | None,
    slices: Selector | Sequence[str] | None,
    time: Selector | None,
    span_features: bool,
) -> Any:
    """Return a function that calls the given function and records each call as a prediction.

    Args:
        identity: Name, version and task of the model.
        pipeline: Buffer and background thread that take the record.
        function: Function, coroutine function, generator function, static or class method, or callable object.
        id: Selector of the id; see :meth:`driftline.Model.predict` for all selectors.
        features: Selector of the features.
        score: Selector of the score.
        predicted: Selector of the predicted class or value.
        slices: Selector of the slices.
        time: Selector of the prediction's time.
        span_features: Put features on sampled spans.

    Returns:
        The recorded function, of the same kind as ``function``.

    Raises:
        TypeError: ``function`` is not callable, the model has no task, or ``read_signature`` refuses a selector.
    """
    name = identity.name
    plain = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    if not callable(plain):
        raise TypeError(
            f"{name}.predict decorates the function that predicts, it does not make predictions: put "
            f"@{name}.predict above that function, and call the function; it was given "
            f"{describe(function).text}"
        )
    if not identity.task.kind:
        raise TypeError(
            f"driftline.Model({name!r}) has no task; "
            "say task='binary', 'multiclass', 'regression' or 'ranking', or give a baseline"
        )
    for selector, argument in (("id", id), ("time", time), ("score", score), ("predicted", predicted)):
        if not (argument is None or isinstance(argument, str) or callable(argument)):
            raise TypeError(f"{name}.predict({selector}=) takes a name or a function, not {describe(argument).text}")
    inputs = read_signature(plain, features, id, slices, time)
    plan = plan_of(identity, pipeline, name_of(plain), inputs, score, predicted, span_features)
    wrapper = next((wrap for test, wrap in _WRAPPERS if _says(test, plain)), recorded)(plan, plain)
    if not isinstance(plain, FunctionType):
        wrapper = callable_like(plain, wrapper)
    return type(function)(wrapper) if plain is not function else wrapper


def plan_of(
    identity: Identity,
    pipeline: Pipeline,
    name: str,
    inputs: Inputs,
    score: Selector | None = None,
    predicted: Selector | None = None,
    span_features: bool = True,
) -> CallPlan:
    """Return the call plan of one function or block; without spans where ``OTEL_SDK_DISABLED`` is set.

    Args:
        identity: Name, version and task of the model.
        pipeline: Buffer and background thread that take the record.
        name: Name of the function or block, for the span.
        inputs: Places of features, id, slices and time in the arguments.
        score: Selector of the score.
        predicted: Selector of the predicted class or value.
        span_features: Put features on sampled spans.

    Returns:
        The plan that every call of the function follows.
    """
    if pipeline is SILENT:
        tracer: trace.Tracer = trace.NoOpTracer()
    else:
        tracer = trace.get_tracer(SCOPE, VERSION, identity.tracer_provider, SCHEMA_URL)
    return CallPlan(identity, pipeline, tracer, name, inputs, score, predicted, span_features)


def _says(test: Callable[[Any], bool], function: Any) -> bool:
    """Return True where a function, or the ``__call__`` of an instance, passes a test of ``inspect``."""
    while isinstance(function, functools.partial):
        function = function.func
    return test(function) or test(getattr(type(function), "__call__", None))  # noqa: B004 - not whether, but which
