"""The bins of one model: of its features, its score and its classes."""

from __future__ import annotations

from dataclasses import dataclass, field

from driftline.tables.text import short_record

from .bins import Bins, CategoryBins
from .embedding_projection import Projection
from .pca import Space


@dataclass(frozen=True, slots=True)
class ModelBins:
    """The bins of one model. Panes can only be merged if they were folded over equal bins.

    Attributes:
        projections: Projections of features that are embeddings; their bins are those of the L2 norm.
        space: Coordinates of all features; None if there are too few or too many features. Only used while all of its
            features have bins.
    """

    features: dict[str, Bins] = field(default_factory=dict)
    score: Bins | None = None
    classes: CategoryBins | None = None
    projections: dict[str, Projection] = field(default_factory=dict)
    space: Space | None = None

    __repr__ = short_record

    def check(self) -> None:
        """Raise ``ValueError`` if projections or space do not fit the features."""
        if unknown := self.projections.keys() - self.features.keys():
            raise ValueError(f"projections: {min(unknown)!r} is not a feature")
        for name, places in {} if self.space is None else self.space.places.items():
            if name not in self.features:
                raise ValueError(f"space: {name!r} has places but no bins")
            if places.shape != (self.features[name].size,):
                raise ValueError(f"space: {name!r} must have {self.features[name].size} places, one per bin")
