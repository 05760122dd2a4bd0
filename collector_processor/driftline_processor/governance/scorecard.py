"""The scorecard of a model over a period: each responsibility is graded in a word, with the reason.

A line is *kept* only if windows had enough power to show the opposite. Otherwise it is inconclusive; without an
agreed objective, the line has the measured values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from driftline_processor.core.evaluation import (
    Evaluation,
    Fairness,
    Judgement,
    ObjectiveState,
    Verdict,
    VerdictState,
)
from driftline_processor.core.performance.daily_loss import DailyLoss, add_losses
from driftline_processor.core.performance.objective import read_objective
from driftline_processor.core.policy.condition import error_budget
from driftline_processor.core.policy.signals import read_signal
from driftline_processor.core.service_level.level import AVAILABILITY, ERROR_RATE, LATENCIES
from driftline_processor.core.verdict.states import rank_state
from driftline_processor.core.windows.window import DAY
from driftline_processor.present.metrics import ends_of_calls, service_title, value_of_calls
from driftline_processor.present.money import loss_sentence
from driftline_processor.present.numbers import many, percent
from driftline_processor.present.sections.fairness import criterion_sentence, fewest_sentence
from driftline_processor.present.sentences.verdict import verdict_cause, verdict_headline
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import format_percent, short
from driftline_processor.queries.incidents import KINDS, Incident
from driftline_processor.queries.model_view import ModelView, leading_model, verdict_of
from driftline_processor.queries.money_lost import TROUBLES, loss_of_period

from .period import Period

Grade = Literal["kept", "watch", "broken", "inconclusive", "not_agreed"]

GRADES: Final[dict[Grade, str]] = {
    "broken": "broken",
    "watch": "watch",
    "inconclusive": "inconclusive",
    "not_agreed": "not set",
    "kept": "ok",
}
"""Grade → its word, the worst first."""

SUBJECTS: Final = ("verdict", "objectives", "drift", "labels", "service", "incidents", "baseline", "fairness", "money")
"""Lines of a scorecard, in order."""

GRAVE: Final = ("objective", "service", "labels")
"""Kinds of incidents that violate an agreement, whatever the verdict is."""

NAMED: Final = 3
"""Rules, attributes and drifts listed in a reason."""


class ScoreLine(NamedTuple):
    """One line of a scorecard.

    Attributes:
        subject: One of :data:`SUBJECTS`.
        grade: Its grade.
        reason: The reason, a sentence.
        tab: End of the address of the page that shows it.
    """

    subject: str
    grade: Grade
    reason: str
    tab: str = ""

    @property
    def word(self) -> str:
        """The grade in words."""
        return GRADES[self.grade]


class Scorecard(Struct, frozen=True):
    """The scorecard of a model over its versions in use.

    Attributes:
        model: The version of the verdict.
        versions: Versions in use; all of them if none is.
        tier: Tier of the model, "1" = most critical; "" if not configured.
        owner: Owner of the model; "" if not configured.
        verdict: Current verdict; None if nothing has been evaluated.
        lines: One per subject.
        incidents: Incidents of the period, open ones first.
        loss: Mean loss of money per day in the period; None if unknown.
        loss_days: Number of days with a known loss.
    """

    model: ModelView
    versions: tuple[ModelView, ...]
    tier: str
    owner: str
    verdict: Verdict | None
    lines: tuple[ScoreLine, ...]
    incidents: tuple[Incident, ...]
    loss: DailyLoss | None = None
    loss_days: float = 0.0

    @property
    def state(self) -> VerdictState:
        """State of the verdict; unknown without a verdict."""
        return "unknown" if self.verdict is None else self.verdict.state

    @property
    def grades(self) -> dict[str, ScoreLine]:
        """The line of each subject."""
        return {line.subject: line for line in self.lines}

    @property
    def total_loss(self) -> float | None:
        """Total loss over the days with a known loss."""
        return None if self.loss is None else self.loss.amount * self.loss_days


def scorecards(model_views: Sequence[ModelView], period: Period, incidents: Sequence[Incident]) -> list[Scorecard]:
    """Return the scorecard of each model: by tier, then by loss of money, then the worst first.

    Args:
        model_views: All versions of all models.
        period: The period.
        incidents: Incidents of all models.
    """
    by_model: dict[str, list[ModelView]] = {}
    for model_view in model_views:
        by_model.setdefault(model_view.key.model, []).append(model_view)
    of_model: dict[str, list[Incident]] = {}
    for incident in incidents:
        of_model.setdefault(incident.key.model, []).append(incident)
    cards = [scorecard(views, period, of_model.get(name, ())) for name, views in by_model.items()]
    return sorted(cards, key=_order)


def scorecard(
    views: Sequence[ModelView], period: Period, incidents: Sequence[Incident], as_of: Verdict | None = None
) -> Scorecard:
    """Return the scorecard of a model.

    Args:
        views: All its versions and environments.
        period: The period.
        incidents: Incidents of the model.
        as_of: Verdict of an earlier time; None = the current verdict.
    """
    used = tuple(view for view in views if view.in_use and not view.shadow) or tuple(views)
    leading, verdict = leading_model(views), as_of or verdict_of(views)
    relevant = tuple(
        incident for incident in incidents if not incident.minor and period.meets(incident.since, incident.until)
    )
    lost = [model_loss for view in used if view.currency and (model_loss := _loss(view, period)) is not None]
    loss = add_losses(view for view, _ in lost)
    lines = [
        _verdict(verdict),
        _objectives(used, period),
        _drift(used, period),
        _labels(used, period),
        _service(used, period, relevant),
        _incidents(used, period, relevant, verdict),
        _baseline(leading),
        _fairness(used, period),
        _money(leading, loss),
    ]
    tier = next((str(view.tier) for view in views if view.tier is not None), "")
    owner = next((view.team for view in views if view.team), "")
    days = max((days for _, days in lost), default=0.0)
    return Scorecard(
        model=leading,
        versions=used,
        tier=tier,
        owner=owner,
        verdict=verdict,
        lines=tuple(lines),
        incidents=relevant,
        loss=loss,
        loss_days=days,
    )


def windows_of(view: ModelView, period: Period) -> Sequence[Evaluation]:
    """Return the closed windows of a period, of the longest length with enough of them for a trend.

    If no length has enough, those of the length with most windows.
    """
    within = [_within(window, period) for window in view.windows.values()]
    # 5: minimum number of windows for a trend: a quarter has three months, and thirteen weeks
    trends = [evaluations for evaluations in within if len(evaluations) >= 5]
    if trends:
        return max(trends, key=_length)
    return max(within, key=lambda evaluations: (len(evaluations), _length(evaluations)), default=())


def _within(evaluations: Sequence[Evaluation], period: Period) -> list[Evaluation]:
    return [evaluation for evaluation in evaluations if evaluation.closed and period.holds(evaluation.window)]


def _length(evaluations: Sequence[Evaluation]) -> int:
    return evaluations[-1].window.end - evaluations[-1].window.start if evaluations else 0


def _all_within(views: Sequence[ModelView], period: Period) -> Iterator[Sequence[Evaluation]]:
    for view in views:
        for window in view.windows.values():
            yield _within(window, period)


def _order(card: Scorecard) -> tuple[str, float, int, str]:
    sure = card.loss is not None and card.loss.certain and card.state in TROUBLES
    amount = card.loss.amount if card.loss is not None and sure else 0.0
    rank = 99 if card.verdict is None else rank_state(card.state)
    return card.tier or "9", -amount, rank, card.model.key.model


def _loss(view: ModelView, period: Period) -> tuple[DailyLoss, float] | None:
    by_length = sorted((_within(window, period) for window in view.windows.values()), key=_length, reverse=True)
    return next((loss for evaluations in by_length if (loss := loss_of_period(view, evaluations)) is not None), None)


# -- the lines --------------------------------------------------------------------------------------------------------


def _verdict(verdict: Verdict | None) -> ScoreLine:
    if verdict is None:
        return ScoreLine("verdict", "inconclusive", "No window has been evaluated.")
    grades: dict[VerdictState, Grade] = {
        "healthy": "kept",
        "degraded": "broken",
        "no_data": "broken",
        "unknown": "inconclusive",
    }
    words = " ".join(filter(None, (f"{verdict_headline(verdict)}.", verdict_cause(verdict))))
    return ScoreLine("verdict", grades.get(verdict.state, "watch"), words)


class _ObjectiveHistory(Struct):
    """How often an objective was met in a period.

    Attributes:
        newest: Its state in the newest conclusive window.
        spent: Used fraction of its error budget; None if it has none, or the fraction is unknown.
    """

    rule: str
    states: Counter[Judgement]
    newest: Judgement
    spent: float | None

    @property
    def grade(self) -> Grade:
        """The grade: met if all conclusive windows are met and there is one; broken if the newest one is."""
        if self.newest == "inconclusive":
            return "inconclusive"
        if self.newest == "broken" or (self.spent is not None and self.spent > 1):
            return "broken"
        return "watch" if self.states["broken"] else "kept"

    @property
    def words(self) -> str:
        """How often it was met, and the rest of its budget, in words."""
        judged_windows = self.states["met"] + self.states["broken"]
        text = f"{short(self.rule, 80)}: met in {self.states['met']} of {many(judged_windows, 'window')}"
        if not judged_windows:
            text = f"{short(self.rule, 80)}: inconclusive in {many(self.states['inconclusive'], 'window')}"
        elif self.states["inconclusive"]:
            text += f", {self.states['inconclusive']} inconclusive"
        return text + ("" if self.spent is None else f", {percent(self.spent)} of its error budget is spent")


def _objectives(views: Sequence[ModelView], period: Period) -> ScoreLine:
    objectives = list(_objective_histories(views, period))
    if not objectives:
        return ScoreLine("objectives", "not_agreed", "No objective is set.", "performance")
    worst = _worst(objective.grade for objective in objectives)
    ranked = sorted(objectives, key=lambda objective: [*GRADES].index(objective.grade))
    return ScoreLine("objectives", worst, _listed([objective.words for objective in ranked]), "performance")


def _objective_histories(views: Sequence[ModelView], period: Period) -> Iterator[_ObjectiveHistory]:
    """Yield the result of each objective over the windows of the length with most conclusive windows."""
    by_rule: dict[str, list[list[tuple[Evaluation, ObjectiveState]]]] = {}
    for evaluations in _all_within(views, period):
        of_length: dict[str, list[tuple[Evaluation, ObjectiveState]]] = {}
        for evaluation in evaluations:
            for state in evaluation.objectives:
                of_length.setdefault(state.rule, []).append((evaluation, state))
        for rule, states in of_length.items():
            by_rule.setdefault(rule, []).append(states)
    for rule, lengths in by_rule.items():
        states = max(lengths, key=lambda states: sum(state.state != "inconclusive" for _, state in states))
        telling = [state for _, state in states if state.state != "inconclusive"]
        newest = telling[-1].state if telling else "inconclusive"
        yield _ObjectiveHistory(rule, Counter(state.state for _, state in states), newest, _spent(rule, states))


def _spent(rule: str, states: Sequence[tuple[Evaluation, ObjectiveState]]) -> float | None:
    """Return the used fraction of an error budget: failures relative to the allowed failures."""
    try:
        objective = read_objective(rule)
        budget = error_budget(objective)
        signal = read_signal(objective.metric, objective.slice)
    except ValueError:  # the metric is no longer installed, or the slice is a key without a value
        return None
    if budget is None:
        return None
    readings = [
        (read.value, state.rows)
        for evaluation, state in states
        if (read := signal.read(evaluation)) is not None and state.rows
    ]
    rows = sum(rows for _, rows in readings)
    if not rows:
        return None
    failed = sum((1 - value if objective.upwards else value) * rows for value, rows in readings)
    return failed / rows / budget


def _drift(views: Sequence[ModelView], period: Period) -> ScoreLine:
    newest = [windows[-1] for view in views if (windows := windows_of(view, period))]
    drifting = {
        name for evaluation in newest for name, column in evaluation.features.items() if column.state == "drift"
    }
    outputs = [
        column for evaluation in newest for column in (evaluation.score, evaluation.predicted) if column is not None
    ]
    outputs_drift = sorted({column.words for column in outputs if column.state == "drift"})
    if drifting or outputs_drift:
        columns = [short(name, 40) for name in (*sorted(outputs_drift), *sorted(drifting))]
        return ScoreLine("drift", "watch", f"In the newest window, {_names(columns)} {_drifts(columns)}.", "drift")
    compared = sum(evaluation.drift.compared for evaluation in newest)
    if not compared and not any(column.state in ("ok", "within_normal_variation") for column in outputs):
        why = "there is no baseline" if all(view.baseline is None for view in views) else "too few rows arrived"
        return ScoreLine(
            "drift", "inconclusive", f"Nothing could be compared: {why if newest else 'no window closed'}.", "drift"
        )
    unsure = sum(column.state == "inconclusive" for evaluation in newest for column in evaluation.features.values())
    if unsure > compared:
        return ScoreLine(
            "drift",
            "inconclusive",
            f"Only {compared} of {many(unsure + compared, 'feature')} could be compared.",
            "drift",
        )
    evaluations = [evaluation for view in views for evaluation in windows_of(view, period)]
    drifted = many(sum(bool(evaluation.fraction) for evaluation in evaluations), "window")
    reason = f"None of {many(compared, 'feature')} drifts in the newest window; {drifted} of the period had drift"
    # a column with a critical fault, such as one that never arrived, has no values whose drift could be measured
    faulty = sum(any(one.severity == "critical" for one in evaluation.findings) for evaluation in evaluations)
    reason += f", and {faulty:,} had critical faults of the data" if faulty else ""
    return ScoreLine("drift", "kept", f"{reason}.", "drift")


def _labels(views: Sequence[ModelView], period: Period) -> ScoreLine:
    evaluations = [
        window for windows in _all_within(views, period) for window in windows if window.label_sla is not None
    ]
    if not evaluations:
        shares = [
            evaluation.coverage
            for view in views
            for evaluation in windows_of(view, period)
            if evaluation.coverage is not None
        ]
        coverage_text = (
            f"; outcomes of {percent(sum(shares) / len(shares))} of the predictions arrived" if shares else ""
        )
        return ScoreLine("labels", "not_agreed", f"No label SLA is set{coverage_text}.", "data")
    length = max(
        {_length([evaluation]) for evaluation in evaluations},
        key=lambda length: sum(_length([evaluation]) == length for evaluation in evaluations),
    )
    counted = [evaluation for evaluation in evaluations if _length([evaluation]) == length]
    states = Counter(evaluation.label_sla.state for evaluation in counted if evaluation.label_sla is not None)
    judged_windows = states["met"] + states["broken"]
    if not judged_windows:
        return ScoreLine(
            "labels",
            "inconclusive",
            f"The agreed time for outcomes has not passed yet in {many(len(counted), 'window')}.",
            "data",
        )
    last = next(
        evaluation.label_sla
        for evaluation in reversed(counted)
        if evaluation.label_sla and evaluation.label_sla.state != "inconclusive"
    )
    agreed = f"the agreement is {format_percent(last.coverage)} within {last.within / DAY:g} days"
    reason = f"Outcomes arrived in time in {states['met']} of {many(judged_windows, 'window')}; {agreed}."
    grade: Grade = "broken" if last.state == "broken" else "watch" if states["broken"] else "kept"
    return ScoreLine("labels", grade, reason, "data")


def _service(views: Sequence[ModelView], period: Period, incidents: Sequence[Incident]) -> ScoreLine:
    tab = "performance"
    failing = [incident for incident in incidents if incident.kind in ("service", "latency") and incident.open]
    if failing:
        return ScoreLine("service", "broken", failing[0].sentence, tab)
    agreed = [line for line in _objective_histories(views, period) if _of_service(line.rule)]
    levels = [line.service for view in views for line in windows_of(view, period)[-1:] if line.service is not None]
    if not levels:
        return ScoreLine("service", "inconclusive", "No calls were counted, so latency and errors are unknown.", tab)
    measured = "; ".join(
        f"{service_title(name)} {value_of_calls(name, value)} ({ends_of_calls(name, value)})"
        for name in (ERROR_RATE, "latency_p95")
        if (value := levels[0].values.get(name)) is not None
    )
    if not agreed:
        return ScoreLine(
            "service", "not_agreed", f"No objective for latency or errors is set; newest window: {measured}.", tab
        )
    reason = _listed([line.words for line in agreed]).rstrip(".") + f". Newest window: {measured}."
    return ScoreLine("service", _worst(line.grade for line in agreed), reason, tab)


def _of_service(rule: str) -> bool:
    return any(rule.startswith(name) for name in (AVAILABILITY, ERROR_RATE, *LATENCIES))


def _incidents(
    views: Sequence[ModelView], period: Period, incidents: Sequence[Incident], verdict: Verdict | None
) -> ScoreLine:
    if not incidents:
        windows = sum(len(windows_of(view, period)) for view in views)
        if not windows:
            return ScoreLine("incidents", "inconclusive", "No window of the period has been evaluated.", "incidents")
        if verdict is None or verdict.state == "unknown":
            reason = "No incident was found, but whether the model is healthy is unknown."
            return ScoreLine("incidents", "inconclusive", reason, "incidents")
        return ScoreLine("incidents", "kept", f"No incident in {many(windows, 'evaluated window')}.", "incidents")
    still_open = [incident for incident in incidents if incident.open]
    kinds = Counter(incident.kind for incident in incidents)
    counted = ", ".join(f"{count} {KINDS[kind]}" for kind, count in kinds.most_common(NAMED))
    grave = any(incident.kind in GRAVE or incident.subject in ("degraded", "no_data") for incident in still_open)
    reason = f"{many(len(incidents), 'incident')} ({counted}), {len(still_open)} of them open."
    return ScoreLine("incidents", "broken" if grave else "watch", reason, "incidents")


def _baseline(model: ModelView) -> ScoreLine:
    baseline, tab = model.baseline, ""
    if baseline is None or baseline.learned < baseline.needed:
        return ScoreLine("baseline", "inconclusive", "There is no baseline yet.", tab)
    if baseline.other_version:
        other_version = short(baseline.other_version, 40)
        return ScoreLine("baseline", "watch", f"The baseline was built for version {other_version}.", tab)
    if baseline.source == "provisional":
        return ScoreLine("baseline", "watch", "It was learned from the first rows, which may already be faulty.", tab)
    if baseline.until is None:
        return ScoreLine(
            "baseline", "inconclusive", "Its rows have no times, so the age of the baseline is unknown.", tab
        )
    days = max(model.watermark - baseline.until, 0) / DAY
    reason = f"Its newest rows are from {date_words(baseline.until, model.timezone, days=True)}, {days:.0f} days ago."
    # 365: days after which a baseline is outdated, because it lacks the seasons of the last year
    return ScoreLine("baseline", "watch" if days > 365 else "kept", reason, tab)


def _fairness(views: Sequence[ModelView], period: Period) -> ScoreLine:
    tab = "performance"
    of_trend = [evaluation for view in views for evaluation in reversed(windows_of(view, period))]
    all_windows = [evaluation for evaluations in _all_within(views, period) for evaluation in reversed(evaluations)]
    mature_first = (
        sorted(windows, key=lambda window: window.maturity != "mature") for windows in (of_trend, all_windows)
    )
    mature = next((window for windows in mature_first for window in windows if window.fairness), None)
    if mature is None:
        return ScoreLine("fairness", "not_agreed", "No fairness rule is set.", tab)
    criteria = [
        (evaluation.attribute, criterion) for evaluation in mature.fairness for criterion in evaluation.criteria
    ]
    states = [criterion.state for _, criterion in criteria]
    broken = [(name, criterion) for name, criterion in criteria if criterion.state == "broken"]
    if broken:
        words = [
            f"{short(name, 40)}, {evaluation.name.replace('_', ' ')}: {criterion_sentence(evaluation)}"
            for name, evaluation in broken
        ]
        return ScoreLine("fairness", "broken", _listed(words), tab)
    attributes = _names([short(evaluation.attribute, 40) for evaluation in mature.fairness])
    if not states or "met" not in states:
        reason = f"The groups of {attributes} have too few rows{_smallest_groups(mature.fairness)}."
        return ScoreLine("fairness", "inconclusive", reason, tab)
    unsure = sum(state == "inconclusive" for state in states)
    more = f", {unsure} inconclusive{_smallest_groups(mature.fairness)}" if unsure else ""
    met = f"For {attributes}, {states.count('met')} of {len(states)} criteria are met{more}."
    return ScoreLine("fairness", "watch" if unsure else "kept", met, tab)


def _smallest_groups(fairness: Sequence[Fairness]) -> str:
    """Return the group of each attribute with the least data for inconclusive criteria, as a clause."""
    untold = [
        (group_fairness, [criterion.name for criterion in group_fairness.criteria if criterion.state == "inconclusive"])
        for group_fairness in fairness
    ]
    sentences = [sentence for group_fairness, names in untold if (sentence := fewest_sentence(group_fairness, names))]
    return f": {'; '.join(sentences)}" if sentences else ""


def _money(model: ModelView, loss: DailyLoss | None) -> ScoreLine:
    if not model.currency:
        return ScoreLine("money", "not_agreed", "No currency is set.")
    if loss is None:
        reason = "No window of the period contains a cost or a value, or the baseline contains none."
        return ScoreLine("money", "inconclusive", reason)
    sure = loss.high is not None and loss.high <= 0
    grade: Grade = "broken" if loss.certain else "kept" if sure else "inconclusive"
    return ScoreLine("money", grade, loss_sentence(loss, model.currency, model.timezone))


# -- words ------------------------------------------------------------------------------------------------------------


def _worst(grades: Iterable[Grade]) -> Grade:
    return min(grades, key=[*GRADES].index)


def _listed(parts: Sequence[str]) -> str:
    more = f"; {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    return "; ".join(parts[:NAMED]).rstrip(".") + more + "."


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _drifts(names: Sequence[str]) -> str:
    return "drifts" if len(names) == 1 else "drift"
