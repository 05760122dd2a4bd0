"""Evaluate rows by the options of the command or of ``driftline.evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from driftline_processor.core.performance.objective import Objective, read_objective
from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.memory import MemoryRows, Reference, Rows
from driftline_processor.readers.sources import download_artifact, expand_paths

from .evaluate import EvaluationResult, evaluate_files
from .options import EvaluationOptions
from .rolling_reference import read_rolling
from .settings import EvaluationSettings
from .windows import Cut


def evaluate_request(
    data: Sequence[Rows],
    reference: Reference | None,
    outcomes: Rows | None,
    options: EvaluationOptions,
    say: Say,
    progress: Progress = no_progress,
) -> EvaluationResult:
    """Evaluate rows as somebody asks.

    Args:
        data: The rows; of files also patterns, and artifacts of MLflow.
        reference: What they are compared with; None = the baseline of the configuration, or the rows before.
        outcomes: What really happened.
        options: The options.
        say: Hears what was guessed, left out or could not be used.
        progress: Hears how far the work is.

    Raises:
        BadInput: A file, a column or an option cannot be made sense of.
    """
    expected, performance, versions = {}, {}, {}
    if options.config or options.expect or options.performance:
        from . import configuration  # it is slow to load

        expected = configuration.expectations_of(options.expect)
        performance = configuration.performance_of(options.performance)
        versions = configuration.versions_in(options.performance)
    settings = EvaluationSettings(
        method=options.method,
        methods=options.methods,
        exact=options.exact,
        classifier=options.classifier,
        expect=expected,
        past=read_rolling(options.reference_last, options.reference_without),
        performance=performance,
        metrics=options.metrics,
        objectives=objectives_of(options.objectives),
        versions=versions,
        weighted=options.importance_weighted,
        mispredictions=options.mispredictions,
        windows=options.default_windows,
    )
    columns: ColumnOptions = options
    cut = Cut(options.window, options.window_rows)
    if isinstance(reference, Path):
        reference = download_artifact(reference)
    if options.config is not None:
        configured = configuration.configure_evaluation(
            *(options.config, reference, columns, cut, settings, say), options.used_sections
        )
        reference, columns, cut, settings = configured.reference, configured.options, configured.cut, configured.asked
    files = [
        file for source in data for file in ([source] if isinstance(source, MemoryRows) else expand_paths([source]))
    ]
    return evaluate_files(files, reference, outcomes, columns, cut, say, settings, progress)


def objectives_of(texts: Sequence[str]) -> tuple[Objective, ...]:
    """Read objectives. Raises :class:`BadInput` for what is none."""
    try:
        return tuple(read_objective(text) for text in texts)
    except ValueError as error:
        raise BadInput(str(error), "objectives") from error
