"""Versions side by side: whether a challenger is worse or better than the champion, at any moment somebody looks."""

from .compare import Comparison, compare
from .side_by_side import Named, Role, Side, SideBySide, side_by_side
from .sums import Alone, Paired, Sums, apart

__all__ = [
    "Alone",
    "Comparison",
    "Named",
    "Paired",
    "Role",
    "Side",
    "SideBySide",
    "Sums",
    "apart",
    "compare",
    "side_by_side",
]
