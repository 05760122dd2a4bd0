"""Methods that were chosen for a feature by name and do not compare what it is: a mistake, and nothing to pass over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from driftline.baseline import Baseline

from .choice import Choices
from .methods import DECIDING, METHODS, Kind
from .reference import references

WORDS: dict[Kind, str] = {
    "number": "a number",
    "category": "a category",
    "boolean": "compared as a category of at most two values",
    "embedding": "an embedding",
}


class Misfit(NamedTuple):
    """``method`` was chosen to decide (``deciding``), or to be shown, for ``feature``, which is of ``kind``."""

    feature: str
    method: str
    deciding: bool
    kind: Kind

    def key(self, model: str) -> str:
        """Return where ``driftline.yaml`` says so."""
        return f"models.{model}.features.{self.feature}.{'method' if self.deciding else 'methods'}"

    def __str__(self) -> str:
        """Name the rule and the fix."""
        fits = (name for name in (DECIDING if self.deciding else METHODS) if self.kind in METHODS[name].kinds)
        return (
            f"{self.method} does not compare it, since it is {WORDS[self.kind]} in the baseline; "
            f"write one of {', '.join(fits)}"
        )


def misfits(choices: Choices, baseline: Baseline) -> Iterator[Misfit]:
    """Find them, by what the rows of the baseline say of each feature; of one without a usable value nothing is said.

    What is chosen for all features is for those that it fits.
    """
    for reference in references(baseline):
        choice = choices.features.get(reference.name) if reference.target == "feature" else None
        if choice is None or reference.rows == 0 or reference.bins.size == 1:
            continue
        for name, deciding in (*((one, True) for one in choice.deciding), *((one, False) for one in choice.shown)):
            if reference.kind not in METHODS[name].kinds:
                yield Misfit(reference.name, name, deciding, reference.kind)
