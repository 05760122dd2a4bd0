"""A stage of a prediction, such as the look-up of its features, as a child span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import context
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from driftline.faults import FAULTS
from driftline.semconv import attributes as a
from driftline.tables.text import sendable

from .span_errors import error_type, record_error

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .call_plan import CallPlan


class Stage:
    """The context manager of :meth:`Prediction.stage`; reusable, but not while it is open.

    Args:
        plan: The plan of the prediction; None = nothing is traced.
        name: Name of the stage.
    """

    __slots__ = ("_name", "_plan", "_span", "_token")

    def __init__(self, plan: CallPlan | None, name: str) -> None:
        """Keep what the span needs. Never raises."""
        self._plan, self._name = plan, name
        self._span: Span = INVALID_SPAN
        self._token: Any = None

    def __enter__(self) -> Span:
        """Start the span, make it current and return it. Never raises."""
        try:
            if self._plan is not None:
                identity, name = self._plan.identity, sendable(str(self._name))
                attributes = {a.ML_MODEL_NAME: identity.name, a.DRIFTLINE_PREDICTION_STAGE: name}
                span = self._plan.start_span(f"{name} {identity.name}", attributes=attributes)
                if span is not INVALID_SPAN:
                    self._span, self._token = span, context.attach(set_span_in_context(span))
        except Exception as fault:
            FAULTS.swallow("stage", fault)
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """End the span, with the error that the stage raised. Never raises itself."""
        span, token, self._span, self._token = self._span, self._token, INVALID_SPAN, None
        try:
            if token is not None:
                context.detach(token)
            if isinstance(error, GeneratorExit):
                error = None  # a caller may stop an iteration early
            if error is not None and self._plan is not None and span.is_recording():
                name = error_type(error)
                span.set_attribute(a.ERROR_TYPE, name)
                record_error(span, error, name, discreet=self._plan.identity.discreet)
            span.end()
        except Exception as fault:
            FAULTS.swallow("stage", fault)
