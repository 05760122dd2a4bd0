"""Estimators that are watched: which ones, by which model, and what one of their calls leaves behind.

An estimator is watched because somebody named it (``model.instrument(estimator)``) or because its library is
instrumented as a whole. Named ones are remembered by identity and by a weak reference: nothing is written on them, so
that a pickle, a copy or a clone is as plain as the class, and is not watched until somebody names it.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from driftline.faults import FAULTS, logger
from driftline.prediction import ABSENT, current

from . import methods
from .fitted import READINGS, Fitted, last_step, look, mark
from .methods import Method
from .outermost import comes_from_outside, of_a_library
from .samples import rows_of

if TYPE_CHECKING:
    from driftline.model import Model
    from driftline.prediction import Prediction
    from driftline.recorder import Recorder

PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function")
TRAINING = ("fit", "partial_fit", "fit_predict", "fit_transform", "score")
"""Wrapped only where the class is none of a library's: a library's own frames say that it is at work."""
NAMED = "named"
"""The owner of what is wrapped for estimators that somebody named."""


class Watched:
    """One estimator and the model by whose name its predictions are recorded.

    ``joins``: whether, inside an open prediction of any model, it only fills in what that one lacks.
    ``only``: the methods whose calls are predictions.
    """

    def __init__(
        self,
        model: Model,
        estimator: Any,
        *,
        joins: bool = False,
        only: Sequence[str] = PREDICTING,
        **options: Any,
    ) -> None:
        self.model = model
        self.estimator = weakref.ref(estimator, lambda _: _watched.pop(key, None))
        self.only = frozenset(only)
        self.joins = joins
        self._options = options
        self._fitted: Fitted | None = None
        self._told: Model | None = None
        self._recorders: dict[str, Recorder] = {}
        key = id(estimator)

    def learn(self, estimator: Any) -> Fitted | None:
        """Look at the estimator, once per fit. Raises what ``look`` and ``Model.completed`` raise."""
        if self._fitted is None or self._fitted.mark is not mark(estimator):
            self._recorders, self._told = {}, None
            self._fitted = look(estimator)
            if self._fitted is not None:
                fitted = self._fitted
                self._told = self.model.completed(fitted.task, fitted.classes or None, fitted.positive)
        return self._fitted

    def open(self, method: str, estimator: Any, samples: Any) -> tuple[Recorder, Prediction, Fitted] | None:
        """Open a prediction; None where the call is none."""
        try:
            fitted = self.learn(estimator)
        except (TypeError, ValueError) as error:
            if FAULTS.once(f"estimator {self.model.name} {type(estimator).__name__}"):
                logger.warning("driftline: %s is not recorded: %s", type(estimator).__name__, error)
            return None
        if fitted is None or (fitted.kind, method) not in READINGS:
            return None
        if self.joins and (outer := current()) is not None and not fitted.suits(outer.plan.identity.task):
            return None
        recorder = self._recorders.get(method) or self._recorder(method, estimator, fitted)
        return recorder, recorder.open(rows_of(samples)), fitted

    def _recorder(self, method: str, estimator: Any, fitted: Fitted) -> Recorder:
        from driftline.recorder import Recorder

        name = f"{type(estimator).__name__}.{method}"
        recorder = self._recorders[method] = Recorder(
            self._told or self.model, name, feature_names=fitted.names, joins=self.joins, **self._options
        )
        return recorder


_watched: dict[int, Watched] = {}
_answered: ContextVar[tuple[int, weakref.ref[Any], set[str]] | None] = ContextVar("driftline_answered", default=None)


def nameless(estimator: Any) -> Watched:
    """Watch an estimator that nobody has named, by the name that the environment gives, else by that of its class."""
    from driftline import Model
    from driftline.settings import read

    name = read("DRIFTLINE_MODEL_NAME") or type(last_step(estimator)).__name__
    return Watched(Model(name, version=read("DRIFTLINE_MODEL_VERSION")), estimator, joins=True)


def watch(watched: Watched, estimator: Any) -> None:
    """Record what an estimator predicts from now on."""
    _watched[id(estimator)] = watched
    kind = type(estimator)
    methods.wrap_resolved(kind, PREDICTING, call, NAMED)
    if not of_a_library(kind.__module__):
        methods.wrap_resolved(kind, TRAINING, call, NAMED)


def forget(estimator: Any) -> None:
    """Record nothing of an estimator any more."""
    _watched.pop(id(estimator), None)
    if not _watched:
        methods.restore(NAMED)


def call(
    method: Method, estimator: Any, bound: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a wrapped method, and record it where it is a prediction."""
    opened = None
    try:
        opened = _open(method, estimator, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    if opened is None:
        return bound(*args, **kwargs)
    recorder, prediction, fitted = opened
    try:
        result = bound(*args, **kwargs)
    except BaseException as error:
        recorder.close(prediction, ABSENT, error)
        raise
    try:
        task = (prediction.fills or prediction).plan.identity.task
        score, predicted = READINGS[fitted.kind, method.name](result, fitted, task)
        if score is not ABSENT:
            prediction.score = score
        if predicted is not ABSENT:
            prediction.predicted = predicted
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    recorder.close(prediction, result)
    return result


def _open(
    method: Method, estimator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Recorder, Prediction, Fitted] | None:
    """Open a prediction where this call is one."""
    name = method.name
    watched = _watched.get(id(estimator))
    if watched is None and method.owners <= {NAMED}:
        return None
    if name not in PREDICTING or not comes_from_outside(sys._getframe(3)):
        return None
    if watched is None:
        watched = _watched[id(estimator)] = nameless(estimator)
    if name not in watched.only:
        return None
    samples = args[0] if args else next(iter(kwargs.values()), ABSENT)
    if _answered_already(name, estimator, samples):
        return None
    return watched.open(name, estimator, samples)


def _answered_already(name: str, estimator: Any, samples: Any) -> bool:
    """Say whether another method of the estimator has just answered for the very same object.

    A service that asks for probabilities and then for the decision makes one prediction. The same method asked again
    is another one: the object may be a buffer that was filled anew.
    """
    last = _answered.get()
    if last is not None and last[0] == id(estimator) and last[1]() is samples and name not in last[2]:
        last[2].add(name)
        return True
    try:
        _answered.set((id(estimator), weakref.ref(samples), {name}))
    except TypeError:  # a list: it has no weak references
        _answered.set(None)
    return False
