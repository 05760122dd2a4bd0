"""Performance without labels in the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from driftline_processor.core.estimate.result import ASSUMES
from driftline_processor.core.estimate.words import interval, sentence, standing
from driftline_processor.core.evaluation import Evaluation

from .terminal import plain_table
from .words import metric_name, number

_STYLES = {"ok": "green", "alert": "bold yellow", "failed": "bold red"}


def estimates(evaluation: Evaluation) -> Table:
    """Show each estimated metric: its interval, that of the baseline, and what is normal."""
    table = plain_table("estimated", ("is", "95 %", "baseline", "bounds"))
    table.add_column("state", no_wrap=True)
    for name, one in evaluation.estimated.items():
        if one.value is None:
            continue
        state = standing(one)
        table.add_row(
            Text(metric_name(name)),
            Text(number(one.value)),
            Text(interval(one, number), style="dim"),
            Text(number(one.reference), style="dim"),
            Text(_range(one.lower_bound, one.upper_bound), style="dim"),
            Text(state or "\N{EN DASH}", style=_STYLES.get(state or "", "dim")),
        )
    return table


def about(evaluation: Evaluation) -> str:
    """Say what estimates assume, and whether they were right."""
    return f"{ASSUMES}; {sentence(evaluation.estimated)}"


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{number(low)} to {number(high)}"
