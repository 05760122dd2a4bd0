"""Panes that tests make one by one, in the form in which a fold gives them to the store."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from driftline.panes.fold import FoldedParts
from driftline.panes.pane import Pane


def folded(panes: Sequence[Pane]) -> FoldedParts:
    """Return the sums of panes part by part."""
    parts: dict[str, list[int]] = {}
    for place, pane in enumerate(panes):
        for name in pane.parts:
            parts.setdefault(name, []).append(place)
    return FoldedParts(
        {},
        {
            name: (np.array(having), np.stack([panes[place].parts[name] for place in having]))
            for name, having in parts.items()
        },
    )
