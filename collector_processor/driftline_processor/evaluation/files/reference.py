"""The reference of an evaluation of files: a built baseline, or one built from rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.feature_marks import HASHED, IDENTIFIER, TIME
from driftline.inputs.text_descriptors import raw_names
from driftline.tables.table import ModelKey, PredictionTable
from driftline.tables.timestamps import Seasonality
from msgspec import structs

from driftline_processor.core.reference.rolling import Rolling
from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.readers.addresses import name_of
from driftline_processor.readers.column_options import ColumnOptions, near_listed
from driftline_processor.readers.column_roles import Roles, find_roles, match_patterns
from driftline_processor.readers.errors import BadInput, Say, option_text, quiet
from driftline_processor.readers.memory import MemoryBaseline, MemoryRows, Reference, Rows
from driftline_processor.readers.prediction_rows import FileRows, feature_names, rules_of, table_batches, text_columns
from driftline_processor.readers.source import Source, names_of
from driftline_processor.readers.sources import is_built_baseline, open_source

from .baseline import build_from_files, holds_kept_rows, load_rows, without_time


def baseline_of_first_period(
    data: Sequence[Rows], past: Rolling, options: ColumnOptions, say: Say, progress: Progress = no_progress
) -> Baseline:
    """Return a provisional baseline of the first period, for its bins, if windows are compared with earlier windows.

    Raises :class:`BadInput` if the files cannot be read, or have no times.
    """
    options = structs.replace(options, model=options.model or name_of(data[0]))
    return replace(
        _comparable(build_from_files(data, options, say, first=past, progress=progress), say), provisional=True
    )


def at_threshold(baseline: Baseline, threshold: float | None) -> Baseline:
    """Return a baseline whose model predicts the positive class from a threshold on; None = its own threshold.

    Raises:
        BadInput: The model has no threshold, or it is not a probability.
    """
    task = baseline.task
    if threshold is None or threshold == task.threshold:
        return baseline
    if not task.has_threshold:
        raise BadInput("only a binary model has a threshold; remove the option", "threshold")
    if not 0 <= threshold <= 1:
        raise BadInput(f"{threshold:g} must be a number from 0 to 1", "threshold")
    return replace(baseline, task=replace(task, threshold=threshold))


def baseline_of(
    reference: Reference, data: Rows, options: ColumnOptions, say: Say, progress: Progress = no_progress
) -> Baseline:
    """Return the baseline of a ``reference``, which is a baseline or rows to build one from.

    Columns that cannot be compared are left out. ``data``: gives the default name of the model. The baseline may be
    used at another threshold. Raises :class:`BadInput` if the file cannot be read, or an option contradicts the
    baseline.
    """
    baseline = load_baseline(reference)
    if baseline is None:
        assert not isinstance(reference, MemoryBaseline)
        options = structs.replace(options, model=options.model or name_of(data))
        return _comparable(build_from_files([reference], options, say, undated=True, progress=progress), say)
    _check_options(baseline, reference, options)
    bins = baseline.bins
    if options.features:
        chosen = _named_features(baseline, reference, options.features)
        bins = replace(bins, features={n: b for n, b in bins.features.items() if baseline.raw_name(n) in chosen})
    marks = {} if baseline.extras.marks is None else baseline.extras.marks.by_feature
    for name in (name for name in bins.features if name in marks):
        say(
            f"{name}: not compared, because in the baseline {reference} it is {_MARKED[marks[name]]}; "
            f"if that is wrong, build the baseline again with the feature in {option_text('features')}"
        )
    baseline = without_time(baseline) if options.ignore_time else baseline
    return _comparable(replace(baseline, model=options.model or baseline.model, bins=bins), say)


def _check_options(baseline: Baseline, reference: Reference, options: ColumnOptions) -> None:
    """Raise :class:`BadInput` for an option that contradicts a built baseline, which defines its task and features."""
    task = baseline.task
    for name, option_value, baseline_value in (
        ("task", options.task, task.kind),
        ("classes", options.classes, task.classes),
        ("positive_class", options.positive_class, task.positive_class),
        ("quantiles", options.levels if options.quantiles else (), task.quantiles),
    ):
        if option_value not in ("", (), None, baseline_value):
            raise BadInput(f"the baseline {reference} was built with {baseline_value!r}; remove the option", name)
    at_threshold(baseline, options.threshold)  # raises
    _check_seasons(baseline, reference, options)
    for name, names, kind in (
        ("text_features", options.text_features, "text"),
        ("category_features", options.category_features, "categories"),
    ):
        if names:
            raise BadInput(
                f"the baseline {reference} already defines which features are {kind}; remove the option", name
            )


def _named_features(baseline: Baseline, reference: Reference, names: Sequence[str]) -> tuple[str, ...]:
    """Return the features of a baseline that names or patterns match. Raises :class:`BadInput` if one matches none."""
    features = baseline.raw_features
    for name in names:
        if name not in features and not any(fnmatchcase(feature, name) for feature in features):
            raise BadInput(f"the baseline {reference} has no '{name}'; {near_listed(name, features)}", "features")
    return match_patterns(features, names, "features", str(reference))


def load_baseline(reference: Reference | None) -> Baseline | None:
    """Return a built baseline; None if the reference is rows to build one from, or there is none.

    Raises :class:`BadInput` if its file cannot be read.
    """
    if isinstance(reference, MemoryBaseline):
        return reference.baseline
    if not isinstance(reference, Path) or not is_built_baseline(reference):
        return None
    try:
        return Baseline.load(reference)
    except (ValueError, OSError) as error:
        raise BadInput(str(error)) from error


_MARKED = {IDENTIFIER: "an identifier", TIME: "a time written as a number"}


def _check_seasons(baseline: Baseline, reference: Reference, options: ColumnOptions) -> None:
    seasons, baseline_seasons = options.seasons, baseline.extras.seasons
    if not isinstance(seasons, Seasonality):
        return
    seasonality = None if baseline_seasons is None else baseline_seasons.seasonality
    if seasonality is None or seasonality.kind != seasons.kind:
        has = "no seasonality" if seasonality is None else f"the seasonality {seasonality.kind}"
        raise BadInput(
            f"the baseline {reference} has {has}; "
            f"build it with 'driftline baseline build --seasonality {seasons.kind}'",
            "seasonality",
            seasons.kind,
        )
    if options.timezone not in ("", seasonality.timezone):
        raise BadInput(
            f"the baseline {reference} was built with {seasonality.timezone!r}; remove the option", "timezone"
        )


def _comparable(baseline: Baseline, say: Say) -> Baseline:
    """Leave out hashed features of a baseline whose key is not given."""
    ruled = baseline.extras.applied_rules
    rules = rules_of(baseline)
    lost = (
        [] if ruled is None else [n for n, kind in ruled.by_feature.items() if kind == HASHED and rules.get(n) is None]
    )
    for name in lost:
        say(
            f"{name}: ignored, because the baseline has hashes; "
            "set the same DRIFTLINE_PRIVACY_HASH and DRIFTLINE_PRIVACY_KEY"
        )
    features = {name: over for name, over in baseline.bins.features.items() if name not in lost}
    return replace(baseline, bins=replace(baseline.bins, features=features)) if lost else baseline


def features_of_files(sources: Sequence[Source], baseline: Baseline) -> tuple[str, ...]:
    """Return the features of the baseline as columns of the files: a text itself, or its descriptors."""
    names = names_of(sources)
    return raw_names(tuple(baseline.bins.features), tuple(name for name in baseline.texts if name in names))


def reference_rows_path(reference: Reference, option: str) -> Rows:
    """Return the rows of a reference: the file itself, or the rows saved with a built baseline.

    ``option``: the option that needs them. Raises :class:`BadInput` if there are none.

    >>> from pathlib import Path
    >>> reference_rows_path(Path("reference.parquet"), "exact").name
    'reference.parquet'
    """
    if isinstance(reference, MemoryBaseline):
        raise BadInput(
            f"a baseline in memory contains no rows; use the rows themselves as {option_text('baseline')}", option
        )
    if isinstance(reference, MemoryRows) or not is_built_baseline(reference):
        return reference
    rows_path = reference.with_suffix(".rows.parquet")
    if not rows_path.exists():
        raise BadInput(
            f"{reference} contains no rows, and there is no {rows_path.name} next to it; "
            f"use the rows themselves as {option_text('baseline')}",
            option,
        )
    return rows_path


def reference_roles(source: Source, options: ColumnOptions, baseline: Baseline) -> Roles:
    """Return the roles of the columns of reference rows, which may have no times."""
    if options.time and options.time not in source.schema.names:
        options = structs.replace(options, time="")
    return find_roles([source], options, quiet, baseline, features_of_files([source], baseline))


def open_reference(path: Rows, baseline: Baseline, options: ColumnOptions) -> Source:
    """Open reference rows again, with the text columns and the features of the baseline."""
    return open_source(path, text_columns(baseline, options), quiet, options.number_format, feature_names(baseline))


def reference_rows(
    reference: Reference, options: ColumnOptions, baseline: Baseline, key: ModelKey
) -> tuple[int, Iterable[PredictionTable]]:
    """Return the number of reference rows and the rows: of the file itself, or those saved with a baseline."""
    path = reference_rows_path(reference, "classifier")
    if holds_kept_rows(path):
        table = load_rows(path, baseline)[0]
        return len(table), [table]
    source = open_reference(path, baseline, options)
    roles = reference_roles(source, options, baseline)
    return source.rows, table_batches(FileRows(source), roles, key, baseline.task, baseline)
