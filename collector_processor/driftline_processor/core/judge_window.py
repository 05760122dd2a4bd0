"""Evaluate windows of a model against their references: the one path from sums to an Evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from driftline.panes.pane import Pane
from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from msgspec import Struct

from driftline_processor.core import facts
from driftline_processor.core.change import evidence_of_window, is_faulty, kind_of_change, kind_of_loss, window_fit
from driftline_processor.core.drift.incident import columns
from driftline_processor.core.drift.lasting import lasting_sums
from driftline_processor.core.drift.multivariate_rule import drift_together
from driftline_processor.core.drift.normal_variation import rows_of_a_block, share_designs
from driftline_processor.core.drift.reference import effective
from driftline_processor.core.drift.rule import Rules, weighted_fraction
from driftline_processor.core.drift.slices import WHOLE, SlicedDrift, SlicedWindow, drift_of_windows
from driftline_processor.core.estimate.estimator import estimate_metrics, explain_label_shift
from driftline_processor.core.estimate.label_shift import LEVEL as SHIFT_LEVEL
from driftline_processor.core.estimate.track_record import estimated_changes
from driftline_processor.core.expectations.judge import judge_expectations
from driftline_processor.core.outcomes.coverage import DISTRIBUTED, coverage_of
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.positive_class import positive_words
from driftline_processor.core.performance.realized import realized
from driftline_processor.core.quality.checks.missing import UNKNOWN, unknown_features
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.rolling import is_rolling
from driftline_processor.core.windows.window import Window

from .evaluation import ColumnDrift, Evaluation, SliceChange
from .explain.causes import ExplainInput, explain, locate_findings
from .model_settings import DEFAULTS, ModelSettings
from .quality.judge import quality
from .window_context import NO_CONTEXT, WindowContext


class ModelWindow(Struct, frozen=True):
    """One window of one model.

    Attributes:
        key: The model, version and environment.
        window: The window.
        pane: The sums of its rows, over the bins of the reference, and of their outcomes.
        closed: Whether no more rows are expected.
        task: The task of the model; None = that of the reference.
    """

    key: ModelKey
    window: Window
    pane: Pane
    closed: bool = True
    task: Task | None = None


class AskedWindow(NamedTuple):
    """A window to evaluate.

    Attributes:
        window: The window.
        reference: The reference that the rows are compared with; None: performance and expectations only.
        context: Inputs in addition to the sums of the window.
        settings: Settings of the model.
        before: Its evaluation from the same rows and the same reference, before outcomes arrived; None: rows changed.
    """

    window: ModelWindow
    reference: Reference | None = None
    context: WindowContext = NO_CONTEXT
    settings: ModelSettings = DEFAULTS
    before: Evaluation | None = None


OF_ROWS = (
    "features",
    "score",
    "predicted",
    "fraction",
    "weighted_fraction",
    "missing_features",
    "new_features",
    "findings",
    "compared",
    "rolling_drift",
    "joint",
    "slices",
    "explanation",
)
"""Fields of an evaluation that depend on rows and reference only, so that outcomes do not change them."""


def judge_window(
    window: ModelWindow,
    reference: Reference | None = None,
    context: WindowContext = NO_CONTEXT,
    settings: ModelSettings = DEFAULTS,
) -> Evaluation:
    """Evaluate a window: performance, expectations, drift, data quality and likely causes.

    Args:
        window: The window.
        reference: The reference that the rows are compared with; None: performance and expectations only.
        context: Inputs in addition to the sums of the window.
        settings: Settings of the model.
    """
    return judge_windows([AskedWindow(window, reference, context, settings)])[0]


def judge_windows(windows: Sequence[AskedWindow]) -> list[Evaluation]:
    """Evaluate windows independently; the features of all windows are compared in one pass."""
    evaluations = [_performance(window) for window in windows]
    compared = [
        (_Compared(window.window, window.reference, window.context, window.settings, evaluation), window.before)
        for window, evaluation in zip(windows, evaluations, strict=True)
        if window.reference is not None
    ]
    changed = [window for window, before in compared if before is None]
    drifts = drift_of_windows([window.sliced() for window in changed])
    for window, drift in zip(changed, drifts, strict=True):
        _compare(window, drift)
    for window, before in compared:
        if before is not None:
            for name in OF_ROWS:
                setattr(window.evaluation, name, getattr(before, name))
        _conclude(window)
    return evaluations


class _Compared(NamedTuple):
    """A window with its reference, and its evaluation so far."""

    window: ModelWindow
    reference: Reference
    context: WindowContext
    settings: ModelSettings
    evaluation: Evaluation

    @property
    def span(self) -> int:
        """Length of the window, nanoseconds."""
        return self.window.window.end - self.window.window.start

    def sliced(self) -> SlicedWindow:
        """Return the window with its slices."""
        rules = Rules(self.settings.min_effect, self.settings.choices, self.reference.shift)
        slices = {name: sliced.pane for name, sliced in self.context.slices.items()}
        baseline, seasonal = self.reference.baseline, self.reference.seasonal
        return SlicedWindow(self.window.pane, baseline, slices, rules, self.span, seasonal)


def _performance(asked_window: AskedWindow) -> Evaluation:
    """Evaluate what needs no comparison of features: performance, its estimate, and expectations."""
    window, reference, context, settings, before = asked_window
    pane, outcomes = window.pane, context.outcomes
    baseline = None if reference is None else reference.baseline
    task = window.task or (baseline.task if baseline is not None else None)
    evaluation = Evaluation(key=window.key, window=window.window, rows=pane.rows, closed=window.closed)
    evaluation.distributed = round(float(pane.parts.get(DISTRIBUTED, np.zeros(1))[0]))
    counted = pane.parts.get("outcomes")
    if counted is not None:
        evaluation.outcome_rows = int(counted[0])
    evaluation.coverage = coverage_of(pane)
    evaluation.positive_class = positive_words(task, {} if baseline is None else baseline.columns)
    judge_performance(
        evaluation=evaluation,
        pane=pane,
        baseline=baseline,
        task=task,
        outcomes=outcomes,
        settings=settings.performance,
        exact=context.realized,
    )
    span = window.window.end - window.window.start
    if baseline is not None and task is not None:
        learned = outcomes.reference or baseline
        shift = explain_label_shift(pane, learned, task, span)
        of_panes = context.realized is None and settings.performance.outcomes != "implicit"
        realized_values = evaluation.realized if of_panes else realized(pane, task)
        evaluation.estimated = estimate_metrics(pane, learned, task, span, realized_values, shift)
        evaluation.estimated_changes = estimated_changes(evaluation.estimated)
        evaluation.label_shift = None if shift is None or shift[0].p_value > SHIFT_LEVEL else shift[0]
    evaluation.expected = (
        judge_expectations(settings.expectations, context.facts, pane, baseline, window.window)
        if before is None
        else before.expected
    )
    if baseline is None:
        evaluation.score = _unknown("score", pane)
        evaluation.predicted = _unknown("class", pane) if task is None or task.may_have_classes else None
    return evaluation


def _compare(compared: _Compared, sliced_drift: SlicedDrift) -> None:
    """Fill in the drift of a window, its data quality, and likely causes."""
    window, reference, context, settings, evaluation = compared
    pane, baseline, span = window.pane, reference.baseline, compared.span
    evaluation.compared = reference.notes
    drifted, evaluation.slices, baseline_slices = sliced_drift
    if reference.seasonal and baseline_slices:
        evaluation.compared = (*reference.notes, facts.SlicesAtSeason())
    evaluation.features, evaluation.score, evaluation.predicted, evaluation.fraction = drifted
    evaluation.rolling_drift = is_rolling(reference) and any(
        column.state == "drift" for _, column in columns(evaluation)
    )
    least_shift, methods = reference.shift, settings.multivariate
    rows, of_baseline = (
        effective(one, float(one.parts["rows"][1])) if one.rows else 0.0 for one in (pane, baseline.pane)
    )
    blocks = rows_of_a_block(baseline, rows, of_baseline, span)
    evaluation.joint = drift_together(
        pane, baseline, evaluation.features, wanted=methods, least=least_shift, blocks=blocks
    )
    raw_names = {name: baseline.raw_name(name) for name in evaluation.features}
    evaluation.weighted_fraction = weighted_fraction(evaluation.features, baseline.extras.importance, raw_names)
    designs = {name: column.design_effect for name, column in evaluation.features.items()}
    shares = share_designs(baseline, rows, span)
    evaluation.findings = quality(pane, baseline, context.facts.repeats, designs, context.recurrences, shares)
    views = {WHOLE: ExplainInput(pane, baseline, evaluation.features, context.time_before)}
    for name, against in baseline_slices.items():
        sliced = context.slices[name]
        views[name] = ExplainInput(sliced.pane, against, evaluation.slices[name].features, sliced.time_before)
    evaluation.findings = locate_findings(evaluation.findings, views)
    evaluation.explanation = explain(window.window, views, evaluation.findings, evaluation.score, settings.timezone)
    evaluation.missing_features = tuple(
        name for name in baseline.bins.features if pane.rows and _never_arrived(pane, f"feature:{name}")
    )
    evaluation.new_features = tuple(name for name in unknown_features(pane) if pane.parts[f"{UNKNOWN}{name}"].any())


def _conclude(compared: _Compared) -> None:
    """Fill in the window's contribution to lasting drift, and its kind of change."""
    window, reference, context, _, evaluation = compared
    pane, baseline = window.pane, reference.baseline
    evaluation.baseline_version = baseline.version
    evaluation.lasting = (
        None if reference.shift else lasting_sums(pane, baseline, compared.span, varies=bool(reference.notes))
    )
    learned = context.outcomes.reference or baseline
    fit = window_fit(evaluation, pane, learned, window.task or baseline.task)
    evaluation.loss_evidence = evidence_of_window(evaluation, context.rows, pane, baseline, fit)
    of_all_rows = kind_of_loss(evaluation.loss_evidence) in ("covariate_shift", "label_shift")
    if evaluation.slice_change is not None and (of_all_rows or _has_other_rows(evaluation, evaluation.slice_change)):
        evaluation.slice_change = None
    evaluation.change_kind = kind_of_change(evaluation, pane, learned, fit)


def _has_other_rows(evaluation: Evaluation, change: SliceChange) -> bool:
    """Return True if a slice has other rows than in the baseline: its feature has a fault, or is a number that drifts.

    A slice of a drifting feature is a consequence of the drift.
    """
    names = set(change.features)
    if any(is_faulty(finding) and names & set(finding.features) for finding in evaluation.findings):
        return True
    drifting = {name for name, column in evaluation.features.items() if column.state == "drift"}
    return "=" not in change.name and bool(names & drifting)


def _unknown(column: str, pane: Pane) -> ColumnDrift:
    return ColumnDrift("score" if column == "score" else "class", "", "no_baseline", "", pane.rows, {})


def _never_arrived(pane: Pane, part: str) -> bool:
    counts = pane.parts.get(part)  # the last but one entry counts missing values
    return counts is None or not (counts[:-2].any() or counts[-1:].any())
