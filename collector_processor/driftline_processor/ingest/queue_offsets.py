"""Positions up to which queues, such as the topics of Kafka, have been read.

An offset is written in the transaction of the rows that its message brought, so a message counts once, whatever is
killed when. What the queue itself remembers follows, for whoever watches the lag, and for another processor that takes
a partition over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from driftline_processor.store.database import Connection, read


class Offset(NamedTuple):
    """The first message of a partition that has not been taken in.

    Attributes:
        group: Who reads.
    """

    group: str
    topic: str
    partition: int
    next: int


QueueProgress = dict[tuple[str, str, int], int]
"""(group, topic, partition) → the first message that has not been taken in."""


def read_offsets(connection: Connection) -> QueueProgress:
    """Read how far every partition has been read."""
    rows = read(connection, "SELECT * FROM offsets ORDER BY rowid").to_pylist()
    return {(row["reader"], row["topic"], row["part"]): row["next"] for row in rows}


def write_offsets(connection: Connection, offsets: Iterable[Offset], received: int) -> None:
    """Append offsets, inside the caller's transaction; the last of a partition counts."""
    rows = [(*offset, received) for offset in offsets]
    if rows:
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(rows))
        connection.execute(f"INSERT INTO offsets VALUES {places}", [value for row in rows for value in row])


def forget_old_offsets(connection: Connection) -> None:
    """Delete all rows but the last of each partition."""
    connection.execute(
        "DELETE FROM offsets WHERE rowid NOT IN (SELECT max(rowid) FROM offsets GROUP BY reader, topic, part)"
    )
