"""The rule for drift: size, significance and normal variation of each column.

- *Size*: distance of the window from the baseline. PSI less its mean without drift: small < 0.1 <= moderate < 0.25 <=
  large.
- *Significant*: rows alone would not differ as much. The p-value of the deciding method, corrected over features and
  slices, is at most 0.01, and the effect is at least ``min_effect``. Unless another method is chosen,
  Kolmogorov-Smirnov decides for numbers and the score, chi-square for categories and the predicted class.
- *Normal variation*: the reference's own windows of this length differ as much (:mod:`.normal_variation`).

A significant change beyond normal variation is drift. A significant, large change within it is
``within_normal_variation``. If the reference has too few windows to estimate normal variation, a large change is drift
with a reason, and a smaller one is inconclusive. Every other column is ``ok`` if a relevant shift would have been
detected in this window.

All columns of many windows are stacked, and each method is called once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple, Self

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.importance import Importance
from driftline.panes.fold import PREFIX
from driftline.panes.pane import Pane
from driftline.panes.pca import MOST_RARE
from driftline.tables.table import F64, I64
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.drift.methods.mmd import mmd_as_psi
from driftline_processor.core.drift.methods.psi import MODERATE, SMALL, psi_excess
from driftline_processor.core.evaluation import ColumnDrift, InconclusiveReason, MethodValue, Size, State
from driftline_processor.core.outcomes.coverage import GUESSED
from driftline_processor.core.special_functions import chdtri, ndtr, ndtri, stdtrit

from .coarse_bins import indistinct
from .dependence import clustered_design, student_p_value
from .display_cells import draw
from .method_choice import Choices
from .methods import METHODS, Kind
from .methods.method import Counts, Measured, Method, Sums, Vectors
from .normal_variation import COUNTED, LEAST_WINDOWS, OwnWindows, own_windows
from .p_values import CERTAIN, FAR, adjust_by_family
from .reference import Reference, ReferenceTable, effective, reference_table


class SamplePairs(Struct, frozen=True, eq=False):
    """Two samples of each of k columns over their bins, none of them empty.

    Attributes:
        reference: float64 (k, bins), (effective) rows; 0 beyond the bins of a column.
        current: float64 (k, bins), (effective) rows of the window.
        size: int64 (k,), bins of each column.
        number: bool (k,), compared as numbers.
        edges: float64 (k, bins - 1), borders of the bins of numbers, padded with the last.
        other_bin: int64 (k,), index of the bin of all other categories, -1 for columns without categories.
        certain: float64 (k,), p-values below this may come from the limit law.
        vectors: Index of an embedding → statistics of the reference, and mean features of the window.
    """

    reference: F64
    current: F64
    size: I64
    number: Mask
    edges: F64
    other_bin: I64
    certain: F64
    vectors: Mapping[int, tuple[Vectors, F64]]

    def counts(self, at: I64) -> Counts:
        """Return the counts of some columns, which must be all numbers, all embeddings, or all others."""
        width = int(self.size[at].max())
        reference, current = self.reference[at, :width], self.current[at, :width]
        if at[0] in self.vectors:
            vectors = [self.vectors[column] for column in at.tolist()]
            edges, sums = self.edges[at, : width - 1], _sums(vectors, reference, current)
            return Counts(reference, current, edges, sums=sums, certain=self.certain[at])
        if self.number[at[0]]:
            return Counts(reference, current, self.edges[at, : width - 1], certain=self.certain[at])
        return Counts(reference, current, other_bin=self.other_bin[at], certain=self.certain[at])


class Measures(Struct, frozen=True, eq=False):
    """The measures of k columns.

    Attributes:
        values: Name of a method → float64 (k,), NaN for columns that do not use it.
        p_value: float64 (k,), of the deciding method; NaN if it has none.
        effect: float64 (k,), of the deciding method; NaN if it has none.
        excess: float64 (k,), PSI less its mean without drift.
    """

    values: Mapping[str, F64]
    p_value: F64
    effect: F64
    excess: F64


def measure(pairs: SamplePairs, wanted: Sequence[Sequence[str]]) -> Measures:
    """Measure columns; numbers, embeddings and all others are each measured together.

    Args:
        pairs: Pairs of samples.
        wanted: Names of the methods of each pair, the deciding one first.
    """
    k = len(wanted)
    measures = Measures({}, np.full(k, np.nan), np.full(k, np.nan), np.zeros(k))
    values: dict[str, F64] = {}
    embedded = np.zeros(k, np.bool_)
    embedded[list(pairs.vectors)] = True
    for group in (pairs.number & ~embedded, embedded, ~pairs.number & ~embedded):
        at = np.flatnonzero(group)
        if not len(at):
            continue
        counts = pairs.counts(at)
        chosen = [wanted[column] for column in at.tolist()]
        measures.excess[at] = psi_excess(counts) if counts.sums is None else mmd_as_psi(counts)
        distinct = set(chosen)  # thousands of columns have only a few choices
        for name in dict.fromkeys(name for names in distinct for name in names):
            measured, requested = METHODS[name].counts(counts), np.array([name in names for names in chosen])
            values.setdefault(name, np.full(k, np.nan))[at[requested]] = measured.value[requested]
            decides = np.array([name == names[0] for names in chosen])
            if decides.any():
                _decide(measures, METHODS[name], measured, at, decides, pairs)
    return Measures(values, measures.p_value, measures.effect, measures.excess)


def _decide(measures: Measures, method: Method, measured: Measured, at: I64, decides: Mask, pairs: SamplePairs) -> None:
    """Fill in effect and p-value of the columns for which ``method`` decides."""
    columns = at[decides]
    if measured.effect is not None:
        measures.effect[columns] = measured.effect[decides]
    if method.p_value is not None:
        for column in columns.tolist():  # the limit law depends on the ties of a single column
            measures.p_value[column] = method.p_value(pairs.counts(np.array([column])))[0]
    elif measured.p_value is not None:
        measures.p_value[columns] = measured.p_value[decides]


def _sums(vectors: Sequence[tuple[Vectors, F64]], reference: F64, current: F64) -> Sums:
    was, spectrum, axes = (np.stack(part) for part in zip(*(known for known, _ in vectors), strict=True))
    now = np.stack([means for _, means in vectors])
    return Sums(was, now, reference.sum(axis=1), current.sum(axis=1), spectrum, axes)


Mask = NDArray[np.bool_]

_SQUARED = ("chi2", "psi")
"""Methods whose effect grows with the square of a shift."""

_USUAL = 0.1
"""Shift, in standard deviations, that corresponds to a method's own minimum effect: 2 Φ(0.05) - 1 is KS 0.04."""


@lru_cache(maxsize=256)
def effect_of(shift: float, decided_by: str) -> float:
    """Return the effect of a shift of a normal distribution, in standard deviations.

    >>> round(effect_of(1.0, "ks"), 3), effect_of(1.0, "psi")
    (0.383, 1.0)
    """
    if decided_by == "ks":
        return float(2 * ndtr(shift / 2) - 1)
    if decided_by in _SQUARED:
        return shift**2
    return (METHODS[decided_by].min_effect or 0.0) * shift / _USUAL


def share_drifted(features: Mapping[str, ColumnDrift]) -> float | None:
    """Return the fraction of evaluated features in state drift; None if none was evaluated."""
    states = [feature.state for feature in features.values()]
    judged_count = sum(states.count(state) for state in ("ok", "within_normal_variation", "drift"))
    return states.count("drift") / judged_count if judged_count else None


def weighted_fraction(
    features: Mapping[str, ColumnDrift], importance: Importance | None, whole: Mapping[str, str]
) -> float | None:
    """Return the drifted features' fraction of the importance of the evaluated features; None if importance is unknown.

    ``importance``: importance to the model, from the baseline. ``whole``: feature → the document that it describes, or
    its own name; a document has drifted as soon as one of its descriptors has.
    """
    if importance is None:
        return None
    drifted_by_name: dict[str, bool] = {}
    for name, feature in features.items():
        if feature.state in ("ok", "within_normal_variation", "drift"):
            drifted_by_name[whole[name]] = drifted_by_name.get(whole[name], False) or feature.state == "drift"
    shares = importance.shares(drifted_by_name)
    return None if shares is None else sum(share for name, share in shares.items() if drifted_by_name[name])


ALPHA = 0.01
"""Maximum fraction of windows without drift in which any column drifts; evidence/drift.json measures at most 1.3
% with one to two hundred features. In 90 days it leaves one false day, which an incident of two consecutive windows
removes.
"""

MIN_ROWS = 50
"""Minimum usable (effective) rows of either sample for a decision. With fifty rows, a shift of one standard deviation
is detected among 200 features in 95 % of windows, and half of it is not (evidence/drift.json).
"""

LEAST_INDEPENDENT = 2.0
"""Minimum independent rows of either sample for a decision: one customer, or one day, has no variance."""


OUTSIDE = 0.5
"""If this fraction of the rows is beyond all values of the baseline, it is drift, regardless of normal variation.
Fourteen days of winter could not exclude a July, and the model was not built for a July.
"""

SEEN = 1.0
"""If a shift of this many standard deviations would not have been detected, a window is not ``ok``. It is a PSI of 1: a
value that two thirds of the reference rows exceed is then exceeded by one third.
"""

NEARLY = 1.25
"""If days differ so much that infinitely many could not detect :data:`SEEN`, this multiple of what they could detect is
sufficient: more days would not help, and the state includes the detectable change.
"""

DRAWN = 9
"""Decimals of the drawn fractions of a window: each takes four bytes in the store, and no chart shows more."""


class Drift(NamedTuple):
    """The drift of all columns of a window."""

    features: dict[str, ColumnDrift]
    score: ColumnDrift | None
    predicted: ColumnDrift | None
    fraction: float | None


class Rules(Struct, frozen=True):
    """The settings by which a model's drift is evaluated.

    Attributes:
        min_effect: Feature → minimum effect that counts as drift, in the unit of the deciding method, instead of the
            method's own (``Method.min_effect``).
        choices: Methods that decide and methods that are shown.
        shift: Minimum shift that counts as drift, in standard deviations, for any method.
    """

    min_effect: Mapping[str, float] = field(default_factory=dict)
    choices: Choices = field(default_factory=Choices)
    shift: float = 0.0


class Family(NamedTuple):
    """The slices of one window, whose p-values are corrected together.

    Attributes:
        slices: Name → rows of the slice and its baseline; all rows are a slice as well.
        rules: The settings by which the model's drift is evaluated.
        span: Length of the window in nanoseconds, 0 = unknown.
        swings: Name → part → possible shift of the column by an unknown cycle, in standard deviations; a smaller shift
            is not drift.
    """

    slices: Mapping[str, tuple[Pane, Baseline]]
    rules: Rules
    span: int = 0
    swings: Mapping[str, Mapping[str, float]] = MappingProxyType({})


def drift(
    pane: Pane,
    baseline: Baseline,
    min_effect: Mapping[str, float] | None = None,
    choices: Choices | None = None,
    span: int = 0,
) -> Drift:
    """Compare a window with the baseline whose bins it uses.

    ``min_effect``, ``choices``: see :class:`Rules`. ``span``: length of the window in nanoseconds, 0 = unknown.
    """
    rules = Rules(min_effect or {}, choices or Choices())
    return drift_by_slice({"": (pane, baseline)}, rules, span)[""]


def drift_by_slice(
    slices: Mapping[str, tuple[Pane, Baseline]],
    rules: Rules | None = None,
    span: int = 0,
    swings: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, Drift]:
    """Compare all slices of a window with their baselines as one family; the arguments are those of :class:`Family`.

    P-values are corrected (Benjamini-Hochberg) over the features of all slices; scores and classes are a family of
    their own.
    """
    return drift_by_family([Family(slices, rules or Rules(), span, swings or {})])[0]


def drift_by_family(families: Sequence[Family]) -> list[dict[str, Drift]]:
    """Compare the slices of many windows with their baselines, with the columns of several windows at once.

    The result of a window does not depend on the other windows.
    """
    drifts, batch, columns = list[dict[str, Drift]](), list[Family](), 0
    for family in families:
        columns_of_family = sum(len(reference_table(baseline).columns) for _, baseline in family.slices.values())
        if batch and columns + columns_of_family > MOST_TARGETS:
            drifts += _drift_together(batch)
            batch, columns = [], 0
        batch.append(family)
        columns += columns_of_family
    return drifts + _drift_together(batch)


MOST_TARGETS = 2_048
"""Limit of columns of several windows that are compared at once. With a hundred bins each they take 1.6 MB per array,
of which there are about twenty. More windows at once (ten of 200 features, ninety of 20) would not be faster.
"""


def _drift_together(families: Sequence[Family]) -> list[dict[str, Drift]]:
    samples = [
        _Sample(
            family=index,
            pane=pane,
            baseline=baseline,
            table=reference_table(baseline),
            rules=family.rules,
            span=family.span,
            swings=family.swings.get(name, {}),
        )
        for index, family in enumerate(families)
        for name, (pane, baseline) in family.slices.items()
    ]
    if not samples:
        return [{} for _ in families]
    columns = _Columns.of(samples)
    columns.compare_with_own_windows()
    columns.compare()
    columns.decide()
    drifts_of_columns, start = columns.drifts(), 0
    drifts: list[dict[str, Drift]] = []
    for family in families:
        names = family.slices.keys()
        drifts.append(
            {
                name: _drift(column_drifts)
                for name, column_drifts in zip(names, drifts_of_columns[start : start + len(names)], strict=True)
            }
        )
        start += len(names)
    return drifts


def _drift(columns: Sequence[ColumnDrift]) -> Drift:
    features = {column.name: column for column in columns if column.column == "feature"}
    outputs = {column.column: column for column in columns if column.column != "feature"}
    return Drift(features, outputs.get("score"), outputs.get("class"), share_drifted(features))


class _Sample(NamedTuple):
    """The rows of one slice of a window, and their baseline."""

    family: int
    pane: Pane
    baseline: Baseline
    table: ReferenceTable
    rules: Rules
    span: int
    swings: Mapping[str, float]


class _Plan(NamedTuple):
    """The choices of a model's rules for the k columns of a baseline.

    Attributes:
        methods: Names of the methods of each column, the deciding one first.
        min_effect: float64 (k,), minimum effect that counts, in the unit of the deciding method.
        least_shift: float64 (k,), the same as a shift in standard deviations.
        declared: bool (k,), True if the minimum effect was chosen for this feature.
        number: bool (k,), compared as numbers.
        rules: Referenced so that their ids are not reused for other rules.
    """

    methods: list[tuple[str, ...]]
    min_effect: F64
    least_shift: F64
    declared: Mask
    number: Mask
    rules: Rules


def _plan(table: ReferenceTable, rules: Rules, plain: Collection[int] = ()) -> _Plan:
    """Return the choices for the columns of a baseline; ``plain``: indices of embeddings compared as numbers."""
    key = id(rules.min_effect), id(rules.choices), rules.shift, tuple(plain)
    stored_plan = table.plans.get(key)
    if isinstance(stored_plan, _Plan):
        return stored_plan
    kinds: list[Kind] = ["number" if index in plain else column.kind for index, column in enumerate(table.columns)]
    methods = [
        rules.choices.of(column.name if column.column == "feature" else None, kind)
        for column, kind in zip(table.columns, kinds, strict=True)
    ]
    least_effects = [
        rules.min_effect.get(column.name, METHODS[names[0]].min_effect or 0.0)
        for column, names in zip(table.columns, methods, strict=True)
    ]
    plan = _Plan(
        methods,
        np.array(
            [
                max(effect, effect_of(rules.shift, method[0]))
                for effect, method in zip(least_effects, methods, strict=True)
            ]
        ),
        np.array(
            [
                max(shift_of(effect, method[0]), rules.shift)
                for effect, method in zip(least_effects, methods, strict=True)
            ]
        ),
        np.array([column.name in rules.min_effect for column in table.columns], np.bool_),
        np.array([kind == "number" for kind in kinds], np.bool_),
        rules,
    )
    if len(table.plans) >= MOST_PLANS:
        table.plans.clear()
    table.plans[key] = plan
    return plan


MOST_PLANS = 16
"""Limit of cached plans per baseline: those of a model, with and without a minimum shift."""


def _by_part(samples: Sequence[_Sample], values_of: Callable[[_Sample], Mapping[str, float]]) -> F64:
    """Return a number of each column of some samples, found by its part: float64 (N,); 0 without one."""
    values: list[float] = []
    for sample in samples:
        by_part, columns = values_of(sample), sample.table.columns
        values += [by_part.get(column.part, 0.0) for column in columns] if by_part else [0.0] * len(columns)
    return np.array(values, np.float64)


def _guessed_rows(sample: _Sample) -> dict[str, float]:
    """Return the rows in buckets that span several bins of the baseline, by part of the column."""
    parts = sample.pane.parts
    return {name.removeprefix(GUESSED): float(rows[0]) for name, rows in parts.items() if name.startswith(GUESSED)}


def _row_weights(samples: Sequence[_Sample]) -> tuple[F64, F64]:
    """Return the effective rows per weight, and the rows per weight, of each sample: float64 (samples,)."""
    per_row = [sample.pane.parts.get("rows") for sample in samples]
    kish = [float(sums[1] / sums[2]) if sums is not None and sums[2] > 0 else 1.0 for sums in per_row]
    rows = [float(sums[0] / sums[1]) if sums is not None and sums[1] > 0 else 1.0 for sums in per_row]
    return np.array(kish), np.array(rows)


class _Columns(Struct, eq=False):
    """N columns of some samples during their evaluation, one entry each.

    Attributes:
        samples: The samples, with ``starts`` and ``ends`` of the columns of each.
        row: int64, the sample of each column.
        family: int64, the family with which its p-values are corrected.
        columns: The reference of each.
        methods: Names of its methods, the deciding one first.
        reference: float64 (N, bins), effective rows of the reference.
        current: float64 (N, bins), effective rows of the window.
        counted: float64 (N, bins), weights of the window; ``rows``: number of rows with a usable value.
        held: float64 (2, N), (effective) rows of the reference and of the window.
        missing: Fraction of missing and invalid values; NaN without rows.
        paired: True if both samples can be compared.
        not_comparable: True if the reference has nothing to compare with.
        has_too_few: True if either sample has too few rows.
        coarse: True if most values are in buckets that span several bins; within a bucket they are assumed to be
            distributed as the reference. Detected drift is valid; its absence is inconclusive.
        vectors: Index of an embedding → statistics of the reference, and mean features of the window.
        design: Design effect of clusters; ``freedom``: degrees of freedom of its estimate.
        worth: Design effect of clusters or time blocks.
        timed: True if the reference's own windows contain the column.
        own_p: Probability of at least this distance among the reference's own windows; NaN if it is unknown.
        days: float64 (4, N), degrees of freedom and deviation of the level of own windows, its deviation with
            infinitely many blocks, and its part of a test's level; NaN if they are unknown.
        own_window_counts: float64 (2, N), number of own windows with at least this distance, and of all; NaN if not
            reported.
        blocks: float64 (2, N), size of the nearest and of the farthest own window.
        swing: Possible shift by an unknown cycle, in standard deviations.
        values: Name of a method → its values.
        effect: Effect of the deciding method; NaN if it has none.
        excess: PSI less its mean without drift.
        p: p-value by rows alone, corrected over the family; NaN if there is no decision.
        detectable_change: Smallest shift that would have been drift; NaN if it is unknown.
        state: State of each column; ``reason``: why it is inconclusive.
    """

    samples: Sequence[_Sample]
    starts: list[int]
    ends: list[int]
    row: I64
    family: I64
    columns: list[Reference]
    methods: list[tuple[str, ...]]
    min_effect: F64
    least_shift: F64
    declared: Mask
    number: Mask
    size: I64
    edges: F64
    other_bin: I64
    outer: Mask
    reference: F64
    counted: F64
    current: F64
    rows: F64
    held: F64
    missing: F64
    paired: Mask
    not_comparable: Mask
    has_too_few: Mask
    coarse: Mask
    vectors: dict[int, tuple[Vectors, F64]]
    design: F64
    freedom: F64
    worth: F64
    timed: Mask
    own_p: F64
    days: F64
    own_window_counts: F64
    blocks: F64
    swing: F64
    values: Mapping[str, F64]
    effect: F64
    excess: F64
    p: F64
    detectable_change: F64
    state: list[State]
    reason: list[InconclusiveReason]

    @classmethod
    def of(cls, samples: Sequence[_Sample]) -> Self:
        """Lay out the columns of all samples, over as many bins as the widest has."""
        tables = [sample.table for sample in samples]
        width = max(table.counts.shape[1] for table in tables)
        row = np.repeat(np.arange(len(samples)), [len(table.columns) for table in tables])
        ends = np.cumsum([len(table.columns) for table in tables]).tolist()
        starts = [0, *ends[:-1]]
        embedded = {start: sample for start, sample in zip(starts, samples, strict=True) if sample.table.embedded.any()}
        vectors, plain = _vectors(embedded)
        plans = [
            _plan(sample.table, sample.rules, plain.get(start, ()))
            for start, sample in zip(starts, samples, strict=True)
        ]
        counts = np.concatenate([sample.table.counts_of(sample.pane, width) for sample in samples])
        counted, absent, total = counts[:, :width], counts[:, width:].copy(), counts.sum(axis=1)
        size = np.concatenate([table.size for table in tables])
        absent[size == 1, 1] = 0.0  # usable values are unknown
        missing = np.divide(absent.sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
        weight, n = counted.sum(axis=1), np.concatenate([table.rows for table in tables])
        kish, row_weight = _row_weights(samples)
        m, number = weight * kish[row], np.concatenate([plan.number for plan in plans])
        columns = [column for table in tables for column in table.columns]
        guessed = _by_part(samples, _guessed_rows)
        # 0.5: maximum fraction of values in buckets that span several bins of the baseline, whose position is a guess
        coarse = guessed > 0.5 * weight
        not_comparable = ~(coarse & ~number) & ((n == 0) | (size == 1))
        paired = ~(coarse & ~number) & ~not_comparable & (m > 0)
        nan = np.full(len(columns), np.nan)
        columns_of_samples = cls(
            samples=samples,
            starts=starts,
            ends=ends,
            row=row,
            family=np.array([sample.family for sample in samples])[row],
            columns=columns,
            methods=[names for plan in plans for names in plan.methods],
            min_effect=np.concatenate([plan.min_effect for plan in plans]),
            least_shift=np.concatenate([plan.least_shift for plan in plans]),
            declared=np.concatenate([plan.declared for plan in plans]),
            number=number,
            size=size,
            edges=_wide([table.edges for table in tables], width - 1, repeat=True),
            other_bin=np.concatenate([table.other_bin for table in tables]),
            outer=_wide([table.outer for table in tables], width) > 0,
            reference=_wide([table.counts for table in tables], width),
            counted=counted,
            current=counted * np.divide(m, weight, out=np.zeros(len(m)), where=weight > 0)[:, np.newaxis],
            rows=np.rint(weight * row_weight[row]),
            held=np.stack([n, m]),
            missing=missing,
            paired=paired,
            not_comparable=not_comparable,
            has_too_few=(m == 0) & ~(coarse & ~number) & ~not_comparable | paired & (np.minimum(n, m) < MIN_ROWS),
            coarse=coarse,
            vectors={index: vector for index, vector in vectors.items() if paired[index]},
            design=np.ones(len(columns)),
            freedom=np.full(len(columns), np.inf),
            worth=np.ones(len(columns)),
            timed=np.zeros(len(columns), np.bool_),
            own_p=nan.copy(),
            days=np.stack([nan] * 4),
            own_window_counts=np.stack([nan] * 2),
            blocks=np.stack([nan] * 2),
            swing=_by_part(samples, lambda sample: sample.swings),
            values={},
            effect=nan.copy(),
            excess=np.zeros(len(columns)),
            p=nan.copy(),
            detectable_change=nan.copy(),
            state=[],
            reason=[],
        )
        columns_of_samples._estimate_design_effects()
        return columns_of_samples

    def _estimate_design_effects(self) -> None:
        """Compute the design effects of columns with clusters."""
        for start, sample in zip(self.starts, self.samples, strict=True):
            if not any(part.startswith(PREFIX) for part in sample.pane.parts):
                continue
            for index, column in enumerate(sample.table.columns, start):
                if self.paired[index]:
                    n, m = self.held[:, index].tolist()
                    ordered = bool(self.number[index]) or index in self.vectors
                    design_and_freedom = clustered_design(
                        column.part, column.bins.size, n, sample.pane, m, ordered=ordered
                    )
                    self.design[index], self.freedom[index] = design_and_freedom
        self.has_too_few |= self.paired & (self.held.min(axis=0) < LEAST_INDEPENDENT * self.design)

    def compare_with_own_windows(self) -> None:
        """Compare all columns with their baseline's own windows of the same length."""
        groups: dict[tuple[int, tuple[str, ...], bytes], list[tuple[_Sample, OwnWindows, I64]]] = {}
        for start, end, sample in zip(self.starts, self.ends, self.samples, strict=True):
            windows = own_windows(sample.baseline)
            if windows is None:
                continue
            paired = (start + np.flatnonzero(self.paired[start:end])).tolist()
            known_columns = [columns for columns in paired if self.columns[columns].part in windows.parts]
            if known_columns:
                parts = tuple(self.columns[columns].part for columns in known_columns)
                number = self.number[known_columns].tobytes()  # a number with two values in a slice is a category
                groups.setdefault((id(windows), parts, number), []).append((sample, windows, np.array(known_columns)))
        for (_, parts, _), group in groups.items():
            self._compare_with(
                group[0][1], parts, [sample for sample, *_ in group], np.stack([columns for *_, columns in group])
            )

    def _compare_with(
        self, own_windows: OwnWindows, parts: tuple[str, ...], samples: Sequence[_Sample], at: I64
    ) -> None:
        """Compare columns that share the same own windows; ``at``: int64 (samples, parts), their indices."""
        lengths = [_length(own_windows, sample) for sample in samples]
        enough_windows = np.array([own_windows.windows(length) >= LEAST_WINDOWS for length in lengths])[:, np.newaxis]
        subset, first = own_windows.subset(parts), at[0]
        embedded = np.array([column in self.vectors for column in first.tolist()], np.bool_)
        categories = ~self.number[first] & ~embedded
        was, now, new = subset.cells(self.reference[at], self.current[at], self.size[first], categories)
        comparison = own_windows.compare(subset, was, now, new, self.design[at], lengths)
        self.worth[at] = comparison.design_effect
        self.timed[at] = ~embedded
        # blocks contain the norms of an embedding's vectors, which show how correlated its rows are
        greater = embedded & (comparison.design_effect > self.design[at])
        self.freedom[at] = np.where(greater, comparison.freedom, self.freedom[at])
        self.design[at] = np.where(greater, comparison.design_effect, self.design[at])
        has_result, counted = enough_windows & ~embedded, comparison.windows[:, np.newaxis] >= COUNTED
        days = np.stack([comparison.freedom, comparison.deviation, comparison.limit_deviation, comparison.part])
        self.own_p[at] = np.where(has_result, comparison.p, np.nan)
        self.days[:, at] = np.where(has_result, days, np.nan)
        windows = np.broadcast_to(comparison.windows[:, np.newaxis], comparison.p.shape)
        self.own_window_counts[:, at] = np.where(
            has_result & counted, np.stack([comparison.nearer_windows, windows]), np.nan
        )
        self.blocks[:, at] = np.where(has_result, np.stack([comparison.nearest_psi, comparison.greatest]), np.nan)

    def compare(self) -> None:
        """Compute the results of all methods for all columns.

        Values use the rows as they are. P-value, effect and size use the rows divided by the design effect of clusters.
        """
        paired = np.flatnonzero(self.paired)
        if not len(paired):
            return
        clustered = paired[self.design[paired] > 1]
        columns = np.concatenate([paired, clustered])
        worth = np.concatenate([np.ones(len(paired)), self.design[clustered]])
        certain = np.where((worth > 1) & np.isfinite(self.freedom[columns]), FAR, CERTAIN)
        pairs = SamplePairs(
            reference=self.reference[columns] / worth[:, np.newaxis],
            current=self.current[columns] / worth[:, np.newaxis],
            size=self.size[columns],
            number=self.number[columns],
            edges=self.edges[columns],
            other_bin=self.other_bin[columns],
            certain=certain,
            vectors={
                place: self.vectors[column] for place, column in enumerate(columns.tolist()) if column in self.vectors
            },
        )
        first = [self.methods[column] for column in paired.tolist()]
        measures = measure(pairs, first + [self.methods[column][:1] for column in clustered.tolist()])
        decisive = np.arange(len(paired))
        decisive[self.design[paired] > 1] = np.arange(len(paired), len(columns))
        self.values = {
            name: self._to_columns(paired, values[: len(paired)]) for name, values in measures.values.items()
        }
        self.effect[paired], self.excess[paired] = measures.effect[decisive], measures.excess[decisive]
        p = measures.p_value[decisive]
        unsure = np.isfinite(self.freedom[paired])
        for place in np.flatnonzero(unsure).tolist():
            p[place] = student_p_value(float(p[place]), float(self.freedom[paired[place]]))
        self.p[paired] = np.where(self.has_too_few[paired], np.nan, p)

    def _to_columns(self, at: I64, values: F64) -> F64:
        spread_values = np.full(len(self.columns), np.nan)
        spread_values[at] = values
        return spread_values

    def decide(self) -> None:
        """Decide by corrected p-values: those of rows alone, and those of the reference's own windows."""
        features = np.array([column.column == "feature" for column in self.columns], np.bool_)
        family = 2 * self.family + features
        judged_columns = np.flatnonzero(~np.isnan(self.p))
        self.p[judged_columns] = adjust_by_family(self.p[judged_columns], family[judged_columns])
        timed = judged_columns[~np.isnan(self.own_p[judged_columns])]
        self.own_p[timed] = adjust_by_family(self.own_p[timed], family[timed])
        state: State = "ok"
        self.state = ["inconclusive" if is_incomparable else state for is_incomparable in self.not_comparable.tolist()]
        self.reason = ["not_comparable" if is_incomparable else "" for is_incomparable in self.not_comparable.tolist()]
        for column_index in np.flatnonzero(self.has_too_few).tolist():
            self.state[column_index], self.reason[column_index] = "inconclusive", "too_few_rows"
        if not len(judged_columns):
            return
        level = ALPHA / np.bincount(family[judged_columns])[family[judged_columns]]
        by_rows = self._set_detectable_changes(judged_columns, level)
        self._set_states(judged_columns, level, by_rows)
        for column_index in np.flatnonzero(self.swing > 0).tolist():
            if (
                self.state[column_index] == "drift"
                and not np.isnan(self.p[column_index])
                and self._may_be_cycle(column_index)
            ):
                self.state[column_index], self.reason[column_index] = "inconclusive", "too_few_days"
            if not np.isnan(self.detectable_change[column_index]):
                self.detectable_change[column_index] = max(
                    float(self.detectable_change[column_index]), self._swing_limit(column_index)
                )

    def _set_detectable_changes(self, at: I64, level: F64) -> F64:
        """Compute the smallest shifts that would have been drift, each alone in its family; return those by rows alone.

        ``level``: level of a single test, that of the family divided by its size.
        """
        by_rows = self._detectable_by_rows(at, level)
        freedom, deviation, _, part = self.days[:, at]
        beyond = -stdtrit(np.minimum(freedom, MOST_FREEDOM), level * part / 2) * deviation
        has_deviation = ~np.isnan(deviation)
        large = np.where(self.timed[at], math.sqrt(MODERATE), 0.0)  # without enough days only a large change is drift
        visible = np.maximum(by_rows, np.where(has_deviation, beyond, large))
        embedded = np.array([column in self.vectors for column in at.tolist()], np.bool_)
        self.detectable_change[at] = np.where(np.isfinite(visible) & ~embedded, visible, np.nan)
        return by_rows

    def _detectable_by_rows(self, at: I64, level: F64) -> F64:
        """Return the smallest shifts that are significant by rows alone, at a level, and large enough to count.

        The shift is that of a normal feature with this distance (numbers) or with this PSI (categories).
        """
        (n, m), design, freedom = self.held[:, at], self.design[at], self.freedom[at]
        worth = design * (1 / n + 1 / m)
        sure = np.isfinite(freedom)
        tails = np.where(sure, stdtrit(np.where(sure, freedom, 1.0), level / 2) / ndtri(level / 2), 1.0)
        # the limit of Kolmogorov's distribution: p = 2 exp(-2 x²)
        distance = np.maximum(tails * np.sqrt(np.log(2 / level) / 2 * worth), np.sqrt(math.pi**2 / 12 * worth))
        of_number = np.where(distance < 1, 2 * ndtri((1 + np.minimum(distance, 1.0)) / 2), np.inf)
        filled = np.count_nonzero(self.reference[at] * (m / n)[:, np.newaxis] >= FEWEST_IN_CELL, axis=1)
        of_categories = tails * np.sqrt(chdtri(np.maximum(2, filled) - 1, level) * worth)
        return np.maximum(np.where(self.number[at], of_number, of_categories), self.least_shift[at])

    def _set_states(self, at: I64, level: F64, by_rows: F64) -> None:
        """Fill in state and reason of columns whose p-values are corrected.

        As a shift grows, the state goes from ``ok`` to ``inconclusive``, ``within_normal_variation`` and ``drift``,
        never back.
        """
        certain, large = self.p[at] <= ALPHA, self.excess[at] >= MODERATE
        enough = certain & (self.effect[at] >= self.min_effect[at])
        own_p, timed = self.own_p[at], self.timed[at]
        unknown = np.isnan(own_p)
        outside = enough.copy()
        enough_columns = at[enough]
        beyond = np.where(self.outer[enough_columns], self.current[enough_columns], 0.0).sum(axis=1)
        outside[enough] = beyond >= OUTSIDE * self.current[enough_columns].sum(axis=1)
        drifts = enough & (~timed | outside | (unknown & large) | (~unknown & (own_p <= ALPHA)))
        usual = enough & ~drifts & ~unknown & large
        by_chance = ~enough & large & ~certain
        short = ~enough & large & certain & ~self.declared[at]  # a reference of some hours lacks the other hours
        open_question = enough & ~drifts & unknown
        # all others are ok if a relevant shift would have been detected
        least_shift = np.maximum(SEEN, NEARLY * self.least_shift[at])
        _, _, endless, part = self.days[:, at]
        days = -ndtri(level * part / 2) * endless * NEARLY
        visible = self.detectable_change[at]
        blunt = visible > np.maximum(least_shift, np.where(np.isnan(endless), 0.0, days))
        days_lack = drifts & timed & ~outside & unknown
        hidden = indistinct(self.reference[at], self.current[at], self.other_bin[at]) > MOST_RARE
        for place, column in enumerate(at.tolist()):
            if drifts[place]:
                self.state[column], self.reason[column] = "drift", "too_few_days" if days_lack[place] else ""
            elif usual[place]:
                self.state[column] = "within_normal_variation"
            elif by_chance[place]:
                self.state[column], self.reason[column] = "inconclusive", "too_few_rows"
            elif short[place] or open_question[place]:
                self.state[column], self.reason[column] = "inconclusive", "too_few_days"
            elif hidden[place]:  # most rows are not distinguished, so that no change among them would be seen
                self.state[column], self.reason[column] = "inconclusive", "not_comparable"
            elif blunt[place]:
                self.state[column] = "inconclusive"
                self.reason[column] = "too_few_rows" if by_rows[place] > least_shift[place] else "too_few_days"

    def _may_be_cycle(self, column: int) -> bool:
        """Return True if an unknown cycle may explain the difference."""
        if float(self.current[column, self.outer[column]].sum()) >= OUTSIDE * float(self.current[column].sum()):
            return False
        effect = float(self.effect[column])
        return math.isnan(effect) or shift_of(effect, self.methods[column][0]) < self._swing_limit(column)

    def _swing_limit(self, column: int) -> float:
        """Return the possible shift of a column by an unknown cycle, plus the 99 % quantile of its sampling error.

        The standard error is that of a median, where the distance between two distributions is greatest.
        """
        worth = max(float(self.design[column]), float(self.worth[column]))
        error = math.sqrt(math.pi / 2 * worth * float((1 / self.held[:, column]).sum()))
        return float(self.swing[column]) - float(ndtri(ALPHA)) * error

    def drifts(self) -> list[list[ColumnDrift]]:
        """Return the result of each column, by sample."""
        drawings = draw([column.drawing for column in self.columns], self.counted)
        unseen = self.coarse & np.array([state != "drift" for state in self.state], np.bool_)
        has_p_value, compared = (~np.isnan(self.p) & ~unseen).tolist(), (self.paired & ~unseen).tolist()
        design = np.maximum(self.design, self.worth).tolist()
        values = {name: value.tolist() for name, value in self.values.items()}
        columns = zip(
            self.columns, self.methods, drawings, unseen.tolist(), has_p_value, compared, self.rows.tolist(), design,
            optional(self.missing), optional(self.effect), self.excess.tolist(), self.p.tolist(),
            optional(self.own_p), optional(self.detectable_change), optional(self._pooled()),
            self.own_window_counts.T.tolist(), self.blocks.T.tolist(),
            strict=True,
        )  # fmt: skip
        column_drifts = []
        for index, (
            column, names, cells, hidden, sure, is_compared, rows, worth, missing, effect, excess, p, own_p, see,
            pooled, alike, blocks,
        ) in enumerate(columns):  # fmt: skip
            methods = {name: MethodValue(values[name][index] if is_compared else None) for name in names}
            if sure:
                methods[names[0]] = MethodValue(values[names[0]][index], p)
            state: State = "inconclusive" if hidden else self.state[index]
            reason = "not_comparable" if hidden else self.reason[index]
            comparable = reason != "not_comparable"
            size: Size = "small" if excess < SMALL else "moderate" if excess < MODERATE else "large"
            column_drifts.append(
                ColumnDrift(
                    column=column.column,
                    name=column.name,
                    state=state,
                    decided_by=names[0],
                    rows=round(rows),
                    methods=methods,
                    effect=effect if is_compared else None,
                    size=size if is_compared else "",
                    cells=() if hidden else cells.categories,
                    was=None if hidden else cells.was,
                    now=None if hidden else cells.now.round(DRAWN),
                    missing_was=column.missing,
                    missing_now=missing,
                    design_effect=worth,
                    blocks=None if math.isnan(blocks[0]) else (blocks[0], blocks[1]),
                    reason=reason if state in ("inconclusive", "drift") else "",
                    p_normal_variation=own_p if sure and comparable else None,
                    detectable_change=see if sure and comparable else None,
                    pooled=pooled if sure and comparable else None,
                    alike=None if not comparable or math.isnan(alike[0]) else (round(alike[0]), round(alike[1])),
                )
            )
        return [column_drifts[start:end] for start, end in zip(self.starts, self.ends, strict=True)]

    def _pooled(self) -> F64:
        """Return the fraction of rows in rare categories if they could hide the detectable change; else NaN.

        These rows hide the shift of a normal feature that moves as large a fraction of its rows.
        """
        pooled = indistinct(self.reference, self.current, self.other_bin)
        hides = 2 * ndtri((1 + np.minimum(pooled, 1.0)) / 2) >= self.detectable_change
        return np.where(~self.number & hides, pooled, np.nan)


MOST_FREEDOM = 1e6
"""Limit of degrees of freedom of Student's t, which then equals the normal to six digits."""


def _vectors(samples: Mapping[int, _Sample]) -> tuple[dict[int, tuple[Vectors, F64]], dict[int, list[int]]]:
    """Return embeddings by index, and per sample the embeddings that are compared as numbers.

    The latter were counted as numbers, without sums of vectors.
    """
    vectors: dict[int, tuple[Vectors, F64]] = {}
    plain: dict[int, list[int]] = {}
    for start, sample in samples.items():
        for index, column in enumerate(sample.table.columns):
            counts = None if column.embedding is None else sample.pane.parts.get(column.part)
            if column.embedding is None or counts is None or not counts[: column.bins.size].any():
                continue
            sums = sample.pane.parts.get(f"embedding:{column.name}")
            if sums is not None and sums[0] > 0:
                vectors[start + index] = column.embedding, sums[1:] / sums[0]
            else:
                plain.setdefault(start, []).append(index)
    return vectors, plain


def _wide(tables: Sequence[F64] | Sequence[Mask], width: int, *, repeat: bool = False) -> F64:
    """Return tables stacked, as wide as the widest; ``repeat``: pad with the last column instead of 0."""
    if all(table.shape[1] == width for table in tables):
        return np.concatenate(tables)
    mode: Literal["edge", "constant"] = "edge" if repeat else "constant"
    narrow = [table if table.shape[1] else np.zeros((len(table), 1)) for table in tables] if repeat else tables
    return np.concatenate([np.pad(table, ((0, 0), (0, width - table.shape[1])), mode=mode) for table in narrow])


def _length(own_windows: OwnWindows, sample: _Sample) -> float:
    """Return the length of a window in blocks of its reference."""
    rows, of_baseline = (pane.parts.get("rows", np.zeros(3)) for pane in (sample.pane, sample.baseline.pane))
    effective_rows = effective(sample.pane, float(rows[1])), effective(sample.baseline.pane, float(of_baseline[1]))
    return own_windows.length(*effective_rows, sample.span)


def optional(values: F64) -> list[float | None]:
    """Return numbers as a list, with None for NaN.

    >>> optional(np.array([0.5, np.nan]))
    [0.5, None]
    """
    return [None if value != value else value for value in values.tolist()]


FEWEST_IN_CELL = 5
"""Expected rows of a cell of categories; cells with fewer are pooled (:mod:`.coarse_bins`)."""


@lru_cache(maxsize=256)
def shift_of(effect: float, decided_by: str) -> float:
    """Return the shift of a normal distribution with this effect, in standard deviations; see :func:`effect_of`.

    >>> round(shift_of(0.383, "ks"), 2), shift_of(1.0, "psi")
    (1.0, 1.0)
    """
    if decided_by == "ks":
        return 2 * float(ndtri((1 + effect) / 2)) if effect < 1 else math.inf
    if decided_by in _SQUARED:
        return math.sqrt(max(0.0, effect))
    least_effect = METHODS[decided_by].min_effect
    return effect / least_effect * _USUAL if least_effect else 0.0
