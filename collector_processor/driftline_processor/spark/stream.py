"""Fold what arrives: one epoch per micro-batch, each applied once although it may run several times.

An epoch reads its messages and the folders of earlier epochs, writes its own folders, and sends the sums of each
touched pane with its number. After a failure it runs again with the same messages, replaces its folders, and sends the
same panes, which the processor recognises by source and epoch.

The number of an epoch is a text or in what Python adds, and in no expression as a number: Spark compiles these into
the code of a query, and would compile each query again for each epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from driftline_processor.readers.errors import Say

from . import delivery, messages, outcome_join, pane_rows
from .folders import WorkFolder
from .models import Models
from .record_batches import REJECTED
from .search import Search
from .settings import StreamSettings
from .table import merged
from .worker import prepare_next_tasks

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
        self._search = Search(spark, self._folder, settings)
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
        folder, settings = self._folder, self._settings
        self._search.prepare(epoch)
        found = self._with_models(batch, messages.DDL, messages.decode_messages, settings.signals, epoch)
        folder.write(found, "decoded", epoch)
        parts = self._search.parts(epoch)
        if parts is not None:
            oldest = np.datetime64(self._search.oldest(epoch) or 0, "ns").astype(int)
            joined = self._with_models(parts, outcome_join.DDL, outcome_join.join_outcomes, int(oldest))
            folder.write(joined, "joined", epoch)
        stages = ("decoded", "joined") if parts is not None else ("decoded",)
        panes, rejected = (
            [one for stage in stages for one in folder.of_epoch(stage, epoch, kind)] for kind in ("pane", "rejected")
        )
        partial_panes, counts = folder.read(pane_rows.SCHEMA, panes), folder.read(REJECTED, rejected)
        answers = [] if partial_panes is None else self._send(partial_panes, epoch)
        reasons = Counter[str]()
        for reason, rows in [] if counts is None else counts.collect():
            reasons[reason] += rows
        folder.delete(*panes, *rejected, *folder.of_epoch("decoded", epoch, "outcome"))
        for line in _report(epoch, answers, reasons):
            self._say(line)

    def _with_models(self, rows: DataFrame, ddl: str, function: Callable[..., Any], *arguments: Any) -> DataFrame:
        return rows.mapInArrow(partial(_call_with_models, self._models, function, arguments), ddl)

    def _send(self, partial_panes: DataFrame, epoch: int) -> list[Any]:
        """Add panes to those of earlier epochs, and send the sums; return the answers."""
        from pyspark.sql import functions as f

        folder, settings = self._folder, self._settings
        starts = sorted({*partial_panes.select("start").toArrow()["start"].to_pylist()})
        before = folder.newest(pane_rows.SCHEMA, starts, epoch)
        panes = partial_panes if before is None else partial_panes.unionByName(before)
        folder.replace(merged(panes).withColumn("epoch", f.lit(str(epoch))), "panes", "start", "epoch")
        sums = folder.newest(pane_rows.SCHEMA, starts, epoch + 1)
        assert sums is not None
        endpoint = delivery.endpoint_of(settings.endpoint)
        send = delivery.Delivery(self._digests, settings.span, settings.source, self._first_epoch + epoch, endpoint)
        answers: list[Any] = sums.mapInArrow(send, delivery.DDL).collect()
        folder.drop_panes(starts, epoch)
        return answers


def _call_with_models(
    models: Any, function: Callable[..., Iterator[pa.RecordBatch]], arguments: Sequence[Any], batches: Any
) -> Iterator[pa.RecordBatch]:
    """Call a function with the models, which each executor gets once."""
    prepare_next_tasks()
    return function(models.value, *arguments, batches)


def _report(epoch: int, answers: Sequence[Any], rejected: Mapping[str, int]) -> Iterator[str]:
    """Yield what became of an epoch, a line each."""
    yield f"epoch {epoch}: {sum(row['accepted'] for row in answers):,} panes sent"
    if refused := sum(row["refused"] for row in answers):
        reason = next(row["reason"] for row in answers if row["reason"])
        yield f"epoch {epoch}: {refused:,} panes were refused: {reason}"
    for reason, rows in sorted(rejected.items()):
        yield f"epoch {epoch}: {rows:,} rows or messages were not used: {reason}"
