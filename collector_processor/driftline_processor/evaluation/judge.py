"""Judge a window: one path from a :class:`.window_source.WindowSource` to an Evaluation, live and for files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from driftline.baseline.baseline import Baseline

from driftline_processor.core.drift.incident import incident
from driftline_processor.core.evaluation import Evaluation, Finding
from driftline_processor.core.judge_window import evaluate
from driftline_processor.core.outcomes.coverage import count_missing_rows
from driftline_processor.core.performance.objective import undecided
from driftline_processor.core.quality.checks.missing import CHECK as MISSING
from driftline_processor.core.quality.checks.missing import never_arrived
from driftline_processor.core.reference.decision_threshold import align_threshold
from driftline_processor.core.reference.reference import Reference
from driftline_processor.core.reference.season import PART as SEASONS
from driftline_processor.core.reference.season import remove_season, seasonal_reference
from driftline_processor.core.window_context import WindowContext
from driftline_processor.core.windows.time_before import Ask, no_steps

from .settings import ModelSettings
from .window_source import WindowSource


def judge(source: WindowSource, settings: ModelSettings, say: Callable[[str], None] = lambda _: None) -> Evaluation:
    """Judge one window.

    What a window shows beside the one before it is said by :func:`follow`, once that one is known.

    Args:
        source: The window.
        settings: How the model's windows are judged.
        say: Is told in words where the window is compared with another reference than the baseline's own decisions.
    """
    pane, baseline = source.pane, source.baseline
    aligned: Reference | None = None
    reference: Reference | None = None
    seasons = None
    if baseline is not None:
        count_missing_rows(pane, baseline.bins)
        aligned = align_threshold(baseline, pane, source.task)
        if aligned.note:
            say(f"{source.key.model} is compared with {aligned.note}")
        past = source.reference(aligned.baseline)
        reference = past._replace(note=aligned.and_also(past.note))
    if reference is not None and settings.seasons is not None:
        known = reference.baseline.extras.seasons
        seasons = None if known is None else source.season_mix(known)
        if seasons is not None:
            pane.parts[SEASONS] = seasons
        same = seasonal_reference(reference.baseline, settings.seasons.kind, pane)
        reference = Reference(same.baseline, reference.and_also(same.note), reference.shift)
    trail = no_steps if reference is None else remove_season(source.trail(), reference.baseline, seasons)
    evaluation = evaluate(
        pane,
        None if reference is None else reference.baseline,
        source.key,
        source.window,
        source.closed,
        settings.min_effect,
        realized=source.realized(),
        task=source.task,
        beside=_context(source, settings, baseline, trail, sliced=seasons is None),
        choices=settings.choices,
        together=settings.multivariate,
        compared="" if reference is None else reference.note,
        shift=0.0 if reference is None else reference.shift,
        known=replace(source.outcomes(), reference=None if aligned is None else aligned.baseline),
        asked=settings.performance,
    )
    if baseline is not None:
        _name_absent_features(evaluation, source, baseline)
    return evaluation


def follow(evaluation: Evaluation, before: Evaluation | None) -> Evaluation:
    """Return an evaluation with what continues from the window before: incidents, and undecided objectives.

    Args:
        evaluation: Of a window.
        before: Of the window of the same name before it; None where there is none.
    """
    since = incident(evaluation, before) if evaluation.window.end > evaluation.window.start else evaluation.incident
    return replace(evaluation, incident=since, objectives=undecided(evaluation, before))


def _context(
    source: WindowSource, settings: ModelSettings, baseline: Baseline | None, trail: Ask, sliced: bool
) -> WindowContext:
    """Return what is known beside the sums; of an open window, which is judged many times, only what is expected.

    ``sliced``: False where rows are compared with the same hours; the hours of slices are not known apart, and each
    slice would drift with the hour.
    """
    expect = settings.expectations
    if not source.closed:
        return WindowContext(expect=expect, trail=trail, timezone=settings.timezone)
    repeating = baseline is not None and baseline.extras.repeats is not None
    return WindowContext(
        repeats=source.repeats() if baseline is not None or expect.wants("duplicates") else None,
        unique=source.unique(),
        newest=source.newest() if expect.wants("freshness") else None,
        until=source.until,
        expect=expect,
        trail=trail,
        timezone=settings.timezone,
        slices=source.slices() if baseline is not None and sliced else {},
        recurrences=source.recurrences() if repeating else (),
    )


def _name_absent_features(evaluation: Evaluation, source: WindowSource, baseline: Baseline) -> None:
    """Add a finding for each feature without a column: however few rows there are, it is gone."""
    absent = source.absent_features()
    gone = [name for name in baseline.bins.features if name in absent]
    if not gone:
        return
    found = {name for finding in evaluation.findings if finding.check == MISSING.name for name in finding.features}
    findings = []
    for name in gone:
        if name not in found:
            was = evaluation.features[name].missing_was
            sentence = never_arrived(name, was or 0.0, evaluation.new_features)
            findings.append(Finding(MISSING.name, (name,), "critical", was, 1.0, 0.0, sentence))
    evaluation.findings = (*findings, *evaluation.findings)
