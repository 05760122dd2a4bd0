"""Which features drift: one primary method per feature decides, corrected over the features of the window.

State *drift* = adjusted p <= 0.01 and bias-corrected effect >= ``min_effect``. Numbers and the score are decided by
Kolmogorov-Smirnov, categories and the predicted class by chi-square; PSI and Jensen-Shannon are shown and never decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import Bins, CategoryBins
from driftline.pane import Pane
from driftline.tables import F64, I64

from driftline_processor.core.distributed import GUESSED
from driftline_processor.core.evaluation import MethodValue, Size, State, TargetDrift

from .cells import cells
from .chi2 import chi2, pool, pool_but, unexpected
from .correction import benjamini_hochberg
from .js import js
from .ks import ks, ks_effect, ks_p_value
from .psi import MODERATE, SMALL, deciles, psi, psi_null_mean

ALPHA = 0.01
MIN_EFFECT = {"ks": 0.04, "chi2": 0.02}
"""By the method that decides: KS in shares of rows, chi-square in PSI."""

MIN_ROWS = 50
"""Fewer usable (effective) rows, of either side, decide nothing."""

MOST_GUESSED = 0.5
"""A larger share of the values in buckets that reach over several of the baseline's bins: where they lie is a guess."""

FEW_VALUES = 2
"""A number with so few distinct values in the baseline is tested as a category: ties make KS blunt there."""


class Drift(NamedTuple):
    """``share``: drifted features of those that could be judged, None when none could."""

    features: dict[str, TargetDrift]
    score: TargetDrift | None
    predicted: TargetDrift | None
    share: float | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """A target before its p-value is corrected; ``p`` is None where nothing can be decided."""

    drift: TargetDrift
    p: float | None
    min_effect: float


def drift(pane: Pane, baseline: Baseline, min_effect: Mapping[str, float] | None = None) -> Drift:
    """Compare a window with the baseline it was folded over.

    ``min_effect``: feature → the least effect that counts as drift, in the unit of its method (KS: share of rows, else
    PSI), where the defaults 0.04 and 0.02 do not suit. P-values are corrected (Benjamini-Hochberg) over the features of
    the window; score and class are a family of their own.
    """
    least = min_effect or {}
    features = _corrected(
        _judge("feature", name, bins, f"feature:{name}", pane, baseline.pane, least.get(name))
        for name, bins in baseline.bins.features.items()
    )
    targets = []
    if baseline.bins.score is not None:
        targets.append(_judge("score", "", baseline.bins.score, "score", pane, baseline.pane, None))
    if baseline.bins.classes is not None:
        targets.append(_judge("class", "", baseline.bins.classes, "class", pane, baseline.pane, None))
    named = {target.target: target for target in _corrected(targets)}
    states = [feature.state for feature in features]
    judged = states.count("ok") + states.count("drift")
    return Drift(
        {feature.name: feature for feature in features},
        named.get("score"),
        named.get("class"),
        states.count("drift") / judged if judged else None,
    )


def _judge(
    target: Literal["feature", "score", "class"],
    name: str,
    bins: Bins,
    part: str,
    pane: Pane,
    reference_pane: Pane,
    min_effect: float | None,
) -> _Judged:
    empty = np.zeros(bins.size + 2)
    was, now = reference_pane.parts.get(part, empty), pane.parts.get(part, empty)
    reference, current = was[: bins.size], now[: bins.size]
    n, m = _effective(reference_pane, reference), _effective(pane, current)
    category = isinstance(bins, CategoryBins) or int(np.count_nonzero(reference)) <= FEW_VALUES
    decided_by = "chi2" if category else "ks"
    drawn = cells(bins, reference, current)
    outcome = TargetDrift(
        target=target,
        name=name,
        state="ok",
        decided_by=decided_by,
        rows=_rows(pane, current),
        methods={method: MethodValue(None) for method in (decided_by, "psi", "js")},
        cells=drawn.labels,
        was=drawn.was,
        now=drawn.now,
        missing_was=_missing(was, bins),
        missing_now=_missing(now, bins),
    )
    least = MIN_EFFECT[decided_by] if min_effect is None else min_effect
    guessed = pane.parts.get(f"{GUESSED}{part}")
    if guessed is not None and guessed[0] > MOST_GUESSED * current.sum():
        nowhere = replace(outcome, state="blind", cells=(), was=None, now=None)
        return _Judged(nowhere, None, least)
    if n == 0 or (isinstance(bins, CategoryBins) and not bins.labels):
        return _Judged(replace(outcome, state="blind"), None, least)
    if m == 0:
        return _Judged(replace(outcome, state="too_few_rows"), None, least)
    compared, p = _compare(outcome, reference * (n / reference.sum()), current * (m / current.sum()), category)
    if min(n, m) < MIN_ROWS:
        return _Judged(replace(compared, state="too_few_rows"), None, least)
    return _Judged(compared, p, least)


def _compare(outcome: TargetDrift, reference: F64, current: F64, category: bool) -> tuple[TargetDrift, float]:
    """All methods, and the deciding p-value, from counts that are scaled to effective rows."""
    n, m = float(reference.sum()), float(current.sum())
    was, now = reference, current
    if not category:
        was, now = _merged(deciles(reference), was, now)
    joined = _merged(pool(was, now), was, now)
    apart, p_apart = unexpected(was, now)
    was, now = _merged(pool_but(apart, was, now), was, now)
    index = psi(was, now)
    excess = max(0.0, index - psi_null_mean(was, now))
    if category:
        value, p = chi2(was, now)[0], min(chi2(*joined)[1], p_apart)
        effect = excess
    else:
        value = ks(reference, current)
        p, effect = ks_p_value(value, n, m), ks_effect(value, n, m)
    methods = {
        outcome.decided_by: MethodValue(value),
        "psi": MethodValue(index),
        "js": MethodValue(js(was, now)),
    }
    size: Size = "small" if excess < SMALL else "moderate" if excess < MODERATE else "large"
    return replace(outcome, methods=methods, effect=effect, size=size), p


def _merged(cell: I64, was: F64, now: F64) -> tuple[F64, F64]:
    """Add up the bins of each cell."""
    return (
        np.bincount(cell, was).astype(np.float64, copy=False),
        np.bincount(cell, now).astype(np.float64, copy=False),
    )


def _corrected(judged: Iterable[_Judged]) -> list[TargetDrift]:
    targets = list(judged)
    testable = [target for target in targets if target.p is not None]
    adjusted = iter(benjamini_hochberg(np.array([target.p for target in testable], dtype=np.float64)).tolist())
    return [target.drift if target.p is None else _decided(target, next(adjusted)) for target in targets]


def _decided(judged: _Judged, p: float) -> TargetDrift:
    outcome = judged.drift
    drifts = p <= ALPHA and outcome.effect is not None and outcome.effect >= judged.min_effect
    state: State = "drift" if drifts else "ok"
    decisive = replace(outcome.methods[outcome.decided_by], p_value=p)
    return replace(outcome, state=state, methods={**outcome.methods, outcome.decided_by: decisive})


def _effective(pane: Pane, counts: F64) -> float:
    """Kish's effective number of the usable rows: their weight times Σw / Σw²; without weights their number."""
    rows = pane.parts.get("rows")
    weight = float(counts.sum())
    return weight * float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else weight


def _rows(pane: Pane, counts: F64) -> int:
    rows = pane.parts.get("rows")
    weight = float(counts.sum())
    return round(weight * float(rows[0] / rows[1])) if rows is not None and rows[1] > 0 else round(weight)


def _missing(counts: F64, bins: Bins) -> float | None:
    total = float(counts.sum())
    return float(counts[bins.size :].sum()) / total if total > 0 else None
