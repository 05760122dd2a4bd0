"""Calls of estimators: which are predictions of a service, of which model, and how they are recorded.

Estimators that are watched: which ones, by which model, and what one of their calls leaves behind.

An estimator is watched because somebody named it (``model.instrument(estimator)``) or because its library is
instrumented as a whole. Named ones are remembered by identity and by a weak reference: nothing is written on them, so
that a pickle, a copy or a clone is as plain as the class, and is not watched until somebody names it.

Who asks: a service, or a library that asks its own estimators on the way.

A prediction is a call that comes from outside: no frame above it belongs to a library of estimators or explanations,
or to a call that is recorded already. What scikit-learn does inside ``fit``, cross-validation, a search, ``score``,
a scorer, ``permutation_importance``, a pipeline or a forest has its own frames above it, in its worker threads and
processes as well, where a context variable would be lost; and in functions that were imported before us, which
wrapping would miss. A frame costs 55 ns, and a call from inside ends at the first.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from driftline.capture.absent import ABSENT
from driftline.capture.prediction import current
from driftline.faults import FAULTS, logger

from driftline_integrations.instrumentation import methods
from driftline_integrations.instrumentation.identity_map import IdentityMap
from driftline_integrations.instrumentation.methods import WrappedMethod

from .conventions import CONVENTIONAL, READINGS, CallArguments, EstimatorFamily, single_result
from .fitted import FittedEstimator
from .model_names import ModelLeftOut, model_of

if TYPE_CHECKING:
    from types import FrameType

    from driftline.capture.prediction import Prediction
    from driftline.integration.recorder import Recorder
    from driftline.model import Model


_LIBRARIES = frozenset(("sklearn", "xgboost", "lightgbm", "catboost", "imblearn", "shap", "lime"))
"""Top-level packages that call estimators on the way; the last two ask about rows that nobody sent, to explain one."""
_THOROUGHFARE = frozenset(("sklearn.utils.parallel", "sklearn.utils._available_if"))
"""Modules that only pass on a call of whoever uses them, such as a batch job with scikit-learn's own ``delayed``."""
WRAPPER = "driftline_integrations.instrumentation.methods"
"""The module of the wrappers: its frame means that an estimator is being asked, or fitted, already."""

_inside: dict[str, bool] = {}
_MOST_NAMES = 10_000


def is_service_call(frame: FrameType | None) -> bool:
    """Return True where a call whose caller is ``frame`` is one of a service."""
    while frame is not None:
        name = frame.f_globals.get("__name__")
        inside = _inside.get(name) if name.__class__ is str else False
        if inside is None:
            inside = _learn(str(name))
        if inside:
            return False
        frame = frame.f_back
    return True


def is_library_module(module: str) -> bool:
    """Return True where a module belongs to one of the libraries that call estimators on the way."""
    return module.partition(".")[0] in _LIBRARIES


def _learn(name: str) -> bool:
    if len(_inside) >= _MOST_NAMES:  # modules whose names change with every call
        _inside.clear()
    inside = _inside[name] = name == WRAPPER or (is_library_module(name) and name not in _THOROUGHFARE)
    return inside


PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function", "inplace_predict")
TRAINING = ("fit", "partial_fit", "fit_predict", "fit_transform", "score")
"""Wrapped only where the class is none of a library's: a library's own frames say that it is at work."""


@dataclass
class OpenPrediction:
    """A prediction under way.

    Attributes:
        reading: What the result is, a key of ``READINGS``.
    """

    recorder: Recorder
    prediction: Prediction
    fitted: FittedEstimator
    reading: str

    def answer(self, result: Any) -> Any:
        """Take what was returned, and return what the recorder is to be told of it.

        The task is that of the prediction which this one fills in, if it does.
        """
        prediction = self.prediction
        task = (prediction.fills or prediction).plan.identity.task
        score, predicted = reading = READINGS[self.reading](result, self.fitted, task)
        if (
            prediction.batch is None
            and prediction.fills is None
            and (plain := single_result(reading, task)) is not None
        ):
            return plain
        if score is not ABSENT:
            prediction.score = score
        if predicted is not ABSENT:
            prediction.predicted = predicted
        return result


class WatchedEstimator:
    """One estimator and the model by whose name its predictions are recorded.

    ``options``: of its recorders.

    Args:
        library: Through whose integration somebody named it, "" where nobody did.
        joins: Whether, inside an open prediction of any model, it only fills in what that one lacks.
        only: The methods whose calls are predictions.
    """

    def __init__(
        self,
        model: Model,
        *,
        family: EstimatorFamily = CONVENTIONAL,
        library: str = "",
        joins: bool = False,
        only: Sequence[str] = PREDICTING,
        **options: Any,
    ) -> None:
        self.library = library
        self.model = model
        self.family = family
        self.only = frozenset(only)
        self.joins = joins
        self._options = options
        self._fitted: FittedEstimator | None = None
        self._mark: object = None
        self._completed_model = model
        self._recorders: dict[str, tuple[Recorder, tuple[str, ...]]] = {}

    def learn(self, estimator: Any) -> FittedEstimator | None:
        """Look at the estimator, once per fit. Raises what ``look`` and ``Model.completed`` raise."""
        mark = self.family.mark(estimator)
        if self._fitted is None or not (mark is self._mark or (isinstance(mark, tuple) and mark == self._mark)):
            self._recorders, self._fitted, self._mark = {}, None, mark
            fitted = self.family.look(estimator)
            if fitted is not None:
                classes = len(fitted.classes) if fitted.coded else fitted.classes
                learn = self.model.completed if self.joins else self.model.learn
                self._completed_model = learn(fitted.task, classes or None, fitted.positive)
                self._fitted = fitted
        return self._fitted

    def ask(
        self, method: str, estimator: Any, bound: Callable[..., Any], args: tuple[Any, ...], kwargs: CallArguments
    ) -> OpenPrediction | None:
        """Open a prediction; None where the call is none."""
        try:
            fitted = self.learn(estimator)
        except (TypeError, ValueError) as error:
            if FAULTS.once(f"estimator {self.model.name} {type(estimator).__name__}"):
                logger.warning("driftline: %s is not recorded: %s", type(estimator).__name__, error)
            return None
        if fitted is None:
            return None
        recorder, names = self._recorders.get(method) or self._recorder(method, estimator, bound, fitted)
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        samples = arguments.get(names[0] if names else "", ABSENT)
        reading = self.family.reading(fitted, method, arguments)
        if not reading or samples is ABSENT or _answered_already(method, estimator, samples):
            return None
        if self.joins and (outer := current()) is not None and not fitted.suits(outer.plan.identity.task):
            return None
        rows = self.family.rows(samples)
        return None if rows is ABSENT else OpenPrediction(recorder, recorder.open(rows), fitted, reading)

    def _recorder(
        self, method: str, estimator: Any, bound: Callable[..., Any], fitted: FittedEstimator
    ) -> tuple[Recorder, tuple[str, ...]]:
        """Make the recorder of a method, and look up the names of its parameters, once per fit."""
        from driftline.integration.recorder import Recorder

        name = f"{type(estimator).__name__}.{method}"
        recorder = Recorder(self._completed_model, name, feature_names=fitted.names, joins=self.joins, **self._options)
        recorder_and_names = self._recorders[method] = recorder, tuple(inspect.signature(bound).parameters)
        return recorder_and_names


_watched = IdentityMap[WatchedEstimator]()
_owners: dict[str, str] = {}
"""By library, who wants methods wrapped for the estimators that somebody named through it."""
_answered: ContextVar[tuple[int, weakref.ref[Any], set[str]] | None] = ContextVar("driftline_answered", default=None)


def watch(estimator: Any, watched: WatchedEstimator) -> None:
    """Watch an estimator for somebody who named it through a library's integration.

    Raises what ``sklearn.instrument`` raises.
    """
    unknown = sorted(watched.only - {*PREDICTING})
    if unknown:
        raise ValueError(f"methods: {unknown[0]!r} is not supported; use one or more of {', '.join(PREDICTING)}")
    if not hasattr(type(estimator), "predict"):
        raise TypeError(
            f"instrument() records estimators with a predict method, but {type(estimator).__name__} has none; "
            "decorate the function that predicts instead: @model.predict"
        )
    watched.learn(estimator)
    _watched.set(estimator, watched)
    owner = _owners.setdefault(watched.library, f"named, {watched.library}")
    wrap_estimator_methods(type(estimator), watched.family, owner)


def uninstrument(estimator: Any) -> None:
    """Record nothing of an estimator any more; with the last one, the methods of its class are the library's again."""
    watched = _watched.get(estimator)
    _watched.forget(estimator)
    if watched is not None and not any(
        other_estimator.library == watched.library for other_estimator in _watched.values()
    ):
        _restore(watched.library)


def forget_library(library: str) -> None:
    """Record nothing any more of what was named through a library's integration; look anew at what nobody named."""
    _watched.drop(lambda watched: watched.library in (library, ""))
    _restore(library)


def _restore(library: str) -> None:
    owner = _owners.pop(library, None)
    if owner is not None:
        methods.restore_methods(owner)


def wrap_estimator_methods(kind: type, family: EstimatorFamily, owner: str) -> None:
    """Wrap the methods that objects of a class have."""
    around = partial(record_call, family)
    methods.wrap_inherited_methods(kind, PREDICTING, around, owner)
    for base in kind.__mro__[:-1]:
        if not is_library_module(base.__module__):
            methods.wrap_methods(base, TRAINING, around, owner)


def record_call(
    family: EstimatorFamily,
    method: WrappedMethod,
    estimator: Any,
    bound: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a wrapped method, and record it where it is a prediction."""
    open_prediction = None
    try:
        watched = _watched_by(family, method, estimator, sys._getframe(2))
        if watched is not None:
            open_prediction = watched.ask(method.name, estimator, bound, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    if open_prediction is None:
        return bound(*args, **kwargs)
    try:
        result = bound(*args, **kwargs)
    except BaseException as error:
        open_prediction.recorder.close(open_prediction.prediction, ABSENT, error)
        raise
    answer = result
    try:
        answer = open_prediction.answer(result)
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    open_prediction.recorder.close(open_prediction.prediction, answer)
    return result


def _watched_by(
    family: EstimatorFamily, method: WrappedMethod, estimator: Any, caller: FrameType
) -> WatchedEstimator | None:
    """Return who watches this call: for a named estimator, or where the library is instrumented; None from inside."""
    watched = _watched.get(estimator)
    if watched is None and (method.owners <= {*_owners.values()} or method.name not in PREDICTING):
        return None
    if watched is not None and method.name not in watched.only:
        return None
    if not is_service_call(caller):
        return None
    if watched is None:
        watched = _watch_unnamed(family, estimator)
        _watched.set(estimator, watched)
    return watched if method.name in watched.only else None


def _watch_unnamed(family: EstimatorFamily, estimator: Any) -> WatchedEstimator:
    """Watch an estimator that nobody has named; one that the file withholds, in none of its methods."""
    from driftline.model import Model

    try:
        return WatchedEstimator(model_of(estimator), family=family, joins=True)
    except ModelLeftOut as reason:
        name = type(estimator).__name__
        if FAULTS.once(f"withheld {name} {reason}"):
            logger.warning("driftline: %s is not recorded: %s", name, reason)
        return WatchedEstimator(Model(name), family=family, only=())


def _answered_already(method: str, estimator: Any, samples: Any) -> bool:
    """Return True where another method of the estimator has just answered for the very same object.

    A service that asks for probabilities and then for the decision makes one prediction. The same method asked again
    is another one: the object may be a buffer that was filled anew.
    """
    last = _answered.get()
    if last is not None and last[0] == id(estimator) and last[1]() is samples and method not in last[2]:
        last[2].add(method)
        return True
    try:
        _answered.set((id(estimator), weakref.ref(samples), {method}))
    except TypeError:  # a list: it has no weak references
        _answered.set(None)
    return False
