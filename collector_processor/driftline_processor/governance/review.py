"""The review of a period: all models by tier, what happened to them, what people decided, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.metrics import direction
from driftline_processor.policy.alerts import Alert, Approval, Message
from driftline_processor.present.titles import metric_names
from driftline_processor.queries.incidents import Incident
from driftline_processor.queries.overview import ModelView, has_performance

from .decisions import Decision
from .period import Period
from .scorecard import SUBJECTS, Grade, Scorecard, scorecards, windows_of

DRAWN: Final = 30
"""Windows of a small chart: one in three days of a quarter."""


class ReviewedIncident(NamedTuple):
    """An incident, and who took on what was told of it.

    Attributes:
        incident: What was wrong.
        lasted: Nanoseconds within the period; None where nobody knows when it began.
        taken_by: Who took it on; "" = nobody.
    """

    incident: Incident
    lasted: int | None
    taken_by: str


class ReviewedDecision(NamedTuple):
    """What somebody decided.

    Attributes:
        time: When, wall time in unix nanoseconds.
        model: Name of the model.
        what: What was decided.
        by: Who decided.
        why: Why; "" where nobody said.
    """

    time: int
    model: str
    what: str
    by: str
    why: str


class Trend(NamedTuple):
    """How a model did over the period.

    Attributes:
        windows: Its windows, thinned to what a small chart can show.
        metric: The metric that stands for the model; "" where none is known.
        first: Its value in the first window that knows it; None where none does.
        last: Its value in the last one.
        baseline: The baseline's value.
        judged: How many windows of the period were judged.
        predictions: Predictions in them.
    """

    windows: Sequence[Evaluation]
    metric: str
    first: float | None
    last: float | None
    baseline: float | None
    judged: int
    predictions: int


class ReviewedModel(NamedTuple):
    """A model in a review.

    Attributes:
        card: Its scorecard.
        trend: How it did.
        incidents: What was wrong with it.
        decisions: What was decided about it.
    """

    card: Scorecard
    trend: Trend
    incidents: tuple[ReviewedIncident, ...]
    decisions: tuple[ReviewedDecision, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of models, and what people said to it.

    Attributes:
        alerts: All alerts.
        messages: Of these alerts, among them those to actions.
        approvals: Of actions.
        decisions: About models.
    """

    alerts: Sequence[Alert] = ()
    messages: Sequence[Message] = ()
    approvals: Sequence[Approval] = ()
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """A review.

    Attributes:
        period: What it is of.
        models: By tier, in it by what troubles cost, then the worst first.
        decisions: About any model, the oldest first; also those about models that are gone.
        currency: What money is in; "" where nobody named a currency.
    """

    period: Period
    models: tuple[ReviewedModel, ...]
    decisions: tuple[ReviewedDecision, ...]
    currency: str

    @property
    def grades(self) -> dict[str, Counter[Grade]]:
        """How many models have which grade, by subject."""
        return {name: Counter(one.card.grades[name].grade for one in self.models) for name in SUBJECTS}

    @property
    def tiers(self) -> list[tuple[str, list[ReviewedModel]]]:
        """The models of each tier."""
        found: dict[str, list[ReviewedModel]] = {}
        for one in self.models:
            found.setdefault(one.card.tier, []).append(one)
        return sorted(found.items(), key=lambda tier: tier[0] or "9")

    @property
    def loss(self) -> float | None:
        """What all models lost that tell it, over the days that tell it; None where none does."""
        known = [total for one in self.models if (total := one.card.total_loss) is not None]
        return sum(known) if known else None

    @property
    def incidents(self) -> list[ReviewedIncident]:
        """Of all models, the longest first."""
        every = [incident for one in self.models for incident in one.incidents]
        return sorted(every, key=lambda one: -(one.lasted or 0))


def review(
    known: Sequence[ModelView], period: Period, incidents: Sequence[Incident], told: Told | None = None
) -> Review:
    """Return the review of a period.

    Args:
        known: All versions of all models.
        period: What it is of.
        incidents: Of all models.
        told: What was told and decided; None = nothing.
    """
    told = told or Told()
    decided = sorted(_decisions(told, period), key=lambda one: one.time)
    taken: dict[str, list[Alert]] = {}
    for alert in told.alerts:
        if alert.acknowledged is not None:
            taken.setdefault(alert.model, []).append(alert)
    models = []
    for card in scorecards(known, period, incidents):
        name = card.model.key.model
        found = tuple(_reviewed(one, period, taken.get(name, ())) for one in card.incidents)
        mine = tuple(one for one in decided if one.model == name)
        models.append(ReviewedModel(card, trend(card.model, period), found, mine))
    currency = next((one.currency for one in known if one.currency), "")
    return Review(period, tuple(models), tuple(decided), currency)


def trend(view: ModelView, period: Period) -> Trend:
    """Return how one version did over a period, by the metric that stands for it."""
    windows = windows_of(view, period)
    measured = [one for one in windows if has_performance(one) and view.mature(one)]
    names = metric_names(measured[-1].realized) if measured else []
    metric = next((name for name in names if direction(name)), "")
    values = [value.value for one in measured if (value := one.realized.get(metric)) and value.value is not None]
    base = measured[-1].reference.get(metric) if measured else None
    step = -(-len(windows) // DRAWN) or 1
    thinned = [*reversed([*reversed(windows)][::step])]
    first, last = (values[0], values[-1]) if values else (None, None)
    rows = sum(one.rows for one in windows)
    return Trend(thinned, metric, first, last, None if base is None else base.value, len(windows), rows)


def _reviewed(incident: Incident, period: Period, taken: Sequence[Alert]) -> ReviewedIncident:
    lasted = None
    if incident.since is not None:
        until = period.end if incident.until is None else min(incident.until, period.end)
        lasted = max(until - max(incident.since, period.start), 0)
    by = [one.acknowledged_by for one in taken if _meet(incident, one)]
    return ReviewedIncident(incident, lasted, by[0] if by else "")


def _meet(incident: Incident, alert: Alert) -> bool:
    """Return True where an alert was told while an incident lasted."""
    if alert.environment != incident.key.environment:
        return False
    since = alert.fired if alert.since is None else alert.since
    ended = incident.until is not None and since >= incident.until
    over = alert.until is not None and incident.since is not None and alert.until <= incident.since
    return not ended and not over


def _decisions(told: Told, period: Period) -> Iterator[ReviewedDecision]:
    for alert in told.alerts:
        if alert.acknowledged is not None and period.start <= alert.acknowledged < period.end:
            what = f"took on {alert.policy}"
            yield ReviewedDecision(alert.acknowledged, alert.model, what, alert.acknowledged_by, alert.why)
    of_alert = {one.id: one for one in told.alerts}
    messages = {one.id: one for one in told.messages}
    for approval in told.approvals:
        message = messages.get(approval.message)
        about = None if message is None else of_alert.get(message.alert)
        if approval.time is None or not period.start <= approval.time < period.end or message is None or about is None:
            continue
        yield ReviewedDecision(approval.time, about.model, f"approved {message.channel}", approval.by, approval.why)
    for one in told.decisions:
        if period.start <= one.time < period.end:
            what = f"{one.words}{f', version {one.version}' if one.version else ''}"
            yield ReviewedDecision(one.time, one.model, what, one.by, one.why)
