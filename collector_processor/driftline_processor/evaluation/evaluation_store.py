"""The evaluations of all windows: the latest of each in memory, every one of a closed window in the store as text.

Open windows are in memory only. A window that closes is stored at once, with the time. A window that late rows or
outcomes restate is stored again within the hour: a month of daily windows that labels touch every second then costs
megabytes a day, not gigabytes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from driftline.tables.table import F64, I64, ModelKey
from pydantic import TypeAdapter

from driftline_processor.core.evaluation import (
    Cause,
    Change,
    Curve,
    Delay,
    DriftContributor,
    Estimate,
    Evaluation,
    Expected,
    Explanation,
    Fairness,
    FastLabels,
    Finding,
    JointDrift,
    MethodValue,
    MetricValue,
    ObjectiveState,
    SlaResult,
    SliceDrift,
    SlicePerformance,
    TargetDrift,
    TrackRecord,
    WeakSearch,
)
from driftline_processor.core.performance.objective import newest_objectives, overdue
from driftline_processor.core.windows.window import Window
from driftline_processor.ingest.deduplication import digest_of
from driftline_processor.store.arrow_tables import integers_of
from driftline_processor.store.database import Connection, insert, number, read

from .judge import follow

_SLICES = TypeAdapter(dict[str, SlicePerformance])
_WEAK = TypeAdapter(WeakSearch | None)
_FAIRNESS = TypeAdapter(tuple[Fairness, ...])


def evaluation_to_text(evaluation: Evaluation) -> str:
    """Write an evaluation as JSON that :func:`evaluation_from_text` reads back whole; equal evaluations are equal
    texts.
    """
    return json.dumps(asdict(evaluation), default=_plain, separators=(",", ":"))


def evaluation_from_text(text: str) -> Evaluation:
    """Read what :func:`evaluation_to_text` wrote."""
    said = json.loads(text)
    return Evaluation(
        key=ModelKey(**said["key"]),
        window=Window(**said["window"]),
        rows=said["rows"],
        closed=said["closed"],
        distributed=said.get("distributed", 0),  # older evaluations have none
        features={name: _target(target) for name, target in said["features"].items()},
        score=_target_or_none(said["score"]),
        predicted=_target_or_none(said["predicted"]),
        share=said["share"],
        weighted_share=said.get("weighted_share"),
        incident=said.get("incident", {}),
        realized={name: MetricValue(**metric) for name, metric in said["realized"].items()},
        reference={name: MetricValue(**metric) for name, metric in said["reference"].items()},
        outcome_rows=said["outcome_rows"],
        coverage=said["coverage"],
        missing_features=tuple(said["missing_features"]),
        new_features=tuple(said["new_features"]),
        findings=tuple(Finding(**{**one, "features": tuple(one["features"])}) for one in said.get("findings", ())),
        baseline_version=said.get("baseline_version"),
        compared=said.get("compared", ""),
        joint={name: _joint(one) for name, one in said.get("joint", {}).items()},
        slices={name: _slice(one) for name, one in said.get("slices", {}).items()},
        expected=tuple(Expected(**one) for one in said.get("expected", ())),
        explanation=None if said.get("explanation") is None else _explanation(said["explanation"]),
        maturity=said.get("maturity", "mature"),
        estimated={
            name: Estimate(**{**one, "record": TrackRecord(**one["record"])})
            for name, one in said.get("estimated", {}).items()
        },
        performance_slices=_SLICES.validate_python(said.get("performance_slices", {})),
        ages=_SLICES.validate_python(said.get("ages", {})),
        fast_labels=None if said.get("fast_labels") is None else FastLabels(**said["fast_labels"]),
        weak=_WEAK.validate_python(said.get("weak")),
        fairness=_FAIRNESS.validate_python(said.get("fairness", ())),
        curves={name: _curve(one) for name, one in said.get("curves", {}).items()},
        confusion=_array_or_none(said.get("confusion")),
        immature=said.get("immature", ""),
        unreviewed=said.get("unreviewed", {}),
        young=said.get("young", False),
        objectives=tuple(ObjectiveState(**one) for one in said.get("objectives", ())),
        delay=None if said.get("delay") is None else Delay(**said["delay"]),
        label_sla=None if said.get("label_sla") is None else SlaResult(**said["label_sla"]),
    )


def share_arrays(evaluation: Evaluation, other: Evaluation) -> None:
    """Let an evaluation hold the labels and reference shares of another where they are equal: half of its memory."""
    for name, target in evaluation.features.items():
        like = other.features.get(name)
        if like is not None and like.cells == target.cells and np.array_equal(_or_none(like.was), _or_none(target.was)):
            evaluation.features[name] = replace(target, cells=like.cells, was=like.was)


def _or_none(values: F64 | None) -> F64:
    return np.empty(0) if values is None else values


def _curve(said: dict[str, Any]) -> Curve:
    points = np.array(said["points"], dtype=np.float64).reshape(-1, 2)
    limits = None if said.get("limits") is None else np.array(said["limits"], np.float64).reshape(-1, 2)
    return Curve(said["x"], said["y"], points, _array_or_none(said["weight"]), limits)


def _array_or_none(values: list[Any] | None) -> F64 | None:
    return None if values is None else np.array(values, dtype=np.float64)


def _target(said: dict[str, Any]) -> TargetDrift:
    return TargetDrift(
        **{
            **said,
            "methods": {name: MethodValue(**method) for name, method in said["methods"].items()},
            "cells": tuple(said["cells"]),
            "blocks": None if said.get("blocks") is None else tuple(said["blocks"]),
            "was": _array_or_none(said["was"]),
            "now": _array_or_none(said["now"]),
        }
    )


def _slice(said: dict[str, Any]) -> SliceDrift:
    targets = {name: _target_or_none(said[name]) for name in ("score", "predicted")}
    return SliceDrift(**{**said, **targets, "features": {name: _target(one) for name, one in said["features"].items()}})


def _joint(said: dict[str, Any]) -> JointDrift:
    told = tuple(DriftContributor(**{**one, "features": tuple(one["features"])}) for one in said["told"])
    return JointDrift(**{**said, "told": told})


def _target_or_none(said: dict[str, Any] | None) -> TargetDrift | None:
    return None if said is None else _target(said)


def _explanation(said: dict[str, Any]) -> Explanation:
    causes = tuple(
        Cause(
            **{
                **one,
                "features": tuple(one["features"]),
                "changes": tuple(Change(**change) for change in one["changes"]),
            }
        )
        for one in said["causes"]
    )
    return Explanation(**{**said, "causes": causes})


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
    """Which window of which series."""

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
        found = self.history(series).get(evaluation.window.name, {})
        starts = [start for start in found if start < evaluation.window.start]
        before = found[starts[-1]] if starts else None
        evaluation = follow(evaluation, before)
        self._take(series, evaluation)
        previous = evaluation
        for start, later in found.items():
            if start > evaluation.window.start:
                previous = follow(later, previous)
                if previous.incident == later.incident and previous.objectives == later.objectives:
                    break
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
