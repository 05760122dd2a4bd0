"""Texts → descriptors: what leaves of a document in place of the document, and is compared with the reference.

``<name>.length``: characters. ``<name>.words``: words (:func:`~driftline.vocabulary.words_of`). ``<name>.unknown``:
the share of them that the baseline's vocabulary lacks, where there is one. ``<name>.script``: what most letters are
written in (:func:`~driftline.scripts.script_of`). Words and script look at the first 10,000 and 1,000 characters. A
text that is missing has none of them.

They follow Rabanser et al., "Failing Loudly" (NeurIPS 2019): few numbers per document, tested one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .excerpts import full_length
from .inputs.row import TEXT_LIMIT
from .scripts import script_of
from .tables import F64, Column, length
from .vocabulary import Vocabulary, sample, words_of

LENGTH, WORDS, UNKNOWN, SCRIPT = SUFFIXES = (".length", ".words", ".unknown", ".script")

FEWEST_GUESSED = 20
FEWEST_WORDS = 5.0

Described = dict[str, Column]


def describe(name: str, texts: Column, vocabulary: Vocabulary | None = None) -> Described:
    """Return the descriptors of n texts as columns; each different text is looked at once.

    >>> texts = Column(codes=np.array([0, 1, -1, 0], np.int32), labels=("Where is my parcel?", "где?"))
    >>> described = describe("message", texts)
    >>> list(described), described["message.words"].numbers
    (['message.length', 'message.words', 'message.script'], array([ 4.,  1., nan,  4.]))
    >>> described["message.script"].labels
    ('latin', 'cyrillic')
    """
    n = length(texts)
    codes = np.full(n, -1, np.int32) if texts.codes is None else texts.codes
    words = [words_of(label) for label in texts.labels]
    columns = {
        LENGTH: _numbers(codes, list(map(full_length, texts.labels))),
        WORDS: _numbers(codes, list(map(len, words))),
    }
    if vocabulary:
        columns[UNKNOWN] = _numbers(codes, [vocabulary.unknown(own) for own in words])
    scripts: dict[str, int] = {}
    of_label = [scripts.setdefault(script_of(label), len(scripts)) for label in texts.labels]
    columns[SCRIPT] = Column(codes=np.array([*of_label, -1], np.int32)[codes], labels=tuple(scripts))
    return {f"{name}{suffix}": column for suffix, column in columns.items()}


def described(features: Mapping[str, Column], vocabularies: Mapping[str, Vocabulary]) -> dict[str, Column]:
    """Return features with texts replaced by their descriptors, in place. ``vocabularies``: of the text features."""
    columns: dict[str, Column] = {}
    for name, column in features.items():
        columns |= describe(name, column, vocabularies[name]) if name in vocabularies else {name: column}
    return columns


def vocabulary_of(texts: Column) -> Vocabulary:
    """Learn the vocabulary of a column of texts."""
    return Vocabulary.learn(sample(texts.labels))


def looks_like_texts(column: Column) -> bool:
    """Guess whether a column holds documents rather than categories.

    It does when it has at least 20 texts, of which more than half differ, of five words on average (between white
    space): comments and messages do, names, addresses, ids and URLs do not.

    >>> looks_like_texts(Column(codes=np.arange(20), labels=tuple(f"where is my parcel {i} now" for i in range(20))))
    True
    """
    if column.codes is None:
        return False
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.labels))
    texts = int(counts.sum())
    if texts < FEWEST_GUESSED or 2 * np.count_nonzero(counts) <= texts:
        return False
    some = sample(column.labels)
    return sum(len(text[:1000].split()) for text in some) >= FEWEST_WORDS * len(some)


def without_texts(column: Column) -> tuple[Column, int]:
    """Return a column with its texts of more than 256 characters missing, and how many rows that were.

    >>> without_texts(Column(codes=np.array([0, 1], np.int32), labels=("a" * 300, "b")))[0]
    Column(numbers=None, codes=array([-1,  0], dtype=int32), labels=('b',), vectors=None)
    """
    if column.codes is None or not column.labels or len(max(column.labels, key=len)) <= TEXT_LIMIT:
        return column, 0
    is_short = np.array([len(label) <= TEXT_LIMIT for label in column.labels])
    place = np.where(is_short, np.cumsum(is_short) - 1, -1).astype(np.int32)
    codes = np.append(place, np.int32(-1))[column.codes]
    kept = tuple(label for label in column.labels if len(label) <= TEXT_LIMIT)
    return Column(column.numbers, codes, kept), int(np.count_nonzero((codes < 0) & (column.codes >= 0)))


def raw_names(features: Sequence[str], texts: Sequence[str]) -> tuple[str, ...]:
    """Return names with the descriptors of texts replaced by the texts, once each: what an input holds.

    >>> raw_names(["age", "message.length", "message.words"], ["message"])
    ('age', 'message')
    """
    of = {f"{name}{suffix}": name for name in texts for suffix in SUFFIXES}
    return tuple(dict.fromkeys(of.get(name, name) for name in features))


def _numbers(codes: NDArray[Any], values: Sequence[float]) -> Column:
    of_label: F64 = np.array([*values, np.nan], np.float64)
    return Column(numbers=of_label[codes])
