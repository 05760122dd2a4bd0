"""The mergeable fold of a table over a range of event time.

A pane is a set of named vectors of sums: panes merge by addition, a window is a sum of panes, and a store needs only
``(part, index, value)``. It contains no minimum, maximum or sketch, so sums can be recomputed and replaced when an
outcome is corrected.

Parts (float64 vectors):

=====================  ==================================================================================
``rows``               n, sum of weights, sum of squared weights
``erased``             the same three sums of rows that were deleted permanently and are no longer pending
``feature:NAME``       weight per bin of the feature (see :mod:`driftline.panes.bins`), then missing, then invalid
``embedding:NAME``     weight of the vectors of a feature, then sums of their random features
                       (:mod:`~driftline.panes.embedding_projection`)
``score``              weight per bin of the score, then missing, then invalid (binary: score of the positive class;
                       multiclass: greatest score; regression: value; ranking: score of the first item)
``class``              weight per class in the order of the class bins' categories, other, missing, invalid
``tails:NAME``         weight of values outside the outer edges of a number, by sign and power of two
``offsets:NAME``       sums of the position of these values in their power of two, in 4,096ths, by entry of ``tails``,
                       then of its square; not in baselines
``others:NAME``        weight of texts without a bin in this feature, by their CRC-32 modulo 256; not in baselines
``kinds:NAME``         weight of values of another type than the feature's, see
                       :data:`driftline.panes.unbinned_values.KINDS`
``elsewhere:NAME``     weight of categories without a bin in this feature, by the feature that has the bin, in the
                       order of the bins
``unknown:NAME``       weight of rows with a feature without bins (at most ``MOST_UNKNOWN`` names per fold)
``pca``                sum of weights and of squared weights, Σw r, Σw r² of the reconstruction error r of a row by the
                       principal components of the baseline, in standard deviations
``pairs``              sum of weights and of squared weights, Σw z per feature of the space
                       (:mod:`driftline.panes.pca`), then Σw z z' per pair, upper triangle by rows; z in thousandths
                       of a standard deviation
``unpaired``           the sums of ``pairs`` that lack one of two features: a matrix a × b of the weight of rows without
                       a or b, then of Σw z_a and of Σw z_a² over rows without b
``duration``           weight per bucket of ``DURATION_BOUNDS`` (upper bounds included), then the sum in seconds
``clusters:PART``      weight of ``feature:NAME``, ``score`` or ``class`` by group of clusters and cell, row-major,
                       see :mod:`driftline.panes.fold`; only with a cluster key
``outcomes``           n, sum of weights, sum of squared weights of rows with a known outcome
``confusion``          weight per actual × predicted class, row-major, ``len(classes)`` squared
``confusion_excess``   Σ(w² - w) of the same; missing if all weights are 1, so Σw² = confusion + confusion_excess
``confusion_count``    Σ(1 - w) of the same; missing if all weights are 1, so rows = confusion + confusion_count
``losses``             sums in the order of ``Task.losses``
``losses_count``       Σ(1 - w) of the same rows; likewise ``percentage_count``, ``quantiles_count`` and
                       ``outcomes_count``, where n minus Σw minus this sum is the rows from before they were counted
``spread``             Σw² of the same rows, then Σw²ℓ, Σw²ℓ² of each of these losses after ``weight``
``clicks``             ranking: Σw, Σw² of the lists that were clicked
``ranking@K``          ranking: quality of the order per cutoff, see :func:`driftline.panes.relevance.fold_relevance`
``score_negative``     binary: weight per bin of the fixed score grid, rows whose actual is not the positive class
``score_positive``     binary: the same of rows whose actual is the positive class
``calibration``        binary: ten bins of the score, each: weight, Σw score, Σw of positives
                       (:mod:`~driftline.panes.outcome_sums`)
``score_negative:I``   multiclass of at most 8 classes: as ``score_negative``, of the score of class I
``score_positive:I``   the same of rows of class I
``score_..._excess``   Σ(w² - w) of any of these four; missing if all weights are 1
``ranks``              multiclass: weight by the number of classes with a greater score than the actual class; among
                       equal scores the later class is greater, as in scikit-learn
``ranks_excess``       Σ(w² - w) of the same; missing if all weights are 1
``percentage``         regression, rows whose actual is not 0: Σw, Σw², then Σwℓ, Σw²ℓ, Σw²ℓ² of ℓ = abs(error / actual)
``quantiles``          regression of declared quantiles: Σw, Σw², then those three of the pinball loss of each level,
                       and of being inside each interval (:func:`driftline.panes.outcome_sums.intervals`), 1 or 0
``value``              rows with a value of their own: n, Σw, Σw², then those three of the value
``value_negative``     Σw abs(value) of values below 0; missing if there are none
=====================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from driftline.tables.table import F64
from driftline.tables.text import short_record

DURATION_BOUNDS: tuple[float, ...] = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
"""Seconds: the bounds that OpenTelemetry recommends for request durations, extended down to 0.1 ms."""

MOST_UNKNOWN = 64


@dataclass(slots=True)
class Pane:
    """Named sums over rows; merge by addition. The empty pane is ``Pane()``."""

    parts: dict[str, F64] = field(default_factory=dict)

    __repr__ = short_record

    @property
    def rows(self) -> int:
        """Return the number of folded rows, unweighted."""
        part = self.parts.get("rows")
        return 0 if part is None else int(part[0])


def merge(panes: Iterable[Pane]) -> Pane:
    """Add panes of equal bins, part by part.

    Raises ``ValueError`` if a part has two lengths: the panes were folded over different bins.

    >>> import numpy as np
    >>> a, b = Pane({"rows": np.array([2.0, 2.0, 2.0])}), Pane({"rows": np.array([1.0, 1.0, 1.0])})
    >>> merge([a, b]).rows
    3
    """
    total = Pane()
    for pane in panes:
        add_pane(total, pane)
    return total


def add_pane(total: Pane, pane: Pane) -> None:
    """Add a pane to a total that nothing else refers to, as :func:`merge` does, without a copy of the total."""
    sums = total.parts
    for name, values in pane.parts.items():
        if name not in sums:
            sums[name] = values.copy()
        elif sums[name].shape != values.shape:
            raise ValueError(
                f"panes cannot be merged: part {name!r} has {len(sums[name])} and {len(values)} entries; "
                "only panes that were counted with the same bins can be merged"
            )
        else:
            sums[name] += values
