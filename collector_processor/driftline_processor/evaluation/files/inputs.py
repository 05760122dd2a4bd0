"""The rows of an evaluation of files and their reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.readers.memory import Reference, Rows


class EvaluationInputs(NamedTuple):
    """The rows of an evaluation and their reference.

    Attributes:
        data: The rows; for files also patterns, and artifacts of MLflow.
        reference: A built baseline, or rows to build one from; None = the baseline of the configuration, or the rows
            before each window.
        outcomes: The outcomes, if they are not columns of the rows.
        settings: Settings of the model from a configuration; None without a configuration.
        champion: Predictions of the version in service, which the rows are compared with; also the reference if there
            is no other.
    """

    data: Sequence[Rows]
    reference: Reference | None = None
    outcomes: Rows | None = None
    settings: ModelSettings | None = None
    champion: Rows | None = None

    @property
    def champion_is_reference(self) -> bool:
        """Whether the rows are compared with those of the champion, because there is no other reference."""
        return self.champion is not None and self.reference is self.champion
