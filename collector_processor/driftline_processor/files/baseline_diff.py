"""Two baselines compared: what changed in their rows, told as drift is, and what changed in what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from driftline.baseline import Baseline
from driftline.tables import ModelKey
from rich.console import Console
from rich.text import Text

from driftline_processor.core.compared import decided_alike
from driftline_processor.core.evaluate import evaluate
from driftline_processor.core.evaluation import Evaluation, Window
from driftline_processor.core.rebin import changed_types, over

from .baseline_view import heading
from .terminal import Readable, terminal
from .view import evaluation_view
from .words import number, printable


def compared(old: Baseline, new: Baseline) -> Evaluation:
    """Evaluate the rows of one baseline against another, as the rows of a window.

    A feature's distribution is exact where the edges of both agree; see :func:`driftline_processor.core.rebin.over`.
    """
    period = new.extras.period
    window = Window("", 0, 0) if period is None else Window("", period.first, period.last + 1)
    pane, task = over(old, new), replace(old.task, threshold=new.task.threshold)
    alike = decided_alike(old, pane, task)
    key = ModelKey(new.model, new.version)
    return evaluate(pane, alike.baseline, key, window, closed=True, task=task, compared=alike.note)


def changes(old: Baseline, new: Baseline) -> Iterator[str]:
    """Yield what the two say differently, a sentence each."""
    for what, before, after in (
        ("the model", old.model, new.model),
        ("the version", old.version, new.version),
        ("the kind of task", old.task.kind, new.task.kind),
        ("the classes", ", ".join(old.task.classes), ", ".join(new.task.classes)),
        ("the positive class", old.task.positive_class, new.task.positive_class),
        ("the threshold", number(old.task.threshold), number(new.task.threshold)),
    ):
        if before != after:
            yield f"{what} was {printable(before) or 'unknown'} and is {printable(after) or 'unknown'}"
    for name in changed_types(old, new):
        mine, theirs = (type(one.bins.features[name]).__name__ for one in (old, new))
        yield f"{printable(name)} was a {_KINDS[mine]} and is a {_KINDS[theirs]}"


_KINDS = {"NumberBins": "number", "CategoryBins": "category"}


def show_diff(old: Baseline, new: Baseline, console: Console | None = None) -> None:
    """Print what changed between two baselines."""
    console = console or terminal()
    if old.digest == new.digest:
        console.print("the two baselines are the same")
        return
    for sign, baseline in (("was", old), ("is", new)):
        console.print(Readable(Text(f"{sign:4}", style="dim").append_text(heading(baseline))))
    for sentence in changes(old, new):
        console.print(Readable(Text(sentence)))
    console.print()
    console.print(evaluation_view(compared(old, new)))
