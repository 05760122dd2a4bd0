"""Whose type it is, by the names of its modules: no library is imported to look."""

from __future__ import annotations


def name_in(kind: type, library: str, *names: str) -> str:
    """Return which of the names the type, or one of its bases, has in a library; "" where none.

    ``library``: a top-level package. A class of the user that inherits from one counts as that one.

    >>> from collections import OrderedDict
    >>> class Mine(OrderedDict): ...
    >>> name_in(Mine, "collections", "OrderedDict"), name_in(dict, "collections", "OrderedDict")
    ('OrderedDict', '')
    """
    for base in kind.__mro__:
        if base.__name__ in names and base.__module__.partition(".")[0] == library:
            return base.__name__
    return ""
