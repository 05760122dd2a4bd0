"""The state as one object: open it, submit to it, read its snapshot, close it.

    state = State(config)
    state.start()
    state.submit("logs", body).result()
    state.settle()
    state.snapshot.models
    state.stop()

Requests are accepted into the log (:mod:`driftline_processor.log`), from which the analysis stores rows
(:mod:`driftline_processor.ingest.analysis`). Outcomes from other sources are stored immediately. The keeper joins
every second, evaluates changed windows every two seconds, and publishes a snapshot every second; it compares versions,
tracks verdicts and evaluates policies every five seconds, and tidies up every ten minutes. After a slow step, it waits
longer.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.tables.table import OutcomeTable

from driftline_processor.access.principal import UNRESTRICTED, Principal, Sending
from driftline_processor.config.model import Model
from driftline_processor.config.reload import OUTSIDE_STATE
from driftline_processor.config.schema import Config
from driftline_processor.core.audit_chain import Entry, EntryKind
from driftline_processor.core.decode.business_points import BusinessMetric
from driftline_processor.core.decode.foreign_metrics import by_name
from driftline_processor.core.decode.written_panes import WrittenPanes
from driftline_processor.core.outcomes.unknown import UnknownOutcomes
from driftline_processor.deadline import NEVER, Deadline
from driftline_processor.evaluation.window_queue import lags_sentence, windows_wait
from driftline_processor.governance.audit import import_history
from driftline_processor.governance.decisions import Decision, DecisionKind
from driftline_processor.health import Health, Labels
from driftline_processor.ingest.admission import Admission, Passing
from driftline_processor.ingest.analysis import Analysis
from driftline_processor.ingest.decoding import Decoding
from driftline_processor.ingest.queue_offsets import Offset, QueueProgress
from driftline_processor.ingest.request_queue import QUEUE_BYTES, RequestQueue
from driftline_processor.ingest.transaction import Intake, Request
from driftline_processor.log.acknowledged import COPY_NAME, last_received
from driftline_processor.log.block_attempts import BlockAttempts
from driftline_processor.log.request_log import ANALYSIS, LogLimits, RequestLog
from driftline_processor.log.segments import NO_FOLDER, UnknownFormat
from driftline_processor.maintenance.backup import Backups
from driftline_processor.maintenance.erasure import ErasureOrder, ErasureResult
from driftline_processor.memory_ceiling import MemoryCeiling
from driftline_processor.policy.alerts import AlertStore
from driftline_processor.policy.channel import Channel
from driftline_processor.queries.state_snapshot import StateSnapshot
from driftline_processor.queries.verdicts import VerdictChange
from driftline_processor.queries.weak_slices import Queries
from driftline_processor.receipts import NO_HEADERS, Receipt, Signal, StorageOutage
from driftline_processor.store.audit_log import AuditLimits, AuditLog
from driftline_processor.store.business_points import BusinessPoints
from driftline_processor.store.database import DatabaseError, StorageError, Store, read
from driftline_processor.store.disk_space import low_disk_sentence
from driftline_processor.store.memory_folder import MemoryFolder

from .alert_delivery import Notifications
from .erasures import Erasures
from .keeper import Keeper, Step
from .parts import Parts, SharedParts, open_intake

_log = logging.getLogger(__name__)

LOAD_EVERY, JOIN_EVERY, EVALUATE_EVERY, PUBLISH_EVERY, COMPARE_EVERY, TIDY_EVERY = 1.0, 1.0, 2.0, 1.0, 5.0, 600.0
"""Seconds of pause. Loading, joins and evaluations continue immediately if work is left, and rest for requests."""

PAUSE = 10
"""Pause of a step that looks at everything, such as all stored predictions or all verdicts, in durations of its run."""

LONGEST_JOIN_PAUSE = 5.0
"""Maximum pause of the join, seconds.

With more stored predictions, larger batches of outcomes are joined, so that an outcome costs about the same.
"""

AT_ONCE = 10
"""Number of models that are loaded before the processor is ready, 30 to 100 ms of CPU each; others are loaded later."""

REVIEW_SHARE, REVIEW_CREDIT = 0.05, 1.0
"""Fraction of the time that reviews of outcomes may take, and seconds of them that can be saved up for a burst."""

INTERRUPTED = 2.0
"""Seconds in which an interrupted statement ends."""


class State:
    """The state of one directory.

    Attributes:
        parts: The objects over the open file; replaced after an outage or after a model was deleted.
        log: The accepted requests.
        audit_log: The audit log, see :meth:`audit`.
        backups: Makes backups of the state.
        notifications: Alerts, and their messages.
    """

    parts: Parts

    def __init__(
        self,
        config: Config,
        health: Health | None = None,
        clock: Callable[[], int] = time.time_ns,
        queue_bytes: int = QUEUE_BYTES,
        ceiling: MemoryCeiling | None = None,
    ) -> None:
        """Open the state with its stored content.

        Args:
            config: The configuration.
            health: Receives problems and counters.
            clock: The wall clock in unix nanoseconds.
            queue_bytes: Maximum bytes that wait to be written.
            ceiling: Memory ceiling of the process; by default that of the configuration.

        Raises:
            StorageError: The file cannot be opened.
            ValueError: A configured baseline cannot be read.
            OSError: The same.
        """
        self._baselines = configured_baselines(config.models)
        self.health = health or Health()
        self._config, self._clock = config, clock
        self._next_review = -math.inf
        self._joined: list[Callable[[pa.Table], None]] = []
        self._changed: list[Callable[[VerdictChange], object]] = []
        self._memory = MemoryFolder() if config.storage.in_memory else None
        try:
            self._open(queue_bytes, ceiling or MemoryCeiling(config.limits.memory))
        except BaseException:
            if self._memory is not None:
                self._memory.close()
            raise

    def _open(self, queue_bytes: int, ceiling: MemoryCeiling) -> None:
        """Open the file and the log, and create everything over them."""
        config, clock, counters = self._config, self._clock, self.health.counters
        directory = Path(config.storage.directory) if self._memory is None else self._memory.path
        self._open_storage(directory, queue_bytes, ceiling)
        self._decoding = decoding = decoding_of(config)
        # A new file reads the whole log. Without a new file, a log that is gone lacks all that was acknowledged.
        first = self.log.first if self._store.starts_over or self.log.size else 0
        reader = self.log.reader(ANALYSIS, self._queue.position or first)
        attempts = BlockAttempts(directory / "log", reader.position)
        self._analysis = Analysis(self.log, reader, decoding, self._queue, counters, attempts)
        self._admission = Admission(self.log, decoding, self._queue, counters, clock, ceiling)
        self._erasures = Erasures(
            self._store, self.log, decoding, lambda: self.parts, self._replace_parts, self.audit_log, clock
        )
        self.backups = Backups(self._store, self.log)
        self._watch()

    def _open_storage(self, directory: Path, queue_bytes: int, ceiling: MemoryCeiling) -> None:
        """Open the file and the log; if a block of the file is damaged, set the file aside and open the rest."""
        config, clock = self._config, self._clock
        log_folder = directory / "log"
        if log_folder.exists() and not log_folder.is_dir():
            raise StorageError(f"storage.directory: {log_folder}: {NO_FOLDER}")
        for attempt in (1, 2):
            self._store = Store(directory, memory=f"{ceiling.database >> 20}MiB", received=last_received(directory))
            self._store.is_starting = attempt == 1
            kept = config.storage.audit
            limits = AuditLimits(int(kept.max_age.total_seconds()) * 10**9, kept.max_entries)
            self.audit_log = AuditLog(self._store, clock, limits)
            self._keeper = Keeper(self._store, self._pressed, self._reopen, self._steps())
            self.notifications = Notifications(config, lambda: self.parts, self._writing, clock, self.audit_log)
            try:
                with self._store.watched():
                    intake = self._read_intake()
                    self._queue = RequestQueue(intake, queue_bytes)
                    self.log = self._open_log()
                    self._read_parts(intake, AT_ONCE)
                    import_history(self.audit_log, self.parts.alerts, self.parts.decisions, self.parts.silences)
                    self.parts.silences.record_configured(clock())
            except StorageOutage as outage:
                if attempt == 2 or not self._store.is_damaged:
                    raise StorageError(str(outage)) from outage
                self._store.close()
            else:
                self._store.is_starting = False
                return

    def _open_log(self) -> RequestLog:
        limits = self._config.storage.log
        log_limits = LogLimits(limits.max_size, limits.max_age.total_seconds(), limits.segment_size)
        folder, at_least = self._store.path.parent / "log", self._queue.acknowledged
        copy = folder.with_name(COPY_NAME)
        try:
            log = RequestLog(folder, self.health.counters, self._clock, log_limits, at_least, mark_copy=copy)
        except (OSError, UnknownFormat) as error:
            raise StorageError(f"storage.directory: the log cannot be opened: {error}") from error
        self._report_gap(log.size > 0 and log.first <= self._queue.position)
        return log

    def _report_gap(self, is_in_log: bool) -> None:
        """Log that the database lacks data; requests that the log of requests has are not lost."""
        if self._store.gap is not None and is_in_log:
            self._store.gap = None
            _log.info("driftline: the write-ahead log of the database was lost; its requests are read again")
        self._store.gap = self._store.gap or self._store.gap_only_here
        if self._store.gap is not None:
            _log.warning("driftline: %s", self._store.gap)

    def _watch(self) -> None:
        """Register the problems that ``/readyz`` shows."""
        self.health.watch("unreadable_rows", self._store.unreadable.sentence, ready=True)
        self.health.watch("storage", lambda: self._store.outage)
        self.health.watch("disk", lambda: low_disk_sentence(self._store.path.parent), ready=True)
        self.health.watch("storage_gap", lambda: self._store.gap, ready=True)
        self.health.watch("storage_damaged", lambda: self._store.damage, ready=True)
        self.health.watch("models", lambda: self.parts.snapshots.loading_sentence(), ready=True)
        self.health.watch("windows", self._waiting_sentence, ready=True)
        self.health.watch("policies", lambda: self.parts.policies.waits.sentence(), ready=True)
        self.health.watch("limits", lambda: self.parts.intake.limits.sentence(), ready=True)
        self.health.watch("log", lambda: self.log.outage)
        self.health.watch("log_gap", lambda: self.log.gaps.sentence(), ready=True)

    def _read_intake(self) -> Intake:
        counters = self.health.counters
        return open_intake(self._store, self._config, self._baselines, counters, self._clock, self.audit_log)

    def _read_parts(self, intake: Intake, at_once: int | None = None) -> None:
        self.parts = Parts.open(intake, self._shared(), at_once)
        self._caught_up, self._read_at = False, time.monotonic()

    def _shared(self) -> SharedParts:
        return SharedParts(
            config=self._config,
            store=self._store,
            baselines=self._baselines,
            counters=self.health.counters,
            clock=self._clock,
            queue=self._queue,
            joined=self._after_join,
            links=self.notifications.links,
            put_off=self.notifications.put_off,
            audit=self.audit_log,
        )

    def _replace_parts(self) -> Parts:
        """Recreate all parts; return the previous ones. Nothing is stored or evaluated meanwhile."""
        before, intake = self.parts, self._read_intake()
        self._queue.exchange(intake)
        self._read_parts(intake)
        return before

    def replace_config(self, config: Config, baselines: dict[str, Baseline], channels: Mapping[str, Channel]) -> None:
        """Use another configuration, as after a restart; accepted requests wait in the log meanwhile.

        Silences, channels and actions alone are replaced at once. Raises StorageOutage; then nothing changes.

        Args:
            config: The configuration. Its values of :data:`~driftline_processor.config.reload.NEED_RESTART` are as
                before.
            baselines: Its baselines, see :func:`configured_baselines`.
            channels: New and changed channels and actions, by name.
        """
        with self._writing(), self._analysis.resting():
            before = self._config, self._baselines, self.parts
            self._config, self._baselines = config, baselines
            replaced: Parts | None = None
            try:
                if _differ_in_notifications(before[0], config) and not self.changed_baselines(before[1]):
                    self.parts = self.parts.with_notifications(self._shared())
                else:
                    replaced = self._replace_parts()
                self.parts.silences.record_configured(self._clock())
            except BaseException:
                self._config, self._baselines, self.parts = before
                self._queue.exchange(self.parts.intake)
                raise
            self._decoding.replace(decoding_of(config))
            self.notifications.replace(config, channels)
            if replaced is not None:
                replaced.close()

    def changed_baselines(self, baselines: Mapping[str, Baseline]) -> list[str]:
        """Return the models whose configured baseline is another than the one in use."""
        names = dict.fromkeys([*self._baselines, *baselines])
        digests = [{name: baseline.digest for name, baseline in each.items()} for each in (self._baselines, baselines)]
        return [name for name in names if digests[0].get(name) != digests[1].get(name)]

    def _reopen(self) -> bool:
        """Recreate everything from the file, as at a start; return False if that fails.

        A failed commit may be on disk nevertheless, and then counts.
        """
        with self._keeper.lock, self._analysis.resting():
            try:
                self._store.reopen()
                self._replace_parts()
            except StorageError:
                return False
            except Exception:
                _log.exception("the storage was reopened, but could not be read; driftline will retry")
                return False
            self._store.recover()
            return True

    # Reading

    @property
    def snapshot(self) -> StateSnapshot:
        """The data of all models at the last publication by the keeper."""
        return self.parts.snapshots.newest

    @property
    def queries(self) -> Queries:
        """Queries of the file on request."""
        return self.parts.queries

    @property
    def alerts(self) -> AlertStore:
        """Current and past alerts."""
        return self.parts.alerts

    def counters(self) -> dict[tuple[str, Labels], float]:
        """Return the counters of the process, and the sizes of its queues."""
        gauges = {**self.snapshot.gauges(self._clock()), **self.audit_log.gauges(), **self.health.gauges()}
        return {**self.health.counters.snapshot(), **gauges}

    def read(self, query: str, *parameters: object) -> pa.Table:
        """Query the store with SQL, see :mod:`driftline_processor.store` for its tables. Thread-safe."""
        with self._store.reading() as connection:
            return read(connection, query, *parameters)

    def on_joined(self, listener: Callable[[pa.Table], None]) -> None:
        """Call ``listener`` with the joined or corrected rows after each join.

        They have the columns of ``joined``, ``id``, ``trace_id`` and ``span_id`` of the prediction, and both times of
        arrival (``received``, ``outcome_received``).
        """
        self._joined.append(listener)

    def _after_join(self, rows: pa.Table) -> None:
        for listener in self._joined:
            listener(rows)

    def on_verdict(self, listener: Callable[[VerdictChange], object]) -> None:
        """Call ``listener`` with each verdict whose state changed, when it is on disk."""
        self._changed.append(listener)

    # Submission

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
        sending: Sending = UNRESTRICTED,
    ) -> Future[Receipt]:
        """Accept an OTLP request, see :meth:`~driftline_processor.ingest.admission.Admission.submit`."""
        return self._admission.submit(signal, body, headers, offsets, waited, sending)

    def forward(self, passing: Passing) -> None:
        """Store the requests that ``passing`` selects for destinations in the log."""
        self._admission.passing = passing

    def submit_outcomes(self, tables: Sequence[OutcomeTable], digest: bytes) -> Future[Receipt]:
        """Accept outcomes, see :meth:`~driftline_processor.ingest.request_queue.RequestQueue.submit_outcomes`."""
        return self._queue.submit_outcomes(tables, digest)

    def submit_panes(self, panes: WrittenPanes, size: int) -> Future[Receipt]:
        """Accept panes, see :meth:`~driftline_processor.ingest.request_queue.RequestQueue.submit_panes`."""
        return self._queue.submit_panes(panes, size)

    def note_panes(self, sender: Principal, panes: WrittenPanes) -> None:
        """Record in the audit log that a batch job wrote panes."""
        self.audit(
            "panes_sent",
            by=sender.audited_name,
            how=sender.login,
            model=panes.key.model,
            environment=panes.key.environment,
            subject=panes.source,
            words="panes were sent",
            count=len(panes.panes),
        )

    def note_outcomes(self, sender: Principal, tables: Sequence[OutcomeTable]) -> None:
        """Record in the audit log that somebody sent outcomes by hand, by model."""
        for table in tables:
            self.audit(
                "outcomes_sent",
                by=sender.audited_name,
                how=sender.login,
                model=table.model,
                environment=table.environment or "",
                words="outcomes were sent",
                count=len(table),
            )

    def unknown_outcomes(self, tables: Sequence[OutcomeTable]) -> Sequence[UnknownOutcomes]:
        """Return the outcomes that cannot be used, as far as is known now.

        Empty too if the predictions that were accepted before are not stored in time, or if reviews have used their
        share of the time: they must not slow down other requests.
        """
        if time.monotonic() < self._next_review:
            return ()
        try:
            deadline = Deadline.after(0.5)
            self.catch_up(deadline)
            if deadline.passed:
                return ()
        except StorageOutage:
            return ()
        began = time.monotonic()
        try:
            return self.parts.queries.outcome_review.unknown(tables)
        except (StorageOutage, DatabaseError):
            return ()
        finally:
            earliest = began - REVIEW_CREDIT / REVIEW_SHARE
            self._next_review = max(self._next_review, earliest) + (time.monotonic() - began) / REVIEW_SHARE

    def offsets(self) -> QueueProgress:
        """Return the positions in queues, see :mod:`driftline_processor.ingest.decoding`."""
        return dict(self.parts.intake.offsets)

    def points(self) -> BusinessPoints:
        """Return the stored points of business series."""
        return self.parts.intake.business

    def offer(self, request: Request) -> Future[Receipt]:
        """Accept rows that are already tables."""
        return self._queue.offer(request, 0)

    def decide(
        self, model: str, version: str, kind: DecisionKind, by: str, why: str, time: int | None = None
    ) -> Decision:
        """Store a user's decision about a model, and return it; ``time``: default now. Raises StorageOutage."""
        with self._writing():
            return self.parts.decisions.record(model, version, kind, by, why, self._clock() if time is None else time)

    def audit(
        self,
        kind: EntryKind,
        *,
        words: str,
        by: str = "",
        how: str = "",
        subject: str = "",
        model: str = "",
        environment: str = "",
        why: str = "",
        alert: str = "",
        count: int | None = None,
        ids: Sequence[str] = (),
    ) -> None:
        """Append an entry to the audit log; it is on disk when this returns. Thread-safe.

        Repeated entries of the kinds :data:`~driftline_processor.store.audit_log.GROUPED` are summed per minute, and
        are never refused. For others, raises StorageOutage.

        Args:
            kind: Kind of the entry.
            words: Description.
            by: Person or token; "" = Driftline.
            how: How that person logged in.
            subject: The policy, channel, action, silence, address or file.
            model: Name of the model.
            environment: Environment of the model.
            why: Reason, result or answer.
            alert: Id of the alert.
            count: Number of rows, outcomes or attempts.
            ids: Prediction ids or data subjects, of which only keyed digests are stored.
        """
        self.audit_log.append(
            Entry(
                kind=kind,
                by=by,
                how=how,
                model=model,
                environment=environment,
                subject=subject,
                words=words,
                why=why,
                alert=alert,
                count=count,
                digests=tuple(map(self.audit_log.digest, ids)),
            )
        )

    def erase(self, order: ErasureOrder) -> ErasureResult:
        """Delete the rows of prediction ids, of a subject or of a model; return when they are gone from the disk.

        Requests wait meanwhile. Raises errors of the store, such as a full disk: the rows have left the tables then,
        and the file is rewritten at the next tidying or start; SubjectNotConfigured if the model has no subject;
        UnknownModel if it is unknown; OrderNotWritten if the order cannot be stored; StorageOutage, without a stored
        order, while the storage cannot be used.
        """
        self.catch_up()
        self._erasures.check(order)
        with self._writing(), self._analysis.resting():
            self._erasures.add(order)
            return self._carry_out_orders()

    # Life cycle

    def start(self) -> None:
        """Start all threads."""
        self.start_storing()
        self._keeper.start()

    def start_storing(self) -> None:
        """Finish pending deletions, then start accepting and storing, without joins and evaluations.

        Raises StorageError if the file cannot be used.
        """
        self.log.start()
        try:
            with self._store.watched():
                self._finish_orders()
        except StorageOutage as outage:
            raise StorageError(str(outage)) from outage
        except (DatabaseError, StorageError) as error:  # no room for a copy of the file; the next tidying retries
            reason = str(error).splitlines()[0]
            _log.warning("driftline: a deletion is not finished (%s); driftline retries every ten minutes", reason)
        self._queue.start()
        self._analysis.start()

    def catch_up(self, deadline: Deadline = NEVER) -> None:
        """Store the rows of all requests accepted before now. Raises StorageOutage."""
        self._analysis.catch_up(deadline)

    def settle(self, deadline: Deadline = NEVER) -> None:
        """Join, evaluate and publish everything that was acknowledged, until the deadline.

        In an outage the next start does it. With a deadline, models that are not loaded yet are left out.
        """
        with suppress(StorageOutage):
            if deadline.timeout is None:
                self.publish()
            with self._interrupted(deadline):
                self.join_now(deadline)
            with self._interrupted(deadline):
                self.evaluate_now(deadline)

    def join_now(self, deadline: Deadline = NEVER) -> None:
        """Join everything that was acknowledged, until the deadline."""
        self.catch_up(deadline)
        with self._writing():
            while not deadline.passed and self._join():
                pass
            self._publish()

    def evaluate_now(self, deadline: Deadline = NEVER) -> None:
        """Evaluate all changed windows until the deadline, and store closed ones."""
        with self._writing():
            evaluator = self.parts.evaluator
            while evaluator.step(patient=False, ended=lambda: deadline.passed) and not deadline.passed:
                pass
            if not deadline.passed:
                self.parts.versions.step()
                self._follow_verdicts()
                self._caught_up = True
            self._publish()
            if not deadline.passed:
                self._look_at_policies()

    def publish(self) -> StateSnapshot:
        """Publish and return a snapshot, which the keeper does every second."""
        return self.parts.snapshots.publish()

    def tidy_now(self) -> None:
        """Expire rows, roll up panes and delete old entries now."""
        self.publish()
        with self._writing():
            self._tidy()
            self._publish()

    def finish(self, deadline: Deadline = NEVER) -> None:
        """End the threads; store, join and evaluate what is waiting, until the deadline.

        Everything acknowledged is on disk, so the next start continues from there.
        """
        self._keeper.stopping.set()
        self._queue.stop(deadline)
        self._analysis.stop(deadline)
        self._keeper.join(deadline)
        if self._working():
            self._store.interrupt()
            self._queue.join(INTERRUPTED)
            self._analysis.join(INTERRUPTED)
            self._keeper.join(Deadline.after(INTERRUPTED))
        if not self._working():
            self.settle(deadline)
        waiting = self.parts.evaluator.waiting.backlog.windows
        if deadline.passed and waiting:
            _log.warning(
                "shutdown.timeout has expired: %s windows will be evaluated after the next start", f"{waiting:,}"
            )

    def note_deliveries(self) -> None:
        """Store the deliveries of messages, so that the next start does not repeat them."""
        with suppress(StorageOutage), self._writing():
            self.notifications.look(self._caught_up)

    def close(self) -> None:
        """Close the file, after :meth:`finish`; it can be opened again even if a thread still uses it."""
        if self._working():
            _log.warning("a database statement is still running, so the database is not closed; no stored data is lost")
            return
        self.log.stop()
        self.audit_log.close()
        self.parts.close()
        self._store.close()
        if self._memory is not None:
            self._memory.close()

    def stop(self) -> None:
        """Store, join and evaluate what is waiting, and close the file; in an outage the next start does it."""
        self.finish()
        self.close()

    # The steps of the keeper

    def _steps(self) -> Sequence[Step]:
        """Return the steps of the keeper; parts are looked up at each run, because they may be replaced."""
        return (
            Step(self._load, LOAD_EVERY),
            Step(self._join, JOIN_EVERY, PAUSE, LONGEST_JOIN_PAUSE),
            Step(self._evaluate, EVALUATE_EVERY),
            Step(lambda: self.parts.versions.step(), COMPARE_EVERY, PAUSE),
            Step(self._publish, PUBLISH_EVERY, PAUSE),
            Step(self._follow_verdicts, COMPARE_EVERY, PAUSE),
            Step(self._look_at_policies, COMPARE_EVERY, PAUSE),
            Step(lambda: self.audit_log.flush(), COMPARE_EVERY, PAUSE),
            Step(self._tidy, TIDY_EVERY, PAUSE),
        )

    def _load(self) -> bool:
        """Load some of the models that are missing after the start; return True if more are waiting."""
        snapshots = self.parts.snapshots
        was_loading, more = snapshots.is_loading, snapshots.load(ended=self._keeper.turn.is_over)
        if was_loading and not more:
            self._tidy()  # it waited
        return more

    def _join(self) -> bool:
        """Join some rows; return True if more are waiting."""
        return self.parts.join.step()

    def _evaluate(self) -> bool:
        turn = self._keeper.turn
        return self.parts.evaluator.step(self._caught_up, turn.is_over, turn.has_time)

    def _publish(self) -> None:
        self.parts.snapshots.publish_loaded()

    def _follow_verdicts(self) -> None:
        """Store the states of changed verdicts, and call the listeners."""
        self._publish()
        for change in self.parts.verdicts.write(self.parts.snapshots.verdicts_in_use()):
            for listener in self._changed:
                listener(change)

    def _look_at_policies(self) -> None:
        self.notifications.look(self._has_caught_up())

    def _has_caught_up(self) -> bool:
        """Return True when everything that waited at the start was joined and evaluated, or it takes too long.

        Until then no window rests, and rows are joined here, because the join may be pausing.
        """
        if not self._caught_up:
            # 60.0: seconds after a start from which policies are evaluated even if windows still wait
            self._caught_up = time.monotonic() - self._read_at > 60.0 or (
                not self._pressed() and not self._join() and self.parts.evaluator.idle
            )
        return self._caught_up

    def _tidy(self) -> None:
        self._finish_orders()
        parts = self.parts
        if parts.snapshots.is_loading:
            return  # panes must stay short for the windows that have matured, which are not known yet
        parts.evaluator.collect()
        try:
            parts.upkeep.step()
        finally:
            parts.evaluator.forget_tidied()  # the roll-up before an error is permanent
        parts.join.recount()
        parts.policies.tidy()
        self.audit_log.prune()

    def _finish_orders(self) -> None:
        """Execute the remaining deletion orders, after a kill or on a full disk."""
        if self._erasures.pending:
            with self._analysis.resting():
                self._carry_out_orders()

    def _carry_out_orders(self) -> ErasureResult:
        self._analysis.catch_up()  # stores all requests accepted before
        with self.backups.copying:
            return self._erasures.carry_out()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Let only the calling thread write to the storage, and convert storage errors to an outage."""
        with self._keeper.lock, self._store.watched():
            yield

    @contextmanager
    def _interrupted(self, deadline: Deadline) -> Iterator[None]:
        """Interrupt a statement that runs at the deadline; it is rolled back."""
        if deadline.timeout is None:
            yield
            return
        timer = threading.Timer(deadline.timeout, self._store.interrupt)
        timer.daemon = True
        timer.start()
        try:
            yield
        except DatabaseError:
            if not deadline.passed:
                raise
        finally:
            timer.cancel()

    def _pressed(self) -> bool:
        """Return True while requests wait for an acknowledgement, or more than a block waits to be stored."""
        return self.log.waiting or self._analysis.is_behind

    def _working(self) -> bool:
        return self._keeper.alive or self._queue.alive or self._analysis.alive

    def _waiting_sentence(self) -> str | None:
        """Return a sentence about windows that have waited too long, and the delay per length; None without any."""
        waiting, now = self.parts.evaluator.waiting, self._clock()
        if not waiting.backlog.is_long(now):
            return None
        late = lags_sentence(waiting.lags(now))
        return windows_wait(waiting.backlog, now) + (f"; {late}" if late else "")


_NOTIFYING = ("channels", "notify", "actions", "silences", *OUTSIDE_STATE)


def _differ_in_notifications(before: Config, after: Config) -> bool:
    """Return True if configurations differ at most in silences, channels and actions."""
    names = [name for name in Config.model_fields if name not in _NOTIFYING]
    same = all(getattr(before, name) == getattr(after, name) for name in names)
    return same and before.watched_policies == after.watched_policies


def decoding_of(config: Config) -> Decoding:
    """Return the decoding of requests, with mapped metrics and business series."""
    mappings = by_name(mapped for name, model in config.models.items() for mapped in model.mapped(name))
    business: dict[str, tuple[BusinessMetric, ...]] = {}
    for name, business_metric in config.business.items():
        if business_metric.metric is not None:
            business[business_metric.metric] = (*business.get(business_metric.metric, ()), business_metric.wanted(name))
    return Decoding(mappings, business)


def configured_baselines(models: Mapping[str, Model]) -> dict[str, Baseline]:
    """Load the configured baselines. Raises ValueError or OSError with the key and the reason."""
    return {name: Baseline.load(model.baseline) for name, model in models.items() if model.baseline is not None}
