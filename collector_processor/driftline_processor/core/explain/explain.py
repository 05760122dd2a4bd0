"""``explain(window, views, findings) → Explanation``: the causes of a window's drift, those that count most first.

A cause is a feature that drifts, or a finding about the data that says more of it: a column in another unit is not
"drift of amount". Causes are ranked by the share of rows whose value moved, times the feature's importance to the model
where the baseline knows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from driftline.blocks import targets

from driftline_processor.core.evaluation import Cause, Change, Explanation, Finding, TargetDrift, Window

from .concentrated import concentrated
from .grid import coarsen
from .moved import moved
from .onset import onset
from .region import changes
from .score import carried, score_means
from .trail import Trail
from .view import View
from .wording import cause_sentence, whole_sentence

ALWAYS = frozenset({"swapped", "unit_change", "type_change", "constant"})
"""Findings that say what happened to a feature, whatever else its distribution does."""

MOSTLY = frozenset({"missing", "unseen", "out_of_range"})
"""Findings that do where they are at least half of what moved."""

HALF = 0.5

LEAST_CARRIED = 0.05
"""What carries less of the score's shift, or none of it, is ranked as if it carried this."""


def explain(
    window: Window,
    views: Mapping[str, View],
    findings: Sequence[Finding] = (),
    score: TargetDrift | None = None,
    timezone: str = "UTC",
) -> Explanation | None:
    """Explain a window; None where neither drift nor a finding about a feature is there to be explained.

    ``views``: slice → its rows and its drift, "" = all rows. ``findings``: about the data of all rows. ``score``: its
    drift. ``timezone``: in which days begin.
    """
    whole = views[""]
    causes: list[tuple[Cause, Finding | None]] = []
    told: set[str] = set()
    for finding in findings:
        cause = _of_finding(finding, whole)
        if cause is not None and not told & set(finding.features):
            causes.append((cause, finding))
            told |= set(finding.features)
    drifted = {name: None for view in views.values() for name, target in view.found.items() if target.state == "drift"}
    causes += [(cause, None) for name in drifted if name not in told and (cause := _of_drift(name, views)) is not None]
    drifts = score is not None and score.state == "drift"
    if not causes:
        return Explanation((), whole_sentence((), drifts)) if drifts else None
    trails = _trails(views, [cause for cause, _ in causes])
    dated = [(_dated(cause, window, views, trails), finding) for cause, finding in causes]
    means = score_means(whole.pane, whole.baseline)
    ranked = _ranked(_carrying(dated, views, means if drifts else None), whole)
    worded = tuple(replace(cause, sentence=cause_sentence(cause, finding, timezone)) for cause, finding in ranked)
    return Explanation(worded, whole_sentence(worded, drifts), *(means or (None, None)))


def _carrying(
    causes: Sequence[tuple[Cause, Finding | None]], views: Mapping[str, View], means: tuple[float, float] | None
) -> list[tuple[Cause, Finding | None]]:
    """The causes with their part of the shift of the mean score: of two features that were swapped the sum."""
    if means is None or means[0] == means[1]:
        return list(causes)
    whole, found = views[""], []
    for cause, finding in causes:
        shifts = [carried(f"feature:{name}", whole.pane, whole.baseline) for name in cause.features]
        known = [shift for shift in shifts if shift is not None]
        found.append((replace(cause, score_shift=sum(known) / (means[1] - means[0]) if known else None), finding))
    return found


def _of_finding(finding: Finding, whole: View) -> Cause | None:
    """The cause a finding is; None where it is about no feature, or says little of what moved."""
    parts = {name: whole.sides(f"feature:{name}") for name in finding.features}
    shifts = [_moved(name, whole) for name, sides in parts.items() if sides is not None]
    if not finding.features or finding.check not in ALWAYS | MOSTLY:
        return None
    shift = max(shifts, default=0.0)
    if finding.check in MOSTLY:
        share = abs((finding.now or 0.0) - (finding.was or 0.0))
        drifts = any(name in whole.found and whole.found[name].state == "drift" for name in finding.features)
        if drifts and share < HALF * shift:
            return None
        shift = max(shift, share)
    else:
        shift = max(shift, finding.now or 0.0)
    return Cause(finding.features, finding.check, shift, _changes(finding.features[0], whole))


def _of_drift(name: str, views: Mapping[str, View]) -> Cause | None:
    """The cause a drifting feature is, with the slice in which it drifts."""
    part, whole = f"feature:{name}", views[""]
    sides = whole.sides(part)
    if sides is None:
        return None
    of_slices = {
        key: side
        for key, view in views.items()
        if key and view.found.get(name) is not None and view.found[name].state == "drift"
        if (side := view.sides(part)) is not None and len(side.was) == len(sides.was)
    }
    where = concentrated(sides, of_slices, whole.cells(part))
    shift = _moved(name, whole)
    if where:
        shift = max(shift, _moved(name, views[where]) * views[where].rows() / whole.rows())
    return Cause((name,), "", shift, _changes(name, views[where]), where)


def _moved(name: str, view: View) -> float:
    part = f"feature:{name}"
    sides = view.sides(part)
    if sides is None:
        return 0.0
    cells = view.cells(part)
    return moved(coarsen(sides.was, cells), coarsen(sides.now, cells), view.design_effect(name))


def _changes(name: str, view: View) -> tuple[Change, ...]:
    part = f"feature:{name}"
    sides, bins = view.sides(part), view.baseline.bins
    return () if sides is None else changes(targets(bins)[part], *sides, name in bins.projections)


def _trails(views: Mapping[str, View], causes: Sequence[Cause]) -> dict[str, Trail | None]:
    """What came before, asked once for each slice."""
    wanted: dict[str, list[str]] = {}
    for cause in causes:
        wanted.setdefault(cause.slice, []).extend(f"feature:{name}" for name in cause.features)
    return {name: views[name].ask(parts) for name, parts in wanted.items()}


def _dated(cause: Cause, window: Window, views: Mapping[str, View], trails: Mapping[str, Trail | None]) -> Cause:
    """The cause with the time since when it is: of two features that were swapped the clearer one."""
    view, trail = views[cause.slice], trails[cause.slice]
    found = []
    for name in cause.features if trail is not None else ():
        part = f"feature:{name}"
        if trail is None or part not in trail.of or view.sides(part) is None:
            continue
        cells, baseline = trail.cells[part], view.baseline.pane.parts[part]
        current = int(np.count_nonzero(trail.ends > window.start))
        since = onset(coarsen(baseline, cells), trail.of[part], max(current, 1), view.design_effect(name))
        if since is not None:
            found.append(since)
    if not found or trail is None:
        return cause
    clearest = min(found, key=lambda one: one.p_value)
    return replace(cause, since=int(trail.starts[clearest.at]), before=clearest.before, p_value=clearest.p_value)


def _ranked(causes: Collection[tuple[Cause, Finding | None]], whole: View) -> list[tuple[Cause, Finding | None]]:
    """Those that count most first: by how much moved, times importance, else what it carries of the score's shift."""
    shares = _importance(whole)
    if shares is not None:
        own = [
            (
                sum(
                    {
                        whole.baseline.raw_name(n): shares.get(whole.baseline.raw_name(n), 0.0) for n in c.features
                    }.values()
                )
            )
            for c, _ in causes
        ]
        total = sum(cause.moved * share for (cause, _), share in zip(causes, own, strict=True))
        causes = [
            (replace(cause, importance=share, weight=cause.moved * share / total if total > 0 else 0.0), finding)
            for (cause, finding), share in zip(causes, own, strict=True)
        ]
    return sorted(causes, key=lambda one: (-_counts(one[0]), -one[0].moved, one[0].features))


def _counts(cause: Cause) -> float:
    if cause.weight is not None:
        return cause.weight
    return cause.moved * (1.0 if cause.score_shift is None else max(cause.score_shift, LEAST_CARRIED))


def _importance(whole: View) -> dict[str, float] | None:
    known = whole.baseline.extras.importance
    names = {whole.baseline.raw_name(name) for name in whole.baseline.bins.features}
    return None if known is None else known.shares(names)
