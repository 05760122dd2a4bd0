"""Evaluate files against a baseline: read, fold per window, evaluate.

Features stream through in batches and leave only their panes behind; scores, decisions and truth stay in memory, so
that performance is exact, from rows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from driftline.baseline import Baseline
from driftline.classes import class_codes
from driftline.descriptors import raw_names
from driftline.fold import fold_outcomes
from driftline.frames import concatenate, taken
from driftline.pane import MOST_UNKNOWN, Pane, merge
from driftline.repeats import MOST_KEPT
from driftline.ruled import HASHED
from driftline.tables import F64, I64, Column, ModelKey, PredictionTable, Task

from driftline_processor.core.beside import Beside
from driftline_processor.core.concept import Settings
from driftline_processor.core.concept.verdict import Concept
from driftline_processor.core.drift.choice import Choices
from driftline_processor.core.drift.joint_rule import drift_together
from driftline_processor.core.evaluate import evaluate
from driftline_processor.core.evaluation import Evaluation, Window
from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.incident import incident
from driftline_processor.core.performance import from_rows

from .build import build_from_files
from .classified import CLASSIFIER, classified
from .concept import Heard, concept_of
from .cut import Cut, cut_rows
from .errors import BadInput, Say, listed, near, rows
from .exact import exact_values, rows_of
from .folded import Folded, Prints, fold_windows, newest_rows
from .methods import read_choices
from .outcomes import join, read_outcomes
from .roles import ColumnOptions, Roles, find_roles, id_column
from .rows import Rows, for_task, read_rows, rules_of, select, tables, with_time
from .sidecar import load_rows
from .source import Source, check_path, open_source
from .steps import Trails, cut_steps

T = TypeVar("T")
R = TypeVar("R")
_THREADS = 2
LEAST_KEPT, ALL_KEPT = 4_096, 8_000_000
"""Fingerprints that are kept of a window, however many there are, and of all of them together: 64 MB."""


@dataclass(frozen=True, slots=True)
class Result:
    """What `driftline evaluate` found: the baseline it used, and one evaluation per window, oldest first.

    ``choices``: the drift methods that were asked for. ``concept``: whether errors have become more, over all rows.
    """

    key: ModelKey
    baseline: Baseline
    evaluations: list[Evaluation]
    choices: Choices
    concept: Concept | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """Rows with what was predicted and what happened, as :func:`from_rows` takes them."""

    scores: F64 | None
    predicted: Column | None
    actual: Column
    weight: F64 | None


def evaluate_files(
    data: Sequence[Path],
    reference: Path,
    outcomes: Path | None,
    options: ColumnOptions,
    cut: Cut,
    say: Say,
    exact: bool = False,
    expect: Mapping[str, Expectations] | None = None,
    classifier: bool = False,
) -> Result:
    """Evaluate rows against a baseline: ``reference`` is a built one (``.json``) or rows to build one from.

    Every window is closed: nothing more will come. ``exact``: values of drift methods from the rows. ``classifier``:
    the domain classifier, too. ``expect``: what is expected of each model's data. Raises :class:`BadInput` when a file,
    a column or an option cannot be made sense of.
    """
    cut.check()
    if exact:
        rows_of(reference, "--exact")
    if classifier:
        rows_of(reference, "--classifier")
    for path in (*data, reference, *([outcomes] if outcomes is not None else [])):
        check_path(path)
    baseline = _baseline(reference, data[0], options, say)
    if reference.suffix != ".json" or outcomes is not None:
        options = replace(options, actual="")  # the reference rows had it; the truth of these may come later, or apart
    choices = read_choices(options.method, options.methods, baseline.bins)
    task, key = baseline.task, ModelKey(baseline.model, options.version or baseline.version)
    baseline = _comparable(baseline, say)
    sources = [open_source(path, {id_column(options, baseline.columns)}, say) for path in data]
    roles = find_roles(
        sources, options, task.kind, baseline.columns, say, _features_in(sources, baseline), baseline.bins.projections
    )
    reads = [for_task(read_rows(source, roles, task.kind, say), task) for source in sources]
    if roles.time:
        reads = [with_time(read, roles.time, say) for read in reads]
    weights: list[F64 | None] = [None] * len(reads)
    heard: list[Heard] | None = None
    if outcomes is not None:
        if not roles.id:
            raise BadInput(f"{data[0]}: no id column to join {outcomes} with; name it with --id COL")
        reads, weights, heard = join(read_outcomes(outcomes, task.kind, say), reads, roles.id, say)
    _name_strangers(reads, task, say)
    windows, groups = cut_rows(reads, cut)
    wanted, counted = _expected(expect or {}, baseline, say)
    trails = Trails(cut_steps(reads, cut, windows, groups), baseline)
    folded = _fold(reads, roles, key, baseline, trails, len(windows), counted)
    truths = _truths(reads, weights, groups, len(windows))
    until = None if cut.window else time.time_ns()  # a window of rows ends with its newest row, which is never old
    panes, newest = [one.pane for one in folded], newest_rows(reads, groups, len(windows))
    evaluations = [
        _evaluate(
            window,
            one.pane,
            truth,
            Beside(
                panes[max(0, at - 2) : at][::-1],
                one.repeats,
                one.unique,
                newest[at],
                until,
                wanted,
                partial(trails.until, window.end),
            ),
            baseline,
            key,
            choices,
        )
        for at, (window, one, truth) in enumerate(zip(windows, folded, truths, strict=True))
    ]
    for before, evaluation in zip([None, *evaluations], evaluations, strict=False):
        evaluation.incident = incident(evaluation, before)
    if exact:
        exact_values(evaluations, reads, groups, rows_of(reference, "--exact"), baseline, options, say)
    if classifier:
        known = _reference(reference, options, baseline, key, say)
        _classify(evaluations, panes, known, _batches(reads, groups, roles, key, baseline), groups, baseline, say)
    return Result(key, baseline, evaluations, choices, concept_of(reads, heard, baseline, Settings()))


def _baseline(reference: Path, data: Path, options: ColumnOptions, say: Say) -> Baseline:
    if reference.suffix != ".json":
        return build_from_files([reference], replace(options, model=options.model or data.name.split(".")[0]), say)
    try:
        baseline = Baseline.load(reference)
    except (ValueError, OSError) as error:
        raise BadInput(str(error)) from error
    task = baseline.task
    for option, given, own in (
        ("--task", options.task, task.kind),
        ("--classes", options.classes, task.classes),
        ("--positive-class", options.positive_class, task.positive_class),
        ("--threshold", options.threshold, task.threshold),
    ):
        if given not in ("", (), None, own):
            raise BadInput(f"{option}: the baseline {reference} was built with {own!r}; leave the option out")
    if options.text_features:
        raise BadInput(
            f"--text-features: the baseline {reference} knows which features are texts; leave the option out"
        )
    bins = baseline.bins
    if options.features:
        known = baseline.raw_features
        for name in options.features:
            if name not in known:
                raise BadInput(f"--features: the baseline {reference} has no '{name}'; {near(name, known)}")
        bins = replace(
            bins, features={n: b for n, b in bins.features.items() if baseline.raw_name(n) in options.features}
        )
    return replace(baseline, model=options.model or baseline.model, bins=bins)


def _comparable(baseline: Baseline, say: Say) -> Baseline:
    """Leave out the features whose values were hashed for the baseline, where nobody says with which key."""
    ruled = baseline.extras.ruled
    rules = rules_of(baseline)
    lost = [] if ruled is None else [n for n, kind in ruled.of.items() if kind == HASHED and rules.get(n) is None]
    for name in lost:
        say(f"{name}: left out: hashed in the baseline; set DRIFTLINE_PRIVACY_HASH and DRIFTLINE_PRIVACY_KEY as there")
    kept = {name: over for name, over in baseline.bins.features.items() if name not in lost}
    return replace(baseline, bins=replace(baseline.bins, features=kept)) if lost else baseline


def _features_in(sources: Sequence[Source], baseline: Baseline) -> tuple[str, ...]:
    """Return the baseline's features as the files have them: a text itself, or its descriptors."""
    there = {name for source in sources for name in source.schema.names}
    return raw_names(tuple(baseline.bins.features), tuple(name for name in baseline.texts if name in there))


def _expected(expect: Mapping[str, Expectations], baseline: Baseline, say: Say) -> tuple[Expectations, Expectations]:
    """What is expected of the model, and of what is read; features that the baseline lacks are not, and are named."""
    if expect and baseline.model not in expect:
        raise BadInput(
            f"--expect: it expects nothing of the model '{baseline.model}'; {near(baseline.model, tuple(expect))}"
        )
    wanted = expect.get(baseline.model, Expectations())
    unknown = [name for name in wanted.features if name not in baseline.bins.features]
    if unknown:
        say(f"--expect: {listed(unknown)}: no such feature in the baseline, so nothing is told of it")
    known = {name: rules for name, rules in wanted.features.items() if name not in unknown}
    return wanted, replace(wanted, features=known)


def _fold(
    reads: Sequence[Rows],
    roles: Roles,
    key: ModelKey,
    baseline: Baseline,
    trails: Trails,
    windows: int,
    expect: Expectations,
) -> list[Folded]:
    """Fold all rows into one pane per window, a batch at a time, and count which rows repeat.

    ``trails``: gets what each step of time looks like.
    """
    steps = trails.steps
    repeating = baseline.extras.repeats is not None or expect.wants("duplicates")
    most = min(MOST_KEPT, max(LEAST_KEPT, ALL_KEPT // max(1, windows)))

    def fold_batch(batch: tuple[PredictionTable, I64]) -> list[tuple[int, Pane, Prints]]:
        return fold_windows(*batch, len(steps.owner), baseline, expect, repeating, roles.cluster)

    total = [Folded.of(most, expect) for _ in range(windows)]
    for folded in _ahead(fold_batch, _batches(reads, steps.pieces, roles, key, baseline)):
        for at, pane, prints in folded:
            total[int(steps.owner[at])].add(pane, prints)
            trails.add(at, pane)
    for one in total:
        one.pane.parts |= {f"unknown:{name}": one.pane.parts["rows"][1:2] for name in roles.unknown[:MOST_UNKNOWN]}
    return total


def _batches(
    reads: Sequence[Rows], groups: Sequence[I64], roles: Roles, key: ModelKey, baseline: Baseline
) -> Iterator[tuple[PredictionTable, I64]]:
    """Yield the rows that are in a window in batches, and the window of each."""
    for read, group in zip(reads, groups, strict=True):
        start = 0
        for table in tables(read, roles, key, baseline.task, baseline):
            window = group[start : start + len(table)]
            start += len(table)
            yield (table, window) if read.usable is None else (select(table, window >= 0), window[window >= 0])


def _reference(
    reference: Path, options: ColumnOptions, baseline: Baseline, key: ModelKey, say: Say
) -> tuple[int, Iterable[PredictionTable]]:
    """Read the rows of the reference, and how many they are: the file itself, or what stands beside a baseline."""
    path = rows_of(reference, "--classifier")
    if path != reference:
        kept = load_rows(path, baseline)[0]
        return len(kept), [kept]
    source = open_source(path, {id_column(options, baseline.columns)}, say)
    found = _features_in([source], baseline)
    kind, told = baseline.task.kind, baseline.columns
    roles = find_roles([source], options, kind, told, lambda _: None, found, baseline.bins.projections)
    return source.rows, tables(Rows(source), roles, key, baseline.task, baseline)


def _classify(
    evaluations: Sequence[Evaluation],
    panes: Sequence[Pane],
    reference: tuple[int, Iterable[PredictionTable]],
    current: Iterable[tuple[PredictionTable, I64]],
    groups: Sequence[I64],
    baseline: Baseline,
    say: Say,
) -> None:
    """Judge every window anew, with what the domain classifier finds in it."""
    bins, space = baseline.bins.features, baseline.bins.space
    if space is None or not space.names_in(bins):
        say("--classifier: left out: the baseline has no space of these features (docs/methods.md says what it takes)")
        return
    group = np.concatenate(groups)
    known, before = reference
    found = classified(evaluations, before, current, (known, group[group >= 0]), bins, space)
    for evaluation, pane, one in zip(evaluations, panes, found, strict=True):
        from_rows = {} if one is None else {CLASSIFIER: one}
        evaluation.joint = drift_together(pane, baseline, evaluation.features, from_rows)


def _ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function on two threads, a few items ahead: numpy searches and counts without the interpreter's lock."""
    with ThreadPoolExecutor(_THREADS) as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(pool.submit(function, item))
            if len(running) > _THREADS:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _truths(
    reads: Sequence[Rows], weights: Sequence[F64 | None], groups: Sequence[I64], windows: int
) -> Iterator[Truth | None]:
    """Yield the truth of each window; None everywhere when no file has any."""
    if all(read.actual is None for read in reads):
        yield from [None] * windows
        return
    group = np.concatenate(groups)
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(windows + 1))
    scores = _stacked([read.scores for read in reads])
    weight = _stacked(weights)
    actual = _joined([read.actual for read in reads])
    predicted = _joined([read.predicted for read in reads])
    for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        which = order[start:end]
        yield Truth(
            None if scores is None else scores[which],
            None if predicted is None else taken(predicted, which),
            Column() if actual is None else taken(actual, which),
            None if weight is None else weight[which],
        )


def _stacked(parts: Sequence[F64 | None]) -> F64 | None:
    """What one file has every file has: a part is known by a column that all share."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there else None


def _joined(parts: Sequence[Column | None]) -> Column | None:
    there = [part for part in parts if part is not None]
    return concatenate(there) if there else None


def _name_strangers(reads: Sequence[Rows], task: Task, say: Say) -> None:
    """Name the actual values that are nothing the model could have predicted; they count as not known."""
    if task.kind == "ranking":
        if any(read.actual is not None for read in reads):
            say("the performance of a ranking is not computed yet: its outcomes are only counted")
        return
    for read in reads:
        if read.actual is None:
            continue
        if task.kind == "regression":
            strange = np.zeros(0, np.bool_) if read.actual.codes is None else read.actual.codes >= 0
        else:
            codes = class_codes(read.actual, task.classes)
            strange = np.zeros(0, np.bool_) if codes is None else codes == len(task.classes)
        if strange.any():
            what = "no number" if task.kind == "regression" else f"none of the classes {', '.join(task.classes)}"
            say(f"{read.source.path}: {rows(int(strange.sum()))} with an actual that is {what}, taken as not known")


def _evaluate(
    window: Window,
    pane: Pane,
    truth: Truth | None,
    beside: Beside,
    baseline: Baseline,
    key: ModelKey,
    choices: Choices,
) -> Evaluation:
    realized = None
    if truth is not None:
        rows_of_truth = (truth.scores, truth.predicted, truth.actual, truth.weight)
        pane = merge([pane, fold_outcomes(baseline.task, *rows_of_truth)])
        realized = from_rows(baseline.task, *rows_of_truth)
    return evaluate(pane, baseline, key, window, closed=True, realized=realized, beside=beside, choices=choices)
