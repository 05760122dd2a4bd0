"""What a job of Spark keeps of its micro-batches, without Spark: decoded messages, joined by one task or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from driftline_processor.spark.models import FoldedModel
from driftline_processor.spark.outcome_columns import LABEL, OUTCOME, ROW
from driftline_processor.spark.outcome_join import SCHEMA, join_outcomes, split
from driftline_processor.spark.record_batches import pack_table

from .decoded_messages import batch, decoded, merged_sums, of_kind, outcomes_of, rejected
from .scored_topics import Sums


class Joined:
    """What a job keeps of its micro-batches, joined by one task or several."""

    def __init__(self, models: Mapping[str, FoldedModel], now: int, parts: int = 1) -> None:
        """Begin; ``now``: unix nanoseconds at which all messages are written."""
        self._models, self._now, self._parts, self._epoch = dict(models), now, parts, 0
        self.rows, self.labels, self.waiting = (schema.empty_table() for schema in (ROW, LABEL, OUTCOME))
        self.panes: list[pa.Table] = []
        self.rejected: list[dict[str, int]] = []

    def epoch(self, *logs: Sequence[bytes], spans: Sequence[bytes] = (), oldest: int = 0) -> pa.Table:
        """Join the outcomes of messages; return what the tasks have written."""
        found = decoded(self._models, batch(spans, [body for bodies in logs for body in bodies], self._now))
        self.rows = pa.concat_tables([self.rows, of_kind(found, "row").select(ROW.names)])
        new = outcomes_of(found)
        arrived = pa.array(np.full(len(new), self._epoch))
        outcomes = pa.concat_tables([self.waiting, new.set_column(OUTCOME.names.index("arrived"), "arrived", arrived)])
        packed = pa.RecordBatch.from_pydict({"packed": [pack_table(outcomes)]})
        parts = [
            *split("row", self._parts, None, self.rows.to_batches()),
            *split("label", self._parts, None, self.labels.to_batches()),
            *split("outcome", self._parts, None, [packed]),
        ]
        written = [SCHEMA.empty_table()]
        for part in range(self._parts):
            own = [one.filter(pa.array([number == part for number in one["part"].to_pylist()])) for one in parts]
            written.append(pa.Table.from_batches(list(join_outcomes(self._models, oldest, own)), SCHEMA))
        joined = pa.concat_tables(written)
        self.labels = pa.concat_tables([self.labels, of_kind(joined, "label").select(LABEL.names)])
        self.waiting = of_kind(joined, "waiting").select(OUTCOME.names)
        self.panes += [of_kind(found, "pane"), of_kind(joined, "pane")]
        self.rejected.append(rejected(joined))
        self._epoch += 1
        return joined

    def sums(self) -> Sums:
        """Return the sums of all panes."""
        return merged_sums(*self.panes)
