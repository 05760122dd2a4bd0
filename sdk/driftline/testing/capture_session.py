"""Start and end of a capture: redirect all exports of Driftline, and restore them afterwards."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource

from driftline.capture.call_plan import PLANS, CallPlan
from driftline.export import counters, lifecycle
from driftline.export import pipeline as pipelines
from driftline.export.metrics_reporter import Reporter
from driftline.faults import FAULTS, logger
from driftline.loss_counters import UNRECORDED, UNUSABLE

from .capture_result import Capture
from .clock import Clock, deterministic
from .in_memory import provider_of, stand_in, tap

if TYPE_CHECKING:
    from driftline.export.lifecycle import ManagedPipeline

HOLD_SECONDS = 15.0
"""Seconds that a capture waits for a running request: longer than the maximum duration of one request."""


@contextmanager
def capture(*, clock: Clock | None = None, raising: bool = True) -> Iterator[Capture]:
    """Keep in memory everything that this process records, and send nothing.

    All models are included, whenever they were created. Records from before the capture are not included. Captures can
    be nested: the inner capture gets the records while it is open. A capture covers all threads of this process, and no
    other process.

    Args:
        clock: Clock of Driftline. The time only changes when the test changes it. Default: a clock at 2026-01-01 12:00
            UTC.
        raising: Whether to raise errors inside Driftline, so that the test fails. In production, such errors are never
            raised.

    Yields:
        The capture.

    >>> from driftline import Model
    >>> with capture() as captured:
    ...     Model("churn").outcome("A-1001", actual=1)
    >>> [(outcome.model, outcome.id, outcome.actual) for outcome in captured.outcomes]
    [('churn', 'A-1001', '1')]
    """
    with ExitStack() as stack:
        captured = Capture(Clock() if clock is None else clock, lambda: flush())
        diverted: dict[ManagedPipeline, None] = {}

        def flush() -> None:
            for pipeline in list(diverted):
                pipeline.flush(60.0)

        def divert(pipeline: ManagedPipeline) -> None:
            if not isinstance(pipeline, pipelines.Pipeline):
                return
            reporter = Reporter(lambda: captured._metrics, clock=captured.clock.nanoseconds)
            reporter.close()  # reports only on request, without a thread
            stack.callback(pipeline.divert(captured._records, reporter, HOLD_SECONDS))
            diverted[pipeline] = None

        for pipeline in lifecycle.PIPELINES:
            divert(pipeline)
        _listen(stack, lifecycle.PIPELINES.listeners, divert)
        stack.enter_context(deterministic(captured.clock))  # what is put back above finds the clock as it was
        _take_spans(stack, captured)
        _take_counts(stack, captured)
        _take_confirmations(stack, captured)
        _take_log(stack, captured)
        _start_anew(stack, raising)
        stack.callback(lambda: setattr(captured, "_flush", lambda: None))
        yield captured
        captured._collected()


def _listen(stack: ExitStack, listeners: list[Any], listener: Any) -> None:
    listeners.append(listener)
    stack.callback(listeners.remove, listener)


def _take_spans(stack: ExitStack, captured: Capture) -> None:
    """Redirect the spans of all providers of call plans to the capture."""
    provider = provider_of(captured._sink)
    stack.callback(setattr, captured._sink, "open", False)
    stack.callback(stand_in(provider))
    tapped: list[object] = [provider]

    def take(source: object) -> None:
        if not any(source is tapped_source for tapped_source in tapped):
            tapped.append(source)
            stack.callback(tap(source, captured._sink))

    def of_plan(plan: CallPlan) -> None:
        take(plan.identity.tracer_provider or trace.get_tracer_provider())

    take(trace.get_tracer_provider())
    for plan in PLANS:
        of_plan(plan)
    _listen(stack, PLANS.listeners, of_plan)


def _take_counts(stack: ExitStack, captured: Capture) -> None:
    meters = MeterProvider([captured._reader], Resource({}), shutdown_on_exit=False)
    meters._disabled = False  # OTEL_SDK_DISABLED only concerns exports
    stack.callback(counters.redirect_counts(meters))
    for counter in (UNRECORDED, UNUSABLE):
        stack.callback(vars(counter).update, dict(vars(counter)))
        vars(counter).update(_counts=Counter())


def _take_confirmations(stack: ExitStack, captured: Capture) -> None:
    """Redirect ``Model.outcomes`` to the capture, and hide the program's providers from ``driftline.flush()``."""
    stack.callback(setattr, pipelines, "confirming", pipelines.confirming)
    pipelines.confirming = lambda endpoint: captured._desk  # noqa: ARG005
    closings = list(lifecycle._closings)
    lifecycle._closings.clear()
    stack.callback(lambda: lifecycle._closings.extend(closings))


def _take_log(stack: ExitStack, captured: Capture) -> None:
    handler = _Lines(captured._log)
    stack.callback(logger.settings.setLevel, logger.settings.level)
    stack.callback(logger.settings.removeHandler, handler)
    logger.settings.addHandler(handler)
    logger.settings.setLevel(logging.INFO)


def _start_anew(stack: ExitStack, raising: bool) -> None:
    """Reset the lines that are logged once per process, and give the capture its own errors."""
    stack.callback(vars(FAULTS).update, dict(vars(FAULTS)))
    FAULTS.reset()
    FAULTS.raising = raising
    flag_names = ("has_logged_reading", "has_logged_unread", "has_logged_unknown_class")
    for plan in PLANS:
        stack.callback(vars(plan).update, {name: getattr(plan, name) for name in flag_names})
        vars(plan).update(dict.fromkeys(flag_names, False))


class _Lines(logging.Handler):
    """Log handler that keeps messages."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.INFO)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(record.getMessage())
