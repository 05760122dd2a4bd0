"""Send panes from executors to the processor: `POST /v1/panes`, by source and epoch."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa
from driftline.batch_panes import MadePanes, SentPanes, Span, post_panes
from driftline.export import pipeline
from driftline.export.endpoint import Endpoint, resolve
from driftline.outcomes import Rejection, Undelivered
from driftline.tables.table import ModelKey
from msgspec import Struct

from . import pane_rows
from .record_batches import by_key, ddl_of

RESULT = pa.schema([("accepted", pa.int64()), ("refused", pa.int64()), ("reason", pa.string())])
"""Counts of an answer, and the first reason of a refused pane; "" without one."""

DDL = ddl_of(RESULT)
"""The same columns for Spark."""

_TOGETHER = 500
"""Maximum number of panes that are sent together: hours of 100 features have 280 kB each before they are compressed."""


_SUPERSEDED = "a later epoch of another job with the same --source has written them; give each job its own"

_log = logging.getLogger("driftline")


def endpoint_of(url: str) -> Endpoint:
    """Return the processor with the token of this machine: executors do not have the environment of the driver.

    Args:
        url: URL of the processor; "" = that of the environment.

    Raises:
        ValueError: It is not the URL of an HTTP receiver.
    """
    endpoint = resolve(url or None)
    endpoint = replace(endpoint, headers=endpoint.request_headers(), token_file="")
    _ = endpoint.panes  # raises for gRPC
    return endpoint


class Delivery(Struct, frozen=True):
    """Sends the rows of :mod:`.pane_rows`; pickled for executors.

    Attributes:
        baselines: Model → digest of its baseline.
        span: Length of the panes.
        source: Name of the job.
        epoch: Number of this micro-batch.
        endpoint: The processor, see :func:`endpoint_of`.
        patience: Seconds for which panes are sent again to a processor that does not answer.
        pause: Seconds between two attempts, which try several times themselves.
    """

    baselines: Mapping[str, str]
    span: Span
    source: str
    epoch: int
    endpoint: Endpoint
    patience: float = 600.0
    pause: float = 1.0

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield counts as rows of :data:`RESULT`. Raises Undelivered if the processor does not take them."""
        for batch in batches:
            for first in range(0, len(batch), _TOGETHER):
                for key, rows in by_key(batch.slice(first, _TOGETHER), pane_rows.KEY[:3]):
                    yield self._sent(ModelKey(*key), rows)

    def _sent(self, key: ModelKey, rows: pa.Table) -> pa.RecordBatch:
        made = MadePanes(
            *(key.model, key.version, key.environment, self.baselines[key.model], self.span),
            pane_rows.made_panes(rows),
            newest=max(rows["newest"].to_pylist()),
        )
        channel = pipeline.confirming(self.endpoint)
        until = time.monotonic() + self.patience
        try:
            while True:
                try:
                    return _result(post_panes(channel, self.endpoint.panes, made, self.source, self.epoch))
                except Undelivered as error:
                    if error.refused:  # such as another baseline: those of other models are stored
                        return _result(SentPanes(refused=(Rejection(0, str(error)),) * len(rows)))
                    if time.monotonic() > until:
                        raise
                    _log.warning("driftline: %s; trying again", error)
                    time.sleep(self.pause)
        finally:
            channel.close()


def _result(sent: SentPanes) -> pa.RecordBatch:
    stored = sent.accepted + sent.replaced + sent.unchanged
    reason = sent.refused[0].reason if sent.refused else _SUPERSEDED if sent.superseded else ""
    columns = {"accepted": [stored], "refused": [len(sent.refused) + sent.superseded], "reason": [reason]}
    return pa.RecordBatch.from_pydict(columns, RESULT)
