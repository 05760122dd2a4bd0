"""Estimators that are watched: which ones, by which model, and what one of their calls leaves behind.

An estimator is watched because somebody named it (``model.instrument(estimator)``) or because its library is
instrumented as a whole. Named ones are remembered by identity and by a weak reference: nothing is written on them, so
that a pickle, a copy or a clone is as plain as the class, and is not watched until somebody names it.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from driftline.faults import FAULTS, logger
from driftline.prediction import ABSENT, current

from . import methods
from .family import CONVENTIONAL, Family, Given
from .fitted import Fitted
from .identities import ByIdentity
from .methods import Method
from .naming import Withheld, model_of
from .outermost import comes_from_outside, of_a_library
from .readings import READINGS, alone

if TYPE_CHECKING:
    from types import FrameType

    from driftline.model import Model
    from driftline.prediction import Prediction
    from driftline.recorder import Recorder

PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function", "inplace_predict")
TRAINING = ("fit", "partial_fit", "fit_predict", "fit_transform", "score")
"""Wrapped only where the class is none of a library's: a library's own frames say that it is at work."""


@dataclass
class Asked:
    """A prediction under way. ``reading``: what the result is, a key of ``READINGS``."""

    recorder: Recorder
    prediction: Prediction
    fitted: Fitted
    reading: str

    def answer(self, result: Any) -> Any:
        """Take what was returned, and return what the recorder is to be told of it.

        The task is that of the prediction which this one fills in, if it does.
        """
        prediction = self.prediction
        task = (prediction.fills or prediction).plan.identity.task
        score, predicted = said = READINGS[self.reading](result, self.fitted, task)
        if prediction.batch is None and prediction.fills is None and (plain := alone(said, task)) is not None:
            return plain
        if score is not ABSENT:
            prediction.score = score
        if predicted is not ABSENT:
            prediction.predicted = predicted
        return result


class Watched:
    """One estimator and the model by whose name its predictions are recorded.

    ``library``: through whose integration somebody named it, "" where nobody did.
    ``joins``: whether, inside an open prediction of any model, it only fills in what that one lacks.
    ``only``: the methods whose calls are predictions. ``options``: of its recorders.
    """

    def __init__(
        self,
        model: Model,
        *,
        family: Family = CONVENTIONAL,
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
        self._fitted: Fitted | None = None
        self._mark: object = None
        self._told = model
        self._recorders: dict[str, tuple[Recorder, tuple[str, ...]]] = {}

    def learn(self, estimator: Any) -> Fitted | None:
        """Look at the estimator, once per fit. Raises what ``look`` and ``Model.completed`` raise."""
        mark = self.family.mark(estimator)
        if self._fitted is None or not (mark is self._mark or (isinstance(mark, tuple) and mark == self._mark)):
            self._recorders, self._fitted, self._mark = {}, None, mark
            fitted = self.family.look(estimator)
            if fitted is not None:
                classes = len(fitted.classes) if fitted.coded else fitted.classes
                learn = self.model.completed if self.joins else self.model.learn
                self._told = learn(fitted.task, classes or None, fitted.positive)
                self._fitted = fitted
        return self._fitted

    def ask(
        self, method: str, estimator: Any, bound: Callable[..., Any], args: tuple[Any, ...], kwargs: Given
    ) -> Asked | None:
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
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        samples = given.get(names[0] if names else "", ABSENT)
        reading = self.family.reading(fitted, method, given)
        if not reading or samples is ABSENT or _answered_already(method, estimator, samples):
            return None
        if self.joins and (outer := current()) is not None and not fitted.suits(outer.plan.identity.task):
            return None
        rows = self.family.rows(samples)
        return None if rows is ABSENT else Asked(recorder, recorder.open(rows), fitted, reading)

    def _recorder(
        self, method: str, estimator: Any, bound: Callable[..., Any], fitted: Fitted
    ) -> tuple[Recorder, tuple[str, ...]]:
        """Make the recorder of a method, and look up the names of its parameters, once per fit."""
        from driftline.recorder import Recorder

        name = f"{type(estimator).__name__}.{method}"
        recorder = Recorder(self._told, name, feature_names=fitted.names, joins=self.joins, **self._options)
        made = self._recorders[method] = recorder, tuple(inspect.signature(bound).parameters)
        return made


_watched = ByIdentity[Watched]()
_owners: dict[str, str] = {}
"""By library, who wants methods wrapped for the estimators that somebody named through it."""
_answered: ContextVar[tuple[int, weakref.ref[Any], set[str]] | None] = ContextVar("driftline_answered", default=None)


def instrument(
    model: Model,
    estimator: Any,
    *,
    library: str,
    family: Family = CONVENTIONAL,
    methods: Sequence[str] | None = None,
    id: str = "",
    time: str = "",
    span_features: bool = True,
) -> None:
    """Watch an estimator for somebody who named it through a library's integration.

    The other arguments and what is raised are those of ``sklearn.instrument``.
    """
    only = PREDICTING if methods is None else (methods,) if isinstance(methods, str) else tuple(methods)
    unknown = [name for name in only if name not in PREDICTING]
    if unknown:
        raise ValueError(f"methods are some of {', '.join(PREDICTING)}, but {unknown[0]!r} is not one of them")
    if not hasattr(type(estimator), "predict"):
        raise TypeError(
            f"instrument() records estimators with a predict method, and {type(estimator).__name__} has none; "
            "decorate the function that predicts instead: @model.predict"
        )
    options: dict[str, Any] = {"id_field": id, "time_field": time, "span_features": span_features}
    watched = Watched(model, family=family, library=library, only=only, **options)
    watched.learn(estimator)
    _watched.set(estimator, watched)
    wrap_for(type(estimator), family, _owners.setdefault(library, f"named, {library}"))


def uninstrument(estimator: Any) -> None:
    """Record nothing of an estimator any more; with the last one, the methods of its class are the library's again."""
    watched = _watched.get(estimator)
    _watched.forget(estimator)
    if watched is not None and not any(other.library == watched.library for other in _watched.values()):
        _restore(watched.library)


def forget(library: str) -> None:
    """Record nothing any more of what was named through a library's integration; look anew at what nobody named."""
    _watched.drop(lambda watched: watched.library in (library, ""))
    _restore(library)


def _restore(library: str) -> None:
    owner = _owners.pop(library, None)
    if owner is not None:
        methods.restore(owner)


def wrap_for(kind: type, family: Family, owner: str) -> None:
    """Wrap the methods that objects of a class have."""
    around = partial(call, family)
    methods.wrap_resolved(kind, PREDICTING, around, owner)
    for base in kind.__mro__[:-1]:
        if not of_a_library(base.__module__):
            methods.wrap(base, TRAINING, around, owner)


def call(
    family: Family,
    method: Method,
    estimator: Any,
    bound: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Call a wrapped method, and record it where it is a prediction."""
    asked = None
    try:
        watched = _watched_by(family, method, estimator, sys._getframe(2))
        if watched is not None:
            asked = watched.ask(method.name, estimator, bound, args, kwargs)
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    if asked is None:
        return bound(*args, **kwargs)
    try:
        result = bound(*args, **kwargs)
    except BaseException as error:
        asked.recorder.close(asked.prediction, ABSENT, error)
        raise
    answer = result
    try:
        answer = asked.answer(result)
    except Exception as fault:
        FAULTS.swallow("estimator", fault)
    asked.recorder.close(asked.prediction, answer)
    return result


def _watched_by(family: Family, method: Method, estimator: Any, caller: FrameType) -> Watched | None:
    """Return who watches this call: for a named estimator, or where the library is instrumented; None from inside."""
    watched = _watched.get(estimator)
    if watched is None and (method.owners <= {*_owners.values()} or method.name not in PREDICTING):
        return None
    if watched is not None and method.name not in watched.only:
        return None
    if not comes_from_outside(caller):
        return None
    if watched is None:
        watched = _unnamed(family, estimator)
        _watched.set(estimator, watched)
    return watched if method.name in watched.only else None


def _unnamed(family: Family, estimator: Any) -> Watched:
    """Watch an estimator that nobody has named; one that the file withholds, in none of its methods."""
    from driftline.model import Model

    try:
        return Watched(model_of(estimator), family=family, joins=True)
    except Withheld as reason:
        name = type(estimator).__name__
        if FAULTS.once(f"withheld {name} {reason}"):
            logger.warning("driftline: %s is not recorded: %s", name, reason)
        return Watched(Model(name), family=family, only=())


def _answered_already(method: str, estimator: Any, samples: Any) -> bool:
    """Say whether another method of the estimator has just answered for the very same object.

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
