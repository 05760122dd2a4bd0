"""Decode the document of ``POST /v1/panes``: panes that a batch job has folded.

One pane that cannot be used does not affect the others. ``docs/reference/panes.md`` describes the document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, compress
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from driftline.tables.column_codec import ColumnError, decode_numbers
from driftline.tables.table import I64, ModelKey
from msgspec import Meta, Struct, structs
from numpy.typing import NDArray

MOST_PANES = 10_000
"""Maximum number of panes in a document."""

_MOST_TEXT = 1_024
"""Maximum number of characters of a name, as of outcomes."""

_LAST = 2**63 - 1
_LAST_PLACE = 2**31 - 1

_NONE = ""

Name = Annotated[str, Meta(min_length=1, max_length=_MOST_TEXT)]
Text = Annotated[str, Meta(max_length=_MOST_TEXT)]
Place = Annotated[int, Meta(ge=0, le=_LAST_PLACE)]
Span = Literal["5m", "1h", "1d"]

_Sums = list[float] | dict[int, float] | NDArray[Any]
"""The sums of a part of one pane, (width,), or those that are not zero by their place."""


class MalformedPanes(ValueError):  # noqa: N818 - the state of a document, and the sentence its sender reads
    """The reason why a whole document cannot be read."""


class WrittenPane(Struct, frozen=True):
    """The period and the slice of a pane.

    Attributes:
        index: Its position in the document.
        start: Unix nanoseconds.
        span: Name of its length.
        slice: ``key=value``; "" = all rows.
    """

    index: int
    start: int
    span: str
    slice: str


class WrittenPart(Struct, frozen=True, eq=False):
    """The sums of one part, of all panes that have it.

    Attributes:
        name: The part.
        pane: int64 (m,), the position of each pane among the panes of the document, ascending.
        counts: int64 (m,), number of sums of each pane.
        places: int (n,), the place of each sum in its part; None = each pane has all of its sums, in their order.
        sums: (n,), pane by pane.
    """

    name: str
    pane: I64
    counts: I64
    places: NDArray[Any] | None
    sums: NDArray[Any]


class RefusedPane(Struct, frozen=True):
    """A pane that is not stored.

    Attributes:
        index: Its position in the document.
        reason: A sentence with the rule.
    """

    index: int
    reason: str


class WrittenPanes(Struct, frozen=True, eq=False):
    """The panes of a document.

    Attributes:
        key: The model, version and environment.
        baseline: Digest of the baseline over whose bins they are counted.
        source: Name of the job.
        epoch: Number of its run.
        panes: The panes that could be read.
        parts: Their sums, part by part.
        refused: The other panes.
        newest: Time of the newest row, unix nanoseconds, if the last panes are not finished; else after their end.
    """

    key: ModelKey
    baseline: str
    source: str
    epoch: int
    panes: tuple[WrittenPane, ...] = ()
    parts: tuple[WrittenPart, ...] = ()
    refused: tuple[RefusedPane, ...] = ()
    newest: int = _LAST

    @property
    def has_outcomes(self) -> bool:
        """Whether rows of a pane have outcomes."""
        return any(part.name == "outcomes" for part in self.parts)


def take_panes(written: WrittenPanes, kept: NDArray[np.bool_]) -> WrittenPanes:
    """Return a document with some of its panes; ``kept``: bool (panes,)."""
    position, parts = np.cumsum(kept) - 1, list[WrittenPart]()
    for part in written.parts:
        panes = kept[part.pane]
        sums = np.repeat(panes, part.counts)
        places = None if part.places is None else part.places[sums]
        parts.append(WrittenPart(part.name, position[part.pane[panes]], part.counts[panes], places, part.sums[sums]))
    some = tuple(part for part in parts if len(part.pane))
    return structs.replace(written, panes=tuple(compress(written.panes, kept)), parts=some)


class _SomePanes(Struct, forbid_unknown_fields=True):
    sums: bytes
    panes: bytes | None = None
    counts: bytes | None = None
    places: bytes | None = None


class _Packed(Struct, forbid_unknown_fields=True):
    span: Span
    starts: Annotated[list[int], Meta(max_length=MOST_PANES)]
    sums: dict[Text, bytes | _SomePanes]
    slices: list[Text] | None = None


class _Document(Struct, forbid_unknown_fields=True):
    model: Name
    baseline: Name
    source: Name
    epoch: Annotated[int, Meta(ge=0, le=_LAST)]
    panes: Annotated[list[msgspec.Raw], Meta(max_length=MOST_PANES)] | None = None
    packed: _Packed | None = None
    version: Text = _NONE
    environment: Text = _NONE
    newest: Annotated[int, Meta(ge=0, le=_LAST)] = _LAST


class _Pane(Struct, forbid_unknown_fields=True):
    start: Annotated[int, Meta(ge=0, le=_LAST)]
    span: Span
    sums: dict[Text, list[float] | dict[Place, float] | bytes]
    slice: Text = _NONE


_document, _pane = msgspec.json.Decoder(_Document), msgspec.json.Decoder(_Pane)
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def parse_panes(body: bytes) -> WrittenPanes:
    """Return the panes of a document of JSON.

    Raises:
        MalformedPanes: It is not such a document.

    >>> about = b'"model": "churn", "baseline": "d1", "source": "nightly", "epoch": 7'
    >>> panes = parse_panes(b"{" + about + b', "panes": [{"start": 0, "span": "1h", "sums": {"rows": [1, 1, 1]}}, 5]}')
    >>> panes.parts[0].name, panes.parts[0].sums.tolist(), panes.refused[0].reason
    ('rows', [1.0, 1.0, 1.0], 'Expected `object`, got `int`')
    >>> packed = b'{"span": "1h", "starts": [0, 3600000000000], "sums": {"rows": "AQEBAgICYg=="}}'
    >>> parse_panes(b"{" + about + b', "packed": ' + packed + b"}").parts[0].sums.reshape(2, 3).tolist()
    [[1, 1, 1], [2, 2, 2]]
    """
    try:
        document = _document.decode(body)
    except _UNREADABLE as error:
        raise MalformedPanes(f"this is not a document of panes: {error}") from None
    if (document.panes is None) == (document.packed is None):
        raise MalformedPanes("a document of panes has either 'panes' or 'packed'")
    refused = list[RefusedPane]()
    if document.packed is None:
        panes, parts = _listed(document.panes or [], refused)
    else:
        panes, parts = _packed(document.packed)
    key = ModelKey(document.model, document.version, document.environment)
    return WrittenPanes(
        *(key, document.baseline, document.source, document.epoch, tuple(panes), tuple(parts), tuple(refused)),
        newest=document.newest,
    )


def _listed(raws: Sequence[Any], refused: list[RefusedPane]) -> tuple[list[WrittenPane], list[WrittenPart]]:
    """Return panes that are written one by one; those that cannot be read are added to ``refused``."""
    panes, sums = list[WrittenPane](), list[Mapping[str, _Sums]]()
    for index, raw in enumerate(raws):
        try:
            pane = _pane.decode(raw)
            sums.append(
                {
                    part: decode_numbers(values) if isinstance(values, bytes) else values
                    for part, values in pane.sums.items()
                }
            )
        except ColumnError as error:
            refused.append(RefusedPane(index, f"the bytes of a part are not a column of numbers ({error.reason})"))
        except _UNREADABLE as error:
            refused.append(RefusedPane(index, str(error)))
        else:
            panes.append(WrittenPane(index, pane.start, pane.span, pane.slice))
    return panes, list(_parts_of(sums))


def _parts_of(sums: Sequence[Mapping[str, _Sums]]) -> Iterator[WrittenPart]:
    """Yield the sums of panes part by part."""
    by_part: dict[tuple[str, bool], tuple[list[int], list[Any]]] = {}
    for position, of_pane in enumerate(sums):
        for name, values in of_pane.items():
            positions, all_values = by_part.setdefault((name, isinstance(values, dict)), ([], []))
            positions.append(position)
            all_values.append(values)
    for (name, is_sparse), (positions, all_values) in by_part.items():
        counts = np.fromiter(map(len, all_values), np.int64, len(all_values))
        places, n = None, int(counts.sum())
        if is_sparse:
            places = np.fromiter(chain.from_iterable(all_values), np.int64, n)
            values = np.fromiter(chain.from_iterable(one.values() for one in all_values), np.float64, n)
        else:
            values = np.concatenate(all_values)
        yield WrittenPart(name, np.array(positions, np.int64), counts, places, values)


def _packed(packed: _Packed) -> tuple[list[WrittenPane], list[WrittenPart]]:
    """Return panes that are written part by part."""
    n, slices = len(packed.starts), packed.slices
    if slices is not None and len(slices) != n:
        raise MalformedPanes(f"packed.slices has {len(slices):,} names for {n:,} panes")
    names = zip(packed.starts, slices or [_NONE] * n, strict=True)
    panes = [WrittenPane(index, start, packed.span, name) for index, (start, name) in enumerate(names)]
    parts, everyone = list[WrittenPart](), np.arange(n)
    for name, values in packed.sums.items():
        try:
            parts.append(_packed_part(name, values if isinstance(values, _SomePanes) else _SomePanes(values), everyone))
        except ColumnError as error:
            raise MalformedPanes(
                f"packed.sums: the bytes of {name[:80]!r} are not a column of numbers ({error.reason})"
            ) from None
        except _UnequalError as error:
            raise MalformedPanes(f"packed.sums: {name[:80]!r} {error}") from None
    return panes, [part for part in parts if len(part.pane)]


class _UnequalError(ValueError):
    """The columns of a part do not belong together."""


def _packed_part(name: str, part: _SomePanes, everyone: I64) -> WrittenPart:
    pane, panes, sums = everyone, len(everyone), decode_numbers(part.sums)
    if part.panes is not None:
        pane = _whole(part.panes, "panes")
        if len(pane) and (pane[0] < 0 or pane[-1] >= panes or (np.diff(pane) <= 0).any()):
            raise _UnequalError(f"has panes that are not ascending positions from 0 to {panes - 1:,}")
    if (part.counts is None) != (part.places is None):
        raise _UnequalError("has only one of counts and places; sums by place need both")
    if part.counts is None or part.places is None:
        width, rest = divmod(len(sums), max(1, len(pane)))
        if rest:
            raise _UnequalError(f"has {len(sums):,} sums for {len(pane):,} panes")
        return WrittenPart(name, pane, np.full(len(pane), width), None, sums)
    counts, places = _whole(part.counts, "counts"), _whole(part.places, "places")
    if len(counts) != len(pane) or (counts < 0).any() or not counts.sum() == len(places) == len(sums):
        raise _UnequalError("has counts, places and sums of different lengths")
    if ((places < 0) | (places > _LAST_PLACE)).any():
        raise _UnequalError("has a place that is not the position of a sum")
    return WrittenPart(name, pane, counts, places, sums)


def _whole(data: bytes, what: str) -> I64:
    numbers = decode_numbers(data)
    if numbers.dtype.kind != "i":
        raise _UnequalError(f"has {what} that are not whole numbers")
    return numbers.astype(np.int64)
