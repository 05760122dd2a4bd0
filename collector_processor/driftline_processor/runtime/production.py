"""A baseline of what production was: the panes of a stretch of time, merged."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from driftline.baseline import Baseline
from driftline.blocks import Blocks, Stretches
from driftline.pane import merge
from driftline.period import Period
from driftline.ranges import Ranges
from driftline.seasonality import Seasonality

from .counted import counted_panes, read_counted
from .repeating import repeats_between
from .seasons import with_seasons
from .series import Series
from .slices import slices_between
from .store import Connection


def of_production(
    connection: Connection,
    series: Series,
    like: Baseline,
    since: int,
    until: int,
    seasonality: Seasonality | None = None,
) -> Baseline | None:
    """Return the rows of a series between two times (unix nanoseconds, until excluded) as a baseline.

    Over the bins of ``like``, and only of panes that were counted over them: what was counted over another baseline's
    cannot be added. ``like`` lends its texts, columns,
    importance, and all that says how rows are read. ``seasonality``: by which seasons the rows are told apart, too.
    None where no pane of that time was.

    A rolling reference is this one, again and again: "the last 30 days without the last".
    """
    starts = counted_panes(connection, series.number, like.fold, since, until)
    stretches = Stretches.of(starts)
    if not len(starts):
        return None
    ends = [] if stretches is None else [stretches.start + at * stretches.length for at in range(stretches.count + 1)]
    ends = [since, *(min(max(end, since), until) for end in ends), until]  # before, in each stretch, and behind
    panes = read_counted(connection, series, like, list(pairwise(ends)), outcomes=True)
    whole = merge(panes)
    blocks = None if stretches is None else Blocks.folded(stretches, panes[1:-1], like.bins)
    if not whole.rows:
        return None
    fitted = like.extras.fitted and replace(like.extras.fitted, rows=0)  # its space was chosen from other rows
    # what the rows of `like` were is left out; what says how rows are read and folded stays
    repeats = repeats_between(connection, series.number, since, until)
    extras = replace(
        like.extras, ranges=Ranges.counted(whole, like.bins), repeats=repeats, class_scores=None, fitted=fitted
    )
    extras = replace(extras, seasons=None, slices=slices_between(connection, series, like, since, until))
    extras = replace(extras, slice_outcomes=None)
    extras = replace(extras, period=Period(int(starts[0]), int(starts[-1])), blocks=blocks)
    found = replace(
        like,
        version=series.key.version,
        task=series.task,
        pane=whole,
        provisional=False,
        extras=extras,
    )
    if seasonality is None:
        return found
    return with_seasons(connection, series, found, since, until, seasonality)
