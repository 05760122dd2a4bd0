"""Conditions on a window, as written in ``driftline.yaml``.

=====================================================  =================================================================
written                                                 holds in a window
=====================================================  =================================================================
``accuracy < 85 %``                                     with a lower accuracy; likewise ``<=``, ``>`` and ``>=``
``latency_p99 > 200ms in country=NL``                   with a higher latency in this slice
``roc_auc < baseline - 0.02``                           that is worse than the baseline by more
``estimated roc_auc < 0.95 * baseline``                 with a lower estimate, without any outcome
``accuracy < average of 7 - 1 deviation``               below the mean of the seven windows before, less their deviation
``predictions < 0.5 * last week``                       with less than half of the window a week before
``psi of age > 0.2``, ``missing of age > 5 %``          by a drift method, or by the fraction of missing values
``verdict is degraded or no_data``                      at whose end the verdict on the model is one of these
``features drift``, ``3 features drift``                with at least this many drifting features; ``score drifts``
``objective broken``, ``objective 'RULE' broken``       that breaks an objective of the model
``business conversion < 0.9 * last week``               in which a business series is lower
``equal_opportunity_difference of gender > 10 %``       whose groups differ significantly more, by a measure of fairness
``no data``                                             after which no prediction arrives: ``verdict is no_data``
``outcomes late``                                       whose outcomes break the SLA on labels
``data faulty``                                         with a major or critical data-quality finding
``burn rate of 'RULE' > 14.4 over 1h and 6h``           in which, and in the longer time up to its end, the error budget
                                                        of an objective is spent this many times too fast
=====================================================  =================================================================

An inconclusive window neither begins nor ends a firing.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain, takewhile
from typing import Final, Literal, NamedTuple, Protocol, get_args

from msgspec import Struct

from driftline_processor.core import facts
from driftline_processor.core.evaluation import (
    ColumnDrift,
    Evaluation,
    Fairness,
    FairnessCriterion,
    Verdict,
    VerdictState,
)
from driftline_processor.core.fact import Fact
from driftline_processor.core.fairness.criteria import CRITERIA, FOUR_FIFTHS, MEASURES, TOLERANCE, fewest_rows
from driftline_processor.core.metrics import direction
from driftline_processor.core.nearest_names import near
from driftline_processor.core.performance.objective import Objective, read_objective
from driftline_processor.core.windows.window import DAY, HOUR, length

from .signals import Signal, Value, read_signal

STATES: Final[tuple[VerdictState, ...]] = get_args(VerdictState)
WEEK: Final = 7 * DAY
"""Nanoseconds from a window to the same one a week later, give or take an hour at clock changes."""
FEWEST_EARLIER: Final = 3
"""Minimum number of earlier windows with a known value for a moving average and its deviation."""

LARGEST: Final = 1e18
"""Maximum number in a condition."""

Sign = Literal["<", "<=", ">", ">="]

_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_COMPARISON = re.compile(
    r"(?P<signal>[^<>=]+?)\s*(?P<sign><=|>=|<|>)\s*(?P<limit>[^<>=]+?)(?:\s+in\s+(?P<slice>[^\s=]+=.*?))?"
)
_UNIT = r"%|[^\W\d_][^\s\d<>=*+-]*|[$€£¥]"
_PLAIN = re.compile(rf"(?P<before>[$€£¥])?\s*(?P<number>{_NUMBER})\s*(?P<unit>{_UNIT})?")
_RELATIVE = re.compile(
    rf"(?:(?P<factor>{_NUMBER})\s*\*\s*)?(?P<of>baseline|last week|average of (?P<windows>\d+))"
    rf"(?:\s*(?P<change>[+-])\s*(?P<by>{_NUMBER})\s*(?P<unit>{_UNIT})?)?"
)
_VERDICT = re.compile(r"verdict is (?P<states>.+)")
_DRIFT = re.compile(r"(?:(?P<count>\d+) )?features? drifts?|(?P<column>score|class) drifts?")
_OBJECTIVE = re.compile(r"objectives?(?: ['\"](?P<rule>.+)['\"])?(?: is| are)? broken")
_BURN = re.compile(
    rf"burn rate of ['\"](?P<rule>.+)['\"]\s*(?P<sign>>=|>)\s*(?P<factor>{_NUMBER})"
    r" over (?P<short>\d+(?:m|h|d|w|mo)) and (?P<long>\d+(?:m|h|d|w|mo))"
)
_GROUPS = re.compile(
    rf"(?P<measure>{'|'.join(MEASURES)})(?: of (?P<attribute>[^<>=]+?))?\s*(?P<sign><=|>=|<|>)\s*(?P<limit>.+)"
)
_UNFAIR = re.compile(rf"(?P<what>fairness|{'|'.join(CRITERIA)})(?: of (?P<attribute>[^<>=]+?))?(?: is| are)? broken")
_SPELLINGS = ("accuracy < 85 %", "roc_auc < baseline - 0.02", "verdict is degraded or no_data", "features drift")
_SENTENCES = (
    *("features drift", "feature drifts", "score drifts", "class drifts", "objective broken", "outcomes late"),
    *("data faulty", "no data", *(f"verdict is {state}" for state in STATES)),
)
"""Conditions without a comparison, for suggestions about misspelt ones."""


class Judged(Struct, frozen=True):
    """The result of a condition in one window.

    Attributes:
        holds: Whether it holds; None if inconclusive.
        facts: The facts behind it.
    """

    holds: bool | None
    facts: tuple[Fact, ...] = ()


UNTOLD: Final = Judged(None)


class Finding(NamedTuple):
    """The inputs of a condition at one window.

    Attributes:
        windows: Closed windows of one length of a model, the oldest first.
        at: Index of the evaluated window.
        verdict_at: Returns the verdict on the model, as known now, at the end of a window.
    """

    windows: Sequence[Evaluation]
    at: int
    verdict_at: Callable[[Evaluation], Verdict]

    @property
    def evaluation(self) -> Evaluation:
        """The evaluated window."""
        return self.windows[self.at]


class Condition(Protocol):
    """A condition on a window."""

    @property
    def text(self) -> str:
        """The condition in its written form."""

    def judge(self, finding: Finding) -> Judged:
        """Return whether it holds in a window."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of a comparison.

    Attributes:
        of: ``""`` for a number; else the baseline, the same window a week before, or the mean of earlier windows.
        number: The limit itself, or the number that is added to the base.
        factor: Factor of the base.
        windows: Number of windows of a moving average.
        deviations: Number of standard deviations of these that are added.
        text: As written by the user.
    """

    of: Literal["", "baseline", "last week", "average"] = ""
    number: float = 0.0
    factor: float = 1.0
    windows: int = 0
    deviations: float = 0.0
    text: str = field(default="", compare=False)

    def value(self, signal: Signal, finding: Finding) -> float | None:
        """Return the limit at a window; None if its base is unknown."""
        if not self.of:
            return self.number
        deviation = 0.0
        if self.of == "baseline":
            base = signal.reference(finding.evaluation)
        elif self.of == "last week":
            base = _week_before(signal, finding)
        else:
            earlier = _earlier(signal, finding, self.windows)
            if len(earlier) < min(FEWEST_EARLIER, self.windows):
                return None
            base = statistics.fmean(earlier)
            deviation = statistics.stdev(earlier) if len(earlier) > 1 else 0.0
        return None if base is None else self.factor * base + self.number + self.deviations * deviation


class Comparison(Struct, frozen=True):
    """A signal compared with a limit.

    Attributes:
        significant: Whether the whole interval of the signal must lie beyond the limit.
    """

    text: str
    signal: Signal
    sign: Sign
    limit: Limit
    significant: bool = False

    def judge(self, finding: Finding) -> Judged:
        """Compare the value of the window with the limit at it."""
        measured, limit = self.signal.read(finding.evaluation), self.limit.value(self.signal, finding)
        if measured is None or limit is None:
            return Judged(None, (self._unknown(measured, finding.evaluation),))
        compared = self._compared(measured)
        if compared is None:
            return Judged(None, (facts.SignalWithoutInterval(signal=self.signal.name),))
        holds = _SIGNS[self.sign](compared, limit)
        return Judged(holds, (self._compared_fact(measured, limit, holds),))

    def _compared(self, measured: Value) -> float | None:
        if not self.significant:
            return measured.value
        return measured.high if self.sign.startswith("<") else measured.low

    def _unknown(self, measured: Value | None, evaluation: Evaluation) -> Fact:
        """Return the fact about the unknown side."""
        signal = self.signal.name, self.signal.slice
        if measured is None:
            waits = self.signal.of_outcomes and evaluation.maturity != "mature"
            return facts.SignalUnknown(*signal, waits=waits)
        return facts.LimitUnknown(*signal, of=self.limit.of, windows=min(FEWEST_EARLIER, self.limit.windows))

    def _compared_fact(self, measured: Value, limit: float, holds: bool) -> Fact:
        return facts.SignalCompared(
            signal=self.signal.name,
            signal_column=self.signal.column,
            slice=self.signal.slice,
            value=measured.value,
            low=measured.low,
            high=measured.high,
            side="below" if self.sign.startswith("<") == holds else "above",
            limit=limit,
            of=self.limit.of,
            windows=self.limit.windows,
            is_fraction=self.signal.is_fraction,
        )


def _earlier(signal: Signal, finding: Finding, windows: int) -> list[float]:
    """Return the known values of the previous windows."""
    before = finding.windows[max(0, finding.at - windows) : finding.at]
    return [read.value for evaluation in before if (read := signal.read(evaluation)) is not None]


def _week_before(signal: Signal, finding: Finding) -> float | None:
    """Return the value of the window nearest to a week before, at most the hour of a clock change away from it."""
    start = finding.evaluation.window.start - WEEK
    recent = takewhile(lambda one: one.window.start >= start - HOUR, reversed(finding.windows[: finding.at]))
    candidates = (one for one in recent if one.window.start <= start + HOUR)
    before = min(candidates, key=lambda one: abs(one.window.start - start), default=None)
    read = None if before is None else signal.read(before)
    return None if read is None else read.value


class VerdictIs(Struct, frozen=True):
    """The verdict on the model is one of some states."""

    text: str
    states: tuple[VerdictState, ...]

    def judge(self, finding: Finding) -> Judged:
        """Compare the verdict at the end of the window."""
        verdict = finding.verdict_at(finding.evaluation)
        return Judged(verdict.state in self.states, (facts.Verdict(verdict=verdict),))


class Drifts(Struct, frozen=True):
    """At least ``count`` features drift, or the score or the predicted class does.

    Attributes:
        column: ``features``, ``score`` or ``class``.
        count: Minimum number of features.
    """

    text: str
    column: str
    count: int = 1

    def judge(self, finding: Finding) -> Judged:
        """Count the columns of the window that drift."""
        known_columns = self._columns(finding.evaluation)
        drifted = [column.name or column.column for column in known_columns if column.state == "drift"]
        if len(drifted) >= self.count:
            return Judged(True, (facts.ColumnsDrift(names=tuple(drifted)),))
        judged_columns = [
            column for column in known_columns if column.state in ("ok", "within_normal_variation", "drift")
        ]
        if len(judged_columns) < self.count:
            return Judged(None, (facts.DriftEvaluated(columns=len(judged_columns), of=len(known_columns)),))
        return Judged(False, (facts.NoMoreDrift(),))

    def measured(self, evaluation: Evaluation) -> tuple[Fact, ...]:
        """Return the statistics of the drifting columns, else of the one with the largest effect; () without any."""
        known_columns = [
            (column.state == "drift", column.effect, column)
            for column in self._columns(evaluation)
            if column.effect is not None
        ]
        ranked = [column for _, _, column in sorted(known_columns, key=lambda pair: (not pair[0], -pair[1]))]
        drifted = [column for column in ranked if column.state == "drift"]
        return tuple(_statistics(column) for column in (drifted[:3] or ranked[:1]))

    def _columns(self, evaluation: Evaluation) -> Sequence[ColumnDrift]:
        if self.column == "features":
            return [*evaluation.features.values()]
        output = evaluation.score if self.column == "score" else evaluation.predicted
        return [] if output is None else [output]


def _statistics(column: ColumnDrift) -> Fact:
    """Return the statistics of a column."""
    methods = dict.fromkeys((column.decided_by, "psi"))
    values = {
        method: method_value.value for method in methods if (method_value := column.methods.get(method)) is not None
    }
    deciding = column.methods.get(column.decided_by)
    return facts.ColumnStatistics(
        name=column.words,
        statistics={method: value for method, value in values.items() if value is not None},
        p_value=None if deciding is None else deciding.p_value,
        size=column.size if column.state == "drift" else "",
    )


def objective_of(condition: Condition, window: str = "", policy: str = "") -> Objective | None:
    """Return a fixed limit of a realized metric as an objective; None for any other condition.

    The metric has a good and a bad direction, and the condition holds on the bad side.

    Args:
        condition: The condition.
        window: Name of the windows that it applies to.
        policy: Name of its policy.

    >>> [objective_of(read_condition(text)) for text in ("psi of age > 0.2", "accuracy < baseline", "accuracy > 0.9")]
    [None, None, None]
    >>> objective_of(read_condition("accuracy < 85 % in country=NL"), "1d").rule
    'accuracy >= 0.85 in country=NL over 1d'
    """
    if not isinstance(condition, Comparison) or condition.limit.of:
        return None
    name, limit, upwards = condition.signal.name, condition.limit.number, condition.sign.startswith("<")
    if direction(name) != (1 if upwards else -1):
        return None
    least, most = (limit, None) if upwards else (None, limit)
    return Objective(name, least, most, window=window, slice=condition.signal.slice, policy=policy)


class ObjectiveBroken(Struct, frozen=True):
    """An objective of the model is broken.

    Attributes:
        rule: The objective, "" for any of ``performance.objectives``.
        rolling: Whether only rolling objectives count, which are evaluated in the shortest windows.
    """

    text: str
    rule: str = ""
    rolling: bool = False

    def judge(self, finding: Finding) -> Judged:
        """Check the objectives of the window."""
        objectives = [
            objective
            for objective in finding.evaluation.objectives
            if (objective.rule == self.rule if self.rule else not objective.policy)
            and (objective.rolling or not self.rolling)
        ]
        broken = [objective for objective in objectives if objective.state == "broken"]
        if broken:
            return Judged(True, (facts.ObjectiveBroken(objective=broken[0]),))
        if not objectives:
            return Judged(None, (facts.NoObjectiveEvaluated(),))
        if all(objective.state == "inconclusive" for objective in objectives):
            return Judged(None, (facts.ObjectiveInconclusive(objective=objectives[0]),))
        return Judged(False, (facts.NoObjectiveBroken(),))


class GroupsApart(Struct, frozen=True):
    """Groups of people differ by significantly more, or less, than a limit.

    The whole interval must lie beyond the limit. The intervals are corrected over all windows of thirty days and all
    pairs of groups: if groups are within the limit, there is a false alarm in at most one month in twenty at a
    confidence of 95 %. An interval that contains the limit is inconclusive.

    Attributes:
        measure: A key of :data:`~driftline_processor.core.fairness.criteria.MEASURES`.
        attribute: The attribute that defines the groups.
        limit: Difference or ratio, a fraction.
    """

    text: str
    measure: str
    attribute: str
    sign: Sign
    limit: float

    def judge(self, finding: Finding) -> Judged:
        """Compare the interval of the window with the limit."""
        evaluation = finding.evaluation
        fairness = next((one for one in evaluation.fairness if one.attribute == self.attribute), None)
        if fairness is None:
            return Judged(None, (facts.NoTwoGroups(attribute=self.attribute),))
        criterion_name = MEASURES[self.measure].criterion
        criterion = next((one for one in fairness.criteria if one.name == criterion_name), None)
        if criterion is None or (criterion.basis == "labelled rows" and evaluation.maturity != "mature"):
            return Judged(None, (facts.GroupsUnknown(self.measure, self.attribute, yet=criterion is not None),))
        compare, upwards = _SIGNS[self.sign], self.sign.startswith(">")
        near, far = (criterion.low, criterion.high) if upwards else (criterion.high, criterion.low)
        if near is not None and compare(near, self.limit):
            return Judged(True, (self._compared(criterion, fairness, "above" if upwards else "below"),))
        if far is not None and not compare(far, self.limit):
            return Judged(False, (self._compared(criterion, fairness, "at most" if upwards else "at least"),))
        smallest = fewest_rows(fairness, criterion_name)
        if smallest is None:
            return UNTOLD
        inconclusive = facts.GroupsInconclusive(
            measure=self.measure,
            attribute=self.attribute,
            low=criterion.low,
            high=criterion.high,
            group=smallest.group,
            rate=smallest.rate,
            rows=smallest.rows,
        )
        return Judged(None, (inconclusive,))

    def _compared(self, criterion: FairnessCriterion, fairness: Fairness, side: str) -> Fact:
        return facts.GroupsCompared(
            self.measure,
            self.attribute,
            value=getattr(criterion, MEASURES[self.measure].of),
            low=criterion.low,
            high=criterion.high,
            side=side,
            limit=self.limit,
            apart=_furthest_apart(fairness, criterion.name),
        )


def _furthest_apart(fairness: Fairness, criterion: str) -> tuple[str, float, str, float, str] | None:
    """Return the rate of a criterion that differs most, with its minimum and maximum and their groups."""
    differences: list[tuple[float, tuple[str, float, str, float, str]]] = []
    for rate in CRITERIA[criterion]:
        values = {group.value: group.rates[rate].value for group in fairness.groups if rate in group.rates}
        known_values = [(value, group) for group, value in values.items() if value is not None]
        if len(known_values) < 2:
            continue
        (lowest, low), (highest, high) = min(known_values), max(known_values)
        differences.append((highest - lowest, (rate, lowest, low, highest, high)))
    return max(differences)[1] if differences else None


class OutcomesLate(Struct, frozen=True):
    """Outcomes break the SLA on their arrival."""

    text: str = "outcomes late"

    def judge(self, finding: Finding) -> Judged:
        """Check the SLA on the labels of the window."""
        sla = finding.evaluation.label_sla
        if sla is None or sla.state == "inconclusive":
            return Judged(None, (facts.OutcomeAgreementUnknown(),))
        return Judged(sla.state == "broken", (facts.OutcomesInTime(at_most=sla.high, agreed=sla.coverage),))


class DataFaulty(Struct, frozen=True):
    """The data of the window have a major or critical finding."""

    text: str = "data faulty"

    def judge(self, finding: Finding) -> Judged:
        """Check the data-quality findings of the window."""
        grave = [one for one in finding.evaluation.findings if one.severity != "minor"]
        return Judged(bool(grave), (facts.NamedFinding(grave[0]) if grave else facts.NoGraveFault(),))


class BurnRate(Struct, frozen=True):
    """The error budget of an objective is spent ``factor`` times too fast, in a short window and in a longer time.

    Source: Beyer et al., The Site Reliability Workbook, 2018, chapter 5, "Alerting on SLOs".

    Attributes:
        factor: Ratio to the sustainable rate.
        short: Name of the shorter window, which is evaluated at its end.
        long_window: Name of the longer length, up to the end of the shorter window; its rate is weighted by rows.
    """

    text: str
    objective: Objective
    signal: Signal
    factor: float
    short: str
    long_window: str

    def judge(self, finding: Finding) -> Judged:
        """Compare the burn rate in the window, and in all windows within the longer time up to its end.

        The newest closed window of the longer length may have ended long ago: before a fault that began today.
        """
        begin = finding.evaluation.window.end - length(self.long_window)
        newest_first = (finding.windows[at] for at in range(finding.at, -1, -1))
        recent = takewhile(lambda evaluation: evaluation.window.start >= begin, newest_first)
        rates = [(rate, evaluation.rows) for evaluation in recent if (rate := self._rate(evaluation)) is not None]
        rows, short_rate = sum(count for _, count in rates), self._rate(finding.evaluation)
        if short_rate is None or not rows:
            return Judged(None, (facts.BurnRateUnknown(signal=self.signal.name, window=self.short),))
        long_rate = sum(rate * count for rate, count in rates) / rows
        return Judged(
            min(short_rate, long_rate) > self.factor,
            (
                facts.BudgetSpent(
                    signal=self.signal.name,
                    rule=self.objective.rule,
                    short_rate=short_rate,
                    long_rate=long_rate,
                    short=self.short,
                    long=self.long_window,
                ),
            ),
        )

    def _rate(self, evaluation: Evaluation) -> float | None:
        read = self.signal.read(evaluation)
        if read is None:
            return None
        spent = 1 - read.value if self.objective.upwards else read.value
        allowed = error_budget(self.objective)
        return None if allowed is None else spent / allowed


def error_budget(objective: Objective) -> float | None:
    """Return the fraction that may fail an objective; None if it has no budget.

    >>> error_budget(read_objective("precision >= 0.95")), error_budget(read_objective("mae <= 3"))
    (0.05, None)
    """
    share = read_signal(objective.metric, objective.slice).is_fraction
    if objective.relative or not share or not 0 < objective.limit < 1:
        return None
    return round(1 - objective.limit, 12) if objective.upwards else objective.limit


class AllOf(Struct, frozen=True):
    """All of some conditions hold; none of them may be inconclusive."""

    parts: tuple[Condition, ...]

    @property
    def text(self) -> str:
        """The condition in its written form."""
        return " and ".join(part.text for part in self.parts)

    def judge(self, finding: Finding) -> Judged:
        """Evaluate each part."""
        judged_parts = [part.judge(finding) for part in self.parts]
        if any(part_judged.holds is False for part_judged in judged_parts):
            return Judged(False, _facts(part_judged for part_judged in judged_parts if part_judged.holds is False))
        if any(part_judged.holds is None for part_judged in judged_parts):
            return Judged(None, _facts(part_judged for part_judged in judged_parts if part_judged.holds is None))
        return Judged(True, _facts(judged_parts))


class AnyOf(Struct, frozen=True):
    """Any of some conditions holds."""

    parts: tuple[Condition, ...]

    @property
    def text(self) -> str:
        """The condition in its written form."""
        return " or ".join(part.text for part in self.parts)

    def judge(self, finding: Finding) -> Judged:
        """Evaluate each part."""
        judged_parts = [part.judge(finding) for part in self.parts]
        if any(part_judged.holds for part_judged in judged_parts):
            return Judged(True, _facts(part_judged for part_judged in judged_parts if part_judged.holds))
        if all(part_judged.holds is None for part_judged in judged_parts):
            return Judged(None, _facts(judged_parts))
        return Judged(False, _facts(part_judged for part_judged in judged_parts if part_judged.holds is False))


def _facts(judged: Iterable[Judged]) -> tuple[Fact, ...]:
    """Return all facts of some results, without duplicates."""
    facts: list[Fact] = []
    for part_fact in chain.from_iterable(judged.facts for judged in judged):
        if part_fact not in facts:
            facts.append(part_fact)
    return tuple(facts)


class PartJudged(Struct, frozen=True):
    """The result of one part of a condition in a window.

    Attributes:
        text: The part in its written form.
        holds: Whether it holds; None if inconclusive.
        facts: The facts behind it.
        measured: Statistics that the facts lack; () without any.
    """

    text: str
    holds: bool | None
    facts: tuple[Fact, ...]
    measured: tuple[Fact, ...] = ()


def judge_parts(condition: Condition, finding: Finding) -> list[PartJudged]:
    """Evaluate each part of a condition by itself in one window."""
    parts = []
    for leaf in leaves(condition):
        leaf_judged = leaf.judge(finding)
        measured = leaf.measured(finding.evaluation) if isinstance(leaf, Drifts) else ()
        parts.append(PartJudged(leaf.text, leaf_judged.holds, leaf_judged.facts, measured))
    return parts


def leaves(condition: Condition) -> Iterator[Condition]:
    """Yield the parts of a combined condition, or the condition itself."""
    if not isinstance(condition, AllOf | AnyOf):
        yield condition
        return
    for part in condition.parts:
        yield from leaves(part)


def burnt_over(condition: Condition) -> str:
    """Return the shorter window of the first burn rate in a condition; "" without one.

    >>> burnt_over(read_condition("burn rate of 'precision >= 0.95' > 14.4 over 1h and 6h"))
    '1h'
    """
    return next((leave.short for leave in leaves(condition) if isinstance(leave, BurnRate)), "")


def settled(comparison: Comparison) -> str:
    """Return why a comparison with a number never or always holds; "" if it depends on the window.

    >>> settled(read_condition("predictions < 1"))
    "is never true: a window exists only after its first prediction; use 'no data'"
    >>> settled(read_condition("accuracy >= 0")), settled(read_condition("accuracy < 85 %"))
    ('is always true: accuracy is never less than 0; use another limit', '')
    """
    (lowest, highest), limit, name = comparison.signal.bounds, comparison.limit, comparison.signal.name
    upwards, holds = comparison.sign.startswith(">"), _SIGNS[comparison.sign]
    likeliest, unlikeliest = (highest, lowest) if upwards else (lowest, highest)
    if limit.of:
        return ""
    if likeliest is not None and not holds(likeliest, limit.number):
        how, end = "is never true", likeliest
    elif unlikeliest is not None and holds(unlikeliest, limit.number):
        how, end = "is always true", unlikeliest
    else:
        return ""
    if name == "predictions":
        fix = "use 'no data'" if how == "is never true" else "use a greater number"
        return f"{how}: a window exists only after its first prediction; {fix}"
    return f"{how}: {name:.80} is never {'less' if end == lowest else 'more'} than {end:g}; use another limit"


def read_condition(text: str, *, significant: bool = False) -> Condition:
    """Parse a condition.

    Args:
        text: One of the forms of the table above.
        significant: Whether comparisons need the whole interval beyond the limit.

    Raises:
        ValueError: It is invalid; the message names the rule and the nearest valid name.

    >>> read_condition("accuracy < 85 %").limit.number
    0.85
    >>> read_condition("accuracy < average of 7 - 1 deviation").limit
    Limit(of='average', number=0.0, factor=1.0, windows=7, deviations=-1.0, text='average of 7 - 1 deviation')
    >>> read_condition("verdict is degrade")
    Traceback (most recent call last):
    ValueError: 'degrade' is not a state of a verdict; did you mean 'degraded'?
    """
    text = " ".join(text.split())
    for pattern, read in _FORMS:
        if match := pattern.fullmatch(text):
            return read(text, match)
    match = _COMPARISON.fullmatch(text)
    if match is None:
        count, _, sentence = text.partition(" ") if text[:1].isdigit() else ("", "", text)
        # 0.8: minimum ratio of difflib for a suggestion: two letters of fourteen may differ
        suggestions = [f"{count} {match}".strip() for match in get_close_matches(sentence, _SENTENCES, n=1, cutoff=0.8)]
        fix = (
            f"did you mean '{suggestions[0]}'?"
            if suggestions
            else f"use a condition such as {', '.join(map(repr, _SPELLINGS))}"
        )
        raise ValueError(f"'{text:.80}' is not a condition; {fix}")
    signal = read_signal(match["signal"], match["slice"] or "")
    sign: Sign = match["sign"]  # type: ignore[assignment]  # the pattern admits exactly the literals
    written = match["limit"].strip()
    return Comparison(text, signal, sign, replace(_read_limit(signal, written), text=written), significant)


def _number(text: str) -> float:
    """Return a number. Raises ``ValueError`` above :data:`LARGEST`."""
    number = float(text)
    if number > LARGEST:
        raise ValueError(f"'{text:.40}' is too large; use at most {LARGEST:g}")
    return number


def _read_limit(signal: Signal, text: str) -> Limit:
    if plain := _PLAIN.fullmatch(text):
        return Limit(number=signal.read_limit(_number(plain["number"]), plain["unit"] or plain["before"] or ""))
    match = _RELATIVE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"'{text:.80}' cannot be compared with {signal.name}; use a number, 'baseline - 0.02', "
            "'0.95 * baseline', 'average of 7 - 1 deviation' or '0.5 * last week'"
        )
    factor, by, unit = _number(match["factor"] or "1"), _number(match["by"] or "0"), match["unit"] or ""
    by = -by if match["change"] == "-" else by
    base: Literal["baseline", "last week", "average"] = "average"
    if not match["windows"]:
        base = match["of"]  # type: ignore[assignment]  # the pattern admits exactly the literals
    elif not FEWEST_EARLIER <= _number(match["windows"]) <= 366:
        raise ValueError(f"'{text:.80}': an average needs {FEWEST_EARLIER} to 366 windows")
    if base == "baseline" and signal.is_business:
        raise ValueError(
            f"'{text:.80}': a baseline does not contain {signal.name}; compare it with 'last week' or an 'average of 7'"
        )
    if unit.startswith("deviation"):
        if base != "average":
            raise ValueError(
                f"'{text:.80}': only an average of windows has a deviation; use 'average of 7 - 1 deviation'"
            )
        return Limit(base, 0.0, factor, int(match["windows"]), by)
    if unit == "%":
        raise ValueError(
            f"'{text:.80}': the percentage is ambiguous; use '{1 + by / 100:g} * {match['of']}', or "
            f"'{match['of']} {match['change']} {abs(by) / 100:g}'"
        )
    added = by if not unit else (1 if by >= 0 else -1) * signal.read_limit(abs(by), unit)
    return Limit(base, added, factor, int(match["windows"] or 0))


def _read_verdict(text: str, match: re.Match[str]) -> Condition:
    state_names = [name.strip() for name in re.split(r",|\bor\b", match["states"]) if name.strip()]
    states: dict[str, VerdictState] = {state: state for state in STATES}
    if not state_names:
        raise ValueError(f"'{text:.80}' contains no state of a verdict; the states are {', '.join(states)}")
    for name in state_names:
        if name.replace(" ", "_") not in states:
            raise ValueError(f"'{name:.80}' is not a state of a verdict; {near(name, list(states))}")
    return VerdictIs(text, tuple(dict.fromkeys(states[name.replace(" ", "_")] for name in state_names)))


def _read_drift(text: str, match: re.Match[str]) -> Condition:
    count = int(_number(match["count"] or "1"))
    if count < 1:
        raise ValueError(f"'{text}' is always true; use 1 feature or more")
    return Drifts(text, match["column"] or "features", count)


def _read_objective_broken(text: str, match: re.Match[str]) -> Condition:
    if not match["rule"]:
        return ObjectiveBroken(text)
    objective = read_objective(match["rule"])
    return ObjectiveBroken(text, objective.rule, objective.rolling)


def _read_groups(text: str, match: re.Match[str]) -> Condition:
    measure, attribute, limit = match["measure"], match["attribute"], match["limit"].strip()
    if attribute is None:
        raise ValueError(f"'{text:.120}' has no attribute; use '{measure} of gender {match['sign']} {limit:.40}'")
    plain = _PLAIN.fullmatch(limit)
    if plain is None or plain["before"] or plain["unit"] not in (None, "%"):
        raise ValueError(f"'{limit:.80}' cannot be compared with {measure}; use a fraction such as '10 %' or '0.1'")
    share = _number(plain["number"]) / (100 if plain["unit"] else 1)
    if share > 1:
        raise ValueError(f"'{limit:.80}' is more than 1; {measure} is a fraction, use '10 %' or '0.1'")
    sign: Sign = match["sign"]  # type: ignore[assignment]  # the pattern admits exactly the literals
    return GroupsApart(text, measure, attribute.strip(), sign, round(share, 12))


def _read_unfair(text: str, match: re.Match[str]) -> Condition:
    attribute = (match["attribute"] or "gender").strip()
    measure = next((name for name, measure in MEASURES.items() if measure.criterion == match["what"]), "")
    if measure:
        sign, limit = ("<", f"{FOUR_FIFTHS:.0%}") if MEASURES[measure].of == "ratio" else (">", f"{TOLERANCE:.0%}")
        raise ValueError(
            f"'{text:.80}' has no limit; use '{measure} of {attribute:.80} {sign} {limit.replace('%', ' %')}'"
        )
    raise ValueError(
        f"'{text:.80}': the measure of fairness is missing, and measures can contradict each other; "
        f"use the measure that your team agreed on, such as 'equal_opportunity_difference of {attribute:.80} > 10 %'"
    )


def _read_pause(text: str, _: re.Match[str]) -> Condition:
    raise ValueError(
        f"'{text:.80}': a duration is not allowed: Driftline learns from the traffic how long a pause may be; "
        "use 'no data'"
    )


def _read_burn_rate(text: str, match: re.Match[str]) -> Condition:
    objective = read_objective(match["rule"])
    signal = read_signal(objective.metric, objective.slice)
    if error_budget(objective) is None:
        raise ValueError(
            f"'{objective.rule}' has no error budget: only a target below 100 % has one, as in 'precision >= 0.95'"
        )
    if length(match["short"]) >= length(match["long"]):
        raise ValueError(
            f"'{text:.80}': the longer window must be first; use 'over {match['long']} and {match['short']}'"
        )
    return BurnRate(text, objective, signal, _number(match["factor"]), match["short"], match["long"])


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], Condition]], ...]] = (
    (_VERDICT, _read_verdict),
    (_DRIFT, _read_drift),
    (_OBJECTIVE, _read_objective_broken),
    (re.compile(r"no (?:data|predictions)\b.+"), _read_pause),
    (re.compile(r"no (?:data|predictions)"), lambda text, _: VerdictIs(text, ("no_data",))),
    (re.compile(r"outcomes?(?: is| are)? late"), lambda text, _: OutcomesLate(text)),
    (re.compile(r"data(?: is| are)? faulty"), lambda text, _: DataFaulty(text)),
    (_BURN, _read_burn_rate),
    (_GROUPS, _read_groups),
    (_UNFAIR, _read_unfair),
)
"""The forms other than plain comparisons, each with its parser."""
