"""Check panes that a batch job has folded, and store them instead of those of an earlier epoch.

A pane is stored as a whole or not at all, and one that is refused does not affect the others.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, NamedTuple

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
from driftline_processor.core.decode.written_panes import RefusedPane, Sums, WrittenPane
from driftline_processor.core.service_level.sums import FAILED
from driftline_processor.core.service_level.sums import WIDTHS as CALL_WIDTHS
from driftline_processor.core.windows.window import DAY, window_of
from driftline_processor.present.wording import iso_time
from driftline_processor.receipts import PanesReceipt
from driftline_processor.store.panes import learned_fold, performance_fold, score_fold
from driftline_processor.store.series import Series
from driftline_processor.store.slices import BETWEEN, SliceValues
from driftline_processor.store.written_panes import FoldedPane, FoldedSums, KnownPane, KnownPanes, NewPane, PanePlace

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

_NONE: I64 = np.empty(0, np.int64)
_NUMBERS: F64 = np.empty(0, np.float64)

_WEIGHT = 2
"""The first two sums of ``rows``: their number, and the sum of their weights."""

_NO_TEXTS = Text(np.zeros(1, np.int32), b"")
_PLACE, _SUM = np.dtype("<i4"), np.dtype("<f8")


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

    def __init__(self, baseline: Baseline, task: Task, *, sliced: bool) -> None:
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


class PaneSums:
    """The checked sums of a pane, without zeros, in the order of its folds."""

    def __init__(self, sums: Mapping[str, Sums], parts: _Parts) -> None:
        """Check the sums of a pane. Raises Refusal if they are not those of rows over the bins."""
        if "rows" not in sums:
            raise Refusal("the part 'rows' is missing: number, sum of weights and sum of squared weights of the rows")
        known = [(parts.of(name), name) for name in sums]
        known.sort(key=_fold_of)
        self._names = [name for _, name in known]
        self._folds, widths, signed, counted = zip(*(part for part, _ in known), strict=True)
        if _OUTCOMES in self._folds and "outcomes" not in sums:
            raise Refusal("the part 'outcomes' is missing, which counts the rows of the other sums of outcomes")
        part, place, value = self._entries([sums[name] for name in self._names], np.array(widths, np.int64))
        if not np.isfinite(value).all():
            raise Refusal(f"{self._name_at(part, ~np.isfinite(value))} has a sum that is not a finite number")
        if (negative := (value < 0) & ~np.array(signed)[part]).any():
            raise Refusal(f"{self._name_at(part, negative)} has a negative count")
        of_rows = (part == self._names.index("rows")) & (place < _WEIGHT)
        rows, weight = (float(value[of_rows & (place == at)].sum()) for at in range(_WEIGHT))
        if rows != np.floor(rows) or rows >= _MOST_ROWS:
            raise Refusal("the first sum of 'rows' is not a number of rows")
        totals = np.bincount(part, value, len(known))
        if (too_many := np.array(counted) & (totals > weight * (1 + _ROUNDING))).any():
            wrong = int(np.flatnonzero(too_many)[0])
            raise Refusal(f"{self._names[wrong]} counts {totals[wrong]:,.12g}, more than the {weight:,.12g} of 'rows'")
        outcomes = 0.0
        if "outcomes" in sums:
            outcomes = float(value[(part == self._names.index("outcomes")) & (place == 0)].sum())
        if outcomes > rows:
            raise Refusal(f"'outcomes' counts {outcomes:,.12g} rows, more than the {rows:,.0f} of 'rows'")
        self.rows, self.outcomes = int(rows), int(outcomes)
        self._part, self._place, self._value = part, place, value

    def _entries(self, sums: Sequence[Sums], widths: I64) -> tuple[I64, I64, F64]:
        """Return part, place and value of each sum that is not zero, by part."""
        is_sparse = np.array([isinstance(one, dict) for one in sums])
        dense, sparse = np.flatnonzero(~is_sparse), np.flatnonzero(is_sparse)
        lengths = np.fromiter(map(len, sums), np.int64, len(sums))
        if (wrong := dense[lengths[dense] != widths[dense]]).size:
            name, length, width = self._names[wrong[0]], lengths[wrong[0]], widths[wrong[0]]
            raise Refusal(f"{name} has {length:,} sums; over this baseline it has {width:,}")
        parts = [np.repeat(which, lengths[which]) for which in (dense, sparse)]
        firsts = np.cumsum(lengths[dense]) - lengths[dense]
        inside = np.arange(len(parts[0])) - np.repeat(firsts, lengths[dense])
        lists = [one for one in sums if not isinstance(one, dict)]
        places, values = [inside], [np.concatenate([_NUMBERS, *lists])]
        given = [one for one in sums if isinstance(one, dict)]
        places.append(np.fromiter(chain.from_iterable(given), np.int64, len(parts[1])))
        values.append(np.fromiter(chain.from_iterable(one.values() for one in given), np.float64, len(parts[1])))
        if (beyond := places[1] >= widths[parts[1]]).any():
            first = int(np.flatnonzero(beyond)[0])
            name, width = self._names[parts[1][first]], widths[parts[1][first]]
            raise Refusal(f"{name} has a sum at place {places[1][first]:,}; over this baseline it has {width:,} sums")
        part, place, value = (np.concatenate(arrays) for arrays in (parts, places, values))
        nonzero = np.flatnonzero(value)
        order = nonzero[np.argsort(part[nonzero].astype(np.int16), kind="stable")]  # radix sort
        return part[order], place[order], value[order]

    def _name_at(self, part: I64, is_wrong: NDArray[np.bool_]) -> str:
        return self._names[int(part[np.flatnonzero(is_wrong)[0]])]

    def folded(self) -> Iterator[tuple[Fold, FoldedSums]]:
        """Yield the sums of each fold."""
        counts = np.bincount(self._part, minlength=len(self._names))
        edges = np.append(0, np.cumsum(counts))
        counted, places, sums = counts.astype(_PLACE), self._place.astype(_PLACE), self._value.astype(_SUM, copy=False)
        for code, fold in enumerate(_FOLDS):
            first, last = bisect_left(self._folds, code), bisect_right(self._folds, code)
            if last > first:
                inside = slice(edges[first], edges[last])
                parts = json.dumps(self._names[first:last])
                columns = counted[first:last], places[inside], sums[inside]
                yield fold, FoldedSums(parts, *(column.tobytes() for column in columns))

    def of_rows(self) -> FoldedSums:
        """Return the sums of the part ``rows``."""
        inside = np.flatnonzero(self._part == self._names.index("rows"))
        columns = np.array([len(inside)], _PLACE), self._place[inside].astype(_PLACE), self._value[inside].astype(_SUM)
        return FoldedSums('["rows"]', *(column.tobytes() for column in columns))


def _fold_of(part: tuple[_Part, str]) -> int:
    return part[0].fold


class CheckedPane(NamedTuple):
    """A pane that can be stored."""

    place: PanePlace
    sums: PaneSums


class PaneChecker:
    """Checks the panes of one model, and converts them to rows of the store."""

    def __init__(self, series: Series, baseline: Baseline, settings: Model, values: SliceValues, now: int) -> None:
        self._series, self._baseline, self._settings, self._now = series, baseline, settings, now
        self._slices = values
        self._parts = {is_sliced: _Parts(baseline, series.task, sliced=is_sliced) for is_sliced in (False, True)}
        self._names = {
            "plain": "",
            "bins": baseline.fold,
            "outcomes": performance_fold(series.task),
            "scores": score_fold(series.task),
            "learned": learned_fold(baseline),
        }

    def check(self, pane: WrittenPane, place: PanePlace, known: KnownPanes) -> CheckedPane:
        """Return a pane of a :meth:`place`. Raises Refusal with the rule that it breaks."""
        sums = PaneSums(pane.sums, self._parts[bool(pane.slice)])
        if (other := known.overlapping(place)) is not None:
            start, end = map(iso_time, other)
            raise Refusal(
                f"it overlaps the pane of this source from {start} to {end}; write that one with its own start and span"
            )
        return CheckedPane(place, sums)

    def place(self, pane: WrittenPane) -> PanePlace:
        """Return slice, start and end of a pane. Raises Refusal if its period or its slice is not one of the model."""
        settings, model = self._settings, self._series.key.model
        if pane.start < DAY:  # local days before this one begin before 1970
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

    def folded(self, pane: CheckedPane) -> Iterator[FoldedPane]:
        """Yield the sums of a pane as rows of the store."""
        name = self._stored_slice(pane.place.slice)
        for fold, sums in pane.sums.folded():
            yield FoldedPane(pane.place, self._names[fold] + name, sums)
        if name:  # the rows of a slice are in both folds
            yield FoldedPane(pane.place, self._names["bins"] + name, pane.sums.of_rows())

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


def sort_panes(
    checker: PaneChecker, known: KnownPanes, panes: Sequence[WrittenPane], epoch: int
) -> tuple[PanesReceipt, list[CheckedPane], dict[PanePlace, KnownPane]]:
    """Return what is done with each pane, the panes to store, and the stored panes that they replace."""
    receipt, refused = PanesReceipt(), list[RefusedPane]()
    stored, replaced = list[CheckedPane](), dict[PanePlace, KnownPane]()
    for pane in panes:
        try:
            place = checker.place(pane)
            before = known.get(place)
            if before is not None and before.epoch >= epoch:
                receipt.unchanged += before.epoch == epoch
                receipt.superseded += before.epoch > epoch
                continue
            checked = checker.check(pane, place, known)
        except Refusal as reason:
            refused.append(RefusedPane(pane.index, str(reason)))
            continue
        if before is None:
            receipt.accepted += 1
        else:
            receipt.replaced += 1
            replaced[place] = before
        known.add(place, KnownPane(epoch, checked.sums.rows))
        stored.append(checked)
    receipt.refused = refused
    return receipt, stored, replaced


def new_panes(panes: Sequence[CheckedPane]) -> list[NewPane]:
    """Return places and numbers of rows of panes."""
    return [NewPane(pane.place, pane.sums.rows, pane.sums.outcomes) for pane in panes]


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
