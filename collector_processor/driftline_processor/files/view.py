"""An Evaluation in the terminal: what `driftline evaluate`, `driftline top` and the demo show.

The tables choose their columns by the width there is, their characters by what the terminal can show.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from driftline_processor.core.evaluation import Evaluation, TargetDrift

from .words import (
    ASCII,
    BLOCKS,
    METHOD_NAMES,
    STATE_WORDS,
    fewer_cells,
    histogram,
    metric_name,
    number,
    percent,
    printable,
    ranked,
    sentence,
    window_text,
)

_SIZE_STYLES = {"large": "bold red", "moderate": "bold yellow", "small": "yellow", "": "yellow"}
_LOWER_IS_BETTER = {"log_loss", "brier", "mae", "rmse"}
_HIGHER_IS_BETTER = {"accuracy", "precision", "recall", "f1", "roc_auc", "r2"}
_PIPE_WIDTH = 120


def evaluation_view(evaluation: Evaluation, zone: tzinfo = UTC) -> RenderableType:
    """Show one window: heading, drift ranked by what matters, performance, and one sentence."""
    parts: list[RenderableType] = [_heading(evaluation, zone), Text(), DriftTable(evaluation)]
    if evaluation.realized:
        parts += [Text(), _performance(evaluation)]
    parts += [Text(line, style="dim") for line in _remarks(evaluation)]
    return Group(*parts, Text(), Text(sentence(evaluation), style="bold"))


def windows_view(evaluations: Sequence[Evaluation], zone: tzinfo = UTC) -> RenderableType:
    """Show several windows, a line each: rows, coverage, what drifted, the score's PSI, performance."""
    return WindowsTable(tuple(evaluations), zone)


def show(evaluations: Sequence[Evaluation], console: Console | None = None) -> None:
    """Print evaluations: several windows as a table of them, then the newest in full."""
    console = console or terminal()
    if len(evaluations) > 1:
        console.print(windows_view(evaluations))
        console.print()
    console.print(evaluation_view(evaluations[-1]))


def terminal() -> Console:
    """The console of standard output; a pipe has no width, so it gets one that cuts little."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


@dataclass(frozen=True, slots=True)
class DriftTable:
    """Score, class and features with both distributions drawn."""

    evaluation: Evaluation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        evaluation = self.evaluation
        special = [target for target in (evaluation.score, evaluation.predicted) if target is not None]
        targets = [*special, *ranked(evaluation)]
        if not targets:
            return
        ramp, arrow = (ASCII, "->") if options.ascii_only else (BLOCKS, "→")
        methods = [m for m in METHOD_NAMES if any(m in target.methods for target in targets)]
        drawn = [_drawn(target, ramp) for target in targets]
        cells = max(3, max(len(was) for was, _ in drawn))
        moved = any((target.missing_was or 0) > 0 or (target.missing_now or 0) > 0 for target in targets)
        name = min(28, max(8, max(len(printable(_name(target))) for target in targets)))
        # what each column takes with its gap; the least wanted go first when the terminal is narrow
        wanted = {"state": 13, "size": 9, "was": cells + 2, "is": cells + 2, "missing": 16 * moved, "p": 8}
        wanted |= dict.fromkeys(methods, 8)
        for spare in ("chi2", "js", "p", "missing", "size", "psi", "ks", "was", "is"):
            if name + 2 + sum(wanted.values()) > options.max_width:
                wanted.pop(spare, None)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=False)
        table.add_column("", max_width=name, no_wrap=True, overflow="ellipsis")
        headings = {"was": "was", "is": f"{arrow} is", "state": "state", "size": "size", "missing": "missing", "p": "p"}
        order = ["was", "is", "state", "size", *methods, "p", "missing"]
        shown = [key for key in order if wanted.get(key)]
        for key in shown:
            right = key in methods or key in ("p", "missing")
            heading = METHOD_NAMES.get(key, headings.get(key, key))
            table.add_column(_plain(heading, options), justify="right" if right else "left", no_wrap=True)
        for at, (target, (was, now)) in enumerate(zip(targets, drawn, strict=True)):
            if at == len(special) and special:
                table.add_row()
            values = _cells(target, was, now, arrow)
            table.add_row(Text(printable(_name(target))), *(values.get(key, Text("")) for key in shown))
        yield table


@dataclass(frozen=True, slots=True)
class WindowsTable:
    """A line per window."""

    evaluations: tuple[Evaluation, ...]
    zone: tzinfo

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        metrics = [
            name
            for name in ("roc_auc", "accuracy", "log_loss", "mae", "rmse")
            if any(name in evaluation.realized for evaluation in self.evaluations)
        ][: 3 if options.max_width >= 110 else 1]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("window", no_wrap=True)
        for heading in ("rows", "outcomes", "drifted"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("most", max_width=28, no_wrap=True, overflow="ellipsis")
        table.add_column("score PSI", justify="right", no_wrap=True)
        for name in metrics:
            table.add_column(_plain(metric_name(name), options), justify="right", no_wrap=True)
        for evaluation in self.evaluations:
            table.add_row(*_line(evaluation, self.zone, options), *(_value(evaluation, name) for name in metrics))
        yield table


def _line(evaluation: Evaluation, zone: tzinfo, options: ConsoleOptions) -> list[Text]:
    drifted = [target for target in ranked(evaluation) if target.state == "drift"]
    judged = sum(target.state in ("drift", "ok") for target in evaluation.features.values())
    worst = drifted[0] if drifted else None
    psi = evaluation.score.methods.get("psi") if evaluation.score is not None else None
    score_style = _state_style(evaluation.score) if evaluation.score is not None else ""
    return [
        Text(_plain(window_text(evaluation.window, zone) + ("" if evaluation.closed else " (open)"), options)),
        Text(f"{evaluation.rows:,}"),
        Text(_plain(percent(evaluation.coverage), options)),
        Text(f"{len(drifted)} of {judged}", style=_state_style(worst) if worst else "green"),
        Text(
            f"{printable(worst.name)} {worst.size}".strip() if worst else "", style=_state_style(worst) if worst else ""
        ),
        Text(_plain(number(psi.value if psi is not None else None), options), style=score_style),
    ]


def _heading(evaluation: Evaluation, zone: tzinfo) -> Text:
    key = evaluation.key
    text = Text(printable(key.model or "model"), style="bold")
    facts = [key.version and f"version {printable(key.version)}", key.environment and printable(key.environment)]
    facts += [window_text(evaluation.window, zone), f"{evaluation.rows:,} rows"]
    facts += [f"outcomes for {percent(evaluation.coverage)}" if evaluation.outcome_rows else "", *_open(evaluation)]
    text.append("".join(f" · {fact}" for fact in facts if fact), style="not bold")
    return text


def _open(evaluation: Evaluation) -> list[str]:
    return [] if evaluation.closed else ["open"]


def _performance(evaluation: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("performance", no_wrap=True)
    for heading in ("is", "baseline", "outcomes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, metric in evaluation.realized.items():
        reference = evaluation.reference.get(name)
        was = reference.value if reference is not None else None
        about = "≈ " if metric.bound else ""
        table.add_row(
            Text(metric_name(name)),
            Text(about + number(metric.value), style=_change_style(name, was, metric.value)),
            Text(number(was), style="dim"),
            Text(f"{metric.rows:,}", style="dim"),
        )
    return table


def _remarks(evaluation: Evaluation) -> list[str]:
    remarks = []
    for names, words in (
        (evaluation.missing_features, "in the baseline, missing here"),
        (evaluation.new_features, "here, unknown to the baseline"),
    ):
        if names:
            listed = ", ".join(printable(name) for name in names[:8])
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            remarks.append(f"{words}: {listed}{more}")
    return ["", *remarks] if remarks else []


def _drawn(target: TargetDrift, ramp: str) -> tuple[str, str]:
    """Both distributions on one scale."""
    if target.was is None or target.now is None:
        return "", ""
    was, now = fewer_cells(target.was), fewer_cells(target.now)
    highest = float(max(was.max(initial=0.0), now.max(initial=0.0)))
    return histogram(was, highest, ramp), histogram(now, highest, ramp)


def _cells(target: TargetDrift, was: str, now: str, arrow: str) -> dict[str, Text]:
    style = _state_style(target)
    cells = {
        "was": Text(was, style="dim"),
        "is": Text(now, style=style if target.state == "drift" else ""),
        "state": Text(STATE_WORDS.get(target.state, target.state), style=style),
        "size": Text(target.size, style=style) if target.state == "drift" else Text(""),
        "missing": Text(_missing(target, arrow), style=_missing_style(target)),
    }
    for method, value in target.methods.items():
        decides = method == target.decided_by
        cells[method] = Text(number(value.value), style=style if decides else "dim")
        if decides:
            cells["p"] = Text(_p_value(value.p_value), style="dim")
    return cells


def _state_style(target: TargetDrift) -> str:
    if target.state == "drift":
        return _SIZE_STYLES[target.size]
    return "green" if target.state == "ok" else "cyan"


def _missing(target: TargetDrift, arrow: str) -> str:
    was, now = target.missing_was or 0.0, target.missing_now or 0.0
    return f"{percent(was)} {arrow} {percent(now)}" if was or now else ""


def _missing_style(target: TargetDrift) -> str:
    return "yellow" if abs((target.missing_now or 0.0) - (target.missing_was or 0.0)) >= 0.01 else "dim"


def _change_style(name: str, was: float | None, now: float | None) -> str:
    if was is None or now is None or name not in _LOWER_IS_BETTER | _HIGHER_IS_BETTER:
        return ""
    worse = now > was if name in _LOWER_IS_BETTER else now < was
    return "yellow" if worse else "green"


def _value(evaluation: Evaluation, name: str) -> Text:
    metric, reference = evaluation.realized.get(name), evaluation.reference.get(name)
    value = None if metric is None else metric.value
    return Text(number(value), style=_change_style(name, None if reference is None else reference.value, value))


def _p_value(p: float | None) -> str:
    return "" if p is None else "<1e-6" if p < 1e-6 else f"{p:.2g}"


def _name(target: TargetDrift) -> str:
    return {"score": "score", "class": "predicted class"}.get(target.target, target.name)


def _plain(text: str, options: ConsoleOptions) -> str:
    """Give a terminal without Unicode characters it has."""
    return text.replace("–", "-").replace("χ²", "chi2").replace("R²", "R2") if options.ascii_only else text
