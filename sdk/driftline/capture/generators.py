"""Wrap a generator that predicts: one prediction from its first step to the end of the iteration.

The prediction and its span are current only during a step: each step can run in another thread or context. The context
of a ``with`` block inside the generator is restored at the next step.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any

from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import set_span_in_context

from driftline.faults import FAULTS
from driftline.outputs.named_scores import NamedScores, of_rows
from driftline.outputs.output import UnreadResult

from .absent import ABSENT
from .call import begin, end, is_left
from .call_plan import CallPlan
from .prediction import OPEN, Prediction

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context

MOST_BYTES = 4 * 2**20
"""Bytes kept of the values of one iteration, 58,000 floats. A longer iteration, such as a download, is unread."""
_PER_VALUE = 48  # approximate overhead per value in a list, bytes
_PER_OBJECT = 4096  # assumed bytes of an object that only a selector can read


def recorded_generator(plan: CallPlan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a generator function that calls ``function`` and records each iteration."""

    @functools.wraps(function)
    def predict(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        steps = RecordedIteration(plan, args, kwargs)
        step: Any = None
        sent: Any = None
        try:
            iterator = function(*args, **kwargs)
            step = iterator.send
            while True:
                steps.enter()
                try:
                    value = step(sent)
                except StopIteration as stop:
                    result = stop.value
                    break
                finally:
                    steps.leave()
                steps.keep(value)
                try:
                    step, sent = iterator.send, (yield value)
                except BaseException as thrown:  # GeneratorExit too: close() is that, thrown
                    step, sent = iterator.throw, thrown
        except BaseException as error:
            step = sent = None  # breaks a reference cycle of the exception and its traceback
            steps.close(ABSENT, error)
            raise
        steps.close(result, None)
        return result

    return predict


def recorded_async_generator(plan: CallPlan, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return an async generator function that calls ``function`` and records each iteration."""

    @functools.wraps(function)
    async def predict(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        steps = RecordedIteration(plan, args, kwargs)
        try:
            iterator = function(*args, **kwargs)
            waiting = _first_step(iterator)
            while True:
                steps.enter()
                try:
                    value = await waiting
                except StopAsyncIteration:
                    break
                finally:
                    steps.leave()
                steps.keep(value)
                try:
                    waiting = iterator.asend((yield value))
                except BaseException as thrown:
                    waiting = iterator.athrow(thrown)
        except BaseException as error:
            steps.close(ABSENT, error)
            raise
        steps.close(None, None)

    return predict


def _first_step(iterator: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    """Return the first step of an async generator, hidden from the event loop. Never raises.

    A loop that ends closes all its generators at once; ours, which closes the inner generator, would find it already
    closing. The hooks are read when the first step is created.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return iterator.__anext__()
    finally:
        sys.set_asyncgen_hooks(*hooks)


class RecordedIteration:
    """The steps of one iteration, and the values that they yielded."""

    __slots__ = ("_context", "_open_token", "_prediction", "_room", "_span_token", "_values")

    def __init__(self, plan: CallPlan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Open the prediction of the iteration. Never raises."""
        self._prediction: Prediction = begin(plan, args, kwargs, current=False)
        self._context: Context | None = None
        self._open_token: Token[Prediction | None] | None = None
        self._span_token: Token[Context] | None = None
        self._values: list[Any] = []
        self._room = MOST_BYTES

    def enter(self) -> None:
        """Make the prediction and its span the current ones, for one step. Never raises."""
        try:
            if self._prediction.closed or self._prediction.fills is not None:  # the outer prediction is already current
                return
            if self._context is None:
                self._context = set_span_in_context(self._prediction.span)
            self._span_token = attach(self._context)
            self._open_token = OPEN.set(self._prediction)
        except Exception as fault:
            FAULTS.swallow("step", fault)

    def leave(self) -> None:
        """Restore the prediction and span that were current before the step. Never raises."""
        open_token, span_token = self._open_token, self._span_token
        self._open_token = self._span_token = None
        try:
            if open_token is not None and not is_left(open_token):
                return
            if span_token is not None:
                self._context = get_current()
                detach(span_token)
        except Exception as fault:
            FAULTS.swallow("step", fault)

    def keep(self, value: Any) -> None:
        """Keep a yielded value, which may be the result. Never raises."""
        if self._room < 0 or self._prediction.closed:
            return
        try:
            selective = self._prediction.plan.selective
            stored = value if selective else self._prediction.plan.keep(value)
            self._values.append(stored)
            self._room -= _PER_OBJECT if selective else sys.getsizeof(stored) + _PER_VALUE
            if self._room < 0:
                self._values.clear()
        except Exception as fault:
            FAULTS.swallow("yielded", fault)

    def close(self, returned: Any, error: BaseException | None) -> None:
        """Close the prediction with the returned value, else with the yielded values. Never raises.

        An iteration that is stopped early (``break``, ``close()``, a client that disconnected) is not an error.
        """
        if isinstance(error, GeneratorExit):
            returned = None
        end(self._prediction, self._yielded() if returned is None else returned, error)

    def _yielded(self) -> Any:
        """Return the yielded values as a result. Never raises."""
        if self._room < 0:
            return UnreadResult(f"an iteration over more than {MOST_BYTES >> 20} MiB")
        if len(self._values) == 1:
            return self._values[0]
        try:
            return _rows_of_scores(self._values) or self._values or None
        except Exception as fault:
            FAULTS.swallow("yielded", fault)
            return self._values or None


def _rows_of_scores(values: list[Any]) -> NamedScores | UnreadResult | None:
    """Return values that all are scores with names as those of n rows; None for other values."""
    if not values or not all(isinstance(value, NamedScores) for value in values):
        return None
    description = UnreadResult(f"an iteration over {values[0].description.text}")
    return of_rows(values, description) or description
