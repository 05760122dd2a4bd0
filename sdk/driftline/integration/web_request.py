"""A web request with predictions: its given id, its prediction, and the id in the response.

An integration creates a :class:`WebRequest` when a request enters the application, and makes it current. It takes the
place of an outer prediction, but is closed, so that :func:`driftline.current` and nested predictions ignore it.

:class:`RequestPrediction` is the prediction of the request itself: eight fields while it is open, and one tuple when it
closes. A ``Prediction`` is only created on first use, because it and the steps of ``call.py`` cost 5 µs of a request,
and four times that if the model has displaced the CPU caches.
"""

from __future__ import annotations

import re
import threading
from contextvars import Token
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from driftline.capture import call
from driftline.capture.deferred import UnmadePrediction, read_unmade
from driftline.capture.prediction import OPEN, Prediction, open_prediction
from driftline.faults import FAULTS

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from driftline.capture.call_plan import CallPlan
    from driftline.capture.deferred import DeferredReader


HEADER = "X-Prediction-Id"
LONGEST_ID = 128
_ID = re.compile(rf"[A-Za-z0-9._:@+/=~-]{{1,{LONGEST_ID}}}", re.ASCII)


def header_id(text: str) -> str:
    r"""Return an id if it is valid in a header, "" if it is too long or has other characters.

    >>> header_id("A-1001"), header_id("A 1001"), header_id("A\r\nSet-Cookie: a=b"), header_id("9" * 129)
    ('A-1001', '', '', '')
    """
    return text if _ID.fullmatch(text) else ""


class WebRequest(Prediction):
    """The link between a web request and its predictions.

    The first prediction of each version of a model gets the given id, unless the code or the input sets another. The
    response has the id of the first prediction. ``is_unused``: there was no prediction in the request, and no open one
    around it. ``answer_id``: id of the response if no ``Prediction`` was created; ``opening``: the open
    :class:`RequestPrediction`.

    Args:
        given: Id of the request; "" for none. An id that :func:`header_id` refuses is ignored.
    """

    __slots__ = ("_first", "_models", "answer_id", "is_unused", "opening", "request_id")

    closed = True

    def __init__(self, given: str = "") -> None:
        self.exchange = self
        # a route of the application in which this one is mounted
        self.outer = open_prediction() if OPEN.get() else None
        self.answer_id = ""
        self.opening: RequestPrediction | None = None
        self.request_id = ""
        if given:
            self.request_id = header_id(given)
            self._models: set[tuple[str, str]] = set()
        self._first: Prediction | None = None
        self.is_unused = self.outer is None

    def enter(self) -> Token[Prediction | None]:
        """Make the request current; pass the returned token to :meth:`leave`, in the same context."""
        return OPEN.set(self)

    def leave(self, token: Token[Prediction | None]) -> None:
        """Restore the previous prediction."""
        try:
            OPEN.reset(token)
        except Exception as fault:
            FAULTS.swallow("exchange", fault)
        self.exchange = self.outer = None  # a reference cycle would wait for the garbage collector

    def admit(self, prediction: Prediction) -> None:
        """Offer the id to a new prediction."""
        prediction.exchange = self
        self.is_unused = False
        if self._first is None:
            self._first = prediction
        if self.request_id:
            model = prediction.plan.identity.name, prediction.plan.identity.version
            if model not in self._models:
                self._models.add(model)
                prediction.offered = self.request_id

    def forget(self, prediction: Prediction) -> None:
        """Drop a prediction that was abandoned."""
        if self._first is prediction:
            self._first = None

    def answer(self) -> str:
        """Return the id for the response: "" without a prediction, or if each row of a batch has its own id."""
        first = self._first
        if first is None:
            return self.answer_id
        if first.ids is not None:
            return ""
        batch, id_field = first.batch, first.plan.inputs.id_field
        if batch is not None and id_field and id_field in (batch.names() or ()):
            return ""
        return header_id(first.id) if first.identified else first.id  # generated ids are valid in a header


PATIENCE = 100_000_000
"""Nanoseconds between checks of a tracer that creates no spans. Requests are rare enough that the millisecond of
``fast_call.py`` would check at each request.
"""
_MAKE_LOCK = threading.RLock()
_NOWHERE = WebRequest()


class RequestPrediction:
    """The open prediction of a web request.

    Attributes:
        plan: Call plan of the route.
        span: As in a prediction; None if there is no tracer.
        time: As in a prediction.
        started: As in a prediction.
        prediction: None until first use; created immediately in unusual cases: without a request around it, or if the
            request already has a prediction.
        closed: True after the end.
        id: Id of the response; "" before there is one.
    """

    __slots__ = (
        "_open_token",
        "_span_token",
        "closed",
        "exchange",
        "id",
        "plan",
        "prediction",
        "span",
        "started",
        "time",
    )

    plan: CallPlan
    exchange: WebRequest
    span: Span | None
    time: int
    started: int
    _open_token: Token[Any] | None
    _span_token: Token[Context] | None

    prediction: Prediction | None
    closed: bool
    id: str

    def open(self, plan: CallPlan) -> None:
        """Open the prediction and its span, current until :meth:`leave`. Never raises."""
        self.plan = plan
        self.prediction = None
        self.closed = False
        self.id = ""
        self.span = self._span_token = self._open_token = None
        exchange = OPEN.get()
        if not isinstance(exchange, WebRequest) or not exchange.is_unused:
            self._open_at_once()
            return
        self.exchange = exchange
        exchange.is_unused = False
        exchange.opening = self
        self.time = now = call._now()
        if not 0 <= now - plan.last_tracer_check < PATIENCE:
            try:
                span = plan.start_span(plan.span_name, attributes=plan.initial_attributes, start_time=now)
                if span is INVALID_SPAN:
                    plan.last_tracer_check = now
                else:
                    self.span = span
                    self._span_token = attach(set_span_in_context(span))
            except Exception as fault:
                FAULTS.swallow("begin", fault)
        self.started = call._clock()

    def _open_at_once(self) -> None:
        self.exchange = _NOWHERE
        prediction = self.prediction = call.begin(self.plan, None, {})
        self._open_token, self._span_token = prediction.open_token, prediction.span_token
        prediction.open_token = prediction.span_token = None

    def make(self) -> Prediction | None:
        """Return the prediction, created on first use; None if the request is over and none was created."""
        if self.prediction is None and not self.closed:
            with _MAKE_LOCK:
                if self.prediction is None:
                    prediction = Prediction(self.plan, self.exchange)
                    prediction.time, prediction.started = self.time, self.started
                    if self.span is not None:
                        prediction.span = self.span
                    if self.id:
                        prediction.identify(self.id)
                    self.exchange.admit(prediction)
                    self.prediction = prediction
        return self.prediction

    def close(self, reader: DeferredReader, cost: int, request: Any, response: Any) -> None:
        """Close a prediction that was never created, and let ``reader`` read it on the background thread.

        ``cost``: approximate size of request and response in bytes. Never raises.
        """
        elapsed = call._clock() - self.started
        self.closed = True
        try:
            late = UnmadePrediction((reader, cost, self.time, elapsed, self.id, self.span, request, response))
            if not self.plan.pipeline.append(late, cost, 1):
                read_unmade(late)  # no thread will read it, and the span must end
        except Exception as fault:
            FAULTS.swallow("end", fault)

    def leave(self) -> None:
        """Restore the previous prediction, in the context in which this one was opened. Never raises."""
        try:
            if self._open_token is None:
                self.exchange.opening = None
            else:
                OPEN.reset(self._open_token)
            if self._span_token is not None:
                detach(self._span_token)
        except Exception as fault:
            FAULTS.swallow("leave", fault)
