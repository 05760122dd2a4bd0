"""Text that can be exported: valid UTF-8, without lone surrogates."""

from __future__ import annotations


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
