"""The review of a period: all models by tier with incidents, decisions, and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from driftline_processor.core.audit_chain import Entry, EntryKind
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.metrics import direction
from driftline_processor.policy.alerts import Alert
from driftline_processor.present.metrics import metric_names
from driftline_processor.queries.incidents import Incident
from driftline_processor.queries.model_view import ModelView, has_performance

from .period import Period
from .scorecard import SUBJECTS, Grade, Scorecard, scorecards, windows_of

DRAWN: Final = 30
"""Windows of a sparkline: one in three days of a quarter."""


class ReviewedIncident(NamedTuple):
    """An incident, and who acknowledged its alert.

    Attributes:
        incident: The incident.
        lasted: Nanoseconds within the period; None if the begin is unknown.
        taken_by: Person who acknowledged it; "" = nobody.
    """

    incident: Incident
    lasted: int | None
    taken_by: str


class ReviewedDecision(NamedTuple):
    """A decision in the review.

    Attributes:
        time: Wall time in unix nanoseconds.
        model: Name of the model.
        what: The decision.
        by: The person.
        why: The reason; "" if not given.
    """

    time: int
    model: str
    what: str
    by: str
    why: str


class Trend(NamedTuple):
    """The performance of a model over the period.

    Attributes:
        windows: Its windows, thinned for a sparkline.
        metric: Primary metric of the model; "" if unknown.
        first: First known value; None if there is none.
        last: Last known value.
        baseline: The baseline's value.
        judged: Number of evaluated windows in the period.
        predictions: Number of predictions in them.
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
        trend: Its performance.
        incidents: Its incidents.
        decisions: Decisions about it.
    """

    card: Scorecard
    trend: Trend
    incidents: tuple[ReviewedIncident, ...]
    decisions: tuple[ReviewedDecision, ...]


class Review(Struct, frozen=True):
    """A review.

    Attributes:
        period: Its period.
        models: By tier, then by loss of money, then the worst first.
        decisions: All decisions, oldest first, including those about deleted models.
        currency: Currency of money; "" if not configured.
    """

    period: Period
    models: tuple[ReviewedModel, ...]
    decisions: tuple[ReviewedDecision, ...]
    currency: str

    @property
    def grades(self) -> dict[str, Counter[Grade]]:
        """Number of models per grade, by subject."""
        return {name: Counter(model.card.grades[name].grade for model in self.models) for name in SUBJECTS}

    @property
    def tiers(self) -> list[tuple[str, list[ReviewedModel]]]:
        """The models of each tier."""
        models_by_tier: dict[str, list[ReviewedModel]] = {}
        for model in self.models:
            models_by_tier.setdefault(model.card.tier, []).append(model)
        return sorted(models_by_tier.items(), key=lambda tier: tier[0] or "9")

    @property
    def loss(self) -> float | None:
        """Sum of the known losses over the days with a known loss; None if there are none."""
        totals = [total for model in self.models if (total := model.card.total_loss) is not None]
        return sum(totals) if totals else None

    @property
    def incidents(self) -> list[ReviewedIncident]:
        """Incidents of all models, the longest first."""
        every = [incident for model in self.models for incident in model.incidents]
        return sorted(every, key=lambda incident: -(incident.lasted or 0))


def review(
    model_views: Sequence[ModelView],
    period: Period,
    incidents: Sequence[Incident],
    alerts: Sequence[Alert],
    entries: Sequence[Entry],
) -> Review:
    """Return the review of a period.

    Args:
        model_views: All versions of all models.
        period: The period.
        incidents: Incidents of all models.
        alerts: All alerts.
        entries: Entries of the audit log of this period, of the kinds :data:`DECIDED`, newest first.
    """
    decided = tuple(_decisions(entries))
    alerts_by_model: dict[str, list[Alert]] = {}
    for alert in alerts:
        if alert.acknowledged is not None:
            alerts_by_model.setdefault(alert.model, []).append(alert)
    models = []
    for card in scorecards(model_views, period, incidents):
        name = card.model.key.model
        incidents_of_model = tuple(
            _reviewed(incident, period, alerts_by_model.get(name, ())) for incident in card.incidents
        )
        own_decisions = tuple(decision for decision in decided if decision.model == name)
        models.append(ReviewedModel(card, trend(card.model, period), incidents_of_model, own_decisions))
    currency = next((decision.currency for decision in model_views if decision.currency), "")
    return Review(period, tuple(models), decided, currency)


def trend(view: ModelView, period: Period) -> Trend:
    """Return the performance of one version over a period, by its primary metric."""
    windows = windows_of(view, period)
    measured = [window for window in windows if has_performance(window) and view.mature(window)]
    names = metric_names(measured[-1].realized) if measured else []
    metric = next((name for name in names if direction(name)), "")
    values = [
        value.value for evaluation in measured if (value := evaluation.realized.get(metric)) and value.value is not None
    ]
    base = measured[-1].reference.get(metric) if measured else None
    step = -(-len(windows) // DRAWN) or 1
    thinned = [*reversed([*reversed(windows)][::step])]
    first, last = (values[0], values[-1]) if values else (None, None)
    rows = sum(window.rows for window in windows)
    baseline = None if base is None else base.value
    return Trend(thinned, metric, first=first, last=last, baseline=baseline, judged=len(windows), predictions=rows)


def _reviewed(incident: Incident, period: Period, alerts: Sequence[Alert]) -> ReviewedIncident:
    lasted = None
    if incident.since is not None:
        until = period.end if incident.until is None else min(incident.until, period.end)
        lasted = max(until - max(incident.since, period.start), 0)
    by = [alert.acknowledged_by for alert in alerts if _meet(incident, alert)]
    return ReviewedIncident(incident, lasted, by[0] if by else "")


def _meet(incident: Incident, alert: Alert) -> bool:
    """Return True if an alert was notified during an incident."""
    if alert.environment != incident.key.environment:
        return False
    since = alert.fired if alert.since is None else alert.since
    ended_before = incident.until is not None and since >= incident.until
    over = alert.until is not None and incident.since is not None and alert.until <= incident.since
    return not ended_before and not over


DECIDED: Final[Mapping[EntryKind, str]] = {
    "acknowledged": "acknowledged {0.subject}",
    "approved": "approved {0.subject}",
    "decided": "{0.words}",
}
"""Kinds of entries of the audit log that are decisions of people, and their words in a review."""


def _decisions(entries: Sequence[Entry]) -> Iterator[ReviewedDecision]:
    for entry in reversed(entries):
        if entry.kind in DECIDED and entry.model:
            words = DECIDED[entry.kind].format(entry)
            yield ReviewedDecision(entry.time, entry.model, words, entry.by, entry.why)
