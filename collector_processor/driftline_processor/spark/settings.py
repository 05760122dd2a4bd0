"""How a job reads and writes."""

from __future__ import annotations

from collections.abc import Mapping

from driftline.batch_panes import Span
from msgspec import Struct

from .messages import Signals


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
    recent: int = 2
    late_every: int = 10
    keep: int = 90
