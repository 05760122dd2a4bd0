"""The audit log in chronological order: actions of policies, channels, actions and people.

It is read from stored alerts, messages with their deliveries, approvals, decisions and silences, and from the
configured silences. Only the last result of repeated attempts is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, get_args

from msgspec import Struct
from msgspec.structs import asdict, replace

from driftline_processor.policy.alerts import Alert, AlertStore, Delivery
from driftline_processor.policy.message import Message
from driftline_processor.policy.silences import Silences
from driftline_processor.present.alerts import kind_words
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import iso_time, printable

from .decisions import DecisionStore

EntryKind = Literal[
    "fired", "resolved", "notified", "ordered", "answered", "approved", "acknowledged", "decided", "silenced"
]
"""Kind of an entry.

A policy fires, or its alert ends; a notification is sent, or an action ordered; its result; an approval, an
acknowledgement, or a decision about a model; a silence begins, or a person ends it.
"""

KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)


class Entry(Struct, frozen=True, kw_only=True):
    """An entry of the audit log.

    Attributes:
        time: Wall time in unix nanoseconds.
        kind: Kind of the entry.
        model: Name of the model; for a silence the names that it covers.
        environment: Environment of the model; "" if not given.
        subject: Name of the policy, channel, action or silence; for a decision its kind.
        words: Description.
        by: Person; "" = Driftline.
        why: Reason or result.
        alert: Id of the alert; "" without an alert.
    """

    time: int
    kind: EntryKind
    model: str = ""
    environment: str = ""
    subject: str
    words: str
    by: str = ""
    why: str = ""
    alert: str = ""


class Audit(Struct, frozen=True):
    """Reader of the audit log.

    Attributes:
        alerts: Store of alerts and messages.
        decisions: Store of decisions.
        silences: All silences.
        clock: Returns unix nanoseconds.
    """

    alerts: AlertStore
    decisions: DecisionStore
    silences: Silences
    clock: Callable[[], int]

    def entries(self, model: str = "", kind: str = "") -> list[Entry]:
        """Return the entries, newest first.

        Args:
            model: Only this model, with all silences that cover it.
            kind: Only this kind.
        """
        all_entries = [*self._of_alerts(), *self._of_decisions(), *self._of_silences(model)]
        chosen = [entry for entry in all_entries if (not kind or entry.kind == kind) and self._is_about(entry, model)]
        return sorted(chosen, key=lambda entry: (-entry.time, -KINDS.index(entry.kind)))

    def _is_about(self, entry: Entry, model: str) -> bool:
        return not model or entry.model == model or entry.kind == "silenced"

    def _of_alerts(self) -> Iterator[Entry]:
        alerts = self.alerts.alerts
        for alert in alerts.values():
            policy, words = alert.policy, f"fired, {alert.severity}"
            yield _with_model(
                alert, Entry(time=alert.first_seen, kind="fired", subject=policy, words=words, why=alert.words)
            )
            if alert.resolved is not None:
                yield _with_model(
                    alert,
                    Entry(time=alert.resolved, kind="resolved", subject=policy, words="resolved", why=alert.words),
                )
            if alert.acknowledged is not None:
                entry = Entry(time=alert.acknowledged, kind="acknowledged", subject=policy, words="acknowledged")
                yield _with_model(alert, replace(entry, by=alert.acknowledged_by, why=alert.why))
        deliveries, approvals = self.alerts.deliveries, self.alerts.approvals
        for message in self.alerts.messages.values():
            alert_of = next((alerts[alert_id] for alert_id in message.about if alert_id in alerts), None)
            yield _sent(message, alert_of)
            approval = approvals.get(message.id)
            if approval is not None and approval.time is not None:
                entry = Entry(time=approval.time, kind="approved", subject=message.channel, words="approved")
                yield _about(message, alert_of, replace(entry, by=approval.by, why=approval.why))
            if (delivery := deliveries.get(message.id)) is not None:
                yield _answered(message, alert_of, delivery)

    def _of_decisions(self) -> Iterator[Entry]:
        for decision in self.decisions.decisions:
            version = f", version {decision.version}" if decision.version else ""
            yield Entry(
                time=decision.time,
                kind="decided",
                model=decision.model,
                subject=decision.kind,
                words=decision.words + version,
                by=decision.by,
                why=decision.why,
            )

    def _of_silences(self, model: str) -> Iterator[Entry]:
        for named in self.silences.all:
            silence = named.silence
            if silence.since > self.clock() or (model and not silence.names(model)):
                continue
            policies = "" if silence.policies == ("*",) else f" of {', '.join(silence.policies)}"
            words = f"no notifications{policies} until {date_words(named.planned or silence.until)}"
            models = ", ".join(silence.models)
            entry = Entry(time=silence.since, kind="silenced", model=models, subject=named.id, words=words)
            yield replace(entry, by=named.by, why=named.why)
            if named.ended_by:
                yield replace(entry, time=silence.until, words="the silence was ended", by=named.ended_by)


def _with_model(alert: Alert, entry: Entry) -> Entry:
    """Return an entry with the model of an alert."""
    return replace(entry, model=alert.model, environment=alert.environment, alert=alert.id)


def _about(message: Message, alert: Alert | None, entry: Entry) -> Entry:
    """Return an entry with the model of a message; a digest is about several models and has none."""
    return entry if alert is None or message.says_several else _with_model(alert, entry)


def _sent(message: Message, alert: Alert | None) -> Entry:
    kind: EntryKind = "ordered" if message.is_order else "notified"
    words = f"{'action' if message.is_order else 'notification'}: {kind_words(message.kind)}"
    return _about(message, alert, Entry(time=message.created, kind=kind, subject=message.channel, words=words))


def _answered(message: Message, alert: Alert | None, delivery: Delivery) -> Entry:
    words = f"{kind_words(message.kind)}: {delivery.result.replace('_', ' ')}"
    entry = Entry(time=delivery.time, kind="answered", subject=message.channel, words=words, why=delivery.detail)
    return _about(message, alert, entry)


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return an entry in the format of the API."""
    fields = {name: printable(text) if isinstance(text, str) else text for name, text in asdict(entry).items()}
    return {**fields, "time": iso_time(entry.time), "by": fields["by"] or None, "alert": fields["alert"] or None}
