"""The result of evaluating one window, as shown by pages, exporters, JSON and `driftline top`.

All types of a result are defined here, so that packages can return them without importing each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from driftline.tables.row_losses import RowLoss
from driftline.tables.table import F64, I64, ModelKey
from msgspec import Struct, field, structs

from driftline_processor.core.fact import ColumnNames, Fact, FactStruct
from driftline_processor.core.windows.window import Window

State = Literal["ok", "within_normal_variation", "drift", "inconclusive", "no_baseline"]
InconclusiveReason = Literal["", "too_few_rows", "too_few_days", "not_comparable", "easier_outcomes", "harder_outcomes"]
"""Why a state is inconclusive. ``not_comparable``: the values or the rows do not allow a comparison;
``easier_outcomes``: the log loss is low because the outcomes are easier to predict than those of the baseline;
``harder_outcomes``: it is high because they are harder to predict, and the scores are still calibrated.
"""
UnknownReason = Literal[
    "",
    "no_outcomes",
    "outcomes_pending",
    "too_few_rows",
    "too_few_days",
    "no_baseline",
    "no_skill",
    "expired",
    "not_comparable",
    "easier_outcomes",
    "harder_outcomes",
]
"""Why it is unknown whether a model is healthy. ``no_skill``: its baseline is no better than a constant prediction;
``expired``: it was healthy, and newer windows have no outcomes.
"""
Size = Literal["", "small", "moderate", "large"]
Source = Literal["rows", "panes"]
Maturity = Literal["open", "immature", "mature"]
Judgement = Literal["met", "broken", "inconclusive"]
Severity = Literal["minor", "major", "critical"]
BaselineComparison = Literal["worse", "not_worse", "inconclusive"]

ChangeReason = Literal[
    "service_changed",
    "output_faulty",
    "data_faulty",
    "meaning_changed",
    "inputs_explain",
    "level_off",
    "proportions_changed",
    "proportions_changed_by_scores",
    "inputs_moved",
    "inputs_moved_as_expected",
    "inputs_or_proportions_moved",
    "inputs_moved_without_outcomes",
]
ChangeKind = Literal[
    "data_fault", "output_fault", "covariate_shift", "label_shift", "concept_change", "calibration", "service"
]
VerdictState = Literal["healthy", "degraded", "at_risk", "unknown", "no_data", "lagging"]
FindingRole = Literal["joined", "harmless", "mended"]


class MethodValue(Struct, frozen=True):
    """A drift statistic. Only the deciding one has a ``p_value``, corrected over the features of the window."""

    value: float | None
    p_value: float | None = None


class ColumnDrift(Struct, frozen=True):
    """Drift of one column: a feature, the score or the predicted class.

    Attributes:
        decided_by: The deciding method ("ks", "chi2", ...), the first of ``methods``.
        rows: Rows with a usable value.
        effect: The deciding effect less its expectation without drift.
        size: The category of the PSI less its null mean.
        reason: Why the state is ``inconclusive``; for ``drift``, ``too_few_days`` if the reference has too few days to
            know its variance over time.
        detectable_change: Smallest shift, in standard deviations of the reference, that would be drift in this window.
        pooled: Fraction of the reference's rows in categories that are too rare to compare, if a shift of
            ``detectable_change`` among these rows would not be detected; else None.
        alike: Number of the reference's own windows of this length that differ from the rest of it as much as this one,
            and their total; None if there are too few.
        was: Fractions over ``cells`` display cells in the baseline; ``cells`` are their labels ("12.5 – 20", "AA").
        now: The same in the window.
        missing_was: Fraction of missing and invalid values in the baseline.
        missing_now: The same in the window.
        design_effect: Design effect of autocorrelated or clustered rows; 1 for independent rows.
        blocks: Minimum and maximum PSI, less its mean by chance, of the reference's own windows of this length against
            the rest of it.
        p_normal_variation: P-value that the reference's own windows of this length differ from it as much, corrected
            over the features of the window; None if unknown.
    """

    column: Literal["feature", "score", "class"]
    name: str
    state: State
    decided_by: str
    rows: int
    methods: dict[str, MethodValue]
    effect: float | None = None
    size: Size = ""
    cells: tuple[str, ...] = ()
    was: F64 | None = None
    now: F64 | None = None
    missing_was: float | None = None
    missing_now: float | None = None
    design_effect: float = 1.0
    blocks: tuple[float, float] | None = None
    reason: InconclusiveReason = ""
    detectable_change: float | None = None
    alike: tuple[int, int] | None = None
    p_normal_variation: float | None = None
    pooled: float | None = None

    @property
    def words(self) -> str:
        """Name of the column for sentences: its name, else score or predicted class."""
        return self.name or {"class": "predicted class"}.get(self.column, "score")


class LastingShift(Struct, frozen=True):
    """A shift of one column that lasts over windows, by evidence that is valid at any time (:mod:`.drift.lasting`).

    Attributes:
        state: ``drift`` from the window with enough evidence on, until thirty windows contradict it; ``not_found`` does
            not exclude drift in single windows; ``inconclusive`` if the reference's variance between periods is
            unknown.
        measure: What shifted most: ``level`` or ``spread`` of a number, in standard deviations of the reference; for
            categories the category, in fractions.
        shift: Its mean over the windows of the evidence.
        windows: Number of windows, in steps of a window or of a period of the reference, whichever is longer.
        since: Start of the first of them, unix nanoseconds; None if inconclusive.
        evidence: Natural logarithm of the evidence, corrected over all columns; ``drift`` from 4.6 on.
        found: End of the window with enough evidence; None without one.
        reason: Why the state is ``inconclusive``: ``no_times`` or ``too_few_days``.
    """

    state: Literal["not_found", "drift", "inconclusive"]
    measure: str
    shift: float | None
    windows: int
    since: int | None
    evidence: float | None
    found: int | None = None
    reason: str = ""


class ScoreFunctions(Struct, frozen=True):
    """Score functions that are monitored over windows, and the reference's own periods of their length.

    Attributes:
        names: The part of each of s score functions.
        measures: The measure of each.
        unit: float64 (s,), display unit of each.
        facts: float64 (s, 7), of the reference (:data:`.drift.lasting.BETWEEN`).
        step: Nanoseconds of a step.
    """

    names: tuple[str, ...]
    measures: tuple[str, ...]
    unit: F64
    facts: F64
    step: int


class LastingDrift(Struct, frozen=True, eq=False):
    """Accumulated evidence of a model's windows for lasting shifts, and the state for the next window.

    Attributes:
        of: Digest of what windows must share to accumulate evidence; "" if nothing can be monitored.
        parts: The parts of a pane that are columns, those with a ``reason`` last.
        scores: Contribution of this window: the mean of each score function, in hundredths of its standard error of
            rows.
        rows: Effective rows of each monitored column; one number if they are equal.
        reason: Why each part is inconclusive, ``no_times`` or ``too_few_days``; () if none is.
        measures: The measure that shifted most, per monitored column; () before the first step.
        shifts: Its size.
        steps: Its number of steps.
        recent: 1 = the steps of the epoch, 0 = all steps.
        evidence: Natural logarithms.
        found: Shifted columns: since when, and the end of the window at which the shift was found.
        epoch: Number of the period of thirty steps.
        began: Start of all evidence, and of that of the epoch.
        anew: Columns whose evidence began later, after a shift that ended.
        step_began: Start of the incomplete step; -1 if it has no rows yet.
        number: Number of earlier windows since the evidence began.
        varies: Whether each window has another reference.
        memory: float64 (s, 17), sums so far; not stored for most windows, and recomputed when needed.
        functions: The monitored score functions; not stored, unless they vary.
    """

    of: str
    parts: tuple[str, ...] = ()
    scores: tuple[int, ...] = ()
    rows: tuple[float, ...] = ()
    reason: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    shifts: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    recent: tuple[int, ...] = ()
    evidence: tuple[float, ...] = ()
    found: dict[str, tuple[int, ...]] = {}
    epoch: int = 1
    began: tuple[int, ...] = (0, 0)
    anew: dict[str, int] = {}
    step_began: int = -1
    number: int = 0
    varies: bool = False
    memory: F64 = field(default_factory=lambda: np.zeros((0, 0)))
    functions: ScoreFunctions | None = None

    def __eq__(self, other: object) -> bool:
        """Return True if both have the same evidence; the state for the next window may differ."""
        return isinstance(other, LastingDrift) and self._evidence() == other._evidence()

    def __hash__(self) -> int:
        return hash((self.of, self.parts, self.number))

    def _evidence(self) -> tuple[object, ...]:
        return structs.astuple(self)[:-2]

    @property
    def columns(self) -> dict[str, LastingShift]:
        """The lasting shift of each column, by the name of its part."""
        shifts = {}
        columns = (self.measures, self.shifts, self.steps, self.recent, self.evidence)
        for part, measure, shift, steps, recent, evidence in zip(self.parts, *columns, strict=False):
            began = self.began[1] if recent else self.anew.get(part, self.began[0])
            since, end = self.found.get(part, (began, None))
            state: Literal["not_found", "drift"] = "not_found" if end is None else "drift"
            shifts[part] = LastingShift(
                state=state, measure=measure, shift=shift, windows=steps, since=since, evidence=evidence, found=end
            )
        for part, reason in zip(self.parts, self.reason, strict=False):
            if reason:
                shifts[part] = LastingShift(
                    state="inconclusive",
                    measure="",
                    shift=None,
                    windows=0,
                    since=None,
                    evidence=None,
                    found=None,
                    reason=reason,
                )
        return shifts


class SliceDrift(Struct, frozen=True):
    """Drift in one slice of a window, corrected together with all rows and the other slices.

    Attributes:
        state: Drift if any column drifts, else ok if any could be evaluated.
        reason: Why the state is ``inconclusive``.
        compared: The compared rows, if not the same slice of the baseline: then the state is ``no_baseline``.
        evaluated: Number of features that could be evaluated.
        fraction: Fraction of these that drifted.
        features: Without drawings; the store keeps only the features that drift.
        score: As ``features``.
        predicted: As ``features``.
    """

    rows: int
    state: State
    compared: str
    evaluated: int
    fraction: float | None
    features: dict[str, ColumnDrift]
    score: ColumnDrift | None
    predicted: ColumnDrift | None
    reason: InconclusiveReason = ""

    def drifted(self) -> list[ColumnDrift]:
        """Return the columns that drift: features, then score and class."""
        columns_and_outputs = (*self.features.values(), self.score, self.predicted)
        return [column for column in columns_and_outputs if column is not None and column.state == "drift"]

    def thinned(self) -> SliceDrift:
        """Return it with the drifting features only, since forty slices per window are stored for months."""
        drifting = {name: column for name, column in self.features.items() if column.state == "drift"}
        return structs.replace(self, features=drifting)


class DriftContributor(Struct, frozen=True):
    """A feature, or a pair, that contributes to drift.

    Attributes:
        value: Size of the contribution, in the unit of the method.
        p_value: For a tested pair, corrected over all pairs.
    """

    features: tuple[str, ...]
    value: float
    was: float | None = None
    now: float | None = None
    p_value: float | None = None


class JointDrift(Struct, frozen=True):
    """The drift that one multivariate method (:mod:`.drift.multivariate`) measured in a window.

    Attributes:
        rows: The (effective) rows of the smaller side.
        value: The drift in the method's unit; None if something else also changes it (``not_comparable``).
        p_value: Corrected over the methods.
        was: The compared value of the baseline.
        now: The compared value of the window.
        contributors: The features, or pairs, that changed most, the largest change first.
        changed_pairs: Number of pairs that changed significantly.
        missing: Features whose fraction of missing values changed so much that the value does not show drift.
    """

    method: str
    state: State
    rows: int
    value: float | None
    p_value: float | None
    effect: float
    was: float | None = None
    now: float | None = None
    contributors: tuple[DriftContributor, ...] = ()
    changed_pairs: int = 0
    missing: tuple[DriftContributor, ...] = ()
    reason: InconclusiveReason = ""


class MetricValue(Struct, frozen=True):
    """A performance value.

    Attributes:
        bound: Maximum difference between the value from panes and the one from rows; 0 if exact.
        low: Lower end of its interval, None if unknown.
        high: Upper end of its interval, None if unknown.
        interval: The method of the interval, "" without one.
        effective_rows: Kish's effective rows, None if not computed.
    """

    value: float | None
    rows: int
    source: Source
    bound: float = 0.0
    low: float | None = None
    high: float | None = None
    interval: str = ""
    effective_rows: float | None = None


Metric = MetricValue
"""Alias for functions of users."""


class MetricChange(Struct, frozen=True):
    """A metric of a window compared with the baseline's, without an objective.

    Attributes:
        state: ``worse`` if the change is significant and at least the margin; ``not_worse`` if the whole interval is
            inside the margin; else ``inconclusive``.
        change: Value less that of the baseline, in the metric's unit.
        low: Lower end of the interval of the change.
        high: Upper end of the same interval.
        p_value: P-value of the hypothesis that the metric is no worse, corrected over the metrics of the window.
        margin: The worsening that leaves a model healthy, in the metric's unit; None = the metric has no margin.
        reason: Why the state is ``inconclusive``.
        error: Standard error of the window's own value as a part of a longer period, with how days differ and resemble
            their neighbours; None if that is unknown.
        by_rows: The interval if days do not differ, of a metric that decides with too few days; else None.
    """

    state: BaselineComparison
    change: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    margin: float | None = None
    reason: InconclusiveReason = ""
    error: float | None = None
    by_rows: tuple[float, float] | None = None


class ServiceLevel(Struct, frozen=True):
    """The service level: calls, failures and latency.

    Attributes:
        calls: Calls of predict, including failed ones.
        failed: Calls that raised.
        errors: ``error.type`` → failed calls.
        values: ``error_rate`` (a fraction), ``latency_p50``, ``latency_p95`` and ``latency_p99`` (seconds) with
            intervals, if available.
    """

    calls: int
    failed: int
    errors: dict[str, int] = {}
    values: dict[str, MetricValue] = {}


class LossPart(Struct, frozen=True):
    """A part of a mean loss.

    Attributes:
        value: The part.
        variance: Variance of its estimate.
        covered: Weight of the window's rows in it, 0 to 1; the rest is assumed, since values are new.
    """

    value: float
    variance: float
    covered: float = 1.0


class ClassMix(Struct, frozen=True):
    """The part of a rise of the error rate that new proportions of several classes explain.

    Attributes:
        name: The class with the largest part.
        was: Its fraction of the baseline's rows.
        now: Its fraction of the window's rows.
        error: Its error rate in the baseline.
        part: The part of all classes.
    """

    name: str
    was: float
    now: float
    error: float
    part: LossPart


class LossEvidence(Struct, frozen=True):
    """What labelled rows show about the cause of a loss (:mod:`.explain.loss_evidence`).

    Attributes:
        rows: Labelled rows.
        loss: The loss of a row.
        excess: Mean loss less that of the baseline.
        inputs: Shifted feature → the part of ``excess`` that returns if it alone has the baseline's distribution.
        together: The part that returns if all of them do.
        largest_part: The largest part that one input explains, by the baseline's distribution with the losses of the
            window, or by the window's distribution with the losses of the baseline.
        recalibrated: The fall of the loss if predictions are recalibrated; None if unknown.
        skill: The skill of recalibrated predictions divided by that in the baseline; None if unknown. Its ``covered``
            is not used.
        rates: Misfit of the baseline's rates of positives by score, a chi-square less its degrees of freedom.
        classes: Misfit of the baseline's scores within each class, likewise.
        scores: Misfit of the baseline's scores of all rows, likewise.
        mix: What the proportions of several classes explain; None for a loss other than the error rate.
    """

    rows: float
    loss: RowLoss
    excess: LossPart
    inputs: dict[str, LossPart]
    together: LossPart
    largest_part: float = 0.0
    recalibrated: float | None = None
    skill: LossPart | None = None
    rates: float = 0.0
    classes: float = 0.0
    scores: float = 0.0
    mix: ClassMix | None = None


class KindOfChange(Struct, frozen=True):
    """The kind of change that a window shows.

    Attributes:
        kind: The kind with the strongest evidence.
        reason: How the evidence shows it: what changed, and whether data alone is conclusive.
        evidence: The evidence, the strongest first.
    """

    kind: ChangeKind
    reason: ChangeReason
    evidence: tuple[Fact, ...]


class LaterFinding(Struct, frozen=True):
    """What a degraded model has, or had, besides its cause, with its own times.

    Attributes:
        role: ``joined`` if the loss rose with it, or may have; ``harmless`` if the loss did not; ``mended`` for the
            first cause of a degradation that lasts without it.
        fact: The finding.
        since: Start of its first window, unix nanoseconds; None if rows have no time.
        until: Start of the first window without it, likewise; None while it lasts.
        advice: What to do about it.
        subject: What it is about, the same in all windows: a check or a metric, and columns.
        timezone: Time zone of its times, an IANA name.
        of_days: Whether its windows are a day or longer.
        shown: Whether the loss shows the role; a grave fault may have joined before it does.
        size: How much the loss rose with it; None if unknown.
    """

    role: FindingRole
    fact: Fact
    since: int | None
    until: int | None
    advice: Fact
    subject: str
    timezone: str = "UTC"
    of_days: bool = True
    shown: bool = True
    size: Fact | None = None


class Verdict(Struct, frozen=True):
    """Whether a model is healthy, as shown by every surface.

    Attributes:
        state: ``healthy``, ``degraded`` (by outcomes or the service), ``at_risk`` (drift or faults, outcomes pending),
            ``unknown``, ``no_data`` (traffic stopped), ``lagging`` (windows wait for evaluation).
        since: Start of the state, unix nanoseconds; None if unknown.
        metric: The metric of ``effect``, or a drift method; "" without one.
        effect: Its size, in the metric's unit; None without one.
        low: Lower end of the interval of ``effect``.
        high: Upper end of the same interval.
        kind: The kind of change; "" if unknown.
        cause: The first cause; None if unknown.
        reasons: The signs of the state and their explanation, the most important first.
        certainty: How certain the state is, and what is inconclusive.
        advice: What to do.
        reason: Why the state is ``unknown``; "" in other states, and if no window closed.
        assumes: What the state takes for granted: ``independent_rows`` if rows have no time; "" = nothing.
        slice: The affected slice; "" = all rows.
        window_start: Start of the deciding window, unix nanoseconds; None without one.
        window_end: End of the same window.
        of_window: Whether the verdict is about the rows of that window alone, since no other determines ``since``.
        of_days: Whether the window is a day or longer, so that times of day are omitted.
        timezone: Time zone of its times, an IANA name.
        version: The affected version of a model with several; else None.
        environment: The affected environment, likewise.
        since_earliest: The earliest start that the days leave open, if it is before ``since``; else None.
        later: What began after a degradation, or is over, the oldest first.
        but: What a healthy model misses, which does not degrade it so far; else None.
        now: What the newest window of a degraded model shows, and what ends the degradation; None in other states.
        cause_until: When the first cause was over, while what joined it lasts; unix nanoseconds, else None.
        cause_kind: The kind of change of that first cause, because ``kind`` is then that of what lasts; else "".
    """

    state: VerdictState
    since: int | None = None
    metric: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    kind: ChangeKind | Literal[""] = ""
    cause: Fact | None = None
    reasons: tuple[Fact, ...] = ()
    certainty: tuple[Fact, ...] = ()
    advice: Fact | None = None
    reason: UnknownReason = ""
    assumes: Literal["", "independent_rows"] = ""
    slice: str = ""
    window_start: int | None = None
    window_end: int | None = None
    of_window: bool = False
    of_days: bool = True
    timezone: str = "UTC"
    version: str | None = None
    environment: str | None = None
    since_earliest: int | None = None
    later: tuple[LaterFinding, ...] = ()
    cause_until: int | None = None
    cause_kind: ChangeKind | Literal[""] = ""
    but: Fact | None = None
    now: Fact | None = None


class SlicePerformance(Struct, frozen=True):
    """The performance of the model in one slice.

    Attributes:
        rows: Labelled rows.
        predictions: All rows, None if unknown.
    """

    rows: int
    metrics: dict[str, MetricValue]
    predictions: int | None = None


class Curve(Struct, frozen=True):
    """A curve to draw.

    Attributes:
        points: float64 (m, 2); ``x`` and ``y`` are the names of the axes.
        weight: Weight of each point, if known.
        limits: float64 (m, 2), interval of ``y`` at each point, if known.
    """

    x: str
    y: str
    points: F64
    weight: F64 | None = None
    limits: F64 | None = None


class Finding(FactStruct):
    """A data-quality finding of a window that chance and the baseline do not explain.

    Attributes:
        check: Its name in :data:`~driftline_processor.core.quality.judge.CHECKS`.
        features: One, two that were swapped, several that were misplaced, or none for the rows as a whole.
        severity: By the fraction of affected rows.
        was: The compared fraction of the baseline.
        now: The compared fraction of the window.
        p_value: Corrected over features and checks.
        low: For values out of range, the lower end of the normal range; for a constant number, its minimum.
        high: As ``low``, the upper end.
        side: Where values out of range lie: ``below`` ``low``, ``above`` ``high``, or "" for both.
        high_outside: Whether ``high`` itself is out of range.
        infinite: Fraction of the values that are infinite.
        far: Fraction of the values that are at least a million times the maximum of the baseline.
        category: The only category of a constant feature.
        given: The type of values of another type: ``number_in_text``, ``text`` or ``number``.
        factors: Factor of values in another unit; several if they explain the values equally well.
        units: Conversions to another unit, such as "km to miles"; several if they explain the values equally well.
        sources: For misplaced and copied columns, the column whose values each of ``features`` has.
        hours: Number of hours by which hours of the day are later.
        without_zero: Whether zeros, which have no unit, are excluded from ``now``.
        similar: A new feature with a name similar to that of the missing one; "" = none.
        lengths: Whether the values are the lengths of an embedding's vectors.
        numbers: Whether the unseen values are numbers.
        slice: The slice that contains the affected rows; "" = everywhere, or unknown.
    """

    check: str
    features: ColumnNames
    severity: Severity
    was: float | None
    now: float | None
    p_value: float
    low: float | None = None
    high: float | None = None
    side: Literal["", "below", "above"] = ""
    high_outside: bool = False
    infinite: float = 0.0
    far: float = 0.0
    category: str | None = None
    given: str = ""
    factors: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    hours: int = 0
    without_zero: bool = False
    similar: str = ""
    lengths: bool = False
    numbers: bool = False
    slice: str = ""


class Expected(Struct, frozen=True):
    """The result of one expectation in a window.

    Attributes:
        feature: "" for the rows as a whole.
        rule: As written in YAML.
        low: Lower bound of the measured value: equal to ``high`` if exact, None if unknown.
        high: Upper bound of the measured value.
        rows: Number of measured rows.
        measurement: The measured value, or why it is unknown.
    """

    feature: str
    rule: str
    state: Judgement
    low: float | None
    high: float | None
    rows: int
    measurement: Fact


class ObjectiveState(Struct, frozen=True):
    """The result of one objective in a window.

    Attributes:
        rule: As written in the configuration.
        value: The metric, or its change since the baseline.
        low: Lower end of its interval.
        high: Upper end of its interval.
        rows: Effective rows.
        limit: The limit.
        needed: Number of rows needed to decide, None if unknown.
        inconclusive_windows: Consecutive inconclusive windows up to this one; ``alert_after`` of them trigger a
            notification.
        since: Unix nanoseconds, start of the worst period of a rolling objective; 0 = the window.
        until: As ``since``, its end.
        slice: The slice, or the worst one of its key; ``slices`` has the states of all.
        few: Number of slices with too few rows.
        reason: What a longer window would add, if reviewed rows are not what is missing.
        relative: Whether the numbers are changes since the baseline.
        rolling: Whether it applies to every period of a length, not to windows.
        policy: Name of the policy whose limit it is; "" = ``performance.objectives``.
        remarks: Why it is inconclusive, what it is compared with, and the states of other slices.
    """

    metric: str
    rule: str
    state: Judgement
    value: float | None
    low: float | None
    high: float | None
    rows: int
    limit: float | None = None
    needed: int | None = None
    inconclusive_windows: int = 0
    since: int = 0
    until: int = 0
    slice: str = ""
    slices: dict[str, Judgement] = {}
    few: int = 0
    alert_after: int = 0
    reason: InconclusiveReason = ""
    relative: bool = False
    rolling: bool = False
    policy: str = ""
    remarks: tuple[Fact, ...] = ()

    @property
    def overdue(self) -> bool:
        """True if it has been inconclusive for so long that a notification is due."""
        return 0 < self.alert_after <= self.inconclusive_windows


class Change(Struct, frozen=True):
    """A range or category whose fraction of rows changed.

    Attributes:
        where: In the feature's own unit ("below 5", "NO", "missing").
        was: Fraction of the rows with a value, in the baseline; for "missing" of all rows.
        now: The same in the window.
    """

    where: str
    was: float
    now: float


class Cause(FactStruct):
    """One reason why a window differs from the baseline.

    Attributes:
        features: One, or two that were swapped.
        check: The data-quality check that explains it, "" for drift.
        moved: Fraction of rows whose value shifted, less that by chance; missing counts as a value.
        changes: The ranges or categories that changed, the largest change first.
        slice: The affected slice; "" = everywhere, or unknown.
        since: Unix nanoseconds, the start of the first affected time step; None if unknown.
        or_earlier: Whether the first known step is already affected.
        p_value: P-value of the change at ``since``.
        importance: Fraction of the model's importance; ``weight``: fraction of moved × importance over all causes; both
            None if the importance is unknown.
        score_shift: Part of the score's shift that is associated with the feature; None if unknown.
        finding: The finding whose check is ``check``.
        score: The column of ``score_shift``, as :attr:`ColumnDrift.words`.
        timezone: Time zone of ``since``, an IANA name.
    """

    features: ColumnNames
    check: str
    moved: float
    changes: tuple[Change, ...] = ()
    slice: str = ""
    since: int | None = None
    or_earlier: bool = False
    p_value: float | None = None
    importance: float | None = None
    weight: float | None = None
    score_shift: float | None = None
    finding: Finding | None = None
    score: str = "score"
    timezone: str = "UTC"


class Explanation(Struct, frozen=True):
    """The causes of a window's drift.

    Attributes:
        causes: The most important first.
        score: The score column if it drifts, as :attr:`ColumnDrift.words`; else "".
        score_was: Mean score in the baseline; None if unknown.
        score_now: Mean score in the window; None if unknown.
    """

    causes: tuple[Cause, ...]
    score: str = ""
    score_was: float | None = None
    score_now: float | None = None


EstimateMethod = Literal["cbpe", "direct_loss", "importance_weighted", "label_shift"]
Trust = Literal["ok", "failed", "unknown"]
EstimateReason = Literal["too_few_rows", "too_few_days", "not_comparable", "label_shift", "record_failed"]
"""Reason why an estimate has no interval: too few rows or outcomes, too few periods of the reference, rows unlike those
of the reference, outcomes that may have shifted, after which nobody knows what the metric would be, or outcomes of
earlier windows that showed estimates of this metric to be wrong."""

ShiftExplanation = Literal["labels", "inputs", "either"]
"""What explains a shift of the scores: a new rate of positives, shifted inputs, or either."""


class ClassShare(Struct, frozen=True):
    """The fraction of a class.

    Attributes:
        was: Fraction in the baseline.
        now: Fraction in the window, if the distribution within each class is unchanged.
        low: Lower end of the 95 % interval of ``now``.
        high: Upper end of the same interval.
    """

    was: float
    now: float
    low: float
    high: float


class LabelShift(Struct, frozen=True):
    """The rate of positives estimated from a window's scores, and whether it explains their shift.

    For several classes, the class that shifted most significantly; for a regression, the mean of the target.

    Attributes:
        explains: ``labels`` if scores and features shifted as by a new rate of positives; ``inputs`` if they shifted
            otherwise; ``either`` if both explain them.
        was: Rate of positives in the baseline.
        now: Rate of positives in the window, if the distribution within each class is unchanged.
        low: Lower end of the 95 % interval of ``now``.
        high: Upper end of the same interval.
        p_value: P-value of the scores at the baseline's rate.
        fit: P-value of the scores at the estimated rate.
        features: Features that show it.
        class_name: Class of the fraction, for several; "" = the positive one.
        shares: Class → its fraction, for several; {} if decisions separate the classes too badly.
        quantity: The meaning of ``was`` and ``now``: a fraction of the rows, or the mean of the target.
    """

    explains: ShiftExplanation
    was: float
    now: float
    low: float
    high: float
    p_value: float
    fit: float
    features: tuple[str, ...]
    class_name: str = ""
    shares: dict[str, ClassShare] = {}
    quantity: Literal["fraction", "mean"] = "fraction"

    @property
    def is_known(self) -> bool:
        """True if the fractions of the classes are known; decisions may separate classes too badly."""
        return not self.class_name or bool(self.shares)


class TrackRecord(Struct, frozen=True):
    """Earlier estimates of a metric compared with the values that labels showed later.

    Attributes:
        state: ``failed`` once two of the evaluated windows were missed.
        windows: Evaluated windows, at most ten.
        missed: Number of these that the estimate missed by far.
        inside: Fraction of these whose realized value lay within the interval.
        mean_error: Mean of realized less estimated value.
    """

    state: Trust
    windows: int
    missed: int = 0
    inside: float | None = None
    mean_error: float | None = None


UNRECORDED = TrackRecord("unknown", 0)


class Estimate(Struct, frozen=True):
    """A metric of a window without labels, under the assumption that P(y|x) is that of the reference.

    Attributes:
        value: The estimated value.
        low: Lower end of the 95 % interval for the value with labels of all rows. None: see ``reason``.
        high: Upper end of the same interval.
        sampling_error: Standard error from the rows, the reference, and the variance between its days.
        lower_bound: Minimum of a window of as many rows without a change since the reference.
        upper_bound: Maximum of such a window.
        alert: Whether the estimate lies outside the bounds; None if the bounds are unknown.
        rows: Rows of the window in the estimate.
        source: ``rows``, or ``panes``: equivalent sums.
        method: The method of the estimate.
        reference: Realized value of the baseline's rows.
        error: Realized less estimated value of the labelled rows; None below 30 labelled rows.
        error_deviation: Standard error of ``error``.
        record: Track record of the metric's estimates. A failed one triggers no policy.
        reason: Why there is no interval.
    """

    value: float | None
    low: float | None
    high: float | None
    sampling_error: float | None
    lower_bound: float | None
    upper_bound: float | None
    alert: bool | None
    rows: int
    source: Source
    method: EstimateMethod
    reference: float | None = None
    error: float | None = None
    error_deviation: float | None = None
    record: TrackRecord = UNRECORDED
    reason: EstimateReason | None = None


class GroupRate(Struct, frozen=True):
    """A rate of one group of people, with its interval.

    Attributes:
        value: The rate; None if it is not defined.
        rows: Rows in the denominator; Kish's effective number if rows are weighted.
        low: Lower end of the interval (:func:`.intervals.confidence.wilson`).
        high: Upper end of the interval.
    """

    value: float | None
    rows: float
    low: float | None = None
    high: float | None = None


class GroupRates(Struct, frozen=True):
    """All rates of one group.

    Attributes:
        value: The attribute's value that names the group.
        rows: Labelled rows of the group.
        rates: selection_rate, true_positive_rate, false_positive_rate, precision and accuracy.
    """

    value: str
    rows: int
    rates: dict[str, GroupRate]


class GroupComparison(Struct, frozen=True):
    """A rate of one group compared with that of another: the difference or the ratio, and its interval.

    Attributes:
        group: The compared group.
        rate: Name of the rate.
        value: Difference or ratio of the two rates.
        low: Lower end of the interval.
        high: Upper end of the interval; None without one.
        state: Whether the whole interval is within the criterion's limit.
        compared_with: The other group.
    """

    group: str
    rate: str
    value: float | None
    low: float | None
    high: float | None
    state: Judgement
    compared_with: str


Basis = Literal["predictions", "labelled rows"]


class FairnessCriterion(Struct, frozen=True):
    """One fairness criterion between all groups of an attribute.

    Attributes:
        name: A key of :data:`.fairness.criteria.CRITERIA`.
        basis: The rows that rates are computed from.
        state: Broken if one comparison is; met if all are.
        difference: Maximum less minimum rate; with a named reference group, that of the group furthest from it.
        ratio: Minimum divided by maximum rate; with a named reference group, that of the group furthest from it.
        limit: The maximum difference, or minimum ratio, of each comparison.
        comparisons: Each group compared with another.
        low: Lower end of the interval of ``difference``; for ``disparate_impact`` that of ``ratio``. The intervals of
            all windows of thirty days together have the model's confidence.
        high: Upper end of that interval; None if a group has no rows.
    """

    name: str
    basis: Basis
    state: Judgement
    difference: float | None
    ratio: float | None
    limit: float
    comparisons: tuple[GroupComparison, ...]
    low: float | None = None
    high: float | None = None


class Fairness(Struct, frozen=True):
    """Fairness between the groups of one attribute.

    Attributes:
        attribute: The attribute that defines the groups.
        reference: The named reference group; "" if none is named or it has no rows.
        coverage: Fraction of all rows with a known attribute.
        labelled_coverage: Fraction of the labelled rows with a known attribute.
        groups: Rates by group.
        criteria: Results by criterion.
    """

    attribute: str
    reference: str
    coverage: float | None
    labelled_coverage: float | None
    groups: tuple[GroupRates, ...]
    criteria: tuple[FairnessCriterion, ...]


class Delay(Struct, frozen=True):
    """The delay of a window's known outcomes.

    A quantile is the upper end of its bin of :data:`.labels.delay.BOUNDS`; None beyond the last.

    Attributes:
        rows: Outcomes with a known time.
        median: Seconds.
        p90: Seconds.
        p99: Seconds.
    """

    rows: int
    median: int | None
    p90: int | None
    p99: int | None


class SlaResult(Struct, frozen=True):
    """The result of the SLA on the arrival of a window's outcomes.

    Attributes:
        state: Whether the SLA was met.
        within: Maximum delay of outcomes, nanoseconds.
        coverage: Required fraction of predictions with an outcome in time.
        low: Minimum fraction of predictions with an outcome in time.
        high: Maximum fraction, including outcomes that can still arrive in time.
        rows: Predictions that can have outcomes.
    """

    state: Judgement
    within: int
    coverage: float
    low: float
    high: float
    rows: int


ComparedOutcomes = Literal["actual_rate", "error_rate", "mean_actual", "mae"]


class FastLabels(FactStruct):
    """Comparison of fast outcomes with slow ones.

    Attributes:
        until: The last cohort of the fast half, by delay.
        differ: Whether the halves differ significantly.
        metric: The metric by which they differ most.
        fast: Value of the metric among fast outcomes.
        slow: Value of the metric among slow outcomes.
        fast_rows: Fast outcomes.
        slow_rows: Slow outcomes.
        p_value: Corrected over the tested metrics.
    """

    until: str
    differ: bool
    metric: ComparedOutcomes
    fast: float
    slow: float
    fast_rows: int
    slow_rows: int
    p_value: float


class SliceCondition(Struct, frozen=True):
    """A condition on one feature that all rows of a weak slice meet.

    Attributes:
        feature: Name of the feature.
        text: The condition in words, without the feature.
        low: Minimum, included; None without a bound.
        high: Maximum, excluded; None without a bound.
        category: The category.
        absent: "missing": no value; "invalid": a value of another type.
    """

    feature: str
    text: str
    low: float | None = None
    high: float | None = None
    category: str | None = None
    absent: Literal["", "missing", "invalid"] = ""


class WeakSlice(Struct, frozen=True):
    """Rows on which the model performs worse than on all others.

    Attributes:
        by: The compared loss.
        conditions: One or two, all of which apply.
        rows: Labelled rows of the slice.
        value: Mean loss on the confirmation rows, which were not used in the search.
        low: Lower end of the 95 % interval of ``value``.
        high: Upper end of the same interval.
        rest: Mean loss of the rows outside the slice.
        p_value: Corrected over all tested slices.
        excess: Fraction of the total loss above the level of the other rows.
    """

    by: RowLoss
    conditions: tuple[SliceCondition, ...]
    rows: int
    value: float
    low: float
    high: float
    rest: float
    p_value: float
    excess: float

    @property
    def name(self) -> str:
        """The conditions of the slice as text.

        >>> condition = SliceCondition("age", "below 25", high=25.0)
        >>> WeakSlice("error", (condition,), 900, 0.3, 0.2, 0.4, 0.1, 1e-6, 0.1).name
        'age below 25'
        """
        return " and ".join(f"{condition.feature} {condition.text}" for condition in self.conditions)


class WeakSearch(Struct, frozen=True):
    """The result of a search for weak slices.

    Attributes:
        slices: Confirmed slices, the largest excess first.
        rows: Labelled rows in the search.
        features: Features in the search.
        pairs: Pairs of features in the search.
    """

    slices: tuple[WeakSlice, ...]
    rows: int
    features: int
    pairs: int


class SliceChange(Struct, frozen=True):
    """Rows on which the model became worse, more than on all other rows.

    Attributes:
        name: The slice: ``key=value``, or a feature and its range.
        features: The feature, or the slice key.
        by: The compared loss; a log loss is at most 7.
        rows: Labelled rows of the slice.
        was: Mean loss of the slice in the baseline.
        now: Mean loss of the slice in the window.
        low: Lower end of the 95 % interval of ``now - was``.
        high: Upper end of the same interval.
        rest_was: Mean loss of all other rows in the baseline.
        rest_now: Mean loss of all other rows in the window.
        share: Fraction of the significant rise of the loss that is in the slice, 0.5 to 1.
        p_value: Of the difference between both changes, corrected over all searched slices.
        since: When the rise began, at the latest, unix nanoseconds; None if rows have no time.
        since_earliest: The earliest beginning that the days leave open, if it is before ``since``; else None.
        days: Length of the compared period in days: since the likeliest beginning.
        is_mixed: Whether it is of rare and new categories, so that ``was`` is the loss of the rare ones alone.
    """

    name: str
    features: tuple[str, ...]
    by: RowLoss
    rows: int
    was: float
    now: float
    low: float
    high: float
    rest_was: float
    rest_now: float
    share: float
    p_value: float
    since: int | None = None
    since_earliest: int | None = None
    days: int = 1
    is_mixed: bool = False


class DriftSummary(Struct, frozen=True, eq=False):
    """The drift of a window without drawings, for charts of many windows: a tenth of the memory.

    Attributes:
        places: Feature → its index in all arrays.
        states: State of each feature.
        sizes: Size category of each feature.
        moved: float64 (n,), size of each shift (:func:`size_of`); NaN if unknown.
        values: float64 (n,), the deciding statistic; NaN without one.
        p_values: float64 (n,), its p-value, likewise.
        missing_was: float64 (n,), fraction of missing and invalid values of the baseline, likewise.
        missing: float64 (n,), the same in the window.
        rows: int64 (n,), rows with a usable value.
        overall: The one state of the window.
        reason: The most frequent reason of inconclusive columns.
        drifted: Features in state drift.
        compared: Features that could be compared with the baseline.
        slices: Slices in state drift.
        score: State of the score, and its PSI; None without a score.
        predicted: The same for the predicted class.
    """

    places: dict[str, int]
    states: tuple[State, ...]
    sizes: tuple[Size, ...]
    moved: F64
    values: F64
    p_values: F64
    missing_was: F64
    missing: F64
    rows: I64
    overall: State
    reason: InconclusiveReason
    drifted: int
    compared: int
    slices: int
    score: tuple[State, float | None] | None
    predicted: tuple[State, float | None] | None

    def of(self, feature: str, numbers: F64) -> float | None:
        """Return the value of a feature in one of these arrays; None if unknown."""
        index = self.places.get(feature)
        value = math.nan if index is None else numbers.item(index)
        return None if math.isnan(value) else value

    def state(self, feature: str) -> State | None:
        """Return the state of a feature; None if it has none."""
        index = self.places.get(feature)
        return None if index is None else self.states[index]


_CERTAIN_FIRST: tuple[State, ...] = ("drift", "ok", "within_normal_variation", "inconclusive")
"""States of columns in order of precedence for the window."""


def size_of(column: ColumnDrift) -> float | None:
    """Return the size of a column's shift: its PSI, else its deciding effect; None if unknown."""
    psi = column.methods.get("psi")
    size = column.effect if psi is None else psi.value
    return size if size is not None and math.isfinite(size) else None


def summarize_drift(evaluation: Evaluation) -> DriftSummary:
    """Return the drift of a window without drawings."""
    features, unknown = evaluation.features, MethodValue(None)
    columns = list(features.values())
    deciding = [column.methods.get(column.decided_by, unknown) for column in columns]
    states, outputs = Counter(column.state for column in columns), (evaluation.score, evaluation.predicted)
    slices = sum(column.state == "drift" for column in evaluation.slices.values())
    everything = [*columns, *(output for output in outputs if output is not None)]
    states_seen = {column.state for column in everything} | ({"drift"} if slices else set())
    reason = Counter(column.reason for column in everything if column.state == "inconclusive")
    return DriftSummary(
        dict(zip(features, range(len(columns)), strict=True)),
        tuple(column.state for column in columns),
        tuple(column.size for column in columns),
        _numbers([size_of(column) for column in columns]),
        _numbers([column.value for column in deciding]),
        _numbers([column.p_value for column in deciding]),
        _numbers([column.missing_was for column in columns]),
        _numbers([column.missing_now for column in columns]),
        np.array([column.rows for column in columns], np.int64),
        next((state for state in _CERTAIN_FIRST if state in states_seen), "no_baseline"),
        reason.most_common(1)[0][0] if reason else "",
        states["drift"],
        states["ok"] + states["within_normal_variation"] + states["drift"],
        slices,
        *(None if output is None else (output.state, output.methods.get("psi", unknown).value) for output in outputs),
    )


def _numbers(values: list[float | None]) -> F64:
    return np.array(values, np.float64)  # None becomes NaN


class Evaluation(Struct, dict=True):
    """The result of evaluating one window of one model version.

    Attributes:
        key: Model and version.
        window: The window.
        rows: Predictions in the window.
        closed: Whether event time has passed the window's end and its grace.
        features: Drift by feature.
        score: Drift of the score.
        predicted: Drift of the predicted class.
        fraction: Drifted features divided by features that could be evaluated.
        weighted_fraction: The same, weighted by importance to the model; None if importance is unknown.
        incident: Columns with lasting drift → start of the first window, unix nanoseconds. A column is the name of its
            part of a pane (``feature:NAME``, ``score``, ``class``); `` where SLICE`` follows for a slice.
        lasting: Lasting shifts, by evidence that is valid at any time; None if nothing can be monitored.
        realized: Performance from outcomes, by metric.
        reference: Performance of the baseline's rows, by metric.
        skill: Value of each metric of all of the baseline's outcomes together, and that of the best constant prediction
            on them, for metrics that one has.
        outcome_rows: Predictions with a known outcome.
        outcome_span: Start of the first block of time with known outcomes and end of the last, unix nanoseconds; None
            without any, or if rows have no time.
        coverage: Fraction of predictions with a known outcome.
        missing_features: Features of the baseline without any value.
        new_features: Features that the baseline lacks.
        distributed: Rows known from distributions only, without a record.
        findings: Data-quality findings (:mod:`.quality`), the most severe first.
        baseline_version: The version that the baseline was made for; None without a baseline.
        compared: How the reference of the comparison differs from the baseline; () = not at all.
        rolling_drift: Whether a column drifts from the rolling reference, so that later ones leave the window out.
        joint: Drift of all features together, by method.
        slices: Drift by ``key=value``.
        expected: Results of expectations of the data (:mod:`.expectations`).
        explanation: Causes of the drift (:mod:`.explain`); None without drift.
        maturity: Whether the window is open, waits for outcomes, or its performance is final.
        estimated: Performance of all rows without labels (:mod:`.estimate`), by metric.
        weighted: The same by importance weighting, on request.
        label_shift: The rate of positives estimated from the scores, if it changed significantly.
        performance_slices: Performance by ``key=value``.
        ages: Performance by the delay of outcomes.
        fast_labels: Whether fast outcomes differ from slow ones.
        weak: Weak slices (:mod:`.weak_slices`); None without rows.
        slice_change: The slice in which the model became worse; None without one.
        delay: Delay of outcomes.
        label_sla: Result of the SLA on the arrival of outcomes.
        fairness: Fairness by attribute.
        curves: Curves of a binary classifier, by name.
        positive_class: Name of the positive class for sentences; "" without one.
        confusion: Weight by actual (row) and predicted class, float64 (k, k).
        immature: Why performance is not final; () if it is.
        unreviewed: Decisions without any known outcome → their predictions.
        young: Whether outcomes may still arrive.
        objectives: States of the objectives of metrics.
        realized_changes: Realized metrics compared with the baseline's, by metric.
        estimated_changes: Estimated metrics compared with the baseline's, by metric.
        level: The mean score less the actual rate, compared with the baseline's: ``worse`` if a binary model's scores
            are significantly too high or too low; None if unknown.
        constant_comparison: The log loss of a binary model less that of a constant, on the same rows: ``worse`` if it
            is significantly greater; None if unknown.
        service: Service level; None without calls.
        service_slices: The same by ``key=value``.
        loss_evidence: What its labelled rows show about the cause of a loss; None without a loss, or without rows.
        change_kind: The kind of change of the window; None without a change, or if unknown.
        verdict: The verdict by this window; None if not computed.
    """

    key: ModelKey
    window: Window
    rows: int
    closed: bool
    features: dict[str, ColumnDrift] = {}
    score: ColumnDrift | None = None
    predicted: ColumnDrift | None = None
    fraction: float | None = None
    weighted_fraction: float | None = None
    incident: dict[str, int] = {}
    lasting: LastingDrift | None = None
    realized: dict[str, MetricValue] = {}
    reference: dict[str, MetricValue] = {}
    skill: dict[str, tuple[float, float]] = {}
    outcome_rows: int = 0
    outcome_span: tuple[int, int] | None = None
    coverage: float | None = None
    missing_features: tuple[str, ...] = ()
    new_features: tuple[str, ...] = ()
    distributed: int = 0
    findings: tuple[Finding, ...] = ()
    baseline_version: str | None = None
    compared: tuple[Fact, ...] = ()
    rolling_drift: bool = False
    joint: dict[str, JointDrift] = {}
    slices: dict[str, SliceDrift] = {}
    expected: tuple[Expected, ...] = ()
    explanation: Explanation | None = None
    maturity: Maturity = "mature"
    estimated: dict[str, Estimate] = {}
    weighted: dict[str, Estimate] = {}
    label_shift: LabelShift | None = None
    performance_slices: dict[str, SlicePerformance] = {}
    ages: dict[str, SlicePerformance] = {}
    fast_labels: FastLabels | None = None
    weak: WeakSearch | None = None
    slice_change: SliceChange | None = None
    delay: Delay | None = None
    label_sla: SlaResult | None = None
    fairness: tuple[Fairness, ...] = ()
    curves: dict[str, Curve] = {}
    positive_class: str = ""
    confusion: F64 | None = None
    immature: tuple[Fact, ...] = ()
    unreviewed: dict[str, int] = {}
    young: bool = False
    objectives: tuple[ObjectiveState, ...] = ()
    realized_changes: dict[str, MetricChange] = {}
    estimated_changes: dict[str, MetricChange] = {}
    level: MetricChange | None = None
    constant_comparison: MetricChange | None = None
    service: ServiceLevel | None = None
    service_slices: dict[str, ServiceLevel] = {}
    loss_evidence: LossEvidence | None = None
    change_kind: KindOfChange | None = None
    verdict: Verdict | None = None

    @property
    def has_mature_outcomes(self) -> bool:
        """True if the outcomes are complete and not empty."""
        return self.maturity == "mature" and bool(self.outcome_rows)

    @cached_property
    def business(self) -> Mapping[str, float]:
        """Business series of the window by name; {} without any."""
        return {}

    @cached_property
    def drift(self) -> DriftSummary:
        """The drift of the window without drawings."""
        return summarize_drift(self)


def newest_closed(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """Return the newest closed window; None without one.

    Args:
        evaluations: Windows of one length, the oldest first.
    """
    return next((evaluation for evaluation in reversed(evaluations) if evaluation.closed), None)


def newest_window(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the window that every surface shows first: the newest closed one, else the open one.

    Args:
        evaluations: Windows of one length, the oldest first; at least one.
    """
    return newest_closed(evaluations) or evaluations[-1]
