"""The result of judging one window: what pages, exporters, JSON and `driftline top` show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from driftline.tables.table import F64, ModelKey

from driftline_processor.core.estimate.result import Estimate
from driftline_processor.core.labels.delay import Delay, SlaResult

if TYPE_CHECKING:  # their package needs what is here
    from driftline_processor.core.fairness.criteria import Fairness
    from driftline_processor.core.labels.fast_labels import FastLabels
    from driftline_processor.core.weak_slices.result import WeakSearch

State = Literal["ok", "drift", "too_few_rows", "blind", "no_baseline"]
Size = Literal["", "small", "moderate", "large"]
Source = Literal["rows", "panes"]
Maturity = Literal["open", "immature", "mature"]
Verdict = Literal["met", "broken", "cannot_tell"]
Severity = Literal["minor", "major", "critical"]


@dataclass(frozen=True, slots=True)
class Window:
    """``[start, end)`` in unix nanoseconds; ``name`` as configured ("1h", "1d", "1mo") or "" for a whole file."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class MethodValue:
    """A drift statistic. ``p_value`` (corrected over the features of the window) only where it decides."""

    value: float | None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class TargetDrift:
    """Drift of one target: a feature, the score or the predicted class.

    ``decided_by``: the one method that decides ("ks", "chi2", ...), the first of ``methods``. ``rows``: rows with a
    usable value. ``effect``: the deciding effect less its expectation without drift. ``size``: the word for PSI less
    its null mean. ``was`` / ``now``: shares over ``cells`` display cells of the baseline and of the window; ``cells``
    are their labels ("12.5 – 20", "AA"). ``missing_was`` / ``missing_now``: shares of missing and invalid values.
    ``design_effect``: how many rows, which resemble each other, count as one; 1 when they are independent. ``blocks``:
    the least and the greatest effect of the baseline's own blocks of time against all of it, where they differ more
    than independent rows would: what is nothing new.
    """

    target: Literal["feature", "score", "class"]
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


@dataclass(frozen=True, slots=True)
class SliceDrift:
    """Drift in one slice of a window, judged in one family with all rows and the other slices.

    ``state``: drift where any target drifts, else ok where any could be judged. ``compared``: with what, where that is
    not the same slice of the baseline: then nothing is decided (``no_baseline``). ``judged``: features that could be
    judged, ``share``: drifted features of them. ``features``, ``score``, ``predicted``: without their drawings; what
    the service keeps holds only the features that drift.
    """

    rows: int
    state: State
    compared: str
    judged: int
    share: float | None
    features: dict[str, TargetDrift]
    score: TargetDrift | None
    predicted: TargetDrift | None

    def drifted(self) -> list[TargetDrift]:
        """Return the targets that drift: features, then score and class."""
        known = (*self.features.values(), self.score, self.predicted)
        return [target for target in known if target is not None and target.state == "drift"]

    def thinned(self) -> SliceDrift:
        """Return it with those features alone that drift: forty slices of every window are kept for months."""
        return replace(self, features={name: one for name, one in self.features.items() if one.state == "drift"})


@dataclass(frozen=True, slots=True)
class DriftContributor:
    """A feature, or a pair, that gives drift away. ``value``: how far, in the unit of what was compared.

    ``p_value``: corrected over all pairs, of a pair that was tested.
    """

    features: tuple[str, ...]
    value: float
    was: float | None = None
    now: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class JointDrift:
    """The drift that one multivariate method (:mod:`.drift.multivariate`) found in a window.

    ``rows``: the (effective) rows of the smaller side. ``value``: how far, in the method's unit, None where something
    else moves it, too (``blind``); ``was`` / ``now``: what was compared. ``p_value``: corrected over the methods.
    ``told``: what gives it away, the most telling first. ``sentence``: for people.
    """

    method: str
    state: State
    rows: int
    value: float | None
    p_value: float | None
    effect: float
    was: float | None = None
    now: float | None = None
    told: tuple[DriftContributor, ...] = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A performance value. ``bound``: how far the value from panes can be from the one from rows; 0 when exact.

    ``low``, ``high``: the ends of its interval, None where it is not known; ``interval``: the method it comes from, ""
    where there is none. ``effective_rows``: how many rows of equal weight say as much, None where nobody asked.
    """

    value: float | None
    rows: int
    source: Source
    bound: float = 0.0
    low: float | None = None
    high: float | None = None
    interval: str = ""
    effective_rows: float | None = None


@dataclass(frozen=True, slots=True)
class SlicePerformance:
    """The performance of the model in one slice. ``rows``: labelled ones. ``predictions``: all, None where not
    known.
    """

    rows: int
    metrics: dict[str, Metric]
    predictions: int | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve to draw. ``points``: float64 (m, 2), ``x`` and ``y`` say of what; ``weight``: of each, if told.

    ``limits``: float64 (m, 2), between which the true ``y`` of each is, if told.
    """

    x: str
    y: str
    points: F64
    weight: F64 | None = None
    limits: F64 | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the data of a window, beyond what chance and the baseline explain.

    ``check``: its name in :data:`.quality.CHECKS`. ``features``: one, two that were swapped, or none: the rows as a
    whole. ``severity``: by the share of rows concerned. ``was`` / ``now``: the shares that were compared. ``p_value``:
    corrected over features and checks. ``sentence``: for people.
    """

    check: str
    features: tuple[str, ...]
    severity: Severity
    was: float | None
    now: float | None
    p_value: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Expected:
    """The result of one expectation in a window. ``feature``: "" for the rows as a whole. ``rule``: as YAML writes it.

    ``low`` / ``high``: what was measured lies between them: equal where it is exact, None where nothing is known.
    ``rows``: those it was measured on.
    """

    feature: str
    rule: str
    state: Verdict
    low: float | None
    high: float | None
    rows: int
    sentence: str


@dataclass(frozen=True, slots=True)
class ObjectiveState:
    """The result of one objective in a window. ``rule``: as one writes it.

    ``value``, ``low``, ``high``: of the metric, or of its change since the baseline; ``limit``: what they are compared
    with. ``rows``: those that say something of it, effective ones; ``needed``: how many would tell, None where that is
    not known.
    ``undecided``: windows in a row, up to this one, that cannot tell; ``alert_after`` so many are too many. ``since``,
    ``until``: unix nanoseconds, the stretch of a rolling objective that is worst; 0 = the window. ``slice``: the one
    that it is of, or the worst of those of its key, whose states are ``slices``; ``few``: how many more have too few
    rows to be judged. ``lacks``: what a longer window would have more of, where it is not reviewed rows that lack.
    """

    metric: str
    rule: str
    state: Verdict
    value: float | None
    low: float | None
    high: float | None
    rows: int
    limit: float | None = None
    needed: int | None = None
    undecided: int = 0
    since: int = 0
    until: int = 0
    sentence: str = ""
    slice: str = ""
    slices: dict[str, Verdict] = field(default_factory=dict)
    few: int = 0
    alert_after: int = 0
    lacks: Literal["", "rows", "days"] = ""

    @property
    def overdue(self) -> bool:
        """Return whether nobody could tell for so long that somebody has to know."""
        return 0 < self.alert_after <= self.undecided


@dataclass(frozen=True, slots=True)
class Change:
    """A range or label whose share of rows changed. ``where``: in the feature's own unit ("below 5", "NO", "missing").

    ``was`` / ``now``: the share of the rows that have a value, in the baseline and in the window; of "missing" that of
    all rows.
    """

    where: str
    was: float
    now: float


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why a window is not like the baseline.

    ``features``: one, or two that were swapped. ``check``: the finding about the data that explains it, "" for drift.
    ``moved``: the share of rows whose value moved, less what chance moves; what was missing counts as a value.
    ``changes``: where from and where to, the most telling first. ``slice``: the one in which it is; "" = everywhere, or
    not known. ``since``: unix nanoseconds, the start of the first step of time that is so; None where it is not known.
    ``before``: the first step that is known is so already. ``p_value``: that of the change at ``since``.
    ``importance``: share of the model's importance, ``weight``: share of moved × importance of all causes; both None
    where the importance of the features is unknown. ``score_shift``: the part of the score's shift that goes with the
    feature; None where it is not known. ``sentence``: for people.
    """

    features: tuple[str, ...]
    check: str
    moved: float
    changes: tuple[Change, ...] = ()
    slice: str = ""
    since: int | None = None
    before: bool = False
    p_value: float | None = None
    importance: float | None = None
    weight: float | None = None
    score_shift: float | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a window drifts. ``causes``: those that count most first. ``sentence``: the first, and how many more.

    ``score_was`` / ``score_now``: the mean score in the baseline and in the window; None where it is not known.
    """

    causes: tuple[Cause, ...]
    sentence: str
    score_was: float | None = None
    score_now: float | None = None


@dataclass(slots=True)
class Evaluation:
    """The one result: drift, performance, quality and causes of one model and version in one window.

    ``distributed``: how many of the rows are known from distributions only, because no record holds them. ``share``:
    drifted features of those that could be judged. ``weighted_share``: the same by their importance to the model; None
    where the baseline knows none of it. ``incident``: what a policy may alert on (:mod:`.incident`): the targets whose
    drift lasts, by the part of a pane (``feature:NAME``, ``score``, ``class``; of a slice `` where SLICE`` behind it),
    and the start of the window in which it began. ``slices``: by ``key=value``, what drifts in them.
    ``baseline_version``: the version that the baseline was made for, None without a baseline.
    ``compared``: what it is compared with, in words, where that is not the baseline as it is (:mod:`.compared`).
    ``joint``: by method, drift of the features together. ``findings``: what is wrong with the data (:mod:`.quality`),
    the gravest first. ``expected``: what came of what somebody expects of it (:mod:`.expectations`).
    ``explanation``: why it drifts (:mod:`.explain`); None where nothing does. ``maturity``: whether the window still
    fills, or its outcomes may still come, or its performance counts. ``estimated``: metrics where nobody knows yet
    (:mod:`.estimate`), from all of its rows; {} where the baseline has taught nothing about them. ``weighted``: by
    importance weights, where they were asked for.
    ``performance_slices``: by ``key=value``, and
    ``ages``: by how long outcomes took to come, what was realized of those rows. ``fast_labels``: whether
    those that came fast differ from the others. ``weak``: what came of the search for
    weak slices (:mod:`.performance.weak`), None where rows are not at hand. ``fairness``: by attribute.
    ``unreviewed``: the decisions of which no outcome is known, though so many predictions were made.
    ``curves``: what is drawn of the performance of a binary classifier; ``confusion``: float64 (k, k), the weight per
    actual (row) and predicted class. ``immature``:
    why its performance does not count yet, as a sentence; ``young``: because its outcomes may still come.
    ``objectives``: what came of what its metrics shall be (:mod:`.performance.objectives`).
    ``delay``: how late its outcomes came, ``label_sla``: whether they kept what was agreed (:mod:`.labels.delay`).
    """

    key: ModelKey
    window: Window
    rows: int
    closed: bool
    features: dict[str, TargetDrift] = field(default_factory=dict)
    score: TargetDrift | None = None
    predicted: TargetDrift | None = None
    share: float | None = None
    weighted_share: float | None = None
    incident: dict[str, int] = field(default_factory=dict)
    realized: dict[str, Metric] = field(default_factory=dict)
    reference: dict[str, Metric] = field(default_factory=dict)
    outcome_rows: int = 0
    coverage: float | None = None
    missing_features: tuple[str, ...] = ()
    new_features: tuple[str, ...] = ()
    distributed: int = 0
    findings: tuple[Finding, ...] = ()
    baseline_version: str | None = None
    compared: str = ""
    joint: dict[str, JointDrift] = field(default_factory=dict)
    slices: dict[str, SliceDrift] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()
    explanation: Explanation | None = None
    maturity: Maturity = "mature"
    estimated: dict[str, Estimate] = field(default_factory=dict)
    weighted: dict[str, Estimate] = field(default_factory=dict)
    performance_slices: dict[str, SlicePerformance] = field(default_factory=dict)
    ages: dict[str, SlicePerformance] = field(default_factory=dict)
    fast_labels: FastLabels | None = None
    weak: WeakSearch | None = None
    delay: Delay | None = None
    label_sla: SlaResult | None = None
    fairness: tuple[Fairness, ...] = ()
    curves: dict[str, Curve] = field(default_factory=dict)
    confusion: F64 | None = None
    immature: str = ""
    unreviewed: dict[str, int] = field(default_factory=dict)
    young: bool = False
    objectives: tuple[ObjectiveState, ...] = ()
