"""Write the first windows of claims as rows, for peers that know nothing of bin counts: the draws that we were asked.

python -m simulations.drift.peer_draws FOLDER ['quiet-*' ...]
"""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from driftline.panes.bins import NumberBins
from driftline.tables.table import I64
from numpy.typing import NDArray
from scipy.stats import norm

from simulations.drift.claims import CLAIMS, YEAR, Claim
from simulations.drift.window_batches import chunks, draws
from simulations.drift.worlds import EDGES, Counted, Customers, Days, Stray

SEED = 1
WINDOWS, MANY = 40, 10
"""Windows that peers are asked about: of up to 20 features, and of more."""

Rows = NDArray[Any]


def drawn(claim: Claim) -> tuple[list[Rows], list[list[Rows]]] | None:
    """Return references, (rows, features) each, and the windows beside each; None where peers are not asked."""
    world, rng = claim.world, claim.rng(SEED)
    if isinstance(world, Stray):
        return [world.reference[:, np.newaxis]], [[world.window[:, np.newaxis]]]
    if isinstance(world, Counted | Customers):
        if claim.windows > YEAR:  # of one model
            reference = next(world.references(rng))
            current = world.draw(rng, next(chunks(YEAR, world.features))).current
        else:
            references, found = next(draws(world, claim.windows, rng))
            reference, current = references[0], found.current
        inside, numbers = np.random.default_rng(SEED), isinstance(world.over, NumberBins)
        was = rows_of(reference, inside, numbers=numbers)
        return [was], [[rows_of(now, inside, numbers=numbers) for now in current[: most_of(world.features)]]]
    if isinstance(world, Days):
        pairs = list(islice(world.rows(rng), most_of(world.features) // world.each))
        return [was for was, _ in pairs], [list(windows) for _, windows in pairs]
    return None


def most_of(features: int) -> int:
    """Return of how many windows peers are asked."""
    return WINDOWS if features <= 20 else MANY


def rows_of(counts: I64, rng: np.random.Generator, *, numbers: bool) -> Rows:
    """Return rows that have these counts, (rows, features): numbers anywhere in their bin, or labels.

    Which values share a row is by chance: peers look at one feature at a time.
    """
    columns = []
    below = np.concatenate([[0.0], norm.cdf(EDGES), [1.0]])
    for one in counts:
        place = rng.permutation(np.repeat(np.arange(len(one)), one))
        if numbers:
            columns.append(norm.ppf(below[place] + np.diff(below)[place] * rng.random(len(place))))
        else:
            columns.append(np.array([f"c{at}" for at in range(len(one))])[place])
    return np.stack(columns, axis=1)


def main() -> None:
    """Write a file for each claim."""
    folder, patterns = Path(sys.argv[1]), sys.argv[2:] or ["*"]
    folder.mkdir(parents=True, exist_ok=True)
    for name, claim in CLAIMS.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns) and (found := drawn(claim)) is not None:
            references, windows = found
            files: dict[str, Rows] = {f"reference{at}": rows for at, rows in enumerate(references)}
            files |= {f"windows{at}": np.stack(beside) for at, beside in enumerate(windows)}
            np.savez(folder / name, allow_pickle=False, **files)


if __name__ == "__main__":
    main()
