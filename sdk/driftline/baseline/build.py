"""Build a baseline in two passes over the rows, so that the rows need not fit in memory.

The first pass collects the classes and a sample of bounded size, from which bins, vocabularies of texts and time blocks
are chosen. The second pass folds all rows over them, one batch at a time, and keeps only sums.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from driftline.baseline.sections.catalogue import GATHERERS, Extras
from driftline.baseline.sections.feature_marks import NonFeatures, bins_of
from driftline.baseline.sections.outcome_spread import OutcomeSpread
from driftline.baseline.sections.slices import SlicesGatherer
from driftline.baseline.sections.time_blocks import Period, TimeBlocks, TimeGrid
from driftline.faults import logger
from driftline.inputs.text_descriptors import described, looks_like_texts, raw_names, vocabulary_of, with_short_texts
from driftline.inputs.vocabulary import Vocabulary
from driftline.panes.bins import CategoryBins, anonymous_number_bins, number_bins
from driftline.panes.embedding_projection import Projection
from driftline.panes.fold import fold_by
from driftline.panes.model_bins import ModelBins
from driftline.panes.outcome_sums import fold_outcomes
from driftline.panes.pane import Pane, merge
from driftline.panes.pca import choose_space
from driftline.panes.relevance import Relevance
from driftline.panes.unbinned_values import NOT_IN_BASELINES
from driftline.tables.classes import resolve_task, seen_classes
from driftline.tables.performance_columns import actual_numbers
from driftline.tables.table import Column, ModelKey, PredictionTable, Text, concatenate, is_present
from driftline.tables.task import Task
from driftline.tables.timestamps import AnySeasonality

from .codes import code_features
from .reference_rows import MOST_SAMPLED, ReferenceRows, ReferenceSetup, Sample, Settle, joined

Pass = Callable[[], Iterable[ReferenceRows]]
"""Returns the rows from the first one on, each time it is called."""

ActualCheck = Callable[[Column, Task], None]
"""Raises for actual values that are not classes of the task."""


MANY_OUTSIDE = 0.01
"""Fraction of the scores of a binary model outside 0 to 1 from which on they are not probabilities."""

FEWEST_COPIED = 50
"""Rows from which a feature that equals the outcome in all of them is a copy of it."""


class UnreadableColumn(ValueError):  # noqa: N818 - the state of the rows, and the sentence their sender reads
    """No value of a column can be read.

    Attributes:
        part: ``score``, ``time`` or ``actual``.
    """

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


@dataclass(frozen=True, slots=True)
class ReferenceDescription:
    """The description of reference rows. Missing fields are learned from the rows.

    Attributes:
        task: Kind of the task; "" if only features are compared.
        text_features: None = detected.
        category_features: Features of numbers that are categories; None = detected.
        typed_categories: Features whose column has the type of a category.
        features_named: True if the features were listed by name; then none of them is treated as an identifier.
        sample: Maximum number of rows from which bins are chosen; None = all.
        seasonality: Seasons of the rows, or the request to detect them; None = no seasons.
        quantiles: Levels that a regression predicts.
    """

    key: ModelKey
    task: str
    classes: Sequence[object] | None = None
    positive_class: object = None
    threshold: float = 0.5
    text_features: Sequence[str] | None = None
    category_features: Sequence[str] | None = None
    features_named: bool = False
    typed_categories: Collection[str] = ()
    sample: int | None = MOST_SAMPLED
    settle: Settle | None = None
    check_actual: ActualCheck | None = None
    seasonality: AnySeasonality | None = None
    quantiles: Sequence[float] = ()


class BaselineParts(NamedTuple):
    """The parts of a baseline without names, and the sample from which its bins were chosen, with actual values."""

    task: Task
    bins: ModelBins
    pane: Pane
    texts: dict[str, Vocabulary]
    extras: Extras
    sample: PredictionTable
    actual: Column | None


def build(open_rows: Pass, description: ReferenceDescription) -> BaselineParts:
    """Build a baseline from rows that can be read twice.

    Raises ``ValueError``, with the fix, if there are no rows, if classes or positive class are unknown, and if the
    scores do not fit the classes.
    """
    sample, classes = Sample(description.sample), set[str]()
    for rows in open_rows():
        classes.update(seen_classes([column for column in (rows.actual, rows.predicted) if column is not None]))
        sample.add(rows)
    sampled = sample.rows()
    settle = description.settle(sampled) if description.settle is not None else _as_it_is
    sampled = settle(sampled)
    task, texts = task_and_vocabularies(sampled, description, classes)
    warn_unlikely_rows(sampled, task)
    reference = table_of(sampled, description.key, task, texts)

    ranked = Pane()

    def tables() -> Iterator[tuple[PredictionTable, Column | None]]:
        nonlocal ranked
        for rows in open_rows():
            if rows.relevance is not None:
                ranked = merge([ranked, fold_lists(task, rows.relevance)])
            if rows.actual is not None and description.check_actual is not None and task.classes:
                description.check_actual(rows.actual, task)
            if rows.rows:
                yield table_of(settle(rows), description.key, task, texts), rows.actual

    marks = None if description.features_named else NonFeatures.learned(_not(texts, sampled.features))
    numbers = _not(texts, sampled.features)
    named, typed = description.category_features, description.typed_categories
    codes = code_features([reference], [sampled.actual], numbers, named, typed)
    bins = choose_bins([reference], task, marks, codes=codes)
    pane, extras = fold_all(tables(), bins, reference, description.seasonality)
    pane = merge([pane, ranked])
    return BaselineParts(
        task=task,
        bins=bins,
        pane=pane,
        texts=texts,
        extras=replace(extras, marks=marks, outcome_spread=OutcomeSpread.of(task, [sampled.actual])),
        sample=reference,
        actual=sampled.actual,
    )


def fold_lists(task: Task, relevance: Relevance) -> Pane:
    """Fold the relevance of rankings."""
    return fold_outcomes(task, None, None, Column(numbers=relevance.clicked), relevance=relevance)


def fold_all(
    tables: Iterable[tuple[PredictionTable, Column | None]],
    bins: ModelBins,
    sample: PredictionTable,
    seasonality: AnySeasonality | None = None,
) -> tuple[Pane, Extras]:
    """Fold tables with their actual values, if known, into one pane, and gather the optional sections.

    ``sample``: some of the rows, from which the sections are configured.
    """
    stretches = TimeGrid.of(sample.time)
    # two per block, the second for its short interval; the last for rows without a block
    folded = [Pane() for _ in range(1 if stretches is None else 2 * stretches.count + 2)]
    gatherers = {name: begin(ReferenceSetup(sample, bins, seasonality)) for name, begin in GATHERERS.items()}
    sliced = SlicesGatherer(sample)
    outcomes = Pane()
    period: Period | None = None
    for table, actual in tables:
        group = np.zeros(len(table), np.int64) if stretches is None else stretches.halves(table.time)
        cuts = sliced.cuts(table)
        panes = fold_by(table, bins, group, len(folded), cuts=list(cuts.values()))
        sliced.add(cuts)
        folded = [merge(pair) for pair in zip(folded, panes, strict=True)]
        if actual is not None:
            outcome_sums = fold_outcomes(table.task, table.scores, table.predicted, actual, table.weight)
            outcomes = merge([outcomes, outcome_sums])
        if (table_period := Period.of(table.time)) is not None:
            period = table_period.joined(period)
        for gatherer in gatherers.values():
            gatherer.add(table, actual)
    pane = merge([*folded, outcomes])
    pane = Pane({name: sums for name, sums in pane.parts.items() if not name.startswith(NOT_IN_BASELINES)})
    pieces = {name: gatherer.piece() for name, gatherer in gatherers.items()}
    in_time = None
    if stretches is not None:
        merged_panes = [merge(pair) for pair in zip(folded[:-2:2], folded[1:-2:2], strict=True)]
        in_time = TimeBlocks.folded(stretches, merged_panes, bins, folded[1:-2:2])
    extras = replace(Extras(**pieces), period=period, blocks=in_time)
    return pane, replace(extras, slices=sliced.piece())


def choose_bins(
    tables: Sequence[PredictionTable],
    task: Task,
    marks: NonFeatures | None = None,
    anonymous: bool = False,
    codes: Collection[str] = (),
) -> ModelBins:
    """Choose the bins of every feature, of the score and of the predicted class, and the space of the features.

    ``anonymous``: no edge is the value of only a few rows; see :func:`driftline.panes.bins.anonymous_number_bins`.
    ``codes``: features whose numbers are categories.
    """
    numbers = anonymous_number_bins if anonymous else number_bins
    names = dict.fromkeys(name for table in tables for name in table.features)
    features = {
        name: bins_of(
            name,
            concatenate([table.features[name] for table in tables if name in table.features]),
            marks,
            anonymous=anonymous,
            is_code=name in codes,
        )
        for name in names
    }
    scores = [table.task.monitored_score(table.scores) for table in tables if table.scores is not None]
    vectors = {name: [t.features[name] for t in tables if name in t.features] for name in features}
    decided = bool(scores) or any(table.predicted is not None for table in tables)
    return ModelBins(
        features=features,
        score=numbers(np.concatenate(scores)) if scores else None,
        classes=CategoryBins(task.classes) if task.classes and decided else None,
        projections={
            name: projection for name, columns in vectors.items() if (projection := _projection(columns)) is not None
        },
        space=choose_space(tables, features),
    )


def marks_of(tables: Sequence[PredictionTable], texts: Mapping[str, Vocabulary]) -> NonFeatures | None:
    """Return the features of tables that are identifiers or times; descriptors of ``texts`` are neither."""
    names = dict.fromkeys(name for table in tables for name in table.features)
    parts = {name: [table.features[name] for table in tables if name in table.features] for name in names}
    return NonFeatures.learned(
        {name: concatenate(part) for name, part in parts.items() if raw_names((name,), tuple(texts)) == (name,)}
    )


def _projection(columns: Sequence[Column]) -> Projection | None:
    joined_column = (
        concatenate(list(columns)).vectors if all(column.vectors is not None for column in columns) else None
    )
    return None if joined_column is None else Projection.of(joined_column)


def fold_tables(
    tables: Sequence[PredictionTable],
    actual: Sequence[Column | None],
    bins: ModelBins,
    seasonality: AnySeasonality | None = None,
) -> tuple[Pane, Extras]:
    """Fold tables that are all in memory; see :func:`fold_all`."""
    parts = [
        ReferenceRows(len(table), table.features, table.scores, time=table.time, slices=table.slices)
        for table in tables
    ]
    joined_rows = joined(parts)
    times = np.zeros(joined_rows.rows, np.int64) if joined_rows.time is None else joined_rows.time
    no_ids = Text(np.zeros(joined_rows.rows + 1, dtype=np.int32), b"")
    first = tables[0]
    sample = PredictionTable(
        *(first.key, first.task, times, no_ids, joined_rows.scores),
        features=dict(joined_rows.features),
        slices=dict(joined_rows.slices),
    )
    return fold_all(zip(tables, actual, strict=True), bins, sample, seasonality)


def table_of(rows: ReferenceRows, key: ModelKey, task: Task, texts: Mapping[str, Vocabulary]) -> PredictionTable:
    """Return rows as a table of a known task; texts become descriptors, other long texts are shortened.

    Raises ``ValueError`` if the scores do not fit the classes.
    """
    short = {name: column if name in texts else with_short_texts(column) for name, column in rows.features.items()}
    return PredictionTable(
        key=key,
        task=task,
        time=np.zeros(rows.rows, dtype=np.int64) if rows.time is None else rows.time,
        id=Text(np.zeros(rows.rows + 1, dtype=np.int32), b""),
        scores=None if rows.scores is None else task.shape_scores(rows.scores),
        predicted=rows.predicted if task.may_have_classes else None,
        features=described(short, texts),
        slices={key: with_short_texts(column) for key, column in rows.slices.items()},
    )


def task_and_vocabularies(
    rows: ReferenceRows, description: ReferenceDescription, classes: Collection[str]
) -> tuple[Task, dict[str, Vocabulary]]:
    """Return the task and the vocabularies of the texts, as described, else learned from the rows.

    ``classes``: the classes of all rows. Raises ``ValueError``, with the fix, if the classes are unknown, and if no
    score or no time can be read.
    """
    if rows.scores is not None and len(rows.scores) and np.isnan(rows.scores).all():
        raise UnreadableColumn(
            "score", "score contains no numbers; pass the model's scores as score= and its classes as predicted="
        )
    if rows.time is not None and rows.rows and not rows.time.any():
        raise UnreadableColumn(
            "time", "time: none of the values can be read as a time; pass datetimes, ISO 8601 strings or unix seconds"
        )
    if Task(description.task).predicts_number and rows.actual is not None:
        _refuse_no_number(rows.actual)
    names = description.text_features
    if names is None:
        names = [name for name, column in rows.features.items() if looks_like_texts(column)]
    texts = {name: vocabulary_of(rows.features[name]) for name in names}
    if not description.task:
        return Task(), texts
    task = resolve_task(
        description.task,
        classes=description.classes,
        positive_class=description.positive_class,
        threshold=description.threshold,
        columns=[Column(codes=np.arange(len(classes), dtype=np.int32), categories=tuple(classes))],
        score_columns=0 if rows.scores is None else rows.scores.shape[1],
        quantiles=description.quantiles,
    )
    return task, texts


def warn_unlikely_rows(rows: ReferenceRows, task: Task) -> None:
    """Log scores that are not probabilities, and features that are the outcome of all rows: a column of labels."""
    if task.has_threshold and rows.scores is not None and len(rows.scores):
        with np.errstate(invalid="ignore"):
            outside = float(np.mean((rows.scores < 0) | (rows.scores > 1)))
        if outside >= MANY_OUTSIDE:
            logger.warning(
                "driftline: baseline: %.0f %% of the scores are not between 0 and 1: pass probabilities, and divide "
                "percentages by 100", 100 * outside,
            )  # fmt: skip
    if rows.actual is None or rows.rows < FEWEST_COPIED:
        return
    for name, column in rows.features.items():
        if _is_equal(column, rows.actual):
            logger.warning(
                "driftline: baseline: %s: equals the outcome in all rows, and new rows lack it: leave it out of the "
                "features", name,
            )  # fmt: skip


def _is_equal(column: Column, outcome: Column) -> bool:
    """Return True if two columns of numbers, or of texts, have the same values, of which there are at least two."""
    if column.numbers is not None and outcome.numbers is not None and column.codes is outcome.codes is None:
        return np.array_equal(column.numbers, outcome.numbers, equal_nan=True) and len(np.unique(column.numbers)) > 1
    if column.codes is None or outcome.codes is None or column.numbers is not None or outcome.numbers is not None:
        return False
    if len(column.categories) != len(outcome.categories) or len(column.categories) < 2:
        return False
    texts, outcomes = (np.array([*of.categories, ""])[of.codes] for of in (column, outcome))
    return np.array_equal(texts, outcomes)


def _refuse_no_number(actual: Column) -> None:
    if is_present(actual).any() and np.isnan(actual_numbers(actual)).all():
        first = next(iter(actual.categories), "")
        raise UnreadableColumn(
            "actual",
            f"actual contains no numbers, but values such as {first!r}; the outcome of a regression model is a number: "
            "pass the numbers as actual=",
        )


def _not(texts: Collection[str], features: Mapping[str, Column]) -> dict[str, Column]:
    return {name: column for name, column in features.items() if name not in texts}


def _as_it_is(rows: ReferenceRows) -> ReferenceRows:
    return rows
