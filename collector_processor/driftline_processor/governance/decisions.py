"""People's decisions about models, and annotations of what happened to them, with person and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import pyarrow as pa
import xxhash
from msgspec import Struct
from msgspec.structs import asdict, replace

from driftline_processor.core.audit_chain import Entry
from driftline_processor.present.wording import iso_time, without_half_surrogates
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Connection, UnreadableRows, insert, read

DecisionKind = Literal["retraining", "retirement", "note", "deployment"]

ANNOTATIONS: Final[tuple[DecisionKind, ...]] = ("note", "deployment")
"""What happened to a model: marks on its timeline, not decisions about it."""

KINDS: Final[tuple[DecisionKind, ...]] = tuple(kind for kind in get_args(DecisionKind) if kind not in ANNOTATIONS)
"""Kinds of decisions."""

WORDS: Final = {"retraining": "retraining approved", "retirement": "retired", "note": "note", "deployment": "deployed"}
"""Kind of a decision → its words."""

MOST: Final = 10_000
"""Upper limit of stored decisions: one a day for fifty models over half a year.

Beyond it, the oldest annotation or decision of the model with the most of these is deleted, so that nobody who may
annotate one model deletes the decisions about another.
"""


class Decision(Struct, frozen=True):
    """A person's decision about a model.

    Attributes:
        id: Constant id.
        model: Name of the model.
        version: Version of the model; "" = all.
        kind: Approved retraining, retirement, or an annotation.
        by: The person.
        why: The reason; the text of an annotation.
        time: Wall time of a decision, time of an annotation, unix nanoseconds.
    """

    id: str
    model: str
    version: str
    kind: DecisionKind
    by: str
    why: str
    time: int

    @property
    def words(self) -> str:
        """The decision in words."""
        return WORDS[self.kind]


class DecisionStore:
    """All decisions. Written by one thread, read by any.

    Args:
        connection: Connection of the writing thread.
        unreadable: Called with rows that cannot be read.
        audit: Every decision is an entry of it, in the same transaction.
    """

    def __init__(self, connection: Connection, unreadable: UnreadableRows, audit: AuditLog) -> None:
        self._connection, self._audit = connection, audit
        rows = read(connection, "FROM decisions ORDER BY time").to_pylist()
        self.decisions: Sequence[Decision] = tuple(
            decision for _, decision in unreadable.skipped("decisions", rows, _decision)
        )

    def record(self, model: str, version: str, kind: DecisionKind, by: str, why: str, now: int) -> Decision:
        """Store a decision and return it.

        Args:
            model: Name of the model.
            version: Version of the model; "" = all.
            kind: Kind of the decision.
            by: The person.
            why: The reason.
            now: Wall time, unix nanoseconds.
        """
        model, version, by, why = map(without_half_surrogates, (model, version, by, why))
        id = xxhash.xxh3_64_hexdigest("\0".join((model, version, kind, by, why, str(now))).encode())
        decision = Decision(id=id, model=model, version=version, kind=kind, by=by, why=why, time=now)
        remaining = [*self.decisions, decision]
        removed_ids = []
        while len(remaining) > MOST:
            ((most, _),) = Counter(map(_group, remaining)).most_common(1)
            removed_ids.append(remaining.pop([*map(_group, remaining)].index(most)).id)
        entry = replace(decision_entry(decision), time=0)  # an annotation may be about another time
        with self._audit.transaction(self._connection, [entry]):
            if removed_ids:
                self._connection.execute("DELETE FROM decisions WHERE list_contains(?, id)", [removed_ids])
            insert(self._connection, "decisions", pa.Table.from_pylist([asdict(decision)]))
        self.decisions = tuple(remaining)
        return decision

    def of(self, model: str) -> list[Decision]:
        """Return the decisions about a model and its annotations, newest first."""
        return [decision for decision in reversed(self.decisions) if decision.model == without_half_surrogates(model)]


def decision_entry(decision: Decision) -> Entry:
    """Return the entry of the audit log for a decision or an annotation."""
    return Entry(
        kind="annotated" if decision.kind in ANNOTATIONS else "decided",
        time=decision.time,
        model=decision.model,
        subject=decision.kind,
        words=decision.words + (f", version {decision.version}" if decision.version else ""),
        by=decision.by,
        why=decision.why,
    )


def decision_json(decision: Decision) -> dict[str, Any]:
    """Return a decision in the format of the API."""
    return {**asdict(decision), "time": iso_time(decision.time)}


def _group(decision: Decision) -> tuple[str, bool]:
    return decision.model, decision.kind in ANNOTATIONS


def _decision(row: dict[str, Any]) -> Decision:
    if row["kind"] not in WORDS:
        raise ValueError(f"{row['kind']!r} is not a kind of decision")
    return Decision(**row)
