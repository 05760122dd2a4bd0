"""What files know of the outcomes of a window, and what is asked of a model's performance."""

from __future__ import annotations

from collections.abc import Mapping

from driftline_processor.core.performance.asked import STANDARD, Asked
from driftline_processor.core.performance.known import Joined, Known

from .errors import BadInput, near
from .truth import Truth


def known_of(truth: Truth | None) -> Known:
    """Return what is known of a window; ``truth``: its rows, None where no file has outcomes."""
    if truth is None:
        return Known()
    return Known(rows=Joined(truth.actual, truth.scores, truth.predicted, truth.weight))


def asked_of(asked: Mapping[str, Asked], model: str) -> Asked:
    """Return what is asked of a model. Raises :class:`BadInput` where only of others anything is."""
    if asked and model not in asked:
        raise BadInput(f"--performance: it says nothing of the model '{model}'; {near(model, tuple(asked))}")
    return asked.get(model, STANDARD)
