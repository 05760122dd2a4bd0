"""Concept drift of arriving outcomes: detectors are updated in the transaction of the join, and stored with it.

Each first outcome is used once, in the order in which it and its prediction had both arrived. So the result does not
depend on the steps of the join or on restarts, including ``kill -9``. A failed step leaves no trace.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from driftline.baseline.sections.slices import places_of
from driftline.tables.row_losses import losses_of_rows
from driftline.tables.table import I64, ModelKey
from msgspec.structs import replace

from driftline_processor.core.concept.losses import kind_of, reference_loss
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.concept.stream import (
    NO_OUTCOME,
    WHOLE,
    FirstLosses,
    ModelStreams,
    Stream,
    concept_of,
    decode_stream,
    encode_stream,
)
from driftline_processor.core.performance.reference import level_of_errors
from driftline_processor.present.wording import iso_time
from driftline_processor.store.arrow_tables import (
    actual_of,
    integers_of,
    scores_and_classes_of,
    slice_of,
    take_table_rows,
)
from driftline_processor.store.baselines import Baselines
from driftline_processor.store.database import Connection, insert, read, run
from driftline_processor.store.series import Series, SeriesRegister
from driftline_processor.store.slices import SliceValues

_log = logging.getLogger(__name__)

Place = tuple[int, str]
"""A series and one of its slices."""

_FED = ["score", "scores", "predicted", "actual", "number", "time", "outcome_time", "slices"]
"""Columns of the input of detectors."""


class ConceptWatch:
    """The error streams of all series. One thread updates them; any thread may call :meth:`concept`."""

    def __init__(
        self, connection: Connection, series: SeriesRegister, baselines: Baselines, slices: SliceValues
    ) -> None:
        self._connection, self._series, self._baselines = connection, series, baselines
        self._slices = slices
        self._streams: dict[int, dict[str, Stream]] = {}
        self._by_series: dict[int, ConceptDrift] = {}
        self._changed: set[Place] = set()
        self._news: list[tuple[ModelKey, str, Change]] = []
        self.reread()

    def reread(self) -> None:
        """Read and publish all states."""
        self.forget()
        self._by_series = {number: concept_of(streams) for number, streams in self._streams.items()}

    def forget(self) -> None:
        """Read all states again after a failed transaction."""
        self._changed.clear()
        self._news.clear()
        self._streams = {}
        series_by_number = self._series.by_number()
        for row in read(self._connection, "SELECT * FROM concept").to_pylist():
            series = series_by_number.get(row["series"])
            if series is None:
                continue
            try:
                stream = decode_stream(row["state"])
            except Exception as error:  # the stream restarts
                self._connection.unreadable.add("concept", row, error)
            else:
                self._streams.setdefault(row["series"], {})[row["slice"]] = stream

    def feed(self, series: Series, rows: pa.Table) -> None:
        """Update the detectors of a series with its first outcomes, and those of each slice.

        ``rows`` has one row per prediction, as :func:`~driftline_processor.join.candidates.match_waiting_outcomes`
        returns. An error restarts the stream and does not stop the join.
        """
        streams = self._model(series)
        if streams is None or not len(rows):
            return
        keys = self._series.settings(series.key.model).slices
        values = {key: self._slices.of(series.number, key) for key in keys}
        try:
            parts = list(_losses(series, _in_order(rows), values).by_slice(values))
        except Exception:
            self._restart(series, streams, WHOLE)
            return
        for name, losses in parts:
            self._changed.add((series.number, name))
            try:
                self._news += [(series.key, name, change) for change in streams.feed(name, losses)]
            except Exception:
                self._restart(series, streams, name)

    def _restart(self, series: Series, streams: ModelStreams, name: str) -> None:
        """Restart a stream after an error."""
        _log.exception("concept drift of %s could not be computed; its detection starts again", series.key.model)
        streams.streams.pop(name, None)
        streams.stream(name)
        self._changed.add((series.number, name))

    def corrected(self, series: Series, rows: int) -> None:
        """Count outcomes that replaced another one or lost their prediction, which detectors do not use."""
        streams = self._model(series)
        if streams is not None and rows:
            streams.stream(WHOLE).corrected += rows
            self._changed.add((series.number, WHOLE))

    def write(self) -> None:
        """Store the updated states, inside the transaction of the join."""
        if not self._changed:
            return
        places = sorted(self._changed)
        changed = pa.table(
            {
                "series": pa.array([number for number, _ in places], pa.int32()),
                "slice": pa.array([slice_label for _, slice_label in places], pa.string()),
                "state": [encode_stream(self._streams[number][slice_label]) for number, slice_label in places],
            }
        )
        replaced = "DELETE FROM concept USING fed WHERE concept.series = fed.series AND concept.slice = fed.slice"
        run(self._connection, replaced, fed=changed)
        insert(self._connection, "concept", changed)

    def publish(self) -> None:
        """Publish the stored states and log detections, after the transaction."""
        self._by_series |= {number: concept_of(self._streams[number]) for number, _ in self._changed}
        self._changed.clear()
        changes, self._news = self._news, []
        for key, slice_label, change in changes:
            self._log(key, slice_label, change)

    def concept(self, series: Series) -> ConceptDrift | None:
        """Return the concept drift of a series; None if it is not monitored."""
        if kind_of(series.task) is None or not self._is_enabled(series.key.model):
            return None
        shown_concept = self._by_series.get(series.number, NO_OUTCOME)
        declared = self._series.settings(series.key.model).slices
        slices = {
            name: slice_concept
            for name, slice_concept in shown_concept.slices.items()
            if name.partition("=")[0] in declared
        }
        return shown_concept if len(slices) == len(shown_concept.slices) else replace(shown_concept, slices=slices)

    def _model(self, series: Series) -> ModelStreams | None:
        """Return the streams of a series; None if it is not monitored."""
        kind = kind_of(series.task)
        if kind is None or not self._is_enabled(series.key.model):
            return None
        in_force = self._baselines.in_force(series.key)
        baseline = None if in_force is None else in_force.baseline
        streams = self._streams.setdefault(series.number, {})
        return ModelStreams(kind, reference_loss(baseline), streams, level_of_errors(baseline))

    def _is_enabled(self, model: str) -> bool:
        settings = self._series.settings(model)
        # rows that were sampled for review say something of the others by their weights, which no detector knows
        return settings.concept.enabled and settings.performance.outcomes != "sampled"

    def _log(self, key: ModelKey, slice_label: str, change: Change) -> None:
        direction = "rose" if change.after > change.before else "fell"
        _log.info(
            "the errors of %s%s %s, in the order in which outcomes arrived, from %.4g to %.4g, in predictions since %s",
            " ".join(filter(None, (key.model, key.version, key.environment))),
            f" where {slice_label}" if slice_label else "",
            direction,
            change.before,
            change.after,
            iso_time(change.since),
        )


def _in_order(rows: pa.Table) -> pa.Table:
    """Sort rows by the time at which prediction and outcome had both arrived."""
    arrived = np.maximum(integers_of(rows, "received"), integers_of(rows, "outcome_received"))
    order = np.lexsort((integers_of(rows, "outcome"), arrived))
    return take_table_rows(rows.select(_FED), order)


def _losses(series: Series, rows: pa.Table, values: Mapping[str, Sequence[str]]) -> FirstLosses:
    losses = losses_of_rows(series.task, *scores_and_classes_of(series.task, rows), actual_of(rows))
    places = {key: places_of(slice_of(rows, key), value, len(rows)) for key, value in values.items()}
    return FirstLosses(losses, integers_of(rows, "time"), integers_of(rows, "outcome_time"), places)


def forget_losses(connection: Connection, series: I64, times: I64) -> None:
    """Remove the losses of deleted predictions from those that wait for a scale; int64 (n,), prediction times.

    Runs inside the caller's transaction; call :meth:`ConceptWatch.reread` afterwards. The state of detectors does not
    change.
    """
    for row in read(connection, "SELECT * FROM concept WHERE list_contains(?, series)", series.tolist()).to_pylist():
        try:
            stream = decode_stream(row["state"])
        except ValueError:
            continue  # unreadable, so the stream restarts
        removed_times = set(times[series == row["series"]].tolist())
        stays = [loss for loss in stream.waiting if loss[1] not in removed_times]
        if len(stays) < len(stream.waiting):
            stream.waiting = stays
            changed = "UPDATE concept SET state = ? WHERE series = ? AND slice = ?"
            connection.execute(changed, [encode_stream(stream), row["series"], row["slice"]])
