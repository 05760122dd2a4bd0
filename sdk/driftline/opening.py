"""A prediction that a web request opens. It is made only where somebody asks for it: most requests need none.

What is open then is known by eight fields, and what is left of it when it closes is one tuple. A ``Prediction``, and
the steps of ``call.py``, cost 5 µs of a request, and four times that where its model took the processor's caches; what
waits for a second as objects costs the next requests fresh memory, besides.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from . import call
from .exchange import Exchange
from .faults import FAULTS
from .later import Late, read
from .prediction import OPEN, Prediction

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from .later import Reader
    from .plan import Plan

PATIENCE = 100_000_000
"""Nanoseconds after which a tracer that made no span at all is asked again: a request comes seldom enough that
``quick.py``'s millisecond would ask each time."""
_ASKING = threading.RLock()
_NOWHERE = Exchange()


class Opening:
    """What is open while a request is handled: its exchange, which is the current one, knows it.

    ``plan``: of the place where the model predicts. ``prediction``: None as long as nobody asked; it is made at once
    where anything is unusual: no exchange around it, or one that has a prediction already. ``id``: what
    the answer says, "" before there is one. ``time``, ``started``, ``span``: as of a prediction; ``span`` is None where
    there is no tracer. ``closed``: it is over.
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

    plan: Plan
    exchange: Exchange
    span: Span | None
    time: int
    started: int
    _open_token: Token[Any] | None
    _span_token: Token[Context] | None

    prediction: Prediction | None
    closed: bool
    id: str

    def open(self, plan: Plan) -> None:
        """Open it, and its span, which is the current one until :meth:`leave`. Never raises."""
        self.plan = plan
        self.prediction = None
        self.closed = False
        self.id = ""
        self.span = self._span_token = self._open_token = None
        exchange = OPEN.get()
        if not isinstance(exchange, Exchange) or not exchange.fresh:
            self._open_at_once()
            return
        self.exchange = exchange
        exchange.fresh = False
        exchange.opening = self
        self.time = now = call._now()
        if not 0 <= now - plan.asked < PATIENCE:
            try:
                span = plan.start_span(plan.span_name, start_time=now)
                if span is INVALID_SPAN:
                    plan.asked = now
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

    def asked(self) -> Prediction | None:
        """Return the prediction, the same to whoever asks; None where it is over and was never made."""
        if self.prediction is None and not self.closed:
            with _ASKING:
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

    def close(self, reader: Reader, cost: int, request: Any, response: Any) -> None:
        """Close what nobody asked for, and let ``reader`` read on the background thread what was given and returned.

        ``cost``: bytes that both hold, about. Never raises.
        """
        elapsed = call._clock() - self.started
        self.closed = True
        try:
            late = Late((reader, cost, self.time, elapsed, self.id, self.span, request, response))
            if not self.plan.pipeline.append(late, cost, 1):
                read(late)  # no thread will, and the span must end
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
