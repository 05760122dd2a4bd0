"""When the performance of a window counts, and why it does not yet.

Labels that come fast are not like those that come late: a fraud that is noticed within an hour is an obvious one. So a
window is *immature* until its outcomes had the time that they take (:mod:`.labels.outcome_delay`), and as long as too
few of them are known.
"""

from __future__ import annotations

from driftline_processor.core.evaluation import Evaluation, Maturity
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.wording import duration

from .settings import PerformanceSettings
from .window_outcomes import WindowOutcomes


def maturity(evaluation: Evaluation, known: WindowOutcomes, asked: PerformanceSettings) -> tuple[Maturity, str]:
    """Return the maturity of a window and, of an immature one, the reason as a sentence."""
    if not evaluation.closed:
        return "open", ""
    coverage = evaluation.coverage or 0.0
    if known.young:
        return "immature", f"its outcomes may still come: {_how_long(known.delay)}"
    if coverage < asked.min_coverage:
        return "immature", (
            f"the outcomes of {coverage * 100:.3g} % of its rows are known, less than the "
            f"{asked.min_coverage * 100:.3g} % it needs (min_coverage)"
        )
    return "mature", ""


def _how_long(delay: OutcomeDelay) -> str:
    if delay.source == "learned":
        return f"they take up to {duration(delay.nanoseconds)} (learned from {delay.outcomes:,})"
    return f"they may take {duration(delay.nanoseconds)} (outcome_delay)"
