"""Evaluate windows: one path from a :class:`.window_source.WindowSource` to an Evaluation, live and for files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.tables.table import F64
from msgspec import structs
from msgspec.structs import replace

from driftline_processor.core.drift.incident import incident
from driftline_processor.core.drift.lasting import follow_lasting
from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.expectations.judge import RowFacts
from driftline_processor.core.explain.loss_evidence import no_rows
from driftline_processor.core.intervals.time_blocks import HOURS, blocks_of_window
from driftline_processor.core.judge_window import AskedWindow, ModelWindow, judge_windows
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.outcomes.coverage import count_missing_rows
from driftline_processor.core.performance.implicit_feedback import count_silence_in_steps
from driftline_processor.core.performance.objective import count_inconclusive
from driftline_processor.core.performance.objective_states import rolling_steps
from driftline_processor.core.performance.window_outcomes import Steps, WindowOutcomes
from driftline_processor.core.quality.checks.missing import CHECK as MISSING
from driftline_processor.core.quality.checks.missing import similar_feature
from driftline_processor.core.reference.decision_threshold import align_threshold
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART as SEASONS
from driftline_processor.core.reference.season import remove_season, same_seasons
from driftline_processor.core.window_context import NO_CONTEXT, SliceContext, WindowContext
from driftline_processor.core.windows.time_before import TimeBefore, no_time_before
from driftline_processor.core.windows.window import Window, length
from driftline_processor.present.sentences.references import compared_words

from .window_source import WindowSource

TOGETHER = 16
"""Maximum number of windows that are evaluated together: 32 save 5 % per window, and their sums are in memory."""

MOST_BYTES = 16 << 20
"""Bytes of sums at which a group of windows is evaluated: twenty slices of 200 features need 3 MB."""

Say = Callable[[str], None]
"""Called with a message if the reference of a window is not the baseline's own decisions."""


def judge(source: WindowSource, settings: ModelSettings, say: Say = lambda _: None) -> Evaluation:
    """Evaluate one window like :func:`judge_together`."""
    return judge_together([(source, settings)], say)[0]


def judge_together(
    sources: Sequence[tuple[WindowSource, ModelSettings]], say: Say = lambda _: None
) -> list[Evaluation]:
    """Evaluate several windows, with the same results as one by one in less time.

    Comparisons with the window before are added by :func:`follow`.

    Args:
        sources: The windows, with the settings of their models.
        say: Called with a message if the reference of a window is not the baseline's own decisions.
    """
    evaluations, batch, held_bytes = list[Evaluation](), list[AskedWindow](), 0
    for source, settings in sources:
        batch.append(_inputs_of(source, settings, say))
        held_bytes += _bytes_of(batch[-1])
        if held_bytes > MOST_BYTES:
            evaluations += judge_windows(batch)
            batch, held_bytes = [], 0
    evaluations += judge_windows(batch)
    for (source, _), evaluation in zip(sources, evaluations, strict=True):
        if source.baseline is not None:
            _name_absent_features(evaluation, source, source.baseline)
    return evaluations


def _bytes_of(asked_window: AskedWindow) -> int:
    """Return the bytes of the sums of a window and of its slices."""
    panes = [asked_window.window.pane, *(slice_context.pane for slice_context in asked_window.context.slices.values())]
    return sum(sums.nbytes for pane in panes for sums in pane.parts.values())


def _inputs_of(source: WindowSource, settings: ModelSettings, say: Say) -> AskedWindow:
    """Return the inputs of a window's evaluation: its sums, its reference and its context."""
    pane, baseline = source.pane, source.baseline
    aligned: Reference | None = None
    reference: Reference | None = None
    mix: F64 | None = None
    if baseline is not None:
        count_missing_rows(pane, baseline.bins)
        aligned = align_threshold(baseline, pane, source.task)
        if aligned.notes:
            say(f"{source.key.model} is compared with {compared_words(aligned.notes)}")
        past = source.reference(aligned.baseline)
        reference = past._replace(notes=aligned.notes + past.notes)
    if reference is not None and settings.seasons is not None:
        known_seasons = reference.baseline.extras.seasons
        mix = None if known_seasons is None else source.season_mix(known_seasons)
        if mix is not None:
            pane.parts[SEASONS] = mix
        span = source.window.end - source.window.start
        reference = same_seasons(reference, settings.seasons, pane, span)
    before: TimeBefore = no_time_before
    known_mix = mix if reference is not None and reference.seasonal else None
    evaluated = source.evaluated
    if reference is not None and evaluated is None:
        before = remove_season(source.time_before(), reference.baseline, known_mix)
    context = NO_CONTEXT if evaluated is not None else _context(source, settings, baseline)
    if reference is not None and known_mix is not None:
        context = replace(context, slices=_without_season(context.slices, reference.baseline, known_mix))
    context = replace(
        context,
        outcomes=outcomes_of_window(source, settings, None if aligned is None else aligned.baseline),
        realized=source.realized(),
        time_before=before,
        rows=source.row_losses if source.closed else no_rows,
    )
    window = ModelWindow(source.key, source.window, pane, source.closed, source.task)
    return AskedWindow(window, reference, context, settings, evaluated)


def follow(evaluation: Evaluation, before: Evaluation | None) -> Evaluation:
    """Return an evaluation with the facts that continue from the window before.

    These are incidents, the evidence for lasting shifts, and inconclusive objectives.

    Args:
        evaluation: Of a window.
        before: Of the window of the same name before it; None if there is none.
    """
    since = incident(evaluation, before) if evaluation.window.end > evaluation.window.start else evaluation.incident
    return structs.replace(
        evaluation,
        incident=since,
        lasting=follow_lasting(evaluation, before),
        objectives=count_inconclusive(evaluation, before),
    )


def outcomes_of_window(source: WindowSource, settings: ModelSettings, reference: Baseline | None) -> WindowOutcomes:
    """Return the outcomes of a window by block of time and by slice, and whether the window is mature.

    Only closed windows have slices, because open ones are evaluated often. Rolling objectives are evaluated in the
    shortest windows only, once each.
    """
    window, timezone, delay, progress = source.window, settings.timezone, source.delay, source.progress
    slices = source.outcome_slices(blocks_of_window(window, timezone, HOURS) or (window,)) if source.closed else {}
    steps = calls = None
    if window.name in ("", min(settings.windows, key=length, default=window.name)):
        steps, calls = rolling_outcomes(source, settings)
    age = None if progress.reached is None else progress.reached - window.end
    return WindowOutcomes(
        source.blocks,
        {name: slice_outcomes.total for name, slice_outcomes in slices.items()},
        young=age is not None and age < delay.nanoseconds,
        reference=reference,
        weak=source.weak(),
        losses=source.loss_tiles,
        delay=delay,
        steps=steps,
        calls=calls,
        timezone=timezone,
        age=age,
        in_time=slices,
    )


def rolling_outcomes(
    source: WindowSource, settings: ModelSettings, window: Window | None = None
) -> tuple[Steps | None, Steps | None]:
    """Return the outcomes and the calls of the five-minute windows that rolling objectives need; None without any.

    If feedback is implicit, lists without outcomes count as not clicked once they had their time.

    Args:
        source: The window.
        settings: Settings of the model.
        window: The window whose periods are evaluated. Default: that of the source.
    """
    progress, window = source.progress, window or source.window
    complete = window.end if progress.complete is None else progress.complete
    ripe = complete if progress.complete is None else complete - source.delay.nanoseconds
    until = window.end if progress.reached is None else progress.reached

    def steps(
        of_service: bool, final: int, panes_of: Callable[[Sequence[Window]], Sequence[Pane] | None]
    ) -> Steps | None:
        rolling = [objective for objective in settings.performance.objectives if objective.of_service == of_service]
        windows = rolling_steps(window, rolling, settings.timezone, until, progress.panes_from)
        panes = None if windows is None else panes_of(windows)
        return None if windows is None or panes is None else Steps(windows, panes, final, progress.reached)

    outcomes = steps(False, ripe, source.outcome_panes)
    if outcomes is not None and settings.performance.outcomes == "implicit" and source.task.ranks_items:
        outcomes = count_silence_in_steps(outcomes, source.task)
    return outcomes, steps(True, complete, source.call_panes)


def _context(source: WindowSource, settings: ModelSettings, baseline: Baseline | None) -> WindowContext:
    """Return the rows and slices of a closed window; nothing for an open window, which is evaluated often."""
    if not source.closed:
        return NO_CONTEXT
    expect = settings.expectations
    repeating = baseline is not None and baseline.extras.repeats is not None
    return WindowContext(
        facts=RowFacts(
            repeats=source.repeats() if baseline is not None or expect.wants("duplicates") else None,
            unique=source.unique(),
            newest=source.newest() if expect.wants("freshness") else None,
            until=source.until,
        ),
        recurrences=source.recurrences() if repeating else (),
        slices=source.slices() if baseline is not None else {},
    )


def _without_season(slices: Mapping[str, SliceContext], baseline: Baseline, mix: F64) -> dict[str, SliceContext]:
    """Return slices whose time before the window has the season mix of all rows."""
    return {
        name: slice_outcomes._replace(time_before=remove_season(slice_outcomes.time_before, baseline, mix))
        for name, slice_outcomes in slices.items()
    }


def _name_absent_features(evaluation: Evaluation, source: WindowSource, baseline: Baseline) -> None:
    """Add a finding for each feature without a column, regardless of the number of rows."""
    absent = source.absent_features()
    absent_features = [name for name in baseline.bins.features if name in absent]
    if not absent_features:
        return
    reported_features = {
        name for finding in evaluation.findings if finding.check == MISSING.name for name in finding.features
    }
    findings = []
    for name in absent_features:
        if name not in reported_features:
            was = evaluation.features[name].missing_was
            similar = similar_feature(name, evaluation.new_features)
            findings.append(Finding(MISSING.name, (name,), "critical", was, 1.0, 0.0, similar=similar))
    evaluation.findings = (*findings, *evaluation.findings)
