"""Fractions, values, names, durations and times in sentences.

Also keep each unit on the line of its number, in a text and in a page.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from driftline.tables.classes import number_text

NO_BREAK = "\u00a0"
"""A no-break space."""

_BROKEN = re.compile(r"(?<=\d) (?=(?:%|points?|ms|µs|s|min|h|d|sd|σ|B|[KMGT]iB)(?![\w%]))")
"""The space between a number and its unit."""

_NO_WORDS = re.compile(r"(?s)<(?:script|style|code|pre|textarea)\b.*?</")
"""Elements whose content is not text."""


def keep_units(text: str, space: str = NO_BREAK) -> str:
    """Keep each unit on the line of its number; ``space``: the separator.

    >>> keep_units("rose by 4.7 points, from 17.6 % to 65 %, in 12 minutes", "_")
    'rose by 4.7_points, from 17.6_% to 65_%, in 12 minutes'
    """
    return _BROKEN.sub(space, text)


def keep_units_of_page(html: str) -> str:
    """Keep each unit on the line of its number in the text of a page; addresses, data and code stay unchanged.

    >>> keep_units_of_page('<a href="?q=5 %">5 %</a><code>5 %</code>').replace(NO_BREAK, "_")
    '<a href="?q=5 %">5_%</a><code>5 %</code>'
    """
    starts, ends = [0], [0]
    for match in _NO_WORDS.finditer(html):
        starts.append(match.start())
        ends.append(match.end())

    def kept(found: re.Match[str]) -> str:
        at = found.start()
        within_tag = html.rfind("<", 0, at) > html.rfind(">", 0, at)  # escaped text has no bare angle bracket
        return " " if within_tag or at < ends[bisect_right(starts, at) - 1] else NO_BREAK

    return _BROKEN.sub(kept, html)


SHOWN = 80
"""Upper limit of characters of a name on a page; the rest is replaced by an ellipsis."""

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def format_percent(share: float, digits: int = 2) -> str:
    """Return a fraction with two significant digits. No fraction is rounded to 0 or 100 %.

    >>> tuple(format_percent(share) for share in (0.998, 0.0004, 0.12, 1.0, 0.0, 0.99996))
    ('99.8 %', '0.04 %', '12 %', '100 %', '0 %', '99.996 %')
    >>> format_percent(0.1234, digits=3), format_percent(1e-9), format_percent(1 - 1e-9)
    ('12.3 %', '< 0.001 %', '> 99.999 %')
    """
    if 0 < share < 1e-5:
        return "< 0.001 %"
    if 1 - 1e-5 < share < 1:
        return "> 99.999 %"
    if 0.99 < share < 1:
        decimals = next(decimals for decimals in range(1, 6) if round((1 - share) * 100, decimals) > 0)
        return f"{share * 100:.{max(decimals, digits - 2)}f} %"
    return f"{float(f'{share * 100:.{digits}g}'):g} %"


def format_value(number: float) -> str:
    """Return a value of a feature with four digits.

    >>> format_value(17.999998), format_value(0.30000001), format_value(1234567.0), format_value(5e-324)
    ('18', '0.3', '1234567', '0')
    """
    if abs(number) < 1e-300:  # the edge next to zero
        return "0"
    return number_text(float(f"{number:.4g}") if abs(number) < 1e4 else float(round(number)))


def printable(text: str) -> str:
    r"""Replace invisible characters and terminal control characters by a dot.

    >>> printable("a\x1b[31mb")
    'a·[31mb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def short(name: str, length: int = SHOWN) -> str:
    r"""Shorten a name for a page and make it printable.

    >>> short("x" * 1_000_000, 5), short("a\u202eb")
    ('xxxx…', 'a·b')
    """
    shortened = printable(name[: length + 1])
    return shortened if len(shortened) <= length else shortened[: length - 1] + "…"


def duration(nanoseconds: int) -> str:
    """Return nanoseconds as a duration in YAML syntax.

    >>> duration(90 * 60 * 10**9), duration(2 * 86_400 * 10**9), duration(30 * 10**9)
    ('1h30m', '2d', '30s')
    """
    text, remaining = "", nanoseconds // 10**9
    for unit, seconds in _UNITS:
        count, remaining = divmod(remaining, seconds)
        text += f"{count}{unit}" if count else ""
    return text + (f"{remaining}s" if remaining or not text else "")


def iso_time(nanoseconds: int) -> str:
    """Return unix nanoseconds as ISO 8601 in UTC, with fractions only if needed.

    >>> iso_time(1_772_323_200_000_000_000), iso_time(1_500_000_000)
    ('2026-03-01T00:00:00Z', '1970-01-01T00:00:01.5Z')
    """
    seconds, fraction_ns = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{fraction_ns:09d}".rstrip("0") if fraction_ns else ""
    return f"{text}{fraction}Z"


def without_half_surrogates(value: Any) -> Any:
    r"""Return a JSON value with each lone surrogate, which UTF-8 cannot encode, replaced by a question mark.

    >>> without_half_surrogates({"a\ud800": ["b", 3, ("\udfff",)]})
    {'a?': ['b', 3, ['?']]}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {without_half_surrogates(name): without_half_surrogates(one) for name, one in value.items()}
    return [without_half_surrogates(one) for one in value] if isinstance(value, list | tuple) else value


NAME = 40
"""Upper limit of characters of a name in a sentence."""


def slice_words(name: str) -> str:
    """Return the name of a slice.

    >>> slice_words("country=NL")
    'country = NL'
    """
    return short(name.replace("=", " = ", 1), NAME)


def listed(names: Sequence[str]) -> str:
    """Return names as a list: "a", "a and b", "a, b and c".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def count_words(text: str) -> int:
    """Count the words of a text; a single sign such as % does not count.

    >>> count_words("13.5 % are late")
    3
    """
    return sum(word[0].isalnum() or any(map(str.isalnum, word)) for word in text.split())


def capital(text: str, names: Iterable[str] = ()) -> str:
    """Begin a text with a capital letter, unless it begins with one of the names that users wrote.

    >>> capital("the model"), capital("f001 moved", ["f001"])
    ('The model', 'f001 moved')
    """
    begins = re.match(r"[^\s:,;]*", text)
    is_name = begins is not None and any(begins[0] == short(name, NAME).split(" ")[0] for name in names)
    return text if is_name else text[:1].upper() + text[1:]
