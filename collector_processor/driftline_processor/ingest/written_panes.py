"""Check panes that a batch job has folded, and store them instead of those of an earlier epoch.

All panes of a document are checked together, part by part. A pane is stored as a whole or not at all, and one that is
refused does not affect the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections import estimation
from driftline.baseline.sections.slices import MOST_VALUES, OTHER, slice_name
from driftline.panes import outcome_delays, pca, unbinned_values
from driftline.panes.decisions import DECIDED, class_names
from driftline.panes.fold import PREFIX as CLUSTERS
from driftline.panes.fold import WIDTH as CLUSTER_WIDTH
from driftline.panes.outcome_sums import widths
from driftline.panes.pane import DURATION_BOUNDS
from driftline.tables.table import F64, I64, Column, ModelKey, PredictionTable, Text
from driftline.tables.task import Task
from numpy.typing import NDArray

from driftline_processor.config.model import Model
from driftline_processor.core.decode.event_times import LATEST_POINT
from driftline_processor.core.decode.written_panes import RefusedPane, WrittenPane, WrittenPanes, WrittenPart
from driftline_processor.core.service_level.sums import FAILED
from driftline_processor.core.service_level.sums import WIDTHS as CALL_WIDTHS
from driftline_processor.core.windows.window import DAY, window_of
from driftline_processor.present.wording import iso_time
from driftline_processor.receipts import PanesReceipt
from driftline_processor.store.pane_rows import RowBytes, dense_rows, sparse_rows
from driftline_processor.store.panes import learned_fold, performance_fold, score_fold
from driftline_processor.store.series import Series
from driftline_processor.store.slices import BETWEEN, SliceValues
from driftline_processor.store.written_panes import FoldedPanes, KnownPane, KnownPanes, NewPane, PanePlace

Fold = Literal["plain", "bins", "outcomes", "scores", "learned"]
"""What the sums of a part depend on: nothing, the bins, the task, the task, or the learned parts of the baseline."""

_FOLDS: tuple[Fold, ...] = ("plain", "bins", "outcomes", "scores", "learned")
_OUTCOMES = _FOLDS.index("outcomes")

_SIGNED = frozenset({"losses", "spread", "value", "percentage", "quantiles", "pca", "pairs", "unpaired"})
"""Parts whose sums may be negative, with those that end in ``_excess`` or ``_count``, or begin with one of
:data:`_SIGNED_PREFIXES`."""

_SIGNED_PREFIXES = ("embedding:", estimation.PREFIX)

_MOST_ROWS = 2.0**53
"""Numbers of rows from which float64 does not count one by one."""

_ROUNDING = 1e-9
"""Fraction by which the sum of a part may exceed the weight of the rows."""

_MOST_PARTS = 10_000
"""Maximum number of parts that are remembered; a model of 100 features has about 700."""

_MOST_COUNTS = 1 << 22
"""Maximum number of panes times parts that are checked together: each needs some bytes, also if a pane has no sums."""

_FEW, _NARROW = 16, 4
"""Number of sums up to which a part is not worth a matrix, and the most bytes of a sum in one."""

_SMALL = 2.0**16 - 1
"""The greatest sum that is stored in two bytes."""

_WORTH_A_ROW = 32
"""Sums per pane for which a row of its own, with fewer bytes per sum, costs less."""

_BEYOND = 2**63

_NONE: I64 = np.empty(0, np.int64)
_NUMBERS: F64 = np.empty(0, np.float64)
_NO_TEXTS = Text(np.zeros(1, np.int32), b"")


class Refusal(ValueError):  # noqa: N818 - the state of a pane, and the sentence its sender reads
    """The reason why a pane is not stored."""


def empty_table(key: ModelKey, task: Task) -> PredictionTable:
    """Return the table without rows from which a series is registered."""
    return PredictionTable(key, task, _NONE, _NO_TEXTS)


def baseline_conflict(key: ModelKey, digest: str, baseline: Baseline | None) -> str:
    """Return why panes over the baseline with this digest cannot be stored; "" if they can."""
    name = f"{key.model} {key.version}".rstrip()
    if baseline is None:
        return (
            f"{name} has no baseline here, and the panes are counted over {digest}; set "
            f"models.{key.model}.baseline, or send the baseline with 'driftline baseline push'"
        )
    if digest != baseline.digest:
        return (
            f"the panes are counted over the baseline {digest}, and {name} has the baseline {baseline.digest}; "
            "make the panes with that baseline, or set theirs first"
        )
    return ""


class _Part(NamedTuple):
    """A part that panes may have: the index of its fold, its length, and what holds of its sums."""

    fold: int
    width: int
    is_signed: bool
    counts_rows: bool


class _Parts:
    """The known parts of panes over one baseline; ``sliced``: of slices."""

    def __init__(self, baseline: Baseline, task: Task, sliced: bool) -> None:
        self._baseline, self._task, self._sliced = baseline, task, sliced
        self._known: dict[str, _Part] = {}

    def of(self, part: str) -> _Part:
        """Return a part. Raises Refusal if panes do not have it."""
        known = self._known.get(part)
        if known is None:
            found = _known_part(part, self._baseline, self._task)
            if found is None or (self._sliced and not _is_of_slices(part, found[0])):
                of_what = "a slice" if self._sliced and found is not None else "this model and baseline"
                raise Refusal(f"{part[:80]!r} is not a part of the panes of {of_what}")
            known = _Part(_FOLDS.index(found[0]), found[1], _is_signed(part), _counts_rows(part))
            if len(self._known) < _MOST_PARTS:
                self._known[part] = known
        return known


@lru_cache(maxsize=32)
def _known_parts(baseline: Baseline, task: Task, sliced: bool) -> _Parts:
    return _Parts(baseline, task, sliced)


class _PartSums(NamedTuple):
    """The sums of one part of some of k panes.

    Attributes:
        name: The part.
        part: What holds of its sums.
        row: int64 (m,), the panes that have it.
        counts: int64 (m,), number of sums of each.
        places: int (n,), place of each sum; None = all sums in their order.
        sums: (n,).
    """

    name: str
    part: _Part
    row: I64
    counts: I64
    places: NDArray[Any] | None
    sums: NDArray[Any]

    def some(self, is_kept: NDArray[np.bool_]) -> _PartSums:
        """Return the sums of some of the panes."""
        if is_kept.all():
            return self
        entries = np.repeat(is_kept, self.counts)
        places = None if self.places is None else self.places[entries]
        return self._replace(row=self.row[is_kept], counts=self.counts[is_kept], places=places, sums=self.sums[entries])


class _Matrix(NamedTuple):
    """All sums of some counting parts of one fold: names, widths, and whole numbers (k, sum of the widths)."""

    fold: int
    parts: Sequence[_PartSums]
    widths: I64
    sums: NDArray[Any]


class _Entries(NamedTuple):
    """Sums of some parts of one fold that are not zero: their parts, row, position of the part, place and value."""

    fold: int
    parts: Sequence[tuple[str, _Part]]
    row: I64
    part: NDArray[np.int32]
    place: NDArray[np.int32]
    value: F64


class PaneSums:
    """The checked sums of k panes that may have the same parts.

    Attributes:
        reasons: Row of a pane → why it is refused.
        rows, outcomes: int64 (k,), number of rows and of outcomes of each pane.
    """

    def __init__(self, written: Sequence[WrittenPart], chosen: Sequence[int], panes: int, parts: _Parts) -> None:
        """Check the sums of panes: they must be those of rows over the bins.

        ``chosen``: positions of the panes, of all ``panes`` of the document.
        """
        self.reasons: dict[int, str] = {}
        self._k = len(chosen)
        row_of = np.full(panes, -1)
        row_of[chosen] = np.arange(self._k)
        found = list(self._known(written, row_of, parts))
        self._require("rows", found, "number, sum of weights and sum of squared weights of the rows")
        if of_outcomes := [one for one in found if one.part.fold == _OUTCOMES]:
            having = np.unique(np.concatenate([one.row for one in of_outcomes]))
            self._require("outcomes", found, "which counts the rows of the other sums of outcomes", having)
        found = [one for one in map(self._of_width, found) if len(one.row)]
        self._matrices, self._entries = _gathered(found, self._k)
        for entries in self._entries:
            self._refuse_entries(entries, ~np.isfinite(entries.value), "has a sum that is not a finite number")
        for entries in self._entries:
            if entries.value.min(initial=0) >= 0:
                continue
            is_signed = np.array([part.is_signed for _, part in entries.parts])
            self._refuse_entries(entries, (entries.value < 0) & ~is_signed[entries.part], "has a negative count")
        for matrix in self._matrices:
            self._refuse_negative(matrix)
        rows, weight, _ = self._vector("rows", found, 3)
        self._refuse(
            (rows != np.floor(rows)) | (rows >= _MOST_ROWS) | np.isinf(rows),
            lambda _: "the first sum of 'rows' is not a number of rows",
        )
        self._refuse_too_many(weight)
        outcomes, _, _ = self._vector("outcomes", found, 3)
        self._refuse(
            outcomes > rows,
            lambda row: f"'outcomes' counts {outcomes[row]:,.12g} rows, more than the {rows[row]:,.0f} of 'rows'",
        )
        usable = np.ones(self._k, np.bool_)
        usable[list(self.reasons)] = False
        self.rows, self.outcomes = (np.where(usable, sums, 0.0).astype(np.int64) for sums in (rows, outcomes))

    def _known(self, written: Sequence[WrittenPart], row_of: I64, parts: _Parts) -> Iterator[_PartSums]:
        rows: dict[int, tuple[I64, NDArray[np.bool_] | None]] = {}  # most parts have the same panes
        for one in written:
            if (known := rows.get(id(one.pane))) is None:
                row = row_of[one.pane]
                known = rows[id(one.pane)] = row, None if (row >= 0).all() else row >= 0
            row, is_chosen = known
            try:
                part = parts.of(one.name)
            except Refusal as reason:
                for refused in row[row >= 0].tolist():
                    self.reasons.setdefault(refused, str(reason))
                continue
            sums = _PartSums(one.name, part, row, one.counts, one.places, one.sums)
            if len((chosen := sums if is_chosen is None else sums.some(is_chosen)).row):
                yield chosen

    def _require(self, name: str, found: Sequence[_PartSums], what: str, of: I64 | None = None) -> None:
        """Refuse panes that lack a part; ``of``: the panes that need it, all by default."""
        lacking = np.zeros(self._k, np.bool_)
        lacking[slice(None) if of is None else of] = True
        for one in found:
            if one.name == name:
                lacking[one.row] = False
        self._refuse(lacking, lambda _: f"the part {name!r} is missing{':' if name == 'rows' else ','} {what}")

    def _of_width(self, one: _PartSums) -> _PartSums:
        """Return the sums of the panes in which a part has its length."""
        name, width = one.name, one.part.width
        if one.places is None:
            is_right = one.counts == width
            if is_right.all():
                return one
            for row, length in zip(one.row[~is_right].tolist(), one.counts[~is_right].tolist(), strict=True):
                self.reasons.setdefault(row, f"{name} has {length:,} sums; over this baseline it has {width:,}")
            return one.some(is_right)
        if not (beyond := one.places >= width).any():
            return one
        rows, first = np.unique(np.repeat(one.row, one.counts)[beyond], return_index=True)
        for row, place in zip(rows.tolist(), one.places[beyond][first].tolist(), strict=True):
            self.reasons.setdefault(
                row, f"{name} has a sum at place {place:,}; over this baseline it has {width:,} sums"
            )
        return one.some(~np.isin(one.row, rows))

    def _refuse(self, is_wrong: NDArray[np.bool_], reason: Callable[[int], str]) -> None:
        for row in np.flatnonzero(is_wrong).tolist():
            if row not in self.reasons:
                self.reasons[row] = reason(row)

    def _refuse_entries(self, entries: _Entries, is_wrong: NDArray[np.bool_], what: str) -> None:
        if is_wrong.any():
            rows, first = np.unique(entries.row[is_wrong], return_index=True)
            for row, part in zip(rows.tolist(), entries.part[is_wrong][first].tolist(), strict=True):
                self.reasons.setdefault(row, f"{entries.parts[part][0]} {what}")

    def _refuse_negative(self, matrix: _Matrix) -> None:
        if matrix.sums.min(initial=0) < 0:
            names = np.repeat([one.name for one in matrix.parts], matrix.widths)
            first, least = (matrix.sums < 0).argmax(axis=1), np.asarray(matrix.sums.min(axis=1))
            self._refuse(least < 0, lambda row: f"{names[first[row]]} has a negative count")

    def _refuse_too_many(self, weight: F64) -> None:
        """Refuse panes in which a part counts more than the rows."""
        limit = weight * (1 + _ROUNDING)
        for entries in self._entries:
            names, parts = zip(*entries.parts, strict=True)
            totals = np.bincount(entries.row * len(parts) + entries.part, entries.value, self._k * len(parts))
            self._refuse_totals(names, parts, totals.reshape(self._k, len(parts)), weight, limit)
        for matrix in self._matrices:
            edges = np.cumsum(matrix.widths) - matrix.widths
            total = np.iinfo(matrix.sums.dtype).max * int(matrix.widths.max())
            wide = matrix.sums.astype(np.min_scalar_type(-total))  # the narrowest type is by far the fastest
            names, parts = zip(*((one.name, one.part) for one in matrix.parts), strict=True)
            self._refuse_totals(names, parts, np.add.reduceat(wide, edges, axis=1, dtype=wide.dtype), weight, limit)

    def _refuse_totals(
        self, names: Sequence[str], parts: Sequence[_Part], totals: NDArray[Any], weight: F64, limit: F64
    ) -> None:
        too_many = (totals > limit[:, np.newaxis]) & np.array([part.counts_rows for part in parts])
        if too_many.any():
            wrong = too_many.argmax(axis=1)
            self._refuse(
                too_many.any(axis=1),
                lambda row: (
                    f"{names[wrong[row]]} counts {totals[row, wrong[row]]:,.12g}, more than the {weight[row]:,.12g} of "
                    "'rows'"
                ),
            )

    def _vector(self, name: str, found: Sequence[_PartSums], width: int) -> list[F64]:
        """Return the sums of a small part of all panes, place by place: float64 (k,)."""
        vector: F64 = np.zeros((width, self._k))
        for one in found:
            if one.name == name:
                places = np.tile(np.arange(width), len(one.row)) if one.places is None else one.places
                np.add.at(vector, (places, np.repeat(one.row, one.counts)), one.sums)
        return list(vector)

    def folded(self, chosen: I64) -> Iterator[tuple[Fold, RowBytes, I64]]:
        """Yield the sums of some panes by fold, and which of the chosen panes have a row; ``chosen``: rows."""
        everything, is_all = np.arange(len(chosen)), len(chosen) == self._k
        for matrix in self._matrices:
            sums = matrix.sums if is_all else matrix.sums[chosen]
            names = [one.name for one in matrix.parts]
            counts = sums.view(f"u{sums.dtype.itemsize}")
            yield _FOLDS[matrix.fold], dense_rows(names, matrix.widths, counts), everything
        for entries in self._entries:
            some = entries if is_all else _chosen(entries, self._k, chosen)
            for is_narrow, used in self._by_size(some):
                row, part, place, value = some.row, some.part, some.place, some.value
                names = [name for name, _ in some.parts]
                if not used.all():
                    names = [name for name, is_used in zip(names, used.tolist(), strict=True) if is_used]
                    inside = np.flatnonzero(used[part])
                    row, part, place, value = row[inside], part[inside], place[inside], value[inside]
                    part = (np.cumsum(used) - 1)[part]
                own = np.flatnonzero(np.bincount(row, minlength=len(chosen)))
                if some.fold == 0 or len(own) == len(chosen):  # a pane without rows is a row of the store, too
                    own = everything
                else:
                    position = np.zeros(len(chosen), np.int64)
                    position[own] = np.arange(len(own))
                    row = position[row]
                yield _FOLDS[some.fold], sparse_rows(names, len(own), row, part, place, value, narrow=is_narrow), own

    def _by_size(self, entries: _Entries) -> Iterator[tuple[bool, NDArray[np.bool_]]]:
        """Yield which parts of a fold have small counts, and which do not, as far as two rows need less than one."""
        value, narrow = entries.value, np.ones(len(entries.parts), np.bool_)
        is_large = (value < 0) | (value > _SMALL) | (value != np.floor(value))
        narrow[entries.part[is_large]] = False
        if not narrow.all():
            sizes = np.bincount(entries.part, minlength=len(narrow))
            narrow &= sizes[narrow].sum() >= _WORTH_A_ROW * self._k
        for is_narrow, used in ((True, narrow), (False, ~narrow)):
            if used.any():
                yield is_narrow, used

    def of_rows(self, chosen: I64) -> RowBytes:
        """Return the part ``rows`` of some panes."""
        [entries] = [one for one in self._entries if one.fold == 0]
        code = [name for name, _ in entries.parts].index("rows")
        some = _chosen(entries, self._k, chosen)
        own = some.part == code
        part = np.zeros(int(own.sum()), np.int64)
        return sparse_rows(["rows"], len(chosen), some.row[own], part, some.place[own], some.value[own], narrow=False)


def _gathered(found: Sequence[_PartSums], panes: int) -> tuple[list[_Matrix], list[_Entries]]:
    """Return the sums of parts by fold: counts of which few are zero as matrices, all others one by one."""
    dense: dict[tuple[int, int], list[_PartSums]] = {}
    sparse: dict[int, list[_PartSums]] = {}
    for one in found:
        size = one.sums.dtype.itemsize
        is_narrow = one.sums.dtype.kind == "i" and size <= _NARROW and not one.part.is_signed
        if is_narrow and one.places is None and one.part.width > _FEW and 2 * len(one.row) >= panes:
            dense.setdefault((one.part.fold, size), []).append(one)
        else:
            sparse.setdefault(one.part.fold, []).append(one)
    matrices = [_matrix(fold, parts, panes) for (fold, _), parts in sorted(dense.items())]
    return matrices, [_entries(fold, parts) for fold, parts in sorted(sparse.items())]


def _matrix(fold: int, parts: Sequence[_PartSums], panes: int) -> _Matrix:
    widths = np.array([one.part.width for one in parts], np.int64)
    edges = np.cumsum(widths) - widths
    sums = np.zeros((panes, int(widths.sum())), parts[0].sums.dtype)
    for one, edge in zip(parts, edges.tolist(), strict=True):
        rows = slice(None) if len(one.row) == panes else one.row
        sums[rows, edge : edge + one.part.width] = one.sums.reshape(len(one.row), one.part.width)
    return _Matrix(fold, parts, widths, sums)


def _entries(fold: int, parts: Sequence[_PartSums]) -> _Entries:
    codes = {one.name: code for code, one in enumerate({one.name: one for one in parts}.values())}
    names = list({one.name: (one.name, one.part) for one in parts}.values())
    # a part may be a list in some panes, and places in others
    spread = [_spread(one) for one in sorted(parts, key=lambda one: codes[one.name])]
    rows, counts, places, sums = zip(*((one.row, one.counts, one.places, one.sums) for one in spread), strict=True)
    row = np.repeat(np.concatenate(rows).astype(np.int16), np.concatenate(counts))
    part = np.repeat(np.array([codes[one.name] for one in spread], np.int32), list(map(len, sums)))
    place, value = np.concatenate(places).astype(np.int32, copy=False), np.concatenate([_NUMBERS, *sums])
    order = np.argsort(row, kind="stable")  # radix sort, as of int16
    if not value.all():
        order = order[value[order] != 0]
    return _Entries(fold, names, row[order].astype(np.int64), part[order], place[order], value[order])


def _chosen(entries: _Entries, panes: int, chosen: I64) -> _Entries:
    """Return the sums of some of the panes; ``chosen``: their rows, ascending."""
    new_row = np.full(panes, -1)
    new_row[chosen] = np.arange(len(chosen))
    row = new_row[entries.row]
    inside = np.flatnonzero(row >= 0)
    return entries._replace(
        row=row[inside], part=entries.part[inside], place=entries.place[inside], value=entries.value[inside]
    )


def _spread(one: _PartSums) -> _PartSums:
    """Return the sums of a part with their places."""
    if one.places is not None:
        return one
    width = one.part.width
    if width <= _FEW:
        return one._replace(places=np.tile(np.arange(width, dtype=np.int32), len(one.row)))
    sums = one.sums.reshape(-1, width)
    row, places = sums.nonzero()
    return one._replace(counts=np.bincount(row, minlength=len(one.row)), places=places, sums=sums[row, places])


class CheckedPanes(NamedTuple):
    """What is done with the panes of a document.

    Attributes:
        receipt: The answer to the sender.
        panes: The panes to store.
        replaced: The stored panes that they replace.
        folded: The rows of their sums.
    """

    receipt: PanesReceipt
    panes: Sequence[NewPane]
    replaced: Mapping[PanePlace, KnownPane]
    folded: Sequence[FoldedPanes]


class PaneChecker:
    """Checks the panes of one model, and converts them to rows of the store."""

    def __init__(self, series: Series, baseline: Baseline, settings: Model, values: SliceValues, now: int) -> None:
        self._series, self._baseline, self._settings, self._now = series, baseline, settings, now
        self._slices = values
        self._parts = {is_sliced: _known_parts(baseline, series.task, is_sliced) for is_sliced in (False, True)}
        self._names = {
            "plain": "",
            "bins": baseline.fold,
            "outcomes": performance_fold(series.task),
            "scores": score_fold(series.task),
            "learned": learned_fold(baseline),
        }

    def check(self, written: WrittenPanes, known: KnownPanes) -> CheckedPanes:
        """Return what is done with each pane; ``known``: the stored panes of the source."""
        places, reasons = dict[int, PanePlace](), dict[int, str]()
        for position, pane in enumerate(written.panes):
            try:
                places[position] = self.place(pane)
            except Refusal as reason:
                reasons[position] = str(reason)
        new = [
            position
            for position, place in places.items()
            if (before := known.get(place)) is None or before.epoch < written.epoch
        ]
        groups = list(self._groups(written, new))
        for chosen, sums in groups:
            reasons |= {chosen[row]: reason for row, reason in sums.reasons.items()}
        rows = {position: int(n) for chosen, sums in groups for position, n in zip(chosen, sums.rows, strict=True)}
        receipt, replaced, stored = PanesReceipt(), dict[PanePlace, KnownPane](), set[int]()
        for position, place in places.items():
            before = known.get(place)
            if before is not None and before.epoch >= written.epoch:
                receipt.unchanged += before.epoch == written.epoch
                receipt.superseded += before.epoch > written.epoch
            elif position in reasons:
                continue
            elif (other := known.overlapping(place)) is not None:
                start, end = map(iso_time, other)
                reasons[position] = (
                    f"it overlaps the pane of this source from {start} to {end}; "
                    "write that one with its own start and span"
                )
            else:
                receipt.accepted += before is None
                if before is not None:
                    receipt.replaced += 1
                    replaced[place] = before
                known.add(place, KnownPane(written.epoch, rows[position]))
                stored.add(position)
        receipt.refused = [
            RefusedPane(written.panes[position].index, reason) for position, reason in sorted(reasons.items())
        ]
        panes, folded = list[NewPane](), list[FoldedPanes]()
        for chosen, sums in groups:
            own = np.array([row for row, position in enumerate(chosen) if position in stored], np.int64)
            own_places = [places[chosen[row]] for row in own.tolist()]
            counts = zip(own_places, sums.rows[own].tolist(), sums.outcomes[own].tolist(), strict=True)
            panes += [NewPane(place, n, outcomes) for place, n, outcomes in counts]
            if own_places:
                folded += self._folded(sums, own, own_places)
        return CheckedPanes(receipt, panes, replaced, folded)

    def _groups(self, written: WrittenPanes, chosen: Sequence[int]) -> Iterator[tuple[Sequence[int], PaneSums]]:
        """Yield the checked sums of panes that are checked together, and their positions."""
        together = max(1, _MOST_COUNTS // (1 + len(written.parts)))
        for is_sliced, parts in self._parts.items():
            own = [position for position in chosen if bool(written.panes[position].slice) == is_sliced]
            for first in range(0, len(own), together):
                group = own[first : first + together]
                yield group, PaneSums(written.parts, group, len(written.panes), parts)

    def _folded(self, sums: PaneSums, rows: I64, places: Sequence[PanePlace]) -> Iterator[FoldedPanes]:
        """Yield the sums of panes as rows of the store; ``rows``: their rows in ``sums``."""
        names = [self._stored_slice(place.slice) for place in places]
        for fold, of_fold, own in sums.folded(rows):
            chosen = own.tolist()
            folds = [self._names[fold] + names[row] for row in chosen]
            yield FoldedPanes([places[row] for row in chosen], folds, of_fold)
        if names[0]:  # the rows of a slice are in both folds
            yield FoldedPanes(places, [self._names["bins"] + name for name in names], sums.of_rows(rows))

    def place(self, pane: WrittenPane) -> PanePlace:
        """Return slice, start and end of a pane. Raises Refusal if its period or its slice is not one of the model."""
        settings, model = self._settings, self._series.key.model
        if not DAY <= pane.start < _BEYOND:  # local days before this one begin before 1970
            raise Refusal(f"start {pane.start} is not a time since 1970 in unix nanoseconds")
        if pane.start > self._now + LATEST_POINT:
            raise Refusal(
                f"it starts at {iso_time(pane.start)}, ahead of the clock of the processor; check that "
                "start is in unix nanoseconds"
            )
        period = window_of(pane.span, pane.start, settings.timezone)
        if period.start != pane.start:
            raise Refusal(
                f"start {iso_time(pane.start)} is not the start of a period of {pane.span} in {settings.timezone}, the "
                f"time zone of the model; the period starts at {iso_time(period.start)}"
            )
        if period.end > self._now + LATEST_POINT:
            raise Refusal(f"it ends at {iso_time(period.end)}, ahead of the clock of the processor: it is not finished")
        for name in settings.windows:
            if window_of(name, period.start, settings.timezone).end < period.end:
                raise Refusal(f"a pane of {pane.span} is longer than a window of {name} of {model}; write shorter ones")
        if pane.slice:
            self._check_slice(pane)
        return PanePlace(pane.slice, period.start, period.end)

    def _check_slice(self, pane: WrittenPane) -> None:
        key, equals, value = pane.slice.partition("=")
        if not equals or not value or key not in self._settings.sliced:
            keys = ", ".join(self._settings.sliced) or "none"
            raise Refusal(
                f"slice {pane.slice[:80]!r} is not 'key=value' of a slice of the model; models."
                f"{self._series.key.model}.slices are: {keys}"
            )
        if pane.span == "5m":
            raise Refusal("a pane of a slice is of 1h or 1d, not of 5m")

    def _stored_slice(self, name: str) -> str:
        """Return the end of the folds of a slice; a value beyond the maximum is counted as ``other``."""
        if not name:
            return ""
        key, _, value = name.partition("=")
        series = self._series.number
        if value not in (OTHER, *self._slices.of(series, key)):
            column = Column(codes=np.zeros(1, np.int32), categories=(value,))
            self._slices.learn(series, key, column, self._baseline)
            if value not in self._slices.of(series, key)[:MOST_VALUES]:
                value = OTHER
        return f"{BETWEEN}{slice_name(key, value)}"


def _known_part(part: str, baseline: Baseline, task: Task) -> tuple[Fold, int] | None:
    """Return the fold of a part, and the length of its vector; None if panes over this baseline do not have it."""
    plain = {"rows": 3, "duration": len(DURATION_BOUNDS) + 2, **CALL_WIDTHS}.get(part)
    if plain is not None:
        return "plain", plain
    if part.startswith(FAILED) or (part.startswith(DECIDED) and part.removeprefix(DECIDED) in class_names(task)):
        return "plain", 1
    if (width := {**widths(task), outcome_delays.PART: outcome_delays.WIDTH}.get(part)) is not None:
        return "outcomes", width
    if (width := estimation.width_of(part, len(task.classes))) is not None:
        if part.startswith(estimation.GRID):
            classes = (*map(str, range(len(task.classes))), estimation.OTHER)
            return ("scores", width) if part.removeprefix(estimation.GRID) in classes else None
        return ("learned", width) if learned_fold(baseline) else None
    width = _binned_width(part, baseline)
    return None if width is None else ("bins", width)


def _binned_width(part: str, baseline: Baseline) -> int | None:
    bins, features = baseline.bins, baseline.bins.features
    prefix, _, name = part.partition(":")
    if part == "score" and bins.score is not None:
        return bins.score.size + 2
    if part == "class" and bins.classes is not None:
        return bins.classes.size + 2
    if prefix == "feature" and name in features:
        return features[name].size + 2
    if prefix == "embedding" and name in bins.projections:
        return len(baseline.pane.parts[part]) if part in baseline.pane.parts else None
    if part.startswith(CLUSTERS):
        return CLUSTER_WIDTH if _is_of_slices(name, "bins") and _binned_width(name, baseline) is not None else None
    if prefix == "unknown" and name not in features:
        return 1
    if name in features:
        return unbinned_values.part_width(part, len(features))
    return None if bins.space is None else pca.widths(len(bins.space.names)).get(part)


def _is_of_slices(part: str, fold: Fold) -> bool:
    """Return True for a part that panes of slices have."""
    if fold == "bins":
        return part in ("score", "class") or part.startswith(("feature:", CLUSTERS))
    return fold in ("plain", "outcomes") and part != outcome_delays.PART


def _is_signed(part: str) -> bool:
    return part in _SIGNED or part.endswith(("_excess", "_count")) or part.startswith(_SIGNED_PREFIXES)


def _counts_rows(part: str) -> bool:
    """Return True for a part whose sums are at most the weight of the rows."""
    return part in ("score", "class") or part.startswith(("feature:", DECIDED, estimation.GRID))
