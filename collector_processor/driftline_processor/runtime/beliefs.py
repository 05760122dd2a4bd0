"""What is and was believed: the latest Evaluation of each window in memory, every closed one in the store.

Open windows are in memory only. A window that closes is stored at once, with the time at which it was believed; one
that is restated by late rows or outcomes is stored again within the hour, so that a month of daily windows that late
labels touch every second costs megabytes a day, not gigabytes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
from driftline.tables import I64

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.incident import incident
from driftline_processor.core.performance.objective_windows import newest_objectives, overdue, undecided

from .archive import from_text, share, to_text
from .rows import integers_of
from .seen import digest_of
from .store import Connection, insert, number, read

_log = logging.getLogger(__name__)

KEPT = 400
"""Evaluations of one window name and series that are held in memory, some 30 kB each; the table keeps all."""

RESTATED_EVERY = 3_600 * 10**9
"""Restated evaluations are stored together, once an hour (nanoseconds)."""

History = dict[str, dict[int, Evaluation]]
"""Window name → start → the latest evaluation, oldest first."""


class Place(NamedTuple):
    """Which window of which series."""

    series: int
    name: str
    start: int


class Beliefs:
    """Remembers and stores evaluations. One thread writes; any may read :meth:`history`."""

    def __init__(self, connection: Connection, clock: Callable[[], int]) -> None:
        """Read what was believed last of the newest windows."""
        self._connection, self._clock = connection, clock
        self._history: dict[int, History] = {}
        self._stored: dict[Place, bytes] = {}
        self._unstored: dict[Place, Evaluation] = {}
        self._restated = clock()
        self._overdue: set[tuple[int, str, str]] = set()
        self._last = number(connection, "SELECT max(believed) FROM evaluations") or 0
        self.ends: dict[tuple[int, str], int] = {}
        """(series, window name) → the end of the last window that was stored: later ones were open, or not seen."""
        rows = read(
            connection,
            "SELECT * FROM evaluations QUALIFY"
            " row_number() OVER (PARTITION BY series, name, start ORDER BY believed DESC) = 1"
            " AND dense_rank() OVER (PARTITION BY series, name ORDER BY start DESC) <= ? ORDER BY start",
            KEPT,
        )
        parsed = connection.unreadable.skipped("evaluations", rows.to_pylist(), lambda row: from_text(row["json"]))
        for row, evaluation in parsed:
            place = Place(row["series"], row["name"], row["start"])
            self._stored[place] = digest_of(row["json"].encode())
            self.ends[place.series, place.name] = row["stop"]
            self._remember(place, evaluation)

    def history(self, series: int) -> History:
        """Return the evaluations of a series; the dicts by start are replaced, never changed, when more come."""
        return self._history.get(series, {})

    def open(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were not closed when they were evaluated."""
        return [one for found in self.history(series).values() for one in found.values() if not one.closed]

    def closed(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were closed when they were evaluated."""
        return [one for found in self.history(series).values() for one in found.values() if one.closed]

    def believe(self, series: int, evaluation: Evaluation) -> None:
        """Take in an evaluation; a closed one is stored by one of the next :meth:`write`.

        Whether its drift is an incident, and that of the windows after it, is found here: windows are evaluated in any
        order, the newest first. Of its slices what drifts is kept, no more.
        """
        evaluation.slices = {name: found.thinned() for name, found in evaluation.slices.items()}
        found = self.history(series).get(evaluation.window.name, {})
        starts = [start for start in found if start < evaluation.window.start]
        before = found[starts[-1]] if starts else None
        evaluation.incident = incident(evaluation, before)
        evaluation.objectives = undecided(evaluation, before)
        self._take(series, evaluation)
        previous = evaluation
        for start, later in found.items():
            if start > evaluation.window.start:
                known, objectives = incident(later, previous), undecided(later, previous)
                if known == later.incident and objectives == later.objectives:
                    break
                previous = replace(later, incident=known, objectives=objectives)
                self._take(series, previous)
        self._warn(series, evaluation)

    def _warn(self, series: int, evaluation: Evaluation) -> None:
        """Log which objectives nobody can tell any more, each when it has lasted too long."""
        key, name = evaluation.key, evaluation.window.name
        if not evaluation.objectives:
            return
        for rule, one in newest_objectives(list(self.history(series)[name].values())).items():
            place = (series, name, rule)
            if not one.overdue:
                self._overdue.discard(place)
            elif place not in self._overdue:
                self._overdue.add(place)
                of = f"{key.model} {key.version}".rstrip()
                _log.warning("%s: %s, in windows of %s: %s", of, rule, name, overdue(one))

    def _take(self, series: int, evaluation: Evaluation) -> None:
        place = Place(series, evaluation.window.name, evaluation.window.start)
        self._remember(place, evaluation)
        if evaluation.closed:
            self._unstored[place] = evaluation

    def write(self, patient: bool) -> bool:
        """Store what is due inside the caller's transaction: windows that closed; restated ones once an hour.

        Return whether everything is stored now. ``patient``: False stores all at once.
        """
        now = self._clock()
        believed = max(now, self._last + 1)  # the newest belief of a window counts: no two at once
        if not patient or now - self._restated >= RESTATED_EVERY:
            self._restated = now
            due = list(self._unstored)
        else:
            due = [place for place in self._unstored if place not in self._stored]
        rows = []
        for place in due:
            evaluation = self._unstored.pop(place)
            text = to_text(evaluation)
            digest = digest_of(text.encode())
            if self._stored.get(place) != digest:
                self._stored[place] = digest
                rows.append({**place._asdict(), "stop": evaluation.window.end, "believed": believed, "json": text})
        if rows:
            self._last = believed
            insert(self._connection, "evaluations", pa.Table.from_pylist(rows))
        return not self._unstored

    def _remember(self, place: Place, evaluation: Evaluation) -> None:
        history = self._history.setdefault(place.series, {})
        found = history.get(place.name, {})
        if found:
            share(evaluation, next(reversed(found.values())))
        whole = sorted({**found, place.start: evaluation}.items())
        history[place.name] = dict(whole[-KEPT:])
        for start, _ in whole[:-KEPT]:
            self._stored.pop(place._replace(start=start), None)


def forget_beliefs(connection: Connection, series: int, slice: str) -> tuple[int, I64]:
    """Delete what was believed of windows in which a slice is named; return the series and where these windows begin.

    Inside the caller's transaction. The windows are to be evaluated again.
    """
    named = json.dumps(slice)  # as it stands in the JSON
    found = read(
        connection, "SELECT DISTINCT start FROM evaluations WHERE series = ? AND contains(json, ?)", series, named
    )
    connection.execute("DELETE FROM evaluations WHERE series = ? AND contains(json, ?)", [series, named])
    return series, integers_of(found, "start")
