"""The state as one object: open it, submit to it, read its view, close it.

    state = State(config)
    state.start()
    state.submit("logs", body).result()
    state.catch_up()
    state.view.models()
    state.stop()

Requests are accepted into the log (:mod:`.log`), from which the analysis stores rows (:mod:`.ingest.analysis`).
Outcomes that came otherwise are stored at once. The keeper here joins every second, evaluates what was touched every
two, compares versions and follows verdicts every five, and tidies up every ten minutes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.tables.table import ModelKey, OutcomeTable

from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config
from driftline_processor.core.decode.business_points import BusinessMetric
from driftline_processor.core.decode.foreign_metrics import by_name
from driftline_processor.evaluation.backlog import lags_sentence, windows_wait
from driftline_processor.evaluation.evaluation_store import EvaluationStore
from driftline_processor.evaluation.evaluator import Evaluator
from driftline_processor.evaluation.keeper_turn import KeeperTurn
from driftline_processor.evaluation.processes.cores import judging_processes
from driftline_processor.evaluation.processes.pool import JudgingProcesses
from driftline_processor.evaluation.version_comparison import VersionWatch
from driftline_processor.governance.decisions import Decision, DecisionKind, DecisionStore
from driftline_processor.ingest.admission import Admission, Passing
from driftline_processor.ingest.analysis import Analysis
from driftline_processor.ingest.changes import ChangedPanes
from driftline_processor.ingest.decoding import Decoding
from driftline_processor.ingest.deduplication import Upload, UploadPart
from driftline_processor.ingest.queue_offsets import Offset, QueueProgress
from driftline_processor.ingest.request_queue import QUEUE_BYTES, RequestQueue
from driftline_processor.ingest.transaction import Intake, Request
from driftline_processor.join.concept_drift import ConceptWatch
from driftline_processor.join.outcome_join import Join
from driftline_processor.log.request_log import ANALYSIS, LogLimits, RequestLog
from driftline_processor.log.segments import UnknownFormat
from driftline_processor.maintenance.erased_requests import ErasedRows, erase_requests
from driftline_processor.maintenance.erasure import (
    ErasureOrder,
    ErasureOrders,
    ErasureResult,
    SubjectNotConfigured,
    UnknownModel,
    erase,
    forget_model,
    is_known,
)
from driftline_processor.maintenance.retention import Sizing, Upkeep
from driftline_processor.policy.acknowledgement import acknowledge
from driftline_processor.policy.alerts import Alert, AlertStore, Approval, Delivery
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.digests import Digests
from driftline_processor.policy.explanation import PolicyExplanations
from driftline_processor.policy.watch import MessageLinks, PolicyWatch, no_links
from driftline_processor.queries.baselines import BaselineShelf
from driftline_processor.queries.feature_history import FeatureHistories
from driftline_processor.queries.history import History
from driftline_processor.queries.label_queue import LabelQueue
from driftline_processor.queries.mispredictions import Mispredictions
from driftline_processor.queries.overview import Overview, View
from driftline_processor.queries.predictions import KeptPredictions
from driftline_processor.queries.snapshot import Snapshots
from driftline_processor.queries.verdicts import VerdictChange, Verdicts
from driftline_processor.queries.weak_slices import WeakSliceSearch
from driftline_processor.store.business_points import BusinessPoints
from driftline_processor.store.database import DatabaseError, StorageError, Store, read
from driftline_processor.store.memory_folder import MemoryFolder
from driftline_processor.store.panes import KEEP_PANES
from driftline_processor.store.series import Series

from .deadline import NEVER, Deadline
from .health import Health
from .memory_ceiling import MemoryCeiling, share_of_caches
from .receipts import NO_HEADERS, Receipt, Signal, StorageOutage

_log = logging.getLogger(__name__)

JOIN_EVERY, EVALUATE_EVERY, COMPARE_EVERY, TIDY_EVERY = 1.0, 2.0, 5.0, 600.0
"""Seconds. Joining and evaluating go on at once where more is to be done; they rest where requests wait."""

LOOKS = 10
"""Comparing versions and following verdicts, which look at everything, take one part in so many of a core at most."""

REOPEN_AFTER = 1.0, 10.0
"""Seconds from an outage of the storage to the first attempt to open it again, and at most from one to the next."""

INTERRUPTED = 2.0
"""Seconds in which a statement that was interrupted ends."""


class State:
    """Everything that is known, in one directory."""

    def __init__(
        self,
        config: Config,
        health: Health | None = None,
        clock: Callable[[], int] = time.time_ns,
        queue_bytes: int = QUEUE_BYTES,
        ceiling: MemoryCeiling | None = None,
    ) -> None:
        """Open the state, as it was left.

        Args:
            config: The whole file.
            health: Where its problems are reported, and what it counts.
            clock: The wall clock in unix nanoseconds.
            queue_bytes: How much may wait to be written.
            ceiling: Of the memory of the process; that of the configuration where none is given.

        Raises:
            StorageError: The file cannot be opened.
            ValueError: A configured baseline cannot be read.
            OSError: The same.
        """
        ceiling = ceiling or MemoryCeiling(config.limits.memory)
        self._baselines = configured_baselines(config.models)
        self.health = health or Health()
        self._config, self._clock = config, clock
        self._listeners: list[Callable[[pa.Table], None]] = []
        self._verdict_listeners: list[Callable[[VerdictChange], object]] = []
        self._couriers, self._undelivered = Couriers({}), list[Delivery]()
        self._message_links: MessageLinks = no_links
        self._incidents_page = ""
        self._memory = MemoryFolder() if config.storage.in_memory else None
        try:
            self._open(queue_bytes, ceiling)
        except BaseException:
            if self._memory is not None:
                self._memory.close()
            raise

    def _open(self, queue_bytes: int, ceiling: MemoryCeiling) -> None:
        """Open the file and the log, and make every part over them."""
        config, clock = self._config, self._clock
        directory = Path(config.storage.directory) if self._memory is None else self._memory.path
        self._store = Store(directory, memory=f"{ceiling.database >> 20}MiB")
        self.health.watch("unreadable_rows", self._store.unreadable.sentence, ready=True)
        self.health.watch("storage", lambda: self._store.outage)
        self.health.watch("storage_gap", lambda: self._store.gap, ready=True)
        self.health.watch("windows", self._say_waiting, ready=True)
        self.health.watch("limits", lambda: self._intake.limits.sentence(), ready=True)
        self._orders = ErasureOrders(self._store.path.parent)
        self._keeping = threading.Lock()
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="driftline-keeper", daemon=True)
        self._judging = JudgingProcesses(
            judging_processes(config.processes),
            self.health.counters,
            pressed=lambda: ceiling.pressed,
            share=share_of_caches(config.limits.memory),
        )
        ceiling.beside = lambda: self._judging.bytes
        try:
            with self._store.watched():
                self._ingest = RequestQueue(self._read_intake(), queue_bytes)
                self.log = self._open_log()
                self._read_rest()
        except StorageOutage as outage:
            raise StorageError(str(outage)) from outage
        mappings = by_name(mapped for name, model in config.models.items() for mapped in model.mapped(name))
        business: dict[str, tuple[BusinessMetric, ...]] = {}
        for name, one in config.business.items():
            if one.metric is None:
                continue
            business[one.metric] = (*business.get(one.metric, ()), one.wanted(name))
        decoding, counters = Decoding(mappings, business), self.health.counters
        self._decoding = decoding
        reader = self.log.reader(ANALYSIS, self._ingest.position)
        self._analysis = Analysis(self.log, reader, decoding, self._ingest, counters)
        self._admission = Admission(self.log, decoding, self._ingest, counters, clock, ceiling)
        self.health.watch("log", lambda: self.log.outage)
        self.shelf = cast(BaselineShelf, _Current(lambda: self._shelf))
        self.snapshots = cast(Snapshots, _Current(lambda: self._snapshots))
        self.history = cast(History, _Current(lambda: self._history))
        self.wrong = cast(Mispredictions, _Current(lambda: self._wrong))
        self.kept = cast(KeptPredictions, _Current(lambda: self._kept))
        self.features = cast(FeatureHistories, _Current(lambda: self._features))
        self.labels = cast(LabelQueue, _Current(lambda: self._labels))
        self.weak = cast(WeakSliceSearch, _Current(lambda: self._weak))
        self.view = cast(View, _Current(lambda: self._view))
        self.alerts = cast(AlertStore, _Current(lambda: self._alerts))
        self.explanations = cast(PolicyExplanations, _Current(lambda: self._explanations))
        self.decisions = cast(DecisionStore, _Current(lambda: self._decisions))
        self.business = cast(BusinessPoints, _Current(lambda: self._intake.business))

    def _open_log(self) -> RequestLog:
        limits = self._config.storage.log
        kept = LogLimits(limits.max_size, limits.max_age.total_seconds(), limits.segment_size)
        folder, at_least = self._store.path.parent / "log", self._ingest.position
        try:
            return RequestLog(folder, self.health.counters, self._clock, kept, at_least)
        except (OSError, UnknownFormat) as error:
            raise StorageError(f"storage.directory: the log cannot be opened: {error}") from error

    def _read_intake(self) -> Intake:
        """Make the way in, which knows what is in the file by heart."""
        counters, clock = self.health.counters, self._clock
        self._touched = ChangedPanes()
        self._intake = Intake(
            *(self._store, self._config.models, self._baselines, self._touched, counters, clock, self._config.limits),
            {name: one.keys(name) for name, one in self._config.business.items()},
        )
        return self._intake

    def _read_rest(self) -> None:
        """Make every other part, each from what is in the file."""
        store, clock, counters, touched = self._store, self._clock, self.health.counters, self._touched
        intake, storage = self._intake, self._config.storage
        series, baselines, slices = intake.series, intake.baselines, intake.slices
        self._connection = connection = store.connect(lasting=True)
        concept = ConceptWatch(connection, series, baselines, slices)
        self._versions = VersionWatch(connection, series)
        self._join = Join(connection, series, touched, counters, concept, slices)
        for listener in self._listeners:
            self._join.listen(listener)
        share = share_of_caches(self._config.limits.memory)
        evaluations = EvaluationStore(connection, clock, share)
        self._evaluator = Evaluator(
            connection, series, baselines, evaluations, touched, self._watermark, clock, self._judging, share
        )
        most, resting = storage.max_size, self._ingest.resting
        sizing = None if most is None else Sizing(connection, most, resting, store.rewrite)
        self._upkeep = Upkeep(
            connection, series, touched, self._judged_until, storage.retention, counters, clock, sizing
        )
        self._shelf = BaselineShelf(store, series, baselines, self._baselines, self._ingest.offer)
        self._snapshots = Snapshots(store, series)
        self._history = History(store, series)
        self._wrong = Mispredictions(store, series)
        self._kept = KeptPredictions(store, series)
        self._features = FeatureHistories(store, series, baselines)
        self._labels = LabelQueue(store, series, baselines, evaluations)
        self._weak = WeakSliceSearch(store, series, baselines)
        self._verdicts = Verdicts(lambda: intake.arrivals, connection, clock)
        self._view = Overview(
            *(intake, self._join, concept, self._versions, evaluations, self._upkeep, self._evaluator.waiting),
            *(self._evaluator.delays, counters, clock, self._verdicts, self._judging.sentence, self._config.currency),
        )
        self._joining, self._caught_up, self._read_at = True, False, time.monotonic()
        self._alerts = AlertStore(connection, store.unreadable)
        self._decisions = DecisionStore(connection, store.unreadable)
        config = self._config
        self._policies = PolicyWatch(
            *(self._alerts, config.watched_policies, config.told, [*config.silences.values()], clock),
            links=lambda view, alert: self._message_links(view, alert),
            keys=config.all_channels,
            actions=config.actions,
        )
        self._digests = Digests(self._alerts, config.all_channels)
        off = {name: one for name, one in config.policies.items() if not one.enabled}
        self._explanations = PolicyExplanations(
            *(self._alerts, {**config.watched_policies, **off}, config.told, [*config.silences.values()]),
            *(config.all_channels, lambda: self._policies.waiting, lambda name: self._couriers.put_off(name), clock),
        )

    def start(self) -> None:
        """Start all threads."""
        self.start_storing()
        self._keeper.start()

    def start_storing(self) -> None:
        """Start what accepts and stores, without what joins and evaluates; first of all, finish what is to be deleted.

        Raises StorageError when the file cannot be used.
        """
        self.log.start()
        try:
            with self._store.watched():
                self._finish()
        except StorageOutage as outage:
            raise StorageError(str(outage)) from outage
        except (DatabaseError, StorageError) as error:  # there is no room for a copy of the file, and it can wait
            said = str(error).splitlines()[0]
            _log.warning("driftline: a deletion is not finished (%s); it is tried again every ten minutes", said)
        self._ingest.start()
        self._analysis.start()

    def stop(self) -> None:
        """Write what waits, join and evaluate it, and close the file; in an outage the next start does that."""
        self.finish()
        self.close()

    def finish(self, deadline: Deadline = NEVER) -> None:
        """End the threads; store what waits, join and evaluate it, as far as the time allows.

        The next start goes on from there: everything that was acknowledged is on disk.
        """
        self._stopping.set()
        self._ingest.stop(deadline)
        self._analysis.stop(deadline)
        if self._keeper.ident is not None:
            self._keeper.join(deadline.timeout)
        if self._working():
            self._store.interrupt()
            self._judging.kill()
            self._ingest.join(INTERRUPTED)
            self._analysis.join(INTERRUPTED)
            self._keeper.join(INTERRUPTED)
        if not self._working():
            self.settle(deadline)
        waiting = self._evaluator.waiting.backlog.windows
        if deadline.passed and waiting:
            _log.warning("the time to stop is over: %s windows are evaluated after the next start", f"{waiting:,}")

    def note_deliveries(self) -> None:
        """Write down what became of messages, so that the next start sends none of them again."""
        with suppress(StorageOutage), self._keeping, self._store.watched():
            self._look_at_policies()

    def close(self) -> None:
        """Close the file, after :meth:`finish`; it opens as well where something still works on it."""
        if self._working():
            _log.warning("the state is left as after a crash, since a statement does not end; nothing kept is lost")
            return
        self._judging.close()
        self.log.stop()
        self._ingest.close()
        self._connection.close()
        self._store.close()
        if self._memory is not None:
            self._memory.close()

    def _working(self) -> bool:
        return self._keeper.is_alive() or self._ingest.alive or self._analysis.alive

    def submit(
        self,
        signal: Signal,
        body: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        offsets: Sequence[Offset] = (),
        waited: float = 0.0,
    ) -> Future[Receipt]:
        """Accept an OTLP request, see :meth:`~driftline_processor.ingest.admission.Admission.submit`."""
        return self._admission.submit(signal, body, headers, offsets, waited)

    def forward(self, passing: Passing) -> None:
        """Keep for destinations what ``passing`` says, with the requests of the analysis."""
        self._admission.passing = passing

    def catch_up(self, deadline: Deadline = NEVER) -> None:
        """Store the rows of all that was accepted before now. Raises StorageOutage."""
        self._analysis.catch_up(deadline)

    def submit_outcomes(self, tables: Sequence[OutcomeTable], digest: bytes) -> Future[Receipt]:
        """Take in outcomes, see :meth:`~driftline_processor.ingest.request_queue.RequestQueue.submit_outcomes`."""
        return self._ingest.submit_outcomes(tables, digest)

    def submit_part(self, tables: Sequence[OutcomeTable], digest: bytes, part: UploadPart) -> Future[Receipt]:
        """Take in a part of an upload, see :class:`~driftline_processor.ingest.deduplication.Uploads`."""
        return self._ingest.submit_outcomes(tables, digest, part)

    def uploaded(self, upload: str) -> Upload | None:
        """Return what has come of an upload, None where nothing has."""
        return self._intake.uploads.found(upload)

    def offsets(self) -> QueueProgress:
        """Return how far queues have been read, see :mod:`.ingest.queue_offsets`."""
        return dict(self._intake.offsets)

    def offer(self, request: Request) -> Future[Receipt]:
        """Take in rows that are tables already."""
        return self._ingest.offer(request, 0)

    def read(self, query: str, *parameters: object) -> pa.Table:
        """Read from the store with SQL, see :mod:`.store` for its tables; any thread may."""
        with self._store.reading() as connection:
            return read(connection, query, *parameters)

    def keys(self) -> dict[int, ModelKey]:
        """Return the model of every series."""
        return {series.number: series.key for series in self._intake.series}

    def series(self) -> list[Series]:
        """Return what is known of every series."""
        return list(self._intake.series)

    def on_joined(self, listener: Callable[[pa.Table], None]) -> None:
        """Call ``listener`` with the rows that each join entered or corrected.

        They have the columns of ``joined``, ``id``, ``trace_id`` and ``span_id`` of the prediction, and when both came
        (``received``, ``outcome_received``).
        """
        self._listeners.append(listener)
        self._join.listen(listener)

    def on_verdict(self, listener: Callable[[VerdictChange], object]) -> None:
        """Call ``listener`` with each verdict whose state has changed, once that is on disk."""
        self._verdict_listeners.append(listener)

    def tell(self, couriers: Couriers, links: MessageLinks, page: str = "") -> None:
        """Give messages of alerts to channels, also those that wait since before.

        Args:
            couriers: Of the channels.
            links: What a message links to.
            page: The address of the page of incidents, to which digests link; "" where nobody said.
        """
        self._couriers, self._message_links, self._incidents_page = couriers, links, page
        with self._keeping, self._store.watched():
            waiting = self._digests.resumed(self._clock())
        couriers.resume(waiting, self.alerts.thread)

    def acknowledge(self, alert: str, by: str, why: str, take_over: bool = False) -> Alert | None:
        """Note who takes an alert on, perhaps from somebody else; return it, None where there is none.

        Raises StorageOutage.
        """
        channels, now = self._config.all_channels, self._clock()
        with self._keeping, self._store.watched():
            taken, messages = acknowledge(self._alerts, channels, alert, by, why, now, take_over=take_over)
        self._couriers.post(messages)
        return taken

    def approve(self, alert: str, action: str, by: str, why: str) -> Approval | None:
        """Note who approves an action for an alert, and why, and have it carried out.

        Return the approval, that of somebody else where there was one before, None where none is awaited. Raises
        StorageOutage.
        """
        with self._keeping, self._store.watched():
            approval, message = self._alerts.approve(alert, action, by, why, self._clock())
        if message is not None:
            self._couriers.post([message])
        return approval

    def decide(self, model: str, version: str, kind: DecisionKind, by: str, why: str) -> Decision:
        """Store what somebody decided about a model, and return it. Raises StorageOutage."""
        with self._keeping, self._store.watched():
            return self._decisions.record(model, version, kind, by, why, self._clock())

    def _look_at_policies(self) -> None:
        """Look which alerts begin and end, store them, and give what is to be told to the couriers.

        After a start it waits until windows are as they were before: on disk they may be older than what was told of.
        """
        self._undelivered += self._couriers.deliveries()
        if not self._has_caught_up():
            if self._undelivered:
                self._alerts.write([], deliveries=self._undelivered)
                self._undelivered = []
            return
        models = self._view.models() if self._policies.active else ()
        messages = self._policies.look(models, self._undelivered)
        self._undelivered = []
        self._couriers.post([*messages, *self._digests.due(models, self._clock(), self._incidents_page)])

    def _has_caught_up(self) -> bool:
        """Return True once everything was joined and judged that waited at the start, or that takes too long.

        Until then no window rests.
        """
        if not self._caught_up:
            idle = not self._joining and not self._pressed() and self._evaluator.idle
            # 60.0: seconds after a start from which on policies are looked at, however many windows still wait
            self._caught_up = idle or time.monotonic() - self._read_at > 60.0
        return self._caught_up

    def _step_join(self) -> bool:
        """Join some rows; return whether more may wait."""
        self._joining = self._join.step()
        return self._joining

    def erase(self, order: ErasureOrder) -> ErasureResult:
        """Delete what is kept of prediction ids, of a subject or of a model; return when it is gone from the disk, too.

        Requests wait meanwhile. Raises what the store raised, such as a full disk: the rows have left the tables then,
        and the file is written anew at the next tidying, or at the next start; NoSubject where the model has none;
        NoModel where nothing is known of it; NotOrdered where the order cannot be written down; StorageOutage, with
        nothing written down, while the storage cannot be used.
        """
        if order.by == "subject" and self._intake.series.settings(order.model).subject is None:
            raise SubjectNotConfigured(order.model)
        self.catch_up()
        if order.by == "model":
            with self._store.reading() as connection:
                if not is_known(connection, order):
                    raise UnknownModel(order)
        with self._keeping, self._store.watched(), self._analysis.resting():
            self._orders.add(order)
            return self._carry_out()

    def _carry_out(self) -> ErasureResult:
        """Carry out all orders; return what the last one deleted."""
        self._analysis.catch_up()  # what was accepted before is in the tables then
        erased = ErasureResult()
        for order in self._orders:
            if order.by == "model":
                erased = self._forget(order)
                continue
            intake, anew, note = self._intake, self._join.judge_anew, partial(self._orders.add_ids, order)
            try:
                erased = erase(self._connection, intake.series, intake.baselines, intake.slices, anew, order, note)
            except BaseException:
                intake.slices.load(self._connection)
                raise
            # What follows from the commit comes first: reading again may fail, and then the next attempt does it.
            self._touched.touch(erased.touched + self._evaluator.forget_deleted(erased.named), joined=1)
            self._upkeep.expired.update(erased.series)
            intake.baselines.load(self._connection)
            intake.slices.load(self._connection)
            self._join.reread_concept()
        self._join.recount()
        self._store.rewrite()
        self._erase_requests()
        self._orders.done()
        return erased

    def _erase_requests(self) -> None:
        """Take what is deleted out of the log, too."""
        series = self._intake.series
        rows = ErasedRows(list(self._orders), lambda model: series.settings(model).subject)
        erase_requests(self.log, self._decoding, rows)

    def _forget(self, order: ErasureOrder) -> ErasureResult:
        """Delete all that is known of a model, and begin anew with what is left, as a process that starts does."""
        erased = forget_model(self._connection, order)
        intake, connection = self._intake, self._connection
        self._ingest.exchange(self._read_intake())
        self._read_rest()
        intake.close()
        connection.close()
        return erased

    def join_now(self, deadline: Deadline = NEVER) -> None:
        """Join everything that has been acknowledged, as far as the time allows."""
        self.catch_up(deadline)
        with self._keeping, self._store.watched():
            while not deadline.passed and self._step_join():
                pass

    def evaluate_now(self, deadline: Deadline = NEVER) -> None:
        """Evaluate everything that was touched, as far as the time allows, and store what is closed."""
        with self._keeping, self._store.watched():
            while self._evaluator.step(patient=False, ended=lambda: deadline.passed) and not deadline.passed:
                pass
            if not deadline.passed:
                self._versions.step()
                self._follow_verdicts()
                self._caught_up = True
                self._look_at_policies()

    def tidy_now(self) -> None:
        """Expire, roll up and forget what is old enough."""
        with self._keeping, self._store.watched():
            self._tidy()

    def settle(self, deadline: Deadline = NEVER) -> None:
        """Join and evaluate everything that has been acknowledged, as far as the time allows.

        In an outage the next start does.
        """
        with suppress(StorageOutage):
            with self._interrupted(deadline):
                self.join_now(deadline)
            with self._interrupted(deadline):
                self.evaluate_now(deadline)

    @contextmanager
    def _interrupted(self, deadline: Deadline) -> Iterator[None]:
        """End the statement that still runs when the time is over; what it did is rolled back."""
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

    def _watermark(self, series: Series) -> int:
        found = self._intake.watermarks.get((series.key.environment, series.key.model))
        return 0 if found is None else found.at(self._clock())

    def _judged_until(self, series: Series) -> int:
        """Return the watermark by which panes get longer: those of windows that wait to be judged stay short."""
        watermark, oldest = self._watermark(series), self._evaluator.waiting.oldest(series.number)
        return watermark if oldest is None else min(watermark, oldest + KEEP_PANES)

    def _say_waiting(self) -> str | None:
        """Say how many windows have waited long to be evaluated, and how late each length is; None where none has."""
        waiting, now = self._evaluator.waiting, self._clock()
        if not waiting.backlog.long(now):
            return None
        late = lags_sentence(waiting.lags(now))
        return windows_wait(waiting.backlog, now) + (f"; {late}" if late else "")

    def _keep(self) -> None:
        """Do each step when it is due, until the state is stopped; a step that fails is tried again."""
        wait = REOPEN_AFTER[0]
        while not self._stopping.is_set():
            began = time.monotonic()
            self._keep_well()
            if time.monotonic() - began > REOPEN_AFTER[1]:
                wait = REOPEN_AFTER[0]
            while not self._stopping.wait(wait):
                wait = min(2 * wait, REOPEN_AFTER[1])
                if self._reopen():
                    break

    def _keep_well(self) -> None:
        """Do each step when it is due, until the state is stopped or its storage fails."""
        turn = KeeperTurn(self._pressed, self._stopping)
        steps: tuple[tuple[Callable[[], object], float, int], ...] = (
            # Each part is looked up when its turn comes: forgetting a model makes all of them anew.
            (self._step_join, JOIN_EVERY, 1),
            (lambda: self._evaluator.step(self._caught_up, turn.over, turn.early), EVALUATE_EVERY, 1),
            (lambda: self._versions.step(), COMPARE_EVERY, LOOKS),
            (lambda: self._follow_verdicts(), COMPARE_EVERY, LOOKS),
            (self._look_at_policies, COMPARE_EVERY, LOOKS),
            (self._tidy, TIDY_EVERY, LOOKS),
        )
        due = [0.0 for _ in steps]
        while not self._stopping.is_set() and self._store.outage is None:
            for position, (step, every, share) in enumerate(steps):
                began = time.monotonic()
                if began < due[position]:
                    continue
                more: object = False
                turn.begin()
                try:
                    with self._keeping, self._store.watched():
                        more = step()
                except StorageOutage:
                    return
                except Exception:
                    if self._stopping.is_set():
                        return  # its statement was interrupted
                    _log.exception("the keeper could not do its work; it will try again")
                due[position] = began + max(every, share * (time.monotonic() - began))
                if share == 1 and more:
                    due[position] = 0.0
                turn.end()
            self._stopping.wait(max(0.0, min(due) - time.monotonic()))

    def _pressed(self) -> bool:
        """Return True where requests wait to be acknowledged, or more rows than a block to be stored."""
        return self.log.waiting or self._analysis.behind

    def _reopen(self) -> bool:
        """Begin anew with what is in the file, as a process that starts does; False while that cannot be done.

        What a commit has left behind that failed is known only there: it may be on disk, and then counts.
        """
        with self._keeping, self._analysis.resting():
            try:
                self._store.reopen()
                self._ingest.exchange(self._read_intake())
                self._read_rest()
            except StorageError:
                return False
            except Exception:
                _log.exception("the storage was opened again, but not read; driftline tries again")
                return False
            self._store.recover()
            return True

    def _follow_verdicts(self) -> None:
        """Store the states of verdicts that have changed, and tell who listens."""
        for change in self._verdicts.write(self._view.verdicts()):
            for listener in self._verdict_listeners:
                listener(change)

    def _finish(self) -> None:
        """Carry out the orders that are left, of a processor that was killed or a disk that was full."""
        if list(self._orders):
            with self._analysis.resting():
                self._carry_out()

    def _tidy(self) -> None:
        self._finish()
        self._evaluator.collect()
        try:
            self._upkeep.step()
        finally:
            self._evaluator.forget_tidied()  # what was rolled up before an error stays rolled up
        self._join.recount()
        self._policies.tidy()


class _Current:
    """Whatever ``part`` returns: those who hold on to a part of the state have the one of today after an outage."""

    def __init__(self, part: Callable[[], object]) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part(), name)


def configured_baselines(models: Mapping[str, Model]) -> dict[str, Baseline]:
    """Load the baselines that the configuration names. Raises ValueError or OSError that say which key, and why."""
    return {name: Baseline.load(model.baseline) for name, model in models.items() if model.baseline is not None}
