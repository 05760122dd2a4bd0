"""JSON of dataclasses: fields by name, arrays as nested lists; a mostly zero array is written sparsely.

One codec writes and reads every section of a baseline. Input is checked against the types of the fields: a missing
field has its default, a field that is None is not written, and an unknown field is ignored. A class with more rules has
a method ``check``, which raises ``ValueError`` with the rule; every error begins with the path.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from driftline.panes.sparse_sums import Sparse

T = TypeVar("T")

MOST_ENTRIES = 1_000_000
"""Maximum size of an array that is written sparsely."""


def to_json(value: object) -> Any:
    """Return plain JSON values.

    Equal values give equal JSON; whole numbers have no ``.0``, because most numbers are counts.

    >>> to_json({"age": (3.0, 0.5)}), to_json(np.array([[1.0, 0.25]]))
    ({'age': [3, 0.5]}, [[1, 0.25]])
    >>> to_json(np.array([0.0] * 40 + [7.0]))
    {'shape': [41], 'steps': [40], 'values': [7]}
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2.0**53 else value
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, np.ndarray):
        return _array_json(value)
    if isinstance(value, Sparse):
        shape = int(value.group.max(initial=0)) + 1, value.width
        if 2 * len(value.value) >= shape[0] * shape[1]:
            return _array_json(value.dense(shape[0]))
        return _sparse_json(shape, value.group * value.width + value.index, value.value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: to_json(entry) for name, entry in value.items()}
    if isinstance(value, Sequence):
        return [to_json(entry) for entry in value]
    names = _fields(cast(Any, type(value)))
    return {name: to_json(entry) for name in names if (entry := getattr(value, name)) is not None}


def _array_json(array: NDArray[Any]) -> Any:
    filled = np.flatnonzero(array)
    # 10: numbers as long as the names of the three fields
    if 2 * (len(filled) + 10) < array.size or (not array.size and array.ndim > 1):
        return _sparse_json(array.shape, filled, array.ravel()[filled])
    if array.dtype.kind == "f" and (array == np.rint(array)).all() and (np.abs(array) < 2.0**53).all():
        array = array.astype(np.int64)
    return to_json(array.tolist()) if array.dtype.kind == "f" else array.tolist()


def _sparse_json(shape: Sequence[int], filled: NDArray[np.intp], values: NDArray[Any]) -> Any:
    return {"shape": list(shape), "steps": np.diff(filled, prepend=0).tolist(), "values": to_json(values.tolist())}


def from_json(kind: type[T], value: object, path: str = "") -> T:
    """Read a value that :func:`to_json` wrote.

    Raises ``ValueError`` as ``path: rule``, where ``path`` is the path of the field.

    >>> from_json(dict[str, tuple[float, float]], {"age": [3, 0.5]})
    {'age': (3.0, 0.5)}
    >>> from_json(dict[str, list[int]], {"age": [3, 0.5]}, "ranges")
    Traceback (most recent call last):
    ...
    ValueError: ranges.age.1: must be a whole number
    """
    read: T = _read(kind, value, path)
    return read


def _read(kind: Any, value: object, path: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        kinds = [each for each in arguments if each is not NoneType]
        return _read(kinds[0] if len(kinds) == 1 else _alternative(kinds, value, path), value, path)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(arguments[1])[0]), value, path)
    if kind is Sparse:
        return _sparse(value, path)
    if origin is Literal:
        if value not in arguments:
            raise _error(path, f"must be {' or '.join(map(repr, arguments))}")
        return value
    if origin is not None and issubclass(origin, Mapping):
        return {
            name: _read(arguments[1], entry, _joined_path(path, name))
            for name, entry in _expect(dict, value, path).items()
        }
    if origin is not None:
        return _sequence(origin, arguments, _expect(list, value, path), path)
    if is_dataclass(kind):
        return _dataclass(kind, _expect(dict, value, path), path)
    return _scalar(kind, value, path)


def _dataclass(kind: Any, value: Mapping[str, Any], path: str) -> Any:
    values = {}
    for name, (annotation, required) in _fields(kind).items():
        if name in value:
            values[name] = _read(annotation, value[name], _joined_path(path, name))
        elif NoneType in get_args(annotation):
            values[name] = None
        elif required:
            raise _error(_joined_path(path, name), "is missing")
    try:
        result = kind(**values)
        if (check := getattr(result, "check", None)) is not None:
            check()
    except ValueError as error:
        raise _error(path, str(error)) from None
    return result


@lru_cache(maxsize=256)
def _fields(kind: Any) -> Mapping[str, tuple[Any, bool]]:
    """Return the type of each field, and whether it is required."""
    hints = get_type_hints(kind)
    return {
        field.name: (hints[field.name], field.default is MISSING and field.default_factory is MISSING)
        for field in fields(kind)
        if field.init
    }


def _sequence(origin: Any, arguments: Sequence[Any], value: Sequence[Any], path: str) -> Any:
    if origin is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise _error(path, f"must have {len(arguments)} entries")
        kinds = arguments
    else:
        kinds = [arguments[0]] * len(value)
    entries = [
        _read(kind, entry, _joined_path(path, index))
        for index, (kind, entry) in enumerate(zip(kinds, value, strict=True))
    ]
    return tuple(entries) if origin is tuple else entries


def _alternative(kinds: Sequence[Any], value: object, path: str) -> Any:
    """Return the type of a union that a JSON value represents."""
    for kind in kinds:
        if isinstance(value, dict) and is_dataclass(kind):
            if all(name in value for name, (_, required) in _fields(cast(Any, kind)).items() if required):
                return kind
        elif isinstance(value, get_origin(kind) or kind):
            return kind
    raise _error(path, f"must be {' or '.join(map(_named, kinds))}")


def _named(kind: Any) -> str:
    if not is_dataclass(kind):
        return _NAMES[get_origin(kind) or kind]
    return f"an object with {', '.join(name for name, (_, required) in _fields(cast(Any, kind)).items() if required)}"


_NAMES: dict[Any, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    bytes: "base64",
}


def _expect(kind: type[T], value: object, path: str) -> T:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _error(path, f"must be {_NAMES[kind]}")
    return value


def _scalar(kind: Any, value: object, path: str) -> Any:
    if kind is float:
        number = float(value) if type(value) in (int, float) and abs(value) < 2.0**1023 else math.nan  # type: ignore[arg-type]
        return number if math.isfinite(number) else _expect(float, None, path)
    if kind is bytes:
        try:
            return base64.b64decode(_expect(str, value, path), validate=True)
        except (binascii.Error, ValueError):
            raise _error(path, f"must be {_NAMES[bytes]}") from None
    read = _expect(kind, value, path)
    if kind is int and abs(read) >= 2**63:
        raise _error(path, "must be a whole number below 2^63")
    return read


def _array(dtype: np.dtype[Any], value: object, path: str) -> NDArray[Any]:
    if not isinstance(value, dict):
        return _numbers(dtype, value, path)
    shape, positions, values = _entries(dtype, value, path)
    dense = np.zeros(math.prod(shape), dtype)
    dense[positions] = values
    return dense.reshape(shape)


def _sparse(value: object, path: str) -> Sparse:
    if isinstance(value, dict):
        shape, positions, values = _entries(np.dtype(np.float64), value, path)
    else:
        array = _numbers(np.dtype(np.float64), value, path)
        shape, positions = list(array.shape), np.flatnonzero(array)
        values = array.ravel()[positions]
    if len(shape) != 2 or not shape[1]:
        raise _error(path, "must have two dimensions, and at least one column")
    return Sparse(shape[1], positions // shape[1], positions % shape[1], values)


def _entries(
    dtype: np.dtype[Any], value: Mapping[str, Any], path: str
) -> tuple[list[int], NDArray[np.int64], NDArray[Any]]:
    """Return the shape of a sparse array, and the positions and values of its nonzero entries."""
    whole = np.dtype(np.int64)
    lengths, steps = (_numbers(whole, value.get(name), _joined_path(path, name)) for name in ("shape", "steps"))
    values = _numbers(dtype, value.get("values"), _joined_path(path, "values"))
    shape: list[int] = lengths.tolist()
    # the product of Python's integers does not overflow
    if lengths.ndim != 1 or (lengths < 0).any() or math.prod(shape) > MOST_ENTRIES:
        raise _error(_joined_path(path, "shape"), f"must be lengths with a product of at most {MOST_ENTRIES:,} entries")
    if steps.ndim != 1 or steps.shape != values.shape:
        raise _error(path, f"has {steps.size} steps but {values.size} values")
    if (steps < 0).any() or (steps[1:] == 0).any() or (steps >= max(math.prod(shape), 1)).any():
        raise _error(
            _joined_path(path, "steps"),
            f"must be distances from an entry to a later one, in positions, among {math.prod(shape)} entries",
        )
    positions = np.cumsum(steps)
    if len(positions) and positions[-1] >= math.prod(shape):
        raise _error(
            _joined_path(path, "steps"),
            f"must be distances from an entry to a later one, in positions, among {math.prod(shape)} entries",
        )
    return shape, positions, values


def _numbers(dtype: np.dtype[Any], value: object, path: str) -> NDArray[Any]:
    """Return a list of numbers, or of lists of equal length, as an array."""
    whole = dtype.kind in "iu"
    if not isinstance(value, list) or not _types(value) <= ({int} if whole else {int, float}):
        raise _error(path, f"must be a list of {'whole ' if whole else ''}numbers")
    try:
        array = np.array(value, np.int64 if whole else np.float64)
    except (ValueError, OverflowError):
        raise _error(path, "must be lists of equal length, of numbers that are not too large") from None
    if whole and array.size and not np.iinfo(dtype).min <= array.min() <= array.max() <= np.iinfo(dtype).max:
        raise _error(path, f"must be whole numbers of {dtype.itemsize} bytes")
    if not np.isfinite(array).all():
        raise _error(path, "must be a list of finite numbers")
    return array.astype(dtype, copy=False)


def _types(values: list[Any]) -> set[type]:
    types = set(map(type, values))
    return set().union(*map(_types, values)) if types == {list} else types


def _joined_path(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _error(path: str, rule: str) -> ValueError:
    return ValueError(f"{path}: {rule}" if path else rule)
