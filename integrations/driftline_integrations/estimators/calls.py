"""Calls of estimators: which are predictions of a service, of which model, and how they are recorded.

An estimator is recorded because code named it (``model.instrument(estimator)``) or because its library is instrumented.
Named estimators are kept by identity with a weak reference, and nothing is written on them: pickles, copies and clones
are unchanged, and are not recorded until they are named too.

A call is a prediction if it comes from outside: no frame above it belongs to a library of estimators or explanations,
or to a recorded call. Calls of scikit-learn inside ``fit``, cross-validation, a search, ``score``, a scorer,
``permutation_importance``, a pipeline or a forest have scikit-learn's frames above them, also in worker threads and
processes, where a context variable would be lost, and in functions that were imported before us, which wrapping would
miss. A frame costs 55 ns, and for a call from inside the first frame suffices.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, ClassVar

from driftline.capture.absent import ABSENT
from driftline.capture.buffer import measure_entry
from driftline.capture.call import open_of
from driftline.capture.prediction import Prediction, current, open_prediction
from driftline.faults import FAULTS, logger
from driftline.integration.suppression import is_suppressed
from driftline.outputs.output import UnreadResult

from driftline_integrations.instrumentation import methods
from driftline_integrations.instrumentation.identity_map import IdentityMap
from driftline_integrations.instrumentation.methods import WrappedMethod

from .conventions import CONVENTIONAL, READINGS, CallArguments, EstimatorFamily, single_result
from .fitted import FittedEstimator
from .model_names import ModelLeftOut, model_of, warn_other_model
from .pairs import FirstCall, RecentCalls, WaitingResult, complete, read_rows

if TYPE_CHECKING:
    from types import FrameType

    from driftline.integration.recorder import Recorder
    from driftline.model import Model


_LIBRARIES = frozenset(("sklearn", "xgboost", "lightgbm", "catboost", "imblearn", "shap", "lime"))
"""Top-level packages that call estimators internally; shap and lime predict rows that were not requested, to explain
one.
"""
_INTEGRATIONS = frozenset(("sklearn", "xgboost", "lightgbm", "catboost"))
"""Libraries with an integration, which is the instrumentation scope of their spans."""
_THOROUGHFARE = frozenset(("sklearn.utils.parallel", "sklearn.utils._available_if"))
"""Modules that only pass a caller's call on, such as a batch job with scikit-learn's own ``delayed``."""
WRAPPER = "driftline_integrations.instrumentation.methods"
"""Module of the wrappers: its frame means that another recorded call or a fit is running."""

_inside: dict[str, bool] = {}
_MOST_NAMES = 10_000


def is_service_call(frame: FrameType | None) -> bool:
    """Return True if a call with the caller ``frame`` is a prediction of a service."""
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
    """Return True if a module belongs to one of the libraries that call estimators internally."""
    return module.partition(".")[0] in _LIBRARIES


def _scope_of(kind: type) -> str:
    """Return the instrumentation scope of an estimator: that of the first library among its bases."""
    packages = (base.__module__.partition(".")[0] for base in kind.__mro__)
    return f"driftline.{next((package for package in packages if package in _INTEGRATIONS), 'sklearn')}"


def _learn(name: str) -> bool:
    if len(_inside) >= _MOST_NAMES:  # bound for module names that change with every call
        _inside.clear()
    inside = _inside[name] = name == WRAPPER or (is_library_module(name) and name not in _THOROUGHFARE)
    return inside


PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function", "inplace_predict")
TRAINING = ("fit", "partial_fit", "fit_predict", "fit_transform", "score")
"""Wrapped only for classes outside these libraries: calls of the libraries are recognised by their frames."""


@dataclass
class OpenPrediction:
    """A running prediction.

    Attributes:
        reading: Kind of the result, a key of ``READINGS``.
    """

    recorder: Recorder
    prediction: Prediction
    fitted: FittedEstimator
    reading: str
    call: FirstCall | None = None
    waits: bool = False

    def run(self, call: Callable[[], Any]) -> Any:
        """Make the call, and close the prediction, now or with the second call about its rows."""
        if not self.waits or self.call is None:
            return self.recorder.run(self.prediction, call, self.answer)
        try:
            result = answered = call()
            try:
                answered = self.answer(result)
                if self.prediction.is_assigned:
                    answered = ABSENT
                    self.prediction.copy_assigned()
            except Exception as fault:
                FAULTS.swallow("answer", fault)
            waiting = WaitingResult(answered, measure_entry(self.prediction)[0])
            self.call.waiting = weakref.ref(waiting)
            self.recorder.close_later(self.prediction, waiting)
        except BaseException as error:
            self.recorder.close(self.prediction, error=error)
            raise
        return result

    def answer(self, result: Any) -> Any:
        """Convert the result of the call to the result for the recorder.

        If the prediction completes an outer one, the task is that of the outer prediction.
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


@dataclass
class Completion:
    """A running call about the rows of an earlier one, whose prediction it completes.

    Attributes:
        reading: Kind of the result, a key of ``READINGS``.
        prediction: None of its own: one that is not recorded.
    """

    prediction: ClassVar[Prediction] = Prediction.detached()

    call: FirstCall
    method: str
    fitted: FittedEstimator
    reading: str

    def run(self, call: Callable[[], Any]) -> Any:
        """Make the call, and add its answer to the earlier prediction."""
        result = call()
        try:
            prediction = self.call.prediction()
            if prediction is not None:
                task = prediction.plan.identity.task
                if not prediction.plan.has_logged_reading:
                    methods = " and ".join(sorted(self.call.methods))
                    prediction.plan.first_result = UnreadResult(f"the results of {methods}")
                complete(self.call, self.method, *READINGS[self.reading](result, self.fitted, task))
        except Exception as fault:
            FAULTS.swallow("answer", fault)
        return result


class WatchedEstimator:
    """One estimator and the model that records its predictions.

    ``options``: options of its recorders.

    Args:
        library: Library of the integration that named it, "" if no code named it.
        joins: Whether it only completes an open prediction of any model.
        only: Methods whose calls are predictions.
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
        self._recent_calls = RecentCalls()
        self._is_called_twice = False
        """Whether two of its methods have been called about the same rows: then first calls wait for the second."""

    def learn(self, estimator: Any) -> FittedEstimator | None:
        """Describe the estimator, once per fit. Raises what ``look`` and ``Model.completed`` raise."""
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
    ) -> OpenPrediction | Completion | None:
        """Open a prediction, or complete an earlier one; None if the call is not a prediction."""
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
        if not reading or samples is ABSENT:
            return None
        if self.joins and (outer := current()) is not None and not fitted.suits(outer.plan.identity.task):
            return None
        rows = self.family.rows(samples)
        if rows is ABSENT:
            return None
        is_inside = open_of(recorder.plan, open_prediction()) is not None  # it combines all calls within it
        read = first = None
        try:
            if not is_inside:
                read = read_rows(rows)
                first = self._recent_calls.first_call(method, samples, read, recorder.plan.pipeline.session)
        except Exception as fault:  # the call is recorded as a prediction of its own
            FAULTS.swallow("pair", fault)
        if first is not None:
            self._is_called_twice = True
            return Completion(first, method, fitted, reading)
        prediction = recorder.open(rows)
        try:
            if prediction.fills is not None:
                return OpenPrediction(recorder, prediction, fitted, reading)
            call, waits = None, self._is_called_twice or fitted.decides_otherwise
            try:
                call = self._recent_calls.remember(method, samples, read, prediction)
            except Exception as fault:  # the prediction is open
                FAULTS.swallow("pair", fault)
            return OpenPrediction(recorder, prediction, fitted, reading, call, waits)
        except BaseException:  # of a signal handler
            prediction.closed = True
            raise

    def _recorder(
        self, method: str, estimator: Any, bound: Callable[..., Any], fitted: FittedEstimator
    ) -> tuple[Recorder, tuple[str, ...]]:
        """Create the recorder of a method, and look up the names of its parameters, once per fit."""
        from driftline.integration.recorder import Recorder

        name = f"{type(estimator).__name__}.{method}"
        recorder = Recorder(
            self._completed_model,
            name,
            feature_names=fitted.names,
            joins=self.joins,
            scope=_scope_of(type(estimator)),
            **self._options,
        )
        recorder_and_names = self._recorders[method] = recorder, tuple(inspect.signature(bound).parameters)
        return recorder_and_names


_watched = IdentityMap[WatchedEstimator]()
_owners: dict[str, str] = {}
"""Library → owner of the wrapped methods for estimators that were named through it."""


def watch(estimator: Any, watched: WatchedEstimator) -> None:
    """Record an estimator that was named through a library's integration.

    Raises what ``sklearn.instrument`` raises.
    """
    unknown = sorted(watched.only - {*PREDICTING})
    if unknown:
        raise ValueError(f"methods: {unknown[0]!r} is not supported; use one or more of {', '.join(PREDICTING)}")
    if not hasattr(type(estimator), "predict"):
        delegates = hasattr(estimator, "predict")
        raise TypeError(
            f"instrument() records estimators with a predict method of their class, but {type(estimator).__name__} "
            + (
                "uses that of the estimator inside it; instrument that estimator"
                if delegates
                else "has none; decorate the function that predicts instead: @model.predict"
            )
        )
    watched.learn(estimator)
    earlier = _watched.get(estimator)
    if earlier is not None and earlier.library:
        warn_other_model(estimator, earlier.model.name, watched.model.name)
    _watched.set(estimator, watched)
    owner = _owners.setdefault(watched.library, f"named, {watched.library}")
    wrap_estimator_methods(type(estimator), watched.family, owner)


def uninstrument(estimator: Any) -> None:
    """Stop recording an estimator; after the last one, the original methods of its class are restored."""
    watched = _watched.get(estimator)
    _watched.forget(estimator)
    if watched is not None and not any(
        other_estimator.library == watched.library for other_estimator in _watched.values()
    ):
        _restore(watched.library)


def forget_library(library: str) -> None:
    """Stop recording estimators named through a library's integration, and drop the descriptions of unnamed ones."""
    _watched.drop(lambda watched: watched.library in (library, ""))
    _restore(library)


def _restore(library: str) -> None:
    owner = _owners.pop(library, None)
    if owner is not None:
        methods.restore_methods(owner)


def wrap_estimator_methods(kind: type, family: EstimatorFamily, owner: str) -> None:
    """Wrap the methods of a class, own and inherited."""
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
    """Call a wrapped method, and record it if it is a prediction."""
    recorded_call = None
    try:
        watched = _watched_by(family, method, estimator, sys._getframe(2))
        if watched is not None and not is_suppressed():
            recorded_call = watched.ask(method.name, estimator, bound, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    if recorded_call is None:
        return bound(*args, **kwargs)
    try:
        return recorded_call.run(partial(bound, *args, **kwargs))
    finally:
        recorded_call.prediction.closed = True  # also if a signal handler raised before the end


def _watched_by(
    family: EstimatorFamily, method: WrappedMethod, estimator: Any, caller: FrameType
) -> WatchedEstimator | None:
    """Return the watched estimator of a call: a named one, or any if the library is instrumented; None from inside."""
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
    """Record an estimator that no code named; if the file skips it, none of its methods is recorded."""
    from driftline.model import Model

    try:
        return WatchedEstimator(model_of(estimator), family=family, joins=True)
    except ModelLeftOut as reason:
        name = type(estimator).__name__
        if FAULTS.once(f"withheld {name} {reason}"):
            logger.warning("driftline: %s is not recorded: %s", name, reason)
        return WatchedEstimator(Model(name), family=family, only=())
