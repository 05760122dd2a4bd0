"""Scores as a list per row: `{"probabilities": [0.1, 0.7, 0.2]}`, one score per class in the order of the classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pyarrow as pa

from driftline_processor.core.lazy_modules import pc
from driftline_processor.present.numbers import many

from .arrow_columns import is_number_list, list_rows, one_array, values_of
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
