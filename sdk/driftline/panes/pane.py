"""The mergeable fold of a table over a stretch of event time.

A pane is nothing but named vectors of sums, so panes merge by addition, a window is a sum of panes, and a store
needs to know only ``(part, index, value)``. Nothing in it is a minimum, a maximum or a sketch: what is added can be
recomputed and replaced when an outcome is corrected.

Parts (float64 vectors):

=====================  ==================================================================================
``rows``               n, sum of weights, sum of squared weights
``erased``             the same of those of them that were deleted for good, and are waited for no more
``feature:NAME``       weight per bin of that feature's bins (see :mod:`driftline.panes.bins`), then missing, then
invalid
``embedding:NAME``     weight of the vectors of a feature, then sums of their random features
(:mod:`~driftline.panes.embedding_projection`)
``score``              the same over the score's bins (binary: positive class; multiclass: winner; regression: value;
                       ranking: first item)
``class``              weight per class in the order of the class bins' categories, other, missing, invalid
``tails:NAME``         weight of values beyond the outer edges of a number, by sign and power of two
``kinds:NAME``         weight of values of another type than the feature's, see
:data:`driftline.panes.unbinned_values.KINDS`
``elsewhere:NAME``     weight of categories the feature does not know, by the feature that knows them, in the bins'
order ``unknown:NAME``       weight of rows that carry a feature the bins do not know (at most ``MOST_UNKNOWN`` names a
fold) ``pca``                sum of weights and of squared weights, Σw r, Σw r² of the error r of a row that the
principal
                       components of the baseline cannot reconstruct, in standard deviations
``pairs``              sum of weights and of squared weights, Σw z per feature of the space
(:mod:`driftline.panes.pca`),
                       then Σw z z' per pair, upper triangle by rows; z in thousandths of a standard deviation
``unpaired``           what of that lacks one of two features: a matrix a × b of the weight of rows without a or b,
                       then of Σw z_a and of Σw z_a² over rows without b
``duration``           weight per bucket of ``DURATION_BOUNDS`` (upper bounds included), then the sum in seconds
``clusters:PART``      weight of ``feature:NAME``, ``score`` or ``class`` by group of clusters and cell, row-major,
                       see :mod:`driftline.panes.fold`; only where a cluster key is named
``outcomes``           n, sum of weights, sum of squared weights of rows whose outcome is known
``confusion``          weight per actual × predicted class, row-major, ``len(classes)`` squared
``confusion_excess``   Σ(w² - w) of the same; not there where all weights are 1, so Σw² = confusion + confusion_excess
``confusion_count``    Σ(1 - w) of the same; not there where all weights are 1, so rows = confusion + confusion_count
``losses``             sums in the order of ``Task.losses``
``losses_count``       Σ(1 - w) of the same rows; and likewise ``percentage_count``, ``quantiles_count`` and
                       ``outcomes_count``: n is known there, so what it lacks is of rows from before they were counted
``spread``             Σw² of the same rows, then Σw²ℓ, Σw²ℓ² of each of these losses after ``weight``
``clicks``             of a ranking: Σw, Σw² of the lists that were clicked
``ranking@K``          how well lists were ranked, by cutoff, see :func:`driftline.panes.relevance.fold_relevance`
``score_negative``     weight per bin of the fixed score grid, rows whose actual is not the positive class (binary)
``score_positive``     the same where it is
``calibration``        ten bins of the score, each: weight, Σw score, Σw of positives (binary;
:mod:`~driftline.panes.outcome_sums`)
``score_negative:I``   multiclass of at most 8 classes: as ``score_negative``, of the score of class I
``score_positive:I``   the same of rows that were of class I
``score_..._excess``   Σ(w² - w) of any of these four; not there where all weights are 1
``ranks``              weight by how many classes scored above the actual one (multiclass); among equal scores the later
                       class is above, as in scikit-learn
``ranks_excess``       Σ(w² - w) of the same; not there where all weights are 1
``percentage``         regression, rows whose actual is not 0: Σw, Σw², then Σwℓ, Σw²ℓ, Σw²ℓ² of ℓ = abs(error / actual)
``quantiles``          regression of declared quantiles: Σw, Σw², then those three of the pinball loss of each level,
                       and of being inside each interval (:func:`driftline.panes.outcome_sums.intervals`), 1 or 0
``value``              rows with a value of their own: n, Σw, Σw², then those three of the value
``value_negative``     Σw abs(value) of values below 0; not there where there are none
=====================  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from driftline.tables.table import F64

DURATION_BOUNDS: tuple[float, ...] = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
"""Seconds: the bounds OpenTelemetry advises for request durations, continued down to 0.1 ms."""

MOST_UNKNOWN = 64


@dataclass(slots=True)
class Pane:
    """Named sums over rows; merge by addition. The empty pane is ``Pane()``."""

    parts: dict[str, F64] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Return the number of folded rows, unweighted."""
        part = self.parts.get("rows")
        return 0 if part is None else int(part[0])


def merge(panes: Iterable[Pane]) -> Pane:
    """Add panes of equal bins, part by part.

    Raises ``ValueError`` when one part has two lengths: the panes were folded over different bins.

    >>> import numpy as np
    >>> a, b = Pane({"rows": np.array([2.0, 2.0, 2.0])}), Pane({"rows": np.array([1.0, 1.0, 1.0])})
    >>> merge([a, b]).rows
    3
    """
    total: dict[str, F64] = {}
    for pane in panes:
        for name, values in pane.parts.items():
            if name not in total:
                total[name] = values.copy()
            elif total[name].shape != values.shape:
                raise ValueError(
                    f"panes cannot be merged: part {name!r} has {len(total[name])} and {len(values)} entries; "
                    "only panes that were counted with the same bins can be merged"
                )
            else:
                total[name] += values
    return Pane(total)
