"""The versions of a model in one environment, which policies evaluate together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from driftline_processor.config.channels import rank_tier
from driftline_processor.queries.model_view import ModelView, leading_model

from .alerts import Place


class VersionGroup(Struct, frozen=True):
    """The versions of a model in one environment that are in use."""

    environment: str
    model: str
    views: Sequence[ModelView]

    @property
    def place(self) -> Place:
        """Its environment and model."""
        return self.environment, self.model

    @property
    def leading(self) -> ModelView:
        """The version of the messages."""
        return leading_model(self.views)

    @property
    def watermark(self) -> int:
        """The model's clock, unix nanoseconds."""
        return max(view.watermark for view in self.views)


def groups_of(models: Sequence[ModelView]) -> list[VersionGroup]:
    """Return the versions in use by environment and model, those of tier 1 first."""
    views_by_model: dict[Place, list[ModelView]] = {}
    for view in models:
        if view.in_use and not view.retired and not view.shadow:
            views_by_model.setdefault((view.key.environment, view.key.model), []).append(view)
    groups = [VersionGroup(*place, views) for place, views in views_by_model.items()]
    return sorted(groups, key=lambda group: rank_tier(group.leading.tier))
