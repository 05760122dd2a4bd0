"""Histograms ``ml.predict.duration`` and ``driftline.prediction.score`` in the application's MeterProvider.

The background thread calls ``record`` once per call for the duration, and once per row for the score of a call of at
most :data:`MOST_RECORDED_ROWS` rows. Everything else about distributions is sent by Driftline's own channel
(adr/0061-their-pipeline.md).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from opentelemetry import metrics as otel_metrics
from opentelemetry.context import Context
from opentelemetry.sdk.metrics.view import DropAggregation
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.faults import FAULTS, logger
from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import SCHEMA_URL, metrics
from driftline.semconv import attributes as a

from . import counters
from .resource import instance_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from opentelemetry.metrics import Histogram, MeterProvider

    from driftline.batch.prediction_batch import PredictionBatch
    from driftline.tables.table import F64


MOST_RECORDED_ROWS = 16
"""Maximum rows of a call whose scores are recorded one by one, at 7-10 µs each. A larger batch is counted in numpy."""

SCORE_BOUNDS = (0.01, *(n / 20 for n in range(1, 20)), 0.99)
"""Advisory bucket bounds of probabilities."""

_NO_SPAN = set_span_in_context(INVALID_SPAN, Context())
"""The context of a call that is not sampled. An empty context would be replaced by that of the current thread."""


class CallHistograms(NamedTuple):
    """The two histograms of one MeterProvider; None for a histogram that a View drops."""

    duration: Histogram | None
    score: Histogram | None


_histograms: dict[MeterProvider, CallHistograms] = {}


def histograms_of(identity: Identity) -> CallHistograms | None:
    """Return the application's histograms for a model; None if Driftline's own channel sends its durations and scores.

    The own channel sends them if the application has no MeterProvider, if a test captures everything, and if no row is
    exported (``capture="none"``): an exemplar would be the value of one row, and the processor computes drift from the
    baseline's bins.
    """
    provider = identity.meter_provider or otel_metrics.get_meter_provider()
    if identity.capture == "none" or counters.is_redirected() or not hasattr(provider, "shutdown"):
        return None  # the API's placeholder has no shutdown
    histograms = _histograms.get(provider)
    if histograms is None:
        meter = otel_metrics.get_meter(SCOPE, VERSION, provider, SCHEMA_URL)
        made = [
            meter.create_histogram(
                name,
                unit=metrics.INSTRUMENTS[name].unit,
                description=metrics.DESCRIPTIONS[name],
                explicit_bucket_boundaries_advisory=[float(bound) for bound in bounds],
            )
            for name, bounds in (
                (metrics.ML_PREDICT_DURATION, DURATION_BOUNDS),
                (metrics.DRIFTLINE_PREDICTION_SCORE, SCORE_BOUNDS),
            )
        ]
        counters.INSTRUMENTS.extend(made)
        duration, score = (None if is_dropped(histogram) else histogram for histogram in made)
        histograms = _histograms[provider] = CallHistograms(duration, score)
    return histograms


def is_dropped(histogram: Any) -> bool:
    """Return True if a View of OpenTelemetry's SDK drops all measurements of an instrument.

    The SDK has no public method for this. Without its attributes, the answer is False, and only the SDK drops.
    """
    try:
        views = [view for view in histogram._measurement_consumer._sdk_config.views if view._match(histogram)]
        return bool(views) and all(isinstance(view._aggregation, DropAggregation) for view in views)
    except AttributeError:
        return False


def record_calls(block: PredictionBatch, histograms: CallHistograms) -> PredictionBatch:
    """Record the durations and scores of a block; return the block with what Driftline's own channel must count.

    Its calls have no duration, and recorded scores are NaN.
    """
    identity, n = block.identity, len(block)
    rows = np.ones(n, np.int32) if block.call_rows is None else block.call_rows
    first = rows > 0
    contexts = _contexts(block, first)
    if histograms.duration is not None:
        _record(histograms.duration, block.duration[first], _by_error(block, first), contexts or repeat(_NO_SPAN))
    rest = replace(block, call_rows=np.zeros(n, np.int32))
    if block.scores is None or not records_scores(identity):
        return rest
    if histograms.score is None:
        return replace(rest, scores=None)
    scores = identity.task.monitored_score(block.scores)
    few = np.repeat(rows[first], rows[first]) <= MOST_RECORDED_ROWS
    chosen = few & (scores >= 0)  # a histogram of OpenTelemetry takes no negative numbers, and no NaN
    attributes = {**_attributes(identity), a.ML_MODEL_TASK: identity.task.kind}
    calls = (np.cumsum(first) - 1)[chosen].tolist() if contexts else ()
    of_rows = (contexts[call] for call in calls) if contexts else repeat(_NO_SPAN)
    _record(histograms.score, scores[chosen], repeat(attributes), of_rows)
    if not few.all():
        _tell_batches()
    return replace(rest, scores=np.where(chosen[:, None], np.nan, block.scores))


def record_lost_calls(identity: Identity, error: str, seconds: F64, histograms: CallHistograms) -> None:
    """Record the durations of calls that a full buffer dropped."""
    if histograms.duration is not None:
        attributes = _attributes(identity)
        if error:
            attributes[a.ERROR_TYPE] = error
        _record(histograms.duration, seconds, repeat(attributes), repeat(_NO_SPAN))


def records_scores(identity: Identity) -> bool:
    """Return True if scores are probabilities: no bucket bounds fit the values of every regression or ranking."""
    return identity.task.has_threshold or identity.task.has_class_scores


def _record(
    histogram: Histogram, values: F64, attributes: Iterable[dict[str, str]], contexts: Iterable[Context]
) -> None:
    record = histogram.record
    for value, attributes_of_value, context in zip(values.tolist(), attributes, contexts, strict=False):
        record(value, attributes_of_value, context)


def _attributes(identity: Identity) -> dict[str, str]:
    attributes = {a.ML_MODEL_NAME: identity.name}
    if identity.version:
        attributes[a.ML_MODEL_VERSION] = identity.version
    if instance := instance_of(identity):
        attributes[a.SERVICE_INSTANCE_ID] = instance
    return attributes


def _by_error(block: PredictionBatch, chosen: NDArray[np.bool_]) -> Iterable[dict[str, str]]:
    """Return the attributes of chosen rows, with the error type of a call that failed."""
    returned = _attributes(block.identity)
    if block.errors is None or block.errors.codes is None:
        return repeat(returned)
    failed = [{**returned, a.ERROR_TYPE: error} for error in block.errors.categories]
    return [failed[code] if code >= 0 else returned for code in block.errors.codes[chosen].tolist()]


def _contexts(block: PredictionBatch, first: NDArray[np.bool_]) -> list[Context]:
    """Return the context of each call, from which a provider makes exemplars; empty if no call is sampled."""
    if block.trace is None or block.span is None:
        return []
    ids = zip(block.trace[first].tolist(), block.span[first].tolist(), strict=True)
    return [_context(trace, span) for trace, span in ids]


def _context(trace: bytes, span: bytes) -> Context:
    trace_id = int.from_bytes(trace, "big")
    if not trace_id:
        return _NO_SPAN
    sampled = SpanContext(trace_id, int.from_bytes(span, "big"), False, TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(sampled), _NO_SPAN)


def _tell_batches() -> None:
    """Log once that scores of batches are sent by Driftline's own channel."""
    if FAULTS.once("scores of batches"):
        logger.info(
            "driftline: scores of calls of more than %d rows are not recorded one by one in the application's "
            "MeterProvider; Driftline sends their distribution by itself "
            "(docs/concepts/how-it-works.md#what-the-sdk-sends)",
            MOST_RECORDED_ROWS,
        )


def tell_features() -> None:
    """Log once that distributions of features do not pass the application's MeterProvider."""
    if FAULTS.once("features outside the meter provider"):
        logger.info(
            "driftline: OpenTelemetry's MeterProvider cannot carry finished distributions, so Driftline sends "
            "those of features by itself, and Views do not apply to them "
            "(docs/concepts/how-it-works.md#what-the-sdk-sends)"
        )
