"""Join outcomes with the rows of their predictions: at once within the newest days, later in all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from . import messages
from .folders import WorkFolder, day_of, placed
from .settings import StreamSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_KEY = ["model", "environment", "id"]
_WORD = ["actual", "number", "outcome_time", "outcome_weight", "retracted"]
_PREFIX = "earlier_"
_EARLIER = [f"{_PREFIX}{name}" for name in _WORD]
_ROWS = "decoded/kind=row"


class OutcomeJoin:
    """Finds the predictions of outcomes.

    Args:
        spark: The session.
        folder: Work directory of the job.
        settings: Those of the job.
    """

    def __init__(self, spark: SparkSession, folder: WorkFolder, settings: StreamSettings) -> None:
        self._spark, self._folder, self._settings = spark, folder, settings

    def changed(
        self, outcomes: DataFrame | None, epoch: int, cached: Callable[[DataFrame], DataFrame]
    ) -> DataFrame | None:
        """Return predictions whose outcome changes, for :func:`.labels.fold_labelled`; None if there are none.

        Args:
            outcomes: The outcomes of this epoch; None without any.
            epoch: Its number.
            cached: Called with what is read several times.
        """
        from pyspark.sql import functions as f

        is_late = epoch % self._settings.late_every == 0
        waiting = self._waiting(epoch, is_late=is_late)
        new = None if outcomes is None else outcomes.withColumn("fresh", f.lit(True))
        if new is None or waiting is None:
            known = new if waiting is None else waiting
        else:
            known = new.unionByName(waiting)
        if known is None:
            return None
        rows = self._rows_of(known, epoch, is_late=is_late)
        if rows is None:
            self._wait(known, epoch)
            return None
        joined = cached(_joined(known, rows))
        self._wait(joined.filter("row is null").drop("row"), epoch)
        matched = cached(_latest(joined.filter("row is not null")))
        changed = cached(self._changed(matched, epoch))
        self._folder.write(
            placed(changed.drop(*_EARLIER), epoch, self._settings.buckets, day_of(f.col("time"))), "labels"
        )
        before = changed.filter(f"{_PREFIX}outcome_time is not null and not coalesce({_PREFIX}retracted, false)")
        before = before.withColumns({name: f.col(f"{_PREFIX}{name}") for name in _WORD}).withColumn("sign", f.lit(-1))
        after = changed.filter("not coalesce(retracted, false)").withColumn("sign", f.lit(1))
        return before.unionByName(after).drop(*_EARLIER)

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
        days = self._folder.values(_ROWS, "day")
        oldest = self._oldest(days) * 10**9 if days else 0
        young = outcomes.filter(f"outcome_time >= {oldest}")
        young.write.mode("overwrite").parquet(f"{self._folder.path}/waiting/epoch={epoch}")

    def _oldest(self, days: Sequence[str]) -> int:
        """Return the start of the oldest day whose rows are kept, unix seconds."""
        newest = datetime.fromisoformat(max(days)).replace(tzinfo=UTC)
        return int((newest - timedelta(days=self._settings.keep)).timestamp())

    def expire(self, epoch: int) -> None:
        """Delete rows that are too old, and folders whose outcomes a later epoch has taken over."""
        days = self._folder.values(_ROWS, "day")
        old = [day for day in days if datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() < self._oldest(days)]
        for day in old:
            self._folder.delete(f"{_ROWS}/day={day}", f"labels/day={day}")
        taken_over = epoch - self._settings.late_every
        self._folder.delete(*(f"waiting/epoch={number}" for number in self._waiting_epochs() if number < taken_over))

    def _rows_of(self, outcomes: DataFrame, epoch: int, *, is_late: bool) -> DataFrame | None:
        """Return the predictions among which those of the outcomes are searched."""
        from pyspark.sql import functions as f

        days = sorted(self._folder.values(_ROWS, "day"))
        if not is_late:
            told = outcomes.filter("prediction_time > 0").select(day_of(f.col("prediction_time"))).distinct().collect()
            days = [day for day in days if day in {*days[-self._settings.recent :], *(row[0] for row in told)}]
        return self._folder.read(_ROWS, "day", days, epoch + 1)

    def _changed(self, matched: DataFrame, epoch: int) -> DataFrame:
        """Return the matched rows whose outcome changes, beside the outcome that counted before."""
        from pyspark.sql import functions as f

        days = [row[0] for row in matched.select(day_of(f.col("time"))).distinct().collect()]
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


def _joined(outcomes: DataFrame, rows: DataFrame) -> DataFrame:
    """Return outcomes with ``row``, their prediction, or null; an outcome without an environment matches any."""
    from pyspark.sql import functions as f

    row = f.struct(*messages.ROW.names).alias("row")
    rows = rows.select(f.col("model").alias("of_model"), f.col("id").alias("of_id"), row)
    same = "model = of_model and id = of_id and (environment is null or environment = row.environment)"
    return outcomes.join(rows, f.expr(same), "left").drop("of_model", "of_id")


def _latest(joined: DataFrame) -> DataFrame:
    """Return each prediction with its latest outcome."""
    from pyspark.sql import functions as f

    order = f.struct("outcome_time", "fresh", "retracted", "actual", "number")
    word = f.struct(*_WORD)
    newest = joined.groupBy(*(f.col(f"row.{name}") for name in _KEY)).agg(
        f.max_by("row", order).alias("row"), f.max_by(word, order).alias("word")
    )
    return newest.select("row.*", "word.*")
