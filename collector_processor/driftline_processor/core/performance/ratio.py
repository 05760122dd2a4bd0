"""Division where the denominator may be nothing."""

from __future__ import annotations


def ratio(numerator: float, denominator: float) -> float | None:
    """Return the quotient, None where there is nothing to divide by: an undefined metric is unknown, never 0.

    >>> ratio(1, 4), ratio(0, 0)
    (0.25, None)
    """
    return float(numerator) / float(denominator) if denominator > 0 else None
