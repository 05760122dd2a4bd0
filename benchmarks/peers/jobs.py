"""What every peer is asked to do, and how one way of doing it is measured and looked at.

This runs in the environments of the peers, where nothing but OpenTelemetry's SDK and pandas can be counted on.
"""

from __future__ import annotations

import random
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

JOBS = {
    "sampled": "one call of 20 features, on a sampled span",
    "unsampled": "the same, the span not sampled",
    "no spans": "the same, without any tracing",
    "batch": "one call of 1,000 rows x 20, a DataFrame, with the spans it makes sampled",
}
ROUNDS = 21
SECONDS = 0.01
ROWS = 1000

_random = random.Random(3)


def number(last: int) -> float:
    """Return a number between 0.1 and 1 of seven digits that ends in ``last``: everybody writes it out in full."""
    return (_random.randrange(100_000, 1_000_000) * 10 + last) / 1e7


SCORE = number(3)
ROW: dict[str, Any] = {f"f{i}": number(7) if i < 15 else f"text {i} {number(7)}" for i in range(20)}


def frame() -> Any:
    """Return the batch: a DataFrame of 15 columns of numbers and 5 of texts, 50 in each."""
    import pandas as pd

    columns: dict[str, list[Any]] = {f"f{i}": [number(7) for _ in range(ROWS)] for i in range(15)}
    for i in range(15, 20):
        columns[f"f{i}"] = [f"text {i} {_random.randrange(50)}" for _ in range(ROWS)]
    return pd.DataFrame(columns)


def scores() -> Any:
    """Return the scores of the batch: float64 (n,)."""
    import numpy as np

    return np.array([number(3) for _ in range(ROWS)])


class Drop(SpanExporter):
    """Exports nothing; while somebody looks, keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.said is not None:
            for span in spans:
                self.said += [str(value) for value in (span.attributes or {}).values()]
                self.said += [str(value) for event in span.events for value in (event.attributes or {}).values()]
        return SpanExportResult.SUCCESS

    def look(self, call: Callable[[], object], settle: Callable[[], object]) -> str:
        """Return all that the spans of one call say."""
        settle()
        self.said = []
        call()
        settle()
        said, self.said = " ".join(self.said), None
        return said


@dataclass
class Way:
    """One peer's way of doing one job.

    ``call``: does it once. ``settle``: does what was put off. ``kept``: what is there of one call, in words, looked up
    in what was really emitted. ``most``: calls between two ``settle``, where a buffer holds no more.
    """

    call: Callable[[], object]
    kept: Callable[[], str]
    settle: Callable[[], object] = int
    most: int = 400


def kept_of_row(said: str | bytes) -> str:
    """Say how many features of ``ROW``, and whether its score, can be found in what was emitted."""
    found = sum(_is_in(value, said) for value in ROW.values())
    return _words([f"{found} features" if found else "", "score" if _is_in(SCORE, said) else ""])


def kept_of_batch(said: str | bytes, batch: Any, results: Sequence[float]) -> str:
    """Say of how many rows all features, and of how many the score, can be found in what was emitted."""
    texts = {text: _is_in(text, said) for column in batch.columns[15:] for text in set(batch[column])}
    rows = batch.to_dict("records")
    full = sum(all(texts.get(value, False) or _is_in(value, said) for value in row.values()) for row in rows)
    scored = sum(_is_in(float(result), said) for result in results)
    return _words([f"{full:,} rows" if full else "", f"{scored:,} scores" if scored else ""])


def _words(found: list[str]) -> str:
    return ", ".join(filter(None, found)) or "neither features nor score"


def _is_in(value: Any, said: str | bytes) -> bool:
    """Say whether a value is there: in text as it is written, in bytes as a double or UTF-8."""
    if isinstance(said, str):
        return str(value) in said
    return (struct.pack("<d", value) if isinstance(value, float) else value.encode()) in said


def bare() -> Way:
    """Return the reference: a sampled span around a plain function, without attributes."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    tracer = provider.get_tracer("bare")

    def call() -> float:
        with tracer.start_as_current_span("predict"):
            return predict(ROW)

    return Way(call, str, provider.force_flush)


def predict(order: dict[str, Any]) -> float:  # noqa: ARG001
    """Stand for a model."""
    return SCORE


def measure(way: Way) -> dict[str, float]:
    """Return µs of a call on the caller's thread, its ratio to a bare span's, and that of all CPU, ``settle`` included.

    Rounds alternate between the way and the bare span; ratios are the medians of the rounds' ratios.
    """
    reference = bare()
    sides = (way, _calls(way)), (reference, _calls(reference))
    rounds = [[_time(side, calls) for side, calls in sides] for _ in range(ROUNDS + 2)][2:]
    plain = statistics.median(_time(Way(lambda: predict(ROW), str), 400)[0] for _ in range(ROUNDS))
    return {
        "caller": statistics.median(mine[0] for mine, _ in rounds),
        "bare": statistics.median(other[0] for _, other in rounds),
        "plain": plain,
        "caller_ratio": statistics.median(mine[0] / other[0] for mine, other in rounds),
        "all_ratio": statistics.median(mine[1] / other[1] for mine, other in rounds),
        "low": statistics.quantiles([mine[0] / other[0] for mine, other in rounds], n=4)[0],
        "high": statistics.quantiles([mine[0] / other[0] for mine, other in rounds], n=4)[2],
    }


def _calls(way: Way) -> int:
    """Return how many calls take ``SECONDS``, about: the second of two, since the first one imports and remembers."""
    for _ in range(2):
        took = _time(way, 1)[0] * 1e-6
    return max(1, min(way.most, round(SECONDS / max(took, 1e-6))))


def _time(way: Way, calls: int) -> tuple[float, float]:
    """Return µs per call on this thread, and µs of all threads until everything put off is done."""
    call = way.call
    process, thread = time.process_time(), time.thread_time()
    for _ in range(calls):
        call()
    caller = time.thread_time() - thread
    way.settle()
    return caller / calls * 1e6, (time.process_time() - process) / calls * 1e6
