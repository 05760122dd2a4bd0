"""Suggest the names that an unknown name could have meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from itertools import chain
from typing import Final

_WORD = re.compile(r"[^\W_]+")

_MISSPELT: Final = 0.8
"""How alike two words are of which one misspells the other: the ratio of difflib; one letter of five may differ."""
_SHORTEST: Final = 4
"""Letters of a word that is misspelt: shorter ones, such as those of countries, are alike by chance."""


def near(name: str, names: Sequence[str], most: int = 12) -> str:
    """Return the ``names`` that ``name`` may mean: the nearest, or else ``most`` of all.

    >>> near("scores", ("score", "temp"))
    "did you mean 'score'?"
    >>> near("x", ("score", "temp"))
    'there are score, temp'
    """
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(repr(match) for match in close)}?"
    return f"there are {listed(names, most)}" if names else "there are none"


def nearest(name: str, names: Sequence[str], most: int = 3) -> list[str]:
    """Return the ``names`` that share all words with ``name``, then those of nearly the same letters.

    >>> nearest("Age", ["age_years", "income", "page"]), nearest("f1_score", ["mean_score", "f1"])
    (['age_years', 'page'], ['f1', 'mean_score'])
    """
    lowered = {other.lower(): other for other in reversed(names)}
    words = _words(name)
    shared = [other for other in lowered if _share(words, _words(other))]
    close = get_close_matches(name.lower(), shared, n=most, cutoff=0.0)
    close += [other for other in get_close_matches(name.lower(), lowered, n=most) if other not in close]
    return [lowered[match] for match in close[:most]]


def misspelt(name: str, names: Sequence[str]) -> str:
    """Return which of ``names`` another name misspells; "" where it may well be one of its own.

    Names that differ by a number, a short word or a word more are of things beside each other.

    >>> misspelt("chrun", ["price", "churn"]), misspelt("Churn_eu", ["churn-eu"]), misspelt("fruad-de", ["fraud-de"])
    ('churn', 'churn-eu', 'fraud-de')
    >>> [misspelt(name, ["churn-v1", "fraud-de"]) for name in ("churn-v2", "fraud-fr", "fraud-de-new", "price")]
    ['', '', '', '']
    """
    words = _WORD.findall(name.lower())
    for other in names:
        others = _WORD.findall(other.lower())
        differing = [pair for pair in zip(words, others, strict=False) if pair[0] != pair[1]]
        if words and len(words) == len(others) and len(differing) <= 1 and all(_misspells(*pair) for pair in differing):
            return other
    return ""


def _misspells(word: str, other: str) -> bool:
    """Return True where a word is nearly written as another one, and holds no number."""
    if min(len(word), len(other)) < _SHORTEST or any(map(str.isdigit, chain(word, other))):
        return False
    return SequenceMatcher(None, word, other, autojunk=False).ratio() >= _MISSPELT


def _words(name: str) -> set[str]:
    return set(_WORD.findall(name.lower()))


def _share(words: set[str], others: set[str]) -> bool:
    """Return True where one name has all words of the other."""
    return bool(words and others) and (words <= others or others <= words)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Join names for a sentence, and count those beyond ``most``.

    >>> listed(("a", "b", "c"), most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
