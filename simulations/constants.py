"""What constants without a source of their own do: each at two other values beside its own, evidence/constants.json.

Quiet worlds say what a value costs, and planted changes what it finds. All values see the same draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from driftline_processor.core import change
from driftline_processor.core.estimate import label_shift
from driftline_processor.core.verdict import traffic
from driftline_processor.core.weak_slices import search
from driftline_processor.core.windows.window import DAY, HOUR

from simulations import kinds_of_change as kinds
from simulations import silence
from simulations.frame import Figures, Random, Row, Table, percent, table_of
from simulations.weak_slices import Labelled, Planted

Measured = Callable[[int, Random], Sequence[float]]


@contextmanager
def set_to(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Give a constant another value for a while."""
    own = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, own)


@dataclass(frozen=True)
class Choice(Row):
    """A constant at several values; ``told``: how the figures of one value are written."""

    what: str
    values: tuple[Any, ...]
    told: Callable[[Sequence[float]], str]


def at_each(
    module: ModuleType, name: str, values: Sequence[Any], measured: Measured
) -> Callable[[int, Random], Figures]:
    """Return the figures of a constant at each of its values, on the same draws."""

    def measure(windows: int, rng: Random) -> Figures:
        seed = int(rng.integers(2**31))
        found = []
        for value in values:
            with set_to(module, name, value):
                found.append([float(one) for one in measured(windows, np.random.default_rng(seed))])
        return {"found": found}

    return measure


def silences(models: int, rng: Random) -> list[float]:
    """Return false silences a year, and hours until one that stopped is silent, of nine kinds of traffic each."""
    worlds = [
        *(partial(silence.at_random, an_hour) for an_hour in (12, 1)),
        partial(silence.day_and_night, 40),
        *(partial(silence.at_random, an_hour, when=silence.office) for an_hour in (400, 6)),
        partial(silence.batches, HOUR, 120 * 10**9),
        partial(silence.batches, DAY, 2 * HOUR),
        partial(silence.batches, DAY, 600 * 10**9, when=silence.weekdays),
        partial(silence.outage, partial(silence.at_random, 60)),
    ]
    found = [silence.silences(draw, models, rng) for draw in worlds]
    hours = [min(one["median"], 60 * 24.0) for one in found]
    return [float(np.mean([one["a_year"] for one in found])), float(np.exp(np.mean(np.log(hours))))]


def slices(windows: int, rng: Random) -> list[float]:
    """Return how often a slice is reported where there is none, and how often one between two values and a pair are."""

    def reported(world: Labelled, many: int) -> float:
        hits = 0
        for _ in range(many):
            found = world.search(rng)
            assert found is not None
            named = [{condition.feature for condition in one.conditions} for one in found.slices]
            hits += any(features == world.names() for features in named) if world.planted else bool(named)
        return hits / many

    planted: tuple[Planted, ...] = ("middle", "pair")
    some = max(1, windows // 4)
    return [reported(Labelled(2_000), windows), *(reported(Labelled(10_000, planted=one), some) for one in planted)]


def named(outcomes_known: bool, *worlds: str) -> Measured:
    """Return how often the right kind of change is named; of quiet windows none."""
    right = {"quiet": "none", "aligned": "covariate_shift", "fewer": "label_shift", "concept": "concept_change"}

    def measure(windows: int, rng: Random) -> list[float]:
        return [kinds.named(kinds.PLANTED[world][1], outcomes_known)(windows, rng)[right[world]] for world in worlds]

    return measure


def _silent(found: Sequence[float]) -> str:
    return f"{found[0]:.2f} a year, {found[1]:.1f} h"


def _shares(found: Sequence[float]) -> str:
    return ", ".join(percent(one) for one in found)


def _rows() -> Iterator[Choice]:
    def row(
        name: str, module: ModuleType, values: tuple[Any, ...], measured: Measured, windows: int, what: str, told: Any
    ) -> Choice:
        subject = "pace" if module is traffic else module.__name__.rpartition(".")[2].replace("_", "-")
        short = f"constant-{subject}-{name.lower().replace('_', '-')}"
        return Choice(short, at_each(module, name, values, measured), windows, what, values, told)

    silent_words = "false silences, hours until silent"
    for name, values in (
        ("FEWEST", (4, 8, 16)),
        ("AROUND_THE_CLOCK", (0.9, 0.95, 0.99)),
        ("USUAL", (0.25, 0.5, 0.75)),
        ("SCHEDULED", (0.8, 0.9, 0.95)),
        ("FALSE_A_YEAR", (0.1, 0.2, 0.4)),
        ("TAIL", ((0.05, 5, 25), (0.1, 5, 50), (0.2, 10, 100))),
        ("UNSURE", (1.0, 2.0, 3.0)),
        ("OUTAGE", (2.0, 3.0, 6.0)),
    ):
        yield row(name, traffic, values, silences, 8, silent_words, _silent)
    found = "reported of none; found between two values, in a pair"
    for name, values in (("LEAST_RATIO", (1.1, 1.2, 1.5)), ("FINE", (10, 20, 40)), ("COARSE", (5, 10, 20))):
        yield row(name, search, values, slices, 60, found, _shares)
    shifts = named(False, "quiet", "aligned", "fewer")
    without = "without outcomes, right: quiet, features that mimic a label shift, label shift"
    for name, values in (("CELLS", (10, 20, 40)), ("MATERIAL", (0.15, 0.25, 0.4))):
        yield row(name, label_shift, values, shifts, 40, without, _shares)
    concepts = named(True, "quiet", "fewer", "concept")
    yield row("CELLS", change, (5, 10, 20), concepts, 40, "with outcomes, right: quiet, label shift, concept", _shares)


ROWS = {row.name: row for row in _rows()}


def _told(row: Choice, found: Figures) -> list[str]:
    cells = [f"{value}: {row.told(one)}" for value, one in zip(row.values, found["found"], strict=True)]
    return [*cells, f"{found['windows']}"]


HEAD = ["figures", "less", "as it is", "more", "models or windows"]
CONSTANTS = Table("constants", ROWS, table_of(ROWS, HEAD, _told))
