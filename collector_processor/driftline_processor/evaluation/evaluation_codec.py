"""Evaluations as bytes: numbers by column, words once, and what belongs to the reference apart.

An evaluation of 20 features is some thousand numbers and a few words. Written as JSON, object by object, it takes
34 kB and 6 ms. Here the objects of one type become columns: the p-values of all methods of all features stand together.
Numbers are binary, with the first bytes of all of them side by side, then the second bytes. Anything else is JSON. A
value that all rows share is written once, and what has the default of its field is left out. Then all is compressed.

An evaluation has three parts:

- *head*: what lists of windows show, and verdicts are made of.
- *details*: what a window's own page shows, the drift of its columns and :data:`DETAILS`.
- *drawing*: what the reference alone says of its columns, categories and shares of their cells. Windows share one.

Columns have the names of their fields, so that another release may know more of them, or fewer. Nothing is rounded:
what is read is what was written.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from hashlib import blake2b
from itertools import chain, islice, repeat
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64

from driftline_processor.core.drift.lasting import stored_lasting
from driftline_processor.core.evaluation import ColumnDrift, Evaluation

FORM = 1
"""The first byte of a part: the form that this module writes."""

DRIFT_FIELDS = ("features", "score", "predicted")
"""Fields that hold the drift of columns: all of these are one table."""

DETAILS = ("slices", "joint", "ages", "curves", "confusion", "performance_slices", "fairness", "weak", "expected")
"""Fields that only a window's own page shows, beside the drift of its columns."""

_DRAWN = ("column", "name", "cells", "was", "missing_was")
"""Fields of a column that its reference alone says."""

_EFFORT = 3
"""Level of zstd: 26 microseconds for 6 kB; level 9 takes 66 and saves 1 %."""

_DECIMALS = (0, 6, 9)
"""Decimals that are tried for an array, the fewest first: counts, points of curves, shares of cells."""

_FIRST = 8
"""Numbers of an array that are tried first: most arrays have other decimals than the fewest."""

_WIDEST = 2**32
"""Whole numbers below this are written in place of the decimals of an array."""

_DIGEST = 12
"""Bytes of the digest of a drawing: a series has thousands of drawings at most."""

_OPENING = struct.Struct("<BIII")
"""Form, bytes before compression, bytes of JSON and numbers of a part."""

Column = Any
"""A column as JSON: None where all values are None, else a list that begins with the way of reading the others."""

Pack = Callable[[Sequence[Any], "_Writer"], Column]
Unpack = Callable[[Column, int, "_Reader"], Iterable[Any]]


class Drawing(NamedTuple):
    """What the reference alone says of the columns of windows; these share it in memory, too.

    Attributes:
        features: Names of the features, in order.
        singles: Fields that hold one column each, behind the features.
        columns: Field of a column → a value for each column.
    """

    features: list[str]
    singles: list[str]
    columns: dict[str, list[Any]]


class PackedDrawing(NamedTuple):
    """A drawing, its bytes, and the digest that names them."""

    digest: bytes
    part: bytes
    drawing: Drawing


class PackedEvaluation(NamedTuple):
    """An evaluation as bytes, and the drawing that its details build on."""

    head: bytes
    details: bytes
    drawing: PackedDrawing


def pack_evaluation(evaluation: Evaluation, known: PackedDrawing | None = None) -> PackedEvaluation:
    """Write an evaluation as bytes: :func:`unpack_head` and :func:`unpack_details` read them.

    Of the evidence for shifts that last what windows before it tell is left out
    (:func:`~driftline_processor.core.drift.lasting.recall_lasting`).

    Args:
        evaluation: Of a window.
        known: The drawing of another window. It is taken again where it says the same of most columns; what it says
            otherwise stands in the details.
    """
    if evaluation.lasting is not None:
        evaluation = replace(evaluation, lasting=stored_lasting(evaluation.lasting))
    singles = [name for name in DRIFT_FIELDS[1:] if getattr(evaluation, name) is not None]
    columns = [*evaluation.features.values(), *(getattr(evaluation, name) for name in singles)]
    features, of_columns = list(evaluation.features), _values(ColumnDrift, _DRAWN, columns)
    other = None
    if known is not None and (known.drawing.features, known.drawing.singles) == (features, singles):
        other = _differing(known.drawing.columns, of_columns)
    if known is None or other is None or len(other) * 2 > len(columns):
        known, other = _draw(Drawing(features, singles, of_columns)), []
    head, details, one = _Writer(), _Writer(), [evaluation]
    said = {
        "columns": _pack_fields(ColumnDrift, columns, details, _own_fields()),
        **_pack_fields(Evaluation, one, details, DETAILS),
    }
    if other:
        said["redrawn"] = [other, _pack_fields(ColumnDrift, [columns[at] for at in other], details, _DRAWN)]
    top = head.bytes_of(_pack_fields(Evaluation, one, head, _head_fields()))
    return PackedEvaluation(top, details.bytes_of(said), known)


def _values(kind: Any, names: tuple[str, ...], rows: Sequence[Any]) -> dict[str, list[Any]]:
    """Return values of objects by field."""
    _, values_of = _taken(kind, names)
    columns = list(zip(*map(values_of, rows), strict=True)) or [()] * len(names)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}


def _differing(known: dict[str, list[Any]], found: dict[str, list[Any]]) -> list[int]:
    """Return the places at which columns differ."""
    places: set[int] = set()
    for name, values in found.items():
        before = known[name]
        if name != "was" and before == values and [*map(type, before)] == [*map(type, values)]:
            continue
        pairs = zip(before, values, strict=True)
        places |= {at for at, (one, other) in enumerate(pairs) if not (one is other or _same(one, other))}
    return sorted(places)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return bool(one.shape == other.shape and one.tobytes() == other.tobytes())
    return bool(one == other)


def _draw(drawing: Drawing) -> PackedDrawing:
    out = _Writer()
    columns = {
        name: column
        for name, values in drawing.columns.items()
        if values and (column := _fields(ColumnDrift)[name].pack(values, out)) is not None
    }
    part = out.bytes_of({"features": drawing.features, "singles": drawing.singles, "columns": columns})
    return PackedDrawing(digest_of_drawing(part), part, drawing)


def unpack_evaluation(packed: PackedEvaluation) -> Evaluation:
    """Read an evaluation from its bytes."""
    drawing = unpack_drawing(packed.drawing.part).drawing
    return Evaluation(**unpack_head(packed.head), **unpack_details(packed.details, drawing))


def unpack_head(part: bytes) -> dict[str, Any]:
    """Read the fields of an evaluation from its head."""
    reader = _Reader(part)
    return {name: column[0] for name, column in _unpack_fields(Evaluation, reader.said, 1, reader, _head_fields())}


def digest_of_drawing(part: bytes) -> bytes:
    """Return the digest that names the bytes of a drawing."""
    return blake2b(part, digest_size=_DIGEST).digest()


def unpack_drawing(part: bytes) -> PackedDrawing:
    """Read what the reference alone says of columns."""
    reader = _Reader(part)
    features, singles = reader.said["features"], reader.said["singles"]
    many = len(features) + len(singles)
    columns = dict(_unpack_fields(ColumnDrift, reader.said["columns"], many, reader, _DRAWN))
    whole = {name: columns.get(name, [None] * many) for name in _DRAWN}
    return PackedDrawing(digest_of_drawing(part), part, Drawing(features, singles, whole))


def unpack_details(part: bytes, drawing: Drawing) -> dict[str, Any]:
    """Read the other fields of an evaluation from its details and the drawing of its reference."""
    reader, many = _Reader(part), len(drawing.features) + len(drawing.singles)
    columns = dict(drawing.columns)
    columns |= _unpack_fields(ColumnDrift, reader.said["columns"], many, reader, _own_fields())
    if "redrawn" in reader.said:
        places, said = reader.said["redrawn"]
        redrawn = dict(_unpack_fields(ColumnDrift, said, len(places), reader, _DRAWN))
        for name in _DRAWN:
            columns[name] = list(columns[name])
            for at, value in zip(places, redrawn.get(name, repeat(_fields(ColumnDrift)[name].default)), strict=False):
                columns[name][at] = value
    drifts = list(_build(ColumnDrift, columns, many)) if many else []
    found = {name: column[0] for name, column in _unpack_fields(Evaluation, reader.said, 1, reader, DETAILS)}
    found["features"] = dict(zip(drawing.features, drifts, strict=False))
    found |= dict.fromkeys(DRIFT_FIELDS[1:])
    found |= dict(zip(drawing.singles, drifts[len(drawing.features) :], strict=True))
    return found


def mentions(part: bytes, word: str) -> bool:
    """Return True where a part holds a word as one of its texts or names."""
    return json.dumps(word).encode() in _Reader(part).text


@cache
def _head_fields() -> tuple[str, ...]:
    return tuple(one.name for one in fields(Evaluation) if one.name not in (*DRIFT_FIELDS, *DETAILS))


@cache
def _own_fields() -> tuple[str, ...]:
    return tuple(one.name for one in fields(ColumnDrift) if one.name not in _DRAWN)


class _Writer:
    """Collects the numbers and arrays of a part while its columns are made."""

    def __init__(self) -> None:
        self.numbers: list[float] = []
        self.blocks: list[bytes] = []
        self.size = 0

    def add(self, block: bytes) -> int:
        """Add the bytes of an array; return where they begin."""
        at = self.size
        self.blocks.append(block)
        self.size += len(block)
        return at

    def bytes_of(self, said: Column) -> bytes:
        """Return the part: its columns, then its numbers, then its arrays."""
        text = json.dumps(said, default=_plain, separators=(",", ":"), check_circular=False).encode()
        raw = b"".join((text, _side_by_side(np.array(self.numbers, np.float64)), *self.blocks))
        opening = _OPENING.pack(FORM, len(raw), len(text), len(self.numbers))
        packed: bytes = _codec().compress(raw, asbytes=True)
        return opening + packed


class _Reader:
    """The columns, numbers and arrays of a part."""

    def __init__(self, part: bytes) -> None:
        form, size, text, many = _OPENING.unpack_from(part)
        if form != FORM:
            raise ValueError(f"it is written in form {form}, and this release knows {FORM}")
        raw = _codec().decompress(part[_OPENING.size :], size, asbytes=True)
        self.text = raw[:text]
        self.said: Any = json.loads(self.text)
        ends = text + 8 * many
        self.numbers: list[float] = _one_by_one(raw[text:ends], np.dtype("<f8")).tolist()
        self.blocks: bytes = raw[ends:]


@cache
def _codec() -> pa.Codec:
    return pa.Codec("zstd", _EFFORT)


def _side_by_side(values: np.ndarray[Any, Any]) -> bytes:
    """Return the bytes of numbers: the first byte of each, then the second of each, which compress better."""
    return values.view(np.uint8).reshape(len(values), values.itemsize).T.tobytes()


def _one_by_one(block: bytes, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return the numbers of :func:`_side_by_side`."""
    planes = np.frombuffer(block, np.uint8).reshape(kind.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(kind)


def _plain(value: object) -> object:
    """Return a numpy value as one of JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an evaluation")


class _Field(NamedTuple):
    """A field of a type: how its values are written and read, and its default.

    Attributes:
        types: The type of the default; none where a value that equals the default may be another: 0.0 is not -0.0.
        make: Makes the default of a field that holds a collection; None where ``default`` is it.
    """

    name: str
    types: set[type]
    pack: Pack
    unpack: Unpack
    default: Any
    make: Callable[[], Any] | None


@cache
def _fields(kind: Any) -> dict[str, _Field]:
    """Return the fields of a type, in the order of its arguments."""
    hints = get_type_hints(kind)
    return {
        one.name: _Field(
            one.name,
            set() if one.default is MISSING or isinstance(one.default, float) else {type(one.default)},
            *_ways(hints[one.name]),
            one.default,
            None if one.default_factory is MISSING else one.default_factory,
        )
        for one in fields(kind)
    }


def _pack_fields(kind: Any, rows: Sequence[Any], out: _Writer, names: tuple[str, ...]) -> dict[str, Column]:
    """Return the columns of some fields of objects, without those that all have their default."""
    found: dict[str, Column] = {}
    known, values_of = _taken(kind, names)
    for field, values in zip(known, zip(*map(values_of, rows), strict=True), strict=False):
        types = {*map(type, values)}
        if field.make is not None:
            default = types <= _COLLECTIONS and not any(values)
        else:
            default = types == field.types and values.count(field.default) == len(values)
        if not default:
            found[field.name] = field.pack(values, out)
    return found


_COLLECTIONS = {dict, tuple}


@cache
def _taken(kind: Any, names: tuple[str, ...]) -> tuple[list[_Field], Callable[[Any], tuple[Any, ...]]]:
    """Return some fields of a type, and a function that takes their values from an object."""
    known = _fields(kind)
    take: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
    return [known[name] for name in names], take if len(names) > 1 else lambda row: (take(row),)


def _unpack_fields(
    kind: Any, said: dict[str, Column], many: int, reader: _Reader, names: Iterable[str]
) -> Iterator[tuple[str, list[Any]]]:
    """Yield name and values of those fields that are written."""
    known = _fields(kind)
    for name in names:
        if name in said:
            yield name, list(known[name].unpack(said[name], many, reader))


def _build(kind: Any, columns: dict[str, list[Any]], many: int) -> Iterable[Any]:
    """Make objects of columns; a field without one has its default."""
    arguments: list[Iterable[Any]] = []
    for name, field in _fields(kind).items():
        if name in columns:
            arguments.append(columns[name])
        elif field.make is not None:
            arguments.append([field.make() for _ in range(many)])
        elif field.default is not MISSING:
            arguments.append(repeat(field.default, many))
        else:
            raise ValueError(f"{kind.__name__}.{name} is missing")
    return map(kind, *arguments)


@cache
def _ways(kind: Any) -> tuple[Pack, Unpack]:
    """Return how a column of values of a type is written and read."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType) and NoneType in inner:
        present = [one for one in inner if one is not NoneType]
        return _ways_of_some(*_ways(present[0])) if len(present) == 1 else (_pack_plain, _unpack_plain)
    if is_dataclass(kind):
        return _ways_of_objects(kind)
    if origin is dict:
        return _ways_of_dicts(*_ways(inner[1]))
    if origin is tuple:
        return _ways_of_tuples(*_ways(inner[0]))
    return (_pack_arrays, _unpack_arrays) if origin is np.ndarray else (_pack_plain, _unpack_plain)


def _pack_plain(values: Sequence[Any], out: _Writer) -> Column:
    """Write numbers, words and truths: by what they are, not by what they should be."""
    types = {*map(type, values)}
    if types == {float}:
        out.numbers.extend(values)
        return ["f", len(out.numbers) - len(values)]
    if types <= {NoneType}:
        return None
    if types <= {float, np.float64, NoneType}:
        present = [float(one) for one in values if one is not None]
        out.numbers.extend(present)
        return ["f", len(out.numbers) - len(present), _mask(values)]
    if len(types) == 1 and values.count(values[0]) == len(values):
        return ["=", values[0]]
    return ["j", values]


def _unpack_plain(said: Column, many: int, reader: _Reader) -> Iterable[Any]:
    if said is None:
        return repeat(None, many)
    if said[0] == "=":
        return repeat(said[1], many)
    if said[0] == "j":
        values: list[Any] = said[1]
        return values
    if len(said) == 2:
        return reader.numbers[said[1] : said[1] + many]
    return _between(said[2], reader.numbers[said[1] :])


def _mask(values: Sequence[Any]) -> str:
    """Return which values are there: a 1 for each, a 0 for None."""
    return "".join(["0" if one is None else "1" for one in values])


def _between(mask: str, present: Iterable[Any]) -> list[Any]:
    """Put None where a mask says so between values that are there."""
    rest = iter(present)
    return [next(rest) if there == "1" else None for there in mask]


def _ways_of_some(pack: Pack, unpack: Unpack) -> tuple[Pack, Unpack]:
    """Return how values that may be None are written and read."""
    if pack is _pack_plain:
        return pack, unpack

    def pack_some(values: Sequence[Any], out: _Writer) -> Column:
        present = [one for one in values if one is not None]
        if not present:
            return None
        return pack(values, out) if len(present) == len(values) else ["?", _mask(values), pack(present, out)]

    def unpack_some(said: Column, many: int, reader: _Reader) -> Iterable[Any]:
        if said is None:
            return repeat(None, many)
        if said[0] != "?":
            return unpack(said, many, reader)
        return _between(said[1], unpack(said[2], said[1].count("1"), reader))

    return pack_some, unpack_some


def _ways_of_objects(kind: Any) -> tuple[Pack, Unpack]:
    """Return how objects of a data class are written and read: field by field."""

    def pack_objects(values: Sequence[Any], out: _Writer) -> Column:
        return ["o", _pack_fields(kind, values, out, (*_fields(kind),))] if values else None

    def unpack_objects(said: Column, many: int, reader: _Reader) -> Iterable[Any]:
        columns = {} if said is None else dict(_unpack_fields(kind, said[1], many, reader, _fields(kind)))
        return _build(kind, columns, many) if many else ()

    return pack_objects, unpack_objects


def _ways_of_dicts(pack: Pack, unpack: Unpack) -> tuple[Pack, Unpack]:
    """Return how dictionaries are written and read: the keys that some share once, and all values as one column."""

    def pack_dicts(values: Sequence[Any], out: _Writer) -> Column:
        keys = list(map(tuple, values))
        known = {one: at for at, one in enumerate(dict.fromkeys(keys))}
        flat = list(chain.from_iterable(one.values() for one in values))
        return ["d", list(known), _pack_plain([known[one] for one in keys], out), pack(flat, out)]

    def unpack_dicts(said: Column, many: int, reader: _Reader) -> Iterable[Any]:
        keys = [said[1][at] for at in _unpack_plain(said[2], many, reader)]
        flat = iter(unpack(said[3], sum(map(len, keys)), reader))
        return [dict(zip(some, flat, strict=False)) for some in keys]

    return pack_dicts, unpack_dicts


def _ways_of_tuples(pack: Pack, unpack: Unpack) -> tuple[Pack, Unpack]:
    """Return how tuples are written and read: their lengths, and all items as one column."""

    def pack_tuples(values: Sequence[Any], out: _Writer) -> Column:
        flat = list(chain.from_iterable(values))
        return ["t", _pack_plain(list(map(len, values)), out), pack(flat, out)]

    def unpack_tuples(said: Column, many: int, reader: _Reader) -> Iterable[Any]:
        lengths = list(_unpack_plain(said[1], many, reader))
        flat = iter(unpack(said[2], sum(lengths), reader))
        return [tuple(islice(flat, length)) for length in lengths]

    return pack_tuples, unpack_tuples


def _pack_arrays(values: Sequence[Any], out: _Writer) -> Column:
    """Write float64 arrays as one, by its decimals where these are few and nothing is lost."""
    if not values:
        return None
    shapes = [one.shape[0] if one.ndim == 1 else list(one.shape) for one in values]
    flat = np.concatenate([np.asarray(one, np.float64).ravel() for one in values])
    with np.errstate(all="ignore"):
        for decimals in _DECIMALS:
            whole = _whole(flat[:_FIRST], decimals)
            whole = whole if whole is None or len(flat) <= _FIRST else _whole(flat, decimals)
            if whole is not None:
                return ["a", _pack_plain(shapes, out), out.add(_side_by_side(whole)), whole.dtype.str, decimals]
    return ["a", _pack_plain(shapes, out), out.add(_side_by_side(flat)), "<f8", 0]


def _whole(values: F64, decimals: int) -> np.ndarray[Any, Any] | None:
    """Return numbers times a power of ten as whole ones; None where that would lose anything."""
    scaled = np.rint(values * 10.0**decimals)
    most = float(scaled.max(initial=0.0))
    if not (scaled >= 0).all() or most >= _WIDEST:
        return None
    whole = scaled.astype(np.min_scalar_type(int(most)))
    return whole if (whole / 10.0**decimals).tobytes() == values.tobytes() else None


def _unpack_arrays(said: Column, many: int, reader: _Reader) -> Iterable[Any]:
    if not many:
        return []
    _, shapes, at, dtype, decimals = said
    wanted, kind = list(_unpack_plain(shapes, many, reader)), np.dtype(dtype)
    sizes = [one if isinstance(one, int) else int(np.prod(one)) for one in wanted]
    flat = _one_by_one(reader.blocks[at : at + sum(sizes) * kind.itemsize], kind)
    if kind.kind == "u":
        flat = flat / 10.0**decimals
    ends = np.cumsum(sizes).tolist()
    return [flat[end - size : end].reshape(shape) for end, size, shape in zip(ends, sizes, wanted, strict=True)]
