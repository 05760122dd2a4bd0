"""Read rows of one layout from their raw bytes, field by field for all rows at once.

Senders emit the same fields and attributes in the same order, row after row. So one row is read in Python, and its
sequence of fields is the template: a list of slots. Then all rows advance together. At each slot numpy compares the
constant bytes, above all the key, gathers the value, and moves the position of each row past it. Consecutive slots of
constant width are one comparison.

A row without the field of a slot does not advance and is compared with the next slot, so a missing feature costs a few
more comparisons. Rows that no slot advances anymore wait for a template learned from one of them, at their position.
Rows that no template can read are left to the generated classes.

UTF-8 and nesting of ignored fields are not checked here. But a position never passes the end of its row, so bytes of
another row are never read as part of this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from driftline.semconv import attributes as a
from driftline.tables.table import I32, Text
from msgspec import Struct
from numpy.typing import NDArray
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from .attributes import ABSENT, BOOLEAN, EMPTY, INTEGER, MAX_TEXT, NUMBER, OTHER, TEXT, Cells, Grid, Mask, Where, read

PADDING: Final = 1024
"""Zero bytes after the data, so that a gather at its end stays within."""

_WIDEST: Final = PADDING - 64
"""Bytes of the longest key or field that is compared at once; the rest of the padding is for what follows a key."""

_BLOCK: Final = 320
"""Maximum bytes of slots that are compared at once: 7 numbers with their keys. Wider blocks exceed the cache."""

_ONE_BY_ONE: Final = 3
"""Maximum slots of a block that are tried one by one for rows that do not match; larger blocks are halved."""

_FEW: Final = 512
"""Rows below which the fixed cost of a comparison (about 30 µs) exceeds that of its bytes."""

_PATIENCE: Final = 8
"""Consecutive slots that a row may lack before it waits for another template: it is from another model."""

_FEWEST: Final = 24
"""Minimum rows to learn a template: its fixed cost, about 300 µs, equals the general path for this many."""

_MOST: Final = 64
"""Maximum templates of one block of rows, and consecutive fields of one number."""

_SLOTS: Final = 256
"""Maximum slots of one template; longer rows continue with another. A row of 10,000 attributes must not cost seconds.
"""

_SAMPLES: Final = 4
"""Rows from which a template is learned, the longest first."""

_LONGEST: Final = 64
"""Maximum bytes of a text that numpy compares; longer ones are compared by Python."""

_ODD: Final = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
        0x8EBC6AF09C88C6E3,
        0x589965CC75374CC3,
    ],
    np.uint64,
)
"""Odd random numbers, one per eight bytes of a text, for multiplicative hashing."""

_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
"""Wire types of protobuf."""

_KEEP: Final = np.array(
    [[(1 << 8 * min(max(size - 8 * word, 0), 8)) - 1 for word in range(_LONGEST // 8)] for size in range(_LONGEST + 1)],
    "<u8",
)
"""Masks of each eight bytes by the size of a text."""

Positions = NDArray[np.intp]
_ALL: Final = slice(None)


class Layout(Struct, frozen=True):
    """The fields of a row that are read, by their tag: number << 3 | wire type.

    Attributes:
        attribute: The tag of the attributes.
        ids: Tag → name and width of ids.
        times: Tag → name of unsigned nanoseconds.
        texts: Tag → name of texts and messages.
        counts: Tag → name of numbers that are mostly below 128.
        single_tag: Tag of a message that protobuf would merge with another one in the same row.
        extra_keys: Additional keys of attributes that are read.
    """

    attribute: int
    ids: dict[int, tuple[str, int]]
    times: dict[int, str]
    texts: dict[int, str]
    counts: dict[int, str]
    single_tag: int = 0
    extra_keys: frozenset[str] = frozenset()


class Places:
    """Positions of the bytes of one field in n rows. ``size``: -1 for rows without it."""

    __slots__ = ("size", "start")

    def __init__(self, rows: int) -> None:
        self.start: I32 = np.zeros(rows, np.int32)
        self.size: I32 = np.full(rows, -1, np.int32)

    def of(self, rows: Where) -> tuple[Positions, Positions]:
        """Return starts and sizes of the selected rows."""
        return self.start[rows].astype(np.intp), self.size[rows].astype(np.intp)

    def put(self, where: Where, start: Positions, size: Positions) -> None:
        """Set rows."""
        self.start[where] = start
        self.size[where] = size


class _Holes:
    """The variable bytes of a block; values that are read are replaced by zeros."""

    __slots__ = ("_bytes", "_rows", "_width", "at")

    def __init__(self, block: NDArray[np.void], width: int) -> None:
        self._bytes, self._rows, self._width = block.view(np.uint8), len(block), width
        self.at = 0

    def view(self, offset: int, dtype: str) -> NDArray[Any]:
        """Return a view of every row at an offset from the start of its slot."""
        return np.ndarray((self._rows,), dtype, self._bytes, self.at + offset, (self._width,))


class _Slot:
    """One field of a template.

    ``prefix``: the constant bytes, with zeros for variable ones; None for an attribute that is recognised by its key
    only. ``sized``: whether bytes of variable length follow. ``number``: its position in the template.
    """

    __slots__ = ("is_repeated", "number", "prefix", "sized")

    def __init__(self, prefix: bytes | None, sized: bool = False) -> None:
        self.prefix, self.sized = prefix, sized
        self.is_repeated, self.number = False, 0

    def take(self, _holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        """Return the values of a block, and which rows fit the slot; None = all."""
        return None, None

    def write(self, _reader: RowReader, _where: Where, _values: NDArray[Any] | None, _behind: Positions) -> None:
        """Store the values of rows. ``_behind``: the positions after the prefix."""

    def clear(self, _reader: RowReader, _rows: Positions) -> None:
        """Remove the values of rows, for a column that was empty before the last write."""


class _Skipped(_Slot):
    """An ignored field of constant width."""

    __slots__ = ("_at", "_width")

    def __init__(self, tag: bytes, width: int) -> None:
        super().__init__(tag + bytes(width))
        self._at, self._width = len(tag), width

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        there = holes.view(self._at, f"V{self._width}")
        small = holes.view(self._at, "u1") < 0x80 if self._width == 1 else None  # a varint of one byte
        there[...] = np.void(bytes(self._width))
        return None, small


class _Count(_Skipped):
    """A number below 128."""

    __slots__ = ("_into",)

    def __init__(self, tag: bytes, into: NDArray[Any]) -> None:
        super().__init__(tag, 1)
        self._into = into

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        values = holes.view(1, "u1").copy()
        return values, super().take(holes)[1]

    def write(self, _reader: RowReader, where: Where, values: NDArray[Any] | None, _behind: Positions) -> None:
        self._into[where] = values

    def clear(self, _reader: RowReader, rows: Positions) -> None:
        self._into[rows] = 0


class _Fixed(_Slot):
    """An id or a time."""

    __slots__ = ("_at", "_into")

    def __init__(self, prefix: bytes, into: NDArray[Any]) -> None:
        super().__init__(prefix + bytes(into.dtype.itemsize))
        self._at, self._into = len(prefix), into

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        there = holes.view(self._at, self._into.dtype.str)
        values = there.copy()
        there[...] = np.zeros((), there.dtype)
        return values, None

    def write(self, _reader: RowReader, where: Where, values: NDArray[Any] | None, _behind: Positions) -> None:
        self._into[where] = values

    def clear(self, _reader: RowReader, rows: Positions) -> None:
        self._into[rows] = np.zeros((), self._into.dtype)


class _Field(_Slot):
    """A text or a message of the row itself; ``places``: None if it is ignored."""

    __slots__ = ("_single_tag", "places", "tag")

    def __init__(self, tag: int, places: Places | None, once: bool) -> None:
        super().__init__(bytes((tag, 0)), sized=True)
        self.tag, self.places, self._single_tag = tag, places, once

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        there = holes.view(1, "u1")
        sizes = there.astype(np.intp)
        there[...] = 0
        return sizes, sizes < 0x80

    def write(self, reader: RowReader, where: Where, values: NDArray[Any] | None, behind: Positions) -> None:
        if self.places is not None and values is not None:
            if self._single_tag:
                reader.give_up(where, self.places.size[where] >= 0)
            self.places.put(where, behind, values)

    def clear(self, _reader: RowReader, rows: Positions) -> None:
        if self.places is not None:
            self.places.size[rows] = -1


class _Attribute(_Slot):
    """An attribute of any value, recognised by its key.

    ``key``: the bytes from the tag of the key to the tag of the value. ``cells``: None if it is ignored. ``new``:
    whether no row can have a value already. ``recorded``: whether it is ``driftline.prediction.recorded``.
    """

    __slots__ = ("cells", "key", "new", "recorded")

    def __init__(self, key: bytes, cells: Cells | None, recorded: bool, new: bool) -> None:
        super().__init__(None)
        self.key, self.cells, self.recorded, self.new = key, cells, recorded, new

    def claim(self, reader: RowReader, where: Where, kind: Any) -> None:
        """Set the kinds of rows; rows that have a value already are left to the general path."""
        if self.cells is not None:
            if not self.new:
                reader.give_up(where, self.cells.kind[where] != ABSENT)
            self.cells.kind[where] = kind

    def clear(self, reader: RowReader, rows: Positions) -> None:
        if self.cells is not None:
            self.cells.clear(rows)
            if self.sized:
                reader.places_of(self.cells).size[rows] = -1
        elif self.recorded:
            reader.grid.recorded[rows] = False


class _Number(_Attribute):
    """An attribute that is a double."""

    __slots__ = ()

    def shaped(self, tag: int) -> _Number:
        """Return itself, with its prefix."""
        self.prefix = bytes((tag, len(self.key) + 10)) + self.key + b"\x09\x21" + bytes(8)
        return self

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        there = holes.view(len(self.key) + 4, "<f8")
        values = there.copy()
        there[...] = 0.0
        return values, None

    def write(self, reader: RowReader, where: Where, values: NDArray[Any] | None, _behind: Positions) -> None:
        self.claim(reader, where, NUMBER)
        if self.cells is not None and values is not None:
            self.cells.put_doubles(where, values)


class _Flag(_Attribute):
    """An attribute that is a boolean."""

    __slots__ = ()

    def shaped(self, tag: int) -> _Flag:
        """Return itself, with its prefix."""
        self.prefix = bytes((tag, len(self.key) + 3)) + self.key + b"\x02\x10\x00"
        return self

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        there = holes.view(len(self.key) + 4, "u1")
        values = there.copy()
        there[...] = 0
        return values != 0, values < 0x80

    def write(self, reader: RowReader, where: Where, values: NDArray[Any] | None, _behind: Positions) -> None:
        self.claim(reader, where, BOOLEAN)
        if self.cells is not None:
            self.cells.numbers[where] = values
        elif self.recorded and values is not None:
            reader.grid.recorded[where] |= values


class _Text(_Attribute):
    """An attribute that is a short text."""

    __slots__ = ()

    def shaped(self, tag: int) -> _Text:
        """Return itself, with its prefix; its two outer sizes exclude that of the text."""
        self.prefix = bytes((tag, len(self.key) + 3)) + self.key + b"\x02\x0a\x00"
        self.sized = True
        return self

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        behind = len(self.key) + 2
        there = holes.view(behind + 2, "u1")
        sizes = there.copy()
        there[...] = 0
        for offset in (1, behind):
            outer = holes.view(offset, "u1")
            outer -= sizes
        return sizes.astype(np.intp), sizes < 0x80 - 3 - len(self.key)

    def write(self, reader: RowReader, where: Where, values: NDArray[Any] | None, behind: Positions) -> None:
        self.claim(reader, where, TEXT)
        if self.cells is not None and values is not None:
            reader.places_of(self.cells).put(where, behind, values)


class _SameText(_Attribute):
    """An attribute with the same short text in all rows, such as the name of the model."""

    __slots__ = ("_text",)

    def shaped(self, raw: bytes, text: str) -> _SameText:
        """Return itself, with its prefix: the whole field."""
        self.prefix, self._text = raw, text
        return self

    def write(self, reader: RowReader, where: Where, _values: NDArray[Any] | None, _behind: Positions) -> None:
        self.claim(reader, where, TEXT)
        if self.cells is not None:
            self.cells.put_text(where, self._text)


class _Integer(_Attribute):
    """An attribute that is a whole number."""

    __slots__ = ()

    def shaped(self, tag: int) -> _Integer:
        """Return itself, with its prefix; the outer size excludes that of the value."""
        self.prefix = bytes((tag, len(self.key) + 1)) + self.key + b"\x00\x18"
        self.sized = True
        return self

    def take(self, holes: _Holes) -> tuple[NDArray[Any] | None, Mask | None]:
        there = holes.view(len(self.key) + 2, "u1")
        sizes = there.copy()
        there[...] = 0
        outer = holes.view(1, "u1")
        outer -= sizes
        return sizes.astype(np.intp) - 1, (sizes > 1) & (sizes < 12)

    def write(self, reader: RowReader, where: Where, values: NDArray[Any] | None, behind: Positions) -> None:
        self.claim(reader, where, INTEGER)
        if self.cells is not None and values is not None:
            reader.places_of(self.cells).put(where, behind, values)


_SHORT_KEY: Final = 0x80 - 16
"""Maximum bytes of a key, with its tags, so that numbers and short texts have sizes of one byte."""


class RowReader:
    """Reader of n rows; call :meth:`read` once, then use the attributes.

    Args:
        data: The bytes, followed by ``PADDING`` zeros.
        start: intp (n,), start of each row.
        end: intp (n,), end of each row, at most the start of the padding.
        marked: Bytes that every row of ours contains.

    Attributes:
        grid: The attributes.
        ids: Name → V16 or V8 (n,), all zero if a row has none.
        times: Name → uint64 (n,), 0 if a row has none.
        texts: Name → places.
        counts: Name → int64 (n,), 0 if a row has none.
        unread_rows: bool (n,), rows that are left to the general path.
    """

    def __init__(self, data: bytes, start: Positions, end: Positions, layout: Layout, marked: bytes) -> None:
        n = len(start)
        self.data, self._layout, self._marked = data, layout, marked
        self._bytes = np.frombuffer(data, np.uint8)
        self._start, self._end, self._position = start, end, start.copy()
        self._reached: Positions = np.full(n, -1, np.intp)
        self._views: dict[int, NDArray[np.void]] = {}
        self._places: dict[int, tuple[Cells, Places]] = {}
        self._claimed: set[int] = set()
        self.unread_rows: Mask = np.zeros(n, np.bool_)
        self.grid = Grid(n, layout.extra_keys)
        self.ids = {name: np.zeros(n, f"V{width}") for name, width in layout.ids.values()}
        self.times = {name: np.zeros(n, np.uint64) for name in layout.times.values()}
        self.texts = {name: Places(n) for name in layout.texts.values()}
        self.counts = {name: np.zeros(n, np.int64) for name in layout.counts.values()}

    def read(self) -> None:
        """Read rows by templates; ``unread_rows`` marks the others."""
        sizes = self._end - self._start
        self._advance(self._learn([int(sizes.argmax())], range(0, len(sizes), -(-len(sizes) // _SAMPLES))), _ALL)
        waiting = self._add_unread(_ALL)
        for row in waiting.tolist():
            if self.data.find(self._marked, self._start[row], self._end[row]) < 0:
                self._position[row] = self._end[row]
        for _ in range(_MOST):
            waiting = self._add_unread(waiting)
            if len(waiting) < _FEWEST:
                break
            rows = self._largest_group(waiting)
            if len(rows) < _FEWEST:
                break
            before = self._position[rows]
            rest = self._end[rows] - before
            some = rows[[int(rest.argmax()), 0, len(rows) // 2, -1]].tolist()
            self._advance(self._learn(some, some), rows)
            moved = self._position[rows] - before
            self.unread_rows[rows[moved == 0]] = True
            # 8: if a template reads less than 1/8 of the remaining bytes of its rows, no other one follows
            if moved.sum() * 8 < rest.sum():
                self.unread_rows[rows[self._position[rows] != self._end[rows]]] = True
        self.unread_rows[waiting[self._position[waiting] != self._end[waiting]]] = True
        self._finish()

    def give_up(self, where: Where, rows: Mask) -> None:
        """Leave some of the rows to the general path."""
        if rows.any():
            self.unread_rows[where] |= rows

    def places_of(self, cells: Cells) -> Places:
        """Return the places of the texts and integers of a column."""
        found = self._places.get(id(cells))
        if found is None:
            found = self._places[id(cells)] = cells, Places(len(self._start))
        return found[1]

    def distinct(self, places: Places, rows: Where) -> tuple[Positions, list[bytes]]:
        """Return the codes of the byte strings of rows, and the distinct byte strings."""
        return self._distinct(*places.of(rows))

    def _add_unread(self, rows: Where) -> Positions:
        open_ = (self._position[rows] != self._end[rows]) & ~self.unread_rows[rows]
        return np.flatnonzero(open_) if isinstance(rows, slice) else rows[open_]

    def _largest_group(self, waiting: Positions) -> Positions:
        """Return the largest group of rows that continue with the same field, by the first bytes of its key."""
        position = self._position[waiting]
        keyed = (self._bytes[position] == self._layout.attribute) & (self._bytes[position + 2] == 0x0A)
        size = np.where(keyed, np.minimum(self._bytes[position + 3], _LONGEST), 1)  # else the tag of the field
        codes, _ = self._distinct(np.where(keyed, position + 4, position), size)
        group: Positions = waiting[codes == np.bincount(codes).argmax()]
        return group

    def _view(self, width: int) -> NDArray[np.void]:
        """Return the data as overlapping byte strings, one per position."""
        view = self._views.get(width)
        if view is None:
            view = np.ndarray((len(self.data) - width + 1,), f"V{width}", self._bytes, strides=(1,))
            self._views[width] = view
        return view

    # Learning

    def _learn(self, rows: Sequence[int], samples: Sequence[int]) -> list[_Slot]:
        """Return the slots of some rows in a common order, as far as there is one.

        ``samples``: rows to test whether a text is constant.
        """
        others = [(int(self._position[row]), int(self._end[row])) for row in samples]
        order: list[_Slot] = []
        known: dict[bytes, _Slot] = {}
        taken: set[int] = set()
        for row in rows:
            at = 0
            for tag, begin, start, stop in self._fields(int(self._position[row]), int(self._end[row])):
                name = self.data[start : self._key_end(start, stop)] if tag[0] == self._layout.attribute else tag
                slot = known.get(name)
                if slot is None:
                    if len(order) == _SLOTS:
                        break
                    slot = self._slot(
                        tag=tag, begin=begin, start=start, stop=stop, name=name, others=others, taken=taken
                    )
                    if slot is None:
                        break
                    known[name] = slot
                    order.insert(at, slot)
                    at += 1
                elif at and order[at - 1] is slot:
                    if not (isinstance(slot, _Field) and slot.places is None):
                        break
                    slot.is_repeated = True
                elif slot in order[at:]:
                    at = order.index(slot, at) + 1
                else:
                    break
        for number, slot in enumerate(order):
            slot.number = number
        self._claimed |= taken
        return order

    def _fields(self, position: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
        """Yield tag, start, and start and end position of the value of each field, up to an unusual one."""
        data = self.data
        while position < end:
            begin, tag = position, data[position : position + 1]
            position += 1
            if tag[0] >= 0x80:  # a number above 15
                tag = data[begin : begin + 2]
                position += 1
                if not 0 < tag[1] < 0x80:
                    return
            wire, start = tag[0] & 7, position
            if wire == _SIZED and len(tag) == 1:
                size, start = self._size(position)
                position = start + size
            elif wire == _VARINT and data[position] < 0x80:
                position += 1
            elif wire in (_FIXED64, _FIXED32):
                position += 8 if wire == _FIXED64 else 4
            else:
                return
            if tag[0] < 8 or position > end:
                return
            yield tag, begin, start, position

    def _size(self, position: int) -> tuple[int, int]:
        """Return a varint of at most four bytes and the position after it; longer ones exceed any row."""
        size = 0
        for number in range(4):
            byte = self.data[position + number]
            size |= (byte & 0x7F) << 7 * number
            if byte < 0x80:
                return size, position + number + 1
        return len(self.data), position

    def _key_end(self, start: int, stop: int) -> int:
        """Return the position after the key and the tag of the value; ``start`` without such a key."""
        if stop - start < 2 or self.data[start] != 0x0A:
            return start
        size, begin = self._size(start + 1)
        behind = begin + size
        return behind + 1 if behind < stop and self.data[behind] == 0x12 else start

    def _slot(
        self,
        tag: bytes,
        begin: int,
        start: int,
        stop: int,
        name: bytes,
        others: Sequence[tuple[int, int]],
        taken: set[int],
    ) -> _Slot | None:
        """Return the slot of a field; None if it is left to the general path."""
        number, layout = tag[0], self._layout
        if number == layout.attribute:
            return self._attribute_slot(begin, start, stop, name, others, taken)
        if number in layout.ids:
            into, fits = self.ids[layout.ids[number][0]], stop - start == layout.ids[number][1] == stop - begin - 2
            return _Fixed(bytes((number, stop - start)), into) if fits else None
        if number in layout.times:
            return _Fixed(tag, self.times[layout.times[number]])
        if number & 7 == _SIZED:
            text = layout.texts.get(number)
            return _Field(number, None if text is None else self.texts[text], number == layout.single_tag)
        if number in layout.counts and stop - start == 1:
            return _Count(tag, self.counts[layout.counts[number]])
        return _Skipped(tag, stop - start)

    def _attribute_slot(
        self, begin: int, start: int, stop: int, key: bytes, others: Sequence[tuple[int, int]], taken: set[int]
    ) -> _Slot | None:
        data, tag, k = self.data, self._layout.attribute, len(key)
        if not 0 < k < _WIDEST:
            return None
        text = data[self._size(start + 1)[1] : start + k - 1].decode()
        cells = self.grid.cells(text)
        if cells is not None:
            if id(cells) in taken:
                return None
            taken.add(id(cells))
        made = cells, text == a.DRIFTLINE_PREDICTION_RECORDED, id(cells) not in self._claimed
        value = start + k
        size, kind = data[value], data[value + 1]
        if stop - start != k + 1 + size or start - begin != 2 or k > _SHORT_KEY:
            return _Attribute(key, *made)
        if kind == 0x21 and size == 9:
            return _Number(key, *made).shaped(tag)
        if kind == 0x10 and size == 2:
            return _Flag(key, *made).shaped(tag)
        if kind == 0x18 and 1 < size < 12:
            return _Integer(key, *made).shaped(tag)
        if kind == 0x0A and size > 1 and data[value + 2] == size - 2:
            raw = data[begin:stop]
            if all(data.find(raw, position, end) >= 0 for position, end in others):
                return _SameText(key, *made).shaped(raw, data[value + 3 : stop].decode())
            return _Text(key, *made).shaped(tag)
        return _Attribute(key, *made)

    # Advancing

    def _advance(self, slots: Sequence[_Slot], rows: Where) -> None:
        """Advance rows through the slots."""
        self._reached[rows] = -1
        for block in _blocks(slots):
            behind = block[0].number - 1 - _PATIENCE
            if behind >= 0:
                late = self._reached[rows] < behind
                if late.any():
                    rows = np.flatnonzero(~late) if isinstance(rows, slice) else rows[~late]
                    if not len(rows):
                        break
            if not block[-1].is_repeated:
                self._read_block(block, rows)
                continue
            there = np.arange(len(self._start)) if isinstance(rows, slice) else rows
            for _ in range(_MOST):
                before = self._position[there]
                self._read_block(block, there)
                there = there[self._position[there] != before]
                if not len(there):
                    break

    def _read_block(self, slots: Sequence[_Slot], rows: Where) -> None:
        """Read consecutive slots of rows that have all of them; for other rows, slot by slot."""
        if slots[0].prefix is None:
            self._read_value(slots[0], rows)
            return
        pattern = b"".join([slot.prefix or b"" for slot in slots])
        width = len(pattern)
        words = -(-width // 8)
        position = self._position[rows]
        block = self._view(8 * words)[position]
        holes = _Holes(block, 8 * words)
        taken = []
        may: list[Mask] = []
        for slot in slots:
            values, fits = slot.take(holes)
            taken.append(values)
            if fits is not None:
                may.append(fits)
            holes.at += len(slot.prefix or b"")
        behind = position + width
        stop = behind + taken[-1] if slots[-1].sized and taken[-1] is not None else behind
        may.append(stop <= self._end[rows])
        row_words = _little_endian(block, words)
        if width % 8:
            row_words[:, -1] &= _KEEP[width % 8, 0]
        differs = row_words != np.frombuffer(
            pattern + bytes(8 * words - width), "<u8"
        )  # 12 times as fast as comparing byte strings
        if not differs.any() and all(fits.all() for fits in may):
            self._write(slots, rows, taken, behind, stop)
            return
        same = np.ones(len(position), np.bool_)
        same[np.flatnonzero(differs) // words] = False
        for fits in may:
            same &= fits
        hit, miss = np.flatnonzero(same), np.flatnonzero(~same)
        if isinstance(rows, slice) and len(miss) < len(hit):  # write whole columns, then clear the few other rows
            stop[miss], reached = position[miss], self._reached[miss]
            self._write(slots, rows, taken, behind, stop)
            self._reached[miss] = reached
            for slot in slots:
                slot.clear(self, miss)
        elif len(hit):
            where = hit if isinstance(rows, slice) else rows[hit]
            some = [None if values is None else values[hit] for values in taken]
            self._write(slots, where, some, behind[hit], stop[hit])
        rest = miss if isinstance(rows, slice) else rows[miss]
        rest = rest[self._position[rest] < self._end[rest]]
        if not len(rest):
            return
        if len(slots) == 1:
            self._read_value(slots[0], rest)
        elif len(slots) <= _ONE_BY_ONE or len(rest) < _FEW:
            for slot in slots:
                self._read_block((slot,), rest)
        else:
            middle = len(slots) // 2
            self._read_block(slots[:middle], rest)
            self._read_block(slots[middle:], rest)

    def _write(
        self,
        slots: Sequence[_Slot],
        where: Where,
        taken: Sequence[NDArray[Any] | None],
        behind: Positions,
        stop: Positions,
    ) -> None:
        for slot, values in zip(slots, taken, strict=True):
            slot.write(self, where, values, behind)
        self._position[where] = stop
        self._reached[where] = slots[-1].number

    def _read_value(self, slot: _Slot, rows: Where) -> None:
        """Read one slot of rows with unusual bytes: any value of that key, or a size of several bytes."""
        position = self._position[rows]
        if isinstance(slot, _Attribute):
            tag = self._layout.attribute
        elif isinstance(slot, _Field):
            tag = slot.tag
        else:
            return
        if isinstance(slot, _Attribute) and len(slot.key) >= 8:
            may = self._view(8)[position + len(slot.key) - 6] == np.void(slot.key[-8:])  # where the size is one byte
            may |= self._bytes[position + 1] >= 0x80
            if not may.any():
                return
            rows = np.flatnonzero(may) if isinstance(rows, slice) else rows[may]
            position = position[may]
        size, width = self._sizes(position + 1)
        begin = position + 1 + width
        stop = begin + size
        same = (self._bytes[position] == tag) & (stop <= self._end[rows])
        begin[~same] = 0
        if isinstance(slot, _Attribute):
            same &= self._view(len(slot.key))[begin] == np.void(slot.key)
        hit = np.flatnonzero(same)
        if not len(hit):
            return
        where = hit if isinstance(rows, slice) else rows[hit]
        begin, stop = begin[hit], stop[hit]
        if isinstance(slot, _Attribute):
            where, stop = self._put_value(slot, where, begin, stop)
        else:
            slot.write(self, where, stop - begin, begin)
        self._position[where] = stop
        self._reached[where] = slot.number

    def _put_value(
        self, slot: _Attribute, where: Positions, begin: Positions, stop: Positions
    ) -> tuple[Positions, Positions]:
        """Store any values; return the rows whose attribute has only key and value, and their ends."""
        outer, width = self._sizes(begin + len(slot.key))
        value = begin + len(slot.key) + width
        whole = value + outer == stop
        if not whole.all():
            where, begin, stop, outer, value = (each[whole] for each in (where, begin, stop, outer, value))
        if slot.cells is None and not slot.recorded:
            return where, stop
        first, second = self._bytes[value], self._bytes[value + 1]
        inner, width = self._sizes(value + 1)
        kind = np.full(len(where), OTHER, np.uint8)
        kind[outer == 0] = EMPTY
        kind[(first == 0x21) & (outer == 9)] = NUMBER
        kind[(first == 0x10) & (outer == 2) & (second < 0x80)] = BOOLEAN
        kind[(first == 0x18) & (outer > 1) & (outer < 12)] = INTEGER
        kind[(first == 0x0A) & (outer > 1) & (1 + width + inner == outer)] = TEXT
        flag = kind == BOOLEAN
        if slot.recorded:
            self.grid.recorded[where] |= flag & (second != 0)
            self.give_up(where, kind == OTHER)
        slot.claim(self, where, kind)
        if slot.cells is not None:
            double = kind == NUMBER
            if flag.any():
                slot.cells.numbers[where[flag]] = second[flag] != 0
            if double.any():
                slot.cells.numbers[where[double]] = self._view(8)[value[double] + 1].view("<f8")
            start = np.where(kind == OTHER, begin, value + 1)
            size = np.where(kind == OTHER, stop - begin, outer - 1)
            text = kind == TEXT
            start[text] += width if isinstance(width, int) else width[text]
            size[text] = inner[text]
            far = text | (kind == OTHER) | (kind == INTEGER)
            if far.any():
                self.places_of(slot.cells).put(where[far], start[far], size[far])
        return where, stop

    def _sizes(self, position: Positions) -> tuple[Positions, Positions | int]:
        """Return varints of at most four bytes, and their widths; longer ones exceed any row."""
        first = self._bytes[position]
        sizes = first.astype(np.intp)
        more = first >= 0x80
        if not more.any():
            return sizes, 1
        sizes &= 0x7F
        width = np.ones(len(sizes), np.intp)
        for number in range(1, 4):
            byte = self._bytes[position + number]
            sizes[more] |= (byte[more] & 0x7F).astype(np.intp) << 7 * number
            width += more
            more &= byte >= 0x80
        sizes[more] = len(self.data)
        return sizes, width

    # Finishing

    def _finish(self) -> None:
        """Read integers and rare values, and register texts for decoding on demand."""
        for cells, places in self._places.values():
            places.size[self.unread_rows] = -1
            there = places.size >= 0
            kind = cells.kind
            whole = there & (kind == INTEGER)
            if whole.any():
                self._put_integers(cells, places, np.flatnonzero(whole))
            others = np.flatnonzero(there & (kind == OTHER))
            if len(others):
                codes, raws = self.distinct(places, others)
                cells.put_distinct(others, [read(KeyValue.FromString(raw).value) for raw in raws], codes)
                places.size[others] = -1
                there[others] = False
            there &= kind == TEXT
            if there.any():
                cells.put_later(_UnreadTexts(self, cells, places, there))

    def _put_integers(self, cells: Cells, places: Places, rows: Positions) -> None:
        start, size = places.of(rows)
        result = np.zeros(len(rows), np.uint64)
        proper = np.ones(len(rows), np.bool_)
        for number in range(int(size.max())):
            byte = self._bytes[start + number]
            inside = number < size
            proper &= ~inside | ((byte >= 0x80) == (number < size - 1))
            result |= np.where(inside, (byte & 0x7F).astype(np.uint64) << np.uint64(7 * number), np.uint64(0))
        if not proper.all():
            self.unread_rows[rows[~proper]] = True
            places.size[rows[~proper]] = -1
            rows, result = rows[proper], result[proper]
        integers = result.view(np.int64)
        cells.exact()[rows] = integers
        cells.numbers[rows] = integers

    def _distinct(self, start: Positions, size: Positions) -> tuple[Positions, list[bytes]]:
        """Return codes of byte strings in order of appearance, and the distinct strings."""
        long = size > _LONGEST
        if long.any():
            raws = [self.data[i : i + k] for i, k in zip(start.tolist(), size.tolist(), strict=True)]
            index: dict[bytes, int] = {}
            found = [index.setdefault(raw, len(index)) for raw in raws]
            return np.array(found, np.intp), list(index)
        words = max(-(-int(size.max(initial=0)) // 8), 1)
        matrix = _little_endian(self._view(8 * words)[start], words)
        matrix &= _KEEP[size, :words]
        representative = _representatives(matrix, size)
        first = np.zeros(len(start), np.bool_)
        first[representative] = True
        rows = np.flatnonzero(first)
        code = np.zeros(len(start), np.intp)
        code[rows] = np.arange(len(rows))
        raws = [self.data[i : i + k] for i, k in zip(start[rows].tolist(), size[rows].tolist(), strict=True)]
        return code[representative], raws


class _UnreadTexts:
    """The undecoded texts of a column."""

    def __init__(self, reader: RowReader, cells: Cells, places: Places, there: Mask) -> None:
        self._reader, self._cells, self._places, self._present = reader, cells, places, there

    def put(self) -> None:
        """Decode them into their column."""
        rows: Where = _ALL if self._present.all() else np.flatnonzero(self._present)
        codes, raws = self._reader.distinct(self._places, rows)
        self._cells.put_texts(rows, [raw.decode() for raw in raws], codes)

    def plain_texts(self, where: Where) -> Text | None:
        """Return the texts of rows if all are ASCII, stripped, not empty and at most ``MAX_TEXT`` long, else None."""
        if not self._present[where].all():
            return None
        start, size = self._places.of(where)
        if not len(size) or size.min() < 1 or size.max() > MAX_TEXT:
            return None
        data = np.frombuffer(self._reader.data, np.uint8)
        for edge in (data[start], data[start + size - 1]):
            if edge.min() <= 0x20 or edge.max() >= 0x7F:
                return None
        text = pick_texts(data, start, size)
        return text if text.data.isascii() else None


def pick_texts(data: NDArray[np.uint8], start: Positions, size: Positions) -> Text:
    """Return texts from arbitrary positions in data, concatenated.

    >>> pick_texts(np.frombuffer(b"abcd", np.uint8), np.array([2, 0]), np.array([2, 1])).data
    b'cda'
    """
    offsets = np.zeros(len(size) + 1, np.int32)
    np.cumsum(size, out=offsets[1:])
    places = np.repeat(start - offsets[:-1], size)
    places += np.arange(offsets[-1])
    return Text(offsets, data[places].tobytes())


def _blocks(slots: Sequence[_Slot]) -> Iterator[Sequence[_Slot]]:
    """Yield slots that are compared at once: up to the first sized one, and at most ``_BLOCK`` bytes."""
    block: list[_Slot] = []
    width = 0
    for slot in slots:
        wide = len(slot.prefix or b"")
        if block and (slot.prefix is None or slot.is_repeated or width + wide > _BLOCK):
            yield block
            block, width = [], 0
        block.append(slot)
        width += wide
        if slot.prefix is None or slot.sized:
            yield block
            block, width = [], 0
    if block:
        yield block


def _little_endian(block: NDArray[np.void], words: int) -> NDArray[np.uint64]:
    """Return byte strings as little-endian numbers, (n, words)."""
    return block.view("<u8").reshape(-1, words)


def _representatives(matrix: NDArray[np.uint64], size: Positions) -> Positions:
    """Return for each row the first row that is equal to it.

    A hash table gives a candidate for each row; rows that differ from theirs are tried again with other bits, and
    finally by a dictionary.
    """
    n, words = matrix.shape
    if n and (matrix == matrix[0]).all() and (size == size[0]).all():
        return np.zeros(n, np.intp)
    keys = matrix[:, 0] * _ODD[0]
    for word in range(1, words):
        keys ^= keys >> np.uint64(29)
        keys += matrix[:, word] * _ODD[word]
    keys ^= keys >> np.uint64(32)
    keys *= _ODD[2]
    bits = max((4 * n - 1).bit_length(), 4)
    table = np.zeros(1 << bits, np.intp)
    result, rows = np.zeros(n, np.intp), np.arange(n)
    for attempt in range(3):
        slot = ((keys[rows] * _ODD[attempt]) >> np.uint64(64 - bits)).astype(np.intp)
        table[slot[::-1]] = rows[::-1]
        candidate = table[slot]
        same = matrix[candidate] == matrix[rows]
        equal = (same[:, 0] if words == 1 else same.all(axis=1)) & (size[candidate] == size[rows])
        result[rows] = candidate
        if equal.all():
            return result
        rows = rows[~equal]
    index: dict[tuple[bytes, int], int] = {}
    for row in rows.tolist():
        result[row] = index.setdefault((matrix[row].tobytes(), int(size[row])), row)
    return result
