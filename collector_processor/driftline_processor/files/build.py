"""Build a baseline from files: one feature at a time, so that memory holds one column of all rows, never the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import CategoryBins, bins_for, count, number_bins
from driftline.classes import resolve_task
from driftline.descriptors import describe, looks_like_texts, vocabulary_of, without_texts
from driftline.extras import Extras
from driftline.fold import ModelBins, fold, fold_outcomes, target_score
from driftline.frames import concatenate
from driftline.pane import Pane, merge
from driftline.ranges import Ranges
from driftline.tables import Column, ModelKey, PredictionTable, Task, Text
from driftline.vocabulary import Vocabulary

from .errors import BadInput, Say
from .roles import ColumnOptions, Roles, find_roles, id_column
from .rows import Rows, for_task, read_rows
from .source import Source, open_source, readable
from .values import is_nested, whole_column


def build_from_files(paths: Sequence[Path], options: ColumnOptions, say: Say) -> Baseline:
    """Build the baseline of ``options.model`` from its reference rows.

    Raises :class:`BadInput` when a file, a column or the task cannot be made sense of.
    """
    sources = [open_source(path, {id_column(options, {})}, say) for path in paths]
    roles = find_roles(sources, options, options.task, {}, say)
    if not roles.features:
        raise BadInput(f"{paths[0]}: it has no column that could be a feature")
    reads = [read_rows(source, roles, options.task, say) for source in sources]
    task = _task(reads, roles, options)
    reads = [for_task(read, task) for read in reads]
    key = ModelKey(options.model, options.version)
    pane, bins = _fold_predictions(reads, key, task)
    texts: dict[str, Vocabulary] = {}
    ranges: list[Ranges | None] = []
    for name in roles.features:
        column = concatenate([_feature(source, name) for source in sources])
        if name in options.text_features or (not options.text_features and looks_like_texts(column)):
            texts[name] = vocabulary_of(column)
            if not options.text_features:
                say(f"{name}: read as texts: compared by length, words and script; say --text-features none if not")
        parts = describe(name, column, texts[name]) if name in texts else {name: without_texts(column)[0]}
        for part, values in parts.items():
            bins.features[part] = bins_for(values)
            pane.parts[f"feature:{part}"] = count(bins.features[part], values)
            ranges.append(Ranges.of_columns([(part, values)], bins))
    of = {name: both for one in ranges if one is not None for name, both in one.of.items()}
    known = Extras(ranges=Ranges(of) if of else None)
    return Baseline(key.model, key.version, task, bins, pane, _columns(roles), texts=texts, extras=known)


def _task(reads: Sequence[Rows], roles: Roles, options: ColumnOptions) -> Task:
    if not options.task:
        return Task()
    seen = [column for read in reads for column in (read.actual, read.predicted) if column is not None]
    if options.task == "multiclass" and not options.classes and not seen:
        raise BadInput("--classes is missing: name the classes, in the order of the score columns")
    try:
        return resolve_task(
            options.task,
            classes=options.classes or None,
            positive_class=options.positive_class or None,
            threshold=0.5 if options.threshold is None else options.threshold,
            seen=seen,
            score_columns=len(roles.score),
        )
    except ValueError as error:
        raise BadInput(_as_options(str(error))) from error


def _as_options(message: str) -> str:
    """Say in options what the library says in arguments."""
    for argument, option in (
        ("classes=[negative, positive]", "--classes NEGATIVE,POSITIVE"),
        ("classes=[...]", "--classes X,Y,..."),
        ("positive_class=", "--positive-class "),
        ("task='multiclass'", "--task multiclass"),
    ):
        message = message.replace(argument, option)
    return message


def _fold_predictions(reads: Sequence[Rows], key: ModelKey, task: Task) -> tuple[Pane, ModelBins]:
    """Fold scores, decisions and outcomes; the features come one by one."""
    scores = [target_score(task, read.scores) for read in reads if read.scores is not None]
    bins = ModelBins(
        score=number_bins(np.concatenate(scores)) if scores else None,
        classes=CategoryBins(task.classes) if task.classes and (scores or reads[0].predicted is not None) else None,
    )
    panes = []
    for read in reads:
        n = len(read)
        empty = Text(np.zeros(n + 1, np.int32), b"")
        table = PredictionTable(key, task, np.zeros(n, np.int64), empty, read.scores, read.predicted)
        panes.append(fold(table, bins))
        if read.actual is not None:
            panes.append(fold_outcomes(task, read.scores, read.predicted, read.actual))
    return merge(panes), bins


def _feature(source: Source, name: str) -> Column:
    """One feature of all rows of a file; missing where the file lacks it, or holds structures."""
    if name not in source.schema.names or is_nested(source.schema.field(name).type):
        return Column(numbers=np.full(source.rows, np.nan))
    with readable(source.path):
        return whole_column(source.column(name))


def _columns(roles: Roles) -> dict[str, str | list[str]]:
    """What the baseline remembers, so that `evaluate` needs no column options."""
    columns: dict[str, str | list[str]] = {"features": list(roles.features)}
    if roles.score:
        columns["score"] = roles.score[0] if len(roles.score) == 1 else list(roles.score)
    named = {"predicted": roles.predicted, "actual": roles.actual, "time": roles.time, "id": roles.id}
    return columns | {part: name for part, name in named.items() if name}
