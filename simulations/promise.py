"""Promises: in at most so many windows something is reported, in at least so many what there is is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scipy import stats

from simulations.frame import Figures, Row, percent, table_of


@dataclass(frozen=True)
class Promise(Row):
    """A row of the table: ``most`` windows with what is ``rare``, or at ``least`` so many with what is ``found``.

    ``short``: windows of a test, 0 = none. The two are figures, by their names.
    """

    what: str
    short: int
    most: float | None = None
    least: float | None = None
    rare: str = "alarm"

    def holds(self, figures: Figures) -> bool:
        """Whether the figures are no evidence, at one in a thousand, that the promise is not kept."""
        windows = int(figures["windows"])
        if self.most is not None:
            return bool(stats.binom.sf(round(figures[self.rare] * windows) - 1, windows, self.most) > 0.001)
        assert self.least is not None
        return bool(stats.binom.cdf(round(figures["found"] * windows), windows, self.least) > 0.001)

    def promised(self) -> str:
        """Say the promise."""
        if self.most is None:
            return f"found in at least {(self.least or 0) * 100:.0f} %"
        return f"{self.rare} in at most {self.most * 100:.2g} %"


def text(
    promises: Mapping[str, Promise], more: Callable[[Figures], str] = lambda _: ""
) -> Callable[[Mapping[str, Figures]], str]:
    """Return what writes the table; ``more``: what is told of a row in which something is to be found."""

    def told(promise: Promise, one: Figures) -> list[str]:
        figure = "found" if promise.most is None else promise.rare
        found = f"{percent(one[figure])} of {one['windows']:,}" + (more(one) if promise.most is None else "")
        return [promise.promised(), found]

    return table_of(promises, ["what", "promised", "Driftline"], told)
