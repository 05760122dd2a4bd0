"""Descriptors of texts: length, words and script are exported and compared instead of the document.

``<name>.length``: characters. ``<name>.words``: words (:func:`~driftline.inputs.vocabulary.words_of`).
``<name>.unknown``: the fraction of words that are not in the baseline's vocabulary, if there is one. ``<name>.topic``:
the bucket of the most informative word (:meth:`~driftline.inputs.vocabulary.Vocabulary.look_up`), if the vocabulary has
topics. ``<name>.script``: the script of most letters (:func:`script_of`). Words and script use the first 10,000 and
1,000 characters. A missing text has no descriptors.

Few numbers per document, each tested by itself, follow Rabanser et al., "Failing Loudly" (NeurIPS 2019).

The table of scripts follows the Unicode Character Database (UAX #24, ``Scripts.txt``, 16.0), by whole blocks: other
characters of a block are not letters to ``str.isalpha`` either, and are not looked up. A test compares the table with
the names that Python's ``unicodedata`` gives every letter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftline.tables.table import F64, Column, length

from .texts_and_vectors import TEXT_LIMIT, full_length, short_text
from .vocabulary import Vocabulary, sample, words_of

NONE = "none"
OTHER = "other"

_RANGES = """
latin 0041 02AF 1D00 1D25 1D62 1D65 1D6B 1D77 1D79 1DBE 1E00 1EFF 2071 2071 207F 207F 2090 209C 212A 212B 2C60 2C7F
latin A722 A787 A78B A7FF AB30 AB64 FB00 FB06 FF21 FF5A
greek 0370 03E1 03F0 03FF 1D26 1D2A 1D5D 1D61 1D66 1D6A 1F00 1FFF 2126 2126
cyrillic 0400 052F 1C80 1C8F 1D2B 1D2B 1D78 1D78 A640 A69F
armenian 0531 058A FB13 FB17
hebrew 05D0 05F4 FB1D FB4F
arabic 0620 06FF 0750 077F 0870 08FF FB50 FDFF FE70 FEFC
devanagari 0900 097F A8F2 A8FF
bengali 0980 09FF
gurmukhi 0A00 0A7F
gujarati 0A80 0AFF
oriya 0B00 0B7F
tamil 0B80 0BFF
telugu 0C00 0C7F
kannada 0C80 0CFF
malayalam 0D00 0D7F
sinhala 0D80 0DFF
thai 0E00 0E7F
lao 0E80 0EFF
tibetan 0F00 0FFF
myanmar 1000 109F A9E0 A9FF AA60 AA7F
georgian 10A0 10FF 1C90 1CBF 2D00 2D2F
hangul 1100 11FF 3131 318E A960 A97C AC00 D7FB FFA0 FFDC
ethiopic 1200 139F 2D80 2DDE AB01 AB2E
khmer 1780 17FF
mongolian 1820 18AA
hiragana 3041 3096 309D 309F
katakana 30A1 30FA 30FD 30FF 31F0 31FF FF66 FF6F FF71 FF9D
han 3005 3007 3400 4DBF 4E00 9FFF F900 FAFF 20000 323AF
"""


def _table() -> tuple[list[int], list[int], list[str]]:
    ranges = []
    for line in _RANGES.split("\n")[1:-1]:
        script, *bounds = line.split()
        ranges += [(int(low, 16), int(high, 16), script) for low, high in zip(bounds[::2], bounds[1::2], strict=True)]
    lows, highs, scripts = zip(*sorted(ranges), strict=True)
    return list(lows), list(highs), list(scripts)


_LOWS, _HIGHS, _SCRIPTS = _table()
SCRIPTS = (*dict.fromkeys(_SCRIPTS), OTHER, NONE)


def script_of_letter(letter: str) -> str:
    """Return the script of one letter; "other" if it is not in the table."""
    code = ord(letter)
    index = bisect_right(_LOWS, code) - 1
    return _SCRIPTS[index] if index >= 0 and code <= _HIGHS[index] else OTHER


def script_of(text: str) -> str:
    """Return the script of most letters of a text; "none" without letters, the first script in case of a tie.

    >>> [script_of(text) for text in ("Hello!", "Привет, world", "東京へ行く", "12:30", "שלום")]
    ['latin', 'cyrillic', 'han', 'none', 'hebrew']
    """
    # 1000: characters from the start of a text that are read, 40 µs; the script rarely changes after them
    text = text[:1000]
    if text.isascii():
        return "latin" if text.lower() != text.upper() else NONE
    letters: Counter[str] = Counter()
    for character, times in Counter(text).items():
        if character.isalpha():
            letters[script_of_letter(character)] += times
    return letters.most_common(1)[0][0] if letters else NONE


LENGTH, WORDS, UNKNOWN, SCRIPT, TOPIC = SUFFIXES = (".length", ".words", ".unknown", ".script", ".topic")

FEWEST_GUESSED = 20
FEWEST_WORDS = 5.0

Described = dict[str, Column]


def describe(name: str, texts: Column, vocabulary: Vocabulary | None = None) -> Described:
    """Return the descriptors of n texts as columns; each distinct text is read once.

    >>> texts = Column(codes=np.array([0, 1, -1, 0], np.int32), categories=("Where is my parcel?", "где?"))
    >>> described = describe("message", texts)
    >>> list(described), described["message.words"].numbers
    (['message.length', 'message.words', 'message.script'], array([ 4.,  1., nan,  4.]))
    >>> described["message.script"].categories
    ('latin', 'cyrillic')
    """
    n = length(texts)
    codes = np.full(n, -1, np.int32) if texts.codes is None else texts.codes
    words = [words_of(category) for category in texts.categories]
    columns = {
        LENGTH: _numbers(codes, list(map(full_length, texts.categories))),
        WORDS: _numbers(codes, list(map(len, words))),
    }
    ranks = [vocabulary.look_up(word) for word in words] if vocabulary else []
    if vocabulary:
        columns[UNKNOWN] = _numbers(codes, [unknown for unknown, _ in ranks])
    columns[SCRIPT] = _categories(codes, [script_of(category) for category in texts.categories])
    if vocabulary:
        columns[TOPIC] = _categories(codes, [topic for _, topic in ranks])
    return {f"{name}{suffix}": column for suffix, column in columns.items()}


def described(features: Mapping[str, Column], vocabularies: Mapping[str, Vocabulary]) -> dict[str, Column]:
    """Return features with texts replaced by their descriptors, in order. ``vocabularies``: by text feature."""
    columns: dict[str, Column] = {}
    for name, column in features.items():
        columns |= describe(name, column, vocabularies[name]) if name in vocabularies else {name: column}
    return columns


def vocabulary_of(texts: Column) -> Vocabulary:
    """Learn the vocabulary of a column of texts."""
    return Vocabulary.learn(sample(texts.categories))


def looks_like_texts(column: Column) -> bool:
    """Guess whether a column contains documents rather than categories.

    True for at least 20 texts, of which more than half are distinct, with five words on average (separated by white
    space): comments and messages, but not names, addresses, ids and URLs.

    >>> looks_like_texts(Column(codes=np.arange(20), categories=tuple(f"where is my parcel {i}?" for i in range(20))))
    True
    """
    if column.codes is None:
        return False
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.categories))
    texts = int(counts.sum())
    if texts < FEWEST_GUESSED or 2 * np.count_nonzero(counts) <= texts:
        return False
    sampled = sample(column.categories)
    return sum(len(text[:1000].split()) for text in sampled) >= FEWEST_WORDS * len(sampled)


def with_short_texts(column: Column, longest: int = TEXT_LIMIT) -> Column:
    """Return a column with the categories of :func:`~.texts_and_vectors.short_text`.

    >>> with_short_texts(Column(codes=np.array([0, 1], np.int32), categories=("a" * 300, "b"))).categories[0][-18:]
    'a…f9c9fbff3741cca3'
    """
    if not column.categories or len(max(column.categories, key=len)) <= longest:
        return column
    return replace(column, categories=tuple(short_text(category, longest) for category in column.categories))


def raw_names(features: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Replace the names of descriptors by the names of their texts, once each: the names in an input.

    >>> raw_names(["age", "message.length", "message.words"], ["message"])
    ('age', 'message')
    """
    source_by_name = {f"{name}{suffix}": name for name in texts for suffix in SUFFIXES}
    return tuple(dict.fromkeys(source_by_name.get(name, name) for name in features))


def _categories(codes: NDArray[Any], categories: Sequence[str]) -> Column:
    """Return n texts as a column of categories; "" is missing."""
    places: dict[str, int] = {}
    of_category = [places.setdefault(category, len(places)) if category else -1 for category in categories]
    return Column(codes=np.array([*of_category, -1], np.int32)[codes], categories=tuple(places))


def _numbers(codes: NDArray[Any], values: Sequence[float]) -> Column:
    of_category: F64 = np.array([*values, np.nan], np.float64)
    return Column(numbers=of_category[codes])
