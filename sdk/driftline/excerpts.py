"""The beginning of a text that was too long to keep, which still knows how long the whole was."""

from __future__ import annotations


class Excerpt(str):
    """The first characters of a text. ``full_length``: characters of the whole."""

    __slots__ = ("full_length",)

    full_length: int


def excerpt(text: str, full_length: int) -> Excerpt:
    """Return the kept part of a text that was cut.

    >>> full_length(excerpt("Dear", 4711)), full_length("Dear")
    (4711, 4)
    """
    part = Excerpt(text)
    part.full_length = full_length
    return part


def full_length(text: str) -> int:
    """Return the characters of the whole of what may be an excerpt."""
    return text.full_length if isinstance(text, Excerpt) else len(text)
