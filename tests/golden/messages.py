"""The sentences of messages, incidents, policies' reasons and drills, each in a line of ``sentences.txt``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_extensions.drills.texts import drill_lines, first_sentence, summary
from driftline_processor.core import facts
from driftline_processor.core.concept.result import Change as StreamChange
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import (
    Evaluation,
    Finding,
    Judgement,
    MetricChange,
    ObjectiveState,
    ServiceLevel,
    SlaResult,
    TrackRecord,
    Verdict,
)
from driftline_processor.core.policy.firing import StepOutcome
from driftline_processor.core.verdict.record import RowFinding
from driftline_processor.core.verdict.transitions import Transition
from driftline_processor.core.windows.window import DAY, HOUR, Window
from driftline_processor.present.alerts import (
    AlertLine,
    AlertPlace,
    Notification,
    acknowledgement_facts,
    collected_facts,
    group_facts,
    message_facts,
    new_models_facts,
)
from driftline_processor.present.sections.concept import ErrorLevels, concept_sentence
from driftline_processor.present.sections.estimates import track_record_sentence as record_sentence
from driftline_processor.present.sentences import policies
from driftline_processor.present.times import date_words
from driftline_processor.queries.incidents import incidents_of
from driftline_processor.queries.interruptions import Interruption
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.pages.performance import blocks_of
from msgspec.structs import replace

from tests.support.drill_results import FOUND, HEALTH, LATER, MISSED, NONE, THIN, UNNAMED
from tests.support.verdict_windows import JULY, value

KEY = ModelKey("churn", "v1", "prod")
ALERT = Notification(
    kind="opened",
    alert="a1",
    policy="low",
    condition="accuracy < 75 %",
    model="churn",
    version="1",
    environment="eu",
    severity="critical",
    owner="ann",
    tier=1,
    since=JULY,
    until=None,
    words="accuracy is 70 %, below 75 %",
    reason=False,
    verdict=None,
    timezone="UTC",
    links={},
    claim="accuracy has been below 75 %",
)
DEGRADED = Verdict(
    "degraded",
    JULY,
    reasons=(facts.ColumnMoved(name="age"),),
    certainty=(facts.FaultCertain(),),
    advice=facts.Retrain(facts.Since(None, "UTC", of_days=True)),
)
HEALTHY = Verdict(
    "healthy",
    JULY,
    reasons=(facts.NoWorseThanBaseline(metric="accuracy", value=0.8, baseline=0.79, margin=0.05, better=True),),
    advice=facts.NothingToDo(),
)
CHANGED = replace(ALERT, verdict=DEGRADED, explained=True)
AGE = RowFinding("cause", "missing:age", JULY, fact=Finding("missing", ("age",), "critical", 0.02, 1.0, 1e-12))
TRANSITIONS = (
    Transition("cause_changed", AGE),
    Transition("cause_changed", RowFinding("cause", "unknown", JULY)),
    Transition("joined", replace(AGE, role="joined")),
    Transition("recovered", replace(AGE, until=JULY + DAY)),
    Transition("recovered", replace(AGE, until=JULY + DAY, fact=None)),
    Transition("recovered", replace(AGE, role="joined", until=JULY + DAY)),
)
ALERTS = (
    (ALERT, ""),
    (replace(ALERT, verdict=DEGRADED, loss="It loses EUR 2,500 a day.", explained=True), "degraded"),
    (replace(ALERT, verdict=DEGRADED, explained=True), ""),
    (replace(ALERT, verdict=DEGRADED), ""),
    (replace(ALERT, verdict=HEALTHY), ""),
    (replace(ALERT, verdict=HEALTHY, room="the limit is too close to the baseline"), ""),
    *((replace(CHANGED, kind=one.kind, transitions=(one,)), "degraded") for one in TRANSITIONS),
    (replace(ALERT, kind="worse", environment="", owner="", tier=None, claim=""), ""),
    (replace(ALERT, kind="escalated", told_to=("team", "ops"), told_at=JULY + HOUR), ""),
    (replace(ALERT, kind="resolved", until=JULY + DAY, verdict=HEALTHY), "degraded"),
    (replace(ALERT, kind="resolved", until=JULY + DAY, unwatched=True, reason=True, severity="warning"), "no_data"),
    (replace(ALERT, kind="passed", until=JULY + DAY, severity="info"), "at_risk"),
)
LINE = AlertLine(
    alert="a1",
    policy="low",
    model="churn",
    environment="eu",
    severity="critical",
    state="degraded",
    tier=1,
    since=JULY,
    until=None,
    began=True,
    words="accuracy is 70 %",
    taken_by="ann",
    loss_words="EUR 2,500 a day",
)
LINES = (LINE, replace(LINE, state="", loss_words="", taken_by="", tier=None), replace(LINE, until=JULY + DAY))


def message_lines() -> Iterator[str]:
    """Yield the lines: what it is, and the words for it."""
    facts = [message_facts(track_record_sentence, state) for track_record_sentence, state in ALERTS]
    for (track_record_sentence, _), said in zip(ALERTS, facts, strict=True):
        yield from _message(track_record_sentence.kind, said)
    lasting = [message_facts(replace(ALERT, claim=""), "")]
    for kind in ("opened", "joined", "worse", "cause_changed", "recovered", "eased"):
        yield from _message(f"{kind} group", group_facts(kind, "a1", facts[0], facts[1:2], lasting))
    yield from _message(
        "acknowledged", acknowledgement_facts("a1", AlertPlace("low", "churn", "eu", "info"), "ann", "")
    )
    for kind in ("digest", "summary"):
        yield from _message(kind, collected_facts(kind, LINES, JULY + DAY, "UTC", ""))
    yield from _message("new models", new_models_facts(300, "20 per 1d"))
    for chosen in _compared():
        for block in blocks_of(chosen, chosen.reference, [*chosen.realized]):
            yield f"difference {block.state}: {block.meaning}"
    for concept in CONCEPTS:
        yield f"concept {concept.state}: {concept_sentence(concept, _day_of, ErrorLevels(0.3, 0.2))}"
    for record in RECORDS:
        yield f"estimates {record.state}: {record_sentence('accuracy', record)}"
    yield f"estimates not final: {record_sentence('accuracy', RECORDS[0], came=True)}"
    for untold, words in _untold():
        yield f"not notified, {untold}: {words}"
    for outcome in get_args(StepOutcome):
        yield f"step {outcome}: {policies.step_words(outcome, 2 if outcome == 'fired' else 1, 2, HOUR)}"
        if outcome != "counted":
            yield f"  in one window: {policies.step_words(outcome, 1, 1, HOUR, fires=True)}"
    for incident in incidents_of(_model()):
        yield f"incident {incident.kind} {incident.subject}: {incident.sentence} | {incident.ended}"
    for drill in (LATER, UNNAMED, MISSED, THIN, NONE):
        yield f"drill {drill.outcome}: {first_sentence(drill)}"
    for noise in ([], [HEALTH]):
        yield from (f"drill {FOUND.outcome}: {line}" for line in drill_lines(replace(FOUND, noise=noise), DAY // 2))
    yield f"drills: {summary([FOUND, UNNAMED, replace(MISSED, noise=[HEALTH])])}"


def _message(kind: str, facts: dict[str, Any]) -> Iterator[str]:
    yield f"message {kind}: {facts['title']}"
    yield from (f"  {line}" for line in facts["text"].split("\n"))


def _untold() -> Iterator[tuple[policies.Untold, str]]:
    until = JULY + HOUR
    yield "switched_off", policies.SWITCHED_OFF
    yield "catching_up", policies.CATCHING_UP
    yield "pending", policies.pending_words(1, 2)
    yield "no_channel", policies.NO_CHANNEL
    yield "silenced", policies.silenced_words(until, "UTC")
    yield "unless", policies.unless_words("worse")
    yield "no_news", policies.NO_NEWS
    yield "new_model", policies.NEW_MODEL
    yield "undeclared", policies.UNDECLARED
    for degraded in (False, True):
        yield "cooling_down", policies.cooling_words(until, HOUR, "UTC", degraded=degraded)
    yield "quiet_hours", policies.held_words("team", until, digest=False, timezone="UTC")
    yield "digest", policies.held_words("team", until, digest=True, timezone="UTC")
    yield "grouped", policies.grouped_words("team", "a1")
    results: tuple[policies.Untold, ...] = ("not_taken", "refused", "expired", "held_back", "dry_run")
    for result in results:
        yield result, policies.failed_words("team", result, "HTTP 403")
    yield "approval", policies.approval_words("http/rollback")


DRIFT = ConceptDrift("drift", outcomes=9_000, since=JULY, before=0.1, after=0.294)
CONCEPTS = (
    *(ConceptDrift("unknown"), ConceptDrift("learning", outcomes=99), ConceptDrift("ok", outcomes=1_200, after=0.2)),
    *(DRIFT, replace(DRIFT, after=0.0187), replace(DRIFT, measure="absolute_error", slices={"country=NL": DRIFT})),
    replace(DRIFT, after=0.0187, changes=(StreamChange(JULY, JULY + DAY, 0.1, 0.41),)),
    replace(DRIFT, state="ok", changes=(StreamChange(JULY, JULY + DAY, 0.04, 0.02),), slices={"country=NL": DRIFT}),
)
RECORDS = (
    *(TrackRecord("unknown", 0), TrackRecord("ok", 1, inside=1.0, mean_error=0.01)),
    *(TrackRecord("ok", 4, 1, 0.75, -0.01), TrackRecord("failed", 2, 2, 0.0, -0.14)),
)


def _day_of(time: int) -> str:
    return date_words(time, "UTC", days=True)


CHANGES = (
    *(None, MetricChange("worse", 0.2, 0.1, 0.3), MetricChange("inconclusive", 0.2, -0.05, 0.45)),
    MetricChange("not_worse", 0.02, 0.005, 0.035, p_value=0.02, margin=0.04),
    MetricChange("not_worse", -0.02, -0.035, -0.005, p_value=1.0),
    MetricChange("inconclusive", 0.06, 0.02, 0.2, p_value=0.002, margin=0.1, reason="too_few_days"),
    MetricChange("inconclusive", 0.06, 0.02, 0.2, reason="too_few_rows"),
    MetricChange("inconclusive", -0.2, -0.35, -0.05, p_value=1.0, reason="too_few_rows"),
    MetricChange("inconclusive", 0.185, 0.05, 0.35, p_value=0.024, reason="too_few_days"),
)


def _compared() -> Iterator[Evaluation]:
    """Yield windows whose metrics differ from the baseline, each in another way."""
    metrics, accuracy = {"log_loss": value(0.7, 0.6, 0.8)}, {"accuracy": MetricChange("not_worse", 0.01, -0.01, 0.03)}
    for change in CHANGES:
        changes = {} if change is None else {"log_loss": change}
        yield _day(0, realized=metrics, reference={"log_loss": value(0.5)}, realized_changes=changes)
    last = {"log_loss": CHANGES[-1], **accuracy}
    yield _day(0, realized=metrics, reference={"log_loss": value(0.5)}, realized_changes=last)
    yield _day(0, realized=metrics, reference={}, realized_changes={})
    yield _day(0, realized={"mean_score": value(0.135), "actual_rate": value(0.315)}, reference={})
    yield _day(0, realized={"mean_score": value(0.135)}, reference={})
    yield _day(0, realized=metrics, reference=metrics, realized_changes=last, maturity="immature")


def _model() -> ModelView:
    """Return a model with an incident of each kind that lasts, and one of each kind that is over."""
    late = SlaResult("broken", 7 * DAY, 0.95, 0.5, 0.6, 500)
    days = [_day(at) for at in range(12)]
    for at in (1, 2, 3):
        days[at] = _measured(at, 0.9)
    days[5] = _measured(5, 0.4, incident={"feature:age": JULY + 5 * DAY}, label_sla=late)
    days[6] = _measured(6, 0.4, label_sla=replace(late, state="met"))
    days[8] = _day(8, service=_served(0, 0.5))
    days[9] = _day(9, service=_served(300, 0.0007))
    days[11] = _day(11, incident={"score": JULY + 11 * DAY}, label_sla=late, service=_served(0, 0.5))
    return ModelView(
        KEY,
        Task("binary", ("0", "1"), "1", 0.5),
        *(1000, 0, 0, 0),
        windows={"1d": days},
        verdict=replace(DEGRADED, since=JULY + 11 * DAY),
        interruptions=(
            Interruption("no_data", 2 * DAY, 3 * DAY, 2 * HOUR),
            Interruption("no_data", 5 * DAY, None, 2 * HOUR),
            Interruption("lagging", 4 * DAY, 5 * DAY),
            Interruption("lagging", 6 * DAY, None),
        ),
    )


def _day(number: int, **fields: Any) -> Evaluation:
    window = Window("1d", JULY + number * DAY, JULY + (number + 1) * DAY)
    return Evaluation(KEY, window, 1000, True, **{"service": _served(0, 0.0007), **fields})


def _measured(number: int, loss: float, **fields: Any) -> Evaluation:
    state: Judgement = "broken" if loss > 0.5 else "met"
    objective = ObjectiveState("log_loss", "log_loss <= 0.5", state, loss, loss - 0.02, loss + 0.02, 900, limit=0.5)
    realized = {"log_loss": value(loss, loss - 0.02, loss + 0.02)}
    return _day(number, objectives=(objective,), realized=realized, outcome_rows=900, coverage=0.9, **fields)


def _served(failed: int, seconds: float) -> ServiceLevel:
    rate = failed / 1000
    values = {
        "error_rate": value(rate, rate * 0.9, rate * 1.1),
        "latency_p95": value(seconds, 0.9 * seconds, 1.1 * seconds),
    }
    return ServiceLevel(1000, failed, {"TimeoutError": failed} if failed else {}, values)
