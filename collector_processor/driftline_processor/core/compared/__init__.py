"""What a window is compared with, where that is not the baseline as it is: derived from it, over the same bins."""

from .compared import Compared
from .decided import decided_alike
from .season import seasonal

__all__ = ["Compared", "decided_alike", "seasonal"]
