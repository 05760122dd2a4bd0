"""The section of a baseline that says how embeddings are projected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from driftline.panes.embedding_projection import Projection, from_json, to_json
from driftline.panes.json_checks import by_name
from driftline.panes.model_bins import ModelBins
from driftline.privacy.rules import FeatureFilter


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Feature → how it is projected (:class:`driftline.panes.embedding_projection.Projection`)."""

    of: Mapping[str, Projection]

    @classmethod
    def of_bins(cls, bins: ModelBins) -> Self | None:
        """Return the projections of the bins; None where no feature is an embedding."""
        return cls(bins.projections) if bins.projections else None

    def to_json(self) -> dict[str, Any]:
        """Return name → length, bandwidth and spectrum."""
        return {name: to_json(projection) for name, projection in self.of.items()}

    @classmethod
    def from_json(cls, value: object, bins: ModelBins) -> Self:
        """Read it back. Raises ``ValueError`` that names the rule."""
        projections = {}
        for name, projection in by_name(value).items():
            if name not in bins.features:
                raise ValueError(f"{name!r} is no feature")
            try:
                projections[name] = from_json(projection)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return cls(projections)

    def leaving(self, features: FeatureFilter) -> Self | None:
        """Return those of features whose values leave as they are."""
        projections = {name: projection for name, projection in self.of.items() if name in features.plain}
        return type(self)(projections) if projections else None
