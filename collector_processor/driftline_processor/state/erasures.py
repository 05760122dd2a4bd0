"""Deletions: an order is stored, then executed in the tables, in the file and in the log."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from driftline_processor.core.audit_chain import Entry
from driftline_processor.ingest.decoding import Decoding
from driftline_processor.log.request_log import RequestLog
from driftline_processor.maintenance.erased_requests import ErasedRows, erase_requests
from driftline_processor.maintenance.erasure import (
    ErasureOrder,
    ErasureOrders,
    ErasureResult,
    OrderNotWritten,
    SubjectNotConfigured,
    UnknownModel,
    erase,
    forget_model,
    is_known,
)
from driftline_processor.present.numbers import many
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store

from .parts import Parts


class Erasures:
    """Executes deletion orders, one thread at a time, while nothing is stored or evaluated.

    Args:
        store: The state file.
        log: The log of requests, from which the deleted rows are removed too.
        decoding: Decodes requests.
        parts: Returns the current parts.
        replace: Recreates all parts; returns the previous ones.
        audit: Each order and its result are entries of it, which no deletion removes.
        clock: Unix nanoseconds.
    """

    def __init__(
        self,
        store: Store,
        log: RequestLog,
        decoding: Decoding,
        parts: Callable[[], Parts],
        replace: Callable[[], Parts],
        audit: AuditLog,
        clock: Callable[[], int],
    ) -> None:
        self._audit, self._clock = audit, clock
        self._store, self._log, self._decoding, self._parts, self._replace = store, log, decoding, parts, replace
        self._orders = ErasureOrders(store.path.parent)

    @property
    def pending(self) -> bool:
        """True if orders remain, after a kill or on a full disk."""
        return bool(list(self._orders))

    def check(self, order: ErasureOrder) -> None:
        """Raise SubjectNotConfigured or UnknownModel for an order that cannot be executed."""
        if order.by == "subject" and self._parts().intake.series.settings(order.model).subject is None:
            raise SubjectNotConfigured(order.model)
        if order.by == "model":
            with self._store.reading() as connection:
                if not is_known(connection, order):
                    raise UnknownModel(order)

    def add(self, order: ErasureOrder) -> None:
        """Store an order, after its entry in the audit log. Raises OrderNotWritten, StorageOutage."""
        digests = () if order.by == "model" else tuple(map(self._audit.digest, order.values))
        entry = Entry(kind="erasure_ordered", by=order.person, subject=order.by, words=order.words, digests=digests)
        (written,) = self._audit.append(_about(order, entry))
        try:
            self._orders.add(replace(order, entry=written.sequence))
        except OrderNotWritten as reason:
            self._audit.append_or_keep(_result(order, written.sequence, "nothing is deleted", None, str(reason)))
            raise

    def carry_out(self) -> ErasureResult:
        """Execute all orders; return the result of the last one."""
        erased, results = ErasureResult(), dict[int, tuple[ErasureOrder, ErasureResult]]()
        for order in self._orders:
            erased = self._forget(order) if order.by == "model" else self._erase(order)
            # the ids of a subject are an order of their own, with the entry of the subject
            results.setdefault(order.entry or -len(results), (order, erased))
        self._parts().join.recount()
        self._store.rewrite()
        series = self._parts().intake.series
        rows = ErasedRows(list(self._orders), lambda model: series.settings(model).subject)
        erase_requests(self._log, self._decoding, rows)
        self._audit.append(*(_finished(order, result) for order, result in results.values()))
        self._orders.done()
        self._parts().snapshots.publish()
        return erased

    def _erase(self, order: ErasureOrder) -> ErasureResult:
        """Delete the rows of prediction ids or of a subject."""
        parts = self._parts()
        intake, anew, note = parts.intake, parts.join.judge_anew, partial(self._orders.add_ids, order)
        try:
            erased = erase(
                connection=parts.connection,
                register=intake.series,
                baselines=intake.baselines,
                values=intake.slices,
                judge_anew=anew,
                order=order,
                note=note,
            )
        except BaseException:
            intake.slices.load(parts.connection)
            raise
        # Consequences of the commit come first; if reading again fails, the next attempt does it.
        intake.touched.touch(erased.touched + parts.evaluator.forget_deleted(erased.emptied_slices), joined=1)
        parts.verdicts.read_rows()
        parts.upkeep.expired.update(erased.series)
        intake.baselines.load(parts.connection)
        intake.slices.load(parts.connection)
        parts.join.reread_concept()
        return erased

    def _forget(self, order: ErasureOrder) -> ErasureResult:
        """Delete a model, and recreate all parts from the remaining rows, as at a start."""
        erased = forget_model(self._parts().connection, order, self._clock())
        self._replace().close()
        return erased


def _finished(order: ErasureOrder, result: ErasureResult) -> Entry:
    """Return the entry of the audit log for the end of a deletion."""
    words = f"{many(result.predictions, 'prediction')} and {many(result.outcomes, 'outcome')} were deleted"
    return _result(order, order.entry, words, result.predictions + result.outcomes)


def _result(order: ErasureOrder, ordered: int, words: str, rows: int | None, why: str = "") -> Entry:
    subject = f"entry {ordered}" if ordered else order.by
    return _about(order, Entry(kind="erased", by=order.person, subject=subject, words=words, count=rows, why=why))


def _about(order: ErasureOrder, entry: Entry) -> Entry:
    return replace(entry, model=order.model, environment=order.environment or "")
