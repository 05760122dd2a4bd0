"""What is asked of an evaluation of rows, in the words of its options: by the command, or by ``driftline.evaluate``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from driftline_processor.core.performance.objective import Objective, read_objective
from driftline_processor.present.progress import Progress, no_progress
from driftline_processor.readers.column_roles import ColumnOptions
from driftline_processor.readers.errors import BadInput, Say
from driftline_processor.readers.memory import MemoryRows, Reference, Rows
from driftline_processor.readers.sources import download_artifact, expand_paths

from .evaluate import EvaluationResult, evaluate_files
from .rolling_reference import read_rolling
from .settings import EvaluationSettings
from .windows import Cut


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """The options of an evaluation, as they are written.

    Attributes:
        columns: The model, and which column plays which part.
        window: The length of a window, "" for one window of all rows.
        window_rows: Rows of a window.
        reference_last: How much time before a window it is compared with.
        reference_without: How long before the window that ends.
        mispredictions: How many of the most wrong rows of each window are kept.
        method: The drift methods that decide, ``NAME`` or ``FEATURE=NAME``.
        methods: Those that are shown beside it.
        exact: Whether values of drift methods come from rows, not from bins.
        classifier: Whether a classifier tells the rows from those of the reference.
        importance_weighted: Whether there are estimates by weighted labelled rows, too.
        config: A ``driftline.yaml`` that says what no option says.
        expect: A ``driftline.yaml`` with what is expected.
        performance: A ``driftline.yaml`` with what is asked of the performance.
        objectives: What metrics shall be, such as ``recall >= 0.8``.
        metrics: Names of metrics that are wanted, too.
        windows: Lengths of windows where neither ``window`` nor the configuration names any.
        used: Sections of the configuration that mean something to whoever asks.
    """

    columns: ColumnOptions = field(default_factory=ColumnOptions)
    window: str = ""
    window_rows: int | None = None
    reference_last: str = ""
    reference_without: str = ""
    mispredictions: int = 0
    method: Sequence[str] = ()
    methods: Sequence[str] = ()
    exact: bool = False
    classifier: bool = False
    importance_weighted: bool = False
    config: Path | None = None
    expect: Path | None = None
    performance: Path | None = None
    objectives: Sequence[str] = ()
    metrics: Sequence[str] = ()
    windows: Sequence[str] = ()
    used: Collection[str] = ()


def evaluate_request(
    data: Sequence[Rows],
    reference: Reference | None,
    outcomes: Rows | None,
    request: EvaluationRequest,
    say: Say,
    progress: Progress = no_progress,
) -> EvaluationResult:
    """Evaluate rows as somebody asks.

    Args:
        data: The rows; of files also patterns, and artifacts of MLflow.
        reference: What they are compared with; None = the baseline of the configuration, or the rows before.
        outcomes: What really happened.
        request: The options.
        say: Hears what was guessed, left out or could not be used.
        progress: Hears how far the work is.

    Raises:
        BadInput: A file, a column or an option cannot be made sense of.
    """
    expected, performance, versions = {}, {}, {}
    if request.config or request.expect or request.performance:
        from . import configuration  # it is slow to load

        expected = configuration.expectations_of(request.expect)
        performance = configuration.performance_of(request.performance)
        versions = configuration.versions_in(request.performance)
    asked = EvaluationSettings(
        request.method,
        request.methods,
        request.exact,
        request.classifier,
        expected,
        read_rolling(request.reference_last, request.reference_without),
        performance,
        request.metrics,
        objectives_of(request.objectives),
        versions,
        request.importance_weighted,
        request.mispredictions,
        windows=request.windows,
    )
    cut, columns = Cut(request.window, request.window_rows), request.columns
    if isinstance(reference, Path):
        reference = download_artifact(reference)
    if request.config is not None:
        configured = configuration.configure_evaluation(
            *(request.config, reference, columns, cut, asked, say), request.used
        )
        reference, columns, cut, asked = configured.reference, configured.options, configured.cut, configured.asked
    files = [file for one in data for file in ([one] if isinstance(one, MemoryRows) else expand_paths([one]))]
    return evaluate_files(files, reference, outcomes, columns, cut, say, asked, progress)


def objectives_of(written: Sequence[str]) -> tuple[Objective, ...]:
    """Read objectives. Raises :class:`BadInput` for what is none."""
    try:
        return tuple(read_objective(text) for text in written)
    except ValueError as error:
        raise BadInput(f"--objective {error}") from error
