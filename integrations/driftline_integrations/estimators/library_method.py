"""One method of a library's class, such as ``InferenceSession.run``: recorded for named objects, or for all.

Nothing is written on an object. Its class has a wrapped method while needed (``methods``), which looks up the recording
plan of an object by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from driftline.capture.absent import ABSENT
from driftline.capture.prediction import Prediction
from driftline.faults import FAULTS, logger
from driftline.integration.recorder import Recorder
from driftline.integration.suppression import is_suppressed

from driftline_integrations.instrumentation import methods
from driftline_integrations.instrumentation.hooks import ImportHooks
from driftline_integrations.instrumentation.identity_map import IdentityMap
from driftline_integrations.instrumentation.methods import WrappedMethod

from .model_names import ModelLeftOut, warn_other_model


@dataclass(frozen=True)
class RecordingPlan:
    """How an object's predictions are recorded.

    Attributes:
        features: Returns the features from the call's arguments.
        reader: Returns the score and the predicted class, each ``ABSENT`` if missing, from the result and the call's
            arguments. Without it, the recorder reads the result, or the output of ``result``, to which selectors apply.
    """

    recorder: Recorder
    features: Callable[..., Any]
    reader: Callable[..., tuple[Any, Any]] | None = None
    result: Callable[..., Any] | None = None

    def answer(self, prediction: Prediction, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Read score and class from the result of a call; return the result to record."""
        if self.reader is not None:
            score, predicted = self.reader(result, *args, **kwargs)
            if score is not ABSENT:
                prediction.score = score
            if predicted is not ABSENT:
                prediction.predicted = predicted
        return result if self.result is None else self.result(result, *args, **kwargs)


class LibraryMethod:
    """One method of a library's class.

    Args:
        library: Name of the library.
        home: Module of the class.
        kind: Name of the class.
        method: Name of the method.
        unnamed: Returns the plan of an object that no code named; raises ``ValueError`` or ``TypeError`` if it cannot
            be recorded.
    """

    def __init__(
        self, library: str, home: str, kind: str, method: str, unnamed: Callable[[Any], RecordingPlan]
    ) -> None:
        self._library, self._kind, self._method = library, kind, method
        self._unnamed = unnamed
        self._named_owner = f"{library}, named"
        self._imports = ImportHooks((home, self._wrap))
        self._places = IdentityMap[RecordingPlan]()
        self._unnamed_places = IdentityMap[RecordingPlan | None]()

    def name(self, target: Any, place: RecordingPlan) -> None:
        """Record the predictions of an object from now on."""
        earlier = self._places.get(target)
        if earlier is not None:
            warn_other_model(target, earlier.recorder.plan.identity.name, place.recorder.plan.identity.name)
        self._places.set(target, place)
        methods.wrap_inherited_methods(type(target), (self._method,), self._call, self._named_owner)

    def forget(self, target: Any) -> None:
        """Stop recording a named object; it is still recorded if all objects are."""
        self._places.forget(target)
        if not self._places:
            methods.restore_methods(self._named_owner)

    def instrument(self) -> None:
        """Record the predictions of every object, as soon as the library is imported."""
        self._imports.await_all()

    def uninstrument(self) -> None:
        """Stop recording, also of named objects."""
        self._imports.active = False
        self._unnamed_places.clear()
        self._places.clear()
        methods.restore_methods(self._library)
        methods.restore_methods(self._named_owner)

    def _wrap(self, module: Any) -> None:
        methods.wrap_inherited_methods(getattr(module, self._kind), (self._method,), self._call, self._library)

    def _place(self, target: Any) -> RecordingPlan | None:
        cached = self._places.get(target) or self._unnamed_places.get(target)
        if cached is not None or not self._imports.active or target in self._unnamed_places:
            return cached
        place = None
        try:
            place = self._unnamed(target)
        except ModelLeftOut as reason:
            if FAULTS.once(f"{self._library} {reason}"):
                logger.warning("driftline: a model of %s is not recorded: %s", self._library, reason)
        except (TypeError, ValueError) as error:
            if FAULTS.once(f"{self._library} {error}"):
                logger.warning("driftline: %s", error)
        self._unnamed_places.set(target, place)
        return place

    def _call(
        self,
        _method: WrappedMethod,
        target: Any,
        bound: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        place = prediction = None
        try:
            place = None if is_suppressed() else self._place(target)
            if place is not None:
                prediction = place.recorder.open(self._features(place, args, kwargs))
        except Exception as fault:
            FAULTS.swallow("call", fault)
        if place is None or prediction is None:
            return bound(*args, **kwargs)
        try:
            return place.recorder.run(
                prediction,
                partial(bound, *args, **kwargs),
                lambda result: place.answer(prediction, result, args, kwargs),
            )
        finally:
            prediction.closed = True  # a signal handler may raise at the entry of run, before its own finally

    @staticmethod
    def _features(place: RecordingPlan, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return place.features(*args, **kwargs)
        except Exception as fault:
            FAULTS.swallow("features", fault)
            return ABSENT
