"""Inputs of a verdict in addition to the evaluations of windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.outcomes.unknown import STRAYS, UnknownOutcomes
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import Window

FEW = 0.1
"""Fraction of a window's rows with an outcome below which unknown outcomes are the reason."""


def lacks_outcomes(evaluation: Evaluation) -> bool:
    """Return True if nearly no outcome of a window is known, unless it is closed and more are expected."""
    return not (evaluation.closed and evaluation.young) and evaluation.outcome_rows < FEW * evaluation.rows


class VerdictContext(Struct, frozen=True):
    """Facts about a model in addition to its windows.

    Attributes:
        concept: Whether errors rose along the stream of outcomes; None if not tested.
        versions: Comparisons of challengers with the champion.
        timezone: Time zone of dates in sentences, an IANA name.
        coming: Windows that are still open, or wait for their outcomes.
        unknown: Newest outcomes of the model that cannot be used, by their reason.
        same: Fraction of the rows that are rows of the baseline.
        provisional: Whether the baseline was learned from the model's own first rows.
        lag: Nanoseconds from the event time at which a window closes until it has closed, by the clock.
    """

    concept: ConceptDrift | None = None
    versions: Sequence[SideBySide] = ()
    timezone: str = "UTC"
    coming: Sequence[Window] = ()
    unknown: Sequence[UnknownOutcomes] = ()
    same: float = 0.0
    provisional: bool = False
    lag: int = 0

    @property
    def has_same_rows(self) -> bool:
        """True if most rows are rows of the baseline, so that nothing can have changed in them."""
        return self.same > 0.5

    def unknown_outcomes(self, evaluation: Evaluation) -> UnknownOutcomes | None:
        """Return why nearly all outcomes of a window are unknown; None if it has some, or few arrived."""
        most = max(self.unknown, key=lambda unknown: unknown.rows, default=None)
        enough = most is not None and most.rows >= max(STRAYS, FEW * evaluation.rows)
        return most if enough and lacks_outcomes(evaluation) else None


def coming_windows(evaluations: Iterable[Evaluation]) -> tuple[Window, ...]:
    """Return the windows that are still open, or wait for their outcomes."""
    return tuple(
        dict.fromkeys(evaluation.window for evaluation in evaluations if not evaluation.closed or evaluation.young)
    )


NO_CONTEXT = VerdictContext()
"""Empty context."""
