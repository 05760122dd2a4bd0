"""Send panes from executors to the processor: `POST /v1/panes`, by source and epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
from driftline.batch_panes import MadePanes, SentPanes, Span, post_panes
from driftline.export import pipeline
from driftline.export.endpoint import resolve
from driftline.outcomes import Rejection, Undelivered
from driftline.tables.table import ModelKey
from msgspec import Struct

from . import pane_rows
from .grouping import by_key

RESULT = pa.schema([("accepted", pa.int64()), ("refused", pa.int64()), ("reason", pa.string())])
"""Counts of an answer, and the first reason of a refused pane; "" without one."""

DDL = "accepted bigint, refused bigint, reason string"

_TOGETHER = 500
"""Maximum number of panes that are sent together: hours of 100 features have 280 kB each before they are compressed."""


class Delivery(Struct, frozen=True):
    """Sends the rows of :mod:`.pane_rows`; pickled for executors.

    Attributes:
        baselines: Model → digest of its baseline.
        span: Length of the panes.
        source: Name of the job.
        epoch: Number of this micro-batch.
        endpoint: URL of the processor; "" = that of the environment.
        patience: Seconds for which a processor that does not answer is asked again.
    """

    baselines: Mapping[str, str]
    span: Span
    source: str
    epoch: int
    endpoint: str
    patience: float = 600.0

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield counts as rows of :data:`RESULT`. Raises Undelivered if the processor does not take them."""
        for batch in batches:
            for first in range(0, len(batch), _TOGETHER):
                for key, rows in by_key(batch.slice(first, _TOGETHER), pane_rows.KEY[:3]):
                    yield self._sent(ModelKey(*key), rows)

    def _sent(self, key: ModelKey, rows: pa.Table) -> pa.RecordBatch:
        made = MadePanes(
            key.model, key.version, key.environment, self.baselines[key.model], self.span, pane_rows.made_panes(rows)
        )
        target = resolve(self.endpoint or None)
        channel = pipeline.confirming(target)
        until = time.monotonic() + self.patience
        try:
            while True:
                try:
                    return _result(post_panes(channel, target.panes, made, self.source, self.epoch))
                except Undelivered as error:
                    if error.refused:  # such as another baseline: those of other models are stored
                        return _result(SentPanes(refused=(Rejection(0, str(error)),) * len(rows)))
                    if time.monotonic() > until:
                        raise
        finally:
            channel.close()


def _result(sent: SentPanes) -> pa.RecordBatch:
    stored = sent.accepted + sent.replaced + sent.unchanged
    reason = sent.refused[0].reason if sent.refused else ""
    columns = {"accepted": [stored], "refused": [len(sent.refused)], "reason": [reason]}
    return pa.RecordBatch.from_pydict(columns, RESULT)
