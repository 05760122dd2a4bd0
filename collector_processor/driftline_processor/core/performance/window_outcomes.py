"""Outcomes of a window in addition to its pane: blocks of time, slices, delay, review.

Sums of slices by block of time are mostly zero, so they are stored sparse and expanded for one slice at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.panes.pane import Pane
from driftline.panes.sparse_sums import Sparse
from msgspec import Struct, field

from driftline_processor.core.evaluation import WeakSearch
from driftline_processor.core.labels.delay import UNKNOWN_DELAY, OutcomeDelay
from driftline_processor.core.outcomes.review import UnseenDecisions
from driftline_processor.core.weak_slices.slice_change import LossTiles, no_tiles
from driftline_processor.core.windows.window import Window


class BlockSums(Struct, frozen=True, eq=False):
    """Sums by block of time, without their zeros.

    Attributes:
        count: Number of blocks, in order of time.
        parts: Parts of the blocks' panes; a block is a group of the sums.
    """

    count: int
    parts: Mapping[str, Sparse]

    @classmethod
    def of(cls, blocks: Iterable[Pane]) -> Self:
        """Return panes without their zeros.

        >>> BlockSums.of([Pane({"outcomes": np.array([1.0, 1, 1])}), Pane()]).parts["outcomes"].group.tolist()
        [0, 0, 0]
        """
        panes = list(blocks)
        widths = {name: len(sums) for pane in panes for name, sums in pane.parts.items()}
        dense = {name: [pane.parts.get(name, np.zeros(width)) for pane in panes] for name, width in widths.items()}
        return cls(len(panes), {name: Sparse.of(np.stack(sums)) for name, sums in dense.items()})

    @classmethod
    def merge(cls, several: Sequence[Self]) -> Self:
        """Add up the sums of the same blocks over other rows.

        >>> one = BlockSums.of([Pane({"outcomes": np.array([1.0, 1, 1])}), Pane()])
        >>> BlockSums.merge([one, one]).parts["outcomes"].value.tolist()
        [2.0, 2.0, 2.0]
        """
        if len(several) == 1:
            return several[0]
        count = max(one.count for one in several)
        parts = {}
        for name in dict.fromkeys(name for one in several for name in one.parts):
            known = [one.parts[name] for one in several if name in one.parts]
            width = known[0].width
            place = np.concatenate([part.group * width + part.index for part in known])
            present, inverse = np.unique(place, return_inverse=True)
            value = np.bincount(inverse, np.concatenate([part.value for part in known]), len(present))
            parts[name] = Sparse(width, present // width, present % width, value.astype(np.float64, copy=False))
        return cls(count, parts)

    @property
    def total(self) -> Pane:
        """Sum of all blocks as a pane."""
        return Pane(
            {
                name: np.bincount(part.index, part.value, part.width).astype(np.float64)
                for name, part in self.parts.items()
            }
        )

    def blocks(self) -> list[Pane]:
        """Return one pane per block; blocks without rows have no parts."""
        panes = [Pane() for _ in range(self.count)]
        for name, part in self.parts.items():
            sums = part.dense(self.count)
            for at in np.unique(part.group).tolist():
                panes[at].parts[name] = sums[at]
        return panes


class Steps(NamedTuple):
    """Consecutive windows of five minutes, and a pane of each; the last one may still be open.

    Attributes:
        final: The moment up to which all outcomes, or calls, had their time to arrive; None = for all steps.
        reached: The newest known moment; None = the end of the last step.
    """

    windows: Sequence[Window]
    panes: Sequence[Pane]
    final: int | None = None
    reached: int | None = None

    def is_final(self, end: int) -> bool:
        """Return True if everything up to a time, unix nanoseconds, had its time to arrive."""
        return self.final is None or end <= self.final


class WindowOutcomes(Struct, frozen=True):
    """The outcomes of a window in addition to its pane.

    Attributes:
        blocks: Performance parts of the window by block of time, in order.
        slices: Performance parts by ``key=value``; with ``rows`` and ``class`` if the key comes with predictions.
            ``label_age`` is a key, too.
        young: True while outcomes of the window may still arrive.
        reference: Baseline whose outcomes estimates are learned from; None = the baseline of the comparison.
        weak: Result of the search for weak slices, if features were available.
        losses: Function that returns the losses per cell of the window and of those before it.
        delay: Usual delay of outcomes.
        steps: Windows of five minutes and their performance parts, for rolling objectives. None without one.
        calls: The same with their calls, for rolling objectives of calls.
        timezone: Time zone of the model.
        age: Nanoseconds since the end of the window; None for files.
        unseen: Decisions without an outcome by slice, "" for all rows.
        in_time: Sums of slices by block of time; by the hour if a window has no days. Rows of a missing slice count as
            independent.
    """

    blocks: Sequence[Pane] = ()
    slices: Mapping[str, Pane] = field(default_factory=dict)
    young: bool = False
    reference: Baseline | None = None
    weak: WeakSearch | None = None
    losses: Callable[[], LossTiles | None] = no_tiles
    delay: OutcomeDelay = UNKNOWN_DELAY
    steps: Steps | None = None
    calls: Steps | None = None
    timezone: str = "UTC"
    age: int | None = None
    unseen: Mapping[str, UnseenDecisions] = field(default_factory=dict)
    in_time: Mapping[str, BlockSums] = field(default_factory=dict)

    def blocks_of(self, slice: str) -> Sequence[Pane]:
        """Return the parts of a slice by block of time; () if unknown."""
        sums = self.in_time.get(slice)
        return () if sums is None else sums.blocks()


NOTHING_KNOWN = WindowOutcomes()
