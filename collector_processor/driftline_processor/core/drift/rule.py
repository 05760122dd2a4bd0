"""The rule for drift: one primary method per feature decides, corrected over the features of the window.

State *drift* = adjusted p <= 0.01 and bias-corrected effect >= ``min_effect``. Numbers and the score are decided by
Kolmogorov-Smirnov, categories and the predicted class by chi-square, unless another method is chosen; PSI,
Jensen-Shannon and whatever else is chosen beside are shown and never decide.

How large a shift is in the unit of the method that decides.

How much of a model's input has drifted, as one number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.importance import Importance
from driftline.panes.bins import NumberBins
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from scipy.special import ndtr

from driftline_processor.core.drift.methods.psi import MODERATE, SMALL
from driftline_processor.core.evaluation import Lacking, MethodValue, Size, State, TargetDrift
from driftline_processor.core.outcomes.coverage import GUESSED

from .dependence import Design, student_p_value
from .display_cells import Cells
from .measure_targets import SamplePair, measure
from .method_choice import Choices
from .methods import METHODS, Method
from .p_values import benjamini_hochberg
from .reference import Reference, absent_share, effective, missing_share, references
from .time_blocks import SQUARED, BlockVerdict, clustered_design, days_of, effects

_SQUARED = ("chi2", "psi")
_USUAL = 0.1
"""The shift, in standard deviations, that a method's own least effect is worth: KS 0.04."""


def effect_of(shift: float, decided_by: str) -> float:
    """Return the effect of a shift by so many standard deviations of a normal distribution.

    >>> round(effect_of(1.0, "ks"), 3), effect_of(1.0, "psi")
    (0.383, 1.0)
    """
    if decided_by == "ks":
        return float(2 * ndtr(shift / 2) - 1)
    if decided_by in _SQUARED:
        return shift**2
    return (METHODS[decided_by].min_effect or 0.0) * shift / _USUAL


def share_drifted(features: Mapping[str, TargetDrift]) -> float | None:
    """Return the share of features in state drift among those that could be judged; None where none could."""
    states = [feature.state for feature in features.values()]
    judged = sum(states.count(state) for state in ("ok", "usual", "drift"))
    return states.count("drift") / judged if judged else None


def weighted_share(
    features: Mapping[str, TargetDrift], importance: Importance | None, whole: Mapping[str, str]
) -> float | None:
    """Return the drifted features' share of the importance of those that could be judged; None where none is known.

    ``importance``: to the model, as the baseline knows it. ``whole``: feature → the document whose descriptor it is, or
    its own name; a document has drifted as soon as one of its descriptors has.
    """
    if importance is None:
        return None
    judged: dict[str, bool] = {}
    for name, feature in features.items():
        if feature.state in ("ok", "usual", "drift"):
            judged[whole[name]] = judged.get(whole[name], False) or feature.state == "drift"
    shares = importance.shares(judged)
    return None if shares is None else sum(share for name, share in shares.items() if judged[name])


ALPHA = 0.01

MIN_ROWS = 50
"""Fewer usable (effective) rows, of either side, decide nothing."""

LEAST_INDEPENDENT = 2.0
"""Rows, of either side, that are worth fewer independent ones decide nothing, however many they are."""

MOST_GUESSED = 0.5
"""A larger share of the values in buckets that reach over several of the baseline's bins: where they lie is a guess."""


OUTSIDE = 0.5
"""Where this share of the rows lies beyond all values of the baseline, it is drift, however days differ. Fourteen days
of winter could not exclude a July, and the model was not built for a July.
"""

OUTERMOST = 0.005
"""Greatest share of the baseline in an open bin that counts as beyond it; the outer quantiles are the 0.1 % ones."""

INDEPENDENT = Design()


class Drift(NamedTuple):
    """The drift of all targets of a window."""

    features: dict[str, TargetDrift]
    score: TargetDrift | None
    predicted: TargetDrift | None
    share: float | None


@dataclass(slots=True)
class _Judged:
    """A target on its way to a verdict.

    Attributes:
        methods: The one that decides first.
        pair: What is compared, None where there is nothing to.
        coarse: Most values lie in buckets that reach over several bins, where they are taken to lie as the reference
            rows do: a drift that shows nevertheless is one, and that none shows says nothing.
        design: Of clusters.
        blocks: Effects of the baseline's blocks of time, where they differ.
        said: What they say, unless the window is :data:`OUTSIDE`.
        values: Parallel to them.
        p: None where nothing can be decided.
        least_p: The p-value with what favours drift most and the blocks do not exclude; it is corrected over the family
            as ``p`` is.
        apart: The effect alone is that of a drift, before what days share is taken off.
    """

    reference: Reference
    methods: tuple[str, ...]
    rows: int
    drawn: Cells | None
    missing: float | None
    min_effect: float
    state: State = "ok"
    lacking: Lacking = ""
    pair: SamplePair | None = None
    coarse: bool = False
    design: Design = INDEPENDENT
    blocks: F64 | None = None
    said: BlockVerdict | None = None
    values: Sequence[float] = ()
    effect: float | None = None
    size: Size = ""
    p: float | None = None
    least_p: float | None = None
    apart: bool = False

    def drift(self) -> TargetDrift:
        """Return the verdict."""
        if self.coarse and self.state != "drift":
            self.state, self.drawn, self.values, self.effect, self.size, self.p = "blind", None, (), None, "", None
        values = dict(zip(self.methods, self.values, strict=False))
        methods = {name: MethodValue(values.get(name)) for name in self.methods}
        decided_by = self.methods[0]
        if self.p is not None:
            methods[decided_by] = MethodValue(values[decided_by], self.p)
        lacking = self.lacking if self.state == "cannot_tell" else ""
        labels, was, now = ((), None, None) if self.drawn is None else self.drawn[:3]
        return TargetDrift(
            target=self.reference.target,
            name=self.reference.name,
            state=self.state,
            decided_by=decided_by,
            rows=self.rows,
            methods=methods,
            effect=self.effect,
            size=self.size,
            cells=labels,
            was=was,
            now=now,
            missing_was=self.reference.missing,
            missing_now=self.missing,
            design_effect=max(self.design.effect, 1.0 if self.said is None else self.said.alike),
            blocks=None if self.blocks is None else (float(self.blocks.min()), float(self.blocks.max())),
            lacking=lacking,
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """The choices by which a model's drift is judged.

    Attributes:
        min_effect: Feature → the least effect that counts as drift, in the unit of the method that decides, where the
            method's own (``Method.min_effect``) does not suit.
        choices: Which methods decide and are shown.
        shift: In standard deviations, drift is no less than that, whatever the method.
    """

    min_effect: Mapping[str, float] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)
    shift: float = 0.0


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
        (name, reference, pane, baseline)
        for name, (pane, baseline) in slices.items()
        for reference in references(baseline)
    ]
    judged = [_judge(reference, pane, baseline, rules, span) for _, reference, pane, baseline in wanted]
    _compare(judged)
    for family in (True, False):
        _correct([one for one in judged if (one.reference.target == "feature") == family])
    found: dict[str, list[TargetDrift]] = {name: [] for name in slices}
    for (name, *_), one in zip(wanted, judged, strict=True):
        found[name].append(one.drift())
    return {name: _drift(targets) for name, targets in found.items()}


def _drift(targets: Sequence[TargetDrift]) -> Drift:
    features = {target.name: target for target in targets if target.target == "feature"}
    named = {target.target: target for target in targets if target.target != "feature"}
    return Drift(features, named.get("score"), named.get("class"), share_drifted(features))


def _judge(reference: Reference, pane: Pane, baseline: Baseline, rules: Rules, span: int) -> _Judged:
    bins, part, n = reference.bins, reference.part, reference.rows
    now = pane.parts.get(part)
    if now is None:
        now = np.zeros(bins.size + 2)
    current = now[: bins.size]
    weight = float(current.sum())
    m = effective(pane, weight)
    kind, sums = reference.kind, None
    if reference.embedding is not None:
        sums = pane.parts.get(f"embedding:{reference.name}")
        if m > 0 and (sums is None or sums[0] <= 0):  # whoever counted these rows kept no sums of vectors
            kind = "number"
    methods = rules.choices.of(reference.name if reference.target == "feature" else None, kind)
    judged = _Judged(
        reference,
        methods,
        _rows(pane, weight),
        reference.draw(current),
        missing_share(now, bins) if bins.size > 1 else absent_share(now, bins),
        rules.min_effect.get(reference.name, METHODS[methods[0]].min_effect or 0.0),
    )
    guessed = pane.parts.get(f"{GUESSED}{part}")
    judged.min_effect = max(judged.min_effect, effect_of(rules.shift, methods[0]))
    judged.coarse = guessed is not None and guessed[0] > MOST_GUESSED * weight
    if judged.coarse and kind != "number":
        return judged
    if n == 0 or bins.size == 1:  # no label, or a column that is no feature (driftline.marks)
        judged.state = "blind"
        return judged
    if m == 0:
        judged.state, judged.lacking = "cannot_tell", "rows"
        return judged
    if min(n, m) < MIN_ROWS:
        judged.state, judged.lacking = "cannot_tell", "rows"
    judged.pair = SamplePair(kind, bins, reference.counts, current * (m / weight))
    if kind == "embedding" and reference.embedding is not None and sums is not None:
        judged.pair = judged.pair._replace(vectors=(reference.embedding, sums[1:] / sums[0]))
    judged.design = clustered_design(reference, pane, m, ordered=kind in ("number", "embedding"))
    days, judged.blocks = days_of(reference, baseline), effects(reference, baseline, methods[0])
    if days is not None:
        squares = None if judged.blocks is None else judged.blocks ** (1 if methods[0] in SQUARED else 2)
        judged.said = days.verdict(reference, judged.pair.current, judged.design.effect, span, squares)
        if kind == "embedding":  # of the length of its vectors, which says how alike they are, not how far these are
            design = Design(judged.said.alike, len(days.counts) - 1)
            judged.design, judged.said = max(judged.design, design, key=lambda one: one.effect), None
    if min(n, m) < LEAST_INDEPENDENT * judged.design.effect:
        judged.state, judged.lacking = "cannot_tell", "rows"
    return judged


def _compare(targets: Sequence[_Judged]) -> None:
    """Fill in what all methods say, of all targets at once.

    Values are those of the rows. What says how sure and how large a drift is, p-value, effect and size, counts rows
    that resemble each other for as many independent ones as they are worth.
    """
    pairs: list[SamplePair] = []
    wanted: list[list[Method]] = []
    of: list[tuple[_Judged, int]] = []  # each target with a pair, and where it is
    for target in targets:
        if target.pair is None:
            continue
        of.append((target, len(pairs)))
        pairs.append(target.pair)
        wanted.append([METHODS[name] for name in target.methods])
        worth = target.design.effect
        if worth > 1:
            pairs.append(
                target.pair._replace(reference=target.pair.reference / worth, current=target.pair.current / worth)
            )
            wanted.append([METHODS[target.methods[0]]])
    measured = measure(pairs, wanted)
    for target, where in of:
        found, excess = measured[where]
        decisive = found[0]
        if target.design.effect > 1:
            (decisive,), excess = measured[where + 1]
        target.values = [one.value for one in found]
        target.effect = decisive.effect
        said = target.said
        if said is not None:
            excess -= said.excess
            if target.effect is not None:
                left = target.effect - said.shared if target.methods[0] in SQUARED else target.effect**2 - said.shared
                target.effect = left if target.methods[0] in SQUARED else math.sqrt(max(0.0, left))
        target.size = "small" if excess < SMALL else "moderate" if excess < MODERATE else "large"
        if target.state == "ok" and decisive.p_value is not None:
            target.p = target.least_p = student_p_value(decisive.p_value, target.design.freedom)
            # the greater of both decides, and this one costs ten times as much
            if said is not None and target.p <= ALPHA and not _outside(target.reference, target.pair):
                p_value, least = said.p_values()
                target.apart = decisive.effect is not None and decisive.effect >= target.min_effect
                target.p, target.least_p = max(target.p, p_value), max(target.p, least)


def _outside(reference: Reference, pair: SamplePair | None) -> bool:
    """Return True where most rows are in open bins that the baseline hardly fills, or have labels that it never had."""
    if pair is None:
        return False
    beyond = reference.counts <= 0
    if isinstance(reference.bins, NumberBins):
        beyond = np.zeros(len(reference.counts), np.bool_)
        beyond[[0, -1]] = reference.counts[[0, -1]] <= OUTERMOST * reference.rows
    return float(pair.current[beyond].sum()) >= OUTSIDE * float(pair.current.sum())


def _correct(targets: Sequence[_Judged]) -> None:
    """Decide, by p-values corrected over the family: those of the blocks, and the least that the blocks allow.

    What is drift only with the least is not known: more blocks would have to tell.
    """
    testable = [target for target in targets if target.p is not None]
    adjusted, least = (
        benjamini_hochberg(np.array(p, dtype=np.float64)).tolist()
        for p in ([target.p for target in testable], [target.least_p for target in testable])
    )
    for target, p, least_p in zip(testable, adjusted, least, strict=True):
        target.p = p
        if p <= ALPHA and target.effect is not None and target.effect >= target.min_effect:
            target.state = "drift"
        elif target.apart and least_p <= ALPHA:
            target.state, target.lacking = "cannot_tell", "days"


def _rows(pane: Pane, weight: float) -> int:
    rows = pane.parts.get("rows")
    return round(weight * float(rows[0] / rows[1])) if rows is not None and rows[1] > 0 else round(weight)
