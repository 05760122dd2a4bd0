"""Objects of a library that are asked through one method: recorded where somebody named them, or all of them.

Nothing is written on an object. Its class has another method while somebody wants it (``methods``), which looks up by
identity whether this one is recorded, and where.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import ref

import wrapt
from driftline.faults import FAULTS, logger
from driftline.prediction import ABSENT
from driftline.recorder import Recorder

from . import methods
from .methods import Method
from .naming import Withheld


@dataclass(frozen=True)
class Place:
    """Where an object's predictions are recorded, and how they are read.

    ``features``: takes the call's arguments and gives what is recorded. ``read``: takes the result and the call's
    arguments and gives the score and the predicted class, each ``ABSENT`` for none; without it the recorder reads the
    result itself, or what ``result`` makes of it, for selectors to choose from.
    """

    recorder: Recorder
    features: Callable[..., Any]
    read: Callable[..., tuple[Any, Any]] | None = None
    result: Callable[..., Any] | None = None


Places = dict[int, tuple[ref[Any], Place | None]]
"""By the object's identity, since some cannot be hashed; forgotten with the object."""


class Asked:
    """One method of a library's class.

    ``library``: its name; ``home``, ``kind``, ``method``: module, class and method. ``unnamed``: gives the place of an
    object that nobody named; it raises ``ValueError`` or ``TypeError`` where it cannot be recorded.
    """

    def __init__(self, library: str, home: str, kind: str, method: str, unnamed: Callable[[Any], Place]) -> None:
        self._library, self._home, self._kind, self._method = library, home, kind, method
        self._unnamed = unnamed
        self._named = f"{library}, named"
        self._all = self._hooked = False
        self._places: Places = {}
        self._learned: Places = {}

    def name(self, target: Any, place: Place) -> None:
        """Record what an object predicts from now on."""
        _remember(self._places, target, place)
        methods.wrap_resolved(type(target), (self._method,), self._call, self._named)

    def forget(self, target: Any) -> None:
        """Record nothing of an object any more, unless all are."""
        self._places.pop(id(target), None)
        if not self._places:
            methods.restore(self._named)

    def instrument(self) -> None:
        """Record what every object predicts; a library that is not imported yet is waited for."""
        self._all = True
        if self._hooked:  # such a hook cannot be taken back; it asks whether it is wanted
            if self._home in sys.modules:
                self._wrap(sys.modules[self._home])
            return
        self._hooked = True
        wrapt.register_post_import_hook(self._wrap, self._home)

    def uninstrument(self) -> None:
        """Record nothing any more, not even what somebody named."""
        self._all = False
        self._learned.clear()
        self._places.clear()
        methods.restore(self._library)
        methods.restore(self._named)

    def _wrap(self, module: Any) -> None:
        try:
            if self._all:
                methods.wrap_resolved(getattr(module, self._kind), (self._method,), self._call, self._library)
        except Exception as fault:  # somebody imports it: a version of the library that we do not know
            FAULTS.swallow("instrument", fault)

    def _place(self, target: Any) -> Place | None:
        known = self._places.get(id(target)) or self._learned.get(id(target))
        if known is not None or not self._all:
            return None if known is None else known[1]
        place = None
        try:
            place = self._unnamed(target)
        except Withheld as reason:
            if FAULTS.once(f"{self._library} {reason}"):
                logger.warning("driftline: a model of %s is not recorded: %s", self._library, reason)
        except (TypeError, ValueError) as error:
            if FAULTS.once(f"{self._library} {error}"):
                logger.warning("driftline: %s", error)
        _remember(self._learned, target, place)
        return place

    def _call(
        self, _method: Method, target: Any, bound: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        place = prediction = None
        try:
            place = self._place(target)
            if place is not None:
                prediction = place.recorder.open(self._features(place, args, kwargs))
        except Exception as fault:
            FAULTS.swallow("asked", fault)
        if place is None or prediction is None:
            return bound(*args, **kwargs)
        try:
            result = bound(*args, **kwargs)
        except BaseException as error:
            place.recorder.close(prediction, ABSENT, error)
            raise
        said = result
        try:
            if place.read is not None:
                score, predicted = place.read(result, *args, **kwargs)
                if score is not ABSENT:
                    prediction.score = score
                if predicted is not ABSENT:
                    prediction.predicted = predicted
            if place.result is not None:
                said = place.result(result, *args, **kwargs)
        except Exception as fault:
            FAULTS.swallow("asked", fault)
        place.recorder.close(prediction, said)
        return result

    @staticmethod
    def _features(place: Place, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return place.features(*args, **kwargs)
        except Exception as fault:
            FAULTS.swallow("features", fault)
            return ABSENT


def _remember(places: Places, target: Any, place: Place | None) -> None:
    key = id(target)
    places[key] = ref(target, lambda _: places.pop(key, None)), place
