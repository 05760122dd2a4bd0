"""Out of range: numbers beyond where nearly all of the baseline lay."""

from __future__ import annotations

from driftline.bins import NumberBins

from driftline_processor.core.quality.check import Check, Suspicion, Tested
from driftline_processor.core.quality.far import far
from driftline_processor.core.quality.ladder import CERTAIN
from driftline_processor.core.quality.look import Look
from driftline_processor.core.quality.risen import Part, risen
from driftline_processor.core.quality.sums import Pair
from driftline_processor.core.quality.words import percent, value

BEYOND = 2.0
"""Values of the next sample that lie beyond the least or the greatest of any sample, on average."""


def find(look: Look) -> Tested:
    """Compare the share of values beyond the outer edges of the bins, infinities among them.

    From panes, exactly. The edges are the 0.1 % and the 99.9 % quantile of the baseline, or its least and greatest
    where it has few values; so one stray value in the baseline widens nothing. Infinities and values far beyond all
    that was (:mod:`driftline_processor.core.quality.far`) are told however few they are.
    """
    looked_at = [pair for pair in look.pairs.values() if isinstance(pair.bins, NumberBins) and len(pair.bins.edges)]
    found = [one for pair in looked_at if (one := _of(pair, pair.bins)) is not None]
    return Tested(len(looked_at), found)


def _of(pair: Pair, bins: object) -> Suspicion | None:
    assert isinstance(bins, NumberBins)
    was, now = (
        Part(float(sums.counts[0] + sums.counts[-1]) + sums.infinite, sums.usable + sums.infinite)
        for sums in (pair.was, pair.now)
    )
    if was.of <= 0 or now.of <= 0:
        return None
    low, high = float(pair.now.counts[0]), float(pair.now.counts[-1])
    least, greatest = value(float(bins.edges[0])), value(float(bins.edges[-1]))
    one_end = low > 0.9 * now.cases or high > 0.9 * now.cases
    usual = f"outside {least} to {greatest}" if least != greatest else f"off {least}"
    where = usual if not one_end else f"below {least}" if low > high else f"above {greatest}"
    infinite = f", {percent(pair.now.infinite / now.of)} are infinite" if pair.now.infinite else ""
    before = f"before, {percent(was.share)} {f'lay {usual}' if one_end else 'did'}"
    more = risen(CHECK.name, pair, was, now, f"lie {where}{infinite}", before, BEYOND)
    return more if more is not None and more.p <= CERTAIN else far(CHECK.name, pair) or more


CHECK = Check("out_of_range", "out of range", "panes", find)
