"""The facts of an evaluation as sections, laid out once for pages, terminal, notebook, report and API.

:mod:`.section` has the layout; :mod:`.drift`, :mod:`.performance`, :mod:`.data` and :mod:`.windows` create one
section per fact. A new fact is a function there and an entry in :func:`sections_of`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import structs

from driftline_processor.core.evaluation import Evaluation, newest_window
from driftline_processor.present.sections import data, drift, estimates, fairness, performance
from driftline_processor.present.sections.section import Section
from driftline_processor.present.sections.windows import windows
from driftline_processor.present.times import window_label


def sections_of(
    evaluation: Evaluation, timezone: str, surfaces: Collection[str], history: Sequence[Evaluation] = ()
) -> Iterator[Section]:
    """Yield the non-empty sections of a window on a surface, in their order.

    Args:
        evaluation: The window.
        timezone: Time zone of the times.
        surfaces: The surface; see :func:`.section.is_shown`.
        history: Windows up to this one, oldest first, for the drawing of drift over time.
    """
    sections = (
        performance.performance(evaluation),
        estimates.estimates(evaluation),
        performance.objectives(evaluation, timezone),
        drift.columns(evaluation, history),
        drift.why(evaluation),
        data.findings(evaluation),
        data.expectations(evaluation),
        drift.slices(evaluation),
        drift.joint(evaluation),
        drift.lasting(evaluation, timezone),
        performance.slices(evaluation),
        performance.weak_slices(evaluation.weak),
        fairness.fairness(evaluation),
        performance.label_age(evaluation),
        performance.service(evaluation),
        data.outcomes(evaluation),
        drift.statistics(evaluation, timezone),
        data.reference(evaluation, has_all_names="all" in surfaces),
    )
    for section in sections:
        if (visible := section.on_surface(surfaces)) is not None:
            yield visible


def sections_of_windows(
    evaluations: Sequence[Evaluation], timezone: str, surfaces: Collection[str]
) -> Iterator[Section]:
    """Yield the sections of the newest closed window, titled with its name, and all windows, newest first.

    The performance is that of the newest mature window.

    Args:
        evaluations: Windows of one length, oldest first.
        timezone: Time zone of the times.
        surfaces: The surface; see :func:`.section.is_shown`.
    """
    if not evaluations:
        return
    newest = newest_window(evaluations)
    best = measured_window(evaluations, newest)
    before = performance.performance(best).on_surface(surfaces) if best is not newest else None
    if before is not None:
        yield _named(before, best, timezone)
    for section in sections_of(newest, timezone, surfaces, evaluations):
        if before is None or section.key != before.key:
            yield _named(section, newest, timezone)
    every_window = windows(evaluations[::-1], timezone).on_surface(surfaces)
    yield from [] if every_window is None else [every_window]


def measured_window(evaluations: Sequence[Evaluation], newest: Evaluation) -> Evaluation:
    """Return the newest mature window with performance, else the newest with performance, else ``newest``."""
    measured = [evaluation for evaluation in evaluations if evaluation.realized]
    mature = [evaluation for evaluation in measured if evaluation.closed and evaluation.maturity == "mature"]
    return (mature or measured or [newest])[-1]


def _named(section: Section, evaluation: Evaluation, timezone: str) -> Section:
    """Return a section with the window's name in its note."""
    label = window_label(evaluation.window, timezone)
    return structs.replace(section, note=f"{label}, {section.note}" if section.note else label)
