"""Decorate a function that predicts. The call plan is computed once, before the first call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from opentelemetry import trace

from driftline.capture.call_plan import CallPlan
from driftline.capture.fast_call import recorded, recorded_async
from driftline.capture.generators import recorded_async_generator, recorded_generator
from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.capture.signature import Selectors, callable_like, code_of, name_of, read_signature
from driftline.export.pipeline import SILENT, Pipeline
from driftline.faults import logger
from driftline.inputs.column import libraries_of
from driftline.outputs.output import describe

from .semconv import SCHEMA_URL

_WRAPPERS: tuple[tuple[Callable[[Any], bool], Callable[[CallPlan, Callable[..., Any]], Callable[..., Any]]], ...] = (
    (inspect.iscoroutinefunction, recorded_async),
    (inspect.isgeneratorfunction, recorded_generator),
    (inspect.isasyncgenfunction, recorded_async_generator),
)

_QUEUES = {"celery", "dramatiq", "huey"}
"""Packages whose decorators make tasks: a worker calls the function of the task, and not what is around the task."""


def decorate(
    identity: Identity,
    pipeline: Pipeline,
    selectors: Selectors,
    span_features: bool,
    plans: dict[Any, CallPlan],
    function: Any,
) -> Any:
    """Return a function that calls the given function and records each call as a prediction.

    Args:
        identity: Name, version and task of the model.
        pipeline: Buffer and background thread that receive the record.
        selectors: Sources of features, id, score and other fields; see :meth:`driftline.Model.predict`.
        span_features: Put features on sampled spans.
        plans: Call plans of this decorator by code: a method may be decorated again for each call.
        function: Function, coroutine function, generator function, static or class method, or callable object.

    Returns:
        The recorded function, of the same kind as ``function``.

    Raises:
        TypeError: ``function`` is not callable, the model has no task, or ``read_signature`` refuses a selector.
    """
    name = identity.name
    plain = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    if not callable(plain):
        raise TypeError(
            f"{name}.predict is a decorator and does not make predictions itself: put @{name}.predict above the "
            f"function that predicts, and call that function; the decorator was called with {describe(function).text}"
        )
    if not identity.task.kind:
        raise TypeError(
            f"driftline.Model({name!r}) has no task; "
            "use task='binary', 'multiclass', 'regression' or 'ranking', or pass a baseline"
        )
    for argument in ("id", "time", "score", "predicted"):
        selector = getattr(selectors, argument)
        if not (selector is None or isinstance(selector, str) or callable(selector)):
            raise TypeError(f"{name}.predict({argument}=) takes a name or a function, not {describe(selector).text}")
    queues = sorted(_QUEUES & libraries_of(type(plain)))
    if queues:
        logger.warning(
            "driftline: %s.predict is above the decorator that makes a task of %s, so calls of workers are not "
            "recorded; put @%s.predict below it, directly above the function",
            name, queues[0], name,
        )  # fmt: skip
    inputs, code = read_signature(plain, selectors), code_of(plain)
    plan = None if code is None else plans.get((identity, code, inputs.parameters))
    if plan is None:
        plan = CallPlan(
            *(identity, pipeline, tracer_for(identity, pipeline), name_of(plain), inputs),
            score=selectors.score,
            predicted=selectors.predicted,
            span_features=span_features,
            fix=lambda chosen: f"@{name}.predict({chosen})",
        )
        if code is not None:
            plans[identity, code, inputs.parameters] = plan
    wrapper = next((wrap for test, wrap in _WRAPPERS if _says(test, plain)), recorded)(plan, plain)
    if not isinstance(plain, FunctionType):
        wrapper = callable_like(plain, wrapper)
    return type(function)(wrapper) if plain is not function else wrapper


def tracer_for(identity: Identity, pipeline: Pipeline, scope: str = SCOPE) -> trace.Tracer:
    """Return the tracer of a model; a no-op tracer if ``OTEL_SDK_DISABLED`` is set.

    ``scope``: name of the instrumentation scope; each integration has its own.
    """
    if pipeline is SILENT:
        return trace.NoOpTracer()
    return trace.get_tracer(scope, VERSION, identity.tracer_provider, SCHEMA_URL)


def _says(test: Callable[[Any], bool], function: Any) -> bool:
    """Return True if a function, or the ``__call__`` of an instance, passes a test of ``inspect``."""
    while isinstance(function, functools.partial):
        function = function.func
    return test(function) or test(getattr(type(function), "__call__", None))  # noqa: B004 - not whether, but which
