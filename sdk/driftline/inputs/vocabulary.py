"""The words of the reference texts, kept as short hashes, so that a baseline holds no word of anybody."""

from __future__ import annotations

import base64
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

LOOKED_AT = 10_000
"""Characters of a text that are kept and looked at, from its start; beyond them only the length is known."""

FEWEST_TEXTS = 10
"""A word found in fewer different texts is in no vocabulary: too rare to compare, and possibly personal."""

MOST_WORDS = 2000
"""The words kept, those of most texts: 8 kB of baseline a feature. They are some four fifths of ordinary prose."""

MOST_READ = 20_000
"""Texts that a vocabulary is learned from, evenly over all: a word of one text in a thousand is still in twenty."""

_WIDTH = 3  # bytes of a hash: some unknown word passes for one of 2,000 known ones once in 8,000
_LONGEST = 64
_WORD = re.compile(
    r"[^\s\d_!-/:-@\[-`{-~\x00-\x1f\x7f-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\u0964\u0965\u2000-\u206f"
    r"\u3000-\u3004\u3008-\u3020\u3030\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]+"
)


def words_of(text: str) -> list[str]:
    """Return the words of a text's first 10,000 characters, in lower case.

    A word is a run of characters without white space, digits and punctuation (of ASCII, Latin-1, U+2000-206F and the
    fullwidth forms). Languages written without spaces have long words.

    >>> words_of("Order 17-B is LATE; où est-il?")
    ['order', 'b', 'is', 'late', 'où', 'est', 'il']
    """
    return _WORD.findall(text[:LOOKED_AT].lower())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of reference texts, as 24-bit hashes.

    Attributes:
        hashes: Big-endian, three bytes each, ascending.

    >>> vocabulary = Vocabulary.learn(f"the parcel {i} is late" for i in range(10))
    >>> len(vocabulary), vocabulary.unknown(["the", "parcel", "burnt", "the"])
    (4, 0.25)
    """

    hashes: bytes = b""
    _known: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = (int.from_bytes(self.hashes[at : at + _WIDTH]) for at in range(0, len(self.hashes), _WIDTH))
        object.__setattr__(self, "_known", frozenset(numbers))

    def __len__(self) -> int:
        return len(self.hashes) // _WIDTH

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of different texts: the words of at least ten of them, at most 2,000."""
        found: Counter[str] = Counter()
        for text in texts:
            found.update({word for word in words_of(text) if len(word) <= _LONGEST})
        frequent = sorted((-times, word) for word, times in found.items() if times >= FEWEST_TEXTS)
        hashes = sorted({_hash(word) for _, word in frequent[:MOST_WORDS]})
        return cls(b"".join(number.to_bytes(_WIDTH) for number in hashes))

    def unknown(self, words: Sequence[str]) -> float:
        """Return the share of words, each as often as it comes, that the vocabulary lacks; NaN without words."""
        if not words:
            return float("nan")
        known = self._known
        return sum(times for word, times in Counter(words).items() if _hash(word) not in known) / len(words)

    def to_json(self) -> str:
        """Return the hashes in base64."""
        return base64.b64encode(self.hashes).decode()

    @classmethod
    def from_json(cls, value: object) -> Vocabulary:
        """Read it back. Raises ``ValueError`` that names the rule."""
        try:
            hashes = base64.b64decode(value, validate=True) if isinstance(value, str) else None
        except ValueError:
            hashes = None
        if hashes is None or len(hashes) % _WIDTH or len(hashes) > _WIDTH * MOST_WORDS:
            raise ValueError(f"must be base64 of at most {MOST_WORDS:,} hashes of {_WIDTH} bytes")
        return cls(hashes)


def sample(texts: Sequence[str]) -> Sequence[str]:
    """Return at most 20,000 of different texts, evenly spread."""
    if len(texts) <= MOST_READ:
        return texts
    return [texts[at] for at in np.linspace(0, len(texts) - 1, MOST_READ).astype(np.int64).tolist()]


def _hash(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace")) >> 8
