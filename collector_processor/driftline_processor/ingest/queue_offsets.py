"""Positions in queues, such as the topics of Kafka.

An offset is written in the transaction of the rows of its message, so each message counts once after any crash. The
position in the queue itself follows, for lag monitoring and for another processor that takes over a partition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from driftline_processor.store.database import Connection, read


class Offset(NamedTuple):
    """The first unprocessed message of a partition.

    Attributes:
        group: The consumer group.
    """

    group: str
    topic: str
    partition: int
    next: int


QueueProgress = dict[tuple[str, str, int], int]
"""(group, topic, partition) → the first unprocessed message."""


def read_offsets(connection: Connection) -> QueueProgress:
    """Read the position of every partition."""
    rows = read(connection, "SELECT * FROM offsets ORDER BY rowid").to_pylist()
    return {(row["reader"], row["topic"], row["part"]): row["next"] for row in rows}


def write_offsets(connection: Connection, offsets: Iterable[Offset], received: int) -> None:
    """Append offsets, inside the caller's transaction; the last one per partition counts."""
    rows = [(*offset, received) for offset in offsets]
    if rows:
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(rows))
        connection.execute(f"INSERT INTO offsets VALUES {places}", [value for row in rows for value in row])


def forget_old_offsets(connection: Connection) -> None:
    """Delete all rows except the last of each partition."""
    connection.execute(
        "DELETE FROM offsets WHERE rowid NOT IN (SELECT max(rowid) FROM offsets GROUP BY reader, topic, part)"
    )
