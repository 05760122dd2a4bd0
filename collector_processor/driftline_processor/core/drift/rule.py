"""The rule for drift: three things, told apart, of each target.

- *Size*: how far the window is from what the model was built on. PSI less its mean without drift: small < 0.1 <=
  moderate < 0.25 <= large.
- *Certain*: rows alone would not differ so much. The p-value of the one method that decides, corrected over the
  features and slices, is at most 0.01, and the effect at least ``min_effect``. Numbers and the score are decided by
  Kolmogorov-Smirnov, categories and the predicted class by chi-square, unless another method is chosen.
- *Usual*: the reference's own windows of this length differ from the rest of it as much (:mod:`.usual`).

What is certain and beyond the usual is drift. What is certain, large and usual is ``usual``. Where the reference holds
too few windows to say what is usual, a large distance is drift, with what would tell, and a smaller one cannot be told.
What is left is ``ok``, if a shift that matters would have been drift in this window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.importance import Importance
from driftline.panes.bins import NumberBins
from driftline.panes.pane import Pane
from scipy.special import chdtri, ndtr, ndtri, stdtrit

from driftline_processor.core.drift.methods.psi import MODERATE, SMALL
from driftline_processor.core.evaluation import Lacking, MethodValue, Size, State, TargetDrift
from driftline_processor.core.outcomes.coverage import GUESSED

from .dependence import Design, clustered_design, student_p_value
from .display_cells import Cells
from .measure_targets import SamplePair, measure
from .method_choice import Choices
from .methods import METHODS, Method
from .p_values import CERTAIN, FAR, benjamini_hochberg
from .reference import Reference, absent_share, effective, missing_share, references
from .usual import COUNTED, LEAST_WINDOWS, own_windows

_SQUARED = ("chi2", "psi")
"""Methods whose effect grows with the square of a shift."""

_USUAL = 0.1
"""The shift, in standard deviations, that a method's own least effect is worth: 2 Φ(.05) - 1 is KS 0.04."""


@lru_cache(maxsize=256)
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
"""The share of quiet windows in which anything drifts, at most: docs/data/drift-alarms.md holds it to 1.3 %, over one
to two hundred features. Of 90 days it leaves one false day, which an incident of two windows in a row takes away."""

MIN_ROWS = 50
"""Fewer usable (effective) rows, of either side, decide nothing: of fifty rows one standard deviation is found among
200 features in 95 % of windows, and half of one is not (docs/data/drift-alarms.md)."""

LEAST_INDEPENDENT = 2.0
"""Rows, of either side, that are worth fewer independent ones decide nothing, however many they are: one customer, or
one day, has no variance."""

MOST_GUESSED = 0.5
"""A larger share of the values in buckets that reach over several of the baseline's bins: where they lie is a guess."""


OUTSIDE = 0.5
"""Where this share of the rows lies beyond all values of the baseline, it is drift, however days differ. Fourteen days
of winter could not exclude a July, and the model was not built for a July.
"""

SEEN = 1.0
"""A window in which a shift by so many standard deviations would not have been drift says nothing by ``ok``. It is a
PSI of 1: a value that two in three rows of the reference exceed is then exceeded by one in three."""

NEARLY = 1.25
"""Where days differ so much that endless ones would not show :data:`SEEN`, it is enough to see what is so many times as
far as what they would show: more days are no help, and the state says how far that is."""

OUTERMOST = 0.005
"""Greatest share of the baseline in an open bin that counts as beyond it; the outer quantiles are the 0.1 % ones."""

DRAWN = 9
"""Decimals of the shares of a window that are drawn: each is four bytes in the store, and no picture shows so many."""

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
        baseline: What it is compared with.
        methods: The one that decides first.
        least_shift: The least effect as a shift in standard deviations.
        declared: The least effect was chosen for this feature.
        pair: What is compared, None where there is nothing to.
        coarse: Most values lie in buckets that reach over several bins, where they are taken to lie as the reference
            rows do: a drift that shows nevertheless is one, and that none shows says nothing.
        design: Of clusters.
        held: (Effective) rows of the reference and of the window.
        worth: How many rows count as one, by clusters or by blocks of time.
        length: Of the window in the reference's blocks of time; None where these say nothing of the target.
        values: Parallel to ``methods``.
        p: That rows alone differ so much; None where nothing can be decided.
        own_p: That the reference's own windows differ as much; None where nobody knows.
        swing: How far a cycle that nobody knows may take it, in standard deviations.
        days: The shift that is beyond the usual, as a function of the level of the test; None where nobody knows.
    """

    reference: Reference
    baseline: Baseline
    methods: tuple[str, ...]
    rows: int
    drawn: Cells | None
    missing: float | None
    min_effect: float
    least_shift: float
    declared: bool
    state: State = "ok"
    lacking: Lacking = ""
    pair: SamplePair | None = None
    coarse: bool = False
    design: Design = INDEPENDENT
    held: tuple[float, float] = (0.0, 0.0)
    worth: float = 1.0
    length: float | None = None
    values: Sequence[float] = ()
    effect: float | None = None
    size: Size = ""
    p: float | None = None
    own_p: float | None = None
    days: _OwnDeviation | None = None
    blocks: tuple[float, float] | None = None
    alike: tuple[int, int] | None = None
    would_see: float | None = None
    swing: float = 0.0

    def drift(self) -> TargetDrift:
        """Return the verdict."""
        if self.coarse and self.state != "drift":
            self.state, self.drawn, self.values, self.effect, self.size, self.p = "blind", None, (), None, "", None
        values = dict(zip(self.methods, self.values, strict=False))
        methods = {name: MethodValue(values.get(name)) for name in self.methods}
        decided_by = self.methods[0]
        if self.p is not None:
            methods[decided_by] = MethodValue(values[decided_by], self.p)
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
            now=None if now is None else now.round(DRAWN),
            missing_was=self.reference.missing,
            missing_now=self.missing,
            design_effect=max(self.design.effect, self.worth),
            blocks=self.blocks,
            lacking=self.lacking if self.state in ("cannot_tell", "drift") else "",
            p_usual=None if self.p is None or self.state == "blind" else self.own_p,
            would_see=None if self.p is None or self.state == "blind" else self.would_see,
            alike=None if self.state == "blind" else self.alike,
        )


class _OwnDeviation(NamedTuple):
    """How much the level of the reference's own windows deviates; see :class:`.usual.OwnDistance`."""

    freedom: float
    deviation: float
    known: float
    part: float

    def beyond(self, alpha: float) -> float:
        """Return the shift that is beyond the usual at a level."""
        return -float(stdtrit(min(self.freedom, 1e6), alpha * self.part / 2)) * self.deviation

    def endless(self, alpha: float) -> float:
        """Return the same where the reference has endless blocks and the window endless rows."""
        return -float(ndtri(alpha * self.part / 2)) * self.known


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
    slices: Mapping[str, tuple[Pane, Baseline]],
    rules: Rules | None = None,
    span: int = 0,
    swings: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Drift]:
    """Compare every slice of a window with its baseline, all as one family.

    ``slices``: name → the slice's rows and what they are compared with; all rows are a slice, too. P-values are
    corrected (Benjamini-Hochberg) over the features of all slices; scores and classes are a family of their own.
    ``span``: as for :func:`drift`. ``swings``: name → part → how far a cycle that nobody knows may take the target, in
    standard deviations; less is no drift.
    """
    rules, swings = rules or Rules(), swings or {}
    wanted = [
        (name, reference, pane, baseline)
        for name, (pane, baseline) in slices.items()
        for reference in references(baseline)
    ]
    judged = [_judge(reference, pane, baseline, rules) for _, reference, pane, baseline in wanted]
    for (name, reference, *_), one in zip(wanted, judged, strict=True):
        one.swing = swings.get(name, {}).get(reference.part, 0.0)
    start = 0
    for pane, baseline in slices.values():
        end = start + len(references(baseline))
        _compare_with_own_windows(judged[start:end], pane, baseline, span)
        start = end
    _compare(judged)
    for family in (True, False):
        _decide([one for one in judged if (one.reference.target == "feature") == family])
    found: dict[str, list[TargetDrift]] = {name: [] for name in slices}
    for (name, *_), one in zip(wanted, judged, strict=True):
        found[name].append(one.drift())
    return {name: _drift(targets) for name, targets in found.items()}


def _drift(targets: Sequence[TargetDrift]) -> Drift:
    features = {target.name: target for target in targets if target.target == "feature"}
    named = {target.target: target for target in targets if target.target != "feature"}
    return Drift(features, named.get("score"), named.get("class"), share_drifted(features))


def _judge(reference: Reference, pane: Pane, baseline: Baseline, rules: Rules) -> _Judged:
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
    least = rules.min_effect.get(reference.name, METHODS[methods[0]].min_effect or 0.0)
    judged = _Judged(
        reference,
        baseline,
        methods,
        _rows(pane, weight),
        reference.draw(current),
        missing_share(now, bins) if bins.size > 1 else absent_share(now, bins),
        max(least, effect_of(rules.shift, methods[0])),
        max(shift_of(least, methods[0]), rules.shift),
        reference.name in rules.min_effect,
    )
    guessed = pane.parts.get(f"{GUESSED}{part}")
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
    judged.pair, judged.held = SamplePair(kind, bins, reference.counts, current * (m / weight)), (n, m)
    if kind == "embedding" and reference.embedding is not None and sums is not None:
        judged.pair = judged.pair._replace(vectors=(reference.embedding, sums[1:] / sums[0]))
    judged.design = clustered_design(part, bins.size, n, pane, m, ordered=kind in ("number", "embedding"))
    if min(n, m) < LEAST_INDEPENDENT * judged.design.effect:
        judged.state, judged.lacking = "cannot_tell", "rows"
    return judged


def _compare_with_own_windows(targets: Sequence[_Judged], pane: Pane, baseline: Baseline, span: int) -> None:
    """Ask of all targets of one baseline whether its own windows, of the length of this one, differ as much."""
    own = own_windows(baseline)
    if own is None:
        return
    asked = [(target, target.pair) for target in targets if target.pair is not None]
    asked = [(target, pair) for target, pair in asked if target.reference.part in own.parts]
    if not asked:
        return
    rows, of_baseline = (one.parts.get("rows", np.zeros(3)) for one in (pane, baseline.pane))
    length = own.length(effective(pane, float(rows[1])), effective(baseline.pane, float(of_baseline[1])), span)
    known = own.windows(length) >= LEAST_WINDOWS
    some = own.some(tuple(target.reference.part for target, _ in asked))
    labels = np.array([pair.kind in ("category", "boolean") for _, pair in asked])
    was, now, new = some.cells([pair.reference for _, pair in asked], [pair.current for _, pair in asked], labels)
    worth = np.array([target.design.effect for target, _ in asked])
    found = own.judge(some, was, now, new, worth, length)
    numbers = np.stack([found.freedom, found.deviation, found.known, found.part], axis=1).tolist()
    design, p, alike = found.design_effect.tolist(), found.p.tolist(), found.alike.tolist()
    blocks = list(zip(found.least.tolist(), found.greatest.tolist(), strict=True))
    for at, (target, pair) in enumerate(asked):
        target.worth = design[at]
        if pair.kind == "embedding":  # blocks hold the lengths of its vectors, which say how alike its rows are
            target.design = max(
                target.design, Design(target.worth, float(found.freedom[at])), key=lambda one: one.effect
            )
            continue
        target.length = length
        if known:
            target.own_p = p[at]
            target.days = _OwnDeviation(*numbers[at])
            target.alike = (alike[at], found.windows) if found.windows >= COUNTED else None
            target.blocks = blocks[at]


def _compare(targets: Sequence[_Judged]) -> None:
    """Fill in what all methods say, of all targets at once.

    Values are those of the rows. What says how sure and how large a drift is, p-value, effect and size, counts rows
    of a cluster for as many independent ones as they are worth.
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
            certain = CERTAIN if math.isinf(target.design.freedom) else FAR
            was, now = target.pair.reference / worth, target.pair.current / worth
            pairs.append(target.pair._replace(reference=was, current=now, certain=certain))
            wanted.append([METHODS[target.methods[0]]])
    measured = measure(pairs, wanted)
    for target, where in of:
        found, excess = measured[where]
        decisive = found[0]
        if target.design.effect > 1:
            (decisive,), excess = measured[where + 1]
        target.values = [one.value for one in found]
        target.effect = decisive.effect
        target.size = "small" if excess < SMALL else "moderate" if excess < MODERATE else "large"
        if target.state == "ok" and decisive.p_value is not None:
            target.p = student_p_value(decisive.p_value, target.design.freedom)


def _outside(reference: Reference, pair: SamplePair | None) -> bool:
    """Return True where most rows are in open bins that the baseline hardly fills, or have labels that it never had."""
    if pair is None:
        return False
    beyond = reference.counts <= 0
    if isinstance(reference.bins, NumberBins):
        beyond = np.zeros(len(reference.counts), np.bool_)
        beyond[[0, -1]] = reference.counts[[0, -1]] <= OUTERMOST * reference.rows
    return float(pair.current[beyond].sum()) >= OUTSIDE * float(pair.current.sum())


def _decide(targets: Sequence[_Judged]) -> None:
    """Decide, by p-values corrected over the family: those of rows alone, and those of the reference's own windows."""
    family = [target for target in targets if target.p is not None]
    _adjust(family, "p")
    _adjust([target for target in family if target.own_p is not None], "own_p")
    for target in family:
        level = ALPHA / len(family)
        _see(target, level)
        target.state, target.lacking = _state(target, level)
        if target.swing and target.state == "drift" and _may_swing(target):
            target.state, target.lacking = "cannot_tell", "days"
        if target.would_see is not None:
            target.would_see = max(target.would_see, _swing_at_most(target))


def _may_swing(target: _Judged) -> bool:
    """Return True where a cycle that nobody knows may be what differs."""
    if _outside(target.reference, target.pair):
        return False
    return target.effect is None or shift_of(target.effect, target.methods[0]) < _swing_at_most(target)


def _swing_at_most(target: _Judged) -> float:
    """Return how far a cycle that nobody knows may take a target, and what rows add by chance, one time in a hundred.

    A distance between two distributions is where a median is told best: its standard error is that of a median.
    """
    if not target.swing or target.pair is None:
        return target.swing
    worth = max(target.design.effect, target.worth)
    error = math.sqrt(math.pi / 2 * worth * sum(1 / rows for rows in target.held))
    return target.swing - float(ndtri(ALPHA)) * error


def _adjust(targets: Sequence[_Judged], name: str) -> None:
    adjusted = benjamini_hochberg(np.array([getattr(target, name) for target in targets], dtype=np.float64)).tolist()
    for target, p in zip(targets, adjusted, strict=True):
        setattr(target, name, p)


def _state(target: _Judged, level: float) -> tuple[State, Lacking]:
    """Return the state of a target whose p-values are corrected, and what lacks.

    A larger shift is never smaller news: ``ok``, then ``cannot_tell``, then ``usual``, then ``drift``.
    """
    certain = target.p is not None and target.p <= ALPHA
    enough = target.effect is not None and target.effect >= target.min_effect
    large = target.size == "large"
    if certain and enough:
        if target.length is None or _outside(target.reference, target.pair):
            return "drift", ""
        if target.own_p is None:
            return ("drift", "days") if large else ("cannot_tell", "days")
        if target.own_p <= ALPHA:
            return "drift", ""
        if large:
            return "usual", ""
    elif large and not certain:
        return "cannot_tell", "rows"
    elif large and not target.declared:  # a reference of hours does not say what the other hours are like
        return "cannot_tell", "days"
    return _power(target, level)


def _power(target: _Judged, level: float) -> tuple[State, Lacking]:
    """Return ``ok`` where a shift that matters would have been drift, else what lacks for it."""
    if target.would_see is None:
        return "ok", ""
    days = target.days
    enough = max(SEEN, NEARLY * target.least_shift)
    if target.would_see <= max(enough, 0.0 if days is None else NEARLY * days.endless(level)):
        return "ok", ""
    return "cannot_tell", "rows" if _seen_by_rows(target, level) > enough else "days"


def _see(target: _Judged, level: float) -> None:
    """Work out the smallest shift that would have been drift, were it alone in its family.

    A distance is then tested at ``level``, all of the family's level over its size.
    """
    seen = _seen_by_rows(target, level)
    if target.pair is None or target.pair.kind == "embedding":
        return
    if target.days is not None:
        seen = max(seen, target.days.beyond(level))
    elif target.length is not None:  # only what is large
        seen = max(seen, math.sqrt(MODERATE))
    target.would_see = seen if math.isfinite(seen) else None


def _seen_by_rows(target: _Judged, level: float) -> float:
    """Return the smallest shift that rows alone would not show at a level, and that is large enough to count.

    Of numbers that of a normal feature with such a distance, of categories that with such a PSI.
    """
    pair = target.pair
    if pair is None:
        return math.inf
    n, m = target.held
    worth = target.design.effect * (1 / n + 1 / m)
    tails = 1.0
    if math.isfinite(target.design.freedom):
        tails = float(stdtrit(target.design.freedom, level / 2) / ndtri(level / 2))
    if pair.kind == "number":
        # the limit of Kolmogorov's distribution: p = 2 exp(-2 x²)
        distance = max(tails * math.sqrt(math.log(2 / level) / 2 * worth), math.sqrt(math.pi**2 / 12 * worth))
        return max(_shift_of_distance(distance), target.least_shift)
    cells = max(2, int(np.count_nonzero(pair.reference * (m / n) >= FEWEST_IN_CELL)))
    return max(tails * math.sqrt(float(chdtri(cells - 1, level)) * worth), target.least_shift)


FEWEST_IN_CELL = 5
"""Rows that a cell of labels expects; those with fewer are pooled (:mod:`.coarse_bins`)."""


def _shift_of_distance(distance: float) -> float:
    return 2 * float(ndtri((1 + distance) / 2)) if distance < 1 else math.inf


@lru_cache(maxsize=256)
def shift_of(effect: float, decided_by: str) -> float:
    """Return the shift of a normal distribution that has an effect, in standard deviations; see :func:`effect_of`.

    >>> round(shift_of(0.383, "ks"), 2), shift_of(1.0, "psi")
    (1.0, 1.0)
    """
    if decided_by == "ks":
        return _shift_of_distance(effect)
    if decided_by in _SQUARED:
        return math.sqrt(max(0.0, effect))
    least = METHODS[decided_by].min_effect
    return effect / least * _USUAL if least else 0.0


def _rows(pane: Pane, weight: float) -> int:
    rows = pane.parts.get("rows")
    return round(weight * float(rows[0] / rows[1])) if rows is not None and rows[1] > 0 else round(weight)
