"""One model as pages, the API, policies and exporters show it, and the verdict over its versions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from driftline.baseline.baseline import Baseline
from driftline.tables.table import F64, ModelKey
from driftline.tables.task import Task
from msgspec import Struct, field

from driftline_processor.core.business import BusinessSeries
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.decode.training_runs import TrainingRun
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.verdict import ModelPart, fold_verdicts, order_of_need, parts_in_use
from driftline_processor.core.versions import SideBySide
from driftline_processor.ingest.completeness import Balance
from driftline_processor.store.baselines import NEEDED, ActiveBaseline

from .interruptions import Interruption


def has_performance(evaluation: Evaluation) -> bool:
    """Return True where any metric of a window is known."""
    return any(metric.value is not None for metric in evaluation.realized.values())


class BaselineView(Struct, frozen=True):
    """The baseline that windows are compared with.

    Attributes:
        rows: Its reference rows; ``learned`` < ``needed`` while it is learning.
        importance: Feature → its share of the importance to the model; empty where that is unknown.
        own: It was made for the model's own version.
        other_version: Else the one it was made for, "" = for any.
        until: Time of its newest row, unix nanoseconds; None where its rows have no times.
    """

    source: Literal["config", "event", "push", "provisional"]
    digest: str
    rows: int
    features: tuple[str, ...]
    learned: int = 0
    needed: int = 0
    own: bool = True
    other_version: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)
    until: int | None = None


class ModelView(Struct):
    """One model, version and environment, as of the moment of its snapshot.

    Attributes:
        rows: Predictions kept.
        first: Their event times.
        last: Their event times.
        received: Wall time of the newest arrival, 0 where none has arrived (all unix ns).
        by_class: Weighted predictions per predicted class since the state began ("" where no class is known).
        duration: As the pane part of that name.
        by_error: Weight of failed calls per error type.
        outcomes: Rows joined.
        pending: Outcomes of this model that found no prediction yet, ``pending_since``: when the oldest of them
            arrived, 0 = none waits.
        timezone: The model's, in which its windows begin and end.
        outcome_delay: How long its outcomes may take.
        distributed: Those besides that are known from distributions only.
        balance: Rows that arrived against predictions that were counted, None where nothing counts them.
        windows: Window name → evaluations, oldest first; the last may be open.
        concept: True where its errors have become more, on the stream of its outcomes; None where nothing can or shall
            tell.
        versions: The model's challengers beside its champion, the same for each of its versions.
        waiting: How many of its windows were touched since they were evaluated: what is shown of them is older.
        pending_windows: How many of those are past windows, or live ones that wait too long.
        verdict: Whether it is still right; None where nothing of it has been judged.
        shadow: Nobody acts on its predictions.
        in_use: Its verdict counts for the model: it is no shadow, and no other version has taken over its traffic.
        hints: Full sentences: what is missing, and what to do about it.
        team: Who answers for the model; "" where nobody said.
        tier: How much depends on the model, 1 (most) to 3; None where nobody said.
        interruptions: When it was silent, or its windows waited too long, the oldest first.
        currency: The currency of costs and values; "" where nobody named one, and nothing is said of money.
        training_runs: Those of all its versions, whatever their environment, the oldest first.
        business: What the company counts beside it; its windows know their values.
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
    """Its version gave its place to a new one (``limits.versions``), so that metrics speak of it no more."""
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

    def mature(self, evaluation: Evaluation) -> bool:
        """Return True where the outcomes of a closed window have had their time, so that its performance counts."""
        had_time = self.outcome_delay.nanoseconds <= max(0, self.watermark - evaluation.window.end)
        had_time = had_time or self.outcome_delay.complete(evaluation.coverage)
        return evaluation.closed and had_time and evaluation.maturity == "mature"

    def measured(self, window: str) -> Evaluation | None:
        """Return the newest mature window with outcomes enough to tell how good the model is, else with any."""
        newest = None
        for evaluation in reversed(self.windows.get(window, ())):
            if has_performance(evaluation) and self.mature(evaluation):
                # 30: outcomes of a window from which on it is shown before an older one that has more
                if evaluation.outcome_rows >= 30:
                    return evaluation
                newest = newest or evaluation
        return newest


def verdict_of(models: Iterable[ModelView]) -> Verdict | None:
    """Return the one verdict of the versions and environments of a model; None where none of them has any."""
    return fold_verdicts(
        part_of_model(model.key, model.windows, model.verdict, model.shadow)
        for model in models
        if model.in_use and model.verdict is not None
    )


def leading_model(models: Sequence[ModelView]) -> ModelView:
    """Return the one of versions and environments that the verdict of their model is about; else the busiest."""
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
    """Return what counts of a version in an environment for the verdict of its model."""
    closed = (
        next((evaluation for evaluation in reversed(window) if evaluation.closed), None) for window in windows.values()
    )
    newest = max(
        filter(None, closed), key=lambda evaluation: (evaluation.window.end, evaluation.window.start), default=None
    )
    rows, start, end = (0, None, None) if newest is None else (newest.rows, newest.window.start, newest.window.end)
    return ModelPart(key, verdict, rows, start, end, answers=not shadow)


def baseline_view(key: ModelKey, in_force: ActiveBaseline | None, learned: int) -> BaselineView | None:
    """Return what is shown of the baseline of a series; ``learned``: rows that are kept to learn one."""
    if in_force is None:
        return BaselineView("provisional", "", 0, (), learned, NEEDED) if learned else None
    baseline = in_force.baseline
    is_own, features = baseline.version == key.version, tuple(baseline.bins.features)
    other_version = "" if is_own else baseline.version
    return BaselineView(
        *(in_force.source, baseline.digest, baseline.pane.rows, features),
        own=is_own,
        other_version=other_version,
        importance=importance_of(baseline),
        until=None if baseline.extras.period is None else baseline.extras.period.last,
    )


def importance_of(baseline: Baseline) -> Mapping[str, float]:
    """Return feature → its share of the importance to the model, as the baseline knows it; empty where it does not."""
    importance = baseline.extras.importance
    return (importance.shares(baseline.bins.features) if importance is not None else None) or {}
