"""The evaluations of all windows: the latest of each in memory, every one of a closed window in the store as text.

Open windows are in memory only. A window that closes is stored at once, with the time. A window that late rows or
outcomes restate is stored again within the hour: a month of daily windows that labels touch every second then costs
megabytes a day, not gigabytes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64

from driftline_processor.core.drift.lasting import (
    REMEMBERED,
    recall_lasting,
    remembers,
    same_lasting,
    stored_lasting,
)
from driftline_processor.core.evaluation import Curve, Evaluation, LastingDrift
from driftline_processor.core.performance.objective import newest_objectives, overdue
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, insert, number, read

from .judge import follow


def evaluation_to_text(evaluation: Evaluation) -> str:
    """Write an evaluation as canonical JSON, which :func:`evaluation_from_text` reads back.

    Of the evidence for shifts that last what windows before it tell is left out
    (:func:`~driftline_processor.core.drift.lasting.recall_lasting`).
    """
    if evaluation.lasting is not None:
        evaluation = replace(evaluation, lasting=stored_lasting(evaluation.lasting))
    return json.dumps(asdict(evaluation), default=_plain, separators=(",", ":"))


def evaluation_from_text(text: str) -> Evaluation:
    """Read what :func:`evaluation_to_text` wrote.

    A field that an older release did not write keeps its default; one that is no more is passed over.
    """
    said = json.loads(text)
    evaluation: Evaluation = _reader(Evaluation)(
        {one.name: said[one.name] for one in fields(Evaluation) if one.name in said}
    )
    return evaluation


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return a function that makes a value of a type from the JSON of one."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        readers = {name: read for name in hints if (read := _reader(hints[name])) is not _as_it_is}
        if kind is Curve:
            readers["points"] = readers["limits"] = _points

        def read_fields(said: dict[str, Any]) -> Any:
            if kind is LastingDrift and "of" not in said:
                said = _lasting_of_old(said)
            known = {name: said[name] for name in said if name in hints}  # another release may have more fields
            for name in readers.keys() & known.keys():
                known[name] = readers[name](known[name])
            if known.get("state") == "too_few_rows":  # the word of releases that did not say what lacks
                known |= {"state": "cannot_tell"} | ({"lacking": "rows"} if "lacking" in hints else {})
            return kind(**known)  # type: ignore[operator]

        return read_fields
    if origin in (Union, UnionType) and NoneType in inner:
        one = _reader(next(part for part in inner if part is not NoneType))
        return one if one is _as_it_is else lambda said: None if said is None else one(said)
    if origin is dict:
        one = _reader(inner[1])
        return one if one is _as_it_is else lambda said: {name: one(value) for name, value in said.items()}
    if origin is tuple:
        one = _reader(inner[0])
        return tuple if one is _as_it_is else lambda said: tuple(map(one, said))
    return _array if origin is np.ndarray else _as_it_is


def _lasting_of_old(said: dict[str, Any]) -> dict[str, Any]:
    """Return what releases told that took dependence for known: it stands, and later evidence begins anew."""
    told = said["targets"].items()
    found = {part: (one["since"], one["found"]) for part, one in told if one["found"] is not None}
    anew = {part: one["since"] for part, one in told}
    names = ("measure", "measures"), ("shift", "shifts"), ("windows", "steps"), ("evidence", "evidence")
    columns = {many: [one[name] for _, one in told] for name, many in names}
    return {"of": "", "parts": list(anew), "recent": [0] * len(anew), "anew": anew, "found": found, **columns}


def _as_it_is(said: Any) -> Any:
    return said


def _array(said: list[Any]) -> F64:
    return np.array(said, dtype=np.float64)


def _points(said: list[Any] | None) -> F64 | None:
    return None if said is None else _array(said).reshape(-1, 2)


def share_arrays(evaluation: Evaluation, other: Evaluation) -> None:
    """Let an evaluation hold the labels and reference shares of another where they are equal: half of its memory."""
    for name, target in evaluation.features.items():
        like = other.features.get(name)
        if like is not None and like.cells == target.cells and np.array_equal(_or_none(like.was), _or_none(target.was)):
            evaluation.features[name] = replace(target, cells=like.cells, was=like.was)


def _or_none(values: F64 | None) -> F64:
    return np.empty(0) if values is None else values


def _plain(value: object) -> object:
    """Numpy values as JSON ones."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in an evaluation")


_log = logging.getLogger(__name__)

KEPT = 400
"""Evaluations of one window name and series that are held in memory, some 30 kB each; the table keeps all."""

RESTATED_EVERY = 3_600 * 10**9
"""Restated evaluations are stored together, once an hour (nanoseconds)."""

EvaluationHistory = dict[str, dict[int, Evaluation]]
"""Window name → start → the latest evaluation, oldest first."""


class WindowKey(NamedTuple):
    """The window of a series."""

    series: int
    name: str
    start: int


class EvaluationStore:
    """Remembers and stores evaluations. One thread writes; any may read :meth:`history`."""

    def __init__(self, connection: Connection, clock: Callable[[], int]) -> None:
        """Read the last evaluation of each of the newest windows."""
        self._connection, self._clock = connection, clock
        self._history: dict[int, EvaluationHistory] = {}
        self._stored: dict[WindowKey, bytes] = {}
        self._unstored: dict[WindowKey, Evaluation] = {}
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
        parsed = connection.unreadable.skipped(
            "evaluations", rows.to_pylist(), lambda row: evaluation_from_text(row["json"])
        )
        for row, evaluation in parsed:
            place = WindowKey(row["series"], row["name"], row["start"])
            self._stored[place] = digest_of(row["json"].encode())
            self.ends[place.series, place.name] = row["stop"]
            self._remember(place, evaluation)

    def history(self, series: int) -> EvaluationHistory:
        """Return the evaluations of a series; the dicts by start are replaced, never changed, when more come."""
        return self._history.get(series, {})

    def open(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were not closed when they were evaluated."""
        return [one for found in self.history(series).values() for one in found.values() if not one.closed]

    def closed(self, series: int) -> list[Evaluation]:
        """Return the evaluations of windows that were closed when they were evaluated."""
        return [one for found in self.history(series).values() for one in found.values() if one.closed]

    def put(self, series: int, evaluation: Evaluation) -> None:
        """Take in an evaluation; a closed one is stored by one of the next :meth:`write`.

        Whether its drift is an incident, and that of the windows after it, is found here: windows are evaluated in any
        order, the newest first. Of its slices what drifts is kept, no more.
        """
        evaluation.slices = {name: found.thinned() for name, found in evaluation.slices.items()}
        found = self._around(series, evaluation)
        start = evaluation.window.start
        before = recall_lasting(evaluation, [one for at, one in found.items() if at < start])
        previous = evaluation = follow(evaluation, before)
        self._take(series, evaluation)
        for at, later in found.items():
            if at > start:
                previous = follow(later, previous)
                known = previous.incident == later.incident and previous.objectives == later.objectives
                if known and same_lasting(previous.lasting, later.lasting):
                    break
                self._take(series, previous)
        self._warn(series, evaluation)

    def _around(self, series: int, evaluation: Evaluation) -> dict[int, Evaluation]:
        """Return the windows of a name, the oldest first: those in memory, and those in the table on which one builds.

        These are all from thirty windows before it on, where it is older than those in memory, or close behind.
        """
        name, start = evaluation.window.name, evaluation.window.start
        found = self.history(series).get(name, {})
        if len(found) < KEPT or any(remembers(one) for at, one in found.items() if at < start):
            return found
        oldest = next(iter(found))
        rows = read(
            self._connection,
            "SELECT json FROM evaluations WHERE series = ? AND name = ? AND start < ? AND start >= coalesce((SELECT"
            " min(start) FROM (SELECT DISTINCT start FROM evaluations WHERE series = ? AND name = ? AND start < ?"
            " ORDER BY start DESC LIMIT ?)), ?)"
            " QUALIFY row_number() OVER (PARTITION BY start ORDER BY believed DESC) = 1 ORDER BY start",
            *(series, name, oldest, series, name, min(start, oldest), REMEMBERED + 1, start),
        )
        parse = self._connection.unreadable.skipped
        parsed = parse("evaluations", rows.to_pylist(), lambda row: evaluation_from_text(row["json"]))
        earlier = {one.window.start: one for _, one in parsed}
        waiting = {place.start: one for place, one in self._unstored.items() if place[:2] == (series, name)}
        first = min(earlier, default=oldest)
        earlier |= {at: one for at, one in waiting.items() if first <= at < oldest}
        return dict(sorted(earlier.items())) | found

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
        place = WindowKey(series, evaluation.window.name, evaluation.window.start)
        self._remember(place, evaluation)
        if evaluation.closed:
            self._unstored[place] = evaluation

    def write(self, patient: bool) -> bool:
        """Store what is due inside the caller's transaction: windows that closed; restated ones once an hour.

        Return whether everything is stored now. ``patient``: False stores all at once.
        """
        now = self._clock()
        stored_at = max(now, self._last + 1)  # the newest evaluation of a window counts: no two at one time
        if not patient or now - self._restated >= RESTATED_EVERY:
            self._restated = now
            due = list(self._unstored)
        else:
            due = [place for place in self._unstored if place not in self._stored]
        rows = []
        for place in due:
            evaluation = self._unstored.pop(place)
            text = evaluation_to_text(evaluation)
            digest = digest_of(text.encode())
            if self._stored.get(place) != digest:
                self._stored[place] = digest
                rows.append({**place._asdict(), "stop": evaluation.window.end, "believed": stored_at, "json": text})
        if rows:
            self._last = stored_at
            insert(self._connection, "evaluations", pa.Table.from_pylist(rows))
        return not self._unstored

    def _remember(self, place: WindowKey, evaluation: Evaluation) -> None:
        history = self._history.setdefault(place.series, {})
        found = history.get(place.name, {})
        if found:
            share_arrays(evaluation, next(reversed(found.values())))
        whole = sorted({**found, place.start: evaluation}.items())
        history[place.name] = dict(whole[-KEPT:])
        for start, _ in whole[:-KEPT]:
            self._stored.pop(place._replace(start=start), None)


def forget_evaluations(connection: Connection, series: int, slice: str) -> tuple[int, I64]:
    """Delete the evaluations in which a slice is named; return the series and where their windows begin.

    Inside the caller's transaction. The windows are to be evaluated again.
    """
    named = json.dumps(slice)  # as it stands in the JSON
    found = read(
        connection, "SELECT DISTINCT start FROM evaluations WHERE series = ? AND contains(json, ?)", series, named
    )
    connection.execute("DELETE FROM evaluations WHERE series = ? AND contains(json, ?)", [series, named])
    return series, integers_of(found, "start")
