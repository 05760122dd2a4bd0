"""What a drift method is: a definition over counts, and what is promised of it.

A method works on many targets at once, one a row: 10,000 comparisons a second are a few numpy calls over stacked
counts, not 10,000 calls. Narrower targets are padded with empty bins, which change no method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from driftline.tables import F64, I64

from .coarse import Coarse, coarse
from .fences import fences

Kind = Literal["number", "category", "boolean", "embedding"]
"""What is compared. A boolean is whatever has at most two values in the baseline, number or label. Of an embedding the
bins are those of its L2 norm, a number."""


class Vectors(NamedTuple):
    """What a baseline knows of an embedding, see :class:`driftline.projection.Projection`.

    ``means``: of the features, float64 (width,). ``spectrum``: float64 (width,), ``axes``: float64 (axes, width), each
    padded with zeros.
    """

    means: F64
    spectrum: F64
    axes: F64


class Sums(NamedTuple):
    """What panes keep of k pairs of samples of vectors, see :mod:`driftline.projection`.

    ``reference``, ``current``: float64 (k, width), means of the features. ``n``, ``m``: float64 (k,), (effective) rows.
    ``spectrum``: float64 (k, width), variances of the features along their axes in the reference, padded with zeros.
    ``axes``: float64 (k, axes, width), the first of these axes, padded with zeros.
    """

    reference: F64
    current: F64
    n: F64
    m: F64
    spectrum: F64
    axes: F64


@dataclass(frozen=True, eq=False)
class Counts:
    """k pairs of samples, counted over bins that the two of a pair share.

    ``reference``, ``current``: float64 (k, bins), (effective) rows per bin; missing and invalid are left out, and no
    sample is empty. ``edges``: of numbers, float64 (k, bins - 1), where the bins meet, padded with the last; None of
    categories, whose bins have no order. ``fences``: float64 (k, 2), what lies beyond counts as lying there where the
    size of a value matters; None = :func:`.fences.fences` of the reference. ``sums``: of embeddings. ``others``: of
    categories whose labels were chosen from the reference, int64 (k,), the bin of all other labels, -1 = not one.
    """

    reference: F64
    current: F64
    edges: F64 | None = None
    fences: F64 | None = None
    sums: Sums | None = None
    others: I64 | None = None

    @cached_property
    def _made(self) -> dict[str, F64]:
        return {}

    def once(self, name: str, make: Callable[[], F64]) -> F64:
        """Return what was made under this name before, else make it."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = make()
        return made

    @cached_property
    def n(self) -> F64:
        """Rows of the reference: float64 (k,)."""
        total: F64 = self.reference.sum(axis=-1)
        return total

    @cached_property
    def m(self) -> F64:
        """Rows of the window: float64 (k,)."""
        total: F64 = self.current.sum(axis=-1)
        return total

    @cached_property
    def places(self) -> F64:
        """The edges, float64 (k, bins - 1), none beyond what values count as; one at 0 where a number has no edges."""
        if self.edges is None or self.edges.shape[1] == 0:
            return np.zeros((len(self.reference), 1))
        outer = fences(self.reference, self.edges) if self.fences is None else self.fences
        return np.clip(self.edges, outer[:, :1], outer[:, 1:])

    @cached_property
    def distances(self) -> F64:
        """What the distribution functions differ by at every edge, reference less current: float64 (k, bins - 1)."""
        was = np.cumsum(self.reference, axis=-1)[:, :-1] / self.n[:, np.newaxis]
        now = np.cumsum(self.current, axis=-1)[:, :-1] / self.m[:, np.newaxis]
        return was - now

    @cached_property
    def coarse(self) -> Coarse:
        """The same rows over few bins: deciles of numbers, labels as they are, rare ones of either pooled."""
        return coarse(self.reference, self.current, ordered=self.edges is not None, others=self.others)


class Measured(NamedTuple):
    """What a method says of k targets, each float64 (k,).

    ``p_value``: of no drift, not corrected for looking at many. ``effect``: how large the drift is beyond what sampling
    alone makes of it, in ``Method.unit``. None where the method has none.
    """

    value: F64
    p_value: F64 | None = None
    effect: F64 | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """One drift method.

    ``name``: as it is written in YAML, JSON and metrics. ``title``: as people write it, ``symbol``: in a
    table. ``kinds``: what it compares.
    ``least``, ``greatest``: the range of the value; ``least`` is what two equal samples have. ``unit``: of the value.
    ``source``: the paper. ``counts``: the method. ``p_value``: k p-values, of a method that is shown beside others and
    whose p-value costs more than its value, so that it is asked for only where the method decides. ``min_effect``: the
    least effect that counts as drift, of a method that may decide: it has a p-value and an effect; None of one that is
    only shown. ``symmetric``: whether exchanging
    the samples, over the same cells, changes no value. ``scaling``: what multiplying all counts does to the value:
    "none", nothing; "fades", ever less, since something is added to every bin; "grows", a test statistic does.
    ``rows``: whether rows say more than counts (:mod:`.exact`); of the others the definition is over the bins.
    ``bound``: how far the value of counts can be from the one of the rows, where that is known.
    """

    name: str
    title: str
    symbol: str
    kinds: frozenset[Kind]
    least: float
    greatest: float
    unit: str
    source: str
    counts: Callable[[Counts], Measured]
    p_value: Callable[[Counts], F64] | None = None
    min_effect: float | None = None
    symmetric: bool = True
    scaling: Literal["none", "fades", "grows"] = "none"
    rows: bool = False
    bound: Callable[[Counts], F64] | None = None
