"""The bins of one model: of its features, its score and its classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .bins import Bins, CategoryBins

if TYPE_CHECKING:
    from .embedding_projection import Projection
    from .pca import Space


@dataclass(frozen=True, slots=True)
class ModelBins:
    """The bins of one model: what a pane is folded over. Panes merge only over the same ones.

    It counts only while all of its features have bins.

    Attributes:
        projections: Of features that are embeddings, whose bins are those of their L2 norm.
        space: The features together, as coordinates; None where there are too few or too many.
    """

    features: dict[str, Bins] = field(default_factory=dict)
    score: Bins | None = None
    classes: CategoryBins | None = None
    projections: dict[str, Projection] = field(default_factory=dict)
    space: Space | None = None
