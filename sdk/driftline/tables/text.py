"""Text as it may travel: valid UTF-8, without lone surrogates."""

from __future__ import annotations


def sendable(text: str) -> str:
    """Return a text as records have it: the stock encoders refuse a lone surrogate (JSON may hold one).

    Of an attribute they drop it; in a span's status it costs the whole batch of spans.

    >>> sendable("\\ud800a")
    '?a'
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
