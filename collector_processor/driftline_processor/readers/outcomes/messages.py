"""Convert messages of a queue to tables of outcomes; a bad message does not affect others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from driftline.tables.table import OutcomeTable
from msgspec import Struct, field

from driftline_processor.core.decode.untrusted_json import UnreadableJson, load_json
from driftline_processor.receipts import UNUSABLE_OUTCOME

from .column_reader import convert_objects
from .fields import MAX_SLICES, UnusableField, slices_in, text_of

BAD_MESSAGE = "bad_message"
"""The reason for messages that cannot contain an outcome."""

_DOCUMENT = {"model", "environment", "outcomes"}


def outcome_tables(
    messages: Iterable[bytes | None], lines: bool, model: str | None, environment: str | None, now: int
) -> tuple[list[OutcomeTable], Counter[str]]:
    """Return the outcomes of messages, and reason → number of unusable messages or outcomes.

    ``lines``: each message has one outcome per line; else an outcome, a list of outcomes, or a document. ``now``: unix
    nanoseconds, the default time. A message without a value is a tombstone and is ignored.

    >>> tables, rejected = outcome_tables([b'{"id": "a", "actual": 1}', b'{', None], False, "churn", None, 5)
    >>> len(tables[0]), tables[0].time.tolist(), dict(rejected)
    (1, [5], {'bad_message': 1})
    """
    batches: list[_Batch] = []
    newest: dict[tuple[str | None, str | None], _Batch] = {}
    rejected = Counter[str]()
    for message in messages:
        if message is None:
            continue
        try:
            for outcomes, *names in _documents(message, lines):
                key = (names[0] or model, names[1] or environment)
                slices = {name for outcome in outcomes if isinstance(outcome, dict) for name in slices_in(outcome)}
                batch = newest.get(key)
                # messages share columns, but each has its own limits
                if batch is None or len(batch.slices | slices) > MAX_SLICES:
                    batch = newest[key] = _Batch(*key)
                    batches.append(batch)
                batch.outcomes += outcomes
                batch.slices |= slices
        except ValueError:
            rejected[BAD_MESSAGE] += 1
    documents = [convert_objects(batch.outcomes, batch.model, batch.environment) for batch in batches]
    rejected[UNUSABLE_OUTCOME] += sum(document.rejections for document in documents)
    return [table for document in documents for table in document.rows.tables(now)], +rejected


class _Batch(Struct):
    """Outcomes of several messages for one model.

    Attributes:
        slices: Names of their slices.
    """

    model: str | None
    environment: str | None
    outcomes: list[object] = field(default_factory=list)
    slices: set[str] = field(default_factory=set)


def _documents(message: bytes, lines: bool) -> Iterator[tuple[list[Any], str | None, str | None]]:
    """Yield outcomes with the model and environment of their document."""
    if lines:
        yield [_line(line) for line in message.splitlines() if line.strip()], None, None
        return
    document = load_json(message)
    if isinstance(document, dict) and isinstance(document.get("outcomes"), list) and not set(document) - _DOCUMENT:
        model, environment = (text_of(document.get(name), name) for name in ("model", "environment"))
        yield document["outcomes"], model, environment
    else:
        yield document if isinstance(document, list) else [document], None, None


def _line(line: bytes) -> Any:
    try:
        return load_json(line)
    except UnreadableJson as error:
        return UnusableField(f"this is not JSON: {error}")
