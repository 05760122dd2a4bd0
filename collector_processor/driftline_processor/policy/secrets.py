"""Hide the secrets of an address in a channel's answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit


def hide_secrets(text: str, url: str) -> str:
    """Return a text without the parts of an address after the host, and without user and password.

    >>> hide_secrets("no such hook: /services/T0123456/B0123456", "https://hooks.example.com/services/T0123456/B0123456")
    'no such hook: /***/***/***'
    """
    for part in sorted(secret_parts(url), key=len, reverse=True):
        text = text.replace(part, "***")
    return text


def secret_parts(url: str) -> Iterator[str]:
    """Yield the parts of an address that may be secret, encoded and decoded."""
    parts = urlsplit(url)
    rest = " ".join((parts.netloc.rpartition("@")[0], parts.path, parts.query, parts.fragment))
    if not url.startswith(("http://", "https://")):
        rest = url.partition("://")[2]  # Apprise keeps tokens where other addresses have a host
    for part in re.split(r"[\s/:@?&=#,]+", rest):
        # 6: minimum number of characters of a part that counts as secret
        yield from (secret_text for secret_text in {part, unquote(part)} if len(secret_text) >= 6)
