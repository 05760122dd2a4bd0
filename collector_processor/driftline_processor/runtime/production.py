"""A baseline of what production was: the panes of a stretch of time, merged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from driftline.baseline import Baseline
from driftline.blocks import Blocks, Stretches
from driftline.pane import Pane, merge
from driftline.period import Period
from driftline.tables import I64

from driftline_processor.core.distributed import complete

from .panes import part_width, performance_fold, read_window
from .series import Series
from .store import Connection, read

_PLAIN = ("rows", "duration")
_OF_OUTCOMES = ("outcomes", "confusion", "losses", "score_negative", "score_positive")


def of_production(connection: Connection, series: Series, like: Baseline, since: int, until: int) -> Baseline | None:
    """Return the rows of a series between two times (unix nanoseconds, until excluded) as a baseline.

    Over the bins of ``like``, and only of panes that were counted over them: what was counted over another baseline's
    cannot be added. ``like`` lends its texts, columns,
    importance, and all that says how rows are read. None where no pane of that time was.

    A rolling reference is this one, again and again: "the last 30 days without the last".
    """
    starts = _counted(connection, series.number, like.fold, since, until)
    stretches = Stretches.of(starts)
    if not len(starts):
        return None

    def width(fold: str, part: str) -> int:
        return part_width(part, like if fold == like.fold else None, series.task)

    def pane(start: int, end: int) -> Pane:
        return _pane(connection, series, like, max(start, since), min(end, until), width)

    if stretches is None:
        whole, blocks = pane(since, until), None
    else:
        ends = [stretches.start + at * stretches.length for at in range(stretches.count + 1)]
        panes = [pane(start, end) for start, end in pairwise(ends)]
        whole = merge([*panes, pane(since, ends[0]), pane(ends[-1], until)])
        blocks = Blocks.folded(stretches, panes, like.bins)
    if not whole.rows:
        return None
    fitted = like.extras.fitted and replace(like.extras.fitted, rows=0)  # its space was chosen from other rows
    # what the rows of `like` were is left out; what says how rows are read and folded stays
    extras = replace(like.extras, ranges=None, repeats=None, class_scores=None, fitted=fitted)
    extras = replace(extras, period=Period(int(starts[0]), int(starts[-1])), blocks=blocks)
    return replace(
        like,
        version=series.key.version,
        task=series.task,
        pane=whole,
        provisional=False,
        extras=extras,
    )


def _counted(connection: Connection, series: int, fold: str, since: int, until: int) -> I64:
    """The panes between two times that were counted over the bins of a baseline, ascending."""
    query = "SELECT DISTINCT pane FROM panes WHERE series = ? AND fold = ? AND pane >= ? AND pane < ? ORDER BY pane"
    found = read(connection, query, series, fold, since, until)
    return np.asarray(found.column("pane").to_numpy(), dtype=np.int64)


def _pane(
    connection: Connection,
    series: Series,
    like: Baseline,
    start: int,
    end: int,
    width: Callable[[str, str], int],
) -> Pane:
    folds = read_window(connection, series.number, start, end, width, like.fold)
    binned = folds.get(like.fold, Pane())
    pane = Pane(dict(binned.parts))
    plain, outcomes = folds.get("", Pane()), folds.get(performance_fold(series.task), Pane())
    pane.parts |= {name: values for name, values in plain.parts.items() if name in _PLAIN or name == "distributed"}
    pane.parts |= {name: values for name, values in outcomes.parts.items() if name in _OF_OUTCOMES}
    complete(pane, like.bins)
    known = {"distributed", "guessed", "unknown"}
    return Pane({name: values for name, values in pane.parts.items() if name.partition(":")[0] not in known})
