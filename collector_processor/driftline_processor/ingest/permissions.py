"""Remove what the sender of a request may not send: rows of other models, outcomes, baselines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar

import xxhash

from driftline_processor.access.principal import Sending
from driftline_processor.config.capabilities import Capability
from driftline_processor.core.decode.untrusted_json import load_json
from driftline_processor.receipts import NOT_PERMITTED

from .transaction import Request

T = TypeVar("T")


def permitted(request: Request, sending: Sending) -> Request:
    """Return a request without what its sender may not send, which is counted as rejected.

    Args:
        request: A decoded request; it is changed.
        sending: What its sender may send.
    """
    if sending.rules is None:
        return request
    rejected: Counter[str] = Counter()
    rules = sending.rules

    def allowed(
        items: Iterable[T], capability: Capability, model: Callable[[T], str], rows: Callable[[T], int]
    ) -> list[T]:
        kept = []
        for item in items:
            # The model of a baseline is known only after it was parsed, which can need much time and memory.
            if capability in rules and sending.permits(capability, model(item)):
                kept.append(item)
            else:
                rejected[NOT_PERMITTED] += rows(item)
        return kept

    pairs = zip(request.predictions, request.batches, strict=True)
    tables = allowed(pairs, "ingest", lambda pair: pair[0].key.model, lambda pair: len(pair[0]))
    request.predictions, request.batches = [table for table, _ in tables], [batch for _, batch in tables]
    request.outcomes = allowed(request.outcomes, "outcomes", lambda table: table.model, len)
    request.baselines = allowed(request.baselines, "baselines", _model_of_baseline, _one)
    request.points = allowed(request.points, "ingest", lambda point: point.key.model, _one)
    request.training_runs = allowed(request.training_runs, "ingest", lambda run: run.model, _one)
    request.business = allowed(request.business, "ingest", lambda _: "*", _one)
    request.rejected = request.rejected + rejected
    request.patterns = {pattern for patterns in rules.values() for pattern in patterns}
    # The same bytes of a sender who may send all of this are another request.
    request.digest = xxhash.xxh3_128_digest(request.digest + repr(sorted(rules.items())).encode())
    return request


def _one(_: object) -> int:
    return 1


def _model_of_baseline(text: str) -> str:
    try:
        return str(load_json(text.encode()).get("model", ""))
    except (ValueError, AttributeError):
        return ""
