"""A baseline of what production was: the panes of a stretch of time, merged."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from driftline.baseline import Baseline
from driftline.bins import NumberBins
from driftline.blocks import Blocks, Stretches
from driftline.pane import Pane, merge
from driftline.period import Period
from driftline.ranges import Ranges
from driftline.seasonality import Seasonality
from driftline.strays import octave_bounds

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
    extras = replace(like.extras, ranges=_ranges(whole, like), repeats=repeats, class_scores=None, fitted=fitted)
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


def _ranges(pane: Pane, like: Baseline) -> Ranges | None:
    """Ranges that hold every value: to the edge of a bin, beyond the outer edges to a power of two."""
    of, octaves = dict[str, tuple[float, float]](), np.concatenate([[-np.inf], octave_bounds(), [np.inf]])
    for name, bins in like.bins.features.items():
        counts = pane.parts.get(f"feature:{name}")
        if counts is None or not isinstance(bins, NumberBins) or not counts[: bins.size].any():
            continue
        held = np.flatnonzero(counts[: bins.size])
        far = np.flatnonzero(pane.parts.get(f"tails:{name}", np.zeros(1)))
        edges = np.concatenate([[octaves[far[0]] if len(far) else -np.inf], bins.edges, [np.inf]])
        edges[-1] = octaves[far[-1] + 1] if len(far) else np.inf
        least, greatest = float(edges[held[0]]), float(edges[held[-1] + 1])
        if np.isfinite(least) and np.isfinite(greatest):
            of[name] = (least, greatest)
    return Ranges(of) if of else None
