"""One model as pages, API, policies and exporters show it, and the verdict over its versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from driftline.baseline.baseline import Baseline
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.core import facts
from driftline_processor.core.business import BusinessSeries
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.evaluation import Evaluation, Verdict, newest_closed
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.pane_source import PaneSource
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.parts import ModelPart, fold_verdicts, order_of_need, parts_in_use
from driftline_processor.core.verdict.record import NO_RECORD, Record
from driftline_processor.core.verdict.trailing_periods import trailing_periods
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.ingest.completeness import Balance
from driftline_processor.store.baselines import NEEDED, ActiveBaseline

from .interruptions import Interruption

ENOUGH_OUTCOMES = 30
"""Outcomes from which a window is preferred to an older one: fewer have intervals that show nothing."""


def has_performance(evaluation: Evaluation) -> bool:
    """Return True if any metric of a window is known."""
    return any(metric.value is not None for metric in evaluation.realized.values())


class BaselineView(Struct, frozen=True):
    """The active baseline.

    Attributes:
        rows: Its reference rows; ``learned`` < ``needed`` while it is being learned.
        importance: Feature → its fraction of the total importance; empty if unknown.
        is_own: Whether it was built for the model's version.
        other_version: Otherwise the version it was built for, "" = any.
        until: Time of its newest row, unix nanoseconds; None if its rows have no times.
    """

    source: Literal["config", "event", "push", "provisional"]
    digest: str
    rows: int
    features: tuple[str, ...]
    learned: int = 0
    needed: int = 0
    is_own: bool = True
    other_version: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)
    until: int | None = None


class ModelView(Struct):
    """One model, version and environment at the time of its snapshot.

    Attributes:
        rows: Number of stored predictions, and of rows in panes of batch jobs.
        first: Event time of the first prediction.
        last: Event time of the last prediction.
        received: Wall time of the newest arrival, 0 without arrivals (all in unix nanoseconds).
        by_class: Weighted predictions per predicted class since the state began ("" = unknown class).
        duration: As the pane part of that name.
        by_error: Weight of failed calls per error type.
        outcomes: Number of joined rows, and of rows with an outcome in panes of batch jobs.
            pending: Outcomes of this model without a prediction, ``pending_since``: when the oldest of them
            arrived, 0 = none.
        timezone: Time zone of the model's windows.
        outcome_delay: Maximum delay of its outcomes.
        distributed: Number of predictions that are known from distributions only.
        balance: Rows that arrived compared with predictions that were counted, None without counts.
        windows: Window name → evaluations, oldest first; the last may be open.
        concept: Concept drift in the stream of its outcomes; None if unknown or disabled.
        versions: Comparison of the model's challengers with its champion, the same for each version.
        waiting: Number of its windows that changed since their evaluation.
        pending_windows: Number of those that are past windows, or live windows that wait too long.
        verdict: Its verdict; None if nothing has been evaluated.
        record: Its verdicts as of the end of each closed window; by default that of the windows.
        shadow: Whether its predictions are not acted on.
            in_use: Whether its verdict counts for the model: it is not a shadow, and no other version has taken
            over its traffic.
        hints: Sentences on missing settings and data with the fix.
        team: Team that owns the model; "" if not configured.
        tier: Tier of the model, 1 (most critical) to 3; None if not configured.
        interruptions: Periods without data or with a lag, oldest first.
        currency: Currency of costs and values; "" = money is not shown.
        training_runs: Runs of all its versions in all environments, oldest first.
        business: Its business series; their values are in the windows.
        rows_elsewhere: Whether another processor may have rows that were counted.
        predictions_elsewhere: Whether another processor may have the predictions of its pending outcomes.
        pane_sources: Batch jobs that wrote panes of it, the newest first.
    """

    key: ModelKey
    task: Task
    rows: int
    first: int
    last: int
    received: int
    by_class: dict[str, float] = field(default_factory=dict)
    duration: F64 | None = None
    by_error: Mapping[str, float] = field(default_factory=dict)
    outcomes: int = 0
    pending: int = 0
    baseline: BaselineView | None = None
    watermark: int = 0
    timezone: str = "UTC"
    outcome_delay: OutcomeDelay = UNKNOWN_DELAY
    distributed: int = 0
    balance: Balance | None = None
    windows: dict[str, list[Evaluation]] = field(default_factory=dict)
    concept: ConceptDrift | None = None
    versions: tuple[SideBySide, ...] = ()
    pending_since: int = 0
    waiting: int = 0
    pending_windows: int = 0
    retired: bool = False
    """Whether a newer version took its slot (``limits.versions``), so that metrics leave it out."""
    hints: tuple[str, ...] = ()
    verdict: Verdict | None = None
    shadow: bool = False
    in_use: bool = True
    team: str = ""
    tier: int | None = None
    interruptions: tuple[Interruption, ...] = ()
    currency: str = ""
    training_runs: tuple[TrainingRun, ...] = ()
    business: tuple[BusinessSeries, ...] = ()
    rows_elsewhere: bool = False
    predictions_elsewhere: bool = False
    record: Record = NO_RECORD
    pane_sources: tuple[PaneSource, ...] = ()

    def __post_init__(self) -> None:
        """Take the record of the windows, unless another one is given."""
        if self.record is NO_RECORD:
            closed = (one for windows in self.windows.values() for one in windows if one.closed)
            self.record = Record(closed, VerdictContext(versions=self.versions, timezone=self.timezone))

    def mature(self, evaluation: Evaluation) -> bool:
        """Return True if a closed window is mature: its outcomes have had enough time to count."""
        had_time = self.outcome_delay.nanoseconds <= max(0, self.watermark - evaluation.window.end)
        had_time = had_time or self.outcome_delay.complete(evaluation.coverage)
        return evaluation.closed and had_time and evaluation.maturity == "mature"

    def deciding_window(self) -> Evaluation | None:
        """Return the window that the verdict is about, or the days that show it together; None if unknown."""
        verdict = self.verdict
        if verdict is None or verdict.window_start is None:
            return None
        windows: Iterable[Evaluation] = (one for of_length in self.windows.values() for one in of_length)
        if any(isinstance(one, facts.DaysTogether) for one in verdict.certainty):
            closed = (one for one in windows if one.closed)
            windows = trailing_periods(sorted(closed, key=lambda one: one.window.end)).windows
        own = (verdict.window_start, verdict.window_end)
        return next((one for one in windows if (one.window.start, one.window.end) == own), None)

    def with_verdicts(self, windows: Iterable[Evaluation]) -> list[Evaluation]:
        """Return windows with the verdict as of the end of each; open ones have the current verdict."""
        return self.record.with_verdicts(windows, self.verdict)

    def measured(self, window: str) -> Evaluation | None:
        """Return the newest mature window with enough outcomes, else with any outcomes."""
        newest = None
        for evaluation in reversed(self.windows.get(window, ())):
            if has_performance(evaluation) and self.mature(evaluation):
                if evaluation.outcome_rows >= ENOUGH_OUTCOMES:
                    return evaluation
                newest = newest or evaluation
        return newest


def verdict_of(models: Iterable[ModelView]) -> Verdict | None:
    """Return the overall verdict of the versions and environments of a model; None if there is none."""
    return fold_verdicts(
        part_of_model(model.key, model.windows, model.verdict, model.shadow)
        for model in models
        if model.in_use and model.verdict is not None
    )


def leading_model(models: Sequence[ModelView]) -> ModelView:
    """Return the version and environment of the model's verdict; else the busiest."""
    parts = [
        (part_of_model(model.key, model.windows, model.verdict, model.shadow), model)
        for model in models
        if model.in_use and model.verdict is not None
    ]
    counted = {part.key for part in parts_in_use(part for part, _ in parts)}
    leading = [(part, view) for part, view in parts if part.key in counted]
    if leading:
        return min(leading, key=lambda pair: order_of_need(pair[0]))[1]
    return max(models, key=lambda view: view.rows + view.distributed)


def part_of_model(
    key: ModelKey, windows: Mapping[str, Sequence[Evaluation]], verdict: Verdict, shadow: bool
) -> ModelPart:
    """Return the input of a version in an environment for the verdict of its model."""
    closed = map(newest_closed, windows.values())
    newest = max(
        filter(None, closed), key=lambda evaluation: (evaluation.window.end, evaluation.window.start), default=None
    )
    rows, start, end = (0, None, None) if newest is None else (newest.rows, newest.window.start, newest.window.end)
    return ModelPart(key, verdict, rows, start, end, answers=not shadow)


def baseline_view(key: ModelKey, in_force: ActiveBaseline | None, learned: int) -> BaselineView | None:
    """Return the view of a series' baseline; ``learned``: number of rows of a baseline that is being learned."""
    if in_force is None:
        return BaselineView("provisional", "", 0, (), learned, NEEDED) if learned else None
    baseline = in_force.baseline
    is_own, features = baseline.version == key.version, tuple(baseline.bins.features)
    other_version = "" if is_own else baseline.version
    return BaselineView(
        *(in_force.source, baseline.digest, baseline.pane.rows, features),
        is_own=is_own,
        other_version=other_version,
        importance=importance_of(baseline),
        until=None if baseline.extras.period is None else baseline.extras.period.last,
    )


def importance_of(baseline: Baseline) -> Mapping[str, float]:
    """Return feature → its fraction of the total importance in the baseline; empty if unknown."""
    importance = baseline.extras.importance
    return (importance.shares(baseline.bins.features) if importance is not None else None) or {}
