"""Concept drift of what arrives: first outcomes are fed in the transaction that joins them, and the state kept with it.

Each is fed once, in the order in which it and its prediction had both arrived; so neither how the join was cut into
steps nor a restart, after ``kill -9`` too, changes what is found. A step that fails leaves nothing of it behind.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from driftline.baseline.sections.slices import OTHER, places_of, slice_name
from driftline.tables.table import I64, ModelKey
from numpy.typing import NDArray

from driftline_processor.core.concept import Settings, Stream, losses_of_rows, reference_loss
from driftline_processor.core.concept.detectors import MISSING, installed
from driftline_processor.core.concept.losses import kind_of
from driftline_processor.core.concept.result import Change, ConceptDrift
from driftline_processor.core.wording import iso_time
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

WHOLE = ""
"""The slice that is all rows."""

Place = tuple[int, str]
"""A series and a slice of it."""

_FED = ["score", "scores", "predicted", "actual", "number", "time", "outcome_time", "slices"]
"""Columns of what is fed."""


class ConceptWatch:
    """The streams of errors of all series. One thread feeds it; any may read :meth:`concept`."""

    def __init__(
        self, connection: Connection, series: SeriesRegister, baselines: Baselines, slices: SliceValues
    ) -> None:
        self._connection, self._series, self._baselines = connection, series, baselines
        self._slices = slices
        self._streams: dict[Place, Stream] = {}
        self._shown: dict[Place, ConceptDrift] = {}
        self._changed: set[Place] = set()
        self._news: list[tuple[ModelKey, str, Change]] = []
        self._installed = installed()
        self.reread()

    def reread(self) -> None:
        """Read all states, and show them."""
        self.forget()
        self._shown = {place: stream.concept() for place, stream in self._streams.items()}

    def forget(self) -> None:
        """Read all states again: a transaction failed, and what memory knows is not in the store."""
        self._changed.clear()
        self._news.clear()
        self._streams = {}
        if not self._installed:
            return
        known = self._series.by_number()
        for row in read(self._connection, "SELECT * FROM concept").to_pylist():
            series = known.get(row["series"])
            if series is None:
                continue
            settings = self._settings(series.key.model, row["slice"])
            try:
                stream = Stream.from_json(json.loads(row["state"]), settings)
            except Exception as error:  # it begins anew
                self._connection.unreadable.add("concept", row, error)
            else:
                self._streams[row["series"], row["slice"]] = stream

    def feed(self, series: Series, rows: pa.Table) -> None:
        """Feed the first outcomes of a series to its detectors.

        ``rows`` has one row per prediction, as :func:`~driftline_processor.join.matching.match_waiting_outcomes`
        returns.

        All of them, and those of each slice to a stream of its own. What goes wrong here costs the stream, which begins
        anew, and not the join.
        """
        if self._stream(series, WHOLE, len(rows)) is None:
            return
        rows = _in_order(rows)
        self._feed(series, WHOLE, rows)
        for which, at in self._cut(series, rows):
            self._feed(series, which, rows.take(pa.array(at)))

    def _feed(self, series: Series, which: str, rows: pa.Table) -> None:
        stream = self._stream(series, which, len(rows))
        if stream is None:
            return
        try:
            self._news += [(series.key, which, change) for change in _fed(stream, series, rows)]
        except Exception:
            _log.exception("concept drift of %s could not be told; it begins anew", series.key.model)
            self._streams[series.number, which] = Stream(stream.kind, stream.settings, stream.scale)

    def _cut(self, series: Series, rows: pa.Table) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """Yield each slice, and the positions of its rows."""
        for key in self._series.settings(series.key.model).slices:
            values = self._slices.of(series.number, key)
            place = places_of(slice_of(rows, key), values, len(rows))
            for at in np.unique(place[place >= 0]).tolist():
                yield slice_name(key, (*values, OTHER)[at]), np.flatnonzero(place == at)

    def corrected(self, series: Series, rows: int) -> None:
        """Count outcomes that replaced another one or lost their prediction: they are not fed."""
        stream = self._stream(series, WHOLE, rows)
        if stream is not None:
            stream.corrected += rows

    def write(self) -> None:
        """Store what was fed, inside the transaction that joins it."""
        if not self._changed:
            return
        places = sorted(self._changed)
        changed = pa.table(
            {
                "series": pa.array([number for number, _ in places], pa.int32()),
                "slice": pa.array([which for _, which in places], pa.string()),
                "state": [json.dumps(self._streams[place].to_json(), separators=(",", ":")) for place in places],
            }
        )
        replaced = "DELETE FROM concept USING fed WHERE concept.series = fed.series AND concept.slice = fed.slice"
        run(self._connection, replaced, fed=changed)
        insert(self._connection, "concept", changed)

    def publish(self) -> None:
        """Show what was stored, and say in the log what was found, after the transaction."""
        for place in self._changed:
            self._shown[place] = self._streams[place].concept()
        self._changed.clear()
        news, self._news = self._news, []
        for key, which, change in news:
            self._log(key, which, change)

    def concept(self, series: Series) -> ConceptDrift | None:
        """Return what is known of a series; None where nothing watches it."""
        if kind_of(series.task) is None or not self._settings(series.key.model).detectors:
            return None
        if not self._installed:
            return ConceptDrift("unknown", reason=MISSING)
        whole = self._shown.get((series.number, WHOLE), ConceptDrift("unknown", reason="no outcome has come"))
        declared = self._series.settings(series.key.model).slices
        slices = {
            name: found
            for (number, name), found in list(self._shown.items())
            if number == series.number and name and name.partition("=")[0] in declared
        }
        return replace(whole, slices=dict(sorted(slices.items())))

    def _stream(self, series: Series, which: str, rows: int) -> Stream | None:
        settings, kind = self._settings(series.key.model, which), kind_of(series.task)
        if not rows or kind is None or not settings.detectors or not self._installed:
            return None
        place = (series.number, which)
        stream = self._streams.get(place)
        if stream is None or stream.kind != kind:
            in_force = self._baselines.in_force(series.key)
            scale = reference_loss(None if in_force is None else in_force.baseline)
            stream = self._streams[place] = Stream(kind, settings, scale)
        self._changed.add(place)
        return stream

    def _settings(self, model: str, which: str = WHOLE) -> Settings:
        settings = self._series.settings(model).concept.settings
        return settings.of_slice if which else settings

    def _log(self, key: ModelKey, which: str, change: Change) -> None:
        how = "rose" if change.after > change.before else "fell"
        _log.warning(
            "concept drift: the errors of %s%s %s from %.4g to %.4g, in predictions since %s",
            " ".join(filter(None, (key.model, key.version, key.environment))),
            f" where {which}" if which else "",
            how,
            change.before,
            change.after,
            iso_time(change.since),
        )


def _in_order(rows: pa.Table) -> pa.Table:
    """Sort what is fed by when the rows and their outcomes had both arrived."""
    arrived = np.maximum(integers_of(rows, "received"), integers_of(rows, "outcome_received"))
    order = np.lexsort((integers_of(rows, "outcome"), arrived))
    return take_table_rows(rows.select(_FED), order)


def _fed(stream: Stream, series: Series, rows: pa.Table) -> list[Change]:
    errors = losses_of_rows(series.task, *scores_and_classes_of(series.task, rows), actual_of(rows))
    return stream.feed(errors, integers_of(rows, "time"), integers_of(rows, "outcome_time"))


def forget_losses(connection: Connection, series: I64, times: I64) -> None:
    """Take the losses of deleted predictions out of those that wait for a scale; int64 (n,) each, times of predictions.

    Inside the caller's transaction; :meth:`ConceptWatch.reread` after it. What detectors have been fed stays.
    """
    for row in read(connection, "SELECT * FROM concept WHERE list_contains(?, series)", series.tolist()).to_pylist():
        try:
            state = json.loads(row["state"])
            gone = set(times[series == row["series"]].tolist())
            stays = [one for one in state["waiting"] if one[1] not in gone]
        except (ValueError, TypeError, KeyError, IndexError):
            continue  # it cannot be read, and begins anew
        if len(stays) < len(state["waiting"]):
            text = json.dumps({**state, "waiting": stays}, separators=(",", ":"))
            changed = "UPDATE concept SET state = ? WHERE series = ? AND slice = ?"
            connection.execute(changed, [text, row["series"], row["slice"]])
