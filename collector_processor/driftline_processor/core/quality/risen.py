"""More values of a kind than before: how the checks that count them end."""

from __future__ import annotations

from typing import NamedTuple

from .check import Suspicion, suspicion
from .rate import LEAST, effect, more_often
from .sums import Pair
from .words import percent, quoted


class Part(NamedTuple):
    """``cases`` of ``of`` values, in weights."""

    cases: float
    of: float

    @property
    def share(self) -> float:
        """The share of the values that are cases."""
        return self.cases / self.of


def risen(
    check: str, pair: Pair, was: Part, now: Part, said: str, before: str = "", beyond: float = 0.0
) -> Suspicion | None:
    """Suspect a feature of which more values are cases than before; None where not by enough to matter.

    ``said``: what these values are or do; ``before``: how the share before is told. ``beyond``: cases that are added to
    the baseline's. The p-value is that of :func:`.rate.more_often`, of effective rows.
    """
    if was.of <= 0 or now.of <= 0 or effect(was.share, now.share) < LEAST:
        return None
    p = more_often(was.cases * pair.n + beyond, was.of * pair.n, now.cases * pair.m, now.of * pair.m)
    told = (
        f"{quoted(pair.name)}: {percent(now.share)} of {pair.values} {said} ({before or f'was {percent(was.share)}'})"
    )
    concerned = (now.share - was.share) * now.of / pair.now.rows
    return suspicion(check, [pair.name], p, told, was=was.share, now=now.share, concerned=concerned)
