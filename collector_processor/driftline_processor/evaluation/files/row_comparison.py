"""The windows of files and their reference as rows, for the options that compare rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from driftline.baseline.baseline import Baseline
from driftline.tables.table import I64, ModelKey, PredictionTable
from msgspec import Struct

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.readers.column_options import ColumnOptions
from driftline_processor.readers.errors import Say
from driftline_processor.readers.memory import Reference

from .dataset import Dataset
from .fold import batches


class RowComparison(Struct, frozen=True):
    """The rows of windows and of their reference.

    Attributes:
        evaluations: One per window; the results are added to them.
        dataset: The rows.
        groups: The window of each row of each file, -1 = none.
        reference: The reference of the rows.
        baseline: The baseline of the reference.
        key: The model.
        options: Options of the reference's columns.
        say: Called with messages about what is left out.
    """

    evaluations: Sequence[Evaluation]
    dataset: Dataset
    groups: Sequence[I64]
    reference: Reference
    baseline: Baseline
    key: ModelKey
    options: ColumnOptions
    say: Say

    def batches(self) -> Iterator[tuple[PredictionTable, I64]]:
        """Yield the rows within a window in batches, with the window of each row."""
        return batches(self.dataset, self.groups, self.key, self.baseline)
