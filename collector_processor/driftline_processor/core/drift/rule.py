"""Which features drift: one primary method per feature decides, corrected over the features of the window.

State *drift* = adjusted p <= 0.01 and bias-corrected effect >= ``min_effect``. Numbers and the score are decided by
Kolmogorov-Smirnov, categories and the predicted class by chi-square, unless another method is chosen; PSI,
Jensen-Shannon and whatever else is chosen beside are shown and never decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from .dataset import share_drifted
from .dependence import heavier
from .design import blocks_range, design_of
from .methods import METHODS, Kind, Method
from .methods.measure import Pair, measure
from .methods.psi import MODERATE, SMALL

ALPHA = 0.01

MIN_ROWS = 50
"""Fewer usable (effective) rows, of either side, decide nothing."""

LEAST_INDEPENDENT = 2.0
"""Rows, of either side, that are worth fewer independent ones decide nothing, however many they are."""

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

    ``pair``: what is compared, None where there is nothing to. ``freedom``: the degrees of freedom with which the
    design effect is known. ``p``: None where nothing can be decided.
    """

    drift: TargetDrift
    min_effect: float
    pair: Pair | None = None
    freedom: float = math.inf
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is chosen of how a model's drift is judged.

    ``min_effect``: feature → the least effect that counts as drift, in the unit of the method that decides, where the
    method's own (``Method.min_effect``) does not suit. ``choices``: which methods decide and are shown.
    """

    min_effect: Mapping[str, float] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)


def drift(
    pane: Pane,
    baseline: Baseline,
    min_effect: Mapping[str, float] | None = None,
    choices: Choices | None = None,
    span: int = 0,
) -> Drift:
    """Compare a window with the baseline it was folded over.

    ``min_effect``, ``choices``: see :class:`Rules`. ``span``: how long the window is, nanoseconds, 0 = not known.
    """
    rules = Rules(min_effect or {}, choices or Choices())
    return drift_by_slice({"": (pane, baseline)}, rules, span)[""]


def drift_by_slice(
    slices: Mapping[str, tuple[Pane, Baseline]], rules: Rules | None = None, span: int = 0
) -> dict[str, Drift]:
    """Compare every slice of a window with its baseline, all as one family.

    ``slices``: name → the slice's rows and what they are compared with; all rows are a slice, too. P-values are
    corrected (Benjamini-Hochberg) over the features of all slices; scores and classes are a family of their own.
    ``span``: as for :func:`drift`.
    """
    rules = rules or Rules()
    wanted = [
        (name, kind, bins, part, pane, baseline)
        for name, (pane, baseline) in slices.items()
        for kind, bins, part in _targets(baseline)
    ]
    judged = _compared(
        [_judge(kind, bins, part, pane, over, rules, span) for _, kind, bins, part, pane, over in wanted]
    )
    found: dict[str, list[TargetDrift]] = {name: [] for name in slices}
    for family in (True, False):
        members = [at for at, (_, kind, *_) in enumerate(wanted) if (kind == "feature") == family]
        for at, target in zip(members, _corrected([judged[at] for at in members]), strict=True):
            found[wanted[at][0]].append(target)
    return {name: _drift(targets) for name, targets in found.items()}


def _targets(baseline: Baseline) -> Iterator[tuple[Literal["feature", "score", "class"], Bins, str]]:
    for name, bins in baseline.bins.features.items():
        yield "feature", bins, f"feature:{name}"
    if baseline.bins.score is not None:
        yield "score", baseline.bins.score, "score"
    if baseline.bins.classes is not None:
        yield "class", baseline.bins.classes, "class"


def _drift(targets: Sequence[TargetDrift]) -> Drift:
    features = {target.name: target for target in targets if target.target == "feature"}
    named = {target.target: target for target in targets if target.target != "feature"}
    return Drift(features, named.get("score"), named.get("class"), share_drifted(features))


def _judge(
    target: Literal["feature", "score", "class"],
    bins: Bins,
    part: str,
    pane: Pane,
    baseline: Baseline,
    rules: Rules,
    span: int,
) -> _Judged:
    name = part.removeprefix("feature:") if target == "feature" else ""
    min_effect = rules.min_effect.get(name) if name else None
    reference_pane = baseline.pane
    empty = np.zeros(bins.size + 2)
    was, now = reference_pane.parts.get(part, empty), pane.parts.get(part, empty)
    reference, current = was[: bins.size], now[: bins.size]
    n, m = _effective(reference_pane, reference), _effective(pane, current)
    kind = _kind(bins, reference)
    methods = rules.choices.of(name or None, kind)
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
    if n == 0 or bins.size == 1:  # no label, or a column that is no feature (driftline.marks)
        return _Judged(replace(outcome, state="blind"), least)
    if m == 0:
        return _Judged(replace(outcome, state="too_few_rows"), least)
    if min(n, m) < MIN_ROWS:
        outcome = replace(outcome, state="too_few_rows")
    pair = Pair(kind, bins, reference * (n / reference.sum()), current * (m / current.sum()))
    design = design_of(part, pane, baseline, n, m, ordered=kind == "number", span=span)
    if design.effect > 1:
        outcome = replace(outcome, design_effect=design.effect, blocks=blocks_range(part, baseline, decided_by))
        if min(n, m) < LEAST_INDEPENDENT * design.effect:
            outcome = replace(outcome, state="too_few_rows")
    return _Judged(outcome, least, pair, design.freedom)


def _kind(bins: Bins, reference: F64) -> Kind:
    values = int(np.count_nonzero(reference))
    if isinstance(bins, CategoryBins):
        return "boolean" if values <= FEW_VALUES else "category"
    return "boolean" if values <= FEW_VALUES else "number"


def _compared(targets: Sequence[_Judged]) -> list[_Judged]:
    """Fill in what all methods say, of all targets at once.

    Values are those of the rows. What says how sure and how large a drift is, p-value, effect and size, counts rows
    that resemble each other for as many independent ones as they are worth.
    """
    pairs: list[Pair] = []
    wanted: list[list[Method]] = []
    of: list[tuple[int, int]] = []  # of each target with a pair: where it is, and where what decides is
    for at, target in enumerate(targets):
        if target.pair is None:
            continue
        of.append((at, len(pairs)))
        pairs.append(target.pair)
        wanted.append([METHODS[name] for name in target.drift.methods])
        if target.drift.design_effect > 1:
            worth = target.drift.design_effect
            pairs.append(
                target.pair._replace(reference=target.pair.reference / worth, current=target.pair.current / worth)
            )
            wanted.append([METHODS[target.drift.decided_by]])
    measured = measure(pairs, wanted)
    compared = list(targets)
    for at, where in of:
        target = targets[at]
        outcome = target.drift
        found, _ = measured[where]
        methods = dict(zip(outcome.methods, found, strict=True))
        decisive, excess = methods[outcome.decided_by], measured[where][1]
        if outcome.design_effect > 1:
            (decisive,), excess = measured[where + 1]
        size: Size = "small" if excess < SMALL else "moderate" if excess < MODERATE else "large"
        drift = replace(
            outcome,
            methods={name: MethodValue(one.value) for name, one in methods.items()},
            effect=decisive.effect,
            size=size,
        )
        judged = outcome.state == "ok" and decisive.p_value is not None
        p = heavier(decisive.p_value, target.freedom) if judged and decisive.p_value is not None else None
        compared[at] = replace(target, drift=drift, p=p)
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
