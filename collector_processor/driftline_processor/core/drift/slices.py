"""Drift of a window and of its slices: each slice against the same slice of the reference, one family of p-values.

A slice that the reference does not have is shown compared with all of its rows, without a state: the difference between
one country and all countries is not drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.section import block_columns
from driftline.baseline.sections.slices import OTHER, slice_name
from driftline.panes.bins import CategoryBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from msgspec import structs

from driftline_processor.core.evaluation import ColumnDrift, MethodValue, SliceDrift, State

from .methods.psi import psi, psi_null_mean
from .rule import Drift, Family, Rules, drift_by_family, shift_of

WHOLE = ""
"""Name of the slice of all rows."""


class SlicedDrift(NamedTuple):
    """The drift of all rows and of slices.

    Attributes:
        all_rows: Drift of all rows.
        slices: Name of a slice → its drift.
        baselines: Name of a slice → its own reference, if it has one.
    """

    all_rows: Drift
    slices: dict[str, SliceDrift]
    baselines: dict[str, Baseline]


_CACHE: WeakKeyDictionary[Baseline, dict[str, Baseline]] = WeakKeyDictionary()
_SWINGS: WeakKeyDictionary[Baseline, dict[str, float]] = WeakKeyDictionary()


def of_slice(baseline: Baseline, name: str) -> Baseline | None:
    """Return the rows of one slice of a baseline, over the same bins; None if it does not have the slice.

    Differences between time blocks, and importance, are those of all rows.
    """
    slices = baseline.extras.slices
    pane = None if slices is None else slices.pane(name)
    if pane is None:
        return None
    cached = _CACHE.setdefault(baseline, {})
    if name not in cached:
        extras = replace(baseline.extras, slices=None, score_means=None, pca_fit=None, ranges=None, repeats=None)
        cached[name] = replace(baseline, pane=pane, extras=extras)
    return cached[name]


class SlicedWindow(NamedTuple):
    """A window with its slices, and its baseline.

    Attributes:
        pane: All rows of the window.
        baseline: The baseline to compare with.
        slices: Name → rows of the slice. All other values of a key (``key=other``) are compared with those of the
            baseline only if both name the same values.
        rules: The settings by which drift is evaluated.
        span: Length of the window in nanoseconds, 0 = unknown.
        seasonal: True if the baseline is that of the window's seasons. It is estimated from all rows, so a column of a
            slice drifts only if its distance exceeds that of another season of all rows.
    """

    pane: Pane
    baseline: Baseline
    slices: Mapping[str, Pane]
    rules: Rules
    span: int = 0
    seasonal: bool = False


def drift_of_windows(windows: Sequence[SlicedWindow]) -> list[SlicedDrift]:
    """Compare all rows of windows, and their slices, with their baselines, all windows at once."""
    families, baselines = list[Family](), list[dict[str, Baseline]]()
    for window in windows:
        slices, baseline = window.slices, window.baseline
        own_of = {name: _comparable(name, slices, baseline) and of_slice(baseline, name) for name in slices}
        baselines_of_slices = {
            name: baseline_of_slice for name, baseline_of_slice in own_of.items() if baseline_of_slice
        }
        family = {WHOLE: (window.pane, baseline)} | {
            name: (slices[name], baseline_of_slice) for name, baseline_of_slice in baselines_of_slices.items()
        }
        swing = swings(baseline) if window.seasonal and baselines_of_slices else {}
        families.append(Family(family, window.rules, window.span, dict.fromkeys(baselines_of_slices, swing)))
        baselines.append(baselines_of_slices)
    compared_with_all = [
        Family(
            {
                name: (baseline_of_slice, window.baseline)
                for name, baseline_of_slice in window.slices.items()
                if name not in baseline
            },
            window.rules,
            window.span,
        )
        for window, baseline in zip(windows, baselines, strict=True)
    ]
    drifts = drift_by_family([*families, *compared_with_all])
    known_drifts, strange = drifts[: len(windows)], drifts[len(windows) :]
    return [
        _sliced(*parts)
        for parts in zip((window.slices for window in windows), known_drifts, strange, baselines, strict=True)
    ]


def _sliced(
    slices: Mapping[str, Pane], drifts: dict[str, Drift], beside: dict[str, Drift], baselines: dict[str, Baseline]
) -> SlicedDrift:
    """Return the drift of a window; ``beside``: of slices that the baseline does not have, against all its rows."""
    slice_drifts = {
        name: _slice(rows, beside[name], "all rows") if name in beside else _slice(rows, drifts[name])
        for name, rows in slices.items()
    }
    return SlicedDrift(drifts[WHOLE], slice_drifts, baselines)


def rank_drifted_slices(slices: Mapping[str, SliceDrift]) -> list[tuple[str, SliceDrift]]:
    """Return slices by relevance: first those with drift, then by number of rows."""
    return sorted(slices.items(), key=lambda entry: (entry[1].state != "drift", -entry[1].rows, entry[0]))


def _comparable(name: str, slices: Mapping[str, Pane], baseline: Baseline) -> bool:
    key, _, value = name.partition("=")
    reference_slices = baseline.extras.slices
    if value != OTHER or reference_slices is None:
        return reference_slices is not None
    same = {slice_name(key, reference_slice) for reference_slice in reference_slices.values(key)} | {name}
    return all(slice_key in same for slice_key in slices if slice_key.partition("=")[0] == key)


def _slice(pane: Pane, drift: Drift, compared: str = "") -> SliceDrift:
    """Return the drift of a slice without its drawings: those of twenty slices would be most of an evaluation."""
    without_state = bool(compared)
    features = {name: _plain(column, without_state) for name, column in drift.features.items()}
    score, predicted = (
        None if column is None else _plain(column, without_state) for column in (drift.score, drift.predicted)
    )
    columns = [column for column in (*features.values(), score, predicted) if column is not None]
    states = {column.state for column in columns}
    order: tuple[State, ...] = ("drift", "ok", "within_normal_variation", "inconclusive")
    state: State = next((state for state in order if state in states), "no_baseline")
    return SliceDrift(
        rows=pane.rows,
        state=state,
        compared=compared,
        evaluated=sum(feature.state in ("ok", "within_normal_variation", "drift") for feature in features.values()),
        fraction=None if without_state else drift.fraction,
        features=features,
        score=score,
        predicted=predicted,
        reason=next((column.reason for column in columns if column.state == state), ""),
    )


def _plain(column: ColumnDrift, without_state: bool) -> ColumnDrift:
    column = structs.replace(column, cells=(), was=None, now=None)
    if not without_state:
        return column
    methods = {name: MethodValue(method.value) for name, method in column.methods.items()}
    return structs.replace(column, state="no_baseline", methods=methods)


def swings(baseline: Baseline) -> dict[str, float]:
    """Return the distance of each part of a baseline from its farthest season: name → standard deviations.

    A slice may have no cycle, twice that of all rows, or the same at other hours, as in another time zone. It may then
    be as far from the season of all rows as that season is from another one. Parts with unknown seasons are not in the
    result. Cached.

    Args:
        baseline: Baseline of a window's seasons, which contains all seasons as well.
    """
    seasons = baseline.extras.seasons
    if seasons is None:
        return {}
    if baseline not in _SWINGS:
        weight, squared = seasons.rows[:, 1], seasons.rows[:, 2]
        kish = np.divide(weight, squared, out=np.zeros(len(weight)), where=squared > 0)
        # 50: minimum (effective) rows of a season, as in the rule for drift; if no season has them, all are used
        usable = weight * kish >= 50
        if not usable.any():  # chance only increases their distances
            usable = weight > 0
        distances = {}
        for name, bins_of_part in block_columns(baseline.bins).items():
            now = baseline.pane.parts.get(name)
            if now is None or name not in seasons.by_part:
                continue
            season_counts = (seasons.by_part[name][:, : bins_of_part.size] * kish[:, np.newaxis])[usable]
            distances[name] = _farthest(
                now[: bins_of_part.size], season_counts, categories=isinstance(bins_of_part, CategoryBins)
            )
        _SWINGS[baseline] = distances
    return _SWINGS[baseline]


def _farthest(now: F64, seasons: F64, *, categories: bool) -> float:
    """Return the distance of counts from the farthest season, float64 (seasons, bins), in standard deviations."""
    seasons = seasons[seasons.sum(axis=1) > 0]
    if not len(seasons) or now.sum() <= 0:
        return 0.0
    if categories:
        both = np.broadcast_to(now, seasons.shape)
        return shift_of(float((psi(both, seasons) - psi_null_mean(both, seasons)).max()), "psi")
    below = np.cumsum(seasons, axis=1) / seasons.sum(axis=1, keepdims=True)
    return shift_of(float(np.abs(below - np.cumsum(now) / now.sum()).max()), "ks")
