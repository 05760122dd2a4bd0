"""Keep each unit on the line of its number, in a text and in the words of a page."""

from __future__ import annotations

import re
from bisect import bisect_right

NO_BREAK = "\u00a0"
"""A space at which no line breaks."""

_BROKEN = re.compile(r"(?<=\d) (?=(?:%|points?|ms|µs|s|min|h|d|sd|σ|B|[KMGT]iB)(?![\w%]))")
"""The space between a number and its unit."""

_NO_WORDS = re.compile(r"(?s)<(?:script|style|code|pre|textarea)\b.*?</")
"""What is nobody's words."""


def keep_units(text: str, space: str = NO_BREAK) -> str:
    """Keep each unit on the line of its number; ``space``: what stands between them.

    >>> keep_units("rose by 4.7 points, from 17.6 % to 65 %, in 12 minutes", "_")
    'rose by 4.7_points, from 17.6_% to 65_%, in 12 minutes'
    """
    return _BROKEN.sub(space, text)


def keep_units_of_page(html: str) -> str:
    """Keep each unit on the line of its number in the words of a page; addresses, data and code stay as they are.

    >>> keep_units_of_page('<a href="?q=5 %">5 %</a><code>5 %</code>').replace(NO_BREAK, "_")
    '<a href="?q=5 %">5_%</a><code>5 %</code>'
    """
    starts, ends = [0], [0]
    for match in _NO_WORDS.finditer(html):
        starts.append(match.start())
        ends.append(match.end())

    def kept(found: re.Match[str]) -> str:
        at = found.start()
        within_tag = html.rfind("<", 0, at) > html.rfind(">", 0, at)  # what was escaped has no bare sign of a tag
        return " " if within_tag or at < ends[bisect_right(starts, at) - 1] else NO_BREAK

    return _BROKEN.sub(kept, html)
