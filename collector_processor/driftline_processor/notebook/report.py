"""The result of `driftline.evaluate`: its verdict as text, as a notebook page, as tables and as a figure."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from driftline.tables.text import cut_middle, short_repr

from driftline_processor.evaluation.files.column_uses import column_uses_sentence
from driftline_processor.evaluation.files.evaluate import EvaluationResult
from driftline_processor.present.numbers import many
from driftline_processor.present.sentences.verdict import (
    verdict_action,
    verdict_cause,
    verdict_certainty,
    verdict_evidence,
    verdict_headline,
    verdict_later,
    verdict_now,
    verdict_sentence,
)

from .frames import FrameKind, arrow_table, frame_of

if TYPE_CHECKING:
    import pyarrow as pa


class VerdictInWords(NamedTuple):
    """A verdict in words; see :class:`driftline.evaluation.ModelVerdict`."""

    state: str
    headline: str
    evidence: str
    cause: str
    later: str
    now: str
    action: str
    certainty: str
    sentence: str


class _Window(dict[str, Any]):
    """A window, of which a notebook shows a few lines; in full it has thousands of numbers."""

    def __repr__(self) -> str:
        return cut_middle(short_repr(dict(self)))


class _Windows(list[_Window]):
    """Windows, of which a notebook shows a few lines."""

    def __repr__(self) -> str:
        return cut_middle(short_repr(list(map(dict, self))))


@dataclass(frozen=True, eq=False, repr=False)
class NotebookReport:
    """The result of an evaluation; see :class:`driftline.evaluation.EvaluationReport`.

    Attributes:
        result: The evaluation of each window.
        notes: Sentences on what was inferred, left out or unusable.
        curves: Whether its JSON has the points of curves.
        library: The package of the evaluated tables, "" for files.
    """

    result: EvaluationResult = field(repr=False)
    notes: Sequence[str] = ()
    curves: bool = False
    library: str = ""

    @property
    def verdict(self) -> VerdictInWords:
        """The verdict over all windows."""
        verdict = self.result.verdict
        makers = (
            verdict_headline,
            verdict_evidence,
            verdict_cause,
            verdict_later,
            verdict_now,
            verdict_action,
            verdict_certainty,
            verdict_sentence,
        )
        return VerdictInWords(verdict.state, *(words(verdict) for words in makers))

    @cached_property
    def windows(self) -> Sequence[Mapping[str, Any]]:
        """The windows, oldest first, as in ``driftline evaluate --json``."""
        return _Windows(map(_Window, self._answer["windows"]))

    @cached_property
    def _answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(json.dumps(self.result.to_json(self.curves)))
        return answer

    def to_dict(self) -> dict[str, Any]:
        """Return the document of ``driftline evaluate --json``."""
        return self._answer

    def to_arrow(self, kind: FrameKind = "drift") -> pa.Table:
        """Return a table of the result; see :meth:`to_frame`.

        Args:
            kind: Kind of the rows.
        """
        return arrow_table(self.result.evaluations, kind)

    def to_frame(self, kind: FrameKind = "drift") -> Any:
        """Return a table of the result as a data frame: polars if the rows were, else pandas.

        Args:
                kind: "drift": a row per window and column. "performance": a row per window and metric. "windows": a row
                per window.

        Raises:
            ImportError: Neither library is installed.
            ValueError: There is no such table.
        """
        return frame_of(self.to_arrow(kind), self.library)

    def figure(self, name: str = "", window: int | None = None) -> Any:
        """Return an interactive figure; see :meth:`driftline.evaluation.EvaluationReport.figure`."""
        from .figures import figure

        return figure(self.result.evaluations, name, window, self.result.timezone)

    def to_html(self) -> str:
        """Return one HTML file with all features, as ``driftline evaluate --html`` writes it."""
        from driftline_processor.web.file_report import file_report

        return file_report(self.result, time.time_ns())

    def __repr__(self) -> str:
        rows, windows = sum(evaluation.rows for evaluation in self.result.evaluations), len(self.result.evaluations)
        model = self.result.key.model
        where = f"{model}, {many(rows)}" + (f" in {many(windows, 'window')}" if windows > 1 else "")
        return f"{self.verdict.headline}\n{self.verdict.action}\n({where})"

    def _repr_html_(self) -> str:
        from .page import report_html

        return report_html(self.result, (column_uses_sentence(self.result.columns), *self.notes))
