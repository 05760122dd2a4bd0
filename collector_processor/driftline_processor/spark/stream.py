"""Fold what arrives: one epoch per micro-batch, each applied once although it may run several times.

An epoch reads its messages and the folders of earlier epochs, writes its own folders, and sends the sums of each
touched pane with its number. After a failure it runs again with the same messages, replaces its folders, and sends the
same panes, which the processor recognises by source and epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from driftline_processor.readers.errors import Say

from . import delivery, folders, messages, outcome_sums, pane_rows
from .folders import WorkFolder, day_of
from .models import Models
from .outcome_join import OutcomeJoin
from .settings import StreamSettings
from .table import merged

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery


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
        self._outcomes = OutcomeJoin(spark, self._folder, settings)
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
        from pyspark.sql import functions as f

        folder = self._folder
        if epoch and (epoch - 1) % self._settings.late_every == 0:
            self._outcomes.expire(epoch)
        found = self._on_executors(batch, messages.DDL, messages.decode_messages, self._settings.signals)
        day = f.when(f.col("kind") == "row", day_of(f.col("time"))).otherwise(folders.NO_DAY)
        folder.write(folders.placed(found, epoch, self._settings.buckets, day), "decoded", "kind")
        with ExitStack() as stack:

            def cached(rows: DataFrame) -> DataFrame:
                stack.callback(rows.unpersist)
                return rows.persist()

            panes = folder.decoded("pane", epoch, pane_rows.SCHEMA.names)
            outcomes = folder.decoded("outcome", epoch, messages.OUTCOME.names)
            changed = self._outcomes.changed(outcomes, epoch, cached)
            if changed is not None:
                of_outcomes = self._on_executors(changed, pane_rows.DDL, outcome_sums.fold_labelled)
                panes = of_outcomes if panes is None else panes.unionByName(of_outcomes)
            answers = [] if panes is None else self._send(cached(panes), epoch)
        rejected = folder.decoded("rejected", epoch, ["reason", "rows"])
        counts: dict[str, int] = {} if rejected is None else dict(rejected.groupBy("reason").sum("rows").collect())
        folder.delete(*(f"decoded/kind={kind}/day={folders.NO_DAY}" for kind in ("pane", "outcome", "rejected")))
        for line in _report(epoch, answers, counts):
            self._say(line)

    def _on_executors(
        self, rows: DataFrame, ddl: str, function: Callable[..., Iterator[pa.RecordBatch]], *arguments: Any
    ) -> DataFrame:
        return rows.mapInArrow(_OnExecutors(self._models, function, arguments), ddl)

    def _send(self, partial_panes: DataFrame, epoch: int) -> list[Any]:
        """Add panes to those of earlier epochs, and send the sums; return the answers."""
        from pyspark.sql import functions as f

        starts = [row[0] for row in partial_panes.select("start").distinct().collect()]
        if not starts:
            return []
        before = self._folder.newest("panes", "start", starts, epoch)
        panes = partial_panes if before is None else partial_panes.unionByName(before.select(*pane_rows.SCHEMA.names))
        self._folder.write(merged(panes).withColumn("epoch", f.lit(epoch)), "panes", "start", "epoch")
        sums = self._folder.newest("panes", "start", starts, epoch + 1)
        assert sums is not None
        settings, number = self._settings, self._first_epoch + epoch
        endpoint = delivery.endpoint_of(settings.endpoint)
        send = delivery.Delivery(self._digests, settings.span, settings.source, number, endpoint)
        answers: list[Any] = sums.select(*pane_rows.SCHEMA.names).mapInArrow(send, delivery.DDL).collect()
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


def _report(epoch: int, answers: Sequence[Any], rejected: Mapping[str, int]) -> Iterator[str]:
    """Yield what became of an epoch, a line each."""
    yield f"epoch {epoch}: {sum(row['accepted'] for row in answers):,} panes sent"
    if refused := sum(row["refused"] for row in answers):
        reason = next(row["reason"] for row in answers if row["reason"])
        yield f"epoch {epoch}: {refused:,} panes were refused: {reason}"
    for reason, rows in sorted(rejected.items()):
        yield f"epoch {epoch}: {rows:,} rows or messages were not used: {reason}"
