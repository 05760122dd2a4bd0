"""A multivariate drift method: its definition over the sums of a pane, or over rows, and its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from driftline.baseline.sections.pca_fit import PcaFit
from driftline.panes.pane import Pane
from driftline.panes.pca import Space
from driftline.tables.table import F64
from msgspec import Struct, field

from driftline_processor.core.evaluation import DriftContributor

T = TypeVar("T")

ALPHA = 0.01
"""The share of quiet windows in which any method for all features together may find drift: that of single features."""


class PanePair(Struct, frozen=True, eq=False):
    """Two panes over one space: the reference and the window.

    Attributes:
        fitted: How the space fits the reference.
        alike: How many rows, which resemble each other, count as one for the product of two features: float64 (d, d);
            one number of all.
        known: What the reference alone says, by name; kept with it where there are several windows.
    """

    space: Space
    reference: Pane
    current: Pane
    fitted: PcaFit
    alike: F64 | float = 1.0
    known: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what the reference alone says, made on the first call.

        Args:
            name: Of what it is.
            make: Function that makes it.
        """
        if name not in self.known:
            self.known[name] = make()
        found: T = self.known[name]
        return found


class JointResult(NamedTuple):
    """The result of one multivariate method for a window.

    Attributes:
        value: ``JointMethod.neutral`` where nothing changed.
        was: What was compared.
        now: What was compared.
        p_value: Of no drift.
        effect: How large the drift is beyond what sampling alone makes of it, in ``JointMethod.unit``.
        rows: The (effective) rows of the smaller side.
        contributors: The features, or pairs, that changed most, the largest change first.
        changed_pairs: How many pairs changed significantly.
        missing: Features with more or fewer missing values than the reference: the value does not show drift.
    """

    value: float
    was: float | None
    now: float | None
    p_value: float
    effect: float
    rows: float
    contributors: tuple[DriftContributor, ...] = ()
    changed_pairs: int = 0
    missing: tuple[DriftContributor, ...] = ()


class JointMethod(Struct, frozen=True):
    """One multivariate method.

    Attributes:
        name: As it is written in JSON and metrics.
        title: As people write it.
        unit: Of the effect.
        min_effect: The least effect that counts as drift.
        least: The range of the value.
        greatest: The range of the value.
        source: The paper.
        measure: From the sums of panes, None where they do not hold what it takes; None of a method that needs rows.
        neutral: Where nothing changed.
    """

    name: str
    title: str
    unit: str
    min_effect: float
    least: float
    greatest: float
    source: str
    measure: Callable[[PanePair], JointResult | None] | None = None
    neutral: float = 0.0
