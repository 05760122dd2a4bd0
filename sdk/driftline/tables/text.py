"""Text that can be exported: valid UTF-8, without lone surrogates; and text of records that fits on a screen."""

from __future__ import annotations

import reprlib
from dataclasses import fields, is_dataclass
from typing import Any


def sendable(text: str) -> str:
    r"""Replace lone surrogates, which JSON can contain and the stock encoders refuse.

    In an attribute, the encoder drops the value; in a span's status, it drops the whole batch of spans.

    >>> sendable("\ud800a")
    '?a'
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


MOST_SHOWN = 1000
"""Maximum number of characters of the ``repr`` of a record."""


class _ShortRepr(reprlib.Repr):
    """The text of a value with a few of its items; an array is its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict = 3, 8
        self.maxstring, self.maxother = 300, 80

    def repr_ndarray(self, array: Any, _: int) -> str:
        return f"<{array.dtype} {array.shape}>"


short_repr = _ShortRepr().repr
"""Return the ``repr`` of a value, with the first items of each collection and a part of each long text."""


def short_record(record: Any) -> str:
    """Return the ``repr`` of a data class or named tuple, with the ``short_repr`` of each field.

    A notebook shows the value of a cell's last line, and a baseline contains a hundred thousand numbers.

    >>> from typing import NamedTuple
    >>> Sent = NamedTuple("Sent", [("model", str), ("rows", list)])
    >>> short_record(Sent("churn", list(range(1000))))
    "Sent(model='churn', rows=[0, 1, 2, 3, 4, 5, ...])"
    """
    names = [field.name for field in fields(record) if field.repr] if is_dataclass(record) else record._fields
    values = (f"{name}={short_repr(getattr(record, name))}" for name in names)
    return cut_middle(f"{type(record).__name__}({', '.join(values)})")


def cut_middle(text: str) -> str:
    """Return at most 1,000 characters of a text, without its middle.

    >>> len(cut_middle("a" * 2125)), cut_middle("short")
    (1000, 'short')
    """
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 303]}...{text[-300:]}"


def with_article(name: str) -> str:
    """Return the name of a type with its article, as it is spoken.

    >>> [with_article(name) for name in ("str", "int", "ndarray", "UUID", "SVC", "uint8", "UnreadResult", "Series")]
    ['a str', 'an int', 'an ndarray', 'a UUID', 'an SVC', 'a uint8', 'an UnreadResult', 'a Series']
    """
    letter, low = name[:1].upper(), name.lower()
    if name[:2].isupper() or low.startswith("nd"):  # spelled: a U, an N
        is_vowel = letter in "AEFHILMNORSX"
    else:
        is_vowel = letter in "AEIOU" and not low.startswith(("uint", "uni", "use", "uti"))
    return f"{'an' if is_vowel and letter else 'a'} {name}"
