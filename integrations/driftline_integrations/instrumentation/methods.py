"""Wrap methods of classes, and restore them exactly.

Objects do not change: type, attributes, pickles, copies, clones and repr are the same. Only the class attribute is
another descriptor while needed, and the class shows the same as before: a function with the same name and signature,
and no attribute if ``available_if`` says that there is none.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

Around = Callable[["WrappedMethod", Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""Replacement of a method: ``(method, object, original bound method, args, kwargs) -> result``."""


class WrappedMethod:
    """The descriptor that replaces a method.

    ``owners``: the owners that need it; the last one restores the original.

    Args:
        original: The original attribute.
    """

    def __init__(self, name: str, original: Any, around: Around) -> None:
        self.name = name
        self.original = original
        self.owners: set[str] = set()
        plain = original if inspect.isfunction(original) else getattr(original, "__wrapped__", None)

        def method(self_: Any, /, *args: Any, **kwargs: Any) -> Any:
            return around(self, self_, original.__get__(self_, type(self_)), args, kwargs)

        method.__name__ = name
        self.function = functools.wraps(plain)(method) if inspect.isfunction(plain) else method
        self.conditional = not inspect.isfunction(original)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind as a function does; raise ``AttributeError`` if the original does."""
        if instance is None:
            return self.function
        if self.conditional:
            self.original.__get__(instance, owner)
        return MethodType(self.function, instance)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the original, for a class that is pickled by value: the pickle loads without Driftline."""
        return operator.getitem, ((self.original,), 0)


_wrapped: WeakKeyDictionary[type, dict[str, WrappedMethod]] = WeakKeyDictionary()


def wrap_methods(kind: type, names: Iterable[str], around: Around, owner: str) -> None:
    """Wrap methods that the class itself defines, once for all owners."""
    for name in names:
        original = kind.__dict__.get(name)
        if isinstance(original, WrappedMethod):
            original.owners.add(owner)
        elif hasattr(original, "__get__"):
            method = WrappedMethod(name, original, around)
            method.owners.add(owner)
            setattr(kind, name, method)
            _wrapped.setdefault(kind, {})[name] = method


def wrap_inherited_methods(kind: type, names: Iterable[str], around: Around, owner: str) -> None:
    """Wrap the methods of a class, in the base class that defines each of them."""
    for name in names:
        for base in kind.__mro__:
            if name in base.__dict__:
                wrap_methods(base, (name,), around, owner)
                break


def restore_methods(owner: str) -> None:
    """Restore the methods without another owner. A method that other code has wrapped since passes calls through."""
    for kind, methods in list(_wrapped.items()):
        for name, method in list(methods.items()):
            method.owners.discard(owner)
            if not method.owners:
                del methods[name]
                if kind.__dict__.get(name) is method:
                    setattr(kind, name, method.original)
        if not methods:
            del _wrapped[kind]
