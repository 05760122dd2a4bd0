"""The facts of an evaluation as sections, laid out once for pages, terminal, notebook, report and API.

:mod:`.section` has the layout; :mod:`.drift`, :mod:`.performance`, :mod:`.data` and :mod:`.windows` make a section of
each fact. A new fact is a function there, and its place in :func:`sections_of`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.present.sections import data, drift, performance
from driftline_processor.present.sections.section import Section


def sections_of(
    evaluation: Evaluation, timezone: str, surfaces: Collection[str], history: Sequence[Evaluation] = ()
) -> Iterator[Section]:
    """Yield the sections of a window that have something to show on a surface, in their order.

    Args:
        evaluation: The window.
        timezone: By whose clock times are named.
        surfaces: Where they are shown; see :func:`.section.is_shown`.
        history: Windows up to it, oldest first, whose drift is drawn over time.
    """
    sections = (
        performance.performance(evaluation),
        performance.estimates(evaluation),
        performance.objectives(evaluation, timezone),
        drift.columns(evaluation, history),
        drift.why(evaluation),
        data.findings(evaluation),
        data.expectations(evaluation),
        drift.slices(evaluation),
        drift.joint(evaluation),
        performance.slices(evaluation),
        performance.weak_slices(evaluation.weak),
        performance.fairness(evaluation),
        performance.label_age(evaluation),
        performance.service(evaluation),
    )
    for section in sections:
        if (shown := section.on_surface(surfaces)) is not None:
            yield shown
