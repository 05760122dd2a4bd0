"""A web request in which predictions are made: the id that it came with, its prediction, the id of the answer.

An integration makes a :class:`WebRequest` where a request enters the application, and makes it current. It stands where
an outer prediction would, but is closed, so that :func:`driftline.current` and nesting look past it.

:class:`RequestPrediction` is the prediction of the request itself. A ``Prediction`` is made only where somebody asks
for it. Eight fields are held while it is open, and one tuple when it closes. A ``Prediction`` and the steps of
``call.py`` cost 5 µs of a request, and four times that where the model has taken the processor's caches.
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
    """Return an id that may stand in a header, "" for any other text: too long, or with other characters.

    >>> header_id("A-1001"), header_id("A 1001"), header_id("A\\r\\nSet-Cookie: a=b"), header_id("9" * 129)
    ('A-1001', '', '', '')
    """
    return text if _ID.fullmatch(text) else ""


class WebRequest(Prediction):
    """The link between a web request and the predictions made for it.

    The first prediction of each model takes it, unless the code or the input says another. The first prediction's id is
    the answer's. ``is_unused``: no prediction was made in it, and none was open around it. ``answer_id``: the answer's
    id where its prediction was never made; ``opening``: that prediction, as long as it is open, a
    :class:`RequestPrediction`.

    Args:
        given: The id that the request came with, "" for none; what :func:`header_id` refuses is none.
    """

    __slots__ = ("_first", "_models", "answer_id", "is_unused", "opening", "request_id")

    closed = True

    def __init__(self, given: str = "") -> None:
        self.exchange = self
        # the route of an application that this one is mounted in
        self.outer = open_prediction() if OPEN.get() else None
        self.answer_id = ""
        self.opening: RequestPrediction | None = None
        self.request_id = ""
        if given:
            self.request_id = header_id(given)
            self._models: set[str] = set()
        self._first: Prediction | None = None
        self.is_unused = self.outer is None

    def enter(self) -> Token[Prediction | None]:
        """Make it current; give what this returns to :meth:`leave`, in the same context."""
        return OPEN.set(self)

    def leave(self, token: Token[Prediction | None]) -> None:
        """Make current what was before."""
        try:
            OPEN.reset(token)
        except Exception as fault:
            FAULTS.swallow("exchange", fault)
        self.exchange = self.outer = None  # it pointed at itself, and would wait for the garbage collector

    def admit(self, prediction: Prediction) -> None:
        """Let a prediction that opens know the id that is offered to it."""
        prediction.exchange = self
        self.is_unused = False
        if self._first is None:
            self._first = prediction
        if self.request_id:
            name = prediction.plan.identity.name
            if name not in self._models:
                self._models.add(name)
                prediction.offered = self.request_id

    def forget(self, prediction: Prediction) -> None:
        """Let go of a prediction that turned out to be none."""
        if self._first is prediction:
            self._first = None

    def answer(self) -> str:
        """Return the id to answer with: "" where nothing was predicted, or where each row of a batch has its own."""
        first = self._first
        if first is None:
            return self.answer_id
        if first.ids is not None:
            return ""
        batch, id_field = first.batch, first.plan.inputs.id_field
        if batch is not None and id_field and id_field in (batch.names() or ()):
            return ""
        return header_id(first.id) if first.identified else first.id  # what is made here is fit for a header


PATIENCE = 100_000_000
"""Nanoseconds after which a tracer that made no span at all is asked again: a request comes seldom enough that
the millisecond of ``fast_call.py`` would ask each time."""
_MAKE_LOCK = threading.RLock()
_NOWHERE = WebRequest()


class RequestPrediction:
    """The prediction that is open while a web request is handled.

    Attributes:
        plan: Of the place where the model predicts.
        span: As of a prediction; ``span`` is None where there is no tracer.
        time: As of a prediction; ``span`` is None where there is no tracer.
        started: As of a prediction; ``span`` is None where there is no tracer.
        prediction: None as long as nobody asked; it is made at once where anything is unusual: no exchange around it,
            or one that has a prediction already.
        closed: It is over.
        id: What the answer says, "" before there is one.
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
        """Open it, and its span, which is the current one until :meth:`leave`. Never raises."""
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
                span = plan.start_span(plan.span_name, start_time=now)
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
        """Return the prediction, the same to whoever asks; None where it is over and was never made."""
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
        """Close what nobody asked for, and let ``reader`` read on the background thread what was given and returned.

        ``cost``: bytes that both hold, about. Never raises.
        """
        elapsed = call._clock() - self.started
        self.closed = True
        try:
            late = UnmadePrediction((reader, cost, self.time, elapsed, self.id, self.span, request, response))
            if not self.plan.pipeline.append(late, cost, 1):
                read_unmade(late)  # no thread will, and the span must end
        except Exception as fault:
            FAULTS.swallow("end", fault)

    def leave(self) -> None:
        """Make current what was before, in the context in which it was opened. Never raises."""
        try:
            if self._open_token is None:
                self.exchange.opening = None
            else:
                OPEN.reset(self._open_token)
            if self._span_token is not None:
                detach(self._span_token)
        except Exception as fault:
            FAULTS.swallow("leave", fault)
