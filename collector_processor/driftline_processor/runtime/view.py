"""What there is to see: the read side that pages, ``/api``, ``/metrics``, derived telemetry and ``top`` render."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from driftline.tables import F64, ModelKey, Task

from driftline_processor.core.concept.verdict import Concept
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.outcome_delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.versions import SideBySide

from .balance import Balance

ENOUGH = 30
"""Outcomes of a window from which on it is shown before an older one that has more."""


def has_performance(evaluation: Evaluation) -> bool:
    """Return whether any metric of a window is known."""
    return any(metric.value is not None for metric in evaluation.realized.values())


@dataclass(frozen=True, slots=True)
class BaselineView:
    """Which baseline is compared with. ``rows``: its reference rows; ``learned`` < ``needed`` while it is learning.

    ``own``: it was made for the model's own version. ``other_version``: else the one it was made for, "" = for any.
    """

    source: Literal["config", "event", "push", "provisional"]
    digest: str
    rows: int
    features: tuple[str, ...]
    learned: int = 0
    needed: int = 0
    own: bool = True
    other_version: str = ""


@dataclass(slots=True)
class ModelView:
    """One model, version and environment as of now.

    ``rows``: predictions kept; ``distributed``: those besides that are known from distributions only; ``first`` /
    ``last``: their event times; ``received``: wall time of the newest arrival, 0 where none has arrived (all unix ns).
    ``by_class``: weighted predictions per predicted class since the state began ("" where no class is
    known). ``duration``: as the pane part of that name. ``outcomes``: rows joined; ``pending``: outcomes of this model
    that found no prediction yet, ``pending_since``: when the oldest of them arrived, 0 = none waits. ``timezone``: the
    model's, in which its windows begin and end. ``outcome_delay``: how long its outcomes may take.
    ``balance``: rows that arrived against predictions that were counted, None where nothing counts them. ``windows``:
    window name → evaluations, oldest first; the last may be open.
    ``waiting``: how many of its windows wait to be evaluated: what is shown of them is older than their rows.
    ``concept``: whether its errors have become more, on the stream of its outcomes; None where nothing can or shall
    tell. ``versions``: the model's challengers beside its champion, the same for each of its versions.
    ``hints``: full sentences: what is missing, and what to do about it.
    """

    key: ModelKey
    task: Task
    rows: int
    first: int
    last: int
    received: int
    by_class: dict[str, float] = field(default_factory=dict)
    duration: F64 | None = None
    outcomes: int = 0
    pending: int = 0
    baseline: BaselineView | None = None
    watermark: int = 0
    timezone: str = "UTC"
    outcome_delay: OutcomeDelay = UNKNOWN_DELAY
    distributed: int = 0
    balance: Balance | None = None
    windows: dict[str, list[Evaluation]] = field(default_factory=dict)
    concept: Concept | None = None
    versions: tuple[SideBySide, ...] = ()
    pending_since: int = 0
    waiting: int = 0
    retired: bool = False
    """Its version gave its place to a new one (``limits.versions``), so that metrics speak of it no more."""
    hints: tuple[str, ...] = ()

    def mature(self, evaluation: Evaluation) -> bool:
        """Say whether the outcomes of a closed window have had their time to arrive, so that its performance counts."""
        had_time = self.outcome_delay.nanoseconds <= max(0, self.watermark - evaluation.window.end)
        had_time = had_time or self.outcome_delay.complete(evaluation.coverage)
        return evaluation.closed and had_time and evaluation.maturity == "mature"

    def measured(self, window: str) -> Evaluation | None:
        """Return the newest mature window with outcomes enough to tell how good the model is, else with any."""
        known = [one for one in self.windows.get(window, ()) if has_performance(one) and self.mature(one)]
        return next((one for one in reversed(known) if one.outcome_rows >= ENOUGH), known[-1] if known else None)


class View(Protocol):
    """Everything a reader may ask. Never blocks the way in."""

    def models(self) -> list[ModelView]:
        """All models, busiest first."""

    def hints(self) -> tuple[str, ...]:
        """Full sentences on what belongs to no model that has been seen: what is missing, and what to do about it."""

    def counters(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """The processor's own monotonic counters and gauges: (metric name, sorted labels) → value."""
