"""The faults, what they are called, and what is right to say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from driftline_processor.present.sentences.causes import cause_sentence
from numpy.typing import NDArray

from .streams import DAY, DAYS, FIRST, Fault, Frame, Stream

Mask = NDArray[np.bool_]


def shifted(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["tenure"][which] += 0.8 * 15


def wider(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["temperature"][which] = 8 + 1.8 * (frame["temperature"][which] - 8)


def other_unit(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["amount"][which] *= 100


def missing(frame: Frame, which: Mask, rng: np.random.Generator) -> None:
    frame["income"][which & (rng.random(len(which)) < 0.2)] = np.nan


def new_category(frame: Frame, which: Mask, rng: np.random.Generator) -> None:
    frame["country"][which & (rng.random(len(which)) < 0.1)] = "IS"


def vanished_category(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["country"][which & (frame["country"] == "DK")] = "NO"


def swapped(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["age"][which], frame["tenure"][which] = frame["tenure"][which], frame["age"][which]


def frozen(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["temperature"][which] = 8.25


def in_one_slice(frame: Frame, which: Mask, _rng: np.random.Generator) -> None:
    frame["balance"][which & (frame["channel"] == "mobile")] *= 4


class Outcome(NamedTuple):
    """What came of one run: the right feature first, said in the right words, dated within a window."""

    first: bool
    worded: bool
    dated: bool
    said: str


@dataclass(frozen=True)
class Planted:
    """``features``: what the first cause must name. ``checks``: the findings it may tell, "" for drift. ``slice``: that
    it must name."""

    title: str
    fault: Fault
    features: tuple[str, ...]
    checks: tuple[str, ...] = ("",)
    slice: str = ""

    def run(self, seed: int) -> Outcome:
        """Plant it at a random day of a stream, and look at the last day."""
        at = int(np.random.default_rng(seed).integers(3, DAYS))
        stream = Stream(seed, self.fault, at)
        found = stream.explained_by_slice("channel") if self.slice else stream.explained()
        if found is None or not found.causes:
            return Outcome(False, False, False, "")
        cause = found.causes[0]
        first = set(cause.features) <= set(self.features)
        worded = first and len(cause.features) == len(self.features) and cause.check in self.checks
        dated = first and cause.since is not None and abs(cause.since - FIRST - at * DAY) <= DAY
        return Outcome(first, worded and cause.slice == self.slice, dated, cause_sentence(cause))


FAULTS: dict[str, Planted] = {
    "mean": Planted("0.8 standard deviations more", shifted, ("tenure",)),
    "scale": Planted("1.8 times as wide", wider, ("temperature",), ("", "out_of_range")),
    "unit": Planted("100 times what it was", other_unit, ("amount",), ("unit_change",)),
    "missing": Planted("20 % missing, 3 % before", missing, ("income",), ("missing",)),
    "new": Planted("a new category in 10 % of the rows", new_category, ("country",), ("unseen",)),
    "vanished": Planted("a category of 15 % vanishes", vanished_category, ("country",)),
    "swapped": Planted("two columns swapped", swapped, ("age", "tenure"), ("swapped",)),
    "frozen": Planted("one value for all", frozen, ("temperature",), ("constant",)),
    "slice": Planted("4 times what it was, in one slice of 30 %", in_one_slice, ("balance",), ("",), "channel=mobile"),
}


class Quiet(NamedTuple):
    """What is said of a stream without a fault: whether anything, whether with a date, and of how many features an
    onset is claimed when all are asked, drift or not."""

    explained: bool
    dated: bool
    onsets: int
    features: int


def quiet(seed: int) -> Quiet:
    """Look at the last day of a stream without a fault."""
    stream = Stream(seed)
    found = stream.explained()
    causes = () if found is None else found.causes
    onsets = stream.onsets()
    return Quiet(bool(causes), any(cause.since is not None for cause in causes), sum(onsets.values()), len(onsets))
