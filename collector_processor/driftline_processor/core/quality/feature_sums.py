"""Inputs of the checks: the sums and distribution functions of each feature, in the baseline and in the window.

A distribution function is defined at any value: at the edges of bins, and at powers of two outside them. So the
baseline can be compared with the window in another unit, or with another column, without rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
from driftline.baseline.baseline import Baseline
from driftline.baseline.sections.duplicate_rows import Recurrence, Repeats
from driftline.panes.bins import Bins, CategoryBins, NumberBins
from driftline.panes.fold import PREFIX as CLUSTERS
from driftline.panes.fold import by_group
from driftline.panes.pane import Pane
from driftline.panes.unbinned_values import KINDS, PREFIXES, octave_bounds
from driftline.tables.table import F64, I64
from msgspec import Struct, field
from numpy.typing import NDArray

from driftline_processor.core.drift.coarse_bins import expected_rows_for, least_kept, missed, own_rows
from driftline_processor.core.drift.normal_variation import ShareDesigns
from driftline_processor.core.outcomes.coverage import GUESSED
from driftline_processor.core.special_functions import kolmogorov

Mask = NDArray[np.bool_]

ALL_ROWS = ShareDesigns({}, {})
"""Designs in which every row counts."""

_INFINITE, _NUMBER_IN_TEXT, _TEXT = (KINDS.index(kind) for kind in ("infinite", "number_in_text", "text"))


class Sums(Struct, frozen=True):
    """Sums of one feature in one pane, in weights of rows.

    Attributes:
        counts: float64 (bins,), usable values by bin.
        usable: Weight of usable values.
        missing: Weight of rows without a value.
        invalid: Weight of values that are not usable.
        tails: Values beyond the outer edges, by power of two (:mod:`driftline.panes.unbinned_values`); None without
            any.
        kinds: Invalid values by kind; None without any.
        elsewhere: Values that are categories of other features; None without any.
        offsets: Sums of the positions of ``tails`` in their power of two, then of their squares; None if unknown.
        others: Texts without a bin, by their hash; None without any.
    """

    counts: F64
    usable: float
    missing: float
    invalid: float
    tails: F64 | None = None
    kinds: F64 | None = None
    elsewhere: F64 | None = None
    offsets: F64 | None = None
    others: F64 | None = None

    @property
    def with_value(self) -> float:
        """Weight of the rows with a value, usable or not."""
        return self.usable + self.invalid

    @property
    def rows(self) -> float:
        """Weight of all rows."""
        return self.with_value + self.missing

    @property
    def infinite(self) -> float:
        """Weight of the infinities."""
        return 0.0 if self.kinds is None else float(self.kinds[_INFINITE])

    @property
    def numbers_are_texts(self) -> bool:
        """True if more of the invalid values are numbers written as texts than other texts."""
        return self.kinds is not None and bool(self.kinds[_NUMBER_IN_TEXT] > self.kinds[_TEXT])


class FeaturePair(Struct, frozen=True):
    """Sums of one feature in the baseline and in the window.

    Attributes:
        name: Name of the feature.
        bins: Bins of the baseline.
        was: Sums of the baseline.
        now: Sums of the window.
        n: Factor from weight to effective rows, in the baseline.
        m: Factor from weight to effective rows, in the window.
        minimum: Minimum in the baseline; None if unknown.
        greatest: Maximum in the baseline; None if unknown.
        design_effect: Design effect of autocorrelated or clustered values.
        lengths: True for an embedding, whose bins count lengths of vectors.
    """

    name: str
    bins: Bins
    was: Sums
    now: Sums
    n: float
    m: float
    minimum: float | None = None
    greatest: float | None = None
    design_effect: float = 1.0
    lengths: bool = False

    @property
    def values(self) -> str:
        """Name of the counted values: "values", or the lengths of an embedding's vectors."""
        return "lengths (L2 norm)" if self.lengths else "values"

    @property
    def number(self) -> bool:
        """True for a number."""
        return isinstance(self.bins, NumberBins)


def sums_of(pane: Pane, name: str, bins: Bins) -> Sums | None:
    """Return the sums of one feature; None if the pane lacks the feature."""
    parts = pane.parts
    part = parts.get(f"feature:{name}")
    if part is None:
        return None
    size = bins.size
    counts = part[:size]
    usable = float(counts.sum())
    missing, invalid = part[size:].tolist()
    if usable + missing + invalid <= 0:
        return None
    found = (parts.get(f"{part}{name}") for part in PREFIXES)
    return Sums(counts, usable, missing, invalid, *found)


def has_categories(pair: FeaturePair) -> bool:
    """Return True for a categorical feature with at least one category in the baseline."""
    return isinstance(pair.bins, CategoryBins) and bool(pair.bins.categories)


def effective_rows(pair: FeaturePair) -> tuple[float, float]:
    """Return the effective rows with a usable value, in the baseline and in the window."""
    return pair.was.usable * pair.n, pair.now.usable * pair.m


def shares(sums: Sums) -> F64:
    """Return the fractions of the usable values over the bins: float64 (bins,)."""
    return sums.counts / sums.usable if sums.usable else np.zeros_like(sums.counts)


def missed_in_other(pair: FeaturePair) -> tuple[float, float]:
    """Return the weight missing from the baseline's ``other`` as categories are stored by name; and its upper limit.

    If the categories were selected from other rows, such as one hour's, the threshold of selection is unknown: the
    weight is at most that of the rare categories, or half of ``other``.
    """
    if not has_categories(pair) or not pair.was.counts[-1]:
        return 0.0, 0.0
    rows = pair.n * pair.design_effect
    counts, others = pair.was.counts[np.newaxis] * rows, np.array([len(pair.was.counts) - 1])
    if own_rows(counts, others)[0]:
        (more,), (off,) = missed(counts, others)
        # 3.0: standard deviations of the upper limit: exceeded by chance in one of 370
        return float(more) / rows, float(more + 3.0 * off) / rows
    categories = counts[0, :-1]
    rare = float(categories[categories < expected_rows_for(least_kept(counts, others)[0])].sum())
    return 0.0, min(rare, float(counts[0, -1]) / 2) / rows


LEAST_ROWS, LEAST_EFFECTIVE = 50, 5.0
"""Minimum rows and effective rows of either side to compare distributions: with 15 effective rows a column times 100
has a p-value of 1e-13, even with an error in its third digit.
"""

_BOUNDS = octave_bounds()


class DistributionFunction(Struct, frozen=True):
    """A distribution function.

    Attributes:
        points: float64 (k,), ascending.
        below: float64 (k,), fraction of values below each point.
    """

    points: F64
    below: F64

    def at(self, values: F64) -> F64:
        """Return the fraction of values below each of ``values``: 0 and 1 outside the range."""
        if not len(self.points):
            return np.zeros(len(values))
        return np.interp(values, self.points, self.below, left=0.0, right=1.0)


def atoms_of(points: F64) -> Mask:
    """Return True for the bins between ascending points that hold one value, such as a sentinel: bool (k - 1,)."""
    narrow: Mask = np.diff(points) <= 1e-6 * np.abs(points[1:]) + 1e-300
    return narrow


def edges_of(pair: FeaturePair) -> F64:
    """Return the edges of the bins of a number."""
    assert isinstance(pair.bins, NumberBins)
    return pair.bins.edges


def is_resolved(edges: F64, below: Callable[[F64], F64]) -> bool:
    """Return True if bins separate the values of a distribution that is not their own, beside frequent single values.

    At most half of the values may lie in one bin: cold days that have no bin of their own beside a sentinel of -200
    look like any other small or negative values. Powers of two outside the bins also have a mean and a deviation.
    """
    steps, atoms = np.diff(below(edges)), atoms_of(edges)
    return bool(steps[~atoms].max(initial=0.0) <= 0.5 * (1.0 - float(steps[atoms].sum())))


def distribution_function(
    bins: NumberBins, sums: Sums, least: float | None = None, greatest: float | None = None
) -> DistributionFunction:
    """Return the distribution function of the usable values.

    Exact at its points: the edges, and the powers of two outside them.
    """
    edges, total = bins.edges, sums.usable
    if not len(edges) or total <= 0:
        return DistributionFunction(np.empty(0), np.empty(0))
    points, below = [edges], [np.cumsum(sums.counts)[:-1]]
    if sums.tails is not None:
        low, high = edges[0] > _BOUNDS, edges[-1] < _BOUNDS
        through = np.cumsum(sums.tails)[:-1]
        points = [_BOUNDS[low], edges, _BOUNDS[high]]
        below = [through[low], below[0], total - (sums.tails.sum() - through[high])]
    where, share = np.concatenate(points), np.concatenate(below) / total
    if least is not None and greatest is not None:
        inside = (where > least) & (where <= greatest)
        where = np.concatenate([[least], where[inside], [np.nextafter(greatest, np.inf)]])
        share = np.concatenate([[0.0], share[inside], [1.0]])
    return DistributionFunction(where, share)


def baseline_function(bins: NumberBins, pair: FeaturePair) -> DistributionFunction:
    """Return the distribution function of the baseline over its bins, within the range of its values."""
    return distribution_function(bins, pair.was, pair.minimum, pair.greatest)


def distance_of_bins(pair: FeaturePair) -> float:
    """Return the KS distance of window and baseline over the bins of a feature."""
    return largest(np.cumsum(shares(pair.now) - shares(pair.was)))


class Mixture(NamedTuple):
    """A window as a mixture of the baseline and another distribution; all distances are KS distances.

    Attributes:
        share: Fraction of the other distribution.
        distance: Distance between the window and the baseline.
        component_distance: Distance between the other distribution and the baseline.
        residual: Distance between the window and the mixture.
    """

    share: float
    distance: float
    component_distance: float
    residual: float


def mixture(now: F64, was: F64, other: F64) -> Mixture:
    """Fit a distribution function as ``(1 - s) was + s other``, all three at the same points, by least squares.

    >>> mixture(np.array([0.5, 0.75]), np.array([0.0, 0.5]), np.array([1.0, 1.0]))
    Mixture(share=0.5, distance=0.5, component_distance=1.0, residual=0.0)
    """
    a, b = now - was, other - was
    square = float(b @ b)
    share = min(1.0, max(0.0, float(a @ b) / square)) if square > 0 else 0.0
    return Mixture(share, largest(a), largest(b), largest(a - share * b))


def largest(difference: F64) -> float:
    """Return the largest absolute difference of two distribution functions, the KS distance; 0 without points."""
    return float(np.abs(difference).max(initial=0.0))


class ChangedNumber(NamedTuple):
    """A number whose distribution changed.

    Attributes:
        pair: Sums of the feature.
        was: Distribution function of the baseline.
        now: Distribution function of the window.
        baseline_cdf: Distribution function of the baseline at the window's points, float64 (k,).
        distance: KS distance of window and baseline.
        p: P-value of the distance.
        noise: Distance that chance and the grid explain.
    """

    pair: FeaturePair
    was: DistributionFunction
    now: DistributionFunction
    baseline_cdf: F64
    distance: float
    p: float
    noise: float


BY_CHANCE = 1.6276236115189504
"""``kolmogi(0.01)``: the maximum distance of two distribution functions by chance in 99 % of samples, in √(1/n + 1/m)
(Smirnov 1939).
"""

SEPARATE = 0.9
"""KS distance from which on hardly any value is where the baseline's are: then days that differ are no explanation, and
each row counts.
"""

CERTAIN = 1e-4
"""P-value above which a test cannot be a finding after correction over ten features and as many checks."""


def changed_number(pair: FeaturePair) -> ChangedNumber | None:
    """Return a number whose distribution differs significantly; None for any other feature, or too few rows."""
    if not isinstance(pair.bins, NumberBins) or min(pair.was.usable, pair.now.usable) < LEAST_ROWS:
        return None
    n, m = effective_rows(pair)
    distance = distance_of_bins(pair)
    independent = pair.design_effect if distance >= SEPARATE else 1.0
    p = float(kolmogorov(math.sqrt(n * m / (n + m) * independent) * distance))
    if p > CERTAIN or min(n, m) * independent < LEAST_EFFECTIVE:
        return None
    was, now = baseline_function(pair.bins, pair), distribution_function(pair.bins, pair.now)
    own = was.at(now.points)
    return ChangedNumber(
        pair=pair,
        was=was,
        now=now,
        baseline_cdf=own,
        distance=largest(now.below - own),
        p=p,
        noise=noise_of(n, m),
    )


def noise_of(n: float, m: float) -> float:
    """Return the distance of two distribution functions that chance and the grid explain; ``n``, ``m``: their rows."""
    # 0.015: maximum error of a distribution function that is linear within a bin of 1 % of the rows
    return 0.015 + BY_CHANCE * math.sqrt(1 / n + 1 / m)


class SumsTable(Struct, frozen=True, eq=False):
    """The sums of k features as columns, float64 (k,) each, except ``counts``, which concatenates the bins.

    Attributes:
        counts: float64 (all bins,), usable values by bin.
        start: int64 (k,), index of the first bin of each feature in ``counts``.
        usable: Weight of usable values.
        missing: Weight of rows without a value.
        invalid: Weight of values that are not usable.
        infinite: Weight of infinities.
        first: Usable values in the first bin.
        last: Usable values in the last bin.
    """

    counts: F64
    start: I64
    usable: F64
    missing: F64
    invalid: F64
    infinite: F64
    first: F64
    last: F64

    @classmethod
    def of(cls, sums: Sequence[Sums]) -> Self:
        """Return sums as columns."""
        counts = np.concatenate([one.counts for one in sums]) if sums else np.empty(0)
        end = np.cumsum([len(one.counts) for one in sums], dtype=np.int64)
        start = np.concatenate([[0], end[:-1]]).astype(np.int64)[: len(sums)]
        columns = np.array([(one.usable, one.missing, one.invalid, one.infinite) for one in sums]).reshape(-1, 4).T
        return cls(
            counts=counts,
            start=start,
            usable=columns[0],
            missing=columns[1],
            invalid=columns[2],
            infinite=columns[3],
            first=counts[start],
            last=counts[end - 1],
        )

    @property
    def rows(self) -> F64:
        """Weight of all rows."""
        return self.usable + self.invalid + self.missing

    @property
    def outer(self) -> F64:
        """Usable values in the first and the last bin."""
        return self.first + self.last


class FeatureTable(Struct, frozen=True, eq=False):
    """The features of a window and of the baseline as columns, to select at once those that a check must test.

    Attributes:
        pairs: The k features.
        was: Sums of the baseline.
        now: Sums of the window.
        number: bool (k,), True for numbers; others are categories.
        has_categories: bool (k,), categorical features with at least one category in the baseline.
    """

    pairs: tuple[FeaturePair, ...]
    was: SumsTable
    now: SumsTable
    number: Mask
    has_categories: Mask

    def where(self, held: Mask) -> list[FeaturePair]:
        """Return the features for which ``held``, bool (k,), is True."""
        return [self.pairs[at] for at in np.flatnonzero(held).tolist()]

    def add(self, counts: F64) -> F64:
        """Return sums over the bins of each feature, float64 (k,); ``counts``: float64 (all bins,)."""
        found: F64 = np.add.reduceat(counts, self.now.start) if self.pairs else np.empty(0)
        return found

    def may_differ(self) -> Mask:
        """Return False for numbers whose distribution does not differ significantly, and for all categories."""
        if not self.pairs:
            return self.number
        held = self.number & (self.was.usable > 0) & (self.now.usable > 0)
        sizes = np.diff(self.now.start, append=len(self.now.counts))
        was, now = (one.counts / np.repeat(np.where(held, one.usable, 1.0), sizes) for one in (self.was, self.now))
        below = np.cumsum(now - was)
        before = np.concatenate([[0.0], below])[self.now.start]
        distance = np.maximum.reduceat(np.abs(below - np.repeat(before, sizes)), self.now.start)
        n = self.was.usable * np.array([pair.n for pair in self.pairs])
        m = self.now.usable * np.array([pair.m for pair in self.pairs])
        design_effects = np.array([pair.design_effect for pair in self.pairs])
        independent = np.where(distance >= SEPARATE * (1 - MARGIN), design_effects, 1.0)
        rows = np.divide(n * m, n + m, out=np.zeros(len(n)), where=held) * independent
        differ: Mask = held & (kolmogorov(np.sqrt(rows) * distance) <= CERTAIN * (1 + MARGIN))
        return differ


MARGIN = 1e-6
"""Maximum relative difference between sums of the whole table and sums of one feature, by the order of addition: a
thousand times the actual one.
"""


class CheckInput(Struct, frozen=True, dict=True):
    """A window and its baseline.

    Attributes:
        pane: Pane of the window.
        baseline: Baseline of the window.
        repeats: Repeats among the window's rows; None without rows.
        designs: Design effect by feature (:mod:`driftline_processor.core.drift.dependence`); 1 for a missing feature.
        shares: Design effects of the fractions of missing and out-of-range values, by the name of the part.
        recurrences: Rows that recur from the previous window, then those of that window from its predecessor; None if
            either has no rows.
    """

    pane: Pane
    baseline: Baseline
    repeats: Repeats | None = None
    designs: Mapping[str, float] = field(default_factory=dict)
    shares: ShareDesigns = ALL_ROWS
    recurrences: tuple[Recurrence | None, ...] = ()

    @cached_property
    def pairs(self) -> dict[str, FeaturePair]:
        """Sums of the features in the window, by name; without features whose values are mostly guesses."""
        return {pair.name: pair for pair in self._pairs()}

    @cached_property
    def places(self) -> dict[str, int]:
        """Position of each feature among the baseline's."""
        return {name: index for index, name in enumerate(self.baseline.bins.features)}

    @cached_property
    def counts_strayed(self) -> bool:
        """True if the baseline contains the counts of unbinned values."""
        parts = ((pair.was.tails, pair.was.kinds, pair.was.elsewhere) for pair in self.pairs.values())
        return any(part is not None for found in parts for part in found)

    @cached_property
    def changed(self) -> list[ChangedNumber]:
        """Numbers whose distribution differs significantly from the baseline."""
        differ = self.table.where(self.table.may_differ())
        return [one for pair in differ if (one := changed_number(pair)) is not None]

    @cached_property
    def most_changed(self) -> bool:
        """True if most of the other numbers changed, too: then something else than a fault of one column moved it."""
        return 2 * (len(self.changed) - 1) > int(np.count_nonzero(self.table.number)) - 1

    @cached_property
    def functions(self) -> dict[str, DistributionFunction]:
        """Distribution functions of the numbers in the baseline, by name."""
        numbers = ((name, pair, pair.bins) for name, pair in self.pairs.items() if pair.was.usable > 0)
        return {name: baseline_function(over, pair) for name, pair, over in numbers if isinstance(over, NumberBins)}

    @cached_property
    def table(self) -> FeatureTable:
        """The features in the window as columns."""
        pairs = tuple(self.pairs.values())
        number = np.array([pair.number for pair in pairs], np.bool_)
        categories = np.array([has_categories(pair) for pair in pairs], np.bool_)
        now = SumsTable.of([pair.now for pair in pairs])
        return FeatureTable(pairs, _reference_table(self.baseline, pairs), now, number, categories)

    def missing_by_group(self, name: str) -> F64 | None:
        """Return the weights of missing and of usable values by group of clusters: float64 (groups, 2).

        None if no key defines groups. The number of rows of a group is the maximum over the columns.
        """
        if self._by_group is None:
            return None
        held = self.pane.parts.get(f"{CLUSTERS}feature:{name}")
        usable = np.zeros(len(self._by_group)) if held is None else by_group(held).sum(axis=1)
        return np.stack([self._by_group - usable, usable], axis=1)

    def outside_by_group(self, name: str) -> F64 | None:
        """Return the weights of numbers out of range and within it by group of clusters, float64 (groups, 2)."""
        held = self.pane.parts.get(f"{CLUSTERS}feature:{name}")
        if held is None or not held.any():
            return None
        groups = by_group(held)
        outside = groups[:, 0] + groups[:, -1]
        return np.stack([outside, groups.sum(axis=1) - outside], axis=1)

    @cached_property
    def _by_group(self) -> F64 | None:
        parts = [by_group(sums).sum(axis=1) for name, sums in self.pane.parts.items() if name.startswith(CLUSTERS)]
        return np.max(parts, axis=0) if parts else None

    def _pairs(self) -> Iterator[FeaturePair]:
        reference, n = _reference(self.baseline)
        m = _effective(self.pane)
        ranges = self.baseline.extras.ranges
        for name, bins in self.baseline.bins.features.items():
            now = sums_of(self.pane, name, bins)
            was = reference.get(name)
            guessed = self.pane.parts.get(f"{GUESSED}feature:{name}")
            if now is None or was is None or (guessed is not None and guessed[0] > 0.5 * now.usable):
                continue
            least, greatest = (None, None) if ranges is None else ranges.by_feature.get(name, (None, None))
            vectors = name in self.baseline.bins.projections
            design_effect = self.designs.get(name, 1.0)
            yield FeaturePair(
                name=name,
                bins=bins,
                was=was,
                now=now,
                n=n / design_effect,
                m=m / design_effect,
                minimum=least,
                greatest=greatest,
                design_effect=design_effect,
                lengths=vectors,
            )


_REFERENCES: WeakKeyDictionary[Baseline, tuple[Mapping[str, Sums], float]] = WeakKeyDictionary()


def _reference(baseline: Baseline) -> tuple[Mapping[str, Sums], float]:
    """Return the sums of the baseline, computed once per baseline."""
    reference = _REFERENCES.get(baseline)
    if reference is None:
        sums_by_feature = {name: sums_of(baseline.pane, name, bins) for name, bins in baseline.bins.features.items()}
        reference = (
            {name: sums for name, sums in sums_by_feature.items() if sums is not None},
            _effective(baseline.pane),
        )
        _REFERENCES[baseline] = reference
    return reference


_TABLES: WeakKeyDictionary[Baseline, dict[tuple[str, ...], SumsTable]] = WeakKeyDictionary()
"""Sums per baseline as columns, for the last requested set of features."""


def _reference_table(baseline: Baseline, pairs: Sequence[FeaturePair]) -> SumsTable:
    """Return the sums of some of the baseline's features as columns."""
    names, known = tuple(pair.name for pair in pairs), _TABLES.get(baseline, {})
    if names not in known:
        known = _TABLES[baseline] = {names: SumsTable.of([pair.was for pair in pairs])}
    return known[names]


def _effective(pane: Pane) -> float:
    """Return Kish's effective rows per unit of weight: Σw / Σw²; 1 without weights."""
    rows = pane.parts.get("rows")
    return float(rows[1] / rows[2]) if rows is not None and rows[2] > 0 else 1.0
