"""Convert columns of outcomes to stored columns: a million rows in a few calls of Arrow.

Columns without a type, such as JSON values of several types, are read value by value by the rules of :mod:`.fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import NoneType
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from driftline.inputs.text_descriptors import with_short_texts
from driftline.outputs.rankings import MOST_TEXT, relevant_text
from driftline.tables.classes import EXACT, class_column
from driftline.tables.performance_columns import no_weight
from driftline.tables.ranked_items import MOST_ITEMS
from driftline.tables.table import F64, I64, Column
from numpy.typing import NDArray

from driftline_processor.core.arrow_arrays import category_array
from driftline_processor.core.lazy_modules import pc
from driftline_processor.readers.arrow_columns import ids, is_nested, is_text

from .fields import (
    FIELDS,
    IDS,
    LAST,
    MAX_SLICES,
    MAX_TEXT,
    NOT_A_WEIGHT,
    NOT_FINITE,
    SLICE,
    UnusableField,
    actual_of,
    instant_of,
    kind_of,
    not_a_time,
    retracted_of,
    slice_name,
    slices_of,
    text_of,
    too_large,
    too_long,
    value_of,
    weight_of,
)
from .outcome_rows import SHOWN_REJECTIONS, OutcomeRows, ParsedDocument

NUMBER = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""A number in a CSV cell. "007" is not: an unnecessary leading zero marks a name."""

_INTEGER = r"^-?[0-9]+(\.0*)?$"

_NOT_FINITE_TEXT = r"^(?i)[+-]?(nan|inf|infinity)$"

_YES_OR_NO = ["0", "1", None]
_NO_OR_YES = [0, 1, None]
"""Created on first use, because Arrow then looks for pandas, which adds a third to the start time."""

_Values: TypeAlias = "pa.Array | list[object]"
"""A column of an Arrow type, or values of any type."""

_T = TypeVar("_T")
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
    """Return why columns cannot be converted: an unknown name or an unsupported type; "" if they can.

    ``bare_numbers``: as in :func:`convert_columns`.

    >>> misfit_reason(pa.table({"id": ["a"], "actual": [[1]]}))
    "column 'actual' has the type list<item: int64>, which is not supported"
    """
    if len(set(table.column_names)) < table.num_columns:
        return "two columns have the same name"
    for column in table.schema:
        types = _VALUES if column.name.startswith(SLICE) else _ARROW_TYPES.get(column.name)
        if types is None:
            return f"unknown column {column.name[:80]!r}; outcomes have {', '.join(FIELDS)} and {SLICE}NAME"
        fits = any(is_type(column.type) for is_type in types) or (bare_numbers and column.name != "slices")
        if not fits:
            hint = f"; use a column {SLICE}NAME for each" if column.name == "slices" else ""
            return f"column {column.name[:80]!r} has the type {str(column.type)[:80]}, which is not supported{hint}"
    try:
        names = [slice_name(name) for name in _sliced(table.schema)]
    except UnusableField as reason:
        return str(reason)
    return f"there are {len(names)} slices, but at most {MAX_SLICES} are allowed" if len(names) > MAX_SLICES else ""


def _sliced(schema: pa.Schema) -> list[str]:
    inner = [field.name for column in schema if pa.types.is_struct(column.type) for field in column.type]
    return inner + [name.removeprefix(SLICE) for name in schema.names if name.startswith(SLICE)]


@dataclass(slots=True)
class Rejections:
    """Unusable rows with their reasons.

    Attributes:
        bad: bool (n,).
        reasons: First reason of each of the first rows.
        checks: Per check, the number of rejected rows, the position of the first and its reason.
        without_model: Number of rows rejected because the model is missing.
    """

    n: int
    bad: NDArray[np.bool_] = field(init=False)
    reasons: dict[int, str] = field(default_factory=dict)
    checks: list[tuple[int, int, str]] = field(default_factory=list)
    without_model: int = 0

    def __post_init__(self) -> None:
        self.bad = np.zeros(self.n, np.bool_)

    def where(self, mask: NDArray[np.bool_], reason: str | Mapping[int, str]) -> None:
        """Reject rows; ``reason``: one for all, or one per row for the first."""
        places = np.flatnonzero(mask & ~self.bad)
        for row in places[:SHOWN_REJECTIONS].tolist():
            self.reasons[row] = reason if isinstance(reason, str) else reason[row]
        if len(places):
            self.checks.append((len(places), int(places[0]), self.reasons[int(places[0])]))
        self.bad |= mask

    def each(self, values: Sequence[Any], read: Callable[[Any], _T], missing: _T) -> list[_T]:
        """Read the values of a column one by one; reject rows with an :class:`UnusableField`."""
        results, bad, reasons = [missing] * self.n, np.zeros(self.n, np.bool_), dict[int, str]()
        for row in self.usable().tolist():
            try:
                results[row] = read(values[row])
            except UnusableField as reason:
                bad[row] = True
                if len(reasons) < SHOWN_REJECTIONS:
                    reasons[row] = str(reason)
        self.where(bad, reasons)
        return results

    def usable(self) -> I64:
        """Return the positions of usable rows."""
        return np.flatnonzero(~self.bad)

    def document(self, rows: OutcomeRows) -> ParsedDocument:
        """Return the usable rows and the first rejections."""
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
    """Convert columns of Arrow types to outcomes, and return the rejected rows.

    Args:
        table: n rows for which :func:`misfit_reason` returns "".
        model: Model of rows that name none.
        environment: Environment of rows that name none.
        bare_numbers: Read numeric texts as numbers, as in CSV.
        torn: bool (n,), rows with invalid UTF-8.
    """
    rejected = Rejections(table.num_rows)
    if torn is not None:
        rejected.where(torn, "the line is not UTF-8")
    columns: dict[str, _Values] = {name: table[name].combine_chunks() for name in table.column_names}
    rows = _read_fields(columns, model, environment, rejected, bare_numbers)
    rows.slices = _slices(columns)
    return rows if not rejected.bad.any() else rows.take(rejected.usable()), rejected


def convert_objects(objects: Sequence[object], model: str | None, environment: str | None) -> ParsedDocument:
    """Convert outcomes that are JSON objects; a text in their place is the reason why it could not be read.

    >>> parsed = convert_objects([{"id": "a", "actual": 1}, {"id": "b"}, 5], "churn", None)
    >>> parsed.rows.id.to_pylist(), [index for index, _ in parsed.rejected]
    (['a'], [1, 2])
    """
    rejected = Rejections(len(objects))
    rejected.each(objects, _check_object, None)
    outcomes = [outcome if isinstance(outcome, dict) else {} for outcome in objects]
    names = {name for outcome in outcomes for name in outcome if name in FIELDS} - {"slices"}
    columns = {name: _column([outcome.get(name) for outcome in outcomes], name) for name in names}
    rows = _read_fields(columns, model, environment, rejected)
    rows.slices = _slices_of_objects(outcomes, rejected)
    return rejected.document(rows if not rejected.bad.any() else rows.take(rejected.usable()))


def _check_object(outcome: object) -> None:
    if isinstance(outcome, UnusableField):
        raise outcome
    if not isinstance(outcome, dict):
        raise UnusableField(f'an outcome must be an object like {{"id": …, "actual": …}}, not {kind_of(outcome)}')
    unknown = next((key for key in outcome if key not in FIELDS and not key.startswith(SLICE)), None)
    if unknown is not None:
        raise UnusableField(f"unknown key {unknown[:80]!r}; an outcome has the keys {', '.join(FIELDS)}")


def _column(values: list[object], name: str) -> _Values:
    """Return values as an Arrow column if they have a supported type."""
    kinds = {*map(type, values)} - {NoneType}
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        return values
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return values
    return array if any(is_type(array.type) for is_type in _ARROW_TYPES[name]) else values


def _read_fields(
    columns: Mapping[str, _Values],
    model: str | None,
    environment: str | None,
    rejected: Rejections,
    bare_numbers: bool = False,
) -> OutcomeRows:
    """Return all rows, including rejected ones, without their slices."""
    nothing = pa.nulls(rejected.n, pa.string())
    ids = _texts(columns.get("id", nothing), "id", rejected, bare_numbers)
    rejected.where(_is_null(ids), "id is missing")
    models = _texts(columns.get("model", nothing), "model", rejected, bare_numbers)
    models = pc.fill_null(models, model) if model else models
    rejected.without_model = int(np.count_nonzero(_is_null(models) & ~rejected.bad))
    rejected.where(_is_null(models), "the model is missing; set it in the row or as ?model=")
    environments = _texts(columns.get("environment", nothing), "environment", rejected, bare_numbers)
    environments = pc.fill_null(environments, environment) if environment else environments
    retracted = _retracted(columns.get("retracted", nothing), rejected)
    number, text = _actuals(columns.get("actual", nothing), retracted, rejected, bare_numbers)
    return OutcomeRows(
        model=models,
        environment=environments,
        id=ids,
        text=text,
        number=number,
        time=_instants(columns.get("time", nothing), "time", rejected),
        prediction_time=_instants(columns.get("prediction_time", nothing), "prediction_time", rejected),
        weight=_weights(columns.get("weight", nothing), rejected),
        item=_texts(columns.get("item", nothing), "item", rejected, bare_numbers),
        value=_worth(columns.get("value", nothing), rejected),
        retracted=retracted,
        slices={},
    )


def _texts(column: _Values, name: str, rejected: Rejections, bare_numbers: bool) -> pa.StringArray:
    if isinstance(column, list):
        return pa.array(rejected.each(column, partial(text_of, name=name), None), pa.string())
    if pa.types.is_floating(column.type):
        rejected.where(_mask(pc.is_inf(column)), too_large(name))
    texts = pc.utf8_trim_whitespace(column if pa.types.is_string(column.type) else ids(column))
    empty = pc.equal(texts, "")
    if pc.any(empty).as_py():
        texts = pc.if_else(empty, pa.scalar(None, pa.string()), texts)
    long = pc.greater(pc.utf8_length(texts), MAX_TEXT)
    if name == "actual":  # relevance in a ranking, as JSON
        listed = pc.match_substring_regex(texts, r"^[\[{]")
        long = pc.if_else(listed, pc.greater(pc.utf8_length(texts), MOST_TEXT), long)
    rejected.where(_mask(long), too_long(name))
    if bare_numbers and name in IDS:
        # A column in which all values are like 17.0 has integers that were converted to floats.
        known_texts = texts.drop_null()
        if len(known_texts) and pc.all(pc.match_substring_regex(known_texts, r"^-?[0-9]+\.0$")).as_py():
            texts = pc.utf8_slice_codeunits(texts, 0, -2)
    return texts


def _actuals(
    column: _Values, retracted: NDArray[np.bool_], rejected: Rejections, bare_numbers: bool
) -> tuple[F64, pa.StringArray]:
    if isinstance(column, list):
        pairs = list(zip(column, retracted.tolist(), strict=True))
        missing: tuple[float, str | None] = (np.nan, None)
        actuals = rejected.each(pairs, lambda pair: actual_of(*pair), missing)
        return np.array([number for number, _ in actuals]), pa.array([text for _, text in actuals], pa.string())
    if not pa.types.is_string(column.type):
        number = _floats(column)
        rejected.where(_is_null(column) & ~retracted, "actual is missing")
        rejected.where(~np.isfinite(number) & ~(retracted & np.isnan(number)), NOT_FINITE)
        beyond = (np.abs(number) >= EXACT) & pa.types.is_integer(column.type)
        return _with_texts(number, beyond, column)
    texts = _texts(column, "actual", rejected, bare_numbers)
    rejected.where(_is_null(texts) & ~retracted, "actual is missing")
    if not bare_numbers:
        return np.full(len(texts), np.nan), texts
    numeric = pc.match_substring_regex(texts, NUMBER)
    number = _floats(pc.if_else(numeric, texts, pa.scalar(None, pa.string())).cast(pa.float64()))
    odd = _mask(pc.match_substring_regex(texts, _NOT_FINITE_TEXT))
    rejected.where((odd & ~retracted) | np.isinf(number), NOT_FINITE)
    beyond = (np.abs(number) >= EXACT) & _mask(pc.match_substring_regex(texts, _INTEGER))
    return _with_texts(number, beyond | (~_mask(numeric) & ~odd), texts)


def _with_texts(number: F64, is_text: NDArray[np.bool_], values: pa.Array) -> tuple[F64, pa.StringArray]:
    """Return the numbers, and the texts of the others, such as integers that a double cannot represent."""
    texts = pa.nulls(len(values), pa.string())
    if is_text.any():
        texts = pc.if_else(pa.array(is_text), values.cast(pa.string()), pa.scalar(None, pa.string()))
    return np.where(is_text, np.nan, number), texts


def _retracted(column: _Values, rejected: Rejections) -> NDArray[np.bool_]:
    if isinstance(column, list):
        return np.array(rejected.each(column, retracted_of, False), np.bool_)
    if not pa.types.is_string(column.type):
        if pa.types.is_int64(column.type):
            rejected.where(
                _mask(pc.invert(pc.is_in(column, pa.array(_NO_OR_YES)))), "retracted is a number; send true or false"
            )
            return _mask(pc.equal(column, 1))
        return _mask(column) if pa.types.is_boolean(column.type) else np.zeros(len(column), np.bool_)
    texts = _canonical(column)
    rejected.where(_mask(pc.invert(pc.is_in(texts, pa.array(_YES_OR_NO)))), "retracted is a string; send true or false")
    return _mask(pc.equal(texts, "1"))


def _worth(column: _Values, rejected: Rejections) -> F64:
    if isinstance(column, list):
        return np.array(rejected.each(column, value_of, np.nan))
    number, is_given = _numbers(column)
    rejected.where(np.isinf(number), "value is inf; send a finite number")
    if pa.types.is_string(column.type):
        rejected.where(is_given & np.isnan(number), "value is a string; send a number")
    return number


def _slices_of_objects(outcomes: Sequence[Mapping[str, object]], rejected: Rejections) -> dict[str, pa.StringArray]:
    names = dict[str, None]()

    def read(outcome: Mapping[str, object]) -> Mapping[str, str]:
        """Return the slices of an outcome, and count their names, which are limited per document."""
        slices = slices_of(outcome)
        more = [name for name in slices if name not in names]
        if len(names) + len(more) > MAX_SLICES:
            raise UnusableField(f"slice {more[-1][:80]!r} is one too many: at most {MAX_SLICES} slices are allowed")
        names.update(dict.fromkeys(more))
        return slices

    none: Mapping[str, str] = {}
    slices = rejected.each(outcomes, read, none)
    return {name: pa.array([row.get(name) for row in slices], pa.string()) for name in names}


def _slices(columns: Mapping[str, Any]) -> dict[str, pa.StringArray]:
    """Return the fields of ``slices`` and the columns ``slice.NAME``, as canonical texts."""
    slices_column = columns.get("slices", pa.nulls(0))
    slice_columns = {}
    if pa.types.is_struct(slices_column.type):
        slice_columns = {field.name: pc.struct_field(slices_column, field.name) for field in slices_column.type}
    slice_columns |= {name.removeprefix(SLICE): values for name, values in columns.items() if name.startswith(SLICE)}
    return {name: _canonical(values) for name, values in slice_columns.items()}


def _canonical(column: pa.Array) -> pa.StringArray:
    """Return values as the texts of classes: 17.0 is "17", true is "1"; null where missing."""
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_int64(column.type):
        return column.cast(pa.string())  # a double loses the last digits of long ids
    if not pa.types.is_string(column.type):
        return category_array(class_column(Column(numbers=_floats(column))), len(column))
    encoded = column.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    categories = tuple(encoded.dictionary.to_pylist())
    return category_array(with_short_texts(class_column(Column(codes=codes, categories=categories))), len(column))


def _instants(column: _Values, name: str, rejected: Rejections) -> I64:
    if isinstance(column, list):
        return np.array(rejected.each(column, partial(instant_of, name=name), 0), np.int64)
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64)
    if pa.types.is_string(column.type):
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid:
            try:
                column = column.cast(pa.timestamp("ns", "UTC"))
            except pa.ArrowInvalid:
                return _instants(column.to_pylist(), name, rejected)
    missing = _is_null(column)
    if pa.types.is_timestamp(column.type):
        try:
            time: I64 = pc.fill_null(column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64()), 0).to_numpy()
        except pa.ArrowInvalid:
            return _instants(column.cast(pa.string()).to_pylist(), name, rejected)
    elif pa.types.is_int64(column.type):
        sent = pc.fill_null(column, 0).to_numpy()
        unit = np.select([sent < 10**11, sent < 10**14, sent < 10**17], [10**9, 10**6, 10**3], 1)
        time = np.where((sent > 0) & (sent < LAST // unit), sent, 0) * unit
    else:
        return _instants(column.to_pylist(), name, rejected)
    rejected.where(~missing & (time <= 0), not_a_time(name))
    return time


def _weights(column: _Values, rejected: Rejections) -> F64:
    if isinstance(column, list):
        return np.array(rejected.each(column, weight_of, np.nan))
    weight, is_given = _numbers(column)
    rejected.where(is_given & (np.isnan(weight) | no_weight(weight)), NOT_A_WEIGHT)
    return weight


def _numbers(column: pa.Array) -> tuple[F64, NDArray[np.bool_]]:
    """Return the numbers, NaN for null, and which values are valid."""
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


def plain_table(table: pa.Table) -> pa.Table:
    """Return a table with the column types that outcomes are read from, casting equivalent types.

    >>> plain_table(pa.table({"actual": pa.array([1], pa.uint8()), "time": pa.array([0], pa.date32())})).schema.types
    [DataType(int64), TimestampType(timestamp[s])]
    """
    columns = [_plain(column, name) for name, column in zip(table.column_names, table.columns, strict=True)]
    named_columns = zip(table.column_names, columns, strict=True)
    return pa.table(
        [
            _relevant(column) if name == "actual" and _is_ranking(column.type) else column
            for name, column in named_columns
        ],
        names=table.column_names,
    )


def _plain(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    kind = column.type
    if name in IDS and not (is_text(kind) or is_nested(kind) or pa.types.is_boolean(kind)):
        return pa.chunked_array([ids(column)])
    equivalent = _equivalent_type(kind, name)
    # A time beyond 64 bits becomes negative, so that only its row is rejected.
    return column.cast(equivalent, safe=False) if equivalent else column


def _is_ranking(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind))


def _relevant(column: pa.ChunkedArray) -> pa.Array:
    """Return the relevance in rankings as JSON; null for a value with an invalid item."""
    mapped = pa.types.is_map(column.type)
    texts: list[str | None] = []
    for value in column:
        items = None if not value.is_valid or len(value) > MOST_ITEMS else value.as_py()
        try:
            texts.append(None if items is None else relevant_text(dict(items) if mapped else items))
        except ValueError:
            texts.append(None)
    return pa.array(texts, pa.string())


def _equivalent_type(kind: pa.DataType, name: str) -> pa.DataType | None:
    """Return the type to cast a column to, None if it is read unchanged or not at all."""
    if pa.types.is_dictionary(kind):
        return _equivalent_type(kind.value_type, name) or kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    is_integer = pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if is_integer and (name in ("actual", "slices") or name.startswith(SLICE)):
        return pa.string()
    if pa.types.is_uint64(kind) and name in ("weight", "value"):
        return pa.float64()
    if pa.types.is_integer(kind) and not pa.types.is_int64(kind):
        return pa.int64()
    if pa.types.is_float16(kind) or pa.types.is_float32(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_date(kind):
        return pa.timestamp("s")
    if pa.types.is_struct(kind):
        inner = [_equivalent_type(field.type, name) for field in kind]
        named_fields = zip(kind, inner, strict=True)
        return (
            pa.struct([pa.field(field.name, inner_type or field.type) for field, inner_type in named_fields])
            if any(inner)
            else None
        )
    return None
