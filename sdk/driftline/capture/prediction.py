"""The open prediction: the object of ``driftline.current()`` and ``with model.prediction()``."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from opentelemetry.trace import INVALID_SPAN

from driftline.faults import FAULTS, logger
from driftline.tables.ids import IDS, id_text

from .absent import ABSENT
from .stage import Stage

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext

    from driftline.inputs.batch import Batch
    from driftline.outputs.output import UnreadResult

    from .call_plan import CallPlan
    from .row_schema import RowSchema

Draft = list[Any]
"""A prediction of ``fast_call.py`` for which no object was requested: plan, shape, values, time, and the id or None.

It costs 0.05 µs, a :class:`Prediction` 0.25 µs. After the call it is empty and stays current: resetting the context
variable would cost 0.1 µs.
"""

OPEN: ContextVar[Any] = ContextVar("driftline_open_prediction", default=None)
"""The current prediction, draft or None; an empty draft if the call is over. Read it with :func:`open_prediction`."""
_MATERIALIZED = 6

_UNSET: dict[str, Any] = {
    "_id": None,
    "_score": ABSENT,
    "_predicted": ABSENT,
    "count": 1,
    "elapsed": 0,
    "error": "",
    "exchange": None,
    "ids": None,
    "inner": None,
    "deferred_reading": None,
    "offered": "",
    "opening": None,
    "open_token": None,
    "output": None,
    "result": ABSENT,
    "span": INVALID_SPAN,
    "span_context": INVALID_SPAN.get_span_context(),
    "span_token": None,
    "started": 0,
    "time": 0,
    "when": ABSENT,
}


class DeferredReading(Protocol):
    """The input and the result of a closed prediction, to be read on the background thread.

    Attributes:
        cost: Approximate size in bytes.
    """

    cost: int

    def read(self) -> Any:
        """Add features, id and slices to the prediction, and return the model's result."""


class RequestScope(Protocol):
    """The web request during which predictions are made."""

    def admit(self, prediction: Prediction, /) -> None:
        """Offer the id of the request to a new prediction."""

    def forget(self, prediction: Prediction, /) -> None:
        """Drop a prediction that was abandoned."""


class LazyPrediction(Protocol):
    """A prediction of a web request that is created on first use."""

    def make(self) -> Prediction | None:
        """Return the prediction; None if the request is over and no prediction was created."""


class Prediction:
    """One prediction, open while the model predicts.

    A change of an attribute after the call has no effect, and Driftline logs it once.

    Attributes:
        id: Text id of the prediction, or the common prefix of a batch's ids. You can set the id while the prediction is
            open.
        score: Score of the model. For a binary model, it is the probability of the positive class. You can set the
            score while the prediction is open.
        predicted: Predicted class or value. You can set it while the prediction is open.

    >>> from driftline import Model
    >>> with Model("churn", task="binary").prediction(features={"amount": 17.5}) as prediction:
    ...     prediction.score, prediction.predicted = 0.25, 0
    >>> prediction.score
    0.25
    """

    __slots__ = (
        "__weakref__",
        "_id",
        "_predicted",
        "_score",
        "batch",
        "closed",
        "count",
        "deferred_reading",
        "elapsed",
        "error",
        "exchange",
        "fills",
        "ids",
        "inner",
        "is_assigned",
        "offered",
        "open_token",
        "outer",
        "output",
        "plan",
        "quick",
        "result",
        "shape",
        "slices",
        "span",
        "span_context",
        "span_token",
        "started",
        "time",
        "values",
        "when",
    )

    _score: Any
    _predicted: Any
    count: int
    elapsed: int
    error: str
    exchange: RequestScope | None
    ids: list[Any] | None
    inner: Prediction | None
    deferred_reading: DeferredReading | None
    offered: str
    open_token: Token[Any] | None
    output: tuple[Any, str, UnreadResult | None] | None
    result: Any
    span: Span
    span_context: SpanContext
    span_token: Token[Context] | None
    started: int
    time: int
    when: Any

    def __init__(self, plan: CallPlan, outer: Prediction | None) -> None:
        self.plan = plan
        self.outer = outer
        self.closed = False
        self.is_assigned = False
        """True if the code set ``score`` or ``predicted``: then the returned value is not the result."""
        self.quick = False
        """True if ``fast_call.py`` opened the prediction for a coroutine, and may close it."""
        self.fills: Prediction | None = None
        self.shape: RowSchema | None = None
        self.values: tuple[Any, ...] | None = None
        self.batch: Batch | None = None
        self.slices: dict[str, Any] | None = None
        self._id: str | None = None

    @classmethod
    def detached(cls) -> Prediction:
        """Return a prediction that accepts every value and is not recorded."""
        prediction = cls.__new__(cls)
        prediction.closed = True
        prediction.quick = prediction.is_assigned = False
        prediction._id = None
        return prediction

    def __getattr__(self, name: str) -> Any:
        """Return the default of an unset field: setting all ten defaults per call would cost 20 ns each.

        Never raises for a field of the class.
        """
        try:
            return _UNSET[name]
        except KeyError:
            raise AttributeError(f"a prediction has no {name!r}") from None

    def take_over(
        self, span: Span | None, span_token: Token[Context] | None, open_token: Token[Any], started: int
    ) -> None:
        """Set the span and the start time of the fast path, if the call requires the general path.

        Args:
            span: Span of the call; None without a span.
            span_token: Token that detaches the span's context.
            open_token: Token that resets the open prediction.
            started: Start of the call, nanoseconds of the monotonic clock.
        """
        self.span, self.span_token = INVALID_SPAN if span is None else span, span_token
        self.open_token, self.started = open_token, started

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the row's fields."""
        return () if self.shape is None else self.shape.names

    @property
    def identified(self) -> bool:
        """True if an id was given or generated."""
        return self._id is not None

    @property
    def scored(self) -> bool:
        """True if the code set a score."""
        return self._score is not ABSENT

    @property
    def decided(self) -> bool:
        """True if the code set a predicted class or value."""
        return self._predicted is not ABSENT

    @property
    def id(self) -> str:
        """Id that joins outcomes to this prediction.

        Default: the id in the web request, if there is one. Otherwise, an id is generated on first use.
        """
        text = self._id
        if text is None:
            try:
                text = self._id = self.offered or IDS.uuid7(self.time)
            except Exception as fault:
                FAULTS.swallow("id", fault)
                return ""
        return text

    @id.setter
    def id(self, value: object) -> None:
        if not self.closed or self._is_nowhere("id"):
            self.identify(value)

    def identify(self, value: object) -> None:
        """Set the id from the input or the result, also after the call. Never raises.

        Args:
            value: Id of any type; a value without a text is ignored.
        """
        text = id_text(value)
        if text:
            self._id = text

    @property
    def score(self) -> Any:
        """Score of the model: one float, or one float per class. For a batch, one such score per row.

        None if no score is set.
        """
        return None if self._score is ABSENT else self._score

    @score.setter
    def score(self, value: Any) -> None:
        if not self.closed or self._is_nowhere("score"):
            self._score = value
            self.is_assigned = True

    @property
    def predicted(self) -> Any:
        """Predicted class, or the value of a regression. For a batch, one class or value per row.

        None if no class or value is set.
        """
        return None if self._predicted is ABSENT else self._predicted

    @predicted.setter
    def predicted(self, value: Any) -> None:
        if not self.closed or self._is_nowhere("predicted"):
            self._predicted = value
            self.is_assigned = True

    def say(self, score: Any = ABSENT, predicted: Any = ABSENT) -> None:
        """Set score and predicted class from the result, also after the call.

        Args:
            score: Score; ``ABSENT`` without a score.
            predicted: Predicted class or value; ``ABSENT`` without one.
        """
        if score is not ABSENT:
            self._score = score
        if predicted is not ABSENT:
            self._predicted = predicted
        self.is_assigned = True

    def copy_assigned(self) -> None:
        """Replace the score and the class that the code set by copies, which later changes do not affect."""
        copy, batch = self.plan.copy_assigned, self.batch
        if self.scored:
            self.say(score=copy(self.score if batch is None else batch.in_order(self.score)))
        if self.decided:
            self.say(predicted=copy(self.predicted if batch is None else batch.in_order(self.predicted)))

    def stage(self, name: str) -> Stage:
        """Trace a part of the prediction, such as the look-up of its features, as a child span.

        The span is named ``"{name} {model}"`` and is the current span inside the ``with`` block, so that the spans of
        a database or an HTTP client are its children. A stage may contain stages. Without a tracer provider, and after
        the call, the block runs without a span. Never raises; what the block raises, the span records.

        Args:
            name: What the stage does, such as ``"features"``; a few different names per model.

        Returns:
            A context manager for ``with``; it returns the OpenTelemetry span, for attributes of your own.

        >>> from driftline import Model
        >>> with Model("churn", task="binary").prediction() as prediction:
        ...     with prediction.stage("features"):
        ...         row = {"amount": 17.5}
        ...     prediction.score = 0.25
        """
        return Stage(None if self.closed else self.plan, name)

    def _is_nowhere(self, action: str) -> bool:
        """Return True for a detached prediction; otherwise log once that a value was set after the call.

        Never raises. The span has ended by then, and the record must contain the same values.
        """
        try:
            model = self.plan.identity.name
        except AttributeError:
            return True
        try:
            if FAULTS.once(f"late {action} {model}"):
                logger.warning(
                    "driftline: the %s of a prediction of %s was set after the call, when its span had ended, so "
                    "it is not changed; set it inside the call, or inside the with block: driftline.current().%s = ...",
                    action, model, action,
                )  # fmt: skip
        except Exception as fault:
            FAULTS.swallow("late", fault)
        return False


def drafted(draft: Draft) -> Prediction | None:
    """Return the prediction of a draft, the same object for every caller; None after its call."""
    try:
        if len(draft) < _MATERIALIZED:
            plan, shape, values, time, id = draft
            prediction = Prediction(plan, None)
            prediction.shape, prediction.values, prediction.time, prediction._id = shape, values, time, id
            draft.append(prediction)  # atomic: two concurrent threads get the same object
        asked_for: Prediction = draft[_MATERIALIZED - 1]
    except (IndexError, ValueError):
        return None
    return asked_for


def open_prediction() -> Prediction | None:
    """Return the newest prediction of this thread or task, closed or not."""
    prediction: Prediction | Draft | None = OPEN.get()
    if not prediction:
        return None
    if isinstance(prediction, list):
        return drafted(prediction)
    if not prediction.closed:
        return prediction
    opening: LazyPrediction | None = prediction.opening  # of a request
    return prediction if opening is None else opening.make() or prediction


def is_over(prediction: Prediction | None) -> bool:
    """Return True if neither a prediction nor one around it is open, and no web request is."""
    while prediction is not None:
        if not prediction.closed or prediction.exchange is not None:
            return False
        prediction = prediction.outer
    return True


def current() -> Prediction | None:
    """Return the open prediction of this thread or task, or None.

    Inside a function that is decorated with ``@model.predict``, this is the prediction of the running call. You can
    read or set its ``id``.

    Returns:
        The innermost open prediction, or None if no prediction is open.

    >>> current() is None
    True
    """
    try:
        prediction = open_prediction()
        while prediction is not None and prediction.closed:
            prediction = prediction.outer
    except Exception as fault:
        FAULTS.swallow("current", fault)
        return None
    return prediction
