"""Suggest valid names for an unknown one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from unicodedata import normalize

_WORD = re.compile(r"[^\W_]+")


def near(name: str, names: Sequence[str], most: int = 12) -> str:
    """Return the suggestion for ``name``: the nearest of ``names``, or else ``most`` of all.

    >>> near("scores", ("score", "temp"))
    "did you mean 'score'?"
    >>> near("x", ("score", "temp"))
    'available: score, temp'
    """
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(_shown(match, [name]) for match in close)}?"
    return f"available: {listed(names, most)}" if names else "none are available"


def nearest(name: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Return the ``names`` that share all words with ``name``, then those with similar letters.

    >>> nearest("Age", ["age_years", "income", "page"]), nearest("f1_score", ["mean_score", "f1"])
    (['age_years', 'page'], ['f1', 'mean_score'])
    """
    name = normalize("NFC", name)
    lowered = {normalize("NFC", other).lower(): other for other in reversed(names)}
    words = _word_set(name)
    shared = [other for other in lowered if _share(words, _word_set(other))]
    close = get_close_matches(name.lower(), shared, n=most, cutoff=0.0)
    close += [match for match in get_close_matches(name.lower(), lowered, n=most) if match not in close]
    return [lowered[match] for match in close[:most]]


def respelled(names: Sequence[str], others: Sequence[str]) -> str:
    """Return the clause about ``others`` that differ from ``names`` only in case, blanks or Unicode form, else "".

    >>> respelled(["age", "plan"], ["Age", "plan ", "x"]), respelled(["age"], ["wage"])
    ("; did you mean 'Age', 'plan '? names differ in case and blanks", '')
    """
    forms = {normalize("NFKC", name).strip().casefold() for name in names}
    close = [name for name in others if name not in names and normalize("NFKC", name).strip().casefold() in forms]
    looks_equal = any(_looks_equal(name, other) for name in names for other in close)
    why = "their Unicode form (NFC, NFD)" if looks_equal else "case and blanks"
    return f"; did you mean {listed([_shown(name, names) for name in close])}? names differ in {why}" if close else ""


def _shown(name: str, asked: Sequence[str]) -> str:
    """Return a name in quotes; in ASCII if it looks like one of the names that were asked for.

    >>> print(_shown("a\\u0302ge", ["\\u00e2ge"]))
    'a\\u0302ge'
    """
    return ascii(name) if any(_looks_equal(name, other) for other in asked) else repr(name)


def _looks_equal(name: str, other: str) -> bool:
    """Return True for an accented letter as one character (NFC) and as two (NFD), as in file names of macOS."""
    return name != other and normalize("NFC", name) == normalize("NFC", other)


def _word_set(name: str) -> set[str]:
    return set(_WORD.findall(name.lower()))


def _share(words: set[str], others: set[str]) -> bool:
    """Return True if one name has all words of the other."""
    return bool(words and others) and (words <= others or others <= words)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Join names for a sentence, with the number of those beyond ``most``.

    >>> listed(("a", "b", "c"), most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
