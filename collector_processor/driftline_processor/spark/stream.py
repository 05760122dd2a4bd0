"""Fold what arrives: one epoch per micro-batch, each applied once although it may run several times.

An epoch reads its messages and the folders of earlier epochs, writes its own folders, and sends the sums of each
touched pane with its number. After a failure it runs again with the same messages, replaces its folders, and sends the
same panes, which the processor recognises by source and epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from driftline.batch_panes import Span
from msgspec import Struct

from driftline_processor.readers.errors import Say

from . import delivery, labels, messages, pane_rows
from .folders import WorkFolder
from .messages import Signals
from .models import Models
from .table import merged

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

_KEY = ["model", "environment", "id"]
_WORD = ["actual", "number", "outcome_time", "outcome_weight", "retracted"]
_PREFIX = "earlier_"
_EARLIER = [f"{_PREFIX}{name}" for name in _WORD]


class StreamSettings(Struct, frozen=True):
    """How a job reads and writes.

    Attributes:
        work: Work directory of the job, on a file system that all machines reach.
        source: Name of the job in the processor.
        endpoint: URL of the processor; "" = ``DRIFTLINE_ENDPOINT``.
        span: Length of the panes.
        brokers: Brokers of Kafka, ``host:port``, separated by commas.
        signals: Topics.
        consumer: Settings of the consumer of Kafka, such as ``security.protocol``.
        starting: Where a new job starts to read: ``earliest`` or ``latest``.
        trigger: Seconds between micro-batches; 0 = read what there is, and end.
        most_messages: Maximum number of messages of a micro-batch.
        buckets: Files per day and micro-batch in which rows are kept, by their id.
        recent: Days, up to the newest prediction, in which the prediction of an outcome is searched at once.
        late_every: Every so many epochs, outcomes that wait are searched in all days.
        keep: Days for which rows are kept, and for which outcomes wait for theirs.
    """

    work: str
    source: str = "spark"
    endpoint: str = ""
    span: Span = "1h"
    brokers: str = ""
    signals: Signals = {}
    consumer: Mapping[str, str] = {}
    starting: str = "earliest"
    trigger: int = 60
    most_messages: int = 1_000_000
    buckets: int = 8
    recent: int = 2
    late_every: int = 10
    keep: int = 90


class Job:
    """Folds the messages of topics.

    Args:
        spark: The session.
        models: How the rows of each model are folded.
        settings: How the job reads and writes.
        say: Called with a line per epoch.
    """

    def __init__(self, spark: SparkSession, models: Models, settings: StreamSettings, say: Say) -> None:
        self._spark, self._settings, self._say = spark, settings, say
        self._folder = WorkFolder(spark, settings.work)
        self._models: Any = spark.sparkContext.broadcast(dict(models))
        self._digests = {name: model.baseline.digest for name, model in models.items()}
        self._first_epoch = self._folder.created() * 1_000_000  # epochs of a new work directory count more

    def start(self) -> StreamingQuery:
        """Start to read; a job that was interrupted goes on."""
        settings = self._settings
        stream = (
            self._spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", settings.brokers)
            .option("subscribe", ",".join(settings.signals))
            .option("startingOffsets", settings.starting)
            .option("maxOffsetsPerTrigger", settings.most_messages)
            .option("failOnDataLoss", "false")
            .options(**{f"kafka.{name}": value for name, value in settings.consumer.items()})
            .load()
            .select("topic", "value", "timestamp")
        )
        writer = stream.writeStream.foreachBatch(self.run_epoch).option(
            "checkpointLocation", f"{self._folder.path}/checkpoint"
        )
        if settings.trigger:
            return writer.trigger(processingTime=f"{settings.trigger} seconds").start()
        return writer.trigger(availableNow=True).start()

    def run_epoch(self, batch: DataFrame, epoch: int) -> None:
        """Fold the messages of one micro-batch."""
        with ExitStack() as stack:

            def cached(rows: DataFrame) -> DataFrame:
                stack.callback(rows.unpersist)
                return rows.persist()

            found = cached(self._on_executors(batch, messages.DDL, messages.decode_messages, self._settings.signals))
            self._keep_rows(found, epoch)
            panes = _of_kind(found, "pane", pane_rows.SCHEMA)
            of_outcomes = self._apply_outcomes(found, epoch, cached)
            answers = self._send(cached(panes if of_outcomes is None else panes.unionByName(of_outcomes)), epoch)
            rejected = found.filter("kind = 'rejected'").groupBy("reason").sum("rows").collect()
        if epoch % self._settings.late_every == 0:
            self._expire(epoch)
        for line in _report(epoch, answers, {row[0]: row[1] for row in rejected}):
            self._say(line)

    def _on_executors(
        self, rows: DataFrame, ddl: str, function: Callable[..., Iterator[pa.RecordBatch]], *arguments: Any
    ) -> DataFrame:
        return rows.mapInArrow(_OnExecutors(self._models, function, arguments), ddl)

    def _keep_rows(self, found: DataFrame, epoch: int) -> None:
        rows = _of_kind(found, "row", messages.ROW)
        self._folder.write(self._placed(rows, epoch), "rows", ["day", "bucket"])

    def _placed(self, rows: DataFrame, epoch: int) -> DataFrame:
        """Return rows with their folder, those of a bucket in one task."""
        from pyspark.sql import functions as f

        placed = rows.withColumns(
            {
                "day": _day(f.col("time")),
                "bucket": f.pmod(f.xxhash64("id"), f.lit(self._settings.buckets)),
                "epoch": f.lit(epoch),
            }
        )
        return placed.repartition("day", "bucket")

    def _apply_outcomes(
        self, found: DataFrame, epoch: int, cached: Callable[[DataFrame], DataFrame]
    ) -> DataFrame | None:
        """Return the changed sums of outcomes; None if there are none."""
        from pyspark.sql import functions as f

        is_late = epoch % self._settings.late_every == 0
        outcomes = _of_kind(found, "outcome", messages.OUTCOME).withColumn("fresh", f.lit(True))
        if (waiting := self._waiting(epoch, is_late=is_late)) is not None:
            outcomes = outcomes.unionByName(waiting)
        outcomes = cached(outcomes.dropDuplicates())
        if outcomes.isEmpty():
            return None
        rows = self._rows_of(outcomes, epoch, is_late=is_late)
        if rows is None:
            self._wait(outcomes, epoch)
            return None
        matched = cached(_join(outcomes, rows))
        without_row = outcomes.join(matched.select("model", "id").distinct(), ["model", "id"], "left_anti")
        self._wait(without_row, epoch)
        changed = cached(self._changed(matched, epoch))
        self._folder.write(self._placed(changed.drop(*_EARLIER), epoch), "labels", ["day", "bucket"])
        before = changed.filter(f"{_PREFIX}outcome_time is not null and not coalesce({_PREFIX}retracted, false)")
        before = before.withColumns({name: f.col(f"{_PREFIX}{name}") for name in _WORD}).withColumn("sign", f.lit(-1))
        after = changed.filter("not coalesce(retracted, false)").withColumn("sign", f.lit(1))
        return self._on_executors(before.unionByName(after).drop(*_EARLIER), pane_rows.DDL, labels.fold_labelled)

    def _waiting(self, epoch: int, *, is_late: bool) -> DataFrame | None:
        """Return outcomes without a prediction: all of them, or the new ones of the previous epoch."""
        from pyspark.sql import functions as f

        epochs = [number for number in self._waiting_epochs() if number < epoch]
        if not is_late:
            epochs = [number for number in epochs if number == epoch - 1]
        if not epochs:
            return None
        rows = self._spark.read.parquet(*[f"{self._folder.path}/waiting/epoch={number}" for number in epochs])
        return (rows if is_late else rows.filter("fresh")).withColumn("fresh", f.lit(False))

    def _waiting_epochs(self) -> list[int]:
        return [int(value) for value in self._folder.values("waiting", "epoch")]

    def _wait(self, outcomes: DataFrame, epoch: int) -> None:
        """Keep outcomes without a prediction, except those that are older than the kept rows."""
        days = self._folder.values("rows", "day")
        oldest = self._oldest(days) * 10**9 if days else 0
        young = outcomes.filter(f"outcome_time >= {oldest}")
        young.write.mode("overwrite").parquet(f"{self._folder.path}/waiting/epoch={epoch}")

    def _oldest(self, days: Sequence[str]) -> int:
        """Return the start of the oldest day whose rows are kept, unix seconds."""
        newest = datetime.fromisoformat(max(days)).replace(tzinfo=UTC)
        return int((newest - timedelta(days=self._settings.keep)).timestamp())

    def _expire(self, epoch: int) -> None:
        """Delete rows that are too old, and folders whose outcomes a later epoch has taken over."""
        days = self._folder.values("rows", "day")
        old = [day for day in days if datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() < self._oldest(days)]
        for day in old:
            self._folder.delete(f"rows/day={day}", f"labels/day={day}")
        taken_over = epoch - self._settings.late_every
        self._folder.delete(*(f"waiting/epoch={number}" for number in self._waiting_epochs() if number < taken_over))

    def _rows_of(self, outcomes: DataFrame, epoch: int, *, is_late: bool) -> DataFrame | None:
        """Return the predictions among which those of the outcomes are searched."""
        from pyspark.sql import functions as f

        days = sorted(self._folder.values("rows", "day"))
        if not is_late:
            told = outcomes.filter("prediction_time > 0").select(_day(f.col("prediction_time"))).distinct().collect()
            days = [day for day in days if day in {*days[-self._settings.recent :], *(row[0] for row in told)}]
        return self._folder.read("rows", "day", days, epoch + 1)

    def _changed(self, matched: DataFrame, epoch: int) -> DataFrame:
        """Return the matched rows whose outcome changes, beside the outcome that counted before."""
        from pyspark.sql import functions as f

        days = [row[0] for row in matched.select(_day(f.col("time"))).distinct().collect()]
        earlier = self._folder.read("labels", "day", days, epoch)
        if earlier is None:
            none = {f"{_PREFIX}{name}": f.lit(None).cast(matched.schema[name].dataType) for name in _WORD}
            return matched.withColumns(none)
        order = f.struct("outcome_time", "epoch")
        newest = earlier.groupBy(*_KEY).agg(*[f.max_by(name, order).alias(f"{_PREFIX}{name}") for name in _WORD])
        beside = matched.join(newest, _KEY, "left")
        equal = [f.col(name).eqNullSafe(f.col(f"{_PREFIX}{name}")) for name in _WORD if name != "outcome_time"]
        is_same = reduce(lambda one, other: one & other, equal)
        is_first = f.col(f"{_PREFIX}outcome_time").isNull()
        return beside.filter(is_first | ((f.col("outcome_time") >= f.col(f"{_PREFIX}outcome_time")) & ~is_same))

    def _send(self, partial_panes: DataFrame, epoch: int) -> list[Any]:
        """Add panes to those of earlier epochs, and send the sums; return the answers."""
        from pyspark.sql import functions as f

        starts = [row[0] for row in partial_panes.select("start").distinct().collect()]
        if not starts:
            return []
        before = self._folder.newest("panes", "start", starts, epoch)
        panes = partial_panes if before is None else partial_panes.unionByName(before.select(*pane_rows.SCHEMA.names))
        self._folder.write(merged(panes).withColumn("epoch", f.lit(epoch)), "panes", ["start"])
        sums = self._folder.newest("panes", "start", starts, epoch + 1)
        assert sums is not None
        settings, number = self._settings, self._first_epoch + epoch
        send = delivery.Delivery(self._digests, settings.span, settings.source, number, settings.endpoint)
        answers = sums.select(*pane_rows.SCHEMA.names).mapInArrow(send, delivery.DDL).collect()
        self._folder.drop_before("panes", "start", starts, epoch)
        return answers


class _OnExecutors:
    """A function of batches with the models, which each executor gets once."""

    def __init__(
        self, models: Any, function: Callable[..., Iterator[pa.RecordBatch]], arguments: Sequence[Any]
    ) -> None:
        self._models, self._function, self._arguments = models, function, arguments

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return self._function(self._models.value, *self._arguments, batches)


def _of_kind(found: DataFrame, kind: str, schema: pa.Schema) -> DataFrame:
    return found.filter(f"kind = '{kind}'").select(*schema.names)


def _day(time: Column) -> Column:
    from pyspark.sql import functions as f

    return f.date_format(f.timestamp_seconds(f.floor(time / 1_000_000_000)), "yyyy-MM-dd")


def _join(outcomes: DataFrame, rows: DataFrame) -> DataFrame:
    """Return the predictions with their latest outcome; an outcome without an environment matches any."""
    from pyspark.sql import functions as f

    o, r = outcomes.alias("o"), rows.alias("r")
    same = "o.model = r.model and o.id = r.id and (o.environment is null or o.environment = r.environment)"
    columns = [*(f"r.{name}" for name in messages.ROW.names), *(f"o.{name}" for name in [*_WORD, "fresh"])]
    pairs = r.join(o, f.expr(same), "inner").select(*columns)
    others = [name for name in [*messages.ROW.names, *_WORD] if name not in _KEY]
    order = f.struct("outcome_time", "fresh", "retracted", "actual", "number", "version")
    newest = pairs.groupBy(*_KEY).agg(f.max_by(f.struct(*others), order).alias("row"))
    return newest.select(*_KEY, "row.*")


def _report(epoch: int, answers: Sequence[Any], rejected: Mapping[str, int]) -> Iterator[str]:
    """Yield what became of an epoch, a line each."""
    yield f"epoch {epoch}: {sum(row['accepted'] for row in answers):,} panes sent"
    if refused := sum(row["refused"] for row in answers):
        reason = next(row["reason"] for row in answers if row["reason"])
        yield f"epoch {epoch}: {refused:,} panes were refused: {reason}"
    for reason, rows in sorted(rejected.items()):
        yield f"epoch {epoch}: {rows:,} rows or messages were not used: {reason}"
