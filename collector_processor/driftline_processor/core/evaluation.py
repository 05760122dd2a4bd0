"""The result of judging one window: what pages, exporters, JSON and `driftline top` show.

All types of a result are defined here, so that rooms can return them without knowing each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
from driftline.tables.table import F64, I64, ModelKey
from msgspec import Struct, field, structs

from driftline_processor.core.facts import Fact
from driftline_processor.core.windows.window import Window

State = Literal["ok", "within_normal_variation", "drift", "inconclusive", "no_baseline"]
InconclusiveReason = Literal["", "too_few_rows", "too_few_days", "not_comparable"]
"""Why a state is inconclusive; of ``not_comparable``, the values or the rows do not allow a comparison at all."""
Size = Literal["", "small", "moderate", "large"]
Source = Literal["rows", "panes"]
Maturity = Literal["open", "immature", "mature"]
Judgement = Literal["met", "broken", "inconclusive"]
Severity = Literal["minor", "major", "critical"]
BaselineComparison = Literal["worse", "not_worse", "inconclusive"]
ChangeReason = Literal[
    "service_changed",
    "data_faulty",
    "meaning_changed",
    "proportions_changed",
    "proportions_changed_by_scores",
    "inputs_moved",
    "inputs_moved_as_expected",
    "inputs_or_proportions_moved",
    "inputs_moved_without_outcomes",
]
ChangeKind = Literal["data_fault", "covariate_shift", "label_shift", "concept_change", "service"]
VerdictState = Literal["healthy", "degraded", "at_risk", "unknown", "no_data", "lagging"]


class MethodValue(Struct, frozen=True):
    """A drift statistic. ``p_value`` (corrected over the features of the window) only where it decides."""

    value: float | None
    p_value: float | None = None


class ColumnDrift(Struct, frozen=True):
    """Drift of one column: a feature, the score or the predicted class.

    Attributes:
        decided_by: The one method that decides ("ks", "chi2", ...), the first of ``methods``.
        rows: Rows with a usable value.
        effect: The deciding effect less its expectation without drift.
        size: The word for PSI less its null mean.
        reason: What lacks where the state is ``inconclusive``; of a ``drift``, ``too_few_days`` where the reference
            cannot say whether its own time does this by itself.
        detectable_change: Smallest shift, in standard deviations of the reference, that would have been drift in this
            window.
        alike: How many of the reference's own windows of this length differ from the rest of it as much as this one,
            and how many it holds; None where it holds too few to say.
        was: Shares over ``cells`` display cells of the baseline and of the window; ``cells`` are their labels ("12.5 –
            20", "AA").
        now: As ``was``.
        missing_was: Shares of missing and invalid values.
        missing_now: Shares of missing and invalid values.
        design_effect: How many rows, which resemble each other, count as one; 1 when they are independent.
        blocks: The least and the greatest PSI, less its mean by chance, of the reference's own windows of this length
            against the rest of it.
        p_normal_variation: That the reference's own windows of this length differ from it as much, corrected over the
            features of the window; None where the reference cannot say.
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

    @property
    def words(self) -> str:
        """What sentences call the column: its name, else score or predicted class."""
        return self.name or {"class": "predicted class"}.get(self.column, "score")


class LastingShift(Struct, frozen=True):
    """A shift of one column that lasts over windows, by evidence that holds at any time (:mod:`.drift.lasting`).

    Attributes:
        state: ``drift`` from the window on at which the evidence was enough, until thirty windows speak against it;
            ``not_found`` says nothing of single windows, which may be drift each; ``inconclusive`` where the reference
            does not know how its own stretches differ.
        measure: What shifted most: ``level`` or ``spread`` of a number, in standard deviations of the reference; of
            labels the label, in shares.
        shift: Its mean over the windows of the evidence.
        windows: How many these are, in steps of a window or of a stretch of the reference, whichever is longer.
        since: Start of the first of them, unix nanoseconds; None where nothing is told.
        evidence: Natural logarithm of the evidence, corrected over all columns; from 4.6 on it is ``drift``.
        found: End of the window at which it was enough; None where it is not.
        reason: What the reference lacks where the state is ``inconclusive``: ``no_times`` or ``too_few_days``.
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
    """What is watched over windows, and the reference's own stretches of their length.

    Attributes:
        names: The part of each of s score functions.
        measures: What each measures.
        unit: float64 (s,), what a unit of each is worth to people.
        facts: float64 (s, 7), of the reference (:data:`.drift.lasting.BETWEEN`).
        step: Nanoseconds of a step.
    """

    names: tuple[str, ...]
    measures: tuple[str, ...]
    unit: F64
    facts: F64
    step: int


class LastingDrift(Struct, frozen=True, eq=False):
    """The evidence of a model's windows so far for shifts that last, and what the next window continues from.

    Attributes:
        of: A digest of what windows must share for their evidence to be added up; "" where nothing can be watched.
        parts: The parts of a pane that are columns, those that lack something behind the others.
        scores: What this window adds: the mean of each score function, in hundredths of its standard error of rows.
        rows: Effective rows of each column that is watched; one number where all have the same.
        reason: What the reference lacks to tell of each part, ``no_times`` or ``too_few_days``; () where it lacks
            nothing.
        measures: Of each column that is watched what shifted most; () before the first step.
        shifts: How far.
        steps: Over how many steps.
        recent: 1 where these are those of the epoch, 0 of all steps.
        evidence: Natural logarithms.
        found: Columns that have shifted: since when, and the end of the window at which that was found.
        epoch: Number of the stretch of thirty steps.
        began: Starts of all evidence, and of that of the epoch.
        anew: Columns whose evidence began later, after a shift that ended.
        step_began: Start of the step that is not complete; -1 where that has no rows yet.
        number: How many windows came before, since the evidence began.
        varies: Whether the reference is another one in each window.
        memory: float64 (s, 17), sums so far; of most stored windows not kept, and worked out again when needed.
        functions: What is watched; not stored, unless it varies.
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
        """Return True where both say the same of every part; what the next window continues from may differ."""
        return isinstance(other, LastingDrift) and self._evidence() == other._evidence()

    def __hash__(self) -> int:
        return hash((self.of, self.parts, self.number))

    def _evidence(self) -> tuple[object, ...]:
        return structs.astuple(self)[:-2]

    @property
    def columns(self) -> dict[str, LastingShift]:
        """Return what is told of each column, by the name of its part."""
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
    """Drift in one slice of a window, judged in one family with all rows and the other slices.

    Attributes:
        state: Drift where any column drifts, else ok where any could be judged.
        reason: What lacks where the state is ``inconclusive``.
        compared: With what, where that is not the same slice of the baseline: then nothing is decided
            (``no_baseline``).
        evaluated: Features that could be evaluated.
        fraction: The fraction of them that drifted.
        features: Without their drawings; what the service keeps holds only the features that drift.
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
        """Return it with those features alone that drift: forty slices of every window are kept for months."""
        drifting = {name: column for name, column in self.features.items() if column.state == "drift"}
        return structs.replace(self, features=drifting)


class DriftContributor(Struct, frozen=True):
    """A feature, or a pair, that gives drift away.

    Attributes:
        value: How far, in the unit of what was compared.
        p_value: Corrected over all pairs, of a pair that was tested.
    """

    features: tuple[str, ...]
    value: float
    was: float | None = None
    now: float | None = None
    p_value: float | None = None


class JointDrift(Struct, frozen=True):
    """The drift that one multivariate method (:mod:`.drift.multivariate`) found in a window.

    Attributes:
        rows: The (effective) rows of the smaller side.
        value: How far, in the method's unit, None where something else moves it, too (``not_comparable``).
        p_value: Corrected over the methods.
        was: What was compared.
        now: What was compared.
        contributors: The features, or pairs, that changed most, the largest change first.
        changed_pairs: How many pairs changed significantly.
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
        bound: How far the value from panes can be from the one from rows; 0 when exact.
        low: The ends of its interval, None where it is not known.
        high: The ends of its interval, None where it is not known.
        interval: The method it comes from, "" where there is none.
        effective_rows: How many rows of equal weight say as much, None where nobody asked.
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
"""The name that functions of users return by."""


class MetricChange(Struct, frozen=True):
    """A metric of a window compared with the baseline's, without an objective.

    Attributes:
        state: ``worse`` where the whole interval of the change is on the bad side, by at least what matters;
            ``not_worse`` where such a change would have been seen; else ``inconclusive``.
        change: Value less that of the baseline, in the metric's unit.
        low: Lower end of the interval of the change.
        high: Upper end of the same interval.
        p_value: That the metric is no worse, corrected over the metrics of the window.
        least: Smallest worsening that the window would have shown; None where that is not known.
        reason: What lacks where the state is ``inconclusive``.
    """

    state: BaselineComparison
    change: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    least: float | None = None
    reason: InconclusiveReason = ""


class ServiceLevel(Struct, frozen=True):
    """How the service answered: calls, failures and latency.

    Attributes:
        calls: Calls of predict, failed ones included.
        failed: Calls that raised.
        errors: ``error.type`` → failed calls.
        values: ``error_rate`` (a share), ``latency_p50``, ``latency_p95`` and ``latency_p99`` (seconds) with intervals.
            Only what the rows tell.
    """

    calls: int
    failed: int
    errors: dict[str, int] = {}
    values: dict[str, MetricValue] = {}


class KindOfChange(Struct, frozen=True):
    """What kind of change a window shows.

    Attributes:
        kind: The one kind that the evidence supports most.
        reason: How the evidence shows it: what changed, and whether data alone can tell.
        evidence: What shows it, the most telling first.
    """

    kind: ChangeKind
    reason: ChangeReason
    evidence: tuple[Fact, ...]


class Verdict(Struct, frozen=True):
    """Whether a model is still healthy: the one answer that every surface shows.

    Attributes:
        state: ``healthy``, ``degraded`` (outcomes or the service show it), ``at_risk`` (the rows moved, the truth is
            not here yet), ``unknown``, ``no_data`` (no traffic where there was), ``lagging`` (windows wait).
        since: Unix nanoseconds, from when on the state holds; None where it is not known.
        metric: What ``effect`` is measured by, a metric, or a method of drift; "" where there is none.
        effect: How large, in the metric's unit; None where there is none.
        low: Lower end of the interval of ``effect``.
        high: Upper end of the same interval.
        kind: What kind of change it is; "" where none is known.
        cause: The first cause; None where none is known.
        reasons: What shows the state, and what explains it, the most telling first.
        certainty: How certain the state is, and what stays open.
        advice: What to do.
        slice: The slice it is about; "" = all rows.
        window_start: Start of the window that decided, unix nanoseconds; None where none did.
        window_end: End of the same window.
        of_window: Whether the verdict is about the rows of that window alone: no other says since when it is so.
        of_days: Whether the window is a day or longer, so that hours say nothing of it.
        timezone: The clock of its times, an IANA name.
        version: The version it is about, of a model with several; None of a model with one.
        environment: The environment, likewise.
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
    slice: str = ""
    window_start: int | None = None
    window_end: int | None = None
    of_window: bool = False
    of_days: bool = True
    timezone: str = "UTC"
    version: str | None = None
    environment: str | None = None


class SlicePerformance(Struct, frozen=True):
    """The performance of the model in one slice.

    Attributes:
        rows: Labelled ones.
        predictions: All, None where not known.
    """

    rows: int
    metrics: dict[str, MetricValue]
    predictions: int | None = None


class Curve(Struct, frozen=True):
    """A curve to draw.

    Attributes:
        points: float64 (m, 2), ``x`` and ``y`` say of what.
        weight: Of each, if told.
        limits: float64 (m, 2), between which the true ``y`` of each is, if told.
    """

    x: str
    y: str
    points: F64
    weight: F64 | None = None
    limits: F64 | None = None


class Finding(Struct, frozen=True):
    """Something wrong with the data of a window, beyond what chance and the baseline explain.

    Attributes:
        check: Its name in :data:`~driftline_processor.core.quality.judge.CHECKS`.
        features: One, two that were swapped, or none: the rows as a whole.
        severity: By the share of rows concerned.
        was: The shares that were compared.
        now: The shares that were compared.
        p_value: Corrected over features and checks.
        low: Of values out of range, the least usual value; of a constant number, the least value it may have.
        high: As ``low``, the greatest.
        side: Where values out of range lie: ``below`` ``low``, ``above`` ``high``, or "" for both.
        infinite: Fraction of the values that are infinite.
        far: Fraction of the values that are a million times the largest of the baseline, or more.
        category: The category that all values of a constant feature are.
        given: What values of another type are: ``number_in_text``, ``text`` or ``number``.
        factors: How many times what they were values in another unit are; several explain them as well.
        without_zero: Whether zeros, which have no unit, are left out of ``now``.
        similar: A new feature whose name is similar to that of the missing one; "" = none.
        lengths: Whether the values are the lengths of an embedding's vectors.
        numbers: Whether the unseen values are numbers.
    """

    check: str
    features: tuple[str, ...]
    severity: Severity
    was: float | None
    now: float | None
    p_value: float
    low: float | None = None
    high: float | None = None
    side: Literal["", "below", "above"] = ""
    infinite: float = 0.0
    far: float = 0.0
    category: str | None = None
    given: str = ""
    factors: tuple[float, ...] = ()
    without_zero: bool = False
    similar: str = ""
    lengths: bool = False
    numbers: bool = False

    @property
    def fact(self) -> Fact:
        """The finding as a fact."""
        return Fact("finding", structs.asdict(self))


class Expected(Struct, frozen=True):
    """The result of one expectation in a window.

    Attributes:
        feature: "" for the rows as a whole.
        rule: As YAML writes it.
        low: What was measured lies between them: equal where it is exact, None where nothing is known.
        high: As ``low``.
        rows: Those it was measured on.
        measurement: What was measured, or why nothing is known.
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
        rule: As one writes it.
        value: Of the metric, or of its change since the baseline.
        low: Of the metric, or of its change since the baseline.
        high: Of the metric, or of its change since the baseline.
        rows: Those that say something of it, effective ones.
        limit: What they are compared with.
        needed: How many would tell, None where that is not known.
        inconclusive_windows: Windows in a row, up to this one, that are inconclusive; ``alert_after`` so many are too
            many.
        since: Unix nanoseconds, the stretch of a rolling objective that is worst; 0 = the window.
        until: As ``since``.
        slice: The one that it is of, or the worst of those of its key, whose states are ``slices``.
        few: How many more have too few rows to be judged.
        reason: What a longer window would have more of, where it is not reviewed rows that lack.
        relative: Whether the numbers are those of the change since the baseline.
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
    remarks: tuple[Fact, ...] = ()

    @property
    def overdue(self) -> bool:
        """Return True where nobody could tell for so long that somebody has to know."""
        return 0 < self.alert_after <= self.inconclusive_windows


class Change(Struct, frozen=True):
    """A range or label whose share of rows changed.

    Attributes:
        where: In the feature's own unit ("below 5", "NO", "missing").
        was: The share of the rows that have a value, in the baseline and in the window; of "missing" that of all rows.
        now: As ``was``.
    """

    where: str
    was: float
    now: float


class Cause(Struct, frozen=True):
    """One reason why a window is not like the baseline.

    Attributes:
        features: One, or two that were swapped.
        check: The finding about the data that explains it, "" for drift.
        moved: The share of rows whose value moved, less what chance moves; what was missing counts as a value.
        changes: Where from and where to, the most telling first.
        slice: The one in which it is; "" = everywhere, or not known.
        since: Unix nanoseconds, the start of the first step of time that is so; None where it is not known.
        or_earlier: The first step that is known is so already.
        p_value: That of the change at ``since``.
        importance: Share of the model's importance, ``weight``: share of moved × importance of all causes; both None
            where the importance of the features is unknown.
        score_shift: The part of the score's shift that goes with the feature; None where it is not known.
        finding: The finding whose check is ``check``.
        score: The column whose shift ``score_shift`` is a part of, as :attr:`ColumnDrift.words`.
        timezone: The clock of ``since``, an IANA name.
    """

    features: tuple[str, ...]
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
        causes: Those that count most first.
        score: The column of the score where it drifts, as :attr:`ColumnDrift.words`; "" where it does not.
        score_was: The mean score in the baseline and in the window; None where it is not known.
        score_now: As ``score_was``.
    """

    causes: tuple[Cause, ...]
    score: str = ""
    score_was: float | None = None
    score_now: float | None = None


EstimateMethod = Literal["cbpe", "direct_loss", "importance_weighted", "label_shift"]
Trust = Literal["ok", "failed", "unknown"]
EstimateReason = Literal["too_few_rows", "not_comparable", "label_shift"]
"""Why an estimate is inconclusive: it has no interval."""
"""Reason why an estimate has no interval: too few rows or outcomes, rows unlike those of the reference, or outcomes
that may have shifted, after which nobody knows what the metric would be."""

ShiftExplanation = Literal["labels", "inputs", "either"]
"""What explains that scores moved: a new share of positives, inputs that moved, or nobody can tell."""


class ClassShare(Struct, frozen=True):
    """The share of a class.

    Attributes:
        was: Share in the baseline.
        now: Share in the window, if each class is as it was.
        low: Lower end of the 95 % interval of ``now``.
        high: Upper end of the same interval.
    """

    was: float
    now: float
    low: float
    high: float


class LabelShift(Struct, frozen=True):
    """The share of positives that a window's scores tell, and whether it explains that they moved.

    Of several classes, the share of the one that moved most significantly; of a regression, the mean of the target.

    Attributes:
        explains: ``labels`` where scores and features moved as a new share of positives moves them; ``inputs`` where
            they moved otherwise; ``either`` where both explain them.
        was: Share of positives in the baseline.
        now: Share of positives in the window, if each class is as it was.
        low: Lower end of the 95 % interval of ``now``.
        high: Upper end of the same interval.
        p_value: Of the scores, while the share is the baseline's.
        fit: Of the scores, while the re-mixed scores of the baseline are theirs.
        features: Features that tell it.
        class_name: Class whose share it is, of several; "" = the positive one.
        shares: Class → its share, of several; {} where the decisions tell classes apart too badly to say.
        quantity: What ``was`` and ``now`` are: a fraction of the rows, or the mean of the target.
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
    def fact(self) -> Fact:
        """The shift as a fact."""
        names = ("explains", "was", "now", "low", "high", "features", "class_name", "quantity")
        return Fact("label_shift", {name: getattr(self, name) for name in names} | {"known": self.is_known})

    @property
    def is_known(self) -> bool:
        """Whether the shares of the classes are known: decisions can tell classes apart too badly."""
        return not self.class_name or bool(self.shares)


class TrackRecord(Struct, frozen=True):
    """Earlier estimates of a metric compared with the values that labels showed later.

    Attributes:
        state: ``failed`` once two of the judged windows were missed.
        windows: Judged windows, ten at most.
        missed: How many of the judged windows the estimate missed by far.
        inside: Share of the judged windows whose realized value lay within the interval.
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
        low: Lower end of the 95 % interval for the value that labels of all rows would show. None: ``reason`` says why.
        high: Upper end of the same interval.
        sampling_error: Standard error: chance of the rows, chance of the reference, differences between its days.
        lower_bound: Least value of a window of as many rows while nothing has changed since the reference.
        upper_bound: Greatest value of such a window.
        alert: Whether the estimate lies beyond the bounds; None where the bounds are unknown.
        rows: Rows of the window that the estimate is made from.
        source: ``rows``, or ``panes``: sums that say as much.
        method: How the estimate was made.
        reference: Realized value of the baseline's rows.
        error: Realized less estimated value of the labelled rows; None while fewer than 30 are labelled.
        error_deviation: Standard error of ``error``.
        record: Track record of the metric's estimates. A failed one drives no policy.
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
        value: The rate; None where it is not defined.
        rows: Rows that the rate is a share of; Kish's effective number where rows are weighted.
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
        group: The group that is compared.
        rate: Name of the rate.
        value: Difference or ratio of the two rates.
        low: Lower end of the interval.
        high: Upper end of the interval; None where there is none.
        state: Whether the whole interval keeps to the criterion's limit.
        compared_with: The group it is compared with.
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
    """One criterion of fairness between all groups of an attribute.

    Attributes:
        name: A key of :data:`.fairness.criteria.CRITERIA`.
        basis: The rows that rates are measured on.
        state: Broken where one comparison is; met where all are.
        difference: Greatest less smallest rate; with a named reference group, that of the group furthest from it.
        ratio: Smallest divided by greatest rate; with a named reference group, that of the group furthest from it.
        limit: The difference or ratio that each comparison must keep to.
        comparisons: Each group beside another.
        low: Lower end of the interval of ``difference``, of ``disparate_impact`` that of ``ratio``. The intervals of
            all windows of thirty days hold together with the model's confidence.
        high: Upper end of that interval; None where a group has no rows to measure it on.
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
        attribute: The attribute that tells groups apart.
        reference: The group that others are compared with by name; "" where none is named or it has no rows.
        coverage: Share of all rows whose attribute is known.
        labelled_coverage: Share of the labelled rows whose attribute is known.
        groups: Rates by group.
        criteria: Verdicts by criterion.
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
    """The verdict on the agreed arrival of a window's outcomes.

    Attributes:
        state: Whether the SLA was kept.
        within: Nanoseconds that outcomes may take.
        coverage: Share of predictions whose outcome shall come in time.
        low: Least share of predictions whose outcome came in time.
        high: Greatest such share; outcomes that can still come in time are counted.
        rows: Predictions that outcomes can come for.
    """

    state: Judgement
    within: int
    coverage: float
    low: float
    high: float
    rows: int


ComparedOutcomes = Literal["actual_rate", "error_rate", "mean_actual", "mae"]


class FastLabels(Struct, frozen=True):
    """The comparison of outcomes that came fast with outcomes that took long.

    Attributes:
        until: The last cohort of the fast half, by delay.
        differ: Whether the halves differ by more than chance.
        metric: The metric by which they differ most.
        fast: Value of the metric among fast outcomes.
        slow: Value of the metric among slow outcomes.
        fast_rows: Fast outcomes.
        slow_rows: Slow outcomes.
        p_value: Corrected for the metrics that were tested.
    """

    until: str
    differ: bool
    metric: ComparedOutcomes
    fast: float
    slow: float
    fast_rows: int
    slow_rows: int
    p_value: float

    @property
    def fact(self) -> Fact:
        """The comparison as a fact."""
        return Fact("fast_labels", structs.asdict(self))


RowLoss = Literal["error", "log_loss", "absolute_error"]
"""The loss of one row: wrong decision or log loss of a classifier, absolute error of a number."""


class SliceCondition(Struct, frozen=True):
    """A condition on one feature that all rows of a weak slice fulfil.

    Attributes:
        feature: Name of the feature.
        text: The condition in words, without the feature.
        low: Least value, included; None without a bound.
        high: Greatest value, excluded; None without a bound.
        category: The value of a category.
        absent: "missing": no value; "invalid": a value of another type.
    """

    feature: str
    text: str
    low: float | None = None
    high: float | None = None
    category: str | None = None
    absent: Literal["", "missing", "invalid"] = ""


class WeakSlice(Struct, frozen=True):
    """Rows on which the model does worse than on all others.

    Attributes:
        by: The loss that is compared.
        conditions: One or two, all of which hold.
        rows: Labelled rows of the slice.
        value: Mean loss on the rows that confirmed the slice; none of them had a part in finding it.
        low: Lower end of the 95 % interval of ``value``.
        high: Upper end of the same interval.
        rest: Mean loss of the rows outside of the slice.
        p_value: Corrected for all slices that were tested.
        excess: Share of all loss that would be gone if the slice were like the rest.
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
        """Name the slice by its conditions.

        >>> condition = SliceCondition("age", "below 25", high=25.0)
        >>> WeakSlice("error", (condition,), 900, 0.3, 0.2, 0.4, 0.1, 1e-6, 0.1).name
        'age below 25'
        """
        return " and ".join(f"{condition.feature} {condition.text}" for condition in self.conditions)


class WeakSearch(Struct, frozen=True):
    """The result of a search for weak slices.

    Attributes:
        slices: Confirmed slices, the one that costs most first.
        rows: Labelled rows that were searched.
        features: Features that were searched.
        pairs: Pairs of features that were searched.
    """

    slices: tuple[WeakSlice, ...]
    rows: int
    features: int
    pairs: int


class DriftSummary(Struct, frozen=True, eq=False):
    """The drift of a window without drawings: what charts of many windows need, a tenth of the memory.

    Attributes:
        places: Feature → its place in all that follow.
        states: State of each feature.
        sizes: The word for how far each moved.
        moved: float64 (n,), how far each moved (:func:`size_of`); NaN where nobody can tell.
        values: float64 (n,), the statistic that decides; NaN where there is none.
        p_values: float64 (n,), its p-value, likewise.
        missing_was: float64 (n,), share of missing and invalid values of the baseline, likewise.
        missing: float64 (n,), the same of the window.
        rows: int64 (n,), rows with a usable value.
        overall: The one state that stands for the window.
        reason: What most columns lack that cannot tell.
        drifted: Features in state drift.
        compared: Features that could be compared with the baseline.
        slices: Slices in state drift.
        score: State of the score, and its PSI; None where there is no score.
        predicted: The same of the predicted class.
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
        """Return the number of a feature, one of these arrays; None where it is not known."""
        index = self.places.get(feature)
        value = math.nan if index is None else numbers.item(index)
        return None if math.isnan(value) else value

    def state(self, feature: str) -> State | None:
        """Return the state of a feature; None where it has none."""
        index = self.places.get(feature)
        return None if index is None else self.states[index]


_CERTAIN_FIRST: tuple[State, ...] = ("drift", "ok", "within_normal_variation", "inconclusive")
"""States of columns, the one that stands for a window first."""


def size_of(column: ColumnDrift) -> float | None:
    """Return how far a column moved: its PSI, else its deciding effect; None where nobody can tell."""
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
    """The result of judging one window of one model version.

    Attributes:
        key: Model and version.
        window: The window that was judged.
        rows: Predictions in the window.
        closed: Whether event time has passed the window's end and its grace.
        features: Drift by feature.
        score: Drift of the score.
        predicted: Drift of the predicted class.
        fraction: Drifted features divided by features that could be evaluated.
        weighted_fraction: The same, weighted by importance to the model; None where importance is unknown.
        incident: Columns whose drift lasts → start of the window in which it began, unix nanoseconds. A column is the
            name of its part of a pane (``feature:NAME``, ``score``, ``class``); `` where SLICE`` follows for a slice.
        lasting: Shifts that last over windows, by evidence that holds at any time; None where nothing can be watched.
        realized: Performance from outcomes, by metric.
        reference: Performance of the baseline's rows, by metric.
        outcome_rows: Predictions whose outcome is known.
        coverage: Share of predictions whose outcome is known.
        missing_features: Features of the baseline that never arrived.
        new_features: Features that the baseline does not know.
        distributed: Rows that are known from distributions only, without a record.
        findings: Faults of the data (:mod:`.quality`), the gravest first.
        baseline_version: The version that the baseline was made for; None without a baseline.
        compared: How what the window was compared with differs from the baseline; () = not at all.
        joint: Drift of all features together, by method.
        slices: Drift by ``key=value``.
        expected: Verdicts on expectations of the data (:mod:`.expectations`).
        explanation: Why the window drifts (:mod:`.explain`); None where nothing drifts.
        maturity: Whether the window still fills, waits for outcomes, or its performance counts.
        estimated: Performance of all rows without labels (:mod:`.estimate`), by metric.
        weighted: The same by importance weighting, where that was asked for.
        label_shift: The share of positives that the scores tell, where it moved beyond chance.
        performance_slices: Performance by ``key=value``.
        ages: Performance by the delay of outcomes.
        fast_labels: Whether outcomes that came fast differ from the others.
        weak: Weak slices (:mod:`.weak_slices`); None where rows are not at hand.
        delay: How late outcomes came.
        label_sla: Whether outcomes kept the SLA on their arrival.
        fairness: Fairness by attribute.
        curves: Curves of a binary classifier, by name.
        positive_class: What a row of the positive class is, in the owner's words; "" where nobody named it.
        confusion: Weight by actual (row) and predicted class, float64 (k, k).
        immature: Why performance does not count yet; () if it does.
        unreviewed: Decisions of which no outcome is known → their predictions.
        young: Whether outcomes may still come.
        objectives: States of the objectives of metrics.
        realized_changes: Realized metrics compared with the baseline's, by metric.
        estimated_changes: Estimated metrics compared with the baseline's, by metric.
        level: The mean score less the actual rate, beside the baseline's: ``worse`` where a binary model's scores are
            surely too high or too low; None where that is not known.
        constant_comparison: The log loss of a binary model less that of a constant, on the same rows: ``worse`` where
            it is surely greater; None where it is not known.
        service: How the service answered; None where no call was counted.
        service_slices: The same by ``key=value``.
        change_kind: What kind of change the window shows; None where it shows none, or nobody can tell.
        verdict: Whether the model is still healthy, by this window; None where nobody asked.
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
    outcome_rows: int = 0
    coverage: float | None = None
    missing_features: tuple[str, ...] = ()
    new_features: tuple[str, ...] = ()
    distributed: int = 0
    findings: tuple[Finding, ...] = ()
    baseline_version: str | None = None
    compared: tuple[Fact, ...] = ()
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
    change_kind: KindOfChange | None = None
    verdict: Verdict | None = None

    @cached_property
    def business(self) -> Mapping[str, float]:
        """What the company counted in the window, by the name of a business series; {} without any."""
        return {}

    @cached_property
    def drift(self) -> DriftSummary:
        """The drift of the window without drawings."""
        return summarize_drift(self)
