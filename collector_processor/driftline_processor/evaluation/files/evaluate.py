"""Evaluate files against a baseline: read, fold per window, evaluate.

Features stream through in batches and leave only their panes behind; scores, decisions and truth stay in memory, so
that performance is exact, from rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane, merge
from driftline.tables.table import ModelKey
from driftline.tables.timestamps import Seasonality

from driftline_processor.core.concept import Settings
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.drift.incident import incident
from driftline_processor.core.drift.method_choice import Choices
from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluate import evaluate
from driftline_processor.core.evaluation import Evaluation, WeakSearch
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, WIDTH, OutcomeDelay, learn_outcome_delay, place_of
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.performance.objective import undecided
from driftline_processor.core.performance.settings import PerformanceSettings as PerformanceAsked
from driftline_processor.core.reference.decision_threshold import align_threshold
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART as SEASONS
from driftline_processor.core.reference.season import remove_season, seasonal_reference
from driftline_processor.core.versions import SideBySide, VersionNames
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.window import Window
from driftline_processor.readers.column_roles import ColumnOptions, has_patterns
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.notation import Notation
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.sources import check_path, is_built_baseline

from .concept_drift import detect_concept_drift, detectors_of
from .dataset import read_dataset
from .domain_classifier import classify_windows, weigh_windows
from .exact_values import exact_values, reference_rows_path
from .fold import WindowFold, batches, fold_rows, newest_rows
from .mispredictions import worst_predictions
from .outcome_join import silence_as_irrelevant
from .outcomes import (
    LabelledPredictions,
    OutcomeHistory,
    check_objective_slices,
    outcomes_of_all_rows,
    outcomes_of_windows,
    performance_settings,
)
from .reference import (
    baseline_of,
    baseline_of_first_period,
    expectations_of_model,
    reference_rows,
    report_missing_features,
)
from .rolling_reference import cut_references
from .settings import DEFAULT_SETTINGS, EvaluationSettings, read_choices
from .slices import SliceOutcomes, WindowSlices, slice_values
from .versions import compare_versions
from .weak_slices import LabelledRows
from .windows import Cut, Trails, cut_rows, cut_steps


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What `driftline evaluate` found: the baseline it used, and one evaluation per window, oldest first.

    ``choices``: the drift methods that were asked for. ``concept``: whether errors have become more, over all rows.
    ``slices``: the columns by whose values rows were cut. ``versions``: challengers beside their champion. ``wrong``:
    the worst rows of each window, [] where nobody asked. ``notations``: how columns are written, where they needed
    reading. ``delay``: how long outcomes took.
    """

    key: ModelKey
    baseline: Baseline
    evaluations: list[Evaluation]
    choices: Choices
    concept: ConceptDrift | None = None
    slices: tuple[str, ...] = ()
    versions: tuple[SideBySide, ...] = ()
    wrong: Sequence[Worst] = ()
    notations: Mapping[str, Notation] = field(default_factory=dict)
    delay: OutcomeDelay = UNKNOWN_DELAY


def evaluate_files(
    data: Sequence[Path],
    reference: Path | None,
    outcomes: Path | None,
    options: ColumnOptions,
    cut: Cut,
    say: Say,
    asked: EvaluationSettings = DEFAULT_SETTINGS,
) -> EvaluationResult:
    """Evaluate rows against a baseline: ``reference`` is a built one (``.json``) or rows to build one from.

    None where windows are compared with the rows before them: the bins are then those of the first stretch.
    Every window is closed: nothing more will come. Raises :class:`BadInput` when a file, a column or an option cannot
    be made sense of.
    """
    cut = cut if asked.past is None else cut.by_time()
    cut.check()
    asked.check(reference)
    for path in (*data, reference, outcomes):
        if path is not None:
            check_path(path)
    if reference is None:
        assert asked.past is not None
        baseline = baseline_of_first_period(data, asked.past, options, say)
    else:
        baseline = baseline_of(reference, data[0], options, say)
    built = baseline
    if options.threshold is not None and options.threshold != built.task.threshold:
        baseline = replace(built, task=replace(built.task, threshold=options.threshold))  # as the rows are decided
    if (reference is not None and not is_built_baseline(reference)) or outcomes is not None:
        options = replace(options, actual="")  # the reference rows had it; the truth of these may come later, or apart
    judging = _WindowJudge(
        ModelKey(baseline.model, options.version or baseline.version),
        baseline,
        read_choices(asked.method, asked.methods, baseline),
        options.seasons,
        performance_settings(asked, baseline, say),
    )
    detectors = detectors_of(asked.concept, baseline.task)
    sampled = judging.asked.outcomes == "sampled"
    read = read_dataset(data, outcomes, baseline, options, say, judging.asked.keys, sampled)
    options = replace(options, features=() if has_patterns(options.features) else options.features)  # the baseline's
    if options.seasonality and asked.past is not None:
        raise BadInput("--seasonality and --reference-last: choose one of them; 'driftline up' can do both at once")
    if options.seasonality and not all(rows.time is not None for rows in read.rows):
        raise BadInput(f"{data[0]}: --seasonality needs to know when rows were predicted; name the column with --time")
    if judging.asked.outcomes == "implicit" and baseline.task.kind == "ranking":
        read = replace(read, rows=[silence_as_irrelevant(rows) for rows in read.rows])
    windows, groups = cut_rows(read.rows, cut)
    wanted, counted = expectations_of_model(asked.expect, baseline, say)
    steps, past = cut_steps(read.rows, cut, windows, groups), None
    if asked.past is not None:
        past, steps = cut_references(asked.past, read.rows, windows, steps)
    trails = Trails(steps, baseline)
    slices = WindowSlices(read.rows, read.roles, baseline, trails.steps, len(windows), say, read.groups)
    labelled = LabelledRows.of(read, groups, len(windows), baseline)
    folded = fold_rows(
        read.rows, read.roles, judging.key, baseline, trails, len(windows), counted, slices, past, labelled
    )
    known = outcomes_of_windows(read.rows, read.weights, groups, len(windows), anyway=bool(judging.asked.fairness))
    happened = OutcomeHistory.of(lambda: outcomes_of_all_rows(read.rows, read.weights), baseline.task, judging.asked)
    until = None if cut.window else time.time_ns()  # a window of rows ends with its newest row, which is never old
    beside = _contexts(windows, folded, newest_rows(read.rows, groups, len(windows)), until, wanted, trails, slices)
    alike = [align_threshold(built, one.pane, baseline.task) for one in folded]
    against = (one if past is None else past.compared(at, one) for at, one in enumerate(alike))
    sliced = SliceOutcomes(slice_values(read, slices.values), baseline.task)
    check_objective_slices(judging.asked, sliced.values)
    apart = ((slices.counted(at), None if labelled is None else labelled.weak(at)) for at in range(len(windows)))
    evaluations = [
        judging.evaluate(happened, sliced, own.baseline, *of_window)
        for own, *of_window in zip(
            alike, windows, (one.pane for one in folded), known, beside, against, apart, strict=True
        )
    ]
    for before, evaluation in zip([None, *evaluations], evaluations, strict=False):
        if evaluation.window.end > evaluation.window.start:  # an incident is since when
            evaluation.incident = incident(evaluation, before)
        evaluation.objectives = undecided(evaluation, before)
    report_missing_features(evaluations, read.rows, baseline)
    evaluations = with_track_records(evaluations)
    if asked.exact and reference is not None:
        exact_values(evaluations, read.rows, groups, reference_rows_path(reference, "--exact"), baseline, options, say)
    if asked.classifier and reference is not None:
        before_rows = reference_rows(reference, options, baseline, judging.key, say)
        current = batches(read.rows, groups, read.roles, judging.key, baseline)
        classify_windows(evaluations, [one.pane for one in folded], before_rows, current, groups, baseline, say)
    if asked.weighted and reference is not None:
        current = batches(read.rows, groups, read.roles, judging.key, baseline)
        weigh_windows(evaluations, reference, current, groups, baseline, options, say)
    declared = {key: own for key, own in slices.values.items() if key not in read.groups}
    concept = detect_concept_drift(read.rows, read.heard, baseline, Settings(detectors), declared)
    named = asked.versions.get(baseline.model, VersionNames())
    versions = compare_versions(read, baseline.task, named, judging.asked)
    wrong = worst_predictions(read, groups, len(windows), baseline.task, asked.mispredictions)
    told = (baseline, evaluations, judging.choices, concept, tuple(declared), versions, wrong, read.notations)
    return EvaluationResult(judging.key, *told, learn_delay(read.rows))


def learn_delay(rows: Sequence[FileRows]) -> OutcomeDelay:
    """Learn how long outcomes took, from those whose own time, and that of their prediction, is known."""
    counts = np.zeros(WIDTH)
    for read in rows:
        if read.time is not None and read.outcome_time is not None:
            told = read.outcome_time > 0
            counts += np.bincount(place_of(read.time[told], read.outcome_time[told]), minlength=WIDTH)
    return learn_outcome_delay(counts)


def _contexts(
    windows: Sequence[Window],
    folded: Sequence[WindowFold],
    newest: Sequence[int | None],
    until: int | None,
    expect: Expectations,
    trails: Trails,
    slices: WindowSlices,
) -> Iterator[WindowContext]:
    """Yield what is known of each window beside its own rows."""
    whole = [one.counting[""] for one in folded]
    follows = [False, *(is_next(*both) for both in pairwise(windows))]
    again = [whole[at].recurrence(whole[at - 1]) if follows[at] else None for at in range(len(windows))]
    for at, (window, one) in enumerate(zip(windows, folded, strict=True)):
        trail = partial(trails.until, window.end)
        sliced = slices.of(at, window.end)
        recurrences = again[max(0, at - 1) : at + 1][::-1]
        yield WindowContext(
            one.repeats, one.unique, newest[at], until, expect, trail, slices=sliced, recurrences=recurrences
        )


def is_next(earlier: Window, window: Window) -> bool:
    """Return whether a window begins where an earlier one ends, or neither is one of time."""
    return not window.name or earlier.end == window.start


@dataclass(frozen=True, slots=True)
class _WindowJudge:
    """What every window is judged by."""

    key: ModelKey
    baseline: Baseline
    choices: Choices
    seasons: Seasonality | None
    asked: PerformanceAsked

    def evaluate(
        self,
        happened: OutcomeHistory,
        sliced: SliceOutcomes,
        own: Baseline,
        window: Window,
        pane: Pane,
        rows: LabelledPredictions | None,
        beside: WindowContext,
        against: Reference,
        apart: tuple[Mapping[str, Pane], WeakSearch | None],
    ) -> Evaluation:
        """Evaluate a window.

        ``own``: the baseline, decided as its rows are; ``against``: what of it, or of the rows before, it is compared
        with. ``apart``: the rows of its slices, and what came of the search for weak ones. ``rows``: of the window,
        whose outcomes may be known.
        """
        counted, weak = apart
        task, realized, truth = self.baseline.task, None, rows if rows is not None and rows.told else None
        if task.kind == "ranking":
            task = replace(task, cutoffs=self.asked.cutoffs)
        if truth is not None:
            pane, realized = merge([pane, truth.sums(task)]), truth.performance(task, self.asked)
        if self.seasons is not None:
            trail = remove_season(beside.trail, against.baseline, pane.parts.get(SEASONS))
            beside = replace(beside, trail=trail, slices={})  # of slices, hours are not known apart
            against = seasonal_reference(against.baseline, self.seasons.kind, pane)
        return evaluate(
            pane,
            against.baseline,
            self.key,
            window,
            True,
            realized=realized,
            task=task,
            beside=beside,
            choices=self.choices,
            compared=against.note,
            known=replace(sliced.of(happened.known(truth, window), rows, window, counted), reference=own, weak=weak),
            asked=self.asked,
        )
