"""Whether rows lack so much more, or less, than they did that this alone moves what is compared."""

from __future__ import annotations

import math
from typing import NamedTuple

from driftline.pane import Pane

from .method import Sides

MOST = 0.05
"""Times the root of the number of features: the shares of missing values, added up, that may change. Simulated with 2
to 40 features, independent, in pairs and of one factor, all missing in one feature or in all: it moves the mean error
by up to 0.05 of its standard deviation, half the least effect that counts."""

CHANCE = 3.0
"""Standard errors within which a share has not changed: what chance makes of it is in the variance of the errors."""


class Lacks(NamedTuple):
    """A feature of which ``was`` of the values were missing or invalid, and ``now`` are."""

    name: str
    was: float
    now: float

    @property
    def more(self) -> float:
        """How far the share changed."""
        return abs(self.now - self.was)


def changed(sides: Sides, was_rows: float, now_rows: float) -> list[Lacks]:
    """Return the features whose missing values became more, or fewer, beyond chance, if together by too much to judge.

    The one that changed most comes first; empty where they may be judged. ``was_rows``, ``now_rows``: effective rows.
    """
    per_row = 1 / max(was_rows, 1.0) + 1 / max(now_rows, 1.0)
    found = []
    for name in sides.space.names:
        was, now = (_share(pane, name) for pane in (sides.reference, sides.current))
        both = (was / max(now_rows, 1.0) + now / max(was_rows, 1.0)) / per_row  # the share in both samples together
        if abs(now - was) > CHANCE * math.sqrt(both * (1 - both) * per_row):
            found.append(Lacks(name, was, now))
    if sum(one.more for one in found) <= MOST * math.sqrt(len(sides.space.names)):
        return []
    return sorted(found, key=lambda one: -one.more)


def _share(pane: Pane, name: str) -> float:
    """The share of rows without a usable value; all where the feature never came."""
    part = pane.parts.get(f"feature:{name}")
    total = 0.0 if part is None else float(part.sum())
    return 1.0 if part is None or total <= 0 else float(part[-2:].sum()) / total
