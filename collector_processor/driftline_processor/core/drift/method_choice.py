"""The drift methods of a column: one decides, others are shown as well; chosen per model and per feature.

A method that was chosen by name for a feature of a kind that it cannot compare is an error (:class:`Misfit`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from driftline.baseline.baseline import Baseline
from msgspec import Struct, field

from .methods import DECIDING, METHODS, Kind
from .reference import references

DECIDES: dict[Kind, str] = {"number": "ks", "category": "chi2", "boolean": "chi2", "embedding": "mmd"}
"""Default method that decides, per kind of column."""

SHOWN = ("psi", "js")
"""Methods that are always shown next to the deciding one; for an embedding they compare its L2 norm."""


class Choice(Struct, frozen=True):
    """Names of methods; each applies to the kinds that it compares.

    Attributes:
        deciding: The first method that compares a column's kind decides.
        additional: Additional methods to compute.

    >>> Choice(("cramer_von_mises", "proportion")).of("boolean")
    ('proportion', 'psi', 'js')
    """

    deciding: tuple[str, ...] = ()
    additional: tuple[str, ...] = ()

    def of(self, kind: Kind) -> tuple[str, ...]:
        """Return the methods for a column of this kind, the deciding one first."""
        return _fitting(self.deciding, self.additional, kind)


@lru_cache(maxsize=1_024)
def _fitting(deciding: tuple[str, ...], shown: tuple[str, ...], kind: Kind) -> tuple[str, ...]:
    """Return the methods that compare a kind, the deciding one first."""
    fit = [name for name in deciding if kind in METHODS[name].kinds]
    additional = (name for name in shown if kind in METHODS[name].kinds)
    return tuple(dict.fromkeys((*fit[:1], *([] if fit else [DECIDES[kind]]), *SHOWN, *additional)))


class Choices(Struct, frozen=True):
    """The chosen methods of a model.

    Attributes:
        everywhere: For all columns.
        features: Name of a feature → choice that takes precedence.
    """

    everywhere: Choice = Choice()
    features: Mapping[str, Choice] = field(default_factory=dict)

    def of(self, feature: str | None, kind: Kind) -> tuple[str, ...]:
        """Return the methods for a feature (None: the score or the class), the deciding one first."""
        own = self.features.get(feature) if feature is not None else None
        if own is None:
            return self.everywhere.of(kind)
        return _fitting(own.deciding + self.everywhere.deciding, self.everywhere.additional + own.additional, kind)

    def names(self) -> tuple[str, ...]:
        """Return every method that may be computed, without duplicates."""
        chosen = (self.everywhere, *self.features.values())
        named = [name for choice in chosen for name in (*choice.deciding, *choice.additional)]
        return tuple(dict.fromkeys((*DECIDES.values(), *SHOWN, *named)))


def check_names(names: Iterable[str], *, deciding: bool) -> None:
    """Raise ``ValueError``, with the fix, for an unknown method, or for a deciding one without a p-value.

    >>> check_names(["hellinger"], deciding=True)
    Traceback (most recent call last):
    ...
    ValueError: 'hellinger' has no p-value, so it cannot decide whether there is drift; put it under methods, or use \
one of anderson_darling, chi2, cramer_von_mises, domain_classifier, ks, mean_shift, mmd, proportion, psi
    """
    for name in names:
        if name not in METHODS:
            usable = DECIDING if deciding else tuple(METHODS)
            raise ValueError(f"'{name}' is not a drift method; use one of {', '.join(usable)}")
        if deciding and name not in DECIDING:
            fix = f"put it under methods, or use one of {', '.join(DECIDING)}"
            raise ValueError(f"'{name}' has no p-value, so it cannot decide whether there is drift; {fix}")


WORDS: dict[Kind, str] = {
    "number": "a number",
    "category": "a category",
    "boolean": "compared as a category with at most two values",
    "embedding": "an embedding",
}


class Misfit(NamedTuple):
    """A chosen method that cannot compare a feature.

    Attributes:
        feature: Name of the feature.
        method: Name of the method.
        deciding: True if the method should decide, False if it should only be shown.
        kind: Kind of the feature.
    """

    feature: str
    method: str
    deciding: bool
    kind: Kind

    def key(self, model: str) -> str:
        """Return the key in ``driftline.yaml``."""
        return f"models.{model}.features.{self.feature}.{'method' if self.deciding else 'methods'}"

    def __str__(self) -> str:
        """Return the rule and the fix."""
        fits = (name for name in (DECIDING if self.deciding else METHODS) if self.kind in METHODS[name].kinds)
        return (
            f"{self.method} cannot compare this column, which is {WORDS[self.kind]} in the baseline; "
            f"use one of {', '.join(fits)}"
        )


def misfits(choices: Choices, baseline: Baseline) -> Iterator[Misfit]:
    """Yield the methods chosen for a single feature that cannot compare its kind, according to the baseline.

    Features without a usable value are skipped. A choice for all features applies only to those that it fits.
    """
    for reference in references(baseline):
        choice = choices.features.get(reference.name) if reference.column == "feature" else None
        if choice is None or reference.rows == 0 or reference.bins.size == 1:
            continue
        for name, deciding in (
            *((method, True) for method in choice.deciding),
            *((method, False) for method in choice.additional),
        ):
            if reference.kind not in METHODS[name].kinds:
                yield Misfit(reference.name, name, deciding, reference.kind)
