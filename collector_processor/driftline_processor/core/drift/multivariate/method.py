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
"""Maximum fraction of windows without drift in which any multivariate method finds drift, as for single features."""


class PanePair(Struct, frozen=True, eq=False):
    """Two panes over one space: the reference and the window.

    Attributes:
        space: Space of the features.
        reference: Pane of the reference.
        current: Pane of the window.
        fitted: Fit of the space to the reference.
        design_effect: Design effect of the product of two features: float64 (d, d), or one number for all.
        cache: Cached results of the reference alone, by name; shared by its windows.
    """

    space: Space
    reference: Pane
    current: Pane
    fitted: PcaFit
    design_effect: F64 | float = 1.0
    cache: dict[str, Any] = field(default_factory=dict)

    def cached(self, name: str, make: Callable[[], T]) -> T:
        """Return a result of the reference alone, computed on the first call.

        Args:
            name: Name of the result.
            make: Function that computes it.
        """
        if name not in self.cache:
            self.cache[name] = make()
        result: T = self.cache[name]
        return result


class JointResult(NamedTuple):
    """The result of one multivariate method for a window.

    Attributes:
        value: Value of the method; ``JointMethod.neutral`` without a change.
        was: Compared quantity in the reference.
        now: Compared quantity in the window.
        p_value: p-value of no drift.
        effect: Size of the drift beyond sampling error, in ``JointMethod.unit``.
        rows: (Effective) rows of the smaller sample.
        contributors: Features, or pairs, that changed most, the largest change first.
        changed_pairs: Number of pairs that changed significantly.
        missing: Features with more or fewer missing values than the reference; the value then does not show drift.
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
        name: Name in JSON and metrics.
        title: Name on pages and in sentences.
        unit: Unit of the effect.
        min_effect: Minimum effect that counts as drift.
        minimum: Minimum of the value.
        maximum: Maximum of the value.
        source: Paper with the definition.
        measure: Function that measures two panes, or returns None if they lack the sums; None for a method that needs
            rows.
        neutral: Value without a change.
    """

    name: str
    title: str
    unit: str
    min_effect: float
    minimum: float
    maximum: float
    source: str
    measure: Callable[[PanePair], JointResult | None] | None = None
    neutral: float = 0.0
