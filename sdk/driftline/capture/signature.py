"""Find features, id, time and slices among the parameters of a callable, once, at decoration.

A callable can be a function, an instance, a ``functools.partial``, a bound method or a builtin.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

from driftline.faults import FAULTS
from driftline.inputs.column import values_of
from driftline.inputs.dataframes import column_names

from .absent import ABSENT


def name_of(function: Any) -> str:
    """Return a callable's display name: the class name of an instance, the function name of a partial.

    >>> name_of(functools.partial(str.upper)), name_of(print)
    ('str.upper', 'print')
    """
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return str(name).rpartition("<locals>.")[2]


def code_of(function: Any) -> Any:
    """Return the code object that a function, a method or a partial runs; None for other callables."""
    while isinstance(function, functools.partial | MethodType):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    return getattr(function, "__code__", None)


def callable_like(target: Any, call: Callable[..., Any]) -> Any:
    """Return an object with the type, attributes and equality of ``target`` that calls ``call``.

    Its pickle and its copies are those of the original object, which records nothing. It binds to instances if the
    original does: functions do; bound methods, partials and builtins do not.

    >>> class Scorer:
    ...     threshold = 0.5
    >>> scorer = callable_like(Scorer(), lambda row: 0.25)
    >>> scorer({}), scorer.threshold, isinstance(scorer, Scorer)
    (0.25, 0.5, True)
    """
    import wrapt  # imports asyncio, which most services do not need

    attributes: dict[str, Any] = {"__call__": staticmethod(call), "__reduce_ex__": _reduce, "__copy__": _copy}
    attributes["__deepcopy__"] = _deepcopy
    if hasattr(type(target), "__get__") and not isinstance(target, MethodType):
        attributes["__get__"] = _bind
    return type(type(target).__name__, (wrapt.ObjectProxy,), attributes)(target)


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


Selector = str | Callable[..., Any]
Getter = Callable[[tuple[Any, ...], dict[str, Any]], Any]
"""Returns a value from the call's arguments, including ``self``, or ``ABSENT``."""

_SCALARS = {bool, int, float, str, complex, bytes}
_SCALAR_NAMES = {"bool", "int", "float", "str", "Decimal", "date", "datetime", "Literal"}


@dataclass(frozen=True, slots=True)
class Selectors:
    """The selectors of :meth:`driftline.Model.predict`; None if not given."""

    id: Selector | None = None
    features: Selector | Sequence[str] | None = None
    score: Selector | None = None
    predicted: Selector | None = None
    slices: Selector | Sequence[str] | None = None
    time: Selector | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a call's features, id and slices.

    Attributes:
        features: One getter; or, for a row of several scalars, ``scalars``: their names and getters.
        argument: Name of the parameter; also the name of the feature if the input is one scalar.
        id: Getters; ``id_field``, ``time_field`` and ``slice_fields`` are fields of the input instead; None without,
            because "" is the name of a column, such as that of the index after ``DataFrame.to_csv``.
        id_name: Name of the argument or field of the id; "" without a name.
        time: As ``id``.
        time_name: As ``id_name``.
        slices: As ``id``.
        as_given: True if a function computes the features from the arguments: then fields are first looked up in the
            arguments.
        plain: True if the features are the argument at ``position``, and only the id is needed in addition.
        parameters: Parameters of a function of the arguments, such as "order, id=None", for messages.
    """

    features: Getter | None
    argument: str
    scalars: tuple[tuple[str, Getter], ...] = ()
    id: Getter | None = None
    id_field: str | None = None
    id_name: str = ""
    time: Getter | None = None
    time_field: str | None = None
    time_name: str = ""
    slices: tuple[tuple[str, Getter], ...] = ()
    slice_fields: tuple[str, ...] = ()
    slices_function: Getter | None = None
    position: int = 0
    as_given: bool = False
    plain: bool = False
    parameters: str = "..."


def read_signature(function: Callable[..., Any], selectors: Selectors) -> Inputs:
    """Decide which parameters are features, id, time and slices.

    A selector that is not the name of a parameter is the name of a field of the input. Without ``features=``, the one
    remaining parameter is the features; several parameters that are annotated as scalars are one row. Raises
    ``TypeError`` if several parameters can be the features, with their names.
    """
    name, slices = name_of(function), selectors.slices
    everything = _parameters(name, function, selectors.features)
    first_argument = 1 if everything and everything[0].name in ("self", "cls") else 0  # selectors do not see it
    parameters = everything[first_argument:]
    getters = {p.name: _getter(p, i) for i, p in enumerate(parameters, first_argument)}
    slice_names = () if slices is None or callable(slices) else (slices,) if isinstance(slices, str) else tuple(slices)
    used = {selectors.id, selectors.time, *slice_names}
    chosen = _choose_features(name, function, selectors.features, parameters, used)
    argument = next((p for p in parameters if p.name == chosen), None)
    as_given = callable(chosen)

    def source(selector: Selector | None) -> tuple[Getter | None, str | None, str]:
        """Return the getter of a value, the field of the input that has it otherwise, and its name."""
        if not isinstance(selector, str):
            return _select(selector, getters, first_argument), None, ""
        if selector in getters:
            return getters[selector], None, selector
        # the arguments of a function of features are rarely anything but features
        return _field_getter(selector, first_argument) if as_given else None, selector, selector

    id, id_field, id_name = source(selectors.id)
    time, time_field, time_name = source(selectors.time)
    slice_getters = ((n, source(n)[0]) for n in dict.fromkeys(slice_names))
    return Inputs(
        features=None if isinstance(chosen, tuple) else _select(chosen, getters, first_argument),
        argument=chosen if isinstance(chosen, str) else "",
        scalars=tuple((n, getters[n]) for n in chosen) if isinstance(chosen, tuple) else (),
        id=id,
        id_field=id_field,
        id_name=id_name,
        time=time,
        time_field=time_field,
        time_name=time_name,
        slices=tuple((n, getter) for n, getter in slice_getters if getter is not None),
        slice_fields=tuple(n for n in slice_names if n not in getters),
        slices_function=_select(slices, {}, first_argument) if callable(slices) else None,
        position=sys.maxsize
        if argument is None or argument.kind is argument.KEYWORD_ONLY
        else everything.index(argument),
        as_given=as_given,
        plain=argument is not None and time is None and not slices,
        parameters=", ".join(map(_parameter_text, parameters)) or "...",
    )


def _choose_features(
    name: str,
    function: Callable[..., Any],
    features: Selector | Sequence[str] | None,
    parameters: Sequence[inspect.Parameter],
    used: Collection[object],
) -> Selector | tuple[str, ...]:
    """Return the function of the features or their parameters, by default those that nothing else uses."""
    if features is None:
        free = [p for p in parameters if p.name not in used and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return _choose(name, free, _annotations(function))
    if callable(features):
        return features
    names = [p.name for p in parameters]
    chosen = features if isinstance(features, str) else tuple(features)
    for selector in (chosen,) if isinstance(chosen, str) else chosen:
        if selector not in names:
            raise TypeError(f"{name} has no parameter {selector!r} for features=; its parameters are {names}")
    return chosen


def _parameter_text(parameter: inspect.Parameter) -> str:
    stars = "*" * (parameter.kind is parameter.VAR_POSITIONAL) + "**" * (parameter.kind is parameter.VAR_KEYWORD)
    return f"{stars}{parameter.name}{'' if parameter.default is parameter.empty else '=None'}"


def _parameters(name: str, function: Callable[..., Any], features: object) -> list[inspect.Parameter]:
    """Return a function's parameters; [] if they cannot be inspected but the features are given by a function.

    ``update_wrapper`` gives a partial the signature of its function, with the parameters that are already bound: Django
    decorates methods in this form.
    """
    if isinstance(function, functools.partial):
        function = functools.partial(function.func, *function.args, **function.keywords)
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # a builtin of C
        if callable(features):
            return []
        raise TypeError(
            f"the parameters of {name} cannot be inspected; specify the features: features=lambda ...: ..."
        ) from None


def _getter(parameter: inspect.Parameter, position: int) -> Getter:
    name = parameter.name
    default = ABSENT if parameter.default is parameter.empty else parameter.default
    if parameter.kind is parameter.KEYWORD_ONLY:
        return lambda _args, kwargs: kwargs.get(name, default)

    def get(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return args[position] if len(args) > position else kwargs.get(name, default)

    return get


def _select(selector: Selector | None, getters: dict[str, Getter], first_argument: int) -> Getter | None:
    if selector is None:
        return None
    if isinstance(selector, str):
        return getters.get(selector)
    function = selector
    return lambda args, kwargs: function(*args[first_argument:], **kwargs)


def _field_getter(name: str, first_argument: int) -> Getter:
    """Return a getter that looks for a field in each of the call's arguments, in order."""

    def get(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name in kwargs:
            return kwargs[name]
        fields = (field_of(value, name) for value in (*args[first_argument:], *kwargs.values()))
        return next((value for value in fields if value is not ABSENT), ABSENT)

    return get


def field_of(given: Any, name: str) -> Any:
    """Return a field of one row, or a column of a batch; ``ABSENT`` if there is no such field. Never raises.

    >>> field_of({"id": "A-1"}, "id"), field_of([{"id": "A-1"}, {"id": "A-2"}], "id")
    ('A-1', ['A-1', 'A-2'])
    """
    try:
        if isinstance(given, list | tuple) and not hasattr(given, "_fields"):
            if not given or field_of(given[0], name) is ABSENT:
                return ABSENT
            fields = [field_of(row, name) for row in given]
            return [None if value is ABSENT else value for value in fields]
        if isinstance(given, Mapping) or (hasattr(given, "iloc") and not hasattr(given, "columns")):  # a Series
            return given.get(name, ABSENT)
        if getattr(getattr(given, "dtype", None), "names", None):  # a structured array
            return values_of(given[name]) if given.ndim else given[name]
        if hasattr(given, "columns"):
            if name not in column_names(given):
                return ABSENT
            return values_of(given[name])
        value = getattr(given, name, ABSENT)
    except Exception as fault:  # an object whose own methods raise
        FAULTS.let_signals_pass(fault)
        return ABSENT
    return ABSENT if callable(value) else value


def _choose(name: str, left: list[inspect.Parameter], annotations: dict[str, Any]) -> str | tuple[str, ...]:
    if len(left) == 1:
        return left[0].name
    required = [p for p in left if p.default is p.empty]
    scalar = [p for p in left if _is_scalar(annotations.get(p.name, p.annotation))]
    if len(left) > 1 and len(scalar) == len(left):
        return tuple(p.name for p in left)
    if len(required) == 1 and required[0] not in scalar:
        return required[0].name
    if not left:
        raise TypeError(f"{name} has no parameter that could be the features; specify them: features=lambda ...: ...")
    names = [p.name for p in left]
    raise TypeError(
        f"{name}: any of {names} could be the features; specify them: features={names[0]!r}, "
        f"or features={tuple(names)} for a row of several values"
    )


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # names that exist only for the type checker; the texts will do
        return {}


def _is_scalar(annotation: Any) -> bool:
    if isinstance(annotation, str):
        parts = [part.strip().partition("[")[0].rpartition(".")[2] for part in annotation.split("|")]
        return all(part in {*_SCALAR_NAMES, "None"} for part in parts)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return True
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        members = arguments[:1] if origin is typing.Annotated else arguments
        return all(member is type(None) or _is_scalar(member) for member in members)
    return annotation in _SCALARS or getattr(annotation, "__name__", "") in _SCALAR_NAMES


def recorder_inputs(id_field: str, time_field: str) -> Inputs:
    """Return the inputs of a recorder, whose arguments are features, id, slices and time; ``ABSENT`` if not given.

    Args:
        id_field: Field or column of the features with the id; "" if there is none.
        time_field: As ``id_field``, for the time.
    """
    return Inputs(
        features=lambda args, _: args[0],
        argument="",
        id=None if id_field else lambda args, _: args[1],
        id_field=id_field or None,
        id_name=id_field,
        time=None if time_field else lambda args, _: args[3],
        time_field=time_field or None,
        time_name=time_field,
        slices_function=lambda args, _: args[2],
    )


def column_named(features: Any, name: object) -> str:
    """Return ``name`` if a batch has a column of that name, else ""."""
    if isinstance(name, str) and isinstance(features, list | tuple) and features and isinstance(features[0], Mapping):
        return name if name in features[0] else ""
    return name if isinstance(name, str) and hasattr(features, "columns") and name in column_names(features) else ""
