"""Outcomes of a window beside their sums: blocks of time, slices, delay, review.

The sums of a slice by block of time: most are zero, so they are written out for one slice at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.panes.sparse_sums import Sparse

from driftline_processor.core.evaluation import WeakSearch
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.outcomes.review import UnseenDecisions
from driftline_processor.core.windows.window import Window


@dataclass(frozen=True, slots=True, eq=False)
class BlockSums:
    """``count``: of blocks, in order. ``parts``: the parts of their panes, a block being a group of the sums."""

    count: int
    parts: Mapping[str, Sparse]

    @classmethod
    def of(cls, blocks: Iterable[Pane]) -> Self:
        """Leave out the zeros of panes.

        >>> BlockSums.of([Pane({"outcomes": np.array([1.0, 1, 1])}), Pane()]).parts["outcomes"].group.tolist()
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
            {
                name: np.bincount(part.index, part.value, part.width).astype(np.float64)
                for name, part in self.parts.items()
            }
        )

    def without(self, prefix: str) -> BlockSums:
        """Return the same without the parts whose names begin so."""
        return BlockSums(self.count, {name: part for name, part in self.parts.items() if not name.startswith(prefix)})

    def blocks(self) -> list[Pane]:
        """Return each block; one without rows has no parts."""
        panes = [Pane() for _ in range(self.count)]
        for name, part in self.parts.items():
            sums = part.dense(self.count)
            for at in np.unique(part.group).tolist():
                panes[at].parts[name] = sums[at]
        return panes


@dataclass(frozen=True, slots=True)
class WindowOutcomes:
    """``blocks``: the performance parts of the window by block of time, in order. ``slices``: by ``key=value``, the
    performance parts of a slice, and its ``rows`` and ``class`` where the key comes with predictions; ``label_age`` is
    a key, too. ``young``: the outcomes of the window have not yet had the time that they may take. ``weak``: what came
    of the search for weak slices, where features were at hand while rows were counted. ``reference``: the baseline as
    it is, from whose outcomes estimates are learned; None where the one that the window is compared with is that.
    ``delay``: how long outcomes may take. ``steps``: of a window over which objectives roll, five minutes after
    five minutes from before it on, as far as their outcomes had that time, and the performance parts of each; None
    where none rolls. ``timezone``: that of the model. ``age``: how long ago the window ended, nanoseconds, None
    where time goes no further. ``unseen``: what the outcomes of a slice say nothing of, "" = those of the window; found
    from the other ones. ``in_time``: slices by block of time, hours of windows that have no days; where one is not
    there, its rows are taken as independent.
    """

    blocks: Sequence[Pane] = ()
    slices: Mapping[str, Pane] = field(default_factory=dict)
    young: bool = False
    reference: Baseline | None = None
    weak: WeakSearch | None = None
    delay: OutcomeDelay = UNKNOWN_DELAY
    steps: tuple[Sequence[Window], Sequence[Pane]] | None = None
    timezone: str = "UTC"
    age: int | None = None
    unseen: Mapping[str, UnseenDecisions] = field(default_factory=dict)
    in_time: Mapping[str, BlockSums] = field(default_factory=dict)

    def blocks_of(self, slice: str) -> Sequence[Pane]:
        """Return the parts of a slice by block of time; () where they are not known."""
        sums = self.in_time.get(slice)
        return () if sums is None else sums.blocks()


NOTHING_KNOWN = WindowOutcomes()
