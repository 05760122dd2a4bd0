"""Two calls of one estimator about the same rows, such as ``predict_proba`` and then ``predict``: one prediction.

The first call is recorded, and the second adds its answer to it: the score, or the class that the estimator decides,
which can differ from the class of its score (a threshold, a support vector machine). The rows of two calls are compared
by value, because an object may be filled again, and a service may build the same rows twice. The second call may come
from another thread, and after calls about other rows.

The second call must come before the first is encoded, at most a second later. After the first pair of an estimator, its
first calls wait for the second: their spans end on the background thread, which gives the last of them some time.
"""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from driftline.capture.absent import ABSENT
from driftline.capture.prediction import Prediction
from driftline.faults import FAULTS
from driftline.inputs.batch import Batch
from driftline.inputs.readers import reader_for

PATIENCE = 0.05
"""Seconds that the background thread gives a call that has just ended: a pair takes some milliseconds."""
_MOST_CALLS = 1000
"""Recent calls of an estimator whose second call may come; as many rows as are encoded in a second at most."""
_MOST_EQUAL = 8
"""Recent calls about equal rows, such as those of several requests."""
_VALUES = 8
"""Values of a column from which the number of a batch is computed."""
_CELLS = 64


@dataclass(slots=True)
class FirstCall:
    """A recorded call that another method of its estimator may complete.

    Attributes:
        prediction: Dead once its record is encoded.
        samples: The samples object; dead, or None for a list.
        cells: Some cells of an array, to notice new values after the record is encoded.
        methods: Methods that have been called for these rows.
        session: Session of the pipeline: a call of one test does not complete a call of another.
    """

    prediction: weakref.ref[Prediction]
    samples: weakref.ref[Any] | None
    cells: bytes
    methods: set[str]
    session: object
    waiting: weakref.ref[WaitingResult] | None = None


@dataclass(slots=True, weakref_slot=True)
class WaitingResult:
    """The result of a first call, read on the background thread after the second call or after ``PATIENCE`` seconds.

    Attributes:
        result: A plain score or class; ``ABSENT`` if they are assigned to the prediction.
        cost: Approximate size in bytes.
    """

    result: Any
    cost: int
    ended: float = field(default_factory=time.monotonic)
    caller: int = field(default_factory=threading.get_ident)
    completed: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Any:
        """Return the result; the thread of the call does not wait for itself."""
        if threading.get_ident() != self.caller:
            self.completed.wait(max(0.0, self.ended + PATIENCE - time.monotonic()))
        return self.result


class RecentCalls:
    """The recent calls of one estimator from all threads, by their rows. The rows are not kept alive."""

    def __init__(self) -> None:
        self._calls: dict[int, list[FirstCall]] = {}
        self._lock = threading.Lock()

    def remember(self, method: str, samples: Any, read: Any, prediction: Prediction) -> FirstCall:
        """Keep a call for the second one. ``read``: the samples as they are recorded, read by :func:`read_rows`."""
        try:
            reference = weakref.ref(samples)
        except TypeError:  # a list
            reference = None
        call = FirstCall(
            weakref.ref(prediction), reference, _some_cells(samples), {method}, prediction.plan.pipeline.session
        )
        key = _key(read)
        with self._lock:
            self._calls[key] = [*self._calls.pop(key, ())[1 - _MOST_EQUAL :], call]
            if len(self._calls) > _MOST_CALLS:
                del self._calls[next(iter(self._calls))]
        return call

    def first_call(self, method: str, samples: Any, read: Any, session: object) -> FirstCall | None:
        """Return the newest call about the same rows that this call completes; None if there is none.

        A second call of the same method is another prediction. ``read``: the samples as they are recorded.
        """
        for call in reversed(self._calls.get(_key(read), ())):
            if method in call.methods or call.session != session or not _is_about(call, samples, read):
                continue
            with self._lock:
                if method not in call.methods:
                    call.methods.add(method)
                    return call
        return None


def read_rows(rows: Any) -> Any:
    """Return the names and values of a row, or the batch of several rows."""
    return reader_for(rows.__class__)(rows)


def _key(read: Any) -> int:
    """Return a number that is equal for equal rows: from the values of a row, or some values of a batch."""
    try:
        if isinstance(read, tuple):
            values = read[1]
        else:
            width = read.width()
            columns = (np.asarray(read.values(at))[:_VALUES].tolist() for at in {0, width // 2, width - 1})
            values = [read.count, *chain.from_iterable(columns)]
        return hash(tuple(value for value in values if value == value))  # NaN differs from itself
    except Exception as fault:  # values without a hash, the matrix of a booster
        FAULTS.let_signals_pass(fault)
        return len(read[1]) if isinstance(read, tuple) else getattr(read, "count", 0)


def _is_about(call: FirstCall, samples: Any, read: Any) -> bool:
    same_object = call.samples is not None and call.samples() is samples
    prediction = call.prediction()
    if prediction is None:
        return same_object and call.cells == _some_cells(samples)
    return _has_rows(prediction, read, same_object=same_object)


def complete(call: FirstCall, method: str, score: Any, predicted: Any) -> None:
    """Add the answer of the second call to the prediction of the first; without effect once its record is encoded."""
    prediction, waiting = call.prediction(), call.waiting() if call.waiting is not None else None
    if prediction is None:
        return
    result = prediction.result if waiting is None else waiting.result
    if result is not ABSENT:
        prediction.say(**{"predicted" if isinstance(result, str) else "score": result})
    if score is not ABSENT and not prediction.scored:
        prediction.say(score=prediction.plan.copy_assigned(score))
    if predicted is not ABSENT and (method == "predict" or not prediction.decided):
        prediction.say(predicted=prediction.plan.copy_assigned(predicted))
    prediction.output = None
    if waiting is not None:
        waiting.result = ABSENT
        waiting.completed.set()


def _some_cells(samples: Any) -> bytes:
    if isinstance(samples, np.ndarray) and samples.dtype.kind in "fiub":
        return samples.reshape(-1)[:: max(1, samples.size // _CELLS)].tobytes()
    return b""


def _has_rows(prediction: Prediction, read: Any, *, same_object: bool) -> bool:
    """Return True if the recorded rows of a prediction are these rows; of an object that cannot be read, the same."""
    if isinstance(read, tuple):
        names, values = read
        shape = prediction.shape
        if shape is None or prediction.values is None or (names is not None and names != shape.names):
            return False
        return _equal(prediction.values, values if shape.guard is None else shape.guard(values))
    if not isinstance(read, Batch) or prediction.batch is None:
        return same_object
    batch = prediction.batch
    if (batch.count, batch.width(), batch.names()) != (read.count, read.width(), read.names()):
        return False
    arrays = getattr(batch, "array", None), getattr(read, "array", None)
    if all(isinstance(array, np.ndarray) and array.dtype.kind in "fiub" for array in arrays):
        return _equal(*arrays)
    try:
        return all(_equal(batch.values(at), read.values(at)) for at in range(batch.width()))
    except NotImplementedError:  # a matrix of a booster
        return same_object


def _equal(first: Any, second: Any) -> bool:
    """Return True if two columns, arrays or rows have the same values; NaN equals NaN."""
    one, other = np.asarray(first), np.asarray(second)
    if one.dtype.kind in "fiub" and other.dtype.kind in "fiub":
        return np.array_equal(one, other, equal_nan=True)
    pairs = zip(one.tolist(), other.tolist(), strict=False)
    return len(one) == len(other) and all(a is b or a == b or (a != a and b != b) for a, b in pairs)
