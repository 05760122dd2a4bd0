"""Messages of topics as a job of Spark reads them, and what its executors make of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline_processor.config.model import Model
from driftline_processor.spark.messages import SCHEMA, Signals, decode_messages
from driftline_processor.spark.models import FoldedModel
from driftline_processor.spark.outcome_columns import OUTCOME
from driftline_processor.spark.pane_rows import SCHEMA as PANES
from driftline_processor.spark.pane_rows import made_panes, merge_rows
from driftline_processor.spark.record_batches import unpack_table

from .scored_topics import Sums, sums_of

SIGNALS: Signals = {"spans": "traces", "logs": "logs"}


def folded_model(baseline: Baseline, **settings: object) -> FoldedModel:
    """Return how rows of a model are folded: hours, with slices by region."""
    return FoldedModel.of(baseline, Model.model_validate({"slices": ["region"], "windows": ["1h"], **settings}), "1h")


def batch(spans: Sequence[bytes], logs: Sequence[bytes], now: int) -> pa.RecordBatch:
    """Return messages that were written at a time, unix nanoseconds."""
    columns = {
        "topic": pa.array(["spans"] * len(spans) + ["logs"] * len(logs), pa.string()),
        "value": pa.array([*spans, *logs], pa.binary()),
        "timestamp": pa.array([now // 1000] * (len(spans) + len(logs)), pa.timestamp("us", "UTC")),
    }
    return pa.RecordBatch.from_pydict(columns)


def decoded(models: dict[str, FoldedModel], *batches: pa.RecordBatch) -> pa.Table:
    """Return what comes of messages, of all kinds."""
    return pa.Table.from_batches(list(decode_messages(models, SIGNALS, 0, batches)), SCHEMA)


def of_kind(rows: pa.Table, kind: str) -> pa.Table:
    """Return the rows of one kind."""
    return rows.filter(pa.array([each == kind for each in rows["kind"].to_pylist()], pa.bool_()))


def outcomes_of(rows: pa.Table) -> pa.Table:
    """Return the outcomes."""
    packed = of_kind(rows, "outcome")["packed"].to_pylist()
    return pa.concat_tables([OUTCOME.empty_table(), *map(unpack_table, packed)])


def rejected(rows: pa.Table) -> dict[str, int]:
    """Return the counts of what was not used, by reason."""
    table = of_kind(rows, "rejected")
    counts = Counter[str]()
    for reason, count in zip(table["reason"].to_pylist(), table["rows"].to_pylist(), strict=True):
        counts[reason] += count
    return dict(counts)


def merged_sums(*panes: pa.Table | Iterable[pa.RecordBatch]) -> Sums:
    """Return partial panes by start and slice, merged as the job merges them."""
    tables = [each if isinstance(each, pa.Table) else pa.Table.from_batches(list(each), PANES) for each in panes]
    ordered = pa.concat_tables([table.select(PANES.names).cast(PANES) for table in tables]).sort_by(
        [(name, "ascending") for name in ("model", "version", "environment", "slice", "start")]
    )
    return sums_of(made_panes(pa.Table.from_batches(list(merge_rows(ordered.to_batches())), PANES)))
