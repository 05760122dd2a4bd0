"""Explain the drift of a window: its causes by importance, and the effect of each on the score.

A cause is a feature that drifts, or a data-quality finding that explains the drift: a column in another unit is not
"drift of amount". Causes are ranked by the fraction of rows whose value moved, times the feature's importance to the
model if the baseline contains it. A cause names the slice if a feature drifts in one slice and hardly elsewhere, and
the region of the shift in the feature's own unit. Its effect on the score follows from the baseline's mean score per
value.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.scores import ScoreMeans
from driftline.baseline.sections.section import block_columns
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.panes.pane import Pane
from driftline.tables.classes import number_text
from driftline.tables.table import F64, I64
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.drift.bin_edges import edge_number, single_value
from driftline_processor.core.drift.coarse_bins import coarsen, grid
from driftline_processor.core.drift.display_cells import Cells, cells, shares
from driftline_processor.core.evaluation import Cause, Change, ColumnDrift, Explanation, Finding
from driftline_processor.core.quality.check import STRUCTURAL
from driftline_processor.core.quality.share_test import LEAST, effect
from driftline_processor.core.windows.time_before import TimeBefore, TimeSteps, no_time_before
from driftline_processor.core.windows.window import Window

from .onset import onset

LENGTHS = "lengths (L2 norm)"
"""Name of the values in the bins of an embedding, whose vectors another method compares."""

_OTHER = {"other": "other categories"}


def region_changes(bins: Bins, was: F64, now: F64, lengths: bool = False) -> tuple[Change, ...]:
    """Return the regions whose fraction changed most, and the missing values if their change is relevant.

    ``was``, ``now``: counts over the bins, then missing, then invalid. ``lengths``: the values are those of vectors.

    >>> from driftline.panes.bins import CategoryBins
    >>> bins = CategoryBins(("NO", "SE"))
    >>> [one.where for one in region_changes(bins, np.array([60.0, 40, 0, 0, 0]), np.array([20.0, 40, 0, 140, 0]))]
    ['missing values', 'NO', 'SE']
    """
    changes: list[Change] = []
    usable_was, usable_now = was[: bins.size], now[: bins.size]
    if usable_was.any() and usable_now.any():
        if isinstance(bins, CategoryBins):
            changes += _categories(cells(bins, usable_was, usable_now))
        elif len(bins.edges):
            where = _range(bins, shares(usable_was), shares(usable_now))
            changes.append(replace(where, where=where.where.replace("values", LENGTHS)) if lengths else where)
    absent = Change("missing values", _absent(was, bins), _absent(now, bins))
    if abs(effect(absent.was, absent.now)) >= LEAST:
        shift = abs(absent.now - absent.was)
        changes.insert(0 if not changes or shift > abs(changes[0].now - changes[0].was) else 1, absent)
    return tuple(changes)


def _categories(drawn: Cells) -> list[Change]:
    """Return the category that changed most, and the one that changed most in the other direction."""
    shift = drawn.now - drawn.was
    most = int(np.abs(shift).argmax())
    if shift[most] == 0:
        return []
    other = int((shift * -np.sign(shift[most])).argmax())
    last = len(drawn.categories) - 1
    names = [
        _OTHER.get(category, category) if index == last else category for index, category in enumerate(drawn.categories)
    ]
    return [Change(names[at], float(drawn.was[at]), float(drawn.now[at])) for at in dict.fromkeys((most, other))]


def _range(bins: NumberBins, was: F64, now: F64) -> Change:
    """Return the range whose fraction changed most, between two edges of the bins, so that its counts are exact.

    Args:
        bins: The bins.
        was: Fraction of the reference in each bin, float64 (bins,).
        now: The same of the window.
    """
    below_was, below_now = (np.concatenate([[0.0], np.cumsum(shares_of_side)]) for shares_of_side in (was, now))
    shift = below_now - below_was
    inner = np.abs(shift[1:-1])
    # 0.95: minimum ratio to the largest change, among which the edge with fewest digits is named
    nearly = np.flatnonzero(inner >= 0.95 * inner.max()).tolist()
    at = 1 + min(nearly, key=lambda index: (len(number_text(edge_number(bins.edges, index))), -inner[index]))
    low, high = sorted((int(shift.argmin()), int(shift.argmax())))
    between = (low > 0 and high < bins.size) or high - low == 1
    # 1.25: minimum ratio of the change between two edges to the change beyond one edge, to name the range
    if not between or abs(shift[high] - shift[low]) < 1.25 * abs(shift[at]):
        # name the side with fewer rows
        low, high = (0, at) if below_was[at] + below_now[at] <= 1 else (at, bins.size)
    where = _range_words(bins.edges, low, high, np.flatnonzero(was + now > 0))
    return Change(where, *(float(below[high] - below[low]) for below in (below_was, below_now)))


def _range_words(edges: F64, low: int, high: int, filled: I64) -> str:
    """Return the values of the bins ``low`` to ``high - 1`` in words; ``filled``: bins with rows on either side."""
    filled = filled[(filled >= low) & (filled < high)]
    if len(filled) and low > 0:
        low = int(filled[0])
    if len(filled) and high <= len(edges):
        high = int(filled[-1]) + 1
    first, last = single_value(edges, low), single_value(edges, high - 1)
    if len(filled) == 1 and first is not None:
        return f"values of {number_text(first)}"
    last_words = "" if high > len(edges) else number_text(edge_number(edges, high - 1) if last is None else last)
    if low == 0:
        return f"values below {last_words}" if last is None else f"values of {last_words} or less"
    is_open = single_value(edges, low - 1) is not None  # the range begins after a single value
    first_words = f"{'above' if is_open else 'of'} {number_text(edge_number(edges, low - 1))}"
    if high > len(edges):
        return f"values {first_words}{'' if is_open else ' or more'}"
    return f"values {first_words} to {'below ' if last is None else ''}{last_words}"


def _absent(counts: F64, bins: Bins) -> float:
    total = float(counts.sum())
    return float(counts[bins.size :].sum()) / total if total > 0 else 0.0


def share_of_rows_moved(was: F64, now: F64, design_effect: float = 1.0) -> float:
    """Return the fraction of rows that would have to change their cell, less the fraction that chance explains.

    This is the total variation over the cells of :func:`~driftline_processor.core.drift.coarse_bins.grid`. A missing
    value has a cell of its own.

    Args:
        was: Effective rows of the reference by cell, float64 (cells,).
        now: Effective rows of the window by cell, float64 (cells,).
        design_effect: Design effect of the rows.

    Returns:
        A fraction, 0 to 1; 0 if a side is empty.

    >>> round(share_of_rows_moved(np.array([5e6, 5e6]), np.array([4e6, 6e6])), 3)
    0.1
    """
    n, m = float(was.sum()), float(now.sum())
    if n <= 0 or m <= 0:
        return 0.0
    p, q, pooled = was / n, now / m, (was + now) / (n + m)
    chance = np.sqrt(2 / math.pi * pooled * (1 - pooled) * (1 / n + 1 / m) * design_effect).sum() / 2
    return max(0.0, float(np.abs(q - p).sum()) / 2 - float(chance))


LEAST_CARRIED = 0.05
"""Minimum fraction of the score's shift for ranking and sentences; smaller fractions rank like this one and are not
shown. It is about their precision, since their cells may hold thirty rows.
"""


class ColumnCounts(NamedTuple):
    """Effective rows of a column over its bins, missing and invalid: ``was`` of the baseline, ``now`` of the window."""

    was: F64
    now: F64


def find_concentration(column_counts: ColumnCounts, slices: Mapping[str, ColumnCounts], cells: I64) -> str:
    """Return the slice that contains the shift of a feature, "" if it is not in one slice.

    Among several, the slice with most of the moved rows wins.

    Args:
        column_counts: Counts of all rows.
        slices: Counts of each slice, a part of ``column_counts``.
        cells: int64 (bins,), cell of each bin.

    >>> whole = ColumnCounts(np.array([200.0, 200.0]), np.array([140.0, 260.0]))
    >>> mobile = ColumnCounts(np.array([100.0, 100.0]), np.array([40.0, 160.0]))
    >>> find_concentration(whole, {"channel=mobile": mobile}, np.array([0, 1]))
    'channel=mobile'
    """
    best, largest_part = "", 0.0
    total = coarsen(column_counts.was, cells), coarsen(column_counts.now, cells)
    for name, side in slices.items():
        was, now = coarsen(side.was, cells), coarsen(side.now, cells)
        inside = share_of_rows_moved(was, now)
        outside = share_of_rows_moved(np.maximum(total[0] - was, 0.0), np.maximum(total[1] - now, 0.0))
        part = inside * float(now.sum())
        # 0.25: maximum ratio of the shift outside to that inside the slice: four of five moved rows are then in a slice
        # with half of the rows (evidence/explanations.json has the accuracy)
        # 0.05: minimum fraction of the slice's rows that moved; smaller findings are minor in data quality, too
        if inside >= 0.05 and outside <= 0.25 * inside and part > largest_part:
            best, largest_part = name, part
    return best


class ExplainInput(Struct, frozen=True, dict=True):
    """A window, or one slice of it, with its reference.

    Attributes:
        pane: The sums of its rows.
        baseline: The reference.
        drift: The drift of its features.
        time_before: Function that returns the histograms of the time up to the window's end.
    """

    pane: Pane
    baseline: Baseline
    drift: Mapping[str, ColumnDrift]
    time_before: TimeBefore = no_time_before

    @cached_property
    def _columns(self) -> Mapping[str, object]:
        return block_columns(self.baseline.bins)

    def sides(self, part: str) -> ColumnCounts | None:
        """Return the effective rows of a column in the baseline and in the window; None if either is unknown."""
        was, now = self.baseline.pane.parts.get(part), self.pane.parts.get(part)
        if was is None or now is None or part not in self._columns or not was.any() or not now.any():
            return None
        return ColumnCounts(was * _kish(self.baseline.pane), now * _kish(self.pane))

    def cells(self, part: str) -> I64:
        """Return the cell of each bin of a column."""
        return grid(block_columns(self.baseline.bins)[part], self.baseline.pane.parts[part])

    def design_effect(self, feature: str) -> float:
        """Return the design effect of a feature."""
        column = self.drift.get(feature)
        return 1.0 if column is None else column.design_effect

    def rows(self) -> float:
        """Return the weight of the window's rows."""
        rows = self.pane.parts.get("rows", np.zeros(3))
        return float(rows[1])


def _kish(pane: Pane) -> float:
    """Return effective rows per unit of weight: Σw / Σw²."""
    rows = pane.parts.get("rows")
    return float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else 1.0


FEW = 30.0
"""Minimum reference rows of a cell to use its own mean score, else the nearest cell's: the standard error of the mean
is then below a fifth of a standard deviation.
"""


def score_means(pane: Pane, baseline: Baseline) -> tuple[float, float] | None:
    """Return the mean score of the baseline and of the window; None if either is unknown.

    The mean of the window comes from its score histogram, with the baseline's mean score of each bin.
    """
    scores = baseline.extras.score_means
    now = pane.parts.get("score")
    if scores is None or "score" not in scores.by_part or now is None:
        return None
    means = scores.by_part["score"]
    was_shares, now_shares = means.rows[:-1], _cells(now, means)[:-1]
    if not was_shares.any() or not now_shares.any():
        return None
    filled = _filled(means.mean[:-1], means.rows[:-1], 1.0)
    return float(was_shares @ filled / was_shares.sum()), float(now_shares @ filled / now_shares.sum())


def score_shift(part: str, pane: Pane, baseline: Baseline) -> float | None:
    """Return the shift of the mean score that the shift of one feature explains; None if unknown, as of a constant.

    Kitagawa's composition effect: the change of each cell's fraction times the baseline's mean score there. Correlated
    features carry the same shift, so their effects do not add up. Outside the range of the baseline, the score is that
    of the nearest edge.

    Source: Kitagawa, "Components of a difference between two rates" (1955).

    Args:
        part: Name of the feature's part, ``feature:NAME``.
        pane: Pane of the window.
        baseline: Baseline of the window.
    """
    scores = baseline.extras.score_means
    now = pane.parts.get(part)
    if scores is None or part not in scores.by_part or now is None or not now.any():
        return None
    means = scores.by_part[part]
    counts = _cells(now, means)
    if not counts.any() or np.count_nonzero(means.rows >= FEW) < 2:
        return None
    mean_scores = means.mean.copy()
    mean_scores[:-1] = _filled(means.mean[:-1], means.rows[:-1], FEW)
    if means.rows[-1] < FEW:  # too few rows without a value: use the overall mean
        mean_scores[-1] = float(means.rows @ means.mean / means.rows.sum())
    return float((counts / counts.sum() - means.rows / means.rows.sum()) @ mean_scores)


def _cells(counts: F64, means: ScoreMeans) -> F64:
    """Return counts over bins, missing and invalid as counts over cells, the last one without a usable value."""
    size = len(counts) - 2
    summed: F64 = np.add.reduceat(counts, np.append(means.first, size))
    return summed


def _filled(mean: F64, rows: F64, fewest_rows: float) -> F64:
    """Return the means; a mean of few rows is replaced by that of the nearest cell with enough rows."""
    enough = np.flatnonzero(rows >= fewest_rows)
    if not len(enough):
        return mean
    cells = np.arange(len(mean))
    nearest = enough[np.abs(cells[:, np.newaxis] - enough).argmin(axis=1)]
    filled: F64 = mean[nearest]
    return filled


MOSTLY = frozenset({"missing", "pile_up", "unseen", "out_of_range"})
"""Checks whose findings explain a change if they are at least half of it."""


def explain(
    window: Window,
    views: Mapping[str, ExplainInput],
    findings: Sequence[Finding] = (),
    score: ColumnDrift | None = None,
    timezone: str = "UTC",
) -> Explanation | None:
    """Explain a window by its causes.

    Args:
        window: Window to explain.
        views: Rows and drift by slice, "" for all rows.
        findings: Data-quality findings of all rows.
        score: Drift of the score; None if unknown.
        timezone: IANA name of the time zone in which days begin.

    Returns:
        The explanation; None without drift and without a finding about a feature.
    """
    all_rows = views[""]
    causes: list[tuple[Cause, Finding | None]] = []
    explained: set[str] = set()
    for finding in findings:
        cause = _of_finding(finding, views)
        if cause is not None and not explained & set(finding.features):
            causes.append((cause, finding))
            explained |= set(finding.features)
    drifted = {name: None for view in views.values() for name, column in view.drift.items() if column.state == "drift"}
    causes += [
        (cause, None) for name in drifted if name not in explained and (cause := _of_drift(name, views)) is not None
    ]
    drifts = score.words if score is not None and score.state == "drift" else ""
    score_name = "score" if score is None else score.words
    if not causes:
        return Explanation((), drifts) if drifts else None
    steps = _steps_before(views, [cause for cause, _ in causes])
    dated = [(_dated(cause, window, views, steps), finding) for cause, finding in causes]
    means = score_means(all_rows.pane, all_rows.baseline)
    ranked = _ranked(_carrying(dated, views, means if drifts else None), all_rows)
    dated_causes = tuple(
        replace(cause, finding=finding, score=score_name, timezone=timezone) for cause, finding in ranked
    )
    return Explanation(dated_causes, drifts, *(means or (None, None)))


def _carrying(
    causes: Sequence[tuple[Cause, Finding | None]], views: Mapping[str, ExplainInput], means: tuple[float, float] | None
) -> list[tuple[Cause, Finding | None]]:
    """Return the causes with their fraction of the shift of the mean score; for two swapped features their sum."""
    if means is None or means[0] == means[1]:
        return list(causes)
    all_rows, carrying = views[""], []
    for cause, finding in causes:
        shifts = [score_shift(f"feature:{name}", all_rows.pane, all_rows.baseline) for name in cause.features]
        shifts_known = [shift for shift in shifts if shift is not None]
        carrying.append(
            (replace(cause, score_shift=sum(shifts_known) / (means[1] - means[0]) if shifts_known else None), finding)
        )
    return carrying


def locate_findings(findings: Sequence[Finding], views: Mapping[str, ExplainInput]) -> tuple[Finding, ...]:
    """Return the findings with the slice that contains the shift of all their features.

    Args:
        findings: Data-quality findings of all rows.
        views: Rows and drift by slice, "" for all rows.
    """
    located = []
    for finding in findings:
        places = {_concentration(name, views) for name in finding.features}
        located.append(replace(finding, slice=places.pop()) if len(places) == 1 else finding)
    return tuple(located)


def _of_finding(finding: Finding, views: Mapping[str, ExplainInput]) -> Cause | None:
    """Return the cause of a finding; None without a feature, or if the finding explains little of the shift."""
    explain_input = views[""]
    parts = {name: explain_input.sides(f"feature:{name}") for name in finding.features}
    shifts = [_shifted_fraction(name, explain_input) for name, sides in parts.items() if sides is not None]
    if not finding.features or finding.check not in STRUCTURAL | MOSTLY:
        return None
    shift = max(shifts, default=0.0)
    if finding.check in MOSTLY:
        share = abs((finding.now or 0.0) - (finding.was or 0.0))
        drifts = any(
            name in explain_input.drift and explain_input.drift[name].state == "drift" for name in finding.features
        )
        # 0.5: minimum fraction of the shift that a finding must explain: more than all other causes together
        if drifts and share < 0.5 * shift:
            return None
        shift = max(shift, share)
    else:
        shift = max(shift, finding.now or 0.0)
    changes = _changes(finding.features[0], views[finding.slice])
    return Cause(finding.features, finding.check, shift, changes, finding.slice)


def _of_drift(name: str, views: Mapping[str, ExplainInput]) -> Cause | None:
    """Return the cause of a drifting feature, with the slice in which it drifts."""
    all_rows = views[""]
    if all_rows.sides(f"feature:{name}") is None:
        return None
    where = _concentration(name, views)
    shift = _shifted_fraction(name, all_rows)
    if where:
        shift = max(shift, _shifted_fraction(name, views[where]) * views[where].rows() / all_rows.rows())
    return Cause((name,), "", shift, _changes(name, views[where]), where)


def _concentration(name: str, views: Mapping[str, ExplainInput]) -> str:
    """Return the slice that contains the shift of a feature, "" if it is not in one slice, or unknown."""
    part, all_rows = f"feature:{name}", views[""]
    sides = all_rows.sides(part)
    if sides is None:
        return ""
    of_slices = {
        key: side
        for key, view in views.items()
        if key and view.drift.get(name) is not None and view.drift[name].state == "drift"
        if (side := view.sides(part)) is not None and len(side.was) == len(sides.was)
    }
    return find_concentration(sides, of_slices, all_rows.cells(part))


def _shifted_fraction(name: str, view: ExplainInput) -> float:
    part = f"feature:{name}"
    sides = view.sides(part)
    if sides is None:
        return 0.0
    cells = view.cells(part)
    return share_of_rows_moved(coarsen(sides.was, cells), coarsen(sides.now, cells), view.design_effect(name))


def _changes(name: str, view: ExplainInput) -> tuple[Change, ...]:
    part = f"feature:{name}"
    sides, bins = view.sides(part), view.baseline.bins
    return () if sides is None else region_changes(block_columns(bins)[part], *sides, name in bins.projections)


def _steps_before(views: Mapping[str, ExplainInput], causes: Sequence[Cause]) -> dict[str, TimeSteps | None]:
    """Return the time before the window, read once per slice with a cause."""
    parts_by_slice: dict[str, list[str]] = {}
    for cause in causes:
        parts_by_slice.setdefault(cause.slice, []).extend(f"feature:{name}" for name in cause.features)
    return {name: views[name].time_before(parts) for name, parts in parts_by_slice.items()}


def _dated(
    cause: Cause, window: Window, views: Mapping[str, ExplainInput], steps: Mapping[str, TimeSteps | None]
) -> Cause:
    """Return the cause with the time of its onset; for two swapped features the clearer onset."""
    view, before = views[cause.slice], steps[cause.slice]
    onsets = []
    for name in cause.features if before is not None else ():
        part = f"feature:{name}"
        if before is None or part not in before.of or view.sides(part) is None:
            continue
        cells, baseline = before.cells[part], view.baseline.pane.parts[part]
        current = int(np.count_nonzero(before.ends > window.start))
        since = onset(coarsen(baseline, cells), before.of[part], max(current, 1), view.design_effect(name))
        if since is not None:
            onsets.append(since)
    if not onsets or before is None:
        return cause
    clearest = min(onsets, key=lambda candidate: candidate.p_value)
    return replace(cause, since=int(before.starts[clearest.at]), or_earlier=clearest.before, p_value=clearest.p_value)


def _ranked(
    causes: Collection[tuple[Cause, Finding | None]], explain_input: ExplainInput
) -> list[tuple[Cause, Finding | None]]:
    """Return the causes sorted by moved rows times importance, else by their fraction of the score's shift."""
    shares = _importance(explain_input)
    if shares is not None:
        shares_of_causes = [
            (
                sum(
                    {
                        explain_input.baseline.raw_name(n): shares.get(explain_input.baseline.raw_name(n), 0.0)
                        for n in c.features
                    }.values()
                )
            )
            for c, _ in causes
        ]
        total = sum(cause.moved * share for (cause, _), share in zip(causes, shares_of_causes, strict=True))
        causes = [
            (replace(cause, importance=share, weight=cause.moved * share / total if total > 0 else 0.0), finding)
            for (cause, finding), share in zip(causes, shares_of_causes, strict=True)
        ]
    return sorted(causes, key=lambda cause: (-_counts(cause[0]), -cause[0].moved, cause[0].features))


def _counts(cause: Cause) -> float:
    if cause.weight is not None:
        return cause.weight
    return cause.moved * (1.0 if cause.score_shift is None else max(cause.score_shift, LEAST_CARRIED))


def _importance(explain_input: ExplainInput) -> dict[str, float] | None:
    importance = explain_input.baseline.extras.importance
    names = {explain_input.baseline.raw_name(name) for name in explain_input.baseline.bins.features}
    return None if importance is None else importance.shares(names)
