"""The keys of ``business.NAME``: what the company counts beside a model, and which metric or query says it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from driftline_processor.core.business import BusinessKeys
from driftline_processor.core.decode.business_points import BusinessMetric
from driftline_processor.core.nearest_names import near, nearest

from .section import Section
from .sql_queries import SqlQuery
from .values import Text

BusinessName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,79}$")]
"""The name of a series, as conditions call it."""


def _keys(written: object) -> object:
    """Return what is below ``sql``; an address in its place is refused without being shown."""
    if not isinstance(written, Mapping | SqlQuery | None):
        raise ValueError("is not a set of keys; write 'url' and 'query' indented below it, or in braces")
    return written


class Business(Section):
    """One business series."""

    metric: Text | None = Field(
        default=None,
        description="Name of the OTLP metric that says it: a gauge, a sum or a histogram. Write it, `sql`, or both.",
        examples=["shop.conversion"],
        json_schema_extra={"shown": True},
    )
    sql: Annotated[SqlQuery | None, BeforeValidator(_keys)] = Field(
        default=None, description="The query of a database that says it."
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
        sources = [self.metric] if self.metric is not None else []
        sources += [self.sql.place] if self.sql is not None else []
        return BusinessKeys(name, self.model, self.unit, self.aggregation, " and ".join(sources))

    def wanted(self, name: str) -> BusinessMetric:
        """Return what points are decoded by; ``name``: of the series."""
        return BusinessMetric(name, self.unit, self.match, self.aggregation == "last")

    def problems(self, models: Collection[str]) -> Iterator[str]:
        """Yield a sentence for every rule that the keys break, behind the name of the series.

        A model that is not named may still come.
        """
        if self.model not in models and nearest(self.model, [*models]):
            yield f".model: no model is called '{self.model:.80}'; {near(self.model, [*models])}"
        if self.metric is None and self.sql is None:
            yield ": nothing says it; name the OTLP 'metric', or write 'sql' with a query"
        if self.metric is None and self.match:
            yield ".match: chooses points of a metric, and there is none; choose rows by the query"
        if self.sql is not None:
            yield from (f".sql.{problem}" for problem in self.sql.problems())
