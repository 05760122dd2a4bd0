"""How large a shift is in the unit of the method that decides."""

from __future__ import annotations

from scipy.special import ndtr

from .methods import METHODS

_SQUARED = ("chi2", "psi")
_USUAL = 0.1
"""The shift, in standard deviations, that a method's own least effect is worth: KS 0.04."""


def effect_of(shift: float, decided_by: str) -> float:
    """Return the effect of a shift by so many standard deviations of a normal distribution.

    >>> round(effect_of(1.0, "ks"), 3), effect_of(1.0, "psi")
    (0.383, 1.0)
    """
    if decided_by == "ks":
        return float(2 * ndtr(shift / 2) - 1)
    if decided_by in _SQUARED:
        return shift**2
    return (METHODS[decided_by].min_effect or 0.0) * shift / _USUAL
