"""The table of what drifted: score, class and features, as many columns as there is width for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from driftline_processor.core.drift.choice import SHOWN
from driftline_processor.core.evaluation import Evaluation, TargetDrift

from .styles import state_style
from .terminal import LONGEST_NAME, empty
from .words import METHOD_NAMES, STATE_WORDS, fewer_cells, histogram, method_value, p_value, percent, printable, ranked

_NUMBERS = ("test", "p", "PSI", "JS")


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
        table = empty()
        table.add_column("", max_width=LONGEST_NAME)
        for key in wanted:
            table.add_column(key, justify="right" if key in (*_NUMBERS, *beside.values()) else "left", no_wrap=True)
        for at, (name, row) in enumerate(zip(names, rows, strict=True)):
            if at == len(predictions) and at:
                table.add_row()
            table.add_row(name, *(row[key] for key in wanted))
        yield table


def _chosen(targets: Sequence[TargetDrift]) -> dict[str, str]:
    """The methods that are shown beside because somebody chose them: name → heading."""
    names = (name for target in targets for name in target.methods if name not in (target.decided_by, *SHOWN))
    return {name: METHOD_NAMES[name] for name in sorted(set(names), key=list(METHOD_NAMES).index)}


def _cells(target: TargetDrift, beside: Mapping[str, str]) -> dict[str, Text]:
    """What a target's row shows, in the order of the columns; ``beside``: methods with a column of their own."""
    style = state_style(target)
    drifts = target.state == "drift"
    decisive = target.methods.get(target.decided_by)
    was, now = _drawn(target)
    return {
        "was": Text(was, style="dim"),
        "→ is": Text(now, style=style if drifts else ""),
        "state": Text(STATE_WORDS.get(target.state, target.state), style=style),
        "size": Text(target.size if drifts else "", style=style),
        "test": Text(method_value(target, target.decided_by), style=style if drifts else ""),
        "p": Text(p_value(decisive.p_value if decisive is not None else None), style="dim"),
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


def _missing(target: TargetDrift) -> str:
    was, now = target.missing_was or 0.0, target.missing_now or 0.0
    return f"{percent(was)} → {percent(now)}" if was or now else ""


def _missing_style(target: TargetDrift) -> str:
    return "yellow" if abs((target.missing_now or 0.0) - (target.missing_was or 0.0)) >= 0.01 else "dim"


def _name(target: TargetDrift) -> str:
    return {"score": "score", "class": "predicted class"}.get(target.target, target.name)
