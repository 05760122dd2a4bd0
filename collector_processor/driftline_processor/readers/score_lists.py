"""Scores as a list per row: `{"probabilities": [0.1, 0.7, 0.2]}`, one score per class in the order of the classes.

A CSV has such a list as a text: "[0.1, 0.7, 0.2]", or "[0.1 0.7 0.2]" of numpy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa

from driftline_processor.core.lazy_modules import pc
from driftline_processor.present.numbers import many

from .arrow_columns import is_number_list, is_text, list_rows, one_array, truth_of, values_of
from .errors import Say
from .source import Source


def split_scores(sources: Sequence[Source], names: Sequence[str], say: Say) -> tuple[list[Source], tuple[str, ...]]:
    """Return sources in which a column of lists of scores is one column per score, and the names of these columns.

    Lists whose length is not the most common one are missing, which is reported.

    Args:
        sources: The rows.
        names: The columns of the scores; several columns, or one of numbers, stay.
        say: Called with the number of rows that have another number of scores.
    """
    sources = [with_read_lists(source, names[0]) for source in sources] if len(names) == 1 else sources
    if len(names) != 1 or not all(is_number_list(source.schema.field(names[0]).type) for source in sources):
        return [*sources], tuple(names)
    lengths = [_lengths(source, names[0]) for source in sources]
    counts = np.bincount(np.concatenate(lengths) + 1)
    k = int(counts[2:].argmax()) + 1 if counts[2:].any() else 1
    for source, of_source in zip(sources, lengths, strict=True):
        if other := int(np.count_nonzero((of_source != k) & (of_source >= 0))):
            say(f"{source.path}: {names[0]}: {many(other)} without a list of {k} scores, treated as missing")
    split = [ScoreListSource(source, names[0], k) for source in sources]
    return list(split), split[0].scores


_LIST = r"(?s)^\s*[\[(].*[\])]\s*$"
_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"


def with_read_lists(source: Source, name: str) -> Source:
    """Return a source in which a column of texts is a column of lists if most of its texts are lists of numbers."""
    if not is_text(source.schema.field(name).type):
        return source
    lists = known = 0
    for batch in source.batches({name}):
        values = texts_of_column(batch.column(0)).drop_null() if batch.num_columns else ()
        known += len(values)
        lists += int(np.count_nonzero(truth_of(pc.match_substring_regex(values, _LIST)))) if len(values) else 0
    return ListTextSource(source, name) if lists > known / 2 else source


def texts_of_column(column: pa.Array) -> pa.Array:
    """Return a column of texts without a dictionary."""
    return column.cast(pa.string())


def read_lists(column: pa.Array) -> pa.Array:
    """Return texts as lists of numbers; other texts are null, and so is an item that is not a number.

    >>> read_lists(pa.array(["[0.1, 0.9]", "[ .25  0.75]", None, "none", "[1e-3, null]"])).to_pylist()
    [[0.1, 0.9], [0.25, 0.75], None, None, [0.001, None]]
    """
    texts = texts_of_column(column)
    texts = pc.if_else(pc.match_substring_regex(texts, _LIST), texts, pa.scalar(None, pa.string()))
    inside = pc.replace_substring_regex(texts, r"^[\s\[(]+|[\s\])]+$", "")
    items = pc.split_pattern_regex(inside, r"\s*[,;]\s*|\s+")
    flat = pc.list_flatten(items)
    numbers = pc.if_else(pc.match_substring_regex(flat, _NUMBER), flat, pa.scalar(None, pa.string())).cast(pa.float64())
    lengths = values_of(pc.list_value_length(items), -1).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), numbers, mask=pa.array(lengths < 0))


class ListTextSource:
    """The rows of a source, with the lists in a column of texts as lists."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self._name = source, name
        self.path, self.rows = source.path, source.rows
        self.by_looks: Collection[str] = {*source.by_looks} - {name}
        place = source.schema.get_field_index(name)
        self.schema = source.schema.set(place, pa.field(name, pa.list_(pa.float64())))

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        for batch in self._source.batches(names):
            if self._name not in batch.schema.names:
                yield batch
                continue
            place = batch.schema.get_field_index(self._name)
            yield batch.set_column(place, self._name, read_lists(batch.column(place)))

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        if name != self._name:
            return self._source.column(name)
        return pa.chunked_array([batch.column(0) for batch in self.batches({name})], pa.list_(pa.float64()))


def _lengths(source: Source, name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    parts = [
        values_of(pc.list_value_length(one_array(batch.column(0))), -1).astype(np.int64)
        for batch in source.batches({name})
        if batch.num_columns
    ]
    return np.concatenate([*parts, np.zeros(0, np.int64)])


class ScoreListSource:
    """The rows of a source, with a column of lists of k scores as k columns."""

    def __init__(self, source: Source, name: str, k: int) -> None:
        self._source, self._name, self._k = source, name, k
        self.scores = tuple(f"{name}[{place}]" for place in range(k))
        self.path, self.rows, self.by_looks = source.path, source.rows, source.by_looks
        self.schema = pa.schema([*source.schema, *((score, pa.float64()) for score in self.scores)])

    def batches(self, names: Collection[str]) -> Iterator[pa.RecordBatch]:
        """Yield the named columns of all rows."""
        places = [place for place, score in enumerate(self.scores) if score in names]
        inner = {*names} - {*self.scores} | ({self._name} if places else set())
        for batch in self._source.batches(inner):
            arrays = {name: batch.column(index) for index, name in enumerate(batch.schema.names) if name in names}
            if places:
                rows = list_rows(one_array(batch.column(self._name)), self._k)
                arrays |= {self.scores[place]: pa.array(rows[:, place]) for place in places}
            yield pa.RecordBatch.from_pydict(arrays) if places else batch

    def column(self, name: str) -> pa.ChunkedArray:
        """Return one whole column."""
        if name not in self.scores:
            return self._source.column(name)
        return pa.chunked_array([batch.column(0) for batch in self.batches({name})], pa.float64())
