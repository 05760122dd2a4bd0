"""Snapshots of results of ``predict``: plain numbers, arrays and lists, from every library.

A snapshot is bounded, and later changes of the result do not affect it. A result that cannot be read is described
instead, and so is a tensor on a device, because copying it would wait for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.inputs.row import number
from driftline.inputs.values import name_in
from driftline.tables.table import Column

from .named_scores import MOST_NAMES, NamedScores, of_mapping, of_mappings, of_rows
from .output import UnreadResult, describe, describe_list

_AT_ONCE = (float, int, bool, str, type(None), np.generic)
_KINDS = {float: "f", int: "i", bool: "b", str: "U"}
"""Types of Python, and the kinds of numpy that have their values."""
_CELL = 32  # approximate bytes per value of a list
_KEEPERS: dict[type, Callable[[Any], Any]] = {}


def copy_result(result: Any) -> Any:
    """Take a snapshot of a result: arrays are copied; a result that cannot be read is described instead.

    >>> copy_result(0.25), copy_result({"label": "yes", "probability": 0.25}).text
    (0.25, "a dict with keys ['label', 'probability']")
    """
    kind = result.__class__
    keeper = _KEEPERS.get(kind)
    if keeper is None:
        keeper = _KEEPERS[kind] = _find(kind)
    return keeper(result)


def copy_separate(value: Any) -> Any:
    """Take a snapshot of a value that was given as a score or a class: a tuple is then a list.

    >>> copy_separate((0.25, 0.75)), copy_result((0.25, 0.75)).text
    ([0.25, 0.75], 'a tuple of 2')
    """
    return copy_result(list(value) if isinstance(value, tuple) else value)


def results_of_rows(result: Any, n: int) -> Any:
    """Return a tuple of n results of one kind for n rows as a list; anything else unchanged.

    Values of several kinds may be a class and its score, and n sequences of n values one sequence per part of the
    result, so they stay a tuple.

    >>> results_of_rows((0.25, 0.75), 2), results_of_rows(("yes", 0.75), 2), results_of_rows(([0.5, 0.5], [1, 0]), 2)
    ([0.25, 0.75], ('yes', 0.75), ([0.5, 0.5], [1, 0]))
    """
    if result.__class__ is not tuple or len(result) != n:
        return result
    types = set(map(type, result)) - {type(None)}
    kinds = types if len(types) == 1 and types <= _KINDS.keys() else {*map(_kind_of, result)} - {type(None)}
    is_square = kinds == {"sequence"} and any(len(value) == n for value in result if value is not None)
    return list(result) if len(kinds) == 1 and not is_square else result


def _kind_of(value: Any) -> Any:
    """Return the kind of a result, which is the same for the floats or the integers of Python and of numpy."""
    if isinstance(value, list | tuple) or getattr(value, "shape", None):
        return "sequence"
    return getattr(getattr(value, "dtype", None), "kind", None) or _KINDS.get(type(value), type(value))


def cost_of(stored: Any) -> int:
    """Return the approximate bytes of a snapshot of a result.

    >>> cost_of(0.25), cost_of(np.zeros(1000)), cost_of([("a", 0.5)] * 10)
    (0, 8000, 960)
    """
    if isinstance(stored, np.ndarray):
        return int(stored.nbytes)
    if isinstance(stored, NamedScores):
        return int(stored.values.nbytes) + _CELL * len(stored.names)
    if isinstance(stored, list | tuple):
        return (
            sum(_CELL + cost_of(element) for element in stored)
            if stored and _is_nested(stored[0])
            else _CELL * len(stored)
        )
    if isinstance(stored, dict):
        return sum(2 * _CELL + cost_of(element) for element in stored.values())
    if isinstance(stored, Column):
        return sum(int(part.nbytes) for part in (stored.numbers, stored.codes) if part is not None)
    return 0


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | tuple | dict)


def _find(kind: type) -> Callable[[Any], Any]:
    if issubclass(kind, Enum):
        return lambda member: copy_result(member.value)
    if kind.__name__ in ("NAType", "NaTType"):  # of pandas
        return lambda _: None
    if issubclass(kind, _AT_ONCE) or kind in (UnreadResult, NamedScores):
        return _itself
    if issubclass(kind, Decimal | Fraction):
        return number
    if issubclass(kind, np.ndarray):
        return _copy
    if issubclass(kind, list):
        return _sequence
    if name_in(kind, "torch", "Tensor"):
        return _tensor
    if name_in(kind, "pandas", "Series"):
        from driftline.inputs.pandas import series_column

        return lambda series: _named_series(series, series_column(series))
    if name_in(kind, "polars", "Series") or name_in(kind, "pyarrow", "Array", "ChunkedArray"):
        from driftline.inputs.column import read_column

        return read_column
    if name_in(kind, "pandas", "DataFrame") or name_in(kind, "polars", "DataFrame"):
        return lambda frame: _frame(frame, list(map(str, frame.columns)), lambda: _array_of(frame))
    if name_in(kind, "pyarrow", "Table", "RecordBatch"):
        return lambda table: _frame(table, table.schema.names, lambda: _stacked(table.columns))
    if issubclass(kind, Mapping):
        return _mapping
    return describe


def _mapping(result: Mapping[Any, Any]) -> NamedScores | UnreadResult:
    description = describe(result)
    return of_mapping(result, description) or description


def _itself(result: Any) -> Any:
    return result


def _copy(result: NDArray[Any]) -> Any:
    if isinstance(result, np.ma.MaskedArray) and result.dtype.kind in "fiub":
        return np.ma.filled(result.astype(np.float64), np.nan)
    return np.array(result)  # of a matrix, an array


def _named_series(series: Any, values: NDArray[Any] | Column) -> Any:
    """Keep the labels of a Series, which can be classes, unless they are positions."""
    if isinstance(values, Column):
        return values
    names = series.index
    if type(names).__name__ == "RangeIndex" or not 1 < len(names) <= MOST_NAMES:
        return values.copy()
    return NamedScores(names, values.copy(), True, True, UnreadResult(f"a Series of {len(names)}", count=len(names)))


def _tensor(result: Any) -> Any:
    from driftline.inputs.torch import array_of, on_cpu

    if not on_cpu(result):
        return UnreadResult(
            f"a {type(result).__name__} on {result.device}, which cannot be read without blocking the call"
        )
    return array_of(result).copy()


def _frame(frame: Any, names: list[str], values: Callable[[], Any]) -> Any:
    """Keep the columns of a frame as an array, if they are numbers or a single column of any kind."""
    array = np.asarray(values())
    if len(names) == 1:
        return array.copy()
    if array.dtype.kind in "fiub":
        description = UnreadResult(describe(frame).text, tuple(names), len(array))
        return NamedScores(names, array.copy(), True, True, description)
    return UnreadResult(describe(frame).text, tuple(names))


def _array_of(frame: Any) -> Any:
    """Return the values of a frame; the nullable numbers of pandas as numbers."""
    array = frame.to_numpy()
    if array.dtype.kind != "O" or not all(getattr(dtype, "kind", "O") in "fiub" for dtype in frame.dtypes):
        return array
    return _stacked([frame.iloc[:, at] for at in range(frame.shape[1])])


def _stacked(columns: list[Any]) -> Any:
    from driftline.inputs.column import read_column

    read = [read_column(column) for column in columns]
    numbers = [values for values in read if not isinstance(values, Column)]
    if len(numbers) < len(read) or not read:
        return np.array([column.to_pylist() for column in columns], dtype=object).T
    return np.column_stack(numbers)


def _sequence(result: list[Any]) -> Any:
    """Copy a list of numbers or texts, or of equally long lists of numbers."""
    if all(isinstance(value, _AT_ONCE) for value in result):
        return list(result)
    if result and all(isinstance(value, Mapping) for value in result):
        return of_mappings(result, describe_list(result)) or describe_list(result)
    elements = [list(value) if isinstance(value, tuple) else copy_result(value) for value in result]
    named = [value for value in elements if isinstance(value, NamedScores)]
    if named:
        return (of_rows(named, describe_list(result)) if len(named) == len(elements) else None) or describe_list(result)
    if any(value.__class__ is UnreadResult for value in elements):
        return describe_list(result)
    if all(isinstance(value, _AT_ONCE) for value in elements):  # Decimals, for example
        return elements
    try:
        rows = np.array(elements)
    except ValueError:  # of different lengths
        return describe_list(result)
    return rows if rows.dtype.kind in "fiub" else describe_list(result)
