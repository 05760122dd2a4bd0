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
    """Return the function that calls the given one and records it; the arguments are those of ``Model.predict``.

    Raises ``TypeError`` for what is no function, for a model without a task, and for what ``read_signature`` refuses.
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
    for selector, given in (("id", id), ("time", time), ("score", score), ("predicted", predicted)):
        if not (given is None or isinstance(given, str) or callable(given)):
            raise TypeError(f"{name}.predict({selector}=) takes a name or a function, not {describe(given).text}")
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
    """Return the plan of one function or block, which makes no spans where ``OTEL_SDK_DISABLED`` is set."""
    if pipeline is SILENT:
        tracer: trace.Tracer = trace.NoOpTracer()
    else:
        tracer = trace.get_tracer(SCOPE, VERSION, identity.tracer_provider, SCHEMA_URL)
    return CallPlan(identity, pipeline, tracer, name, inputs, score, predicted, span_features)


def _says(test: Callable[[Any], bool], function: Any) -> bool:
    """Say whether a function, or what an instance runs when it is called, passes a test of ``inspect``."""
    while isinstance(function, functools.partial):
        function = function.func
    return test(function) or test(getattr(type(function), "__call__", None))  # noqa: B004 - not whether, but which
