"""Encode evaluations as msgpack, compressed with zstd against an earlier window of the series.

Windows of one series are almost identical: the same names, categories and reference. The bytes of one window are
therefore the zstd dictionary of the next ones. Fields that another release added are skipped, and missing fields get
their default. Numbers are not rounded. Only unpaired surrogates, which UTF-8 cannot represent, are stored as ``?``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

import numpy as np
from driftline.tables.table import F64
from msgspec import NODEFAULT, Struct, ValidationError, convert, defstruct, field, structs, to_builtins
from msgspec.msgpack import Decoder, decode, encode

from driftline_processor.core import facts
from driftline_processor.core.drift.lasting import stored_lasting
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.fact import Fact, UnknownFact, kind_name
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.present.wording import without_half_surrogates

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZstdError = zstd.ZstdError

DETAILS = (
    *("features", "score", "predicted", "slices", "joint", "ages", "curves", "confusion", "performance_slices"),
    *("fairness", "weak", "expected"),
)
"""Fields that only the page of a window shows; all others are the head."""

_OPTIONS: dict[int, int] = {zstd.CompressionParameter.compression_level: 3, zstd.CompressionParameter.checksum_flag: 1}
"""zstd options: level 1 is 20 % faster with 3-15 % more bytes, level 5 saves 1 % of the bytes."""

_DECIMALS = 1e9
"""Scale of fractions in drawings: they have nine decimals and are written as uint32."""


class _Form(Struct, frozen=True, array_like=True):
    """The parts of an encoded evaluation.

    Attributes:
        head: All fields but :data:`DETAILS`, by name. An array is replaced by its first position among all numbers,
            and its shape.
        details: The other fields.
        fractions: uint32, all numbers of arrays below 4.29 with at most nine decimals, times 1e9.
        numbers: float64, all other numbers of arrays.
        places: One bit per number, set if the number is in ``fractions``; empty if all are.
    """

    head: memoryview
    details: memoryview
    fractions: memoryview
    numbers: memoryview
    places: memoryview


def encode_evaluation(evaluation: Evaluation) -> bytes:
    """Encode an evaluation without compression; equal evaluations have equal bytes.

    The part of the lasting shifts' evidence that follows from earlier windows is left out
    (:func:`~driftline_processor.core.drift.lasting.recall_lasting`).
    """
    values = {name: getattr(evaluation, name) for name in _FIELDS}
    if evaluation.lasting is not None:
        values["lasting"] = stored_lasting(evaluation.lasting)
    arrays: list[F64] = []
    size = 0

    def place_or_number(value: object) -> object:
        nonlocal size
        if isinstance(value, np.ndarray):
            arrays.append(np.asarray(value, np.float64))
            size += value.size
            return (size - value.size, *value.shape)
        if isinstance(value, np.generic):
            return value.item()
        raise TypeError(f"a value of the type {type(value).__name__} cannot be stored in an evaluation")

    try:
        encoded_parts = [encode(part, enc_hook=place_or_number) for part in _parts(values)]
    except UnicodeEncodeError:
        arrays, size = [], 0
        plain = without_half_surrogates(to_builtins(values, enc_hook=place_or_number))
        encoded_parts = [encode(part) for part in _parts(plain)]
    return encode([*encoded_parts, *_pack_numbers(arrays)])


def _parts(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    head = {name: value for name, value in values.items() if name not in DETAILS}
    return head, {name: values[name] for name in DETAILS}


def _pack_numbers(arrays: list[F64]) -> tuple[bytes, bytes, bytes]:
    """Return fractions, others and places (see :class:`_Form`) of the numbers of arrays."""
    numbers = np.concatenate([array.ravel() for array in arrays]) if arrays else np.empty(0)
    with np.errstate(all="ignore"):
        scaled = np.rint(numbers * _DECIMALS)
        fits = (scaled >= 0) & (scaled < 2**32)
        scaled_numbers = np.where(fits, scaled, 0.0).astype(np.uint32)
        fits &= (scaled_numbers / _DECIMALS).view(np.int64) == numbers.view(np.int64)
    places = b"" if fits.all() else np.packbits(fits).tobytes()
    return scaled_numbers[fits].tobytes(), numbers[~fits].tobytes(), places


def _unpack_numbers(form: _Form) -> F64:
    fractions, other_numbers = np.frombuffer(form.fractions, np.uint32) / _DECIMALS, np.frombuffer(form.numbers)
    if not form.places:
        return fractions
    numbers = np.empty(len(fractions) + len(other_numbers))
    fits = np.unpackbits(np.frombuffer(form.places, np.uint8), count=len(numbers)).astype(np.bool_)
    numbers[fits], numbers[~fits] = fractions, other_numbers
    return numbers


def decode_evaluation(raw: bytes) -> Evaluation:
    """Decode an evaluation. Raises msgspec.DecodeError or ValueError for other bytes."""
    return Evaluation(**decode_head(raw), **decode_details(raw))


def decode_head(raw: bytes) -> dict[str, Any]:
    """Decode the fields of an evaluation that are not :data:`DETAILS`."""
    form = _FORM.decode(raw)
    return _decoded(form, form.head, _types()[0])


def decode_details(raw: bytes) -> dict[str, Any]:
    """Decode the fields of an evaluation that are :data:`DETAILS`."""
    form = _FORM.decode(raw)
    return _decoded(form, form.details, _types()[1])


def _decoded(form: _Form, part: memoryview, kind: type[Struct]) -> dict[str, Any]:
    numbers: F64 | None = None

    def array_or_fact(kind: type, stored: Any) -> Any:
        nonlocal numbers
        if kind is Fact:
            return decode_fact(kind, stored)
        numbers = _unpack_numbers(form) if numbers is None else numbers
        start, *shape = stored
        return numbers[start : start + math.prod(shape)].reshape(shape)

    return structs.asdict(decode(part, type=kind, dec_hook=array_or_fact))


def encode_verdict(verdict: Verdict) -> bytes:
    """Encode a verdict with its facts, as :func:`encode_evaluation` does, but with each array as a list."""
    try:
        return encode(verdict, enc_hook=_list_or_number)
    except UnicodeEncodeError:
        return encode(without_half_surrogates(to_builtins(verdict, enc_hook=_list_or_number)))


def _list_or_number(value: Any) -> object:
    return value.tolist()  # of an array or of a number of numpy


def decode_verdict(raw: bytes) -> Verdict:
    """Decode a verdict. Raises msgspec.DecodeError for other bytes."""
    return decode(raw, type=Verdict, dec_hook=_array_or_fact)


def _array_or_fact(kind: type, stored: Any) -> Any:
    return decode_fact(kind, stored) if kind is Fact else np.array(stored, np.float64)


_KINDS = {kind_name(kind.__qualname__): kind for kind in facts.KINDS}


def decode_fact(_: type, stored: Mapping[str, Any]) -> Fact:
    """Return a fact from its builtins: an UnknownFact if its kind or its fields are those of another release."""
    kind = str(stored.get("kind"))
    if "values" in stored:
        stored = _with_fields(stored)
    try:
        return convert(stored, _KINDS.get(kind, UnknownFact), dec_hook=decode_fact)
    except ValidationError:
        return UnknownFact(kind)


def _with_fields(stored: Any) -> Any:
    """Return a fact, whose fields earlier releases stored under ``values``, with its fields; others as they are."""
    if not isinstance(stored, dict) or stored.keys() != {"kind", "values"}:
        return stored
    fields = {name: _with_fields(value) for name, value in stored["values"].items()}
    return {"kind": stored["kind"], **({"finding": fields} if stored["kind"] == "named_finding" else fields)}


_FORM = Decoder(_Form)
_FIELDS = Evaluation.__struct_fields__


@cache
def _types() -> tuple[type[Struct], type[Struct]]:
    """Return the types of head and details: the fields of an evaluation with their defaults."""
    hints = get_type_hints(Evaluation)
    head: list[tuple[str, Any, Any]] = []
    details: list[tuple[str, Any, Any]] = []
    for struct_field in structs.fields(Evaluation):
        default_field = (
            field(default_factory=struct_field.default_factory)
            if struct_field.default is NODEFAULT
            else struct_field.default
        )
        column = (struct_field.name, hints[struct_field.name], NODEFAULT if struct_field.required else default_field)
        (details if struct_field.name in DETAILS else head).append(column)
    return defstruct("EvaluationHead", head), defstruct("EvaluationDetails", details)


def mentions(raw: bytes, word: str) -> bool:
    """Return True if an encoded evaluation or verdict has a word among its texts or names."""
    return encode(word.encode("utf-8", "replace").decode()) in raw


class Dictionary:
    """The bytes of one evaluation, against which others of its series are compressed. Not thread-safe."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.digest = raw, digest_of(raw)
        self._content = zstd.ZstdDict(raw, is_raw=True)

    @classmethod
    def unpack(cls, packed: bytes) -> Dictionary:
        """Read a dictionary from its row. Raises ZstdError if it is damaged."""
        return cls(zstd.decompress(packed))

    def pack(self) -> bytes:
        """Return the dictionary compressed, with a checksum."""
        return zstd.compress(self.raw, options=_OPTIONS)

    def compress(self, raw: bytes) -> bytes:
        """Compress an encoded evaluation, with a checksum."""
        return zstd.compress(raw, options=_OPTIONS, zstd_dict=self._content)

    def decompress(self, blob: bytes) -> bytes:
        """Decompress the output of :meth:`compress`. Raises ZstdError if the bytes or the dictionary do not match."""
        return zstd.decompress(blob, zstd_dict=self._content)
