"""Store tables in one transaction: find new rows, add them to panes, and advance event time.

Ingestion only adds rows. Its caches (series, digests, watermarks, totals) change during a transaction; if it fails,
they are read again from the store.

Also tracks when rows of each series arrived, in panes of five minutes of wall time over four weeks, and the watermark,
the event time per model and environment that closes windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import fingerprints
from driftline.panes.decisions import decided_classes
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import I64, ModelKey, OutcomeTable, PredictionTable, Text
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.config.model import Model
from driftline_processor.config.schema import Limits
from driftline_processor.core.arrow_arrays import text_array
from driftline_processor.core.audit_chain import Entry
from driftline_processor.core.business import BusinessKeys, BusinessPoint, BusinessReading, CumulativePoint
from driftline_processor.core.decode.event_times import LATEST, LATEST_POINT, timely
from driftline_processor.core.decode.metric_points import Point
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.decode.untrusted_json import check_json
from driftline_processor.core.decode.written_panes import WrittenPanes
from driftline_processor.core.outcomes.coverage import DISTRIBUTED
from driftline_processor.core.service_level.sums import bounded_errors, weight_by_error
from driftline_processor.core.stable_hash import U64
from driftline_processor.core.windows.window import DAY, PANE
from driftline_processor.health import Counters
from driftline_processor.memory_ceiling import share_of_caches
from driftline_processor.receipts import UNUSABLE_PANE, PanesReceipt, Receipt, StorageOutage
from driftline_processor.store.arrow_tables import (
    MOST_RANKED,
    Rows,
    integers_of,
    numbers_of_ids,
    outcome_rows,
    prediction_rows,
    split_subject,
    table_layout,
    take_table,
)
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.baselines import NEEDED, Baselines
from driftline_processor.store.business_points import BusinessPoints
from driftline_processor.store.business_streams import BusinessStreams
from driftline_processor.store.cumulative_streams import Holder, Streams
from driftline_processor.store.database import ONLY_HERE, Connection, Store, insert, mark, number, read, set_mark
from driftline_processor.store.feature_rows import KeptFeatures
from driftline_processor.store.panes import SLICED, PaneChanges, read_sums
from driftline_processor.store.pruning import Condition
from driftline_processor.store.series import Series, SeriesRegister
from driftline_processor.store.slices import HOUR, Cutting, SliceValues
from driftline_processor.store.training_runs import TrainingRuns
from driftline_processor.store.written_panes import KnownPanes, sources_of, write_panes

from .changes import ChangedPanes, SeriesTotals, read_totals
from .completeness import Balances
from .deduplication import BATCHES_KEPT, REQUESTS_KEPT, DeletedModels, SeenDigests, digest_of
from .feature_names import FeatureNames, tables_of_bounded_size
from .model_counts import ModelCounts
from .model_limits import REASON, ModelLimits
from .pane_sums import (
    add_binned,
    add_distributions,
    add_expected,
    add_learned,
    add_plain,
    add_plain_slices,
    add_scores,
    count_unscored,
    decided_by_points,
    panes_of,
    spread_over_panes,
    write_restated,
)
from .prediction_times import PredictionTimes
from .queue_offsets import Offset, QueueProgress, read_offsets, write_offsets
from .row_keys import MOST_BYTES, RowKeys, keys_of
from .written_panes import PaneChecker, baseline_conflict, empty_table

ROWS = 1_000
"""Number of newest rows whose event times determine the watermark."""

AHEAD = 300 * 10**9
"""Nanoseconds by which a watermark may be ahead of the wall clock: five minutes."""

SILENCE = 120 * 10**9
"""Nanoseconds without a row of a later time after which event time advances with wall time: two minutes."""


class Watermark:
    """The 99th percentile of the event time of the last 1,000 rows; it never goes back.

    A sender with a fast clock moves it only if it sends more than one percent of the rows, and never more than five
    minutes beyond the wall clock. After two minutes in which no rows moved it, it advances by the wall time since then,
    so that the last window of a stopped model closes, and nobody stops the clock of a model by sending more late rows
    than current ones. All times are unix nanoseconds.

    >>> watermark = Watermark()
    >>> watermark.observe(np.array([100, 200], dtype=np.int64), now=1000)
    >>> watermark.at(now=1000), watermark.at(now=1000 + SILENCE)
    (100, 120000000100)
    """

    def __init__(self, value: int = 0, received: int = 0, times: I64 | None = None) -> None:
        """Start empty, or from ``value``, which was reached at wall time ``received``."""
        self.value, self.received = value, received
        self._times = np.empty(0, dtype=np.int64) if times is None else times[-ROWS:]

    def observe(self, times: I64, now: int) -> None:
        """Add the event times of rows that arrived at wall time ``now``."""
        if not len(times):
            return
        self._times = np.concatenate([self._times, times[-ROWS:]])[-ROWS:]
        rank = (len(self._times) - 1) * 99 // 100  # the lower neighbour, because closing late loses nothing
        percentile = int(np.partition(self._times, rank)[rank])
        value = min(percentile, now + AHEAD)
        if value > self.at(now):
            self.value, self.received = value, now

    def at(self, now: int) -> int:
        """Return the watermark at wall time ``now``; 0 before the first row."""
        silence = now - self.received
        if not self.received or silence < SILENCE:
            return self.value
        return max(self.value, min(self.value + silence, now + AHEAD))

    @property
    def lag(self) -> int:
        """Nanoseconds, rounded up to a pane, from a time until the watermark has passed it, even without more rows.

        >>> Watermark(value=10 * DAY, received=12 * DAY).lag == 2 * DAY + PANE
        True
        """
        return max(0, -((self.value - self.received - SILENCE) // PANE) * PANE)


Watermarks = dict[tuple[str, str], Watermark]
"""(environment, model) → its watermark."""


def read_watermarks(connection: Connection) -> Watermarks:
    """Read all watermarks, with the event times of their newest rows."""
    reached = read(
        connection,
        "SELECT environment, model, max(watermark) AS watermark, max(received) AS received"
        " FROM watermarks GROUP BY environment, model",
    )
    rows = reached.to_pylist()
    times = _newest_times(connection, [(row["environment"], row["model"]) for row in rows])
    return {
        key: Watermark(row["watermark"], row["received"], times.get(key))
        for row in rows
        for key in [(row["environment"], row["model"])]
    }


def _newest_times(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], I64]:
    """Return the event times of the newest rows of each (environment, model), in the order of their arrival.

    Models with equal traffic have them among the last rows of all; only the others cost a look at the whole table.
    """
    newest = (
        f"SELECT environment, model, max_by(time, seq, {ROWS}) AS times FROM predictions JOIN models USING (series)"
        " JOIN wanted USING (environment, model) WHERE seq > ? GROUP BY environment, model"
    )
    times: dict[tuple[str, str], I64] = {}
    # 4: the traffic of most models is at least a quarter of the mean
    for after in (_last(connection, "predictions") - 4 * ROWS * len(keys), -1):
        lacking = [key for key in keys if len(times.get(key, ())) < ROWS]
        if lacking:
            environments, models = zip(*lacking, strict=True)
            wanted = pa.table({"environment": environments, "model": models})
            for row in read(connection, newest, after, wanted=wanted).to_pylist():
                times[row["environment"], row["model"]] = np.array(row["times"][::-1], np.int64)
    return times


def write_watermarks(connection: Connection, watermarks: Mapping[tuple[str, str], Watermark]) -> None:
    """Append watermarks, inside the caller's transaction; the maximum counts, see :func:`forget_old_watermarks`."""
    rows = [(*key, reached.value, reached.received) for key, reached in watermarks.items()]
    if rows:
        places = ", ".join(["(?, ?, ?, ?)"] * len(rows))
        connection.execute(f"INSERT INTO watermarks VALUES {places}", [value for row in rows for value in row])


def forget_old_watermarks(connection: Connection) -> None:
    """Delete all rows except the newest of each model."""
    connection.execute(
        "DELETE FROM watermarks AS w WHERE EXISTS (SELECT 1 FROM watermarks n WHERE n.environment = w.environment"
        " AND n.model = w.model AND (n.received, n.rowid) > (w.received, w.rowid))"
    )


KEPT = 28 * DAY
"""Nanoseconds for which arrivals are stored: four weeks, so that each hour of the week occurs four times."""

_LISTENED = "listened"

_ROWS = (
    f"SELECT DISTINCT series, received - received % {PANE} AS pane FROM predictions WHERE received >= ? ORDER BY ALL"
)
"""SQL of arrivals from stored rows; a table of arrivals would need another insert per request."""

_WRITTEN = _ROWS.replace("FROM predictions", "FROM pane_sources")
"""SQL of arrivals of panes that batch jobs wrote."""

_DISTRIBUTIONS = "SELECT DISTINCT series, pane FROM sums ORDER BY series, pane"
"""SQL of arrivals from distributions, whose time of arrival is not stored; services send them every minute."""


class Arrivals:
    """The panes of wall time in which data of a series arrived. One thread writes; any thread may read.

    Attributes:
        downtime: End of the previous run and start of this one, unix nanoseconds; both 0 at the first start.
    """

    def __init__(self, connection: Connection, now: int) -> None:
        """Read the stored arrivals; ``now``: start of this run on the wall clock, unix nanoseconds."""
        oldest = now - KEPT
        self._panes: dict[int, list[int]] = {}
        of_distributions = Condition("fold = '' AND span = ? AND pane >= ?", (PANE, oldest))
        sums = read_sums(connection, of_distributions, wanted=lambda _, part: part == DISTRIBUTED)
        for row in (
            read(connection, _ROWS, oldest),
            read(connection, _WRITTEN, oldest),
            read(connection, _DISTRIBUTIONS, sums=sums),
        ):
            series, panes = integers_of(row, "series"), integers_of(row, "pane")
            for identifier in np.unique(series).tolist():
                first, last = np.searchsorted(series, [identifier, identifier + 1])
                self._panes.setdefault(identifier, []).extend(panes[first:last].tolist())
        listened = mark(connection, _LISTENED)
        self.downtime = (listened, now) if 0 < listened < now else (0, 0)

    def add(self, series: int, now: int) -> None:
        """Note that data of a series arrived at ``now``, unix nanoseconds."""
        pane, arrival_panes = now - now % PANE, self._panes.setdefault(series, [])
        if not arrival_panes or arrival_panes[-1] != pane:
            arrival_panes.append(pane)
            if arrival_panes[0] < now - KEPT - DAY:  # removed once a day
                self._panes[series] = [arrival_pane for arrival_pane in arrival_panes if arrival_pane >= now - KEPT]

    def of(self, series: Iterable[int]) -> I64:
        """Return the panes in which data of these series arrived, ascending: int64 (n,), unix nanoseconds."""
        arrivals_by_series = [np.array(self._panes.get(number, ()), np.int64) for number in series]
        return np.unique(np.concatenate(arrivals_by_series)) if arrivals_by_series else np.empty(0, np.int64)


def note_listening(connection: Connection, now: int) -> None:
    """Store that the processor is running at ``now``, unix nanoseconds, inside the caller's transaction."""
    set_mark(connection, _LISTENED, now)


_POSITION, _ACKNOWLEDGED = "log", "log_acknowledged"
"""Names of the marks with the stored position of the log, and with its end when they were stored.

One of each is appended per block, and the largest counts.
"""


class LogPosition(Struct, frozen=True):
    """Positions of the log that are stored with rows.

    Attributes:
        stored: Position after the requests whose rows are stored.
        acknowledged: Position after the last acknowledged request.
    """

    stored: int
    acknowledged: int


_NONE: I64 = np.empty(0, dtype=np.int64)
_TIME_AND_ID = pa.schema({"time": pa.int64(), "id": pa.string()})
_NO_TEXTS = Text(np.zeros(1, dtype=np.int32), b"")


class Request(Struct):
    """One decoded request.

    Attributes:
        batches: Parallel to ``predictions``, the batch id or "".
        baselines: JSON of baselines that a service sent.
        training_runs: Finished training runs.
        pushed: JSON of baselines that a user activated.
        offsets: Positions in topics of Kafka after this request.
        readings: Progress of queries of business series.
        more_digests: Digests of new requests that were decoded together with the first.
        patterns: Patterns of the models that its sender may name.
        panes: Panes that a batch job has folded.
    """

    digest: bytes
    predictions: Sequence[PredictionTable] = ()
    batches: Sequence[str] = ()
    outcomes: Sequence[OutcomeTable] = ()
    baselines: Sequence[str] = ()
    points: Sequence[Point] = ()
    rejected: Counter[str] = field(default_factory=Counter)
    pushed: Sequence[str] = ()
    offsets: Sequence[Offset] = ()
    more_digests: Sequence[bytes] = ()
    training_runs: Sequence[TrainingRun] = ()
    business: Sequence[BusinessPoint | CumulativePoint] = ()
    readings: Sequence[BusinessReading] = ()
    patterns: Collection[str] = ("*",)
    panes: WrittenPanes | None = None

    @property
    def rows(self) -> int:
        """Return the total number of rows, outcomes, baselines, points, training runs, business points and panes."""
        tables = sum(map(len, self.predictions)) + sum(map(len, self.outcomes))
        return (
            tables
            + len(self.baselines)
            + len(self.pushed)
            + len(self.points)
            + len(self.training_runs)
            + len(self.business)
            + (0 if self.panes is None else len(self.panes.panes))
        )

    @property
    def cells(self) -> int:
        """Return the number of rows × columns of its tables."""
        features = sum(len(table) * (len(table.features) + len(table.slices)) for table in self.predictions)
        return features + sum(len(table) * len(table.slices) for table in self.outcomes)

    @property
    def moves(self) -> bool:
        """Return True if it advances a position in a queue or query."""
        return bool(self.offsets or self.readings)


class _Rehearsed(Exception):  # noqa: N818 - not an error: it rolls a transaction back
    """A transaction could be committed."""


class Intake:
    """Stores requests, several per transaction. One thread uses it; other threads may read its public fields."""

    def __init__(
        self,
        store: Store,
        models: Mapping[str, Model],
        configured: Mapping[str, Baseline],
        touched: ChangedPanes,
        counters: Counters,
        clock: Callable[[], int],
        audit: AuditLog,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        business: Mapping[str, BusinessKeys] | None = None,
    ) -> None:
        self._declared, self._audit = business or {}, audit
        self._store, self._connection = store, store.connect(lasting=True)
        self.touched, self._counters, self._clock, self._memory = touched, counters, clock, limits.memory
        self.series = SeriesRegister(self._connection, models)
        self.baselines = Baselines(self._connection, configured)
        self.slices = SliceValues(self._connection)
        self.training_runs = TrainingRuns(self._connection)
        self._kept_features = KeptFeatures(self._connection)
        self.limits = ModelLimits(limits, models, counters)
        self.feature_names = FeatureNames()
        self.prediction_times = PredictionTimes()
        # senders with our SDK set driftline.capture; others may not, and the points may be their model's only data
        self.unmarked_points = ModelCounts()
        self.incomplete_rows = ModelCounts()
        self._load()

    def _load(self) -> None:
        """Read the caches."""
        connection, now = self._connection, self._clock()
        self._deleted = DeletedModels(connection)
        self._requests = SeenDigests(connection, "requests", REQUESTS_KEPT, now, self._deleted.times)
        self._batches = SeenDigests(connection, "batches", BATCHES_KEPT, now, self._deleted.times)
        self.offsets = read_offsets(connection)
        self.position, self.acknowledged = log_position(connection)
        self.watermarks: Watermarks = read_watermarks(connection)
        self.totals = read_totals(connection)
        self.pane_sources = sources_of(connection)
        received_by_key = {
            series.key: self.totals.get(series.number, SeriesTotals()).received for series in self.series
        }
        self.limits.load(received_by_key, self.baselines.sent_baselines(), now)
        self.streams = Streams(connection, now, holders=self._holders_of_streams)
        self.balances = Balances(connection, now)
        self._keys = RowKeys(connection, int(share_of_caches(self._memory) * MOST_BYTES))
        self.arrivals = Arrivals(connection, now)
        self.business = BusinessPoints(connection, self._declared)
        self.business_streams = BusinessStreams(connection, self._declared, now)
        self._prediction_seq = _last(connection, "predictions")
        self._outcome_seq = _last(connection, "outcomes")

    def _holders_of_streams(self) -> dict[int, Holder]:
        return {one.number: Holder(self.series.declares(one.key.model), one.key.model) for one in self.series}

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @property
    def outage(self) -> str | None:
        """Reason why nothing can be stored for now, None normally."""
        return self._store.outage

    def is_stored(self, digest: bytes) -> bool:
        """Return True if a request was stored before."""
        return digest in self._requests

    def take(
        self, requests: Sequence[Request], position: LogPosition | None = None, received: int | None = None
    ) -> list[Receipt]:
        """Store requests in one transaction and return a receipt per request when it is on disk.

        ``position``: positions in the log, for requests of the log. ``received``: time of arrival in unix
        nanoseconds, by default now.

        Raises StorageOutage if the storage failed, else the error of the store; then no request is acknowledged.
        """
        with self._store.watched():
            return self._take(requests, position, self._clock() if received is None else received)

    def can_take(self, requests: Sequence[Request], received: int | None = None) -> bool:
        """Return whether :meth:`take` would store requests, by a transaction that is rolled back.

        Raises StorageOutage if the storage failed.
        """
        try:
            with self._store.watched():
                self._take(requests, None, self._clock() if received is None else received, rehearsed=True)
        except _Rehearsed:
            return True
        except StorageOutage:
            raise
        except Exception:  # the caller logs the first one
            return False
        raise AssertionError("a rehearsal is never committed")

    def _take(
        self, requests: Sequence[Request], position: LogPosition | None, received: int, rehearsed: bool = False
    ) -> list[Receipt]:
        work = _Work(received)
        self.balances.at(work.now)
        try:
            with self._audit.transaction(self._connection, work.entries):
                receipts = [self._sort(request, work) for request in requests]
                for tables in work.tables.values():
                    for table in self._bounded(tables):
                        self._take_predictions(table, work)
                for key, points in work.points.items():
                    self._take_points(key, points, work)
                self._set_aside(work)
                self._write(work)
                if position is not None:
                    marks = [_POSITION, position.stored, _ACKNOWLEDGED, position.acknowledged]
                    self._connection.execute("INSERT INTO meta VALUES (?, ?), (?, ?)", marks)
                self._store.stamp(self._connection, work.now)
                # a queue or query of which the position moves is read again from the stored position
                is_only_here = position is None and not all(request.moves for request in requests)
                stamped = self._store.stamp_only_here(self._connection, work.now) if is_only_here else 0
                if rehearsed:
                    raise _Rehearsed
            self._store.acknowledge()
            if stamped:
                self._store.acknowledge_only_here(stamped)
            self._keys.settle()
        except BaseException:
            self.series.load(self._connection)
            self.baselines.load(self._connection)
            self.slices.load(self._connection)
            self.training_runs.load(self._connection)
            self._kept_features.load(self._connection)
            self._load()
            raise
        for of_table in work.times:
            self.prediction_times.add(*of_table, work.now)
        for key, rows in (+work.incomplete).items():
            self.incomplete_rows.add(key, rows, work.now)
        self.business.take(work.business, work.readings)
        self.offsets |= work.offsets
        self.position = self.position if position is None else position.stored
        self.limits.count()
        if work.has_panes:
            self.pane_sources = sources_of(self._connection)
        self.touched.touch(
            work.touched, predictions=self._prediction_seq, points=self.streams.seq, distributed=work.distributed
        )
        for reason, rows in (+work.unused).items():
            self._counters.add(m.DRIFTLINE_REJECTED_ROWS, rows, {a.DRIFTLINE_REASON: reason})
        self._counters.add(m.DRIFTLINE_RECEIVED_ROWS, work.row_count)
        return receipts

    def _sort(self, request: Request, work: _Work) -> Receipt:
        """Add a request to the work, unless it was stored before."""
        work.offsets.update({offset[:3]: offset.next for offset in request.offsets})
        received = self._requests.received(request.digest)
        if received is not None:
            new = self._deleted_part(request, received)
            work.unused["request_seen"] += request.rows - new.rows
            if not new.rows:
                return Receipt(request.rows, request.rejected)
            request = new
        for digest in (request.digest, *request.more_digests):
            self._requests.add(digest, work.now)
            work.digests.append(digest)
        rejected = Counter[str]()
        self.limits.sender = frozenset(request.patterns)
        for text in request.baselines:
            self._keep_baseline(text, "event", work, rejected)
        for text in request.pushed:
            self._keep_baseline(text, "push", work, rejected)
        for table, batch in zip(request.predictions, request.batches, strict=True):
            if batch and self._batch_seen(table, batch, work):
                work.unused["batch_seen"] += len(table)
            else:
                self._keep_table(table, work, rejected)
        for outcomes in request.outcomes:
            self._keep_outcomes(outcomes, work, rejected)
        self._keep_points(request.points, work, rejected)
        for run in request.training_runs:
            self._keep_run(run, work, rejected)
        work.readings += request.readings
        self._keep_business(request.business, work, rejected)
        panes = None if request.panes is None else self._take_panes(request.panes, work)
        if panes is not None and panes.refused:
            rejected[UNUSABLE_PANE] += len(panes.refused)
        work.unused.update(request.rejected + rejected)
        return Receipt(request.rows - rejected.total(), request.rejected + rejected, panes=panes)

    def _keep_baseline(self, text: str, source: Literal["event", "push"], work: _Work, rejected: Counter[str]) -> None:
        try:
            check_json(text.encode())
            baseline = Baseline.from_json(text)
            if self.limits.place_baseline(baseline.model, baseline.version, work.now):
                stored = self.baselines.receive(self._connection, baseline, work.now, source)
                if stored and source == "event":  # the route records who pushed one
                    work.entries.append(_baseline_entry(baseline))
            else:
                rejected[REASON] += 1
        except Exception:  # invalid content must not make its request fail for ever
            rejected["bad_baseline"] += 1

    def _keep_table(self, table: PredictionTable, work: _Work, rejected: Counter[str]) -> None:
        usable = _timely(table.time, work.now, rejected)
        work.times.append((table.key, table.time, len(table) - len(usable), table.undated))
        work.incomplete[table.key] += table.incomplete
        table = table if len(usable) == len(table) else take_table(table, usable)
        if not len(table):
            return
        key = self.limits.place(table.key, len(table), work.now)
        if key is None:
            rejected[REASON] += len(table)
        else:
            table = table if key is table.key else replace(table, key=key)
            work.tables.setdefault(table_layout(table), []).append(table)

    def _keep_outcomes(self, outcomes: OutcomeTable, work: _Work, rejected: Counter[str]) -> None:
        usable = _timely(outcomes.time, work.now, rejected)
        outcomes = outcomes if len(usable) == len(outcomes) else take_table(outcomes, usable)
        placed = self.limits.place_outcomes(outcomes)
        if placed is None:
            rejected[REASON] += len(outcomes)
            return
        outcomes, subject = split_subject(placed, self.series.settings(placed.model).subject)
        work.outcomes.append(outcome_rows(outcomes, self._outcome_seq + 1, work.now, subject))
        self._outcome_seq += len(outcomes)
        work.row_count += len(outcomes)

    def _keep_points(self, points: Iterable[Point], work: _Work, rejected: Counter[str]) -> None:
        for point in points:
            if point.end > work.now + LATEST_POINT:
                rejected["time_out_of_range"] += 1
            elif not point.captured and point.metric != m.ML_PREDICTIONS:
                work.unmarked[point.key] += 1
            elif (key := self.limits.place(point.key, 1, work.now)) is None:
                rejected[REASON] += 1
            else:
                work.points.setdefault(key, []).append(point)

    def _keep_business(
        self, points: Iterable[BusinessPoint | CumulativePoint], work: _Work, rejected: Counter[str]
    ) -> None:
        for point in points:
            if point.time >= work.now + LATEST:
                rejected["time_out_of_range"] += 1
            elif isinstance(point, BusinessPoint):
                work.business.append(point)
            elif (added := self.business_streams.take(point, work.now)) == "point_seen":
                work.unused["point_seen"] += 1
            elif isinstance(added, str):
                rejected[added] += 1
            elif added is not None:
                work.business.append(added)

    def _take_panes(self, written: WrittenPanes, work: _Work) -> PanesReceipt:
        """Store the panes of a batch job, and note their windows."""
        key, now = written.key, work.now
        in_force = self.baselines.in_force(key)
        conflict = baseline_conflict(key, written.baseline, None if in_force is None else in_force.baseline)
        if in_force is None or conflict:
            return PanesReceipt(conflict=conflict)
        if self.limits.place(key, len(written.panes), now) != key:
            return PanesReceipt(
                conflict=f"{key.model} {key.version} {key.environment}".rstrip()
                + " is above limits.models, limits.versions or limits.environments; raise the limit"
            )
        declared = self.series.declared_task(key)
        task = declared if declared.kind else in_force.baseline.task
        series = self.series.of(empty_table(key, task), in_force.task)
        settings = self.series.settings(key.model)
        starts = [pane.start for pane in written.panes if 0 <= pane.start <= now + LATEST]
        known = KnownPanes(
            self._connection, series.number, written.source, min(starts, default=0), max(starts, default=0) + 2 * DAY
        )
        checker = PaneChecker(series, in_force.baseline, settings, self.slices, now)
        receipt, panes, replaced, folded = checker.check(written, known)
        if not panes:
            return receipt
        write_panes(self._connection, series.number, written.source, written.epoch, now, panes, folded, replaced)
        whole = [pane for pane in panes if not pane.place.slice]
        rows = sum(pane.rows for pane in whole)
        rows_before = sum(pane.rows for place, pane in replaced.items() if not place.slice)
        first, last = min(pane.place.start for pane in panes), max(pane.place.end for pane in panes)
        last = min(last, max(written.newest, first))
        totals = self.totals.get(series.number, SeriesTotals())
        self.totals[series.number] = totals.plus_panes(rows - rows_before, first, last, now)
        changed = np.unique(np.array([pane.place.start for pane in panes], np.int64))
        work.distributed.append((series.number, changed, 1 + rows // len(changed)))
        work.restated.append((series.number, changed))
        work.has_panes = True
        self.arrivals.add(series.number, now)
        model = (key.environment, key.model)
        work.watermarks[model] = self.watermarks.setdefault(model, Watermark())
        newest = sorted((min(pane.place.end, written.newest), pane.rows) for pane in whole)[-ROWS:]
        ends = np.repeat([end for end, _ in newest], [min(n, ROWS) for _, n in newest]).astype(np.int64)
        work.watermarks[model].observe(ends, now)
        return receipt

    def _keep_run(self, run: TrainingRun, work: _Work, rejected: Counter[str]) -> None:
        if not 0 < run.end < work.now + LATEST:
            rejected["time_out_of_range"] += 1
        elif (placed := self.limits.place_training_run(run)) is None:
            rejected[REASON] += 1
        elif (refused := self.training_runs.add(placed, work.now)) == "seen":
            work.unused["training_run_seen"] += 1
        elif refused:
            rejected[refused] += 1

    def _batch_seen(self, table: PredictionTable, batch: str, work: _Work) -> bool:
        key = table.key
        digest = digest_of("\0".join((key.environment, key.model, batch)).encode())
        received = self._batches.received(digest)
        if received is not None and received > self._deleted.last(key.model, key.version, key.environment):
            return True
        self._batches.add(digest, work.now)
        work.batches.append(digest)
        return False

    def _deleted_part(self, request: Request, received: int) -> Request:
        """Return the part of a repeated request whose data were deleted since it was received."""

        def is_deleted(of: ModelKey | TrainingRun) -> bool:
            return self._deleted.last(of.model, of.version, of.environment) >= received

        def is_deleted_baseline(text: str) -> bool:
            try:
                baseline = Baseline.from_json(text)
            except Exception:  # invalid content must not make its request fail for ever
                return False
            return is_deleted(ModelKey(baseline.model, baseline.version))  # as it is stored

        tables = [
            (table, batch)
            for table, batch in zip(request.predictions, request.batches, strict=True)
            if is_deleted(table.key)
        ]
        return Request(
            request.digest,
            predictions=[table for table, _ in tables],
            batches=[batch for _, batch in tables],
            outcomes=[
                table
                for table in request.outcomes
                if self._deleted.last(table.model, environment=table.environment) >= received
            ],
            baselines=[text for text in request.baselines if is_deleted_baseline(text)],
            points=[point for point in request.points if is_deleted(point.key)],
            training_runs=[run for run in request.training_runs if is_deleted(run)],
            patterns=request.patterns,
        )

    def _bounded(self, tables: Sequence[PredictionTable]) -> Iterator[PredictionTable]:
        """Yield the rows of tables of one layout, with the columns that are used, and of bounded size."""
        key = tables[0].key
        settings = self.series.settings(key.model)
        slices = {*settings.slices, *settings.sliced, settings.subject, settings.cluster}
        tables = [
            table
            if table.slices.keys() <= slices
            else replace(table, slices={key: column for key, column in table.slices.items() if key in slices})
            for table in tables
        ]
        features = self._features_of(key)
        tables, left_out = self.feature_names.tables(tables, features)
        self.limits.leave_out_features(key.model, left_out)
        yield from tables_of_bounded_size(tables, len(features))

    def _features_of(self, key: ModelKey) -> set[str]:
        """Return the features that the baseline and the configuration of a model name."""
        in_force, settings = self.baselines.in_force(key), self.series.settings(key.model)
        names = set() if in_force is None else set(in_force.baseline.bins.features)
        return names | {*filter(None, (settings.subject, settings.cluster)), *settings.expectations.features}

    def _take_predictions(self, table: PredictionTable, work: _Work) -> None:
        in_force = self.baselines.in_force(table.key)
        series = self.series.of(table, in_force.task if in_force else None)
        numbers = numbers_of_ids(text_array(table.id))
        if table.keyed:
            new = self._new_rows(series, table, numbers, work)
            if len(new) < len(table):
                work.unused["row_seen"] += len(table) - len(new)
                table, numbers = take_table(table, new), numbers[new]
        elif self._keys.knows(series.number, table.time):
            with_id = np.flatnonzero(np.diff(table.id.offsets))
            self._keys.add(series.number, table.time[with_id], keys_of(table.time, numbers)[with_id])
        if not len(table):
            return
        settings = self.series.settings(table.key.model)
        totals = self.totals.get(series.number, SeriesTotals())
        table = replace(table, task=series.task, errors=bounded_errors(table.errors, totals.by_error))
        table, subject = split_subject(table, settings.subject)
        decided = decided_classes(table)
        names = in_force.baseline.bins.features if in_force is not None else sorted(table.features)
        prints = fingerprints(table.features, names, len(table)) if table.features and names else None
        first = self._prediction_seq + 1
        ranked = max((MOST_RANKED, *series.task.cutoffs))
        work.rows.append(
            prediction_rows(
                table=table,
                series=series.number,
                first=first,
                decided=decided,
                received=work.now,
                slices=settings.sliced,
                fingerprints=prints,
                ranked=ranked,
                subject=subject,
                numbers=numbers,
            )
        )
        self._kept_features.keep(self._connection, series.number, table, first, settings.keep_features, work.now)
        self._prediction_seq += len(table)
        work.row_count += len(table)
        work.touched.append((series.number, panes_of(table)))

        by_class, duration = add_plain(work.changes, series, table, decided)
        add_expected(work.changes, series, table, settings.expectations)
        add_scores(work.changes, series, table)
        for key in settings.sliced:
            if key in table.slices:
                self.slices.learn(series.number, key, table.slices[key], in_force.baseline if in_force else None)
        apart_by = {key: self.slices.of(series.number, key) for key in settings.sliced}
        add_plain_slices(work.sliced, series, table, decided, apart_by, settings.timezone)
        self.totals[series.number] = totals.plus(
            table.time,
            work.now,
            count_unscored(table, decided),
            by_class,
            duration,
            weight_by_error(table.errors, table.weight),
        )
        self.arrivals.add(series.number, work.now)
        self._compare(series, table, first, work)

        model = (table.key.environment, table.key.model)
        work.watermarks[model] = self.watermarks.setdefault(model, Watermark())
        work.watermarks[model].observe(table.time, work.now)
        if table.observed is None:
            self.balances.spans(series.number)
        else:
            self.balances.rows(series.number, table.observed)

    def _take_points(self, key: ModelKey, points: Sequence[Point], work: _Work) -> None:
        """Add the new counts of one model's points."""
        points, left_out = self.feature_names.points(key, points, self._features_of(key))
        self.limits.leave_out_features(key.model, left_out)
        in_force = self.baselines.in_force(key)
        task = self.series.declared_task(key)
        if not task.kind:
            decides = 0.5 if in_force is None else in_force.baseline.task.threshold  # metrics have no threshold
            task = Task(next((point.task for point in points if point.task), ""), threshold=decides)
        rowless = PredictionTable(key, task, _NONE, _NO_TEXTS, predicted=decided_by_points(points))
        series = self.series.of(rowless, in_force.task if in_force else None)
        taken_increases = [self.streams.take(point, series.number, work.now) for point in points]
        increases = [increase for increase in taken_increases if increase is not None]
        work.unused["point_seen"] += len(taken_increases) - len(increases)
        spread_over_panes(self.balances, series.number, increases)
        known_errors = self.totals.get(series.number, SeriesTotals()).by_error
        added = add_distributions(
            work.changes, series, increases, in_force.baseline if in_force else None, known_errors
        )
        self.baselines.learn_points(self._connection, series, increases, work.now)
        # rows from distributions are assumed to be spread evenly over their panes
        work.distributed.append((series.number, added.panes, 1 + added.rows // max(1, len(added.panes))))
        self.totals[series.number] = self.totals.get(series.number, SeriesTotals()).plus_distributed(added, work.now)
        if added.rows:
            self.arrivals.add(series.number, work.now)
            model = (key.environment, key.model)
            work.watermarks[model] = self.watermarks.setdefault(model, Watermark())
            work.watermarks[model].observe(np.full(min(added.rows, ROWS), added.last), work.now)

    def _set_aside(self, work: _Work) -> None:
        """Count the points without a mark, unless the rows of their model arrive anyway."""
        if not work.unmarked and not len(self.unmarked_points):
            return
        with_rows = {
            (one.key.model, one.key.environment)  # of any version, from records or distributions
            for one in self.series
            if (totals := self.totals.get(one.number)) is not None and (totals.rows or totals.distributed)
        }
        self.unmarked_points.discard(with_rows)
        for key, points in work.unmarked.items():
            if (key.model, key.environment) not in with_rows:
                work.unused["not_marked"] += points
                self.unmarked_points.add(key, points, work.now)

    def _new_rows(self, series: Series, table: PredictionTable, numbers: U64, work: _Work) -> Rows:
        """Return positions of rows that are neither stored nor earlier in the transaction; rows without an id are new.

        ``numbers``: of their ids. Only possible duplicates are looked up in the store and the transaction.
        """
        with_id = np.flatnonzero(np.diff(table.id.offsets))
        newest = self.totals.get(series.number, SeriesTotals()).last
        keys = keys_of(table.time, numbers)
        selected_rows = slice(None) if len(with_id) == len(table) else with_id
        suspects = with_id[self._keys.suspects(series.number, table.time[selected_rows], keys[selected_rows], newest)]
        new = np.arange(len(table)) if not len(suspects) else self._without_known(series, table, suspects, work)
        stored = new if len(with_id) == len(table) else new[np.isin(new, with_id)]
        self._keys.add(series.number, table.time[stored], keys[stored])
        return new

    def _without_known(self, series: Series, table: PredictionTable, suspects: I64, work: _Work) -> Rows:
        """Return the positions of all rows except those stored, earlier in the transaction, or among the suspects."""
        times, ids = table.time[suspects], text_array(table.id).take(pa.array(suspects))
        incoming = pa.table({"row": suspects, "time": times, "id": ids})
        known_rows = read(
            self._connection,
            "SELECT row FROM incoming i JOIN predictions p ON p.time = i.time AND p.id = i.id"
            " WHERE p.series = ? AND p.time BETWEEN ? AND ?"
            " UNION SELECT row FROM incoming i JOIN pending p ON p.time = i.time AND p.id = i.id"
            " UNION SELECT row FROM incoming QUALIFY row_number() OVER (PARTITION BY time, id ORDER BY row) > 1",
            *(series.number, int(times.min()), int(times.max())),
            incoming=incoming,
            pending=work.pending(series.number),
        )
        return np.delete(np.arange(len(table)), known_rows["row"].to_numpy())

    def _compare(self, series: Series, table: PredictionTable, first: int, work: _Work) -> None:
        """Count rows over the bins of the active baseline, or store them to learn one."""
        in_force, settings = self.baselines.in_force(series.key), self.series.settings(series.key.model)
        if in_force is not None:
            given_back = self.baselines.give_back(self._connection, series)
            panes_by_series = [(series.number, panes_of(part_rows)) for part_rows in given_back]
            work.touched += panes_by_series
            work.restated += [(number, np.unique(panes)) for number, panes in panes_by_series]
            for part_rows in (*given_back, table):
                values = {key: self.slices.of(series.number, key) for key in settings.sliced if key in part_rows.slices}
                cutting = Cutting(work.sliced, values, settings.timezone)
                add_binned(work.changes, series, part_rows, in_force.baseline, settings.cluster or "", cutting)
                add_learned(work.changes, series, part_rows, in_force.baseline)
            return
        needed_rows = NEEDED - self.baselines.learned(series.number)
        rows = np.arange(len(table))
        part_rows = take_table(table, rows[:needed_rows])
        self.baselines.learn(self._connection, series, part_rows, work.now, settings.slices, first)
        if len(table) > needed_rows:
            self._compare(series, take_table(table, rows[needed_rows:]), first + needed_rows, work)

    def _write(self, work: _Work) -> None:
        connection = self._connection
        self.series.write(connection)
        self.slices.write(connection)
        self.training_runs.write(connection)
        self._kept_features.write(connection)
        if work.rows:
            insert(connection, "predictions", pa.concat_tables(work.rows))
        if work.outcomes:
            insert(connection, "outcomes", pa.concat_tables(work.outcomes))
        work.changes.write(connection)
        work.sliced.write(connection)
        write_restated(connection, work.restated)
        self._requests.write(connection, work.digests, work.now)
        self._batches.write(connection, work.batches, work.now)
        write_watermarks(connection, work.watermarks)
        self.streams.write(connection)
        self.balances.write(connection)
        self.business.write(connection, work.business, work.readings)
        self.business_streams.write(connection)
        write_offsets(connection, [Offset(*place, following) for place, following in work.offsets.items()], work.now)
        self._requests.expire(work.now)
        self._batches.expire(work.now)


def _baseline_entry(baseline: Baseline) -> Entry:
    return Entry(
        kind="baseline_set",
        model=baseline.model,
        subject=baseline.version,
        words="a service sent a baseline",
        why=f"digest {baseline.digest}",
    )


class _Work(Struct):
    """The content of one transaction.

    Attributes:
        tables: Tables of equal layout, together.
        distributed: Series, panes of rows from distributions, and how many rows each pane has.
        restated: Panes of rows of an earlier transaction that was evaluated.
        unmarked: Points of distributions without ``driftline.capture``.
        incomplete: Rows of which the sender dropped attributes.
        times: Model, times, and numbers of refused and undated rows of each table.
        unused: Reason → number of unused rows.
        entries: Entries of the audit log.
    """

    now: int
    tables: dict[Hashable, list[PredictionTable]] = field(default_factory=dict)
    rows: list[pa.Table] = field(default_factory=list)
    outcomes: list[pa.Table] = field(default_factory=list)
    points: dict[ModelKey, list[Point]] = field(default_factory=dict)
    unmarked: Counter[ModelKey] = field(default_factory=Counter)
    incomplete: Counter[ModelKey] = field(default_factory=Counter)
    changes: PaneChanges = field(default_factory=PaneChanges)
    sliced: PaneChanges = field(default_factory=lambda: PaneChanges(SLICED, HOUR))
    digests: list[bytes] = field(default_factory=list)
    offsets: QueueProgress = field(default_factory=dict)
    batches: list[bytes] = field(default_factory=list)
    watermarks: Watermarks = field(default_factory=dict)
    touched: list[tuple[int, I64]] = field(default_factory=list)
    distributed: list[tuple[int, I64, int]] = field(default_factory=list)
    restated: list[tuple[int, I64]] = field(default_factory=list)
    times: list[tuple[ModelKey, I64, int, int]] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)
    entries: list[Entry] = field(default_factory=list)
    row_count: int = 0
    business: list[BusinessPoint] = field(default_factory=list)
    readings: list[BusinessReading] = field(default_factory=list)
    has_panes: bool = False

    def pending(self, series: int) -> pa.Table:
        """Return times and ids of the rows of a series in this transaction."""
        series_rows = [row.select(["time", "id"]) for row in self.rows if row["series"][0].as_py() == series]
        return pa.concat_tables(series_rows) if series_rows else _TIME_AND_ID.empty_table()


def _timely(times: I64, now: int, rejected: Counter[str]) -> Rows:
    usable = np.flatnonzero(timely(times, now))
    if len(usable) < len(times):
        rejected["time_out_of_range"] += len(times) - len(usable)
    return usable


def _last(connection: Connection, table: str) -> int:
    """Return the last assigned sequence number, including those of expired rows, because readers store it."""
    return max(number(connection, f"SELECT max(seq) FROM {table}") or 0, mark(connection, f"joined_{table}"))


def log_position(connection: Connection) -> tuple[int, int]:
    """Return the stored position of the log, and its acknowledged end as it was then."""
    position = mark(connection, _POSITION)
    return position, max(position, mark(connection, _ACKNOWLEDGED))


def forget_old_positions(connection: Connection) -> None:
    """Delete all marks of the log and of :data:`ONLY_HERE` except the last of each name."""
    for name in (_POSITION, _ACKNOWLEDGED, ONLY_HERE):
        connection.execute("DELETE FROM meta WHERE name = ? AND value < ?", [name, mark(connection, name)])
