"""The Jensen-Shannon distance, on coarse bins."""

from __future__ import annotations

import math

from driftline.tables import F64
from scipy.special import rel_entr


def js(reference: F64, current: F64) -> float:
    """Return the Jensen-Shannon distance: the square root of the divergence to base 2, so between 0 and 1.

    ``reference``, ``current``: counts over the same bins, missing and invalid left out; the same coarse bins as PSI,
    nothing added to empty ones. Equal to ``scipy.spatial.distance.jensenshannon(p, q, base=2)``. NannyML has the same
    base, on equal widths by Doane's rule; Evidently the natural logarithm, which is smaller by the factor
    sqrt(ln 2) = 0.833, on equal widths by Sturges' rule.

    Source: Lin, "Divergence measures based on the Shannon entropy" (1991); Endres and Schindelin (2003) for the root.

    >>> import numpy as np
    >>> js(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    1.0
    """
    p, q = reference / reference.sum(), current / current.sum()
    middle = (p + q) / 2
    divergence = float((rel_entr(p, middle) + rel_entr(q, middle)).sum()) / 2 / math.log(2)
    return math.sqrt(min(1.0, max(0.0, divergence)))
