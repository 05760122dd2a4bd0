"""The words of the reference texts as short hashes, so that a baseline contains no words."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

LOOKED_AT = 10_000
"""Characters of a text that are kept and read, from its start; of the rest only the length is known."""

FEWEST_TEXTS = 10
"""Minimum number of distinct texts with a word; rarer words are too rare to compare, and possibly personal."""

MOST_WORDS = 2000
"""Maximum number of words, those in most texts: 8 kB of baseline per feature, and about four fifths of ordinary prose.
"""

MOST_READ = 20_000
"""Texts from which a vocabulary is learned, evenly spread: a word of one text in a thousand is still in twenty."""

TOPICS = 64
"""Buckets of topic words: too few to guess a word from, enough for a change of topics to be visible."""

_WIDTH = 3  # bytes of a hash: an unknown word matches one of 2,000 known words with a probability of 1 / 8,000
_RARER_FOLLOW = b"\0" * _WIDTH
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
        hashes: Big-endian, three bytes each: common words, zeros, and all others, those of most texts first.

    >>> vocabulary = Vocabulary.learn(f"the parcel {i} is late" for i in range(10))
    >>> len(vocabulary), vocabulary.unknown(["the", "parcel", "burnt", "the"])
    (4, 0.25)
    """

    hashes: bytes = b""
    _rank: Mapping[int, int] = field(init=False, repr=False, compare=False)
    _first: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [self.hashes[index : index + _WIDTH] for index in range(0, len(self.hashes), _WIDTH)]
        first = numbers.index(_RARER_FOLLOW) if _RARER_FOLLOW in numbers else len(numbers)
        words = [number for number in numbers if number != _RARER_FOLLOW]
        object.__setattr__(self, "_rank", {int.from_bytes(word): index for index, word in enumerate(words)})
        object.__setattr__(self, "_first", first)

    def __len__(self) -> int:
        return len(self._rank)

    @classmethod
    def learn(cls, texts: Iterable[str]) -> Vocabulary:
        """Learn the vocabulary of distinct texts: the words of at least ten texts, at most 2,000."""
        word_counts: Counter[str] = Counter()
        many = 0
        for text in texts:
            many += 1
            word_counts.update({word for word in words_of(text) if len(word) <= 64})
        frequent = sorted((-times, word) for word, times in word_counts.items() if times >= FEWEST_TEXTS)
        sides: dict[bool, dict[bytes, None]] = {True: {}, False: {}}
        for less, word in frequent[: MOST_WORDS - 1]:
            number = _hash(word).to_bytes(_WIDTH)
            if number != _RARER_FOLLOW and number not in sides[True]:
                # 0.05: share of the reference texts from which on a word is common: it says nothing of what a text is
                # about
                sides[-less >= 0.05 * many][number] = None
        return cls(b"".join((*sides[True], _RARER_FOLLOW, *sides[False])) if frequent else b"")

    def unknown(self, words: Sequence[str]) -> float:
        """Return the fraction of words, counted with repetitions, that are not in the vocabulary; NaN without words."""
        return self.look_up(words)[0]

    def look_up(self, words: Sequence[str]) -> tuple[float, str]:
        """Return the fraction of unknown words, and the topic of a text.

        The topic is the bucket of one word: among the known words that are not common, the word in most reference
        texts; without such a word, the common word in fewest. The topic is "unknown" without known words, and ""
        without words.

        >>> texts = [f"where is my {'parcel' if i % 30 else 'refund'}" for i in range(300)]
        >>> [Vocabulary.learn(texts).look_up(text.split())[1] for text in ("my refund", "refund", "xyz", "")]
        ['topic 20', 'topic 20', 'unknown', '']
        """
        if not words:
            return float("nan"), ""
        unknown, best, number = 0, len(self._rank), -1
        for word, times in Counter(words).items():
            word_hash = _hash(word)
            rank = self._rank.get(word_hash)
            if rank is None:
                unknown += times
            elif (
                distance := rank - self._first if rank >= self._first else len(self._rank) - rank
            ) < best or number < 0:
                best, number = distance, word_hash
        return unknown / len(words), f"topic {number % TOPICS}" if number >= 0 else "unknown"

    def check(self) -> None:
        """Raise ``ValueError`` for hashes of another width, or too many hashes."""
        if len(self.hashes) % _WIDTH or len(self.hashes) > _WIDTH * MOST_WORDS:
            raise ValueError(f"there must be at most {MOST_WORDS:,} hashes, of {_WIDTH} bytes each")


def sample(texts: Sequence[str]) -> Sequence[str]:
    """Return at most 20,000 of distinct texts, evenly spread."""
    if len(texts) <= MOST_READ:
        return texts
    return [texts[index] for index in np.linspace(0, len(texts) - 1, MOST_READ).astype(np.int64).tolist()]


def _hash(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace")) >> 8
