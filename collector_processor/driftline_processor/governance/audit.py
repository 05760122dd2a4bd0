"""The audit log for the API, the pages and the command line, and the import of what an older state knows.

The log itself is :class:`~driftline_processor.store.audit_log.AuditLog`.
"""

from __future__ import annotations

from collections.abc import Iterator

from driftline_processor.core.audit_chain import (
    KINDS,
    Entry,
    EntryKind,
    Head,
    Verification,
    verify_chain,
)
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.silences import Silences, end_entry, silence_entries
from driftline_processor.store.audit_log import AuditLog, entry_document

from .decisions import DecisionStore, decision_entry


def import_history(log: AuditLog, alerts: AlertStore, decisions: DecisionStore, silences: Silences) -> None:
    """Append what a state from before the audit log knows, if the log is empty. Raises StorageOutage.

    Args:
        log: The audit log.
        alerts: Alerts, messages, deliveries and approvals.
        decisions: Decisions and annotations.
        silences: Silences of people.
    """
    if log.head.sequence:
        return
    entries = sorted(_history(alerts, decisions, silences), key=lambda entry: entry.time)
    if entries:
        words = f"{len(entries)} entries of before the audit log was introduced follow"
        why = "earlier deletions, and all attempts but the last one of each message, are unknown"
        log.append(Entry(kind="imported", subject="state", words=words, why=why), *entries)


def _history(alerts: AlertStore, decisions: DecisionStore, silences: Silences) -> Iterator[Entry]:
    yield from alerts.history()
    yield from map(decision_entry, decisions.decisions)
    for silence in silences.stored:
        yield from silence_entries(silence)
        if silence.ended_by:
            yield end_entry(silence)


__all__ = [
    "KINDS",
    "AuditLog",
    "Entry",
    "EntryKind",
    "Head",
    "Verification",
    "entry_document",
    "import_history",
    "verify_chain",
]
