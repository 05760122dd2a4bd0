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
_OUTCOME = ["actual", "number", "outcome_time", "outcome_weight", "retracted"]
_ORDER = ["latest", "arrived"]
"""Time of the latest outcome of a prediction and the epoch of its arrival: of equal times, the last to arrive counts.

``outcome_time`` is the time that is in the sums. It is an earlier one if the latest outcome repeats what was known.
"""
_PREFIX = "earlier_"
_EARLIER = [f"{_PREFIX}{name}" for name in (*_OUTCOME, *_ORDER)]
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
        """Return predictions whose outcome changes, for :func:`.outcome_sums.fold_labelled`; None if there are none.

        Args:
            outcomes: The outcomes of this epoch; None without any.
            epoch: Its number.
            cached: Called with what is read several times.
        """
        from pyspark.sql import functions as f

        is_late = epoch % self._settings.late_every == 0
        waiting = self._waiting(epoch, is_late=is_late)
        new = None if outcomes is None else outcomes.withColumns({"fresh": f.lit(True), "arrived": f.lit(epoch)})
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
        latest = cached(self._newer(matched, epoch))
        labels = latest.withColumns({name: f.expr(f"if(repeats, {_PREFIX}{name}, {name})") for name in _OUTCOME})
        labels = labels.drop(*_EARLIER, "repeats")
        self._folder.write(placed(labels, epoch, self._settings.buckets, day_of(f.col("time"))), "labels")
        changed = latest.filter("not repeats").drop("repeats", *_ORDER)
        before = changed.filter(f"{_PREFIX}outcome_time is not null and not coalesce({_PREFIX}retracted, false)")
        before = before.withColumns({name: f.col(f"{_PREFIX}{name}") for name in _OUTCOME}).withColumn(
            "sign", f.lit(-1)
        )
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
        """Delete rows that are too old, and folders whose outcomes an earlier epoch has taken over.

        A repeated epoch must find what it found before: what is deleted depends on earlier epochs only, and the epoch
        before, which has searched for all outcomes that wait, does not run again.
        """
        days = self._folder.days_before(_ROWS, epoch)
        if not days:
            return
        oldest = self._oldest(days)
        old = [day for day in days if datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() < oldest]
        self._folder.delete(*(f"{name}/day={day}" for day in old for name in (_ROWS, "labels")))
        self._folder.delete(*(f"waiting/epoch={number}" for number in self._waiting_epochs() if number < epoch - 1))

    def _rows_of(self, outcomes: DataFrame, epoch: int, *, is_late: bool) -> DataFrame | None:
        """Return the predictions among which those of the outcomes are searched."""
        from pyspark.sql import functions as f

        days = sorted(self._folder.values(_ROWS, "day"))
        if not is_late:
            named = outcomes.filter("prediction_time > 0").select(day_of(f.col("prediction_time"))).distinct().collect()
            days = [day for day in days if day in {*days[-self._settings.recent :], *(row[0] for row in named)}]
        return self._folder.read(_ROWS, "day", days, epoch + 1)

    def _newer(self, matched: DataFrame, epoch: int) -> DataFrame:
        """Return the matched rows whose outcome is later than the one before, with its columns as ``earlier_...``.

        ``repeats``: the outcome before is the same but for its time.
        """
        from pyspark.sql import functions as f

        days = [row[0] for row in matched.select(day_of(f.col("time"))).distinct().collect()]
        matched = matched.withColumn("latest", f.col("outcome_time"))
        earlier = self._folder.read("labels", "day", days, epoch)
        if earlier is None:
            none = {name: f.lit(None).cast(matched.schema[name[len(_PREFIX) :]].dataType) for name in _EARLIER}
            return matched.withColumns({**none, "repeats": f.lit(False)})
        order = f.struct(*_ORDER, "epoch")
        newest = earlier.groupBy(*_KEY).agg(*[f.max_by(name[len(_PREFIX) :], order).alias(name) for name in _EARLIER])
        compared = matched.join(newest, _KEY, "left")
        equal = [f.col(name).eqNullSafe(f.col(f"{_PREFIX}{name}")) for name in _OUTCOME if name != "outcome_time"]
        is_first = f.col(f"{_PREFIX}latest").isNull()
        is_same = reduce(lambda one, other: one & other, equal)
        is_later = f.col("latest") > f.col(f"{_PREFIX}latest")
        is_last = (f.col("latest") == f.col(f"{_PREFIX}latest")) & (f.col("arrived") >= f.col(f"{_PREFIX}arrived"))
        compared = compared.withColumn("repeats", ~is_first & is_same)
        return compared.filter(is_first | is_later | (is_last & ~is_same))


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

    order = f.struct("outcome_time", "arrived", "retracted", "actual", "number")
    outcome = f.struct(*_OUTCOME, "arrived")
    newest = joined.groupBy(*(f.col(f"row.{name}") for name in _KEY)).agg(
        f.max_by("row", order).alias("row"), f.max_by(outcome, order).alias("outcome")
    )
    return newest.select("row.*", "outcome.*")
