"""The context of a window beside its sums: repeated rows, expectations, slices, the time before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.panes.pane import Pane

from driftline_processor.core.expectations.rule import Expectations
from driftline_processor.core.windows.time_before import Ask, no_steps


class SliceContext(NamedTuple):
    """The rows of one slice of a window. ``trail``: asked what the slice looked like before."""

    pane: Pane
    trail: Ask = no_steps


@dataclass(frozen=True, slots=True)
class WindowContext:
    """``repeats``: how often whole rows repeat, ``unique``: how often the values of single features do.

    ``recurrences``: how often rows repeat those of the window before, and those of that one the ones before; all where
    rows are at hand. ``newest``: when the newest row was predicted, unix nanoseconds; ``until``: the moment up to which
    it may age, None = the end of the window. ``expect``: what is expected. ``trail``: asked where something drifts,
    what the time up to the window's end looked like; ``timezone``: in which its days begin. ``slices``: by
    ``key=value``, over the same bins.
    """

    repeats: Repeats | None = None
    unique: Mapping[str, Repeats] = field(default_factory=dict)
    newest: int | None = None
    until: int | None = None
    expect: Expectations = field(default_factory=Expectations)
    trail: Ask = no_steps
    timezone: str = "UTC"
    slices: Mapping[str, SliceContext] = field(default_factory=dict)
    recurrences: Sequence[Recurrence | None] = ()


NOTHING = WindowContext()
