"""A reference, and in words what of the baseline it is."""

from __future__ import annotations

from typing import NamedTuple

from driftline.baseline import Baseline


class Compared(NamedTuple):
    """What a window is compared with.

    ``baseline``: over the bins, and with the ``fold``, of the one in force, so that everything that compares takes it
    as it is. ``note``: for people, such as "the same hours"; "" = the baseline as it is. ``shift``: the least that
    counts as drift, in standard deviations, while little is known of the reference (:mod:`.cold`).
    """

    baseline: Baseline
    note: str = ""
    shift: float = 0.0

    def and_also(self, note: str) -> str:
        """Return its note with another one behind it.

        >>> from types import SimpleNamespace
        >>> Compared(SimpleNamespace(), "the last 30d").and_also("the same hours")
        'the last 30d, the same hours'
        """
        return ", ".join(one for one in (self.note, note) if one)
