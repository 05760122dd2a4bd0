"""The options that describe a model and its columns, each defined once for all commands and for Python.

A field of a class of options with an :class:`Option` is an option of the command line (``--text-features a,b``), and
for :class:`~driftline_processor.evaluation.files.evaluate_options.EvaluationOptions` also a keyword argument of
``driftline.evaluate`` (``text_features=["a", "b"]``). The module imports nothing that is slow to load.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields

from driftline_processor.core.nearest_names import near, nearest

from .errors import BadInput

if TYPE_CHECKING:
    from driftline.tables.timestamps import AnySeasonality

    from .number_format import NumberFormat

NO_SEASONS = "none"
"""Value of ``seasonality`` for a comparison without seasons, even if hours and weekdays differ."""


NO_OUTCOMES = "none"
"""Value of ``actual`` if the rows have no outcomes."""


class Option(Struct, frozen=True):
    """Description of an option.

    Attributes:
        help: The meaning, in a sentence without its full stop.
        metavar: The form of a value on the command line, "" for a flag.
        repeated: Whether the command line takes one value at a time. Otherwise a list has commas.
        values: Whether Python takes numbers and booleans, too, such as classes.
    """

    help: str
    metavar: str = ""
    repeated: bool = False
    values: bool = False


class OptionField(NamedTuple):
    """An option with the name, the type and the default of its field."""

    name: str
    kind: Any
    default: Any
    option: Option

    @property
    def listed(self) -> bool:
        """Whether the option has several values."""
        return get_origin(self.kind) is tuple


class Options(Struct, frozen=True):
    """The options of a command: each field is annotated with its :class:`Option`."""


def options_of(model: type[Options]) -> dict[str, OptionField]:
    """Return the options of a class by name.

    >>> options_of(ColumnOptions)["score"].option.metavar
    'COL[,COL]'
    """
    hints = get_type_hints(model, include_extras=True)
    described = {name: get_args(hint) for name, hint in hints.items() if get_origin(hint) is Annotated}
    defaults = {field.name: field.default for field in fields(model)}
    return {
        name: OptionField(name, kind, defaults[name], option)
        for name, (kind, option, *_) in described.items()
        if name in defaults
    }


def listed_names(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas. As in a CSV, a name that contains a comma is in double quotes.

    >>> listed_names("age, plan,"), listed_names('"age, in years",plan')
    (('age', 'plan'), ('age, in years', 'plan'))
    """
    rows = csv.reader(text.splitlines(keepends=True), skipinitialspace=True)
    return tuple(name.strip() for row in rows for name in row if name.strip())


def near_listed(name: str, names: Sequence[str]) -> str:
    """Return the suggestion for an unknown name of a list; it shows how a name with a comma is written.

    >>> print(near_listed("age", ["age, in years", "plan"]))
    did you mean 'age, in years'? In a list, a name with a comma is in double quotes: "age, in years"
    """
    with_comma = next((f'"{match}"' for match in nearest(name, names) if "," in match), "")
    quoting = f" In a list, a name with a comma is in double quotes: {with_comma}" if with_comma else ""
    return near(name, names) + quoting


Threshold = Annotated[
    float | None, Option("The positive class is predicted if the score is at least this threshold", "T")
]


class ColumnOptions(Options, frozen=True):
    """The model and its columns; empty means the default."""

    model: Annotated[str, Option("Name of the model", "NAME")] = ""
    version: Annotated[str, Option("Version of the model", "V")] = ""
    task: Annotated[str, Option("What the model predicts", "binary|multiclass|regression|ranking")] = ""
    score: Annotated[
        tuple[str, ...], Option("Column of the score. For a multiclass model, give one column per class", "COL[,COL]")
    ] = ()
    predicted: Annotated[str, Option("Column of the predicted class or value", "COL")] = ""
    actual: Annotated[
        str, Option("Column of the outcome (what really happened), or 'none' if the rows have no outcomes", "COL")
    ] = ""
    time: Annotated[str, Option("Column of the time of the prediction", "COL")] = ""
    id: Annotated[str, Option("Column of the prediction id, by which outcomes are joined", "COL")] = ""
    classes: Annotated[tuple[str, ...], Option("Classes, in the order of the score columns", "X,Y", values=True)] = ()
    positive_class: Annotated[str, Option("The score is the probability of this class", "X", values=True)] = ""
    threshold: Threshold = None
    quantiles: Annotated[
        tuple[str, ...],
        Option(
            "Levels of the quantiles that a regression predicts, in the order of the score columns",
            "0.1,0.5,0.9",
            values=True,
        ),
    ] = ()
    features: Annotated[
        tuple[str, ...], Option("Columns that are features. Default: all other columns", "COL,COL")
    ] = ()
    text_features: Annotated[
        tuple[str, ...],
        Option(
            "Features that contain free text, or 'none'. Default: these features are detected from their values",
            "COL,COL",
        ),
    ] = ()
    category_features: Annotated[
        tuple[str, ...],
        Option(
            "Numeric features whose values are categories, such as codes, or 'none'. Default: these features are "
            "detected automatically",
            "COL,COL",
        ),
    ] = ()
    slices: Annotated[
        tuple[str, ...],
        Option("Columns whose values are also evaluated separately, such as a country or a plan", "COL,COL"),
    ] = ()
    seasonality: Annotated[
        str,
        Option(
            "Compare only with baseline rows of the same hour, weekday or hour of the week. 'none' compares with all "
            "baseline rows. Default: the seasons that were found in the baseline",
            "hour|weekday|hour_of_week|none",
        ),
    ] = ""
    timezone: Annotated[
        str,
        Option(
            "Time zone of days and hours, such as 'Europe/Paris'. Default: the time zone of the baseline, "
            "otherwise UTC",
            "ZONE",
        ),
    ] = ""
    ignore_time: Annotated[
        bool, Option("Treat the baseline rows as independent, and ignore differences between days and hours")
    ] = False
    items: Annotated[
        str, Option("Column of the ranked items, best first. Each value is a list, or a list written as JSON", "COL")
    ] = ""
    version_column: Annotated[
        str,
        Option("Column of the version that made the prediction. If there are outcomes, versions are compared", "COL"),
    ] = ""
    latency: Annotated[
        str, Option("Column of the duration of the call in seconds, or in milliseconds if the name ends in _ms", "COL")
    ] = ""
    error: Annotated[
        str, Option("Column of the error of the call. The value is empty, 0 or false if the call succeeded", "COL")
    ] = ""
    decimal: Annotated[str, Option("Decimal mark of numbers in a CSV: '.' or ','. Default: '.'", "MARK")] = ""
    thousands: Annotated[
        str, Option("Mark between thousands in a CSV: comma, point, space or apostrophe. Default: none", "MARK")
    ] = ""
    date_format: Annotated[
        str,
        Option(
            "Format of times, such as '%d/%m/%Y'. Default: ISO 8601, unix times, or the format that is found from the "
            "values",
            "FORMAT",
        ),
    ] = ""
    cluster: Annotated[
        str,
        Option("Rows with the same value in this column are dependent, such as rows of one customer or machine", "COL"),
    ] = ""

    @property
    def number_format(self) -> NumberFormat:
        """The format of numbers and times in CSV files. Raises :class:`BadInput` for one that is not supported."""
        from .number_format import NumberFormat

        return NumberFormat.of(self.decimal, self.thousands, self.date_format)

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles that a regression predicts. Raises :class:`BadInput` if they are invalid."""
        from driftline.tables.classes import quantile_levels

        try:
            return quantile_levels(self.task or "regression", [float(level) for level in self.quantiles])
        except ValueError as error:
            raise BadInput(str(error), "quantiles") from error

    @property
    def seasons(self) -> AnySeasonality | None:
        """The seasons of the rows, or that they are to be found; None = no seasons.

        Raises :class:`BadInput` for an unknown season or time zone.
        """
        from driftline.tables.timestamps import KINDS, Seasonality, UnknownSeasonality

        from driftline_processor.core.windows.window import time_zone

        if self.seasonality not in ("", NO_SEASONS, *KINDS):
            raise BadInput(f"'{self.seasonality}' must be {', '.join(KINDS)} or {NO_SEASONS}", "seasonality")
        zone = self.timezone or "UTC"
        try:
            time_zone(zone)
        except ValueError as error:
            raise BadInput(str(error), "timezone") from error
        if self.seasonality == NO_SEASONS or self.ignore_time:
            return None
        return Seasonality(self.seasonality, zone) if self.seasonality in KINDS else UnknownSeasonality(zone)

    @property
    def names_seasons(self) -> bool:
        """Whether the seasons are declared, so that rows must have times."""
        return self.seasonality not in ("", NO_SEASONS) and not self.ignore_time
