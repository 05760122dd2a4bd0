"""What can be called and is no function: instances, ``functools.partial``, bound methods, builtins."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

import wrapt


def name_of(function: Any) -> str:
    """Return a callable's name for people: of an instance that of its class, of a partial that of its function.

    >>> name_of(functools.partial(str.upper)), name_of(print)
    ('str.upper', 'print')
    """
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return str(name).rpartition("<locals>.")[2]


def callable_like(target: Any, call: Callable[..., Any]) -> Any:
    """Return an object that is like the given one in all (type, attributes, equality) but calls ``call``.

    Its pickle and its copies are those of the object, which records nothing. It binds to instances where the object
    does, as functions do and bound methods, partials and builtins do not.

    >>> class Scorer:
    ...     threshold = 0.5
    >>> scorer = callable_like(Scorer(), lambda row: 0.25)
    >>> scorer({}), scorer.threshold, isinstance(scorer, Scorer)
    (0.25, 0.5, True)
    """
    own: dict[str, Any] = {"__call__": staticmethod(call), "__reduce_ex__": _reduce, "__copy__": _copy}
    own["__deepcopy__"] = _deepcopy
    if hasattr(type(target), "__get__") and not isinstance(target, MethodType):
        own["__get__"] = _bind
    return type(type(target).__name__, (wrapt.ObjectProxy,), own)(target)


def _bind(self: Any, instance: Any, owner: type | None = None) -> Any:  # noqa: ARG001 - the descriptor protocol
    return self if instance is None else MethodType(self, instance)


def _reduce(self: Any, protocol: Any) -> Any:
    reduced = self.__wrapped__.__reduce_ex__(protocol)
    return (_itself, (self.__wrapped__,)) if isinstance(reduced, str) else reduced  # a text: a global, found by name


def _itself(target: Any) -> Any:
    return target


def _copy(self: Any) -> Any:
    return copy.copy(self.__wrapped__)


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    return copy.deepcopy(self.__wrapped__, memo)
