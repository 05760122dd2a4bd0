"""Checks of values read from JSON: each raises ``ValueError`` with the rule; the reader adds file and key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from driftline.tables.table import F64


def floats(value: object) -> F64:
    """Return a list of finite numbers as float64 (n,).

    >>> floats([1, 0.5])
    array([1. , 0.5])
    """
    if not isinstance(value, list) or not all(is_number(element) for element in value):
        raise ValueError("must be a list of numbers")
    try:
        array = np.array(value, dtype=np.float64)
    except OverflowError:
        array = np.array([np.inf])
    if not np.isfinite(array).all():
        raise ValueError("must be a list of finite numbers")
    return array


def by_name(value: object) -> Mapping[str, Any]:
    """Return an object whose keys are names."""
    if not isinstance(value, dict):
        raise ValueError(f"must be an object, not {type(value).__name__}")
    return value


def is_number(value: object) -> bool:
    """Return True where a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Return True where a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def rounded(values: F64, digits: int = 7) -> F64:
    """Return values to so many significant digits, so that a file of them is half as long.

    >>> rounded(np.array([0.123456789, 12345678.9])).tolist()
    [0.1234568, 12345680.0]
    """
    numbers = values.astype(np.float64).ravel()
    cut = np.flatnonzero(
        (numbers != np.trunc(numbers)) | (np.abs(numbers) >= 10.0**digits)
    )  # most are counts, and stay
    numbers[cut] = [float(f"{number:.{digits}g}") for number in numbers[cut].tolist()]
    return numbers.reshape(values.shape)


def short(number: float) -> float | int:
    """Return a whole number without ``.0``: counts are most of a baseline's file.

    >>> short(3.0), short(0.5)
    (3, 0.5)
    """
    return int(number) if abs(number) < 2.0**53 and number == int(number) else number
