"""An Evaluation in the terminal: what `driftline evaluate`, `driftline top` and the demo show.

The tables choose their columns by the width there is, their characters by what the terminal can show.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from driftline_processor.core.concept.verdict import Concept
from driftline_processor.core.concept.words import sentence as concept_sentence
from driftline_processor.core.drift.choice import SHOWN
from driftline_processor.core.drift.multivariate import JOINT
from driftline_processor.core.evaluation import Evaluation, Explanation, TargetDrift, Window
from driftline_processor.core.incident import targets

from .words import (
    METHOD_NAMES,
    STATE_WORDS,
    fewer_cells,
    histogram,
    method_value,
    metric_name,
    minute,
    number,
    percent,
    printable,
    ranked,
    resemblances,
    sentence,
    window_text,
)

_SIZE_STYLES = {"large": "bold red", "moderate": "bold yellow", "small": "yellow", "": "yellow"}
_SEVERITY_STYLES = {"critical": "bold red", "major": "bold yellow", "minor": "yellow"}
_LOWER_IS_BETTER = {"log_loss", "brier", "mae", "rmse"}
_HIGHER_IS_BETTER = {"accuracy", "precision", "recall", "f1", "roc_auc", "r2"}
_PIPE_WIDTH = 120
LONGEST_NAME = 28
MOST_CAUSES = 8
"""Causes that are told; ``--json`` has all."""

_NUMBERS = ("test", "p", "PSI", "JS")
_ASCII = str.maketrans("▁▂▃▄▅▆▇█→–−·≈χ²", ".:-=+*%#>---~X2")


def evaluation_view(evaluation: Evaluation, zone: tzinfo = UTC) -> RenderableType:
    """Show one window: heading, drift ranked by what matters, performance, and one sentence."""
    parts: list[RenderableType] = [_heading(evaluation, zone), Text(), DriftTable(evaluation)]
    if evaluation.joint:
        parts += [Text(), _joint(evaluation)]
    if evaluation.explanation is not None and evaluation.explanation.causes:
        parts += [Text(), _causes(evaluation.explanation)]
    if evaluation.findings:
        parts += [Text(), _findings(evaluation)]
    if evaluation.expected:
        parts += [Text(), _expectations(evaluation)]
    if evaluation.realized:
        parts += [Text(), _performance(evaluation)]
    parts += [Text(line, style="dim") for line in _remarks(evaluation, zone)]
    return Readable(Group(*parts, Text(), Text(sentence(evaluation), style="bold")))


def windows_view(evaluations: Sequence[Evaluation], zone: tzinfo = UTC) -> RenderableType:
    """Show several windows, a line each: rows, coverage, what drifted, the score's PSI, performance."""
    return Readable(WindowsTable(tuple(evaluations), zone))


def show(evaluations: Sequence[Evaluation], console: Console | None = None, concept: Concept | None = None) -> None:
    """Print evaluations: several windows as a table of them, then the newest that can be judged in full.

    ``concept``: what the errors of all of them say.
    """
    console = console or terminal()
    if len(evaluations) > 1:
        console.print(windows_view(evaluations))
        console.print()
    judged = [evaluation for evaluation in evaluations if evaluation.share is not None]
    console.print(evaluation_view((judged or evaluations)[-1]))
    if concept is not None and (concept.outcomes or evaluations[-1].outcome_rows):
        style = "bold red" if concept.state == "drift" else ""
        console.print(Readable(Text(concept_sentence(concept, minute) + ".", style=style)))


def terminal() -> Console:
    """The console of standard output; a pipe has no width, so it gets one that cuts little."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name no such terminal can show ends no report
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


@dataclass(frozen=True, slots=True)
class Readable:
    """Anything, in characters the terminal has: where it has no Unicode, each of ours becomes one of ASCII."""

    content: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield Segment(segment.text.translate(_ASCII), *segment[1:]) if options.ascii_only else segment


@dataclass(frozen=True, slots=True)
class DriftTable:
    """Score, class and features with both distributions drawn; the least wanted columns go when it is narrow."""

    evaluation: Evaluation

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        evaluation = self.evaluation
        predictions = [target for target in (evaluation.score, evaluation.predicted) if target is not None]
        targets = [*predictions, *ranked(evaluation)]
        beside = _chosen(targets)
        rows = [_cells(target, beside) for target in targets]
        names = [Text(printable(_name(target)), no_wrap=True, overflow="ellipsis") for target in targets]
        left = options.max_width - min(LONGEST_NAME, max((name.cell_len for name in names), default=0))
        wanted = {key: 2 + max(len(key), *(row[key].cell_len for row in rows)) for key in (rows[0] if rows else {})}
        if not any(row["missing"].plain for row in rows):
            wanted.pop("missing", None)
        for spare in ("JS", "p", "PSI", "missing", "was", "→ is", *reversed(beside.values()), "test", "size"):
            if sum(wanted.values()) > left:
                wanted.pop(spare, None)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("", max_width=LONGEST_NAME)
        for key in wanted:
            table.add_column(key, justify="right" if key in (*_NUMBERS, *beside.values()) else "left", no_wrap=True)
        for at, (name, row) in enumerate(zip(names, rows, strict=True)):
            if at == len(predictions) and at:
                table.add_row()
            table.add_row(name, *(row[key] for key in wanted))
        yield table


@dataclass(frozen=True, slots=True)
class WindowsTable:
    """A line per window; where it is narrow, with one metric."""

    evaluations: tuple[Evaluation, ...]
    zone: tzinfo

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        known = {name for evaluation in self.evaluations for name in evaluation.realized}
        metrics = [name for name in ("roc_auc", "accuracy", "log_loss", "mae", "rmse") if name in known]
        metrics = metrics[: 3 if options.max_width >= 110 else 1]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
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
    style, most = ("green", "") if not drifted else (_state_style(drifted[0]), printable(drifted[0].name))
    score = evaluation.score
    return [
        Text(window_text(evaluation.window, zone) + ("" if evaluation.closed else " (open)")),
        Text(f"{evaluation.rows:,}"),
        Text(percent(evaluation.coverage)),
        Text(f"{len(drifted)} of {judged}", style=style),
        Text(f"{most} {drifted[0].size}" if drifted else "", style=style),
        Text(method_value(score, "psi").removeprefix("PSI "), style=_state_style(score)) if score else Text("–"),
    ]


def _heading(evaluation: Evaluation, zone: tzinfo) -> Text:
    key = evaluation.key
    text = Text(printable(key.model or "model"), style="bold")
    facts = [key.version and f"version {printable(key.version)}", key.environment and printable(key.environment)]
    facts += [window_text(evaluation.window, zone), f"{evaluation.rows:,} rows"]
    facts += [f"outcomes for {percent(evaluation.coverage)}" if evaluation.outcome_rows else ""]
    facts += ["" if evaluation.closed else "open"]
    text.append("".join(f" · {fact}" for fact in facts if fact), style="not bold")
    return text


def _joint(evaluation: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("together", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("what is")
    for found in evaluation.joint.values():
        style = "bold yellow" if found.state == "drift" else "green" if found.state == "ok" else "cyan"
        state = Text(STATE_WORDS.get(found.state, found.state), style=style)
        p = Text(_p_value(found.p_value), style="dim")
        table.add_row(Text(JOINT[found.method].title), state, p, Text(printable(found.sentence)))
    return table


def _causes(explanation: Explanation) -> Table:
    """The causes, those that count most first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("why", no_wrap=True)
    table.add_column("")
    for at, cause in enumerate(explanation.causes[:MOST_CAUSES], 1):
        table.add_row(Text(f"{at}.", style="dim"), Text(printable(cause.sentence)))
    if len(explanation.causes) > MOST_CAUSES:
        table.add_row("", Text(f"and {len(explanation.causes) - MOST_CAUSES} more", style="dim"))
    return table


def _findings(evaluation: Evaluation) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("data", no_wrap=True)
    table.add_column("what is wrong")
    for finding in evaluation.findings:
        style = _SEVERITY_STYLES[finding.severity]
        table.add_row(Text(finding.severity, style=style), Text(printable(finding.sentence)))
    return table


def _expectations(evaluation: Evaluation) -> Table:
    """What is not as expected, and what cannot be told; what is, as a number."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    met = sum(expected.state == "met" for expected in evaluation.expected)
    for heading in ("expected", f"{met} of {len(evaluation.expected)} met", ""):
        table.add_column(heading, no_wrap=not heading)
    for expected in sorted(evaluation.expected, key=lambda one: one.state):
        if expected.state != "met":
            style = "bold red" if expected.state == "broken" else "yellow"
            state = Text(expected.state.replace("_", " "), style=style)
            table.add_row(state, Text(printable(expected.sentence)), Text(printable(expected.rule), style="dim"))
    return table


def _performance(evaluation: Evaluation) -> Table:
    table = plain_table("performance", ("is", "baseline", "change", "outcomes"))
    for name, metric in evaluation.realized.items():
        reference = evaluation.reference.get(name)
        was = reference.value if reference is not None else None
        about = "≈ " if metric.bound else ""
        table.add_row(
            Text(metric_name(name)),
            Text(about + number(metric.value)),
            Text(number(was), style="dim"),
            Text(_change(was, metric.value), style=_change_style(name, was, metric.value)),
            Text(f"{metric.rows:,}", style="dim"),
        )
    return table


def plain_table(first: str, numbers: Sequence[str]) -> Table:
    """Return an empty table: a column of names, then columns of numbers."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _remarks(evaluation: Evaluation, zone: tzinfo) -> list[str]:
    remarks = []
    if evaluation.baseline_version not in (None, "", evaluation.key.version):
        remarks.append(f"compared with the baseline of version {printable(evaluation.baseline_version or '')}")
    if evaluation.compared:
        remarks.append(f"compared with {printable(evaluation.compared)}")
    for names, words in (
        (evaluation.missing_features, "in the baseline, missing here"),
        (evaluation.new_features, "here, unknown to the baseline"),
    ):
        if names:
            listed = ", ".join(printable(name) for name in names[:8])
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            remarks.append(f"{words}: {listed}{more}")
    if any(target.state == "drift" for target in evaluation.features.values()):
        share = evaluation.weighted_share
        remarks.append(
            "importance unknown: every feature counts alike"
            if share is None
            else f"by importance {percent(share)} drifted"
        )
    for name, since in evaluation.incident.items():
        began = window_text(Window("", since, since + 10**9), zone)
        remarks.append(f"incident: {printable(name.removeprefix('feature:'))}, since {began}")
    remarks += resemblances(target for _, target in targets(evaluation))
    return ["", *remarks] if remarks else []


def _chosen(targets: Sequence[TargetDrift]) -> dict[str, str]:
    """The methods that are shown beside because somebody chose them: name → heading."""
    names = (name for target in targets for name in target.methods if name not in (target.decided_by, *SHOWN))
    return {name: METHOD_NAMES[name] for name in sorted(set(names), key=list(METHOD_NAMES).index)}


def _cells(target: TargetDrift, beside: Mapping[str, str]) -> dict[str, Text]:
    """What a target's row shows, in the order of the columns; ``beside``: methods with a column of their own."""
    style = _state_style(target)
    drifts = target.state == "drift"
    decisive = target.methods.get(target.decided_by)
    was, now = _drawn(target)
    return {
        "was": Text(was, style="dim"),
        "→ is": Text(now, style=style if drifts else ""),
        "state": Text(STATE_WORDS.get(target.state, target.state), style=style),
        "size": Text(target.size if drifts else "", style=style),
        "test": Text(method_value(target, target.decided_by), style=style if drifts else ""),
        "p": Text(_p_value(decisive.p_value if decisive is not None else None), style="dim"),
        "PSI": Text(method_value(target, "psi").removeprefix("PSI "), style="dim"),
        "JS": Text(method_value(target, "js").removeprefix("JS "), style="dim"),
        **{title: _beside(target, name, title) for name, title in beside.items()},
        "missing": Text(_missing(target), style=_missing_style(target)),
    }


def _beside(target: TargetDrift, name: str, title: str) -> Text:
    return Text("" if name == target.decided_by else method_value(target, name).removeprefix(f"{title} "), style="dim")


def _drawn(target: TargetDrift) -> tuple[str, str]:
    """Both distributions on one scale."""
    if target.was is None or target.now is None:
        return "", ""
    was, now = fewer_cells(target.was), fewer_cells(target.now)
    highest = float(max(was.max(initial=0.0), now.max(initial=0.0)))
    return histogram(was, highest), histogram(now, highest)


def _state_style(target: TargetDrift) -> str:
    if target.state == "drift":
        return _SIZE_STYLES[target.size]
    return "green" if target.state == "ok" else "cyan"


def _missing(target: TargetDrift) -> str:
    was, now = target.missing_was or 0.0, target.missing_now or 0.0
    return f"{percent(was)} → {percent(now)}" if was or now else ""


def _missing_style(target: TargetDrift) -> str:
    return "yellow" if abs((target.missing_now or 0.0) - (target.missing_was or 0.0)) >= 0.01 else "dim"


def _change(was: float | None, now: float | None) -> str:
    if was is None or now is None:
        return ""
    return f"{'+' if now >= was else '−'}{number(abs(now - was))}"


def _change_style(name: str, was: float | None, now: float | None) -> str:
    """Worse is marked; how sure that is, only an interval could say."""
    if was is None or now is None:
        return ""
    worse = now > was if name in _LOWER_IS_BETTER else now < was if name in _HIGHER_IS_BETTER else False
    return "yellow" if worse else ""


def _value(evaluation: Evaluation, name: str) -> Text:
    metric, reference = evaluation.realized.get(name), evaluation.reference.get(name)
    value = None if metric is None else metric.value
    return Text(number(value), style=_change_style(name, None if reference is None else reference.value, value))


def _p_value(p: float | None) -> str:
    return "" if p is None else "<1e-6" if p < 1e-6 else f"{p:.2g}"


def _name(target: TargetDrift) -> str:
    return {"score": "score", "class": "predicted class"}.get(target.target, target.name)
