"""How long the outcomes of a model may take: as its owner says, else as long as those took that have come.

A window's performance counts once its outcomes had that time. Where nobody says how long that is, nearly all of the
ages at which outcomes came say it: of a hundred or more all but the latest twentieth, of fewer all of them, since a
twentieth of few is none. A window of whose outcomes as many are known need not wait.

Outcomes that are still to come have no age yet, so the delay of a young model grows as the model gets older; whoever
reads the delay reads from how many outcomes it was learned.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from driftline.tables import F64

from .delay import BOUNDS

SHARE = 0.95
"""Of the outcomes that have come, so many came within the delay that is learned from them."""

FEW = 100
"""Of fewer outcomes the latest decides."""

_SECOND = 10**9

Source = Literal["configured", "learned", "unknown"]


class OutcomeDelay(NamedTuple):
    """``nanoseconds``: how long outcomes may take. ``outcomes``: how many it was learned from."""

    nanoseconds: int = 0
    source: Source = "unknown"
    outcomes: int = 0

    def complete(self, coverage: float | None) -> bool:
        """Return whether a window need not wait: its outcomes are as good as all known, and nobody asked it to wait."""
        return self.source == "learned" and coverage is not None and coverage >= SHARE

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; no seconds where nothing is known."""
        known = self.source != "unknown"
        return {
            "seconds": self.nanoseconds // _SECOND if known else None,
            "source": self.source,
            "outcomes": self.outcomes if self.source == "learned" else None,
        }


UNKNOWN_DELAY = OutcomeDelay()


def learn_outcome_delay(counts: F64) -> OutcomeDelay:
    """Learn the delay from the ages of outcomes, counted over :data:`.delay.BOUNDS`: float64 (WIDTH,).

    >>> counts = np.zeros(len(BOUNDS) + 1)
    >>> counts[BOUNDS.index(60)], counts[BOUNDS.index(2 * 86_400)] = 30, 970
    >>> learn_outcome_delay(counts)
    OutcomeDelay(nanoseconds=172800000000000, source='learned', outcomes=1000)
    """
    outcomes = round(float(counts.sum()))
    if outcomes <= 0:
        return UNKNOWN_DELAY
    share = SHARE if outcomes >= FEW else 1.0
    at = int(np.searchsorted(np.cumsum(counts), share * counts.sum() * (1 - 1e-12)))
    return OutcomeDelay(BOUNDS[min(at, len(BOUNDS) - 1)] * _SECOND, "learned", outcomes)
