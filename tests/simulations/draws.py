"""Write some windows as rows, for peers that know nothing of bin counts: the draws of the simulation, fewer.

python -m tests.simulations.draws FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from driftline.tables import F64, I64
from numpy.typing import NDArray
from scipy.stats import norm

from .worlds import EDGES, ZIPF, Counted, Customers, Days, Stray, World, normal, unseen

WINDOWS = 40
SEED = 1


def worlds() -> dict[str, World]:
    """Return what peers are asked: the worlds of these claims."""
    three, rare = np.array([0.6, 0.3, 0.1]), np.array([0.97, 0.02, 0.01])
    quiet, moved = unseen(three, 0.05)
    found: dict[str, World] = {
        f"quiet-{rows}-{features}": Counted(rows, features) for rows in (50, 200, 1_000) for features in (1, 20)
    }
    found |= {f"three-{rows}": Counted(rows, shares=three) for rows in (200, 1_000)}
    found |= {f"rare-{rows}": Counted(rows, shares=rare) for rows in (200, 1_000)}
    found |= {f"zipf-{rows}": Counted(rows, shares=ZIPF) for rows in (50, 200, 1_000)}
    found |= {
        "moved-0.2-1000-20": Counted(1_000, moved=normal(0.2)),
        "moved-0.5-50-20": Counted(50, moved=normal(0.5)),
        "unseen-three-200": Counted(200, shares=quiet, moved=moved),
    }
    found |= {f"keyless-{alike}": Customers(alike, known=False) for alike in (0.1, 0.5, 0.9)}
    return found | {f"days-{days}": Days(0.5, days=days) for days in (1, 7)}


def rows_of(counts: I64, rng: np.random.Generator, *, numbers: bool) -> NDArray[Any]:
    """Return rows that have these counts, (rows, features): numbers anywhere in their bin, or labels."""
    columns = []
    below = np.concatenate([[0.0], norm.cdf(EDGES)])
    for one in counts:
        place = rng.permutation(np.repeat(np.arange(len(one)), one))
        if numbers:
            width = np.diff(np.append(below, 1.0))
            columns.append(norm.ppf(below[place] + width[place] * rng.random(len(place))))
        else:
            columns.append(np.array([f"c{at}" for at in range(len(one))])[place])
    return np.stack(columns, axis=1)


def drawn(world: World) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the reference rows of the first window, and so many windows."""
    rng, inside = np.random.default_rng(SEED), np.random.default_rng(SEED + 1)
    if isinstance(world, Counted):
        numbers = world.shares is None
        pairs = [world.counts(rng) for _ in range(WINDOWS)]
        reference = rows_of(pairs[0][0], inside, numbers=numbers)
        return reference, np.stack([rows_of(now, inside, numbers=numbers) for _, now in pairs])
    if isinstance(world, Customers):
        reference = rows_of(Counted(1, world.features).counts(rng)[0], inside, numbers=True)
        return reference, np.stack([world.values(rng) for _ in range(WINDOWS)])
    assert isinstance(world, Days)
    return next(replace(world, each=WINDOWS).rows(rng))


def strayed(stray: Stray) -> tuple[F64, F64]:
    """Return reference and window of one number."""
    return stray.reference[:, np.newaxis], stray.window[np.newaxis, :, np.newaxis]


def main() -> None:
    """Write a file for each world."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    everything = {name: drawn(world) for name, world in worlds().items()}
    everything |= {name: strayed(Stray(stray)) for name, stray in (("clean", False), ("stray", True))}
    for name, (reference, windows) in everything.items():
        np.savez(folder / name, reference=reference, windows=windows)


if __name__ == "__main__":
    main()
