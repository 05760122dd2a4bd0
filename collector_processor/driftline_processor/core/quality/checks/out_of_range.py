"""Out of range: numbers beyond where nearly all of the baseline lay."""

from __future__ import annotations

from driftline.bins import NumberBins

from driftline_processor.core.quality.check import Check, Suspicion, Tested, suspicion
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.rate import LEAST, effect, more_often
from driftline_processor.core.quality.sums import Pair
from driftline_processor.core.quality.words import percent, quoted, value

BEYOND = 2.0
"""Values of the next sample that lie beyond the least or the greatest of any sample, on average."""


def find(look: Look) -> Tested:
    """Compare the share of values beyond the outer edges of the bins, infinities among them.

    From panes, exactly. The edges are the 0.1 % and the 99.9 % quantile of the baseline, or its least and greatest
    where it has few values; so one stray value in the baseline widens nothing.
    """
    looked_at = [pair for pair in look.pairs.values() if isinstance(pair.bins, NumberBins) and len(pair.bins.edges)]
    found = [one for pair in looked_at if (one := _of(pair, pair.bins)) is not None]
    return Tested(len(looked_at), found)


def _of(pair: Pair, bins: object) -> Suspicion | None:
    assert isinstance(bins, NumberBins)
    was_of, now_of = pair.was.usable + pair.was.infinite, pair.now.usable + pair.now.infinite
    if now_of <= 0 or was_of <= 0:
        return None
    before = float(pair.was.counts[0] + pair.was.counts[-1]) + pair.was.infinite
    beyond = float(pair.now.counts[0] + pair.now.counts[-1]) + pair.now.infinite
    was, now = before / was_of, beyond / now_of
    if effect(was, now) < LEAST:
        return None
    n, m = was_of * pair.n, now_of * pair.m
    low, high = float(pair.now.counts[0]), float(pair.now.counts[-1])
    least, greatest = value(float(bins.edges[0])), value(float(bins.edges[-1]))
    usual = f"{least} to {greatest}"
    where = f"below {least}" if low > 0.9 * beyond else f"above {greatest}" if high > 0.9 * beyond else ""
    infinite = f", {percent(pair.now.infinite / now_of)} are infinite" if pair.now.infinite else ""
    return suspicion(
        CHECK.name,
        [pair.name],
        more_often(was * n + BEYOND, n, now * m, m),
        f"{quoted(pair.name)}: {percent(now)} of values lie {where or f'outside {usual}'}{infinite} (before, "
        f"{percent(was)} {f'lay outside {usual}' if where else 'did'})",
        was=was,
        now=now,
        concerned=(now - was) * now_of / pair.now.rows,
    )


CHECK = Check("out_of_range", "out of range", "panes", find)
