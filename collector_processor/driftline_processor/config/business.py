"""The keys of ``business.NAME``: what the company counts beside a model, and which metric says it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Literal

from pydantic import Field

from driftline_processor.core.business import BusinessKeys
from driftline_processor.core.decode.business_points import BusinessMetric
from driftline_processor.core.nearest_names import near, nearest

from .section import Section
from .values import Text

BusinessName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,79}$")]
"""The name of a series, as conditions call it."""


class Business(Section):
    """One business series."""

    metric: Text = Field(
        description="Name of the OTLP metric that says it: a gauge, a sum or a histogram.",
        examples=["shop.conversion"],
    )
    model: Text = Field(description="The model beside which it is shown.", examples=["churn"])
    unit: str = Field(
        default="",
        max_length=63,
        description="Its unit, as the metric says it; points of another unit are refused. Without it any will do.",
        examples=["'1'"],
    )
    aggregation: Literal["mean", "sum", "last"] = Field(
        default="mean",
        description="What of the points of a window stands for it: `mean` of a rate, `sum` of what is counted, `last` "
        "of a level.",
        examples=["sum"],
    )
    match: dict[str, str] = Field(
        default_factory=dict,
        description="Attributes that a point, its scope or its resource must have, with these values.",
        examples=["{country: NL}"],
    )

    def keys(self, name: str) -> BusinessKeys:
        """Return what series are read by; ``name``: of the series."""
        return BusinessKeys(name, self.model, self.unit, self.aggregation)

    def wanted(self, name: str) -> BusinessMetric:
        """Return what points are decoded by; ``name``: of the series."""
        return BusinessMetric(name, self.unit, self.match, self.aggregation == "last")

    def problems(self, models: Collection[str]) -> Iterator[str]:
        """Yield a sentence for a model that looks like a typo; one that is not named may still come."""
        if self.model not in models and nearest(self.model, [*models]):
            yield f"model: no model is called '{self.model:.80}'; {near(self.model, [*models])}"
