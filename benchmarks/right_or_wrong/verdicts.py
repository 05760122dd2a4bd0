"""The states that Driftline gives: of each window by itself, and of the model as of each window; and its estimates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

import driftline
import pandas as pd
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.verdict.record import Record
from driftline_processor.notebook.report import NotebookReport


class States(NamedTuple):
    """States of windows, the oldest first.

    Attributes:
        windows: The state of each window by itself.
        model: The state of the model when each window ended, from that window and those before it.
        estimates: Intervals of estimates that contain the measured value, of all that have one: ``3/4``.
    """

    windows: Sequence[str]
    model: Sequence[str]
    estimates: Sequence[str]


def states_of(current: pd.DataFrame, baseline: pd.DataFrame, task: str, factor: float = 1.0, **options: Any) -> States:
    """Evaluate rows with a ``score`` and a ``label``.

    Args:
        current: The rows.
        baseline: Those of the baseline.
        task: The task of the model.
        factor: Times the margins that Driftline takes from the baseline; another than 1 is written to a configuration.
        options: Those of :func:`driftline.evaluate`.
    """
    columns: dict[str, Any] = {"task": task, "actual": "label", "progress": False}
    columns |= {name: options.pop(name) for name in ("score", "predicted") if name in options} or {"score": "score"}
    columns |= {"positive_class": "1"} if task == "binary" else {}
    with TemporaryDirectory() as folder:
        if factor != 1:
            options["performance"] = file = Path(folder) / "driftline.yaml"
            file.write_text(margins_in_words(baseline, factor, columns), encoding="utf-8")
        report = driftline.evaluate(current, baseline=baseline, **columns, **options)
    evaluations = cast(NotebookReport, report).result.evaluations
    alone = [Record([one]).now((), None, None).state for one in evaluations]
    model = [one.verdict.state if one.verdict else "unknown" for one in evaluations]
    return States(alone, model, [estimates_in_words(one) for one in evaluations])


def estimates_in_words(evaluation: Evaluation) -> str:
    """Return how many intervals of estimates contain the measured value, of how many."""
    pairs = [(evaluation.realized.get(name), estimate) for name, estimate in evaluation.estimated.items()]
    held = [
        estimate.low <= measured.value <= estimate.high
        for measured, estimate in pairs
        if measured is not None
        and measured.value is not None
        and estimate.low is not None
        and estimate.high is not None
    ]
    return f"{sum(held)}/{len(held)}"


def margins_in_words(baseline: pd.DataFrame, factor: float, columns: dict[str, Any]) -> str:
    """Return a configuration with so many times each margin of a baseline.

    The margins are read from an evaluation of the baseline itself.
    """
    report = driftline.evaluate(baseline, baseline=baseline, **columns)
    changes = cast(NotebookReport, report).result.evaluations[0].realized_changes
    margins = {name: factor * change.margin for name, change in changes.items() if change.margin}
    return json.dumps({"models": {"model": {"performance": {"margin": margins}}}})
