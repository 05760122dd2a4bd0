"""Concept drift of files: the errors of all rows in the order in which their outcomes came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import places_of
from driftline.tables.table import I64, Column, take_rows
from driftline.tables.task import Task

from driftline_processor.core.concept import Settings, losses_of_rows, reference_loss
from driftline_processor.core.concept.detectors import DETECTORS, check_names
from driftline_processor.core.concept.losses import kind_of
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.concept.stream import NO_OUTCOME, WHOLE, FirstLosses, ModelStreams, concept_of
from driftline_processor.core.performance.reference import level_of_errors
from driftline_processor.readers.errors import BadInput
from driftline_processor.readers.prediction_rows import FileRows


@dataclass(frozen=True, slots=True)
class FirstOutcomes:
    """What came first of n rows: ``actual``, and its place in the order of arrival, int64 (n,), -1 = nothing came.

    ``time``: of the outcome, int64 (n,) in unix nanoseconds; None where outcomes have no time. ``corrected``: of how
    many rows a later outcome says something else.
    """

    actual: Column
    place: I64
    time: I64 | None = None
    corrected: int = 0


def detectors_of(said: str, task: Task) -> tuple[str, ...]:
    """Read ``--concept``: names with commas, the first decides; "none" for none; else ADWIN.

    Raises :class:`BadInput` where somebody names what is no detector, or what cannot watch such errors.

    >>> detectors_of("ddm,adwin", Task("binary")), detectors_of("none", Task("binary"))
    (('ddm', 'adwin'), ())
    """
    names = tuple(name.strip() for name in said.split(",") if name.strip())
    if not names or names == ("none",):
        return () if names else Settings().detectors
    try:
        check_names(names)
    except ValueError as error:
        raise BadInput(f"--concept: {error}") from None
    kind = kind_of(task)
    if kind is None:
        raise BadInput(f"--concept: a {task.kind or 'model without a task'} has no errors that could be watched")
    for name in names:
        if kind not in DETECTORS[name].kinds:
            fit = ", ".join(other for other, detector in DETECTORS.items() if kind in detector.kinds)
            raise BadInput(f"--concept: {name} does not watch the errors of a {task.kind}; there are {fit}")
    return names


def detect_concept_drift(
    reads: Sequence[FileRows],
    heard: Sequence[FirstOutcomes] | None,
    baseline: Baseline,
    settings: Settings,
    slices: Mapping[str, Sequence[str]] | None = None,
) -> ConceptDrift | None:
    """Tell concept drift over all rows; ``heard``: per file, where outcomes came apart.

    ``slices``: key → its values that are told apart, each watched by itself, too.

    The order is that of the outcomes' times, else of their lines; where the rows have their actual values themselves,
    that of the rows' times, else of their lines. None where a task has no errors.
    """
    task, kind = baseline.task, kind_of(baseline.task)
    if kind is None or not settings.detectors:
        return None
    if heard is None and all(read.actual is None for read in reads):
        return NO_OUTCOME
    known = slices or {}
    streams = ModelStreams(kind, settings, reference_loss(baseline), level=level_of_errors(baseline))
    orders, losses = list[I64](), list[FirstLosses]()
    for at, read in enumerate(reads):
        first = heard[at] if heard is not None else _of_rows(read)
        came = np.flatnonzero((first.place >= 0) & (np.True_ if read.usable is None else read.usable))
        outcome_time = np.zeros(len(read), np.int64) if first.time is None else first.time
        time = outcome_time if read.time is None else read.time
        predicted = None if read.predicted is None else take_rows(read.predicted, came)
        scores = None if read.scores is None else read.scores[came]
        values = losses_of_rows(task, scores, predicted, take_rows(first.actual, came))
        places = {key: places_of(read.slices.get(key), known[key], len(read))[came] for key in known}
        when = (time if first.time is None else outcome_time)[came]
        losses.append(FirstLosses(values, time[came], when, places))
        orders.append((first.place if heard is not None else time)[came])
        streams.stream(WHOLE).corrected += first.corrected
    values, times, outcome_times = (np.concatenate([part[column] for part in losses]) for column in range(3))
    every = {key: np.concatenate([part.places[key] for part in losses]) for key in known}
    together = FirstLosses(values, times, outcome_times, every).take(np.argsort(np.concatenate(orders), kind="stable"))
    for name, part in together.by_slice(known):
        streams.feed(name, part)
    return concept_of(streams.streams)


def _of_rows(read: FileRows) -> FirstOutcomes:
    """Return what happened stands beside what was predicted."""
    if read.actual is None:
        return FirstOutcomes(Column(), np.full(len(read), -1, np.int64))
    return FirstOutcomes(read.actual, np.arange(len(read)))
