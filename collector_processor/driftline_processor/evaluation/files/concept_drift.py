"""Concept drift of files: the errors of all rows in the order in which their outcomes came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.slices import OTHER, places_of, slice_name
from driftline.tables.table import F64, I64, Column, take_rows
from driftline.tables.task import Task
from numpy.typing import NDArray

from driftline_processor.core.concept import Settings, Stream, losses_of_rows, reference_loss
from driftline_processor.core.concept.detectors import DETECTORS, MISSING, check_names, installed
from driftline_processor.core.concept.losses import kind_of
from driftline_processor.core.concept.result import ConceptDrift
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

    Raises :class:`BadInput` where somebody names what is no detector, what cannot watch such errors, or River is not
    installed. Who names none asked for nothing: without River concept drift is unknown then.

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
    if not installed():
        raise BadInput(f"--concept: {MISSING}")
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
        return ConceptDrift("unknown", reason="no outcome has come")
    if not installed():
        return ConceptDrift("unknown", reason=MISSING)
    stream = Stream(kind, settings, reference_loss(baseline))
    told_of: list[NDArray[np.intp]] = []
    errors: list[F64] = []
    places: list[I64] = []
    times: list[I64] = []
    known: list[I64] = []
    for at, read in enumerate(reads):
        said = heard[at] if heard is not None else _of_rows(read)
        told = np.flatnonzero((said.place >= 0) & (np.True_ if read.usable is None else read.usable))
        heard_at = np.zeros(len(read), np.int64) if said.time is None else said.time
        time = heard_at if read.time is None else read.time
        predicted = None if read.predicted is None else take_rows(read.predicted, told)
        scores = None if read.scores is None else read.scores[told]
        errors.append(losses_of_rows(task, scores, predicted, take_rows(said.actual, told)))
        told_of.append(told)
        places.append(said.place[told])
        times.append(time[told])
        known.append((time if said.time is None else heard_at)[told])
        stream.corrected += said.corrected
    order = _order(np.concatenate(places), np.concatenate(times), apart=heard is not None)
    fed = np.concatenate(errors)[order], np.concatenate(times)[order], np.concatenate(known)[order]
    stream.feed(*fed)
    found: dict[str, ConceptDrift] = {}
    for key, values in (slices or {}).items():
        columns = zip(reads, told_of, strict=True)
        place = np.concatenate([places_of(r.slices.get(key), values, len(r))[told] for r, told in columns])[order]
        for at in np.unique(place[place >= 0]).tolist():
            own = Stream(kind, settings.of_slice, reference_loss(baseline))
            own.feed(*(of_all[place == at] for of_all in fed))
            found[slice_name(key, (*values, OTHER)[at])] = own.concept()
    return replace(stream.concept(), slices=dict(sorted(found.items())))


def _of_rows(read: FileRows) -> FirstOutcomes:
    """Return what happened stands beside what was predicted."""
    if read.actual is None:
        return FirstOutcomes(Column(), np.full(len(read), -1, np.int64))
    return FirstOutcomes(read.actual, np.arange(len(read)))


def _order(places: I64, times: I64, apart: bool) -> NDArray[np.intp]:
    return np.argsort(places if apart else times, kind="stable")
