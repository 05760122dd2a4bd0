"""What the predictions of one model add up to: rows, durations, scores and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .bins import NumberBins
from .block import Block
from .distribution import OTHER, Binned, Feature
from .faults import FAULTS, logger
from .fold import ModelBins, target_score
from .pane import DURATION_BOUNDS
from .tables import Column

if TYPE_CHECKING:
    from .block import Values

MOST_ERRORS = 20
"""Types of errors that have a duration series of their own; further ones are ``other``."""

DURATIONS = NumberBins(np.nextafter(DURATION_BOUNDS, np.inf))
"""Bins of durations: ``[low, high)`` over the next floats is ``(low, high]`` over the bounds."""


@dataclass(slots=True)
class Room:
    """How many more features may be counted, of all models together."""

    left: int


class Tally:
    """The sums over some rows of one model. ``durations``: by error type, "" where the call returned.

    ``bins``: the baseline's, if there is one; ``most``: how many features are counted, while there is ``room``.
    """

    def __init__(self, bins: ModelBins, most: int, room: Room) -> None:
        self.rows = 0
        self.durations: dict[str, Binned] = {}
        self.score = Feature(bins.score)
        self.features: dict[str, Feature] = {name: Feature(over) for name, over in bins.features.items()}
        self._bins = bins
        self._most = most
        self._room = room

    def add(self, block: Block) -> None:
        """Count the rows of a block."""
        n = len(block)
        self._add_durations(block)
        if block.scores is None:
            self.score.missing += n
        else:
            self.score.add(Column(numbers=target_score(block.identity.task, block.scores)))
        for name, values in block.features.items():
            feature = self.features.get(name)
            if feature is None:
                if len(self.features) >= self._most or self._room.left <= 0:
                    self._tell(block, name)
                    continue
                self._room.left -= 1
                feature = self.features[name] = Feature(None)
                feature.missing = self.rows  # of all rows before it
            feature.add(_column(values))
        for name, feature in self.features.items():
            if name not in block.features:
                feature.missing += n
        self.rows += n

    def merge(self, other: Tally) -> None:
        """Take what another one counted."""
        for error, durations in other.durations.items():
            self.duration(error).merge(durations)
        self.score.merge(other.score)
        for name, feature in other.features.items():
            mine = self.features.get(name)
            if mine is None:
                self.features[name] = feature
                feature.missing += self.rows
            else:
                mine.merge(feature)
        for name in self.features.keys() - other.features.keys():
            self.features[name].missing += other.rows
        self.rows += other.rows

    def fresh(self, *, cumulative: bool) -> Tally:
        """Return an empty one that goes on where this ends."""
        new = Tally(self._bins, self._most, self._room)
        new.score = self.score.fresh(cumulative=cumulative)
        new.features = {name: feature.fresh(cumulative=cumulative) for name, feature in self.features.items()}
        return new

    def settle(self) -> bool:
        """Count what waits to be named, since nothing more will come; say whether anything did."""
        return sum(feature.settle() for feature in self.features.values()) > 0

    def _tell(self, block: Block, name: str) -> None:
        """Say once that a model has more features than are counted."""
        model = block.identity.name
        if FAULTS.once(f"features {model}"):
            logger.info(
                "driftline: %s: the distributions of %d features are sent as metrics, not those of %s and others (%s)",
                model,
                len(self.features),
                name,
                "DRIFTLINE_DISTRIBUTIONS=true sends more" if self._room.left > 0 else "the most of one process",
            )

    def _add_durations(self, block: Block) -> None:
        if block.errors is None or block.errors.codes is None:
            self.duration("").add(block.duration)
            return
        for code, error in enumerate(("", *block.errors.labels), start=-1):
            seconds = block.duration[block.errors.codes == code]
            if len(seconds):
                self.duration(error).add(seconds)

    def duration(self, error: str) -> Binned:
        """Return the durations of an error type, "" where the call returned."""
        if error not in self.durations and len(self.durations) >= MOST_ERRORS:
            error = OTHER
        return self.durations.setdefault(error, Binned(DURATIONS))


def _column(values: Values) -> Column:
    return values if isinstance(values, Column) else Column(numbers=values.astype(np.float64, copy=False))
