"""What is known of the outcomes of a window beside their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from driftline.baseline import Baseline
from driftline.pane import Pane

from driftline_processor.core.evaluation import Window
from driftline_processor.core.labels.outcome_delay import UNKNOWN_DELAY, OutcomeDelay

from .in_time import InTime
from .reviewed import Unseen
from .weak.found import WeakSearch


@dataclass(frozen=True, slots=True)
class Known:
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
    unseen: Mapping[str, Unseen] = field(default_factory=dict)
    in_time: Mapping[str, InTime] = field(default_factory=dict)

    def blocks_of(self, slice: str) -> Sequence[Pane]:
        """Return the parts of a slice by block of time; () where they are not known."""
        known = self.in_time.get(slice)
        return () if known is None else known.blocks()


NOTHING_KNOWN = Known()
