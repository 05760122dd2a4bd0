"""Evaluate rows of files or tables against a baseline: read, fold per window, evaluate.

Features are read in batches and folded into panes. Scores, decisions and actual values of up to a million rows stay in
memory for exact performance. Beyond that they are in a temporary file, and metrics that depend on the order of scores
are computed from bins.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from driftline.baseline.baseline import Baseline
from driftline.panes.bins import SCORE_BINS
from driftline.tables.table import ModelKey, is_present, take_rows
from driftline.tables.task import Task
from msgspec import Struct, structs

from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.drift.method_choice import Choices
from driftline_processor.core.estimate.track_record import with_track_records
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.labels.delay import (
    BOUNDS,
    UNKNOWN_DELAY,
    WIDTH,
    OutcomeDelay,
    Spread,
    fold_delays_by_age,
    learn_outcome_delay,
)
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.performance.judge import find_baseline_fault
from driftline_processor.core.performance.labelled_predictions import LabelledPredictions
from driftline_processor.core.performance.mispredictions import Worst
from driftline_processor.core.performance.sample_size import find_small_baseline
from driftline_processor.core.performance.settings import PerformanceSettings
from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.core.verdict.context import VerdictContext
from driftline_processor.core.verdict.record import Record
from driftline_processor.core.verdict.rises import confirmed_concept
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.core.windows.window import DAY
from driftline_processor.evaluation.judge import TOGETHER, follow, judge_together
from driftline_processor.present.evaluation_json import evaluations_to_json, json_of
from driftline_processor.present.numbers import many, percent
from driftline_processor.present.progress import Progress, no_progress, report_parts
from driftline_processor.present.sentences import clause
from driftline_processor.readers.column_options import NO_OUTCOMES
from driftline_processor.readers.column_roles import has_patterns
from driftline_processor.readers.errors import BadInput, Say, option_text
from driftline_processor.readers.memory import MemoryBaseline, MemoryRows, Reference
from driftline_processor.readers.prediction_rows import FileRows
from driftline_processor.readers.row_store import MOST_IN_MEMORY, RowStore, chunks_of, is_many
from driftline_processor.readers.sources import check_path, expand_paths, expand_reference, is_built_baseline

from .champion import (
    compare_with_champion,
    of_candidate,
    read_champion,
    share_outcomes,
    verdict_of_candidate,
)
from .column_uses import ColumnUses, ask_about_missing_outcomes, column_uses
from .concept_drift import detect_concept_drift
from .dataset import Dataset, read_dataset
from .domain_classifier import classify_windows
from .evaluate_options import EvaluationOptions
from .exact_values import exact_values
from .fold import Gathering, WindowFold, fold_rows, newest_rows
from .importance_weights import weigh_windows
from .inputs import EvaluationInputs
from .mispredictions import worst_predictions
from .outcome_join import silence_as_irrelevant
from .outcomes import LabelledWindows, labelled_predictions
from .pane_windows import PaneFileWindows, PaneWindows, RowSample, fold_sample
from .record_windows import record_lengths, within_rows
from .reference import at_threshold, baseline_of, baseline_of_first_period
from .rolling_reference import cut_references
from .row_comparison import RowComparison
from .rows_source import FileWindows
from .same_rows import same_rows
from .settings import (
    check_objective_slices,
    check_options,
    declared_settings,
    model_settings,
)
from .slices import WindowSlices, slice_values
from .versions import compare_file_versions
from .weak_slices import WeakSliceRows
from .windows import RowCut, StepCounts, WindowLength, cut_rows, cut_steps

if TYPE_CHECKING:
    from driftline.batch_panes import MadePanes  # it imports what sends panes


class EvaluationResult(Struct, frozen=True):
    """The result of `driftline evaluate`: the baseline, one evaluation per window, oldest first, and the verdict.

    ``choices``: the chosen drift methods. ``concept``: concept drift over all rows. ``slices``: the slice columns.
    ``versions``: comparisons of challengers with their champion. ``wrong``: the worst rows per window, [] if not
    requested. ``delay``: the outcome delay. ``timezone``: where days begin.
    ``columns``: what the columns are taken for. ``sample``: the rows that causes come from; None = all.
    """

    key: ModelKey
    baseline: Baseline
    evaluations: list[Evaluation]
    choices: Choices
    verdict: Verdict
    concept: ConceptDrift | None = None
    slices: tuple[str, ...] = ()
    versions: tuple[SideBySide, ...] = ()
    wrong: Sequence[Worst] = ()
    delay: OutcomeDelay = UNKNOWN_DELAY
    timezone: str = "UTC"
    columns: ColumnUses = ColumnUses()
    sample: RowSample | None = None

    def to_json(self, curves: bool = False) -> dict[str, Any]:
        """Return the result as JSON of ``driftline evaluate --json``; ``curves``: include the points of curves."""
        key, facts = self.key, (self.concept, curves, self.versions, self.delay, self.verdict)
        answer = evaluations_to_json(key.model, key.version, self.evaluations, *facts)
        answer["columns"] = msgspec.to_builtins(self.columns)
        if self.sample is not None:
            answer["sample"] = self.sample._asdict()
        for window, worst in zip(answer["windows"], self.wrong, strict=False):
            window["performance"]["mispredictions"] = json_of(worst)
        return answer


def evaluate_files(
    inputs: EvaluationInputs,
    options: EvaluationOptions,
    say: Say,
    progress: Progress = no_progress,
    table: TablePanes | None = None,
) -> EvaluationResult:
    """Evaluate rows against a baseline. Every window is closed.

    If windows are compared with the rows before them, the bins are those of the first period.

    Args:
        inputs: The rows and their reference.
        options: The options.
        say: Called with messages about guessed, ignored or unusable input.
        progress: Called with the progress.
        table: The panes of all rows, if ``inputs`` has only a sample of them.

    Raises:
        BadInput: A file, a column or an option cannot be used.
    """
    inputs, options, declared = _complete(inputs, options, say)
    built = _read_baseline(inputs, options, declared.rolling, say, progress)
    baseline = at_threshold(built, options.threshold)  # as for the rows
    key = ModelKey(baseline.model, options.version or baseline.version)
    settings, counted = model_settings(options, declared, baseline, say)
    performance = settings.performance
    _ask_for_margin(inputs, baseline, performance, say)
    options = _options_of_rows(inputs, options)
    as_in_service = inputs.settings is not None or table is not None
    default_columns = _without_slices(baseline) if as_in_service and not options.slices else baseline
    progress(0, 0, "Reading rows")
    read = _read_rows(inputs, default_columns, options, performance, say)
    uses = _check_columns(read, baseline, inputs, options, say)
    if has_patterns(options.features):  # the baseline has the matched names
        options = structs.replace(options, features=())
    rows = _Rows(
        reference=inputs.reference,
        dataset=read,
        outcomes=_find_outcomes(read, settings, inputs, table, say),
        key=key,
        built=built,
        baseline=baseline,
        options=options,
        counted=counted,
        table=table,
    )
    lengths = settings.windows or (options.window_rows or "",)
    evaluated = [_judge_windows(rows, length, settings, say, progress) for length in lengths]
    evaluations = [evaluation for windows in evaluated for evaluation in windows.evaluations]
    drawn = dict(zip(lengths, evaluated, strict=True))
    recorded = _windows_of_record(rows, drawn, settings, inputs.settings, progress)
    slices = evaluated[0].slices
    of_champion = inputs.champion_is_reference
    progress(0, 0, "Detecting concept drift")
    detects = settings.concept and not of_champion and performance.outcomes != "sampled"
    concept = confirmed_concept(detect_concept_drift(read, baseline, detects, slices), recorded)
    if inputs.champion is None:
        versions = compare_file_versions(read, baseline.task, settings.versions, settings.timezone, performance)
    else:
        champion = read_champion(inputs, default_columns, options, say, performance)
        versions = (compare_with_champion(read, champion, baseline.task, settings.timezone, performance),)
    wrong = [evaluation for windows in evaluated for evaluation in windows.wrong]
    # rows of the champion are the same rows on purpose
    same = 0.0 if of_champion else evaluated[0].same
    context = VerdictContext(concept, versions, settings.timezone, unknown=read.unused, same=same)
    record = Record(recorded, context, is_final=True)
    evaluations, verdict = record.with_verdicts(evaluations), record.now((), None, None)
    if of_champion:
        evaluations, verdict = [of_candidate(one) for one in evaluations], verdict_of_candidate(verdict)
    return EvaluationResult(
        key,
        baseline,
        evaluations=evaluations,
        choices=settings.choices,
        verdict=verdict,
        concept=concept,
        slices=tuple(slices),
        versions=versions,
        wrong=wrong,
        delay=rows.outcomes.delay,
        timezone=settings.timezone,
        columns=uses,
        sample=None if table is None else table.sample,
    )


def _complete(
    inputs: EvaluationInputs, options: EvaluationOptions, say: Say
) -> tuple[EvaluationInputs, EvaluationOptions, ModelSettings]:
    """Complete the inputs and options from the configuration, find all files, and read the settings of the windows.

    The champion is also the reference if there is no other.
    """
    inputs = inputs._replace(reference=expand_reference(inputs.reference, say))
    if options.config is not None:
        from .configuration import configure_evaluation  # it is slow to load

        inputs, options = configure_evaluation(inputs, options, say)
    inputs = inputs._replace(data=expand_paths(inputs.data, say))
    others = [rows for rows in (inputs.outcomes, inputs.champion) if rows is not None]
    for path in (*inputs.data, *expand_paths(others)):
        check_path(path, may_be_empty=True)
    declared = declared_settings(options, inputs.settings)
    if inputs.champion is not None:
        inputs = share_outcomes(inputs, options)
        if inputs.reference is None and declared.rolling is None:
            inputs = inputs._replace(reference=inputs.champion)
    check_options(options, declared.rolling, inputs.reference)
    return inputs, options, declared


def _read_baseline(
    inputs: EvaluationInputs, options: EvaluationOptions, rolling: Rolling | None, say: Say, progress: Progress
) -> Baseline:
    """Return the baseline of the reference; with a rolling reference, it defines only the bins."""
    data, reference = inputs.data, inputs.reference
    if reference is None:
        assert rolling is not None
        return baseline_of_first_period(data, rolling, options, say, progress)
    if rolling is not None:
        # the earlier rows define the seasons, not the baseline
        return baseline_of(reference, data[0], structs.replace(options, seasonality=""), say, progress)
    baseline = baseline_of(reference, data[0], options, say, progress)
    if (fault := find_baseline_fault(baseline)) is not None:
        say(clause(fault))
    return baseline


def _ask_for_margin(inputs: EvaluationInputs, baseline: Baseline, settings: PerformanceSettings, say: Say) -> None:
    """Say what a baseline cannot show, and which margin it can, unless the owner has set one."""
    if inputs.reference is not None and (small := find_small_baseline(baseline, settings)) is not None:
        say(clause(small))


def _without_slices(baseline: Baseline) -> Baseline:
    """Return a baseline without default slices: a service evaluates only slices that are named."""
    return replace(baseline, columns={role: names for role, names in baseline.columns.items() if role != "slices"})


def _options_of_rows(inputs: EvaluationInputs, options: EvaluationOptions) -> EvaluationOptions:
    """Return the options of the rows: they may lack the column of outcomes that the reference or another file has."""
    reference = inputs.reference
    may_lack_it = inputs.outcomes is not None or (reference is not None and not is_built_baseline(reference))
    return structs.replace(options, actual="") if may_lack_it and options.actual != NO_OUTCOMES else options


def _read_rows(
    inputs: EvaluationInputs,
    baseline: Baseline,
    options: EvaluationOptions,
    performance: PerformanceSettings,
    say: Say,
) -> Dataset:
    """Read the rows. If outcomes of rankings are implicit, a list without outcomes has no relevant items."""
    read = read_dataset(inputs, baseline, options, say, performance)
    if performance.outcomes == "implicit" and baseline.task.ranks_items:
        return structs.replace(read, rows=[silence_as_irrelevant(rows) for rows in read.rows])
    return read


def _check_columns(
    read: Dataset, baseline: Baseline, inputs: EvaluationInputs, options: EvaluationOptions, say: Say
) -> ColumnUses:
    """Return what the columns are taken for. Raises :class:`BadInput` if the rows lack an outcome or their times."""
    try:
        ask_about_missing_outcomes(baseline, read.columns, str(inputs.reference))
    except BadInput as question:
        if not options.features and options.actual != NO_OUTCOMES:  # otherwise the options have answered it
            raise
        say(str(question))
    if options.names_seasons and not all(rows.time is not None for rows in read.rows):
        raise BadInput(
            f"{inputs.data[0]}: seasonality needs the time of each row; set the column with {option_text('time')}"
        )
    return column_uses(read.roles, baseline, read.columns, inputs.outcomes is not None)


class _Outcomes(Struct, frozen=True):
    """The outcomes of the rows.

    ``predictions``: the predictions with their outcomes; None if no file has outcomes and none are required.
    ``reached``: the time of the newest row or outcome, if windows wait for outcomes.
    """

    predictions: LabelledPredictions | None
    delay: OutcomeDelay
    reached: int | None


def _find_outcomes(
    read: Dataset, settings: ModelSettings, inputs: EvaluationInputs, table: TablePanes | None, say: Say
) -> _Outcomes:
    """Return the outcomes of the rows, their delay, and until when windows wait for them."""
    anyway = bool(settings.performance.fairness or read.roles.latency or read.roles.error)
    predictions = labelled_predictions(read.rows, read.weights, anyway=anyway, store=read.store)
    delay = settings.outcome_delay or (UNKNOWN_DELAY if table else learn_delay(predictions, read.store))
    if inputs.settings is not None:  # windows of a configured model wait as in a service, which knows the time
        return _Outcomes(predictions, delay, _reached(read.rows, 0))
    if delay.source == "learned":
        return _Outcomes(predictions, delay, _reached(read.rows, delay.rounding))
    if table is None and predictions is not None:
        _report_outstanding(predictions, say)
    return _Outcomes(predictions, delay, None)


class TablePanes(NamedTuple):
    """The panes of a table, and how many of its rows were sampled."""

    panes: MadePanes
    sample: RowSample


def evaluate_panes(
    panes: MadePanes,
    baseline: Baseline,
    options: EvaluationOptions,
    sample: pa.Table,
    rows: int,
    say: Say,
    progress: Progress = no_progress,
    name: str = "sample",
) -> EvaluationResult:
    """Evaluate panes of a table as :func:`evaluate_files` evaluates its rows.

    The sums, drift and performance are those of all rows. Causes, weak slices and concept drift are those of the
    sample, and so are metrics from single rows, if the sample has all rows.

    Args:
        panes: The panes. Their slices are evaluated.
        baseline: The baseline whose bins were used.
        options: The options, with ``window``.
        sample: Some rows, evenly from all.
        rows: The number of rows.
        say: Called with messages about guessed, ignored or unusable input.
        progress: Called with the progress.
        name: Name of the table in messages.

    Raises:
        BadInput: The panes have another baseline, the sample no rows, or an option cannot be used.
    """
    if panes.baseline != baseline.digest:
        raise BadInput(f"{name}: the panes are counted over another baseline ({panes.baseline}, not {baseline.digest})")
    if not panes.panes or not sample.num_rows:
        raise BadInput(f"{name}: the table has no rows with a time")
    keys = dict.fromkeys(pane.slice.partition("=")[0] for pane in panes.panes if pane.slice)
    options = structs.replace(options, slices=tuple(keys))
    inputs = EvaluationInputs([MemoryRows(name, sample)], MemoryBaseline(baseline))
    return evaluate_files(inputs, options, say, progress, TablePanes(panes, RowSample(sample.num_rows, rows)))


class _Rows(Struct, frozen=True):
    """Rows of files before they are cut into windows.

    ``built``: the baseline as built; ``baseline``: the baseline at the requested threshold. ``counted``: the
    expectations about features of the baseline. ``drawn``: whether the windows are shown; rows are compared with those
    of the reference, and weak slices are searched, in these windows only.
    """

    reference: Reference | None
    dataset: Dataset
    outcomes: _Outcomes
    key: ModelKey
    built: Baseline
    baseline: Baseline
    options: EvaluationOptions
    counted: Expectations
    table: TablePanes | None = None
    drawn: bool = True


class _JudgedWindows(NamedTuple):
    """The windows of one length.

    ``slices``: key → the separate values; ``wrong``: the worst rows; ``same``: fraction of the rows that are rows of
    the baseline.
    """

    evaluations: list[Evaluation]
    slices: Mapping[str, Sequence[str]]
    wrong: Sequence[Worst]
    same: float


def _judge_windows(
    rows: _Rows,
    length: WindowLength,
    settings: ModelSettings,
    say: Say,
    progress: Progress,
    cut: RowCut | None = None,
) -> _JudgedWindows:
    """Cut the rows into windows, unless they are ``cut`` already, fold them and evaluate each window."""
    read, key, baseline, performance = rows.dataset, rows.key, rows.baseline, settings.performance
    panes, past = None, None
    if rows.table is None:
        windows, groups = cut or cut_rows(read.rows, length, settings.timezone, read.store)
        steps = cut_steps(read.rows, windows, groups, settings.timezone, read.store)
    else:
        panes = PaneWindows.of(rows.table.panes, str(length), settings.timezone, rows.table.sample)
        windows, groups, steps = [*panes.windows], panes.groups(read.rows), panes.steps()
    if settings.rolling is not None:
        past, steps = cut_references(settings, read.rows, windows, steps)
    counts = StepCounts(steps, baseline)
    slices = WindowSlices(read, baseline, steps, len(windows), say)
    labelled_windows = None
    if (predictions := rows.outcomes.predictions) is not None:
        labelled_windows = LabelledWindows(predictions, read.store.join(groups), len(windows), read.store)
    labelled = WeakSliceRows.of(labelled_windows, baseline)
    if panes is None:
        gathering = Gathering(
            windows=len(windows), counts=counts, expect=rows.counted, slices=slices, past=past, labelled=labelled
        )
        folded = fold_rows(read, key, baseline, gathering, progress)
    else:
        slices.values = panes.values(slices.values)
        folded = fold_sample(panes, panes.add_to(counts, slices), read, groups, key, baseline, labelled)
    _report_sums_and_samples(labelled_windows, labelled, baseline.task, say)
    values = slice_values(read, slices.values)
    check_objective_slices(performance, values)
    task = baseline.task
    if task.ranks_items:
        task = replace(task, cutoffs=performance.cutoffs)
    of_files = (FileWindows if panes is None else partial(PaneFileWindows, panes=panes))(
        key=key,
        task=task,
        baseline=rows.built,
        settings=settings,
        windows=windows,
        folds=folded,
        newest=newest_rows(read.rows, groups, len(windows)),
        # a window of rows ends with its newest row
        until=None if windows[0].name else time.time_ns(),
        steps=counts,
        slices=slices,
        values=values,
        outcomes=labelled_windows,
        past=past,
        labelled=labelled,
        columns={*read.columns},
        delay=rows.outcomes.delay,
        reached=rows.outcomes.reached,
        drawn=rows.drawn,
    )
    evaluations = _judge(of_files, progress)
    same = 0.0
    if rows.reference is not None and rows.drawn:
        comparison = RowComparison(
            evaluations=evaluations,
            dataset=read,
            groups=groups,
            reference=rows.reference,
            baseline=baseline,
            key=key,
            options=rows.options,
            say=say,
        )
        same = same_rows(comparison, folded)
        _compare_rows(comparison, folded, rows.options, progress)
    declared = {name: values for name, values in slices.values.items() if name not in read.groups}
    wrong = worst_predictions(read, labelled_windows, baseline.task, rows.options.mispredictions)
    return _JudgedWindows(evaluations, declared, wrong, same)


def _windows_of_record(
    rows: _Rows,
    drawn: Mapping[WindowLength, _JudgedWindows],
    settings: ModelSettings,
    declared: ModelSettings | None,
    progress: Progress,
) -> list[Evaluation]:
    """Return the windows that give the record, which do not depend on the length of the drawn ones.

    They are those of the service for a model that is configured. Without times, and if the reference depends on the
    windows, the drawn ones are the only ones. ``declared``: the settings of a configured model, without options.
    """
    configured = () if declared is None else declared.windows
    read, table = rows.dataset, rows.table
    if settings.rolling is not None or any(one.time is None for one in read.rows):
        return [one for windows in drawn.values() for one in windows.evaluations]
    lengths: Mapping[WindowLength, RowCut | None] = dict.fromkeys(configured)
    if not lengths:
        span, sampled = ("", 1.0) if table is None else (table.panes.span, table.sample.rows / table.sample.total)
        lengths = record_lengths(read, rows.outcomes.predictions, settings.timezone, panes=span, sampled=sampled)
    plain = structs.replace(rows, drawn=False)
    judged = (
        drawn[length] if length in drawn else _judge_windows(plain, length, settings, _say_nothing, progress, cut)
        for length, cut in lengths.items()
    )
    found = [one for windows in judged for one in windows.evaluations]
    return found if configured else within_rows(found)


def _say_nothing(_: str) -> None:
    pass


def _judge(files: FileWindows, progress: Progress) -> list[Evaluation]:
    """Evaluate the windows, oldest first."""
    past = files.past
    evaluations: list[Evaluation] = []
    sources = iter(files.sources())
    # a window that drifts is left out of the rolling references of later windows
    batches = iter(lambda: list(islice(sources, TOGETHER if past is None else 1)), [])
    for batch in report_parts(batches, len(files.windows), "Judging windows", progress, len):
        for evaluation in judge_together([(source, files.settings) for source in batch]):
            evaluations.append(follow(evaluation, evaluations[-1] if evaluations else None))
            if past is not None and evaluation.rolling_drift:
                past.drifted.append(evaluation.window)
    return with_track_records(evaluations)


def _compare_rows(
    comparison: RowComparison, folded: Sequence[WindowFold], options: EvaluationOptions, progress: Progress
) -> None:
    """Add the results of the options that compare rows to the evaluations."""
    if options.exact:
        progress(0, 0, "Comparing rows exactly")
        exact_values(comparison)
    if options.classifier:
        progress(0, 0, "Training a classifier")
        classify_windows(comparison, [fold.pane for fold in folded])
    if options.importance_weighted:
        progress(0, 0, "Weighting labelled rows")
        weigh_windows(comparison)


def _report_sums_and_samples(
    labelled_windows: LabelledWindows | None, labelled: WeakSliceRows | None, task: Task, say: Say
) -> None:
    """Report which metrics come from score bins or from a sample because there are too many rows to sort."""
    if labelled_windows is None or not labelled_windows.rows.labelled:
        return
    large = [window for window in range(labelled_windows.windows) if is_many(labelled_windows.size(window))]
    if not large:
        return
    last, windows = large[-1], many(len(large), "window")
    where = (
        f"{labelled_windows.size(last):,} rows"
        if labelled_windows.windows == 1
        else f"{windows} of more than {MOST_IN_MEMORY:,} rows"
    )
    if task.has_classes:
        say(
            f"{where}: areas, curves, KS, gain and lift come from {SCORE_BINS:,} bins of scores, within the limits "
            "shown next to them; all other metrics come from all rows"
        )
    searched = 0 if labelled is None else labelled.searched(last)
    if searched:
        say(
            f"weak slices are searched for in a sample of {searched:,} of {labelled_windows.size(last):,} rows, "
            "the same in every run"
        )


def _reached(reads: Sequence[FileRows], rounding: int) -> int | None:
    """Return until when the files tell, in unix nanoseconds; None without times.

    It is the time of the newest prediction or outcome. A learned delay is rounded up, so that the newest outcome of a
    complete file may be known up to this ``rounding`` sooner; a processor knows the time by itself.
    """
    times = [
        values for read in reads for values in (read.time, read.outcome_time) if values is not None and len(values)
    ]
    newest = max((int(values.max()) for values in times), default=0)
    return newest + rounding if newest else None


FIFTHS = 5
"""Number of parts of the rows, by time, of which the newest is compared with the oldest."""

SAMPLED = 1_000_000
"""Rows above which only some of them are compared, evenly from all."""


def _report_outstanding(predictions: LabelledPredictions, say: Say) -> None:
    """Report that most of the newest rows have no outcome yet, if outcomes have no times: windows do not wait then."""
    if predictions.time is None or len(predictions) < 100 * FIFTHS:
        return
    evenly = slice(None, None, 1 + len(predictions) // SAMPLED)  # the columns of many rows are in a file
    time, has_outcome = predictions.time[evenly], is_present(take_rows(predictions.actual, evenly))
    bounds = np.quantile(time, [1 / FIFTHS, 1 - 1 / FIFTHS])
    oldest, newest = has_outcome[time <= bounds[0]].mean(), has_outcome[time >= bounds[1]].mean()
    if newest < oldest / 2:
        say(
            f"outcomes for {percent(float(newest))} of the newest fifth of the rows, and {percent(float(oldest))} of "
            "the oldest: if others are still to come, give the outcomes with their times "
            f"({option_text('outcomes')}), or leave out the newest rows, because the outcomes that "
            "come first may differ from the rest"
        )


def learn_delay(predictions: LabelledPredictions | None, store: RowStore) -> OutcomeDelay:
    """Return the outcome delay, learned from the outcomes with a time and a prediction time."""
    if predictions is None or predictions.time is None or predictions.outcome_time is None:
        return UNKNOWN_DELAY
    newest = int(max(predictions.time.max(initial=0), predictions.outcome_time.max(initial=0)))
    counts, sums = np.zeros((WIDTH, WIDTH)), np.zeros(5)
    for part in chunks_of(len(predictions)):
        time, outcome_time = predictions.time[part], predictions.outcome_time[part]
        known = np.flatnonzero(outcome_time > 0)
        counts += fold_delays_by_age(time, outcome_time, newest)
        days = (time[known] - predictions.time[0]) / DAY
        later = days + np.clip((outcome_time[known] - time[known]) / DAY, 0, BOUNDS[-1] * 10**9 / DAY)
        sums += [len(known), days.sum(), (days**2).sum(), later.sum(), (later**2).sum()]
        store.release()
    means = sums[1:] / max(sums[0], 1)
    return learn_outcome_delay(counts, Spread(means[1] - means[0] ** 2, means[3] - means[2] ** 2))
