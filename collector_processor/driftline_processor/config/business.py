"""The keys of ``business.NAME``: business series next to a model, and their metric or source.

A source other than OTLP metrics, such as ``sql``, is an extension: its keys are below its name, and it reads
its series.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from driftline_processor.core.business import BusinessKeys
from driftline_processor.core.decode.business_points import BusinessMetric
from driftline_processor.core.nearest_names import near, nearest

from .kinds import BUSINESS_SOURCES, installed
from .section import Problem, Section, under
from .values import Text

BusinessName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,79}$")]
"""The name of a series in conditions."""


class BusinessReader(Protocol):
    """Reader of the series of one kind of source while the processor runs."""

    def start(self, intake: Any) -> None:
        """Start to read into the state; the source may be unavailable at first."""

    def stop(self, grace: float) -> None:
        """Stop within ``grace`` seconds; data that was read but not stored is read again."""

    @property
    def lines(self) -> list[str]:
        """Return lines for people about its sources."""

    def sentence(self) -> str | None:
        """Return what cannot be read, for the health of the process; None if everything can."""


class BusinessSource(Section):
    """The keys of an extension's source of series: an entry point of the group ``driftline_business``.

    The name of the entry point is the key below ``business.NAME``.
    """

    @property
    def place(self) -> str:
        """The source for people, without secrets."""
        raise NotImplementedError

    def problems(self) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break."""
        yield from ()

    @classmethod
    def reader(cls, declared: Mapping[str, Any], retention: int, clock: Callable[[], int]) -> BusinessReader:
        """Return the reader of the series.

        Args:
            declared: Keys of this source by the name of the series.
            retention: Retention of rows in nanoseconds; older data is not read.
            clock: Returns unix nanoseconds.
        """
        raise NotImplementedError

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(cls, value: Any, read: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Any:
        if cls is not BusinessSource:
            return read(value)
        kind, keys = value
        if not isinstance(keys, Mapping):  # the value may be a secret address
            raise ValueError("must be a mapping of keys to values; indent the keys below it, or put them in braces")
        return business_source(kind).model_validate(keys, context=info.context)


def business_source(kind: str) -> Any:
    """Return the class of an installed source.

    Raises:
        ValueError: It cannot be imported.
    """
    source_class = installed(BUSINESS_SOURCES)[kind]
    try:
        return source_class.load()
    except Exception as error:  # the module of any distribution
        raise ValueError(f"the extension '{kind}' ({source_class.value}) cannot be imported: {error}") from error


def by_source(business: object) -> object:
    """Return series with the keys of installed sources moved below ``sources``, by the name of the source."""
    if not isinstance(business, Mapping):
        return business
    return {name: _by_source(keys) for name, keys in business.items()}


def _by_source(keys: object) -> object:
    if not isinstance(keys, Mapping) or "sources" in keys:
        return keys
    kinds = [kind for kind in keys if kind not in Business.model_fields and kind in installed(BUSINESS_SOURCES)]
    sources = {kind: (kind, keys[kind]) for kind in kinds if keys[kind] is not None}
    rest = {key: value for key, value in keys.items() if key not in kinds}
    return {**rest, "sources": sources} if kinds else rest


class Business(Section):
    """One business series."""

    metric: Text | None = Field(
        default=None,
        description="The name of the OTLP metric with the values: a gauge, a sum or a histogram. Set `metric`, "
        "another source such as `sql`, or both.",
        examples=["shop.conversion"],
        json_schema_extra={"shown": True},
    )
    sources: dict[str, BusinessSource] = Field(
        default_factory=dict,
        description="The sources of extensions, each by the name of its kind.",
        json_schema_extra={"kinds": BUSINESS_SOURCES},
    )

    @model_validator(mode="before")
    @classmethod
    def _with_sources(cls, value: object) -> object:
        return _by_source(value)

    model: Text = Field(description="The model next to which the business metric is shown.", examples=["churn"])
    unit: str = Field(
        default="",
        max_length=63,
        description="The unit of the OTLP metric. Points with another unit are refused. If the key is empty, "
        "every unit is accepted.",
        examples=["'1'"],
    )
    aggregation: Literal["mean", "sum", "last"] = Field(
        default="mean",
        description="How the points of a window are combined: `mean` for a rate, `sum` for a count, `last` for a "
        "level.",
        examples=["sum"],
    )
    match: dict[str, str] = Field(
        default_factory=dict,
        description="Attributes that a point, its scope or its resource must have, with these values.",
        examples=["{country: NL}"],
    )

    def keys(self, name: str) -> BusinessKeys:
        """Return the keys for reading the series; ``name``: name of the series."""
        sources = [self.metric] if self.metric is not None else []
        sources += [source.place for source in self.sources.values()]
        return BusinessKeys(name, self.model, self.unit, self.aggregation, " and ".join(sources))

    def wanted(self, name: str) -> BusinessMetric:
        """Return the metric to decode points with; ``name``: name of the series."""
        return BusinessMetric(name, self.unit, self.match, self.aggregation == "last")

    def problems(self, models: Collection[str]) -> Iterator[Problem]:
        """Yield a problem for every rule that the keys break.

        An undeclared model is allowed, because it may appear later.
        """
        if self.model not in models and nearest(self.model, [*models]):
            yield Problem("model", f"there is no model '{self.model:.80}'; {near(self.model, [*models])}")
        if self.metric is None and not self.sources:
            kinds = "".join(f", or the key '{kind}'" for kind in installed(BUSINESS_SOURCES))
            yield Problem("", f"has no source; set the key 'metric' to the name of an OTLP metric{kinds}")
        if self.metric is None and self.match:
            yield Problem(
                "match", "selects points of a metric, but no metric is set; select the rows in the query instead"
            )
        for kind, source in self.sources.items():
            yield from under(kind, source.problems())


def business_readers(
    declared: Mapping[str, Business], retention: int, clock: Callable[[], int]
) -> Iterator[BusinessReader]:
    """Yield a reader per kind of source in use, not started."""
    kinds = dict.fromkeys(kind for declared_metric in declared.values() for kind in declared_metric.sources)
    for kind in kinds:
        series = {
            name: declared_metric.sources[kind]
            for name, declared_metric in declared.items()
            if kind in declared_metric.sources
        }
        yield type(next(iter(series.values()))).reader(series, retention, clock)
