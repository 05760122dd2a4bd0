"""What kind of change a window shows: a fault of the data, inputs, labels, what inputs mean, or the service.

May import `estimate` and below.
"""

from .kind import kind_of_change

__all__ = ["kind_of_change"]
