"""Version comparison: whether a challenger is worse or better than the champion, valid at any time.

May import `performance` and below.
"""

from .comparison import Comparison, compare
from .side_by_side import (
    Role,
    SideBySide,
    VersionInput,
    VersionNames,
    VersionPeriod,
    VersionSource,
    compare_versions,
    side_by_side,
)
from .sums import PairedSums, SingleSums, Sums, unpaired_sums

__all__ = [
    "Comparison",
    "PairedSums",
    "Role",
    "SideBySide",
    "SingleSums",
    "Sums",
    "VersionInput",
    "VersionNames",
    "VersionPeriod",
    "VersionSource",
    "compare",
    "compare_versions",
    "side_by_side",
    "unpaired_sums",
]
