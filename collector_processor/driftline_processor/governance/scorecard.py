"""The scorecard of a model over a period: each thing that somebody answers for, graded in a word, with the reason.

A line is *kept* only where windows had the power to show otherwise. Where they had not, it says that nobody can tell;
where nothing was agreed, it says that, with what was measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from driftline_processor.core.dates import date_words
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
from driftline_processor.core.verdict import rank_state
from driftline_processor.core.windows.window import DAY
from driftline_processor.core.wording import format_percent, short
from driftline_processor.present.fairness import criterion_sentence, fewest_sentence
from driftline_processor.present.money import loss_sentence
from driftline_processor.present.numbers import many, percent
from driftline_processor.present.service_level import ends_of_calls, service_title, value_of_calls
from driftline_processor.present.verdicts import verdict_sentence
from driftline_processor.queries.incidents import KINDS, Incident
from driftline_processor.queries.losses import TROUBLES, loss_of_period
from driftline_processor.queries.overview import ModelView, leading_model, verdict_of

from .period import Period

Grade = Literal["kept", "watch", "broken", "inconclusive", "not_agreed"]

GRADES: Final[dict[Grade, str]] = {
    "broken": "not kept",
    "watch": "watch",
    "inconclusive": "inconclusive",
    "not_agreed": "not agreed",
    "kept": "kept",
}
"""Grade → its word, the worst first."""

SUBJECTS: Final = ("verdict", "objectives", "drift", "labels", "service", "incidents", "baseline", "fairness", "money")
"""What a scorecard has a line of, in its order."""

GRAVE: Final = ("objective", "service", "labels")
"""Kinds of incidents that break what was agreed, whatever the verdict."""

NAMED: Final = 3
"""Rules, attributes and drifts that a reason names."""


class ScoreLine(NamedTuple):
    """One line of a scorecard.

    Attributes:
        subject: One of :data:`SUBJECTS`.
        grade: How it stands.
        reason: Why, in a sentence.
        tab: End of the address of the page that shows it.
    """

    subject: str
    grade: Grade
    reason: str
    tab: str = ""

    @property
    def word(self) -> str:
        """The grade as people read it."""
        return GRADES[self.grade]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The scorecard of a model, of its versions in use together.

    Attributes:
        model: The version that the verdict is about.
        versions: Those in use; all of them where none is.
        tier: How much depends on the model, "1" most; "" where nobody said.
        owner: Who answers for it; "" where nobody said.
        verdict: Whether it is right now; None where nothing has been judged.
        lines: One for each subject.
        incidents: Those of the period, those that last first.
        loss: The mean loss a day in the period, in money; None where nothing tells it.
        loss_days: Days of the period that tell the loss.
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
        """The state of the verdict; unknown where there is none."""
        return "unknown" if self.verdict is None else self.verdict.state

    @property
    def grades(self) -> dict[str, ScoreLine]:
        """The line of each subject."""
        return {line.subject: line for line in self.lines}

    @property
    def total_loss(self) -> float | None:
        """What the days lost together that tell it."""
        return None if self.loss is None else self.loss.amount * self.loss_days


def scorecards(known: Sequence[ModelView], period: Period, incidents: Sequence[Incident]) -> list[Scorecard]:
    """Return the scorecard of each model: by tier, and in it by the money that troubles cost, then the worst first.

    Args:
        known: All versions of all models.
        period: What they are of.
        incidents: Of all models.
    """
    by_model: dict[str, list[ModelView]] = {}
    for one in known:
        by_model.setdefault(one.key.model, []).append(one)
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
        period: What it is of.
        incidents: Of the model.
        as_of: The verdict of an earlier time, where that is looked at; None = of now.
    """
    used = tuple(one for one in views if one.in_use and not one.shadow) or tuple(views)
    leading, verdict = leading_model(views), as_of or verdict_of(views)
    there = tuple(one for one in incidents if not one.minor and period.meets(one.since, one.until))
    lost = [found for one in used if one.currency and (found := _loss(one, period)) is not None]
    loss = add_losses(one for one, _ in lost)
    lines = [
        _verdict(verdict),
        _objectives(used, period),
        _drift(used, period),
        _labels(used, period),
        _service(used, period, there),
        _incidents(used, period, there, verdict),
        _baseline(leading),
        _fairness(used, period),
        _money(leading, loss),
    ]
    tier = next((str(one.tier) for one in views if one.tier is not None), "")
    owner = next((one.team for one in views if one.team), "")
    days = max((days for _, days in lost), default=0.0)
    return Scorecard(leading, used, tier, owner, verdict, tuple(lines), there, loss, days)


def windows_of(view: ModelView, period: Period) -> Sequence[Evaluation]:
    """Return the closed windows of a period, of the longest length of which there are enough to see a trend.

    Where no length has so many, those of the length that has most.
    """
    within = [_within(known, period) for known in view.windows.values()]
    # 5: windows that show a trend: of a quarter there are three months, and thirteen weeks
    trends = [known for known in within if len(known) >= 5]
    if trends:
        return max(trends, key=_length)
    return max(within, key=lambda known: (len(known), _length(known)), default=())


def _within(known: Sequence[Evaluation], period: Period) -> list[Evaluation]:
    return [one for one in known if one.closed and period.holds(one.window)]


def _length(known: Sequence[Evaluation]) -> int:
    return known[-1].window.end - known[-1].window.start if known else 0


def _all_within(views: Sequence[ModelView], period: Period) -> Iterator[Sequence[Evaluation]]:
    for view in views:
        for known in view.windows.values():
            yield _within(known, period)


def _order(card: Scorecard) -> tuple[str, float, int, str]:
    sure = card.loss is not None and card.loss.certain and card.state in TROUBLES
    amount = card.loss.amount if card.loss is not None and sure else 0.0
    rank = 99 if card.verdict is None else rank_state(card.state)
    return card.tier or "9", -amount, rank, card.model.key.model


def _loss(view: ModelView, period: Period) -> tuple[DailyLoss, float] | None:
    by_length = sorted((_within(known, period) for known in view.windows.values()), key=_length, reverse=True)
    return next((found for known in by_length if (found := loss_of_period(view, known)) is not None), None)


# -- the lines --------------------------------------------------------------------------------------------------------


def _verdict(verdict: Verdict | None) -> ScoreLine:
    if verdict is None:
        return ScoreLine("verdict", "inconclusive", "No window has been judged.")
    grades: dict[VerdictState, Grade] = {
        "healthy": "kept",
        "degraded": "broken",
        "no_data": "broken",
        "unknown": "inconclusive",
    }
    return ScoreLine("verdict", grades.get(verdict.state, "watch"), verdict_sentence(verdict))


@dataclass(slots=True)
class _Kept:
    """How often an objective was met in a period.

    Attributes:
        newest: Its state in the newest window that tells.
        spent: The part of its error budget that is spent; None where it has none, or nothing tells it.
    """

    rule: str
    states: Counter[Judgement]
    newest: Judgement
    spent: float | None

    @property
    def grade(self) -> Grade:
        """How it stands: met where each window that tells was, and one told; broken where the newest one is."""
        if self.newest == "inconclusive":
            return "inconclusive"
        if self.newest == "broken" or (self.spent is not None and self.spent > 1):
            return "broken"
        return "watch" if self.states["broken"] else "kept"

    @property
    def words(self) -> str:
        """How often it was kept, and how much of its budget is left."""
        told = self.states["met"] + self.states["broken"]
        said = f"{short(self.rule, 80)}: met in {self.states['met']} of {many(told, 'window')}"
        if not told:
            said = f"{short(self.rule, 80)}: none of {many(self.states['inconclusive'], 'window')} can tell"
        elif self.states["inconclusive"]:
            said += f", {self.states['inconclusive']} inconclusive"
        return said + ("" if self.spent is None else f", {percent(self.spent)} of its error budget is spent")


def _objectives(views: Sequence[ModelView], period: Period) -> ScoreLine:
    found = list(_kept(views, period))
    if not found:
        return ScoreLine("objectives", "not_agreed", "No objective is set.", "performance")
    worst = _worst(one.grade for one in found)
    ranked = sorted(found, key=lambda one: [*GRADES].index(one.grade))
    return ScoreLine("objectives", worst, _listed([one.words for one in ranked]), "performance")


def _kept(views: Sequence[ModelView], period: Period) -> Iterator[_Kept]:
    """Yield how each objective was kept, by the windows of the length of which most tell."""
    by_rule: dict[str, list[list[tuple[Evaluation, ObjectiveState]]]] = {}
    for known in _all_within(views, period):
        of_length: dict[str, list[tuple[Evaluation, ObjectiveState]]] = {}
        for one in known:
            for state in one.objectives:
                of_length.setdefault(state.rule, []).append((one, state))
        for rule, states in of_length.items():
            by_rule.setdefault(rule, []).append(states)
    for rule, lengths in by_rule.items():
        states = max(lengths, key=lambda states: sum(one.state != "inconclusive" for _, one in states))
        telling = [one for _, one in states if one.state != "inconclusive"]
        newest = telling[-1].state if telling else "inconclusive"
        yield _Kept(rule, Counter(one.state for _, one in states), newest, _spent(rule, states))


def _spent(rule: str, states: Sequence[tuple[Evaluation, ObjectiveState]]) -> float | None:
    """Return the part of an error budget that is spent: what failed of all rows, by what may fail."""
    try:
        objective = read_objective(rule)
        budget = error_budget(objective)
        signal = read_signal(objective.metric, objective.slice)
    except ValueError:  # of a metric that is installed no more, or of each value of a key
        return None
    if budget is None:
        return None
    known = [(read.value, state.rows) for one, state in states if (read := signal.read(one)) is not None and state.rows]
    rows = sum(rows for _, rows in known)
    if not rows:
        return None
    failed = sum((1 - value if objective.upwards else value) * rows for value, rows in known)
    return failed / rows / budget


def _drift(views: Sequence[ModelView], period: Period) -> ScoreLine:
    known = [windows[-1] for view in views if (windows := windows_of(view, period))]
    drifting = {name for one in known for name, column in one.features.items() if column.state == "drift"}
    outputs = [column for one in known for column in (one.score, one.predicted) if column is not None]
    outputs_drift = sorted({column.words for column in outputs if column.state == "drift"})
    if drifting or outputs_drift:
        named = [short(name, 40) for name in (*sorted(outputs_drift), *sorted(drifting))]
        return ScoreLine("drift", "watch", f"In the newest window {_names(named)} {_drifts(named)}.", "drift")
    compared = sum(one.drift.compared for one in known)
    if not compared and not any(column.state in ("ok", "within_normal_variation") for column in outputs):
        why = "there is no baseline" if all(view.baseline is None for view in views) else "too few rows came"
        return ScoreLine(
            "drift", "inconclusive", f"Nothing could be compared: {why if known else 'no window closed'}.", "drift"
        )
    unsure = sum(column.state == "inconclusive" for one in known for column in one.features.values())
    if unsure > compared:
        return ScoreLine(
            "drift",
            "inconclusive",
            f"Of {many(unsure + compared, 'feature')} only {compared} could be compared.",
            "drift",
        )
    days = many(sum(bool(one.drift.drifted) for view in views for one in windows_of(view, period)), "window")
    return ScoreLine(
        "drift",
        "kept",
        f"None of {many(compared, 'feature')} drifts in the newest window; in {days} of the period one did.",
        "drift",
    )


def _labels(views: Sequence[ModelView], period: Period) -> ScoreLine:
    known = [one for windows in _all_within(views, period) for one in windows if one.label_sla is not None]
    if not known:
        shares = [one.coverage for view in views for one in windows_of(view, period) if one.coverage is not None]
        held = f"; outcomes of {percent(sum(shares) / len(shares))} of the predictions came" if shares else ""
        return ScoreLine("labels", "not_agreed", f"Nobody agreed how late outcomes may be{held}.", "data")
    length = max({_length([one]) for one in known}, key=lambda length: sum(_length([one]) == length for one in known))
    counted = [one for one in known if _length([one]) == length]
    states = Counter(one.label_sla.state for one in counted if one.label_sla is not None)
    told = states["met"] + states["broken"]
    if not told:
        return ScoreLine(
            "labels",
            "inconclusive",
            f"In none of {many(len(counted), 'window')} is the time for outcomes over.",
            "data",
        )
    last = next(one.label_sla for one in reversed(counted) if one.label_sla and one.label_sla.state != "inconclusive")
    agreed = f"{format_percent(last.coverage)} within {last.within / DAY:g} days were agreed"
    reason = f"Outcomes came in time in {states['met']} of {many(told, 'window')}; {agreed}."
    grade: Grade = "broken" if last.state == "broken" else "watch" if states["broken"] else "kept"
    return ScoreLine("labels", grade, reason, "data")


def _service(views: Sequence[ModelView], period: Period, incidents: Sequence[Incident]) -> ScoreLine:
    tab = "performance"
    failing = [one for one in incidents if one.kind in ("service", "latency") and one.open]
    if failing:
        return ScoreLine("service", "broken", failing[0].sentence, tab)
    agreed = [one for one in _kept(views, period) if _of_service(one.rule)]
    levels = [one.service for view in views for one in windows_of(view, period)[-1:] if one.service is not None]
    if not levels:
        return ScoreLine("service", "inconclusive", "No call was counted: latency and errors are not known.", tab)
    measured = "; ".join(
        f"{service_title(name)} {value_of_calls(name, value)} ({ends_of_calls(name, value)})"
        for name in (ERROR_RATE, "latency_p95")
        if (value := levels[0].values.get(name)) is not None
    )
    if not agreed:
        return ScoreLine(
            "service", "not_agreed", f"No objective of calls is set; in the newest window {measured}.", tab
        )
    reason = _listed([one.words for one in agreed]).rstrip(".") + f". In the newest window {measured}."
    return ScoreLine("service", _worst(one.grade for one in agreed), reason, tab)


def _of_service(rule: str) -> bool:
    return any(rule.startswith(name) for name in (AVAILABILITY, ERROR_RATE, *LATENCIES))


def _incidents(
    views: Sequence[ModelView], period: Period, incidents: Sequence[Incident], verdict: Verdict | None
) -> ScoreLine:
    if not incidents:
        judged = sum(len(windows_of(view, period)) for view in views)
        if not judged:
            return ScoreLine("incidents", "inconclusive", "No window of the period has been judged.", "incidents")
        if verdict is None or verdict.state == "unknown":
            reason = "None was seen, but nobody can tell whether the model is healthy."
            return ScoreLine("incidents", "inconclusive", reason, "incidents")
        return ScoreLine("incidents", "kept", f"None in {many(judged, 'window')} that were judged.", "incidents")
    lasting = [one for one in incidents if one.open]
    kinds = Counter(one.kind for one in incidents)
    counted = ", ".join(f"{count} {KINDS[kind]}" for kind, count in kinds.most_common(NAMED))
    grave = any(one.kind in GRAVE or one.subject in ("degraded", "no_data") for one in lasting)
    reason = f"{many(len(incidents), 'incident')} ({counted}), {len(lasting)} of them open."
    return ScoreLine("incidents", "broken" if grave else "watch", reason, "incidents")


def _baseline(model: ModelView) -> ScoreLine:
    known, tab = model.baseline, ""
    if known is None or known.learned < known.needed:
        return ScoreLine("baseline", "inconclusive", "There is no baseline yet.", tab)
    if known.other_version:
        other = short(known.other_version, 40)
        return ScoreLine("baseline", "watch", f"It was made for version {other}.", tab)
    if known.source == "provisional":
        return ScoreLine("baseline", "watch", "It was learned from the first rows, right or wrong.", tab)
    if known.until is None:
        return ScoreLine("baseline", "inconclusive", "Its rows have no times, so nobody knows how old it is.", tab)
    days = max(model.watermark - known.until, 0) / DAY
    reason = f"Its rows are of {date_words(known.until, model.timezone, days=True)} at the latest, {days:.0f} days ago."
    # 365: days after which a baseline is worth a look: it has seen no season since a year ago
    return ScoreLine("baseline", "watch" if days > 365 else "kept", reason, tab)


def _fairness(views: Sequence[ModelView], period: Period) -> ScoreLine:
    tab = "performance"
    known = [one for view in views for one in reversed(windows_of(view, period)) if one.fairness]
    if not known:
        longest = [one for windows in _all_within(views, period) for one in reversed(windows) if one.fairness]
        known = longest
    if not known:
        return ScoreLine("fairness", "not_agreed", "No attribute of groups is named.", tab)
    mature = next((one for one in known if one.maturity == "mature"), known[0])
    criteria = [(one.attribute, criterion) for one in mature.fairness for criterion in one.criteria]
    states = [criterion.state for _, criterion in criteria]
    broken = [(name, criterion) for name, criterion in criteria if criterion.state == "broken"]
    if broken:
        words = [f"{short(name, 40)}, {one.name.replace('_', ' ')}: {criterion_sentence(one)}" for name, one in broken]
        return ScoreLine("fairness", "broken", _listed(words), tab)
    attributes = _names([short(one.attribute, 40) for one in mature.fairness])
    if not states or "met" not in states:
        reason = f"The groups of {attributes} have too few rows to tell{_fewest(mature.fairness)}."
        return ScoreLine("fairness", "inconclusive", reason, tab)
    unsure = sum(state == "inconclusive" for state in states)
    more = f", {unsure} inconclusive{_fewest(mature.fairness)}" if unsure else ""
    met = f"By {attributes} {states.count('met')} of {len(states)} criteria are met{more}."
    return ScoreLine("fairness", "watch" if unsure else "kept", met, tab)


def _fewest(fairness: Sequence[Fairness]) -> str:
    """Return which group of each attribute says least of the criteria that cannot tell, to be put behind a clause."""
    untold = [(one, [each.name for each in one.criteria if each.state == "inconclusive"]) for one in fairness]
    said = [sentence for one, names in untold if (sentence := fewest_sentence(one, names))]
    return f": {'; '.join(said)}" if said else ""


def _money(model: ModelView, loss: DailyLoss | None) -> ScoreLine:
    if not model.currency:
        return ScoreLine("money", "not_agreed", "No currency is named.")
    if loss is None:
        reason = "No window of the period tells a cost or a value, or the baseline has none."
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
