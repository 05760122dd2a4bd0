"""Columns of outcomes → columns that can be stored: a million rows in a few calls of Arrow.

Only what does not fit the type of its column is read value by value, by the rules of :mod:`.fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from driftline.outputs.rankings import MOST_TEXT
from driftline.tables.classes import class_column
from driftline.tables.performance_columns import WEIGHTS, no_weight
from driftline.tables.table import F64, I64, Column
from numpy.typing import NDArray

from driftline_processor.core.arrow_arrays import category_array

from .fields import FIELDS, LAST, MAX_SLICES, MAX_TEXT, SLICE, UnusableField, instant_of, slice_name, text_of
from .row_reader import SHOWN_REJECTIONS, OutcomeRows, ParsedDocument

NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""A CSV cell that is a number. Not "007": what starts with a needless zero is a name."""

NOT_FINITE = r"^(?i)[+-]?(nan|inf|infinity)$"

_NOT_FINITE = "actual is not finite; send a finite number, or nothing until it is known"
_YES_OR_NO = ["0", "1", None]
_NO_OR_YES = [0, 1, None]
"""Made into arrays when they are needed: Arrow then looks for pandas, which takes a third as long as a start."""

_Types = tuple[Callable[[pa.DataType], bool], ...]
_TEXTS: _Types = (pa.types.is_string, pa.types.is_null)
_NUMBERS: _Types = (pa.types.is_int64, pa.types.is_float64, pa.types.is_null)
_TIMES: _Types = (*_NUMBERS, pa.types.is_string, pa.types.is_timestamp)
_VALUES: _Types = (*_NUMBERS, pa.types.is_string, pa.types.is_boolean)
_ARROW_TYPES: dict[str, _Types] = {
    "id": (pa.types.is_string, pa.types.is_int64, pa.types.is_float64),
    "actual": _VALUES,
    "time": _TIMES,
    "prediction_time": _TIMES,
    "weight": _NUMBERS,
    "item": (*_TEXTS, *_NUMBERS),
    "value": _NUMBERS,
    "retracted": (pa.types.is_boolean, pa.types.is_int64, pa.types.is_null),
    "slices": (lambda kind: pa.types.is_struct(kind) and all(map(_of_a_slice, kind)), pa.types.is_null),
    "model": _TEXTS,
    "environment": _TEXTS,
}


def _of_a_slice(field: pa.Field) -> bool:
    return any(value(field.type) for value in _VALUES)


def misfit_reason(table: pa.Table, bare_numbers: bool = False) -> str:
    """Return why columns cannot be converted whole: one that is not of outcomes, or of another type; "" where they can.

    ``bare_numbers``: as in :func:`convert_columns`.

    >>> misfit_reason(pa.table({"id": ["a"], "actual": [[1]]}))
    "column 'actual' holds list<item: int64>"
    """
    if len(set(table.column_names)) < table.num_columns:
        return "a column comes twice"
    for column in table.schema:
        types = _VALUES if column.name.startswith(SLICE) else _ARROW_TYPES.get(column.name)
        if types is None:
            return f"column {column.name[:80]!r} is not known; outcomes have {', '.join(FIELDS)} and {SLICE}NAME"
        fits = any(is_type(column.type) for is_type in types) or (bare_numbers and column.name != "slices")
        if not fits:
            hint = f"; name a column {SLICE}NAME for each" if column.name == "slices" else ""
            return f"column {column.name[:80]!r} holds {str(column.type)[:80]}{hint}"
    try:
        names = [slice_name(name) for name in _sliced(table.schema)]
    except UnusableField as reason:
        return str(reason)
    return f"there are {len(names)} slices; {MAX_SLICES} is the most" if len(names) > MAX_SLICES else ""


def _sliced(schema: pa.Schema) -> list[str]:
    inner = [field.name for column in schema if pa.types.is_struct(column.type) for field in column.type]
    return inner + [name.removeprefix(SLICE) for name in schema.names if name.startswith(SLICE)]


@dataclass(slots=True)
class Rejections:
    """Rows that cannot be used, with their reasons.

    Attributes:
        bad: bool (n,).
        reasons: Of the first rows, the first reason.
        checks: Of each check that rejected rows, how many, the place of the first one and its reason.
        without_model: How many were rejected because no model is named.
    """

    n: int
    bad: NDArray[np.bool_] = field(init=False)
    reasons: dict[int, str] = field(default_factory=dict)
    checks: list[tuple[int, int, str]] = field(default_factory=list)
    without_model: int = 0

    def __post_init__(self) -> None:
        self.bad = np.zeros(self.n, np.bool_)

    def where(self, mask: NDArray[np.bool_], reason: str | Mapping[int, str]) -> None:
        """Reject rows; ``reason``: of all, or of each of the first."""
        places = np.flatnonzero(mask & ~self.bad)
        for row in places[:SHOWN_REJECTIONS].tolist():
            self.reasons[row] = reason if isinstance(reason, str) else reason[row]
        if len(places):
            self.checks.append((len(places), int(places[0]), self.reasons[int(places[0])]))
        self.bad |= mask

    def kept(self) -> I64:
        """Return the places of the rows that can be used."""
        return np.flatnonzero(~self.bad)

    def document(self, rows: OutcomeRows) -> ParsedDocument:
        """Return usable rows beside the first rejections."""
        shown_reasons = sorted(self.reasons.items())[:SHOWN_REJECTIONS]
        return ParsedDocument(rows, shown_reasons, int(self.bad.sum()) - len(shown_reasons), self.without_model)


def convert_columns(
    table: pa.Table,
    model: str | None,
    environment: str | None,
    bare_numbers: bool = False,
    torn: NDArray[np.bool_] | None = None,
) -> ParsedDocument:
    """Convert the columns of a document, see :func:`read_columns`."""
    rows, rejected = read_columns(table, model, environment, bare_numbers, torn)
    return rejected.document(rows)


def read_columns(
    table: pa.Table,
    model: str | None,
    environment: str | None,
    bare_numbers: bool = False,
    torn: NDArray[np.bool_] | None = None,
) -> tuple[OutcomeRows, Rejections]:
    """Convert columns of Arrow types to outcomes, and tell which rows cannot be used.

    Args:
        table: n rows whose columns :func:`misfit_reason` finds nothing wrong with.
        model: the model of rows that name none.
        environment: the environment of rows that name none.
        bare_numbers: read texts that look like numbers as numbers, as in CSV.
        torn: bool (n,), rows that hold what is no UTF-8.
    """
    rejected = Rejections(table.num_rows)
    if torn is not None:
        rejected.where(torn, "the line is not UTF-8")
    column = {name: table[name].combine_chunks() for name in table.column_names}
    nothing = pa.nulls(table.num_rows, pa.string())
    ids = _texts(column.get("id", nothing), "id", rejected, bare_numbers)
    rejected.where(_is_null(ids), "id is missing")
    models = _texts(column.get("model", nothing), "model", rejected, bare_numbers)
    models = pc.fill_null(models, model) if model else models
    rejected.without_model = int(np.count_nonzero(_is_null(models) & ~rejected.bad))
    rejected.where(_is_null(models), "model is missing; name it in the row or as ?model=")
    environments = _texts(column.get("environment", nothing), "environment", rejected, bare_numbers)
    environments = pc.fill_null(environments, environment) if environment else environments
    retracted = _retracted(column.get("retracted", nothing), rejected)
    number, text = _actuals(column.get("actual", nothing), retracted, rejected, bare_numbers)
    time = _instants(column.get("time", nothing), "time", rejected)
    prediction_time = _instants(column.get("prediction_time", nothing), "prediction_time", rejected)
    weight = _weights(column.get("weight", nothing), rejected)
    item = _texts(column.get("item", nothing), "item", rejected, bare_numbers)
    value = _worth(column.get("value", nothing), rejected)
    slices = _slices(column, rejected)
    rows = OutcomeRows(
        model=models,
        environment=environments,
        id=ids,
        text=text,
        number=number,
        time=time,
        prediction_time=prediction_time,
        weight=weight,
        item=item,
        value=value,
        retracted=retracted,
        slices=slices,
    )
    return rows if not rejected.bad.any() else rows.take(rejected.kept()), rejected


def _texts(column: pa.Array, name: str, rejected: Rejections, bare_numbers: bool) -> pa.StringArray:
    texts = pc.utf8_trim_whitespace(_written(column) if pa.types.is_float64(column.type) else column.cast(pa.string()))
    empty = pc.equal(texts, "")
    if pc.any(empty).as_py():
        texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
    long = pc.greater(pc.utf8_length(texts), MAX_TEXT)
    if name == "actual":  # what was relevant in a ranking, as JSON
        listed = pc.match_substring_regex(texts, r"^[\[{]")
        long = pc.if_else(listed, pc.greater(pc.utf8_length(texts), MOST_TEXT), long)
    rejected.where(_mask(long), f"{name} has more than {MAX_TEXT:,} characters")
    if bare_numbers and name in ("id", "item"):
        # A whole column of 17.0 is a column of whole numbers that passed through floats on its way to the file.
        known_texts = texts.drop_null()
        if len(known_texts) and pc.all(pc.match_substring_regex(known_texts, r"^-?[0-9]+\.0$")).as_py():
            texts = pc.utf8_slice_codeunits(texts, 0, -2)
    return texts


def _written(column: pa.Array) -> pa.StringArray:
    """Return numbers as texts: whole ones, which floats are where an id was missing, without a point."""
    number = _floats(column)
    is_integer = np.isnan(number) | ((np.floor(number) == number) & (np.abs(number) < LAST))
    if is_integer.all():
        return pa.array(np.where(np.isnan(number), 0, number).astype(np.int64), mask=np.isnan(number)).cast(pa.string())
    return pa.array([text_of(value, "id") for value in number.tolist()], pa.string())


def _actuals(
    column: pa.Array, retracted: NDArray[np.bool_], rejected: Rejections, bare_numbers: bool
) -> tuple[F64, pa.StringArray]:
    if not pa.types.is_string(column.type):
        number = _floats(column)
        rejected.where(_is_null(column) & ~retracted, "actual is missing")
        rejected.where(~np.isfinite(number) & ~(retracted & np.isnan(number)), _NOT_FINITE)
        return number, pa.nulls(len(column), pa.string())
    texts = _texts(column, "actual", rejected, bare_numbers)
    rejected.where(_is_null(texts) & ~retracted, "actual is missing")
    if not bare_numbers:
        return np.full(len(texts), np.nan), texts
    numeric = pc.match_substring_regex(texts, NUMBER)
    number = _floats(pc.if_else(numeric, texts, pa.scalar(None, pa.string())).cast(pa.float64()))
    odd = _mask(pc.match_substring_regex(texts, NOT_FINITE))
    rejected.where((odd & ~retracted) | np.isinf(number), _NOT_FINITE)
    is_text = pc.and_(pc.invert(numeric), pa.array(~odd))
    return number, pc.if_else(is_text, texts, pa.scalar(None, pa.string()))


def _retracted(column: pa.Array, rejected: Rejections) -> NDArray[np.bool_]:
    if not pa.types.is_string(column.type):
        if pa.types.is_int64(column.type):
            rejected.where(
                _mask(pc.invert(pc.is_in(column, pa.array(_NO_OR_YES)))), "retracted is a number; send true or false"
            )
            return _mask(pc.equal(column, 1))
        return _mask(column) if pa.types.is_boolean(column.type) else np.zeros(len(column), np.bool_)
    texts = _canonical(column)
    rejected.where(_mask(pc.invert(pc.is_in(texts, pa.array(_YES_OR_NO)))), "retracted is a text; send true or false")
    return _mask(pc.equal(texts, "1"))


def _worth(column: pa.Array, rejected: Rejections) -> F64:
    number, is_given = _numbers(column)
    rejected.where(np.isinf(number), "value is inf; send a finite number")
    if pa.types.is_string(column.type):
        rejected.where(is_given & np.isnan(number), "value is a text; send a number")
    return number


def _slices(column: Mapping[str, pa.Array], rejected: Rejections) -> dict[str, pa.StringArray]:
    """Return the fields of ``slices`` and the columns ``slice.NAME``, as canonical texts."""
    given = column.get("slices", pa.nulls(0))
    slice_columns = {}
    if pa.types.is_struct(given.type):
        slice_columns = {field.name: pc.struct_field(given, field.name) for field in given.type}
    slice_columns |= {name.removeprefix(SLICE): values for name, values in column.items() if name.startswith(SLICE)}
    slices = {name: _canonical(values) for name, values in slice_columns.items()}
    for name, texts in slices.items():
        long = _mask(pc.greater(pc.utf8_length(texts), MAX_TEXT))
        rejected.where(long, f"slices.{name[:80]} has more than {MAX_TEXT:,} characters")
    return slices


def _canonical(column: pa.Array) -> pa.StringArray:
    """Return values as the texts of classes: 17.0 is "17", true is "1"; null where missing."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_int64(column.type):
        return column.cast(pa.string())  # a double has no room for the last digits of many an id
    if not pa.types.is_string(column.type):
        return category_array(class_column(Column(numbers=_floats(column))), len(column))
    encoded = column.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    categories = tuple(encoded.dictionary.to_pylist())
    return category_array(class_column(Column(codes=codes, categories=categories)), len(column))


def _instants(column: pa.Array, name: str, rejected: Rejections) -> I64:
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
        unit = np.select([sent < 10**11, sent < 10**14, sent < 10**17], [10**9, 10**6, 10**3], 1)
        time = np.where((sent > 0) & (sent < LAST // unit), sent, 0) * unit
    else:
        return _instants_one_by_one(column, name, rejected)
    rejected.where(~missing & (time <= 0), f"{name} is no time between 1970 and 2262")
    return time


def _instants_one_by_one(column: pa.Array, name: str, rejected: Rejections) -> I64:
    time, bad = np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)
    reasons: dict[int, str] = {}
    for row, value in enumerate(column.to_pylist()):
        try:
            time[row] = instant_of(value, name)
        except UnusableField as reason:
            if not rejected.bad[row] and len(reasons) < SHOWN_REJECTIONS:
                reasons[row] = str(reason)
            bad[row] = True
    rejected.where(bad, reasons)
    return time


def _weights(column: pa.Array, rejected: Rejections) -> F64:
    weight, is_given = _numbers(column)
    rejected.where(is_given & (np.isnan(weight) | no_weight(weight)), f"weight is not {WEIGHTS}")
    return weight


def _numbers(column: pa.Array) -> tuple[F64, NDArray[np.bool_]]:
    """Return the numbers, NaN where there is none, and which values are not null."""
    is_given = ~_is_null(column)
    if pa.types.is_string(column.type):
        texts = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.match_substring_regex(texts, NUMBER), texts, pa.scalar(None, pa.string())).cast(
            pa.float64()
        )
    return _floats(column), is_given


def _floats(column: pa.Array) -> F64:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers: F64 = pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    return numbers


def _is_null(column: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.is_null(column).to_numpy(zero_copy_only=False)
    return mask


def _mask(column: pa.BooleanArray) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return mask
