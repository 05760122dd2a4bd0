"""Judge one window of one model: ``evaluate(pane, baseline) → Evaluation``."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import CLASSLESS, ModelKey, Task

from driftline_processor.core.drift.method_choice import Choices
from driftline_processor.core.drift.multivariate_rule import drift_together
from driftline_processor.core.drift.rule import Rules, weighted_share
from driftline_processor.core.drift.slices import WHOLE, drift_with_slices
from driftline_processor.core.estimate.estimator import estimate_metrics
from driftline_processor.core.expectations.judge import RowFacts, judge_expectations
from driftline_processor.core.outcomes.coverage import DISTRIBUTED, sent_rows
from driftline_processor.core.performance.judge import judge_performance
from driftline_processor.core.performance.realized import realized as realized_from_sums
from driftline_processor.core.performance.settings import STANDARD, PerformanceSettings
from driftline_processor.core.performance.window_outcomes import NOTHING_KNOWN, WindowOutcomes
from driftline_processor.core.quality.checks.missing import UNKNOWN, unknown_features
from driftline_processor.core.windows.window import Window

from .evaluation import Evaluation, MetricValue, TargetDrift
from .explain import ExplainInput, explain
from .quality import quality
from .window_context import NOTHING, WindowContext


def evaluate(
    pane: Pane,
    baseline: Baseline | None,
    key: ModelKey,
    window: Window,
    closed: bool,
    min_effect: Mapping[str, float] | None = None,
    realized: dict[str, MetricValue] | None = None,
    task: Task | None = None,
    beside: WindowContext = NOTHING,
    choices: Choices | None = None,
    together: Collection[str] | None = None,
    compared: str = "",
    shift: float = 0.0,
    known: WindowOutcomes = NOTHING_KNOWN,
    asked: PerformanceSettings = STANDARD,
) -> Evaluation:
    """Evaluate a window.

    ``pane``: the window's rows, folded over the baseline's bins. ``min_effect``: feature → least effect, see
    :func:`~driftline_processor.core.drift.rule.drift`. ``realized``: performance from rows, where they are at hand;
    else it
    is read from the pane. ``task``: else the baseline's; without either there is no performance.
    ``beside``: what data quality and expectations look at beside the window's own pane.
    ``choices``: the methods of the features, see :class:`driftline_processor.core.drift.method_choice.Choices`.
    ``together``: the methods that compare all features together, None for all. ``compared``: what the baseline is in
    words, where it was derived (:mod:`driftline_processor.core.reference`). ``shift``: drift is no less than that, in
    standard deviations, see :mod:`driftline_processor.core.reference.cold_start`. ``known``: what is known of the
    outcomes
    beside the pane's sums; ``asked``: what the model's owner asks of its performance.
    """
    task = task or (baseline.task if baseline is not None else None)
    evaluation = Evaluation(key=key, window=window, rows=pane.rows, closed=closed)
    evaluation.distributed = round(float(pane.parts.get(DISTRIBUTED, np.zeros(1))[0]))
    outcomes = pane.parts.get("outcomes")
    if outcomes is not None:
        evaluation.outcome_rows = int(outcomes[0])
    if (rows := float(sent_rows(pane)[0])) > 0:
        # by rows: a reviewed row has the weight of all that were not, and a tenth reviewed would pass for everything
        evaluation.coverage = min(1.0, evaluation.outcome_rows / rows)
    judge_performance(evaluation, pane, baseline, task, known, asked, realized)
    if baseline is not None and task is not None:
        span, learned = window.end - window.start, known.reference or baseline
        evaluation.estimated = estimate_metrics(pane, learned, task, span, realized_from_sums(pane, task))
    facts = RowFacts(beside.repeats, beside.unique, beside.newest, beside.until)
    evaluation.expected = judge_expectations(beside.expect, facts, pane, baseline, window)
    if baseline is None:
        evaluation.score = _unknown("score", pane)
        evaluation.predicted = _unknown("class", pane) if task is None or task.kind not in CLASSLESS else None
        return evaluation
    evaluation.baseline_version, evaluation.compared = baseline.version, compared
    rules, span = Rules(min_effect or {}, choices or Choices(), shift), window.end - window.start
    slices = {name: sliced.pane for name, sliced in beside.slices.items()}
    found, evaluation.slices, own = drift_with_slices(pane, baseline, slices, rules, span)
    evaluation.features, evaluation.score, evaluation.predicted, evaluation.share = found
    evaluation.joint = drift_together(pane, baseline, evaluation.features, wanted=together, least=shift)
    whole = {name: baseline.raw_name(name) for name in evaluation.features}
    evaluation.weighted_share = weighted_share(evaluation.features, baseline.extras.importance, whole)
    designs = {name: target.design_effect for name, target in evaluation.features.items()}
    evaluation.findings = quality(pane, baseline, beside.repeats, designs, beside.recurrences)
    views = {WHOLE: ExplainInput(pane, baseline, evaluation.features, beside.trail)}
    for name, against in own.items():
        views[name] = ExplainInput(slices[name], against, evaluation.slices[name].features, beside.slices[name].trail)
    evaluation.explanation = explain(window, views, evaluation.findings, evaluation.score, beside.timezone)
    evaluation.missing_features = tuple(
        name for name in baseline.bins.features if pane.rows and _never_arrived(pane, f"feature:{name}")
    )
    evaluation.new_features = tuple(name for name in unknown_features(pane) if pane.parts[f"{UNKNOWN}{name}"].any())
    return evaluation


def _unknown(target: str, pane: Pane) -> TargetDrift:
    return TargetDrift("score" if target == "score" else "class", "", "no_baseline", "", pane.rows, {})


def _never_arrived(pane: Pane, part: str) -> bool:
    counts = pane.parts.get(part)
    return counts is None or not np.delete(counts, len(counts) - 2).any()
