"""The messages between the processor and a process that judges.

The processor gives one order at a time. Until it is answered, the process may ask what the store holds, as often as it
needs to, and each question is answered before the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import Struct

from driftline_processor.evaluation.store_judge import JudgedWindow, JudgingOrder

Change = tuple[Callable[..., None], tuple[Any, ...]]
"""A method of :class:`~driftline_processor.evaluation.store_source.StoreReaders` that forgets, and its arguments."""


class Ready(NamedTuple):
    """The first message of a process: it waits for orders.

    Attributes:
        said: Sentences for the log.
    """

    said: tuple[str, ...] = ()


class Work(NamedTuple):
    """An order to judge windows.

    Attributes:
        order: The windows.
        baselines: A number that is another one whenever baselines have changed.
        changes: What has to be forgotten before.
    """

    order: JudgingOrder
    baselines: int
    changes: list[Change]


class Done(NamedTuple):
    """The answer to an order.

    Attributes:
        judged: The windows of the order, in its order.
        cpu: Seconds of CPU that they took.
    """

    judged: list[JudgedWindow]
    cpu: float


class Query(Struct, frozen=True):
    """A question about the store.

    Attributes:
        query: A query in SQL that only reads.
        parameters: Its parameters.
        tables: The tables that it names, packed.
        rows: Whether rows are wanted as tuples, and not as a table.
    """

    query: str
    parameters: tuple[Any, ...]
    tables: dict[str, Any]
    rows: bool = False


class BaselineQuestion(Struct, frozen=True):
    """A question for a baseline: of a fold, or the one in force for a series.

    Attributes:
        asked: The fold, or the model, version and environment.
    """

    asked: Any


class Answer(NamedTuple):
    """The answer to a question.

    Attributes:
        value: A packed table, rows, or a baseline.
        failure: Why there is none, "" where there is.
    """

    value: Any
    failure: str = ""
