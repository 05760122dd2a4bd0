"""Measure many targets at once: stack their counts, call each method once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.tables.table import F64

from driftline_processor.core.drift.methods.method import Counts, Kind, Measured, Method, Sums, Vectors
from driftline_processor.core.drift.methods.mmd import mmd_as_psi
from driftline_processor.core.drift.methods.psi import psi_excess
from driftline_processor.core.drift.p_values import CERTAIN


class SamplePair(NamedTuple):
    """Two samples of one target over its bins: float64 (bins,) each, (effective) rows, neither of them empty.

    Attributes:
        vectors: Of embeddings, what is known of the reference, and the mean features of the window.
        certain: P-values that are surely below may be those of the limit law.
    """

    kind: Kind
    bins: Bins
    reference: F64
    current: F64
    vectors: tuple[Vectors, F64] | None = None
    certain: float = CERTAIN


class MethodMeasure(NamedTuple):
    """The result of one drift method for one target."""

    value: float
    p_value: float | None
    effect: float | None


def measure(pairs: Sequence[SamplePair], wanted: Sequence[Sequence[Method]]) -> list[tuple[list[MethodMeasure], float]]:
    """Return the measures of each pair by its methods, and its PSI less the mean without drift.

    All pairs of numbers are measured together, and all others.

    Args:
        pairs: Pairs of samples.
        wanted: Methods of each pair, the deciding one first.
    """
    found: list[tuple[list[MethodMeasure], float]] = [([], 0.0)] * len(pairs)
    for kinds in (("number",), ("embedding",), ("category", "boolean")):
        ordered = kinds != ("category", "boolean")
        chosen = [at for at, pair in enumerate(pairs) if pair.kind in kinds]
        if not chosen:
            continue
        counts = stacked([pairs[at] for at in chosen], ordered=ordered)
        methods = {method.name: method for at in chosen for method in wanted[at]}
        measured = {name: list(_each(method.counts(counts), len(chosen))) for name, method in methods.items()}
        excess = (psi_excess(counts) if counts.sums is None else mmd_as_psi(counts)).tolist()
        for row, at in enumerate(chosen):
            found[at] = [measured[method.name][row] for method in wanted[at]], excess[row]
            decides = wanted[at][0]
            if decides.p_value is not None:
                (p,) = decides.p_value(stacked([pairs[at]], ordered=ordered)).tolist()
                found[at][0][0] = found[at][0][0]._replace(p_value=p)
    return found


def stacked(pairs: Sequence[SamplePair], *, ordered: bool) -> Counts:
    """Return the pairs as the rows of one ``Counts``, padded with empty bins to the widest."""
    width = max(len(pair.reference) for pair in pairs)
    reference, current = np.zeros((len(pairs), width)), np.zeros((len(pairs), width))
    edges = np.zeros((len(pairs), width - 1)) if ordered else None
    for row, pair in enumerate(pairs):
        size = len(pair.reference)
        reference[row, :size], current[row, :size] = pair.reference, pair.current
        if edges is not None and isinstance(pair.bins, NumberBins) and size > 1:
            edges[row, : size - 1], edges[row, size - 1 :] = pair.bins.edges, pair.bins.edges[-1]
    others = None
    if not ordered:
        others = np.array([len(one.bins.labels) if isinstance(one.bins, CategoryBins) else -1 for one in pairs])
    certain = np.array([one.certain for one in pairs])
    return Counts(reference, current, edges, sums=_sums(pairs, reference, current), others=others, certain=certain)


def _sums(pairs: Sequence[SamplePair], reference: F64, current: F64) -> Sums | None:
    vectors = [pair.vectors for pair in pairs if pair.vectors is not None]
    if len(vectors) < len(pairs):
        return None
    was, spectrum, axes = (np.stack(part) for part in zip(*(known for known, _ in vectors), strict=True))
    now = np.stack([means for _, means in vectors])
    return Sums(was, now, reference.sum(axis=1), current.sum(axis=1), spectrum, axes)


def _each(measured: Measured, k: int) -> Iterator[MethodMeasure]:
    nothing = [None] * k
    p = nothing if measured.p_value is None else measured.p_value.tolist()
    effect = nothing if measured.effect is None else measured.effect.tolist()
    return map(MethodMeasure, measured.value.tolist(), p, effect)
