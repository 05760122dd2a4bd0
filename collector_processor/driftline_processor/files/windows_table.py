"""The table of several windows, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from driftline_processor.core.evaluation import Evaluation

from .styles import change_style, state_style
from .terminal import LONGEST_NAME, empty
from .words import method_value, metric_name, number, percent, printable, ranked, window_text


@dataclass(frozen=True, slots=True)
class WindowsTable:
    """A line per window; where it is narrow, with one metric."""

    evaluations: tuple[Evaluation, ...]
    zone: tzinfo

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        known = {name for evaluation in self.evaluations for name in evaluation.realized}
        metrics = [name for name in ("roc_auc", "accuracy", "log_loss", "mae", "rmse") if name in known]
        metrics = metrics[: 3 if options.max_width >= 110 else 1]
        table = empty()
        table.add_column("window", no_wrap=True)
        for heading in ("rows", "outcomes", "drifted"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("most", max_width=LONGEST_NAME, no_wrap=True, overflow="ellipsis")
        table.add_column("score PSI", justify="right", no_wrap=True)
        for name in metrics:
            table.add_column(metric_name(name), justify="right", no_wrap=True)
        for evaluation in self.evaluations:
            table.add_row(*_line(evaluation, self.zone), *(_value(evaluation, name) for name in metrics))
        yield table


def _line(evaluation: Evaluation, zone: tzinfo) -> list[Text]:
    drifted = [target for target in ranked(evaluation) if target.state == "drift"]
    judged = sum(target.state in ("drift", "ok") for target in evaluation.features.values())
    style, most = ("green", "") if not drifted else (state_style(drifted[0]), printable(drifted[0].name))
    score = evaluation.score
    return [
        Text(window_text(evaluation.window, zone) + ("" if evaluation.closed else " (open)")),
        Text(f"{evaluation.rows:,}"),
        Text(percent(evaluation.coverage)),
        Text(f"{len(drifted)} of {judged}", style=style),
        Text(f"{most} {drifted[0].size}" if drifted else "", style=style),
        Text(method_value(score, "psi").removeprefix("PSI "), style=state_style(score)) if score else Text("–"),
    ]


def _value(evaluation: Evaluation, name: str) -> Text:
    metric, reference = evaluation.realized.get(name), evaluation.reference.get(name)
    value = None if metric is None else metric.value
    return Text(number(value), style=change_style(name, None if reference is None else reference.value, value))
