"""Columns of outcomes → columns that can be stored: a million rows in a few calls of Arrow.

Only what does not fit the type of its column is read value by value, by the rules of :mod:`.outcome_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.tables import F64, I64
from numpy.typing import NDArray

from .outcome_rows import MAX_TEXT, OutcomeRows, Parsed, Unusable, instant_of

NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""A CSV cell that is a number. Not "007": what starts with a needless zero is a name."""

NOT_FINITE = r"^(?i)[+-]?(nan|inf|infinity)$"

_ARROW_TYPES: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "id": (pa.types.is_string, pa.types.is_int64),
    "actual": (pa.types.is_string, pa.types.is_int64, pa.types.is_float64, pa.types.is_boolean, pa.types.is_null),
    "time": (pa.types.is_string, pa.types.is_timestamp, pa.types.is_int64, pa.types.is_float64, pa.types.is_null),
    "prediction_time": (
        pa.types.is_string,
        pa.types.is_timestamp,
        pa.types.is_int64,
        pa.types.is_float64,
        pa.types.is_null,
    ),
    "weight": (pa.types.is_int64, pa.types.is_float64, pa.types.is_null),
    "model": (pa.types.is_string, pa.types.is_null),
    "environment": (pa.types.is_string, pa.types.is_null),
}


def fits(table: pa.Table) -> bool:
    """Whether every column is one that outcomes have, and of a type that can be converted whole."""
    columns = zip(table.column_names, table.schema.types, strict=True)
    return all(any(of(kind) for of in _ARROW_TYPES.get(name, ())) for name, kind in columns)


@dataclass(slots=True)
class _Rejections:
    """The first reason why each of n rows cannot be used."""

    n: int
    reasons: dict[int, str] = field(default_factory=dict)

    def where(self, mask: NDArray[np.bool_], reason: str) -> None:
        for row in np.flatnonzero(mask):
            self.reasons.setdefault(int(row), reason)

    def kept(self) -> I64:
        mask = np.ones(self.n, bool)
        mask[list(self.reasons)] = False
        return np.flatnonzero(mask)


def by_column(table: pa.Table, model: str | None, environment: str | None, bare_numbers: bool = False) -> Parsed:
    """Convert columns of Arrow types. ``bare_numbers``: texts that look like numbers are numbers, as in CSV."""
    rejected = _Rejections(table.num_rows)
    column = {name: table[name].combine_chunks() for name in table.column_names}
    nothing = pa.nulls(table.num_rows, pa.string())
    ids = _texts(column.get("id", nothing), "id", rejected, bare_numbers)
    rejected.where(_is_null(ids), "id is missing")
    models = _texts(column.get("model", nothing), "model", rejected, bare_numbers)
    models = pc.fill_null(models, model) if model else models
    rejected.where(_is_null(models), "model is missing; name it in the row or as ?model=")
    environments = _texts(column.get("environment", nothing), "environment", rejected, bare_numbers)
    environments = pc.fill_null(environments, environment) if environment else environments
    number, text = _actuals(column.get("actual", nothing), rejected, bare_numbers)
    time = _instants(column.get("time", nothing), "time", rejected)
    prediction_time = _instants(column.get("prediction_time", nothing), "prediction_time", rejected)
    weight = _weights(column.get("weight", nothing), rejected)
    kept = rejected.kept()
    take = pa.array(kept)
    rows = OutcomeRows(
        model=models.take(take),
        environment=environments.take(take),
        id=ids.take(take),
        text=text.take(take),
        number=number[kept],
        time=time[kept],
        prediction_time=prediction_time[kept],
        weight=weight[kept],
    )
    return Parsed(rows, sorted(rejected.reasons.items()))


def _texts(column: pa.Array, name: str, rejected: _Rejections, bare_numbers: bool) -> pa.StringArray:
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    rejected.where(_mask(pc.greater(pc.utf8_length(texts), MAX_TEXT)), f"{name} has more than {MAX_TEXT:,} characters")
    if bare_numbers and name == "id":
        # A whole column of 17.0 is a column of whole numbers that passed through floats on its way to the file.
        known = texts.drop_null()
        if len(known) and pc.all(pc.match_substring_regex(known, r"^-?[0-9]+\.0$")).as_py():
            texts = pc.utf8_slice_codeunits(texts, 0, -2)
    return texts


def _actuals(column: pa.Array, rejected: _Rejections, bare_numbers: bool) -> tuple[F64, pa.StringArray]:
    if not pa.types.is_string(column.type):
        number = _floats(column)
        rejected.where(_is_null(column), "actual is missing")
        rejected.where(~np.isfinite(number), "actual is not finite; send a finite number, or nothing until it is known")
        return number, pa.nulls(len(column), pa.string())
    texts = _texts(column, "actual", rejected, bare_numbers)
    rejected.where(_is_null(texts), "actual is missing")
    if not bare_numbers:
        return np.full(len(texts), np.nan), texts
    numeric = pc.match_substring_regex(texts, NUMBER)
    number = _floats(pc.if_else(numeric, texts, pa.scalar(None, pa.string())).cast(pa.float64()))
    infinite = _mask(pc.match_substring_regex(texts, NOT_FINITE)) | np.isinf(number)
    rejected.where(infinite, "actual is not finite; send a finite number, or nothing until it is known")
    return number, pc.if_else(pc.invert(numeric), texts, pa.scalar(None, pa.string()))


def _instants(column: pa.Array, name: str, rejected: _Rejections) -> I64:
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64)
    if pa.types.is_string(column.type):
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            try:
                column = column.cast(pa.timestamp("ns", "UTC"))
            except pa.ArrowInvalid:
                return _instants_one_by_one(column, name, rejected)
    missing = _is_null(column)
    if pa.types.is_timestamp(column.type):
        try:
            time: I64 = pc.fill_null(column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()), 0).to_numpy()
        except pa.ArrowInvalid:
            return _instants_one_by_one(column.cast(pa.string()), name, rejected)
    elif pa.types.is_int64(column.type):
        sent = pc.fill_null(column, 0).to_numpy()
        time = sent * np.select([sent < 10**11, sent < 10**14, sent < 10**17], [10**9, 10**6, 10**3], 1)
    else:
        return _instants_one_by_one(column, name, rejected)
    rejected.where(~missing & (time <= 0), f"{name} is no time between 1970 and 2262")
    return time


def _instants_one_by_one(column: pa.Array, name: str, rejected: _Rejections) -> I64:
    time = np.zeros(len(column), np.int64)
    for row, value in enumerate(column.to_pylist()):
        try:
            time[row] = instant_of(value, name)
        except Unusable as reason:
            rejected.reasons.setdefault(row, str(reason))
    return time


def _weights(column: pa.Array, rejected: _Rejections) -> F64:
    given = ~_is_null(column)
    if pa.types.is_string(column.type):
        texts = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.match_substring_regex(texts, NUMBER), texts, pa.scalar(None, pa.string())).cast(
            pa.float64()
        )
    weight = _floats(column)
    usable = np.isfinite(weight) & (weight > 0)
    rejected.where(given & ~usable, "weight is no number above 0; a weight is 1 / probability of review")
    return weight


def _floats(column: pa.Array) -> F64:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers: F64 = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    return numbers


def _is_null(column: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.is_null(column).to_numpy(zero_copy_only=False)
    return mask


def _mask(column: pa.BooleanArray) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return mask
