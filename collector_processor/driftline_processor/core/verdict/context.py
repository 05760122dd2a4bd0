"""Inputs of a verdict in addition to the evaluations of windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import Window


class VerdictContext(Struct, frozen=True):
    """Facts about a model in addition to its windows.

    Attributes:
        concept: Whether errors rose along the stream of outcomes; None if not tested.
        versions: Comparisons of challengers with the champion.
        timezone: Time zone of dates in sentences, an IANA name.
        coming: Windows that are still open, or wait for their outcomes.
    """

    concept: ConceptDrift | None = None
    versions: Sequence[SideBySide] = ()
    timezone: str = "UTC"
    coming: Sequence[Window] = ()


def coming_windows(evaluations: Iterable[Evaluation]) -> tuple[Window, ...]:
    """Return the windows that are still open, or wait for their outcomes."""
    return tuple(
        dict.fromkeys(evaluation.window for evaluation in evaluations if not evaluation.closed or evaluation.young)
    )


NO_CONTEXT = VerdictContext()
"""Empty context."""
