"""The states that Driftline gives: of each window by itself, and of the model as of each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import driftline
import pandas as pd
from driftline_processor.core.verdict.record import Record
from driftline_processor.notebook.report import NotebookReport


class States(NamedTuple):
    """States of windows, the oldest first.

    Attributes:
        windows: The state of each window by itself.
        model: The state of the model when each window ended, from that window and those before it.
    """

    windows: Sequence[str]
    model: Sequence[str]


def states_of(current: pd.DataFrame, baseline: pd.DataFrame, task: str, **options: Any) -> States:
    """Evaluate rows with a ``score`` and a ``label``; ``options`` are those of :func:`driftline.evaluate`."""
    if task == "binary":
        options["positive_class"] = "1"
    report = driftline.evaluate(
        current, baseline=baseline, task=task, score="score", actual="label", progress=False, **options
    )
    evaluations = cast(NotebookReport, report).result.evaluations
    alone = [Record([one]).now((), None, None).state for one in evaluations]
    return States(alone, [one.verdict.state if one.verdict else "unknown" for one in evaluations])
