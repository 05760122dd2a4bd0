"""The reference of a window: the baseline, or one derived from it by season, threshold or time.

May import `expectations`, `drift` and the packages below them.
"""

from .decision_threshold import align_threshold
from .reference import Reference
from .season import seasonal_reference

__all__ = ["Reference", "align_threshold", "seasonal_reference"]
