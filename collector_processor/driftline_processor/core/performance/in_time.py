"""The sums of a slice by block of time: most are zero, so they are written out for one slice at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from driftline.pane import Pane
from driftline.sparse import Sparse


@dataclass(frozen=True, slots=True, eq=False)
class InTime:
    """``count``: of blocks, in order. ``parts``: the parts of their panes, a block being a group of the sums."""

    count: int
    parts: Mapping[str, Sparse]

    @classmethod
    def of(cls, blocks: Iterable[Pane]) -> Self:
        """Leave out the zeros of panes.

        >>> InTime.of([Pane({"outcomes": np.array([1.0, 1, 1])}), Pane()]).parts["outcomes"].group.tolist()
        [0, 0, 0]
        """
        panes = list(blocks)
        widths = {name: len(sums) for pane in panes for name, sums in pane.parts.items()}
        dense = {name: [pane.parts.get(name, np.zeros(width)) for pane in panes] for name, width in widths.items()}
        return cls(len(panes), {name: Sparse.of(np.stack(sums)) for name, sums in dense.items()})

    @property
    def whole(self) -> Pane:
        """All blocks together."""
        return Pane(
            {name: np.bincount(one.index, one.value, one.width).astype(np.float64) for name, one in self.parts.items()}
        )

    def without(self, prefix: str) -> InTime:
        """Return the same without the parts whose names begin so."""
        return InTime(self.count, {name: one for name, one in self.parts.items() if not name.startswith(prefix)})

    def blocks(self) -> list[Pane]:
        """Return each block; one without rows has no parts."""
        panes = [Pane() for _ in range(self.count)]
        for name, one in self.parts.items():
            sums = one.dense(self.count)
            for at in np.unique(one.group).tolist():
                panes[at].parts[name] = sums[at]
        return panes
