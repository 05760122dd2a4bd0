"""What to label next, drawn again and again from the same rows: whether what comes back says how often a model errs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from driftline.tables.task import Task
from driftline_processor.core.labels.sampling import FLOOR, draw_rows, row_lots, uncertainty

from simulations.frame import Figures, Random, Row, Table, percent, table_of

ROWS = 5_000
"""As many rows are drawn from."""


@dataclass(frozen=True)
class Claim(Row):
    """A row of the table: ``draws`` of ``each`` labels; the mean of all runs lies within two of its standard errors."""

    what: str
    draws: int
    each: int


def _measured(draws: int, each: int, moving: bool, arriving: bool) -> Callable[[int, Random], Figures]:
    """Return how far the error rate of what was labelled lies from that of all rows, on average.

    ``moving``: what speaks for a row is another thing at each draw. ``arriving``: at the first draw half of the rows
    are there, and more at each.
    """

    def measure(windows: int, rng: Random) -> Figures:
        off, plain = np.empty(windows), np.empty(windows)
        for window in range(windows):
            score = rng.beta(0.6, 0.6, ROWS)
            wrong = rng.random(ROWS) < np.minimum(score, 1 - score)
            unsure = uncertainty(Task("binary", ("0", "1"), "1"), score[:, np.newaxis])
            assert unsure is not None
            lot, before = row_lots(np.arange(ROWS) + ROWS * window + int(rng.integers(2**40))), np.full(ROWS, np.nan)
            for at in range(draws):
                worth = FLOOR + unsure + (2 * rng.random(ROWS) * (rng.random(ROWS) < 0.2) if moving else 0)
                there = ROWS * (draws + at + 1) // (2 * draws) if arriving else ROWS
                drawn = draw_rows(worth[:there], lot[:there], before[:there], each)
                for chosen in (drawn.new, drawn.redraw):
                    before[chosen.rows] = chosen.probability
            labelled = ~np.isnan(before)
            weight = 1 / before[labelled]
            off[window] = weight @ wrong[labelled] / weight.sum() - wrong.mean()
            plain[window] = wrong[labelled].mean() / wrong.mean()
        error = float(off.std(ddof=1)) / windows**0.5
        return {"off": float(off.mean()), "errors": float(off.mean()) / error, "plain": float(plain.mean())}

    return measure


def _claims() -> dict[str, Claim]:
    rows = {
        "label-once": ("1 draw of 1,000", 1, 1_000, False, False),
        "label-twice": ("2 draws of 500 of the same rows", 2, 500, False, False),
        "label-ten-times": ("10 draws of 100 of the same rows", 10, 100, False, False),
        "label-moving": ("5 draws of 200; what speaks for a fifth of the rows changes each time", 5, 200, True, False),
        "label-arriving": ("5 draws of 200, while the rows double in number", 5, 200, True, True),
    }
    return {
        name: Claim(name, _measured(draws, each, *how), 2_000, what, draws, each)
        for name, (what, draws, each, *how) in rows.items()
    }


CLAIMS = _claims()


def _told(_: Claim, found: Figures) -> list[str]:
    off = f"{found['off'] * 100:+.3f} points ({found['errors']:+.1f} standard errors)"
    return [off, f"{percent(found['plain'] - 1)} too often"]


TEXT = table_of(CLAIMS, ["of 5,000 rows", "error rate, by weight, of 2,000 runs", "without weights"], _told)
LABELS = Table("labels", CLAIMS, TEXT)
"""What labels that were drawn say: a few runs of each row always, all of them with ``-m simulation``."""
