"""Measure many columns at once: stack their counts, call each method once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from driftline.tables.table import F64, I64
from msgspec import Struct
from numpy.typing import NDArray

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.drift.methods.method import Counts, Measured, Method, Sums, Vectors
from driftline_processor.core.drift.methods.mmd import mmd_as_psi
from driftline_processor.core.drift.methods.psi import psi_excess

Mask = NDArray[np.bool_]


class SamplePairs(Struct, frozen=True, eq=False):
    """Two samples each of k columns over their bins, neither of them empty.

    Attributes:
        reference: float64 (k, bins), (effective) rows; bins that a column does not have are empty.
        current: float64 (k, bins), (effective) rows of the window.
        size: int64 (k,), bins of each column.
        number: bool (k,), compared as numbers.
        edges: float64 (k, bins - 1), borders of the bins of numbers, padded with the last.
        others: int64 (k,), bin of all other categories, -1 for what has no categories.
        certain: float64 (k,), p-values that are surely below may be those of the limit law.
        vectors: Of embeddings by their place, what is known of the reference, and the mean features of the window.
    """

    reference: F64
    current: F64
    size: I64
    number: Mask
    edges: F64
    others: I64
    certain: F64
    vectors: Mapping[int, tuple[Vectors, F64]]

    def counts(self, at: I64) -> Counts:
        """Return the counts of some columns, all of them numbers, all embeddings, or all others."""
        width = int(self.size[at].max())
        reference, current = self.reference[at, :width], self.current[at, :width]
        if at[0] in self.vectors:
            vectors = [self.vectors[one] for one in at.tolist()]
            edges, sums = self.edges[at, : width - 1], _sums(vectors, reference, current)
            return Counts(reference, current, edges, sums=sums, certain=self.certain[at])
        if self.number[at[0]]:
            return Counts(reference, current, self.edges[at, : width - 1], certain=self.certain[at])
        return Counts(reference, current, others=self.others[at], certain=self.certain[at])


class Measures(Struct, frozen=True, eq=False):
    """The measures of k columns.

    Attributes:
        values: Method → float64 (k,), NaN for columns that it was not asked for.
        p_value: float64 (k,), of the method that decides; NaN where it has none.
        effect: float64 (k,), likewise.
        excess: float64 (k,), PSI less its mean without drift.
    """

    values: Mapping[str, F64]
    p_value: F64
    effect: F64
    excess: F64


def measure(pairs: SamplePairs, wanted: Sequence[Sequence[str]]) -> Measures:
    """Measure columns. All numbers are measured together, so are embeddings, and all others.

    Args:
        pairs: Pairs of samples.
        wanted: Names of the methods of each pair, the deciding one first.
    """
    k = len(wanted)
    found = Measures({}, np.full(k, np.nan), np.full(k, np.nan), np.zeros(k))
    values: dict[str, F64] = {}
    embedded = np.zeros(k, np.bool_)
    embedded[list(pairs.vectors)] = True
    for group in (pairs.number & ~embedded, embedded, ~pairs.number & ~embedded):
        at = np.flatnonzero(group)
        if not len(at):
            continue
        counts = pairs.counts(at)
        chosen = [wanted[one] for one in at.tolist()]
        found.excess[at] = psi_excess(counts) if counts.sums is None else mmd_as_psi(counts)
        every = set(chosen)  # of thousands of columns a few choices
        for name in dict.fromkeys(name for one in every for name in one):
            measured, asked = METHODS[name].counts(counts), np.array([name in one for one in chosen])
            values.setdefault(name, np.full(k, np.nan))[at[asked]] = measured.value[asked]
            decides = np.array([name == one[0] for one in chosen])
            if decides.any():
                _decide(found, METHODS[name], measured, at, decides, pairs)
    return Measures(values, found.p_value, found.effect, found.excess)


def _decide(measures: Measures, method: Method, measured: Measured, at: I64, decides: Mask, pairs: SamplePairs) -> None:
    """Fill in effect and p-value of the columns that a method decides."""
    own = at[decides]
    if measured.effect is not None:
        measures.effect[own] = measured.effect[decides]
    if method.p_value is not None:
        for one in own.tolist():  # whether a limit law holds hangs on the ties of a column, not on those of others
            measures.p_value[one] = method.p_value(pairs.counts(np.array([one])))[0]
    elif measured.p_value is not None:
        measures.p_value[own] = measured.p_value[decides]


def _sums(vectors: Sequence[tuple[Vectors, F64]], reference: F64, current: F64) -> Sums:
    was, spectrum, axes = (np.stack(part) for part in zip(*(known for known, _ in vectors), strict=True))
    now = np.stack([means for _, means in vectors])
    return Sums(was, now, reference.sum(axis=1), current.sum(axis=1), spectrum, axes)
