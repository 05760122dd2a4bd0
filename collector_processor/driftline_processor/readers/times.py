"""Read a column of points in time: timestamps, dates, ISO 8601 texts, unix seconds to nanoseconds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from driftline.baseline.sections.feature_marks import SERIAL_2000, SERIAL_2100, clock_unit
from driftline.tables.table import F64, I64
from driftline.tables.timestamps import nanoseconds_per_unit
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.lazy_modules import pc

from .arrow_columns import is_number, numbers, one_array, positions, truth_of, valid_of, values_of

_PER_UNIT = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_UNIT = {nanoseconds: unit for unit, nanoseconds in _PER_UNIT.items()}
UNIT_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_LATEST = 2**63 - 1
ISO = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?)?$"
)
_ZONED = r":\d\d([.,]\d+)?(Z|[+-]\d\d(:?\d\d)?)$"
_UNIX = r"^[+-]?\d+(\.\d+)?([eE][+]?\d+)?$"


class Times(Struct, frozen=True):
    """n points in time.

    Attributes:
        values: int64 (n,), unix nanoseconds, 0 where ``readable`` (bool (n,)) is False.
        unit: Key of :data:`UNIT_NAMES` for plain numbers, guessed from their size, else "".
    """

    values: I64
    readable: NDArray[np.bool_]
    unit: str = ""


def read_times(array: pa.ChunkedArray) -> Times:
    """Read a column as points in time; without a zone they are UTC, a date is its midnight.

    Plain numbers are unix time. Their median defines the unit: seconds before the year 10000, milliseconds below
    1e14, microseconds below 1e17, else nanoseconds.

    >>> read_times(pa.chunked_array([pa.array(["1970-01-01T01:00:01+01:00", "yesterday"])])).values.tolist()
    [1000000000, 0]
    >>> read_times(pa.chunked_array([pa.array([1_700_000_000_000])])).unit
    'ms'
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return read_times(array.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        return _integer_times(array.cast(pa.int64()), kind.unit)
    if pa.types.is_date(kind):
        return _integer_times(array.cast(pa.timestamp("ms")).cast(pa.int64()), "ms")
    written = written_digits(numbers(one_array(array))) if is_number(kind) else None
    if written is not None:
        return written
    if pa.types.is_integer(kind) and kind != pa.uint64():
        values = array.cast(pa.int64())
        unit = _unit_of(numbers(one_array(values)))
        times = _integer_times(values, unit)
        return Times(times.values, times.readable, unit)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind) or kind == pa.uint64():
        return _unix(numbers(one_array(array)))
    if pa.types.is_string_view(kind):
        return read_times(array.cast(pa.large_string()))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _texts(pc.utf8_trim_whitespace(array))
    return Times(np.zeros(len(array), np.int64), np.zeros(len(array), np.bool_))


def _integer_times(array: pa.ChunkedArray, unit: str) -> Times:
    """Convert integers of a unit, without the loss of precision of doubles."""
    is_given, values = valid_of(array), values_of(array, 0)
    factor = _PER_UNIT[unit]
    fits = (values <= _LATEST // factor) & (values >= -(_LATEST // factor))
    readable = is_given & fits
    return Times(np.where(readable, values, 0) * factor, readable)


def _unix(values: F64) -> Times:
    unit = _unit_of(values)
    factor = _PER_UNIT[unit]
    with np.errstate(invalid="ignore"):
        readable = np.abs(values) < _LATEST / factor / 1.001
    usable = np.where(readable, values, 0.0)
    whole_seconds = np.floor(usable)
    fraction = np.round((usable - whole_seconds) * factor).astype(np.int64)
    return Times(whole_seconds.astype(np.int64) * factor + fraction, readable, unit)


def written_digits(values: F64) -> Times | None:
    """Return numbers that are written dates, such as 20260201, 202602012359 or 20260201235900; None for others.

    Days since 1899-12-30, as in a spreadsheet, are dates too. As unix times these would be in the year 1970 or 1976, or
    after the year 2600, in which no predictions were made.
    """
    known = np.isfinite(values)
    finite = values[known]
    if not len(finite):
        return None
    if unit := clock_unit(finite):
        whole = np.where(known, values, 19_700_101 * unit).astype(np.int64)
        keys, clock = whole // unit, whole % unit * (10**6 // unit)
        months = ((keys // 10_000 - 1970) * 12 + keys // 100 % 100 - 1).astype("datetime64[M]")
        dates = months.astype("datetime64[D]") + (keys % 100 - 1)
        known &= dates.astype("datetime64[M]") == months  # 20260230 does not exist
        seconds = dates.astype(np.int64) * 86_400 + clock // 10_000 * 3_600 + clock // 100 % 100 * 60 + clock % 100
        return Times(np.where(known, seconds * 10**9, 0), known)
    if finite.min() < SERIAL_2000 or finite.max() >= SERIAL_2100:
        return None
    milliseconds = np.round((np.where(known, values, 25_569) - 25_569) * 86_400_000).astype(np.int64)
    return Times(milliseconds * 10**6, known)


def _unit_of(values: F64) -> str:
    finite = np.abs(values[np.isfinite(values)])
    size = float(np.median(finite)) if len(finite) else 0.0
    return _UNIT[nanoseconds_per_unit(size)]


def _texts(array: pa.ChunkedArray) -> Times:
    """Convert ISO 8601 texts with and without a zone, and unix times as text; each form is cast by Arrow as a whole."""
    n = len(array)
    values, readable = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    iso, zoned, unix = (_matches(array, pattern) for pattern in (ISO, _ZONED, _UNIX))
    for mask, kind in ((iso & zoned, pa.timestamp("ns", "UTC")), (iso & ~zoned, pa.timestamp("ns"))):
        row_indices = np.flatnonzero(mask)
        if len(row_indices):
            texts = pc.replace_substring(
                one_array(array.take(positions(row_indices))), ",", "."
            )  # fractions as `logging` writes them
            read = _cast(texts, kind)
            readable[row_indices] = valid_of(read)
            values[row_indices] = values_of(read.cast(pa.int64()), 0)
    row_indices = np.flatnonzero(unix)
    if not len(row_indices):
        return Times(values, readable)
    read_unix = _unix(numbers(one_array(array.take(positions(row_indices)).cast(pa.float64()))))
    values[row_indices], readable[row_indices] = read_unix.values, read_unix.readable
    return Times(values, readable, read_unix.unit)


def _matches(array: pa.ChunkedArray, pattern: str) -> NDArray[np.bool_]:
    return truth_of(pc.match_substring_regex(array, pattern))


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast texts to times, null for invalid ones (30 February, the year 9999), which are isolated by bisection."""
    try:
        return array.cast(kind)
    except pa.ArrowInvalid:
        if len(array) == 1:
            return pa.nulls(1, kind)
        middle = len(array) // 2
        return pa.concat_arrays([_cast(array[:middle], kind), _cast(array[middle:], kind)])
