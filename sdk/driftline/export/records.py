"""Convert buffered predictions and events to requests: one columnar record each, or many outcomes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from driftline.batch.conversion import prediction_batches
from driftline.batch.prediction_batch import PredictionBatch
from driftline.capture.buffer import BufferedRow
from driftline.capture.deferred import UnmadePrediction
from driftline.capture.model_identity import SCOPE, VERSION, Identity
from driftline.capture.outcome import Outcome
from driftline.capture.prediction import Prediction
from driftline.capture.training_record import TrainingRecord
from driftline.faults import FAULTS, logger, retry_in_halves
from driftline.semconv import SCHEMA_URL, events
from driftline.semconv import attributes as a
from driftline.tables import column_codec
from driftline.tables.ids import IDS

from .otlp_logs import ERROR, INFO, Parts, log_record, request
from .resource import resource_attributes
from .transport import ExportRequest

MOST_ROWS = 5000
MOST_BYTES = 2**20
Counted = Callable[[PredictionBatch], None]
_now = time.time_ns


def frames(
    predictions: Iterable[Prediction | BufferedRow | UnmadePrediction],
    outcomes: Iterable[Outcome | TrainingRecord],
    baselines: Iterable[tuple[Identity, str]],
    counted: Counted,
) -> Iterator[ExportRequest]:
    """Convert the entries of one flush to requests, baselines first; ``counted`` is called with each block."""
    for identity, text in baselines:
        try:
            attributes = identity.record_attributes()
            yield _frame(identity, [log_record(events.DRIFTLINE_BASELINE, _now(), attributes, body=text)], 0)
        except Exception as error:
            FAULTS.swallow("baseline", error)
    for block in prediction_batches(predictions):
        try:
            counted(block)
        except Exception as error:
            FAULTS.swallow("distributions", error)
        if block.identity.capture == "none":
            continue
        for start in range(0, len(block), MOST_ROWS):
            rows = range(start, min(start + MOST_ROWS, len(block)))
            for halve in retry_in_halves(rows, partial(_batches, block), "record"):
                yield from halve
    yield from _events(outcomes)


def _batches(block: PredictionBatch, rows: Sequence[int]) -> list[ExportRequest]:
    """Return requests of at most 1 MiB for consecutive rows: one, or several if rows are wide, as with embeddings."""
    if len(rows) < len(block):
        block = block.part(rows[0], rows[-1] + 1)
    identity, n = block.identity, len(block)
    attributes = identity.record_attributes()
    attributes[a.DRIFTLINE_BATCH_ID] = IDS.uuid7(_now())
    attributes[a.ML_PREDICTION_COUNT] = n
    if block.undated is not None and block.undated.any():
        attributes[a.DRIFTLINE_PREDICTION_UNDATED] = int(block.undated.sum())
    attributes[a.DRIFTLINE_PREDICTION_COLUMNS] = column_codec.encode(block.wire_columns())
    # In a replay, event time can be a year old; the processor compares rows with counts by the time of recording.
    record = log_record(events.DRIFTLINE_PREDICTION_BATCH, int(block.time[-1]), attributes, observed=_now())
    frame = _frame(identity, [record], n, predictions=True)
    if len(frame.body) <= MOST_BYTES:
        return [frame]
    if n > 1:
        parts = -(-len(frame.body) // int(0.9 * MOST_BYTES))  # at least two parts; rows differ in length
        step = -(-n // parts)
        parted = [_batches(block, range(start, min(start + step, n))) for start in range(0, n, step)]
        return [frame for frames in parted for frame in frames]
    if FAULTS.once(f"row too large {identity.name}"):
        logger.warning(
            "driftline: a row of %s has %d bytes, which is too large; the row is not recorded",
            identity.name,
            len(frame.body),
        )
    return []


def _events(outcomes: Iterable[Outcome | TrainingRecord]) -> Iterator[ExportRequest]:
    groups: dict[Identity, list[bytes]] = {}
    for outcome in outcomes:
        try:
            attributes = outcome.attributes()
            severity = ERROR if a.ERROR_TYPE in attributes else INFO
            time = getattr(outcome, "time", 0) or outcome.recorded
            record = b"".join(log_record(outcome.event, time, attributes, observed=outcome.recorded, severity=severity))
        except Exception as error:
            FAULTS.swallow("outcome", error)
        else:
            groups.setdefault(outcome.identity, []).append(record)
    for identity, records in groups.items():
        try:
            yield from _filled(identity, records)
        except Exception as error:
            FAULTS.swallow("outcomes", error)


def _filled(identity: Identity, records: list[bytes]) -> Iterator[ExportRequest]:
    """Yield requests with as many records as fit."""
    part: list[Parts] = []
    size = 0
    for record in records:
        if part and (size + len(record) > MOST_BYTES - 4096 or len(part) == MOST_ROWS):
            yield _frame(identity, part, len(part))
            part, size = [], 0
        part.append([record])
        size += len(record) + 4
    yield _frame(identity, part, len(part))


def _frame(identity: Identity, records: list[Parts], rows: int, *, predictions: bool = False) -> ExportRequest:
    body = request(resource_attributes(identity), (SCOPE, VERSION), SCHEMA_URL, records)
    return ExportRequest(body, rows, predictions)
