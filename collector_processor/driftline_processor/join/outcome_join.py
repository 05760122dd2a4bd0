"""Join outcomes with predictions, in a transaction of its own that is repeatable after a crash.

The last outcome of a prediction, by outcome time, counts; when it replaces another one, the pane is recomputed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.tables.table import I64
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.labels.delay import place_of
from driftline_processor.core.performance.slices import label_age_cohorts
from driftline_processor.core.windows.window import PANE
from driftline_processor.health import Counters
from driftline_processor.ingest.changes import ChangedPanes
from driftline_processor.store.arrow_tables import filter_rows, group_by_value, integers_of, is_among
from driftline_processor.store.database import Connection, insert, mark, read, run, set_mark, transaction
from driftline_processor.store.panes import PaneChanges, performance_fold
from driftline_processor.store.pruning import TIME_APART, lies_near
from driftline_processor.store.series import SeriesRegister
from driftline_processor.store.slices import SliceValues

from .candidates import (
    JoinProgress,
    Matches,
    match_waiting_outcomes,
    news_since,
    read_telling,
    rematch_outcomes,
    write_waiting,
)
from .concept_drift import ConceptWatch
from .outcome_resolution import (
    OutcomeChanges,
    OutcomeReason,
    RefusedOutcomes,
    UsableOutcomes,
    equal_outcomes,
    first_outcomes,
    resolve_outcomes,
)
from .outcome_sums import (
    Stretch,
    add_outcomes,
    add_sliced,
    joined_stretches,
    kept_stretches,
    recompute_panes,
    sliced_changes,
    stored_stretches,
    with_delays,
)
from .version_pairs import Pairs

_UNUSABLE = "unusable:"
Listener = Callable[[pa.Table], None]

_COLUMNS = [
    "seq",
    "prediction",
    "outcome",
    "series",
    "time",
    "score",
    "scores",
    "predicted",
    "actual",
    "number",
    "weight",
    "outcome_time",
    "request",
    "slices",
    "value",
    "relevance",
    "missed",
    "delay",
]


class Join:
    """Joins new outcomes with their predictions.

    One thread uses it. Other threads may read ``joined`` by series, ``pending`` by model, and the arrival of the
    oldest pending outcome (unix nanoseconds).

    ``unusable``: outcomes by series and fold whose actual value is not a class or not a number; stored over restarts.
    When the classes of a model change, its fold changes, so earlier rejections do not count against the new classes.
    """

    def __init__(
        self,
        connection: Connection,
        series: SeriesRegister,
        touched: ChangedPanes,
        counters: Counters,
        concept: ConceptWatch,
        values: SliceValues,
    ) -> None:
        """``values``: the slice values with panes of their own; outcomes add to them."""
        self._connection, self._series, self._concept, self._values = connection, series, concept, values
        self._touched, self._counters = touched, counters
        self._pairs = Pairs(connection, series)
        self._listeners: list[Listener] = []
        self._folds: dict[int, set[str]] = {}
        self._usable, self._telling = UsableOutcomes(connection, series), read_telling(connection)
        self.unusable = _read_unusable(connection)
        for row in read(connection, "SELECT DISTINCT series, fold FROM panes WHERE fold LIKE 'task:%'").to_pylist():
            self._folds.setdefault(row["series"], set()).add(row["fold"])
        self.recount()

    def recount(self) -> None:
        """Count joined and pending outcomes again, after rows have expired."""
        rows = read(self._connection, "SELECT series, count(*) AS rows FROM joined GROUP BY series").to_pylist()
        self.joined = Counter({row["series"]: row["rows"] for row in rows})
        self.pending = self._count_pending()

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` after each transaction with its joined or corrected rows, see :mod:`.candidates`."""
        self._listeners.append(listener)

    def step(self) -> bool:
        """Join some of the new rows; return True if more of them wait."""
        connection = self._connection
        progress = JoinProgress(mark(connection, "joined_outcomes"), mark(connection, "joined_predictions"))
        news = news_since(connection, progress)
        if news is None:
            self.refold()
            return False
        reached, more = news
        work = _Work()
        try:
            with transaction(connection):
                self._join(progress, reached, work)
        except BaseException:
            self._concept.forget()
            self._values.load(connection)
            raise
        self._publish(work)
        self.refold()
        return more

    def _join(self, join_progress: JoinProgress, reached: JoinProgress, work: _Work) -> None:
        """Write all changes and the progress, in the caller's transaction."""
        connection = self._connection
        matches = match_waiting_outcomes(
            connection, list(self._series), join_progress, reached, self._usable.wholly(), self._telling
        )
        if matches is not None:
            self._apply(matches, join_progress, work)
            work.refused.rejected["expired"] += int(np.count_nonzero(matches.expired > join_progress.outcomes))
            write_waiting(connection, matches, join_progress, reached)
            work.changes.write(connection)
            self._values.write(connection)
            self._concept.write()
            for (series, fold), rows in work.refused.unusable.items():
                set_mark(connection, f"{_UNUSABLE}{series}:{fold}", self.unusable[series, fold] + rows)
        set_mark(connection, "joined_outcomes", reached.outcomes)
        set_mark(connection, "joined_predictions", reached.predictions)

    def judge_anew(self, ids: pa.Array) -> list[tuple[int, I64]]:
        """Resolve the predictions with these ids again, after some of their outcomes were deleted.

        Runs inside the caller's transaction; call :meth:`recount` afterwards. Counters of arrivals and concept drift,
        which uses each outcome once, do not change. Returns the recomputed panes by series.
        """
        connection, work = self._connection, _Work()
        progress = JoinProgress(mark(connection, "joined_outcomes"), mark(connection, "joined_predictions"))
        matches = rematch_outcomes(connection, list(self._series), ids, progress)
        if matches is not None:
            self._apply(matches, progress, work, hearing=False)
            work.changes.write(connection)
            self._values.write(connection)
        return [(number, np.unique(panes)) for number, panes in work.touched]

    def reread_concept(self) -> None:
        """Read the states of concept drift again, after streams of slices were deleted."""
        self._concept.reread()

    def refold(self) -> None:
        """Recompute the performance of a series whose classes have changed."""
        for series in self._series:
            fold = performance_fold(series.task)
            if self._folds.get(series.number, {fold}) == {fold}:
                continue
            stretches = joined_stretches(self._connection, series.number)
            work = _Work()
            with transaction(self._connection):
                anew = recompute_panes(self._connection, work.changes, series, stretches, self._values)
                work.touched.append((series.number, anew))
                self._pairs.refold(series, work.changes)
                work.changes.write(self._connection)
            self._folds[series.number] = {fold}
            self._publish(work)

    def _apply(self, matches: Matches, join_progress: JoinProgress, work: _Work, hearing: bool = True) -> None:
        connection = self._connection
        usable = self._usable.of(matches.matched, join_progress, work.refused)
        heard_outcomes = first_outcomes(matches, usable) if hearing else usable.slice(0, 0)
        verdict = resolve_outcomes(connection, matches, usable)
        verdict = verdict.without(self._refused(verdict, work))
        verdict.rows = with_delays(verdict.rows)
        aged = self._aged(matches, verdict)
        self._write(matches, verdict, heard_outcomes, work)

        rows, by_number = verdict.rows, self._series.by_number()
        for number, series_rows in _by_series(filter_rows(rows, verdict.first)):
            settings = self._series.settings(by_number[number].key.model)
            add_outcomes(work.changes, by_number[number], series_rows)
            work.touched.append((number, _panes(series_rows)))
            add_sliced(work.sliced, by_number[number], series_rows, settings.sliced, self._values, settings.timezone)
            work.joined[number] += len(series_rows)
            self._folds.setdefault(number, set()).add(performance_fold(by_number[number].task))
        if hearing:
            self._watch(heard_outcomes, verdict, matches.withdrawn)
        work.changes.write(connection)
        work.sliced.write(connection)
        for number, series_rows in _by_series(verdict.withdrawn):
            work.joined[number] -= len(series_rows)
        self._restate(verdict, aged, work)
        self._pairs.follow(*work.pairs, verdict.changed()[0], work.changes)

    def _restate(self, verdict: OutcomeChanges, aged: pa.Table, work: _Work) -> None:
        """Recompute each pane with a corrected, retracted or repeated outcome, once."""
        _, series, time = verdict.changed()
        numbers, by_number = np.concatenate([series, integers_of(aged, "series")]), self._series.by_number()
        panes = np.concatenate([time // PANE * PANE, _panes(aged)])
        for number in np.unique(numbers).tolist():
            stretches = stored_stretches(self._connection, number, np.unique(panes[numbers == number]).tolist())
            keys = self._series.settings(by_number[number].key.model).sliced
            anew = recompute_panes(self._connection, work.changes, by_number[number], stretches, self._values, keys)
            work.touched += [(number, panes[numbers == number]), (number, anew)]

    def _aged(self, matches: Matches, verdict: OutcomeChanges) -> pa.Table:
        """Return the rows whose outcome is repeated so much later that its delay or age changes.

        Only rows whose pane can be recomputed, because no row of it has expired. This is checked before anything is
        written, while the number of stored rows is still the number of added ones.
        """
        repeated_rows = filter_rows(verdict.rows, ~verdict.first & ~verdict.corrected)
        held_rows = matches.predictions.sort_by("prediction")
        if not len(repeated_rows) or not len(held_rows):
            return repeated_rows.slice(0, 0)
        position = np.searchsorted(integers_of(held_rows, "prediction"), integers_of(repeated_rows, "prediction"))
        time, before = integers_of(repeated_rows, "time"), integers_of(held_rows, "outcome_time")[position]
        now = integers_of(repeated_rows, "outcome_time")
        aged = (place_of(time, now) != place_of(time, before)) | (
            label_age_cohorts(time, now) != label_age_cohorts(time, before)
        )
        repeated_rows = filter_rows(repeated_rows, aged)
        return filter_rows(
            repeated_rows,
            ~self._expired_panes(integers_of(repeated_rows, "series"), integers_of(repeated_rows, "time")),
        )

    def _write(self, matches: Matches, verdict: OutcomeChanges, table: pa.Table, work: _Work) -> None:
        """Update ``joined`` and ``retractions``."""
        connection, rows = self._connection, verdict.rows
        replaced = [filter_rows(rows, verdict.seq > 0), verdict.withdrawn]
        leaving = tuple(_of_all(replaced, name) for name in ("prediction", "time"))
        before = self._pairs.touching(*leaving)
        _delete(connection, "joined", *leaving)
        is_new = verdict.first | verdict.corrected
        seq = mark(connection, "joined_seq")
        work.seq = seq + int(np.count_nonzero(is_new))
        set_mark(connection, "joined_seq", work.seq)
        verdict.seq[is_new] = np.arange(seq + 1, work.seq + 1)
        rows = rows.append_column("seq", pa.array(verdict.seq))
        work.entered = filter_rows(rows, is_new)
        insert(connection, "joined", rows.select(_COLUMNS))
        columns = (_of_all([rows, verdict.withdrawn], name) for name in ("prediction", "time"))
        work.pairs = (before, self._pairs.touching(*columns))

        forgotten, withdrawn = verdict.forgotten, matches.withdrawn
        _delete(connection, "retractions", integers_of(forgotten, "prediction"), integers_of(forgotten, "time"))
        fed = _of_all([table, matches.predictions, withdrawn.filter(withdrawn["fed"])], "prediction")
        retracted = verdict.retracted.select(["prediction", "time", "outcome", "outcome_time"])
        fed_ones = is_among(integers_of(retracted, "prediction"), fed)
        insert(connection, "retractions", retracted.append_column("fed", pa.array(fed_ones)))

    def _watch(self, heard_rows: pa.Table, verdict: OutcomeChanges, withdrawn: pa.Table) -> None:
        """Pass first outcomes to concept drift, and count later corrections."""
        by_number = self._series.by_number()  # read again, because classes may have been learned above
        for number, series_rows in _by_series(heard_rows):
            self._concept.feed(by_number[number], series_rows)
        rows = verdict.rows
        counted, prediction = integers_of(rows, "outcome"), integers_of(rows, "prediction")
        late = filter_rows(heard_rows, ~is_among(integers_of(heard_rows, "outcome"), counted)).sort_by("prediction")
        of_late = integers_of(late, "prediction")  # their outcome changes or is retracted within this step
        now = filter_rows(rows, is_among(prediction, of_late)).sort_by("prediction")
        same = is_among(of_late, integers_of(now, "prediction"))
        same[same] = equal_outcomes(self._connection, filter_rows(late, same), now)
        is_repeated = verdict.first & is_among(prediction, _of_all([withdrawn.filter(withdrawn["fed"])], "prediction"))
        series = [verdict.changed()[1], integers_of(late, "series")[~same], integers_of(rows, "series")[is_repeated]]
        for number, otherwise in Counter(np.concatenate(series).tolist()).items():
            self._concept.corrected(by_number[number], otherwise)

    def _refused(self, verdict: OutcomeChanges, work: _Work) -> I64:
        """Return the predictions whose outcome cannot change, because rows of their pane have expired."""
        prediction, numbers, time = verdict.changed()
        refused = self._expired_panes(numbers, time)
        work.refused.rejected["expired"] += int(np.count_nonzero(refused))
        return prediction[refused]

    def _expired_panes(self, numbers: I64, time: I64) -> NDArray[np.bool_]:
        """Return which rows, by series and time, are in a pane that cannot be recomputed because rows have expired."""
        panes, lost = time - time % PANE, np.zeros(len(time), dtype=bool)
        for number in np.unique(numbers).tolist():
            in_series = numbers == number
            stored = stored_stretches(self._connection, number, np.unique(panes[in_series]).tolist())
            kept = kept_stretches(self._connection, number, stored)
            lost |= in_series & ~_lies_in(panes, kept)
        return lost

    def _publish(self, work: _Work) -> None:
        self._concept.publish()
        self._touched.touch(work.touched, joined=work.seq)
        self.joined.update(work.joined)
        self.unusable.update(work.refused.unusable)
        self.pending = self._count_pending()
        for reason, rows in (+work.refused.rejected).items():
            self._counters.add(m.DRIFTLINE_REJECTED_ROWS, rows, {a.DRIFTLINE_REASON: reason})
        if work.entered is not None and len(work.entered):
            self._counters.add(m.DRIFTLINE_JOINED_OUTCOMES, len(work.entered))
            for listener in self._listeners:
                listener(work.entered)

    def _count_pending(self) -> dict[str, int]:
        counted = "SELECT model, count(*) AS rows, min(received) AS since FROM waiting GROUP BY model"
        rows = read(self._connection, counted).to_pylist()
        self.pending_since = {row["model"]: row["since"] for row in rows}
        return {row["model"]: row["rows"] for row in rows}


class _Work(Struct):
    """The state of one transaction."""

    changes: PaneChanges = field(default_factory=PaneChanges)
    sliced: PaneChanges = field(default_factory=sliced_changes)
    entered: pa.Table | None = None
    seq: int = 0
    touched: list[tuple[int, I64]] = field(default_factory=list)
    joined: Counter[int] = field(default_factory=Counter)
    refused: RefusedOutcomes = field(default_factory=RefusedOutcomes)
    pairs: tuple[pa.Table | None, pa.Table | None] = (None, None)


def _read_unusable(connection: Connection) -> Counter[OutcomeReason]:
    counts_by_reason: Counter[OutcomeReason] = Counter()
    for row in read(connection, "SELECT name, value FROM meta WHERE starts_with(name, ?)", _UNUSABLE).to_pylist():
        series, fold = row["name"].removeprefix(_UNUSABLE).split(":", 1)
        counts_by_reason[int(series), fold] = row["value"]
    return counts_by_reason


def _by_series(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    for number, where in group_by_value(integers_of(rows, "series")):
        yield number, filter_rows(rows, where)


def _panes(rows: pa.Table) -> I64:
    return integers_of(rows, "time") // PANE * PANE


def _lies_in(times: I64, stretches: Sequence[Stretch]) -> NDArray[np.bool_]:
    """Return which times are in one of some disjoint periods, the oldest first."""
    edges = np.array(stretches, np.int64).reshape(-1)
    return np.asarray(np.searchsorted(edges, times, side="right") % 2 == 1)


def _of_all(tables: Sequence[pa.Table], name: str) -> I64:
    return np.concatenate([integers_of(rows, name) for rows in tables])


def _delete(connection: Connection, table: str, prediction: I64, time: I64) -> None:
    """Delete the rows of predictions. ``time``: their times, unix nanoseconds."""
    if len(prediction):
        near_them, times = lies_near("time", time, TIME_APART)
        delete = f"DELETE FROM {table} WHERE {near_them} AND prediction IN (SELECT prediction FROM gone)"
        run(connection, delete, *times, gone=pa.table({"prediction": prediction}))
