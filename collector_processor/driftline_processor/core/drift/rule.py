"""Which features drift: one primary method per feature decides, corrected over the features of the window.

State *drift* = adjusted p <= 0.01 and bias-corrected effect >= ``min_effect``. Numbers and the score are decided by
Kolmogorov-Smirnov, categories and the predicted class by chi-square, unless another method is chosen; PSI,
Jensen-Shannon and whatever else is chosen beside are shown and never decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import Bins, CategoryBins
from driftline.pane import Pane
from driftline.tables import F64

from driftline_processor.core.distributed import GUESSED
from driftline_processor.core.evaluation import MethodValue, Size, State, TargetDrift

from .cells import cells
from .choice import Choices
from .correction import benjamini_hochberg
from .methods import METHODS, Kind
from .methods.measure import Pair, measure
from .methods.psi import MODERATE, SMALL

ALPHA = 0.01

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
    """A target before its p-value is corrected.

    ``pair``: what is compared, None where there is nothing to. ``p``: None where nothing can be decided.
    """

    drift: TargetDrift
    min_effect: float
    pair: Pair | None = None
    p: float | None = None


def drift(
    pane: Pane, baseline: Baseline, min_effect: Mapping[str, float] | None = None, choices: Choices | None = None
) -> Drift:
    """Compare a window with the baseline it was folded over.

    ``min_effect``: feature → the least effect that counts as drift, in the unit of the method that decides, where the
    method's own (``Method.min_effect``) does not suit. ``choices``: which methods decide and are shown. P-values are
    corrected (Benjamini-Hochberg) over the features of the window; score and class are a family of their own.
    """
    least, chosen = min_effect or {}, choices or Choices()
    targets: list[_Judged] = [
        _judge("feature", name, bins, f"feature:{name}", pane, baseline.pane, least.get(name), chosen)
        for name, bins in baseline.bins.features.items()
    ]
    if baseline.bins.score is not None:
        targets.append(_judge("score", "", baseline.bins.score, "score", pane, baseline.pane, None, chosen))
    if baseline.bins.classes is not None:
        targets.append(_judge("class", "", baseline.bins.classes, "class", pane, baseline.pane, None, chosen))
    compared = _compared(targets)
    several = len(baseline.bins.features)
    features = _corrected(compared[:several])
    named = {target.target: target for target in _corrected(compared[several:])}
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
    choices: Choices,
) -> _Judged:
    empty = np.zeros(bins.size + 2)
    was, now = reference_pane.parts.get(part, empty), pane.parts.get(part, empty)
    reference, current = was[: bins.size], now[: bins.size]
    n, m = _effective(reference_pane, reference), _effective(pane, current)
    kind = _kind(bins, reference)
    methods = choices.of(name if target == "feature" else None, kind)
    decided_by = methods[0]
    drawn = cells(bins, reference, current)
    outcome = TargetDrift(
        target=target,
        name=name,
        state="ok",
        decided_by=decided_by,
        rows=_rows(pane, current),
        methods={method: MethodValue(None) for method in methods},
        cells=drawn.labels,
        was=drawn.was,
        now=drawn.now,
        missing_was=_missing(was, bins),
        missing_now=_missing(now, bins),
    )
    least = METHODS[decided_by].min_effect or 0.0 if min_effect is None else min_effect
    guessed = pane.parts.get(f"{GUESSED}{part}")
    if guessed is not None and guessed[0] > MOST_GUESSED * current.sum():
        return _Judged(replace(outcome, state="blind", cells=(), was=None, now=None), least)
    if n == 0 or (isinstance(bins, CategoryBins) and not bins.labels):
        return _Judged(replace(outcome, state="blind"), least)
    if m == 0:
        return _Judged(replace(outcome, state="too_few_rows"), least)
    state: State = "too_few_rows" if min(n, m) < MIN_ROWS else "ok"
    pair = Pair(kind, bins, reference * (n / reference.sum()), current * (m / current.sum()))
    return _Judged(replace(outcome, state=state), least, pair)


def _kind(bins: Bins, reference: F64) -> Kind:
    values = int(np.count_nonzero(reference))
    if isinstance(bins, CategoryBins):
        return "boolean" if values <= FEW_VALUES else "category"
    return "boolean" if values <= FEW_VALUES else "number"


def _compared(targets: Sequence[_Judged]) -> list[_Judged]:
    """Fill in what all methods say, of all targets at once."""
    chosen = [(at, target.pair) for at, target in enumerate(targets) if target.pair is not None]
    wanted = [[METHODS[name] for name in targets[at].drift.methods] for at, _ in chosen]
    compared = list(targets)
    for (at, _), (found, excess) in zip(chosen, measure([pair for _, pair in chosen], wanted), strict=True):
        target = targets[at]
        outcome = target.drift
        methods = dict(zip(outcome.methods, found, strict=True))
        decisive = methods[outcome.decided_by]
        size: Size = "small" if excess < SMALL else "moderate" if excess < MODERATE else "large"
        drift = replace(
            outcome,
            methods={name: MethodValue(one.value) for name, one in methods.items()},
            effect=decisive.effect,
            size=size,
        )
        compared[at] = replace(target, drift=drift, p=decisive.p_value if outcome.state == "ok" else None)
    return compared


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
