"""Write the Grafana dashboards of otel-config/grafana and what provisions them, from the registry of telemetry names.

python -m scripts.generate_dashboards            write them
python -m scripts.generate_dashboards --check    exit 1 where one differs

Each dashboard is a function at the end of this file. Names, units and descriptions of metrics are those of the
registry. A value that nobody knows is a series that is not there: no query puts a number in its place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import yaml
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline_processor.core.concept.result import ConceptState
from driftline_processor.core.estimate.track_record import Standing
from driftline_processor.core.evaluation import BaselineComparison, Judgement, State
from driftline_processor.core.verdict.states import ORDER
from grafana_foundation_sdk.builders import common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.builders import prometheus as prom
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as styles
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from scripts.generated import ROOT, write_or_check

FOLDER = ROOT / "otel-config" / "grafana"

BAD, WARNING, GOOD, UNSURE, QUIET, SPECIAL = "#D55E00", "#E69F00", "#0072B2", "#8C8C8C", "#BFBFBF", "#CC79A7"
"""Colours of Okabe and Ito, which people tell apart who see no red or no green."""

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
PAGES: Final = "http://127.0.0.1:8780"
"""Where the pages of Driftline are, unless somebody edits the files."""

WIDTH: Final = 24
"""Columns of Grafana's grid."""


def label(attribute: str) -> str:
    """Return the label of Prometheus that an attribute becomes.

    >>> label(a.ML_MODEL_NAME)
    'ml_model_name'
    """
    return attribute.replace(".", "_")


MODEL, VERSION, ENVIRONMENT = map(label, (a.ML_MODEL_NAME, a.ML_MODEL_VERSION, a.DEPLOYMENT_ENVIRONMENT_NAME))
WINDOW, FEATURE, METRIC = map(label, (a.DRIFTLINE_WINDOW, a.DRIFTLINE_FEATURE_NAME, a.DRIFTLINE_PERFORMANCE_METRIC))
OBJECTIVE, TARGET, METHOD = map(label, (a.DRIFTLINE_OBJECTIVE_RULE, a.DRIFTLINE_DRIFT_COLUMN, a.DRIFTLINE_DRIFT_METHOD))
DRIFT_SLICE, SLICE, STATE = map(label, (a.DRIFTLINE_DRIFT_SLICE, a.DRIFTLINE_PERFORMANCE_SLICE, a.DRIFTLINE_STATE))
TEAM, TIER, REASON = map(label, (a.DRIFTLINE_MODEL_TEAM, a.DRIFTLINE_MODEL_TIER, a.DRIFTLINE_REASON))
KEY = (MODEL, VERSION, ENVIRONMENT)
"""The labels that tell one model from another."""

IN_ENVIRONMENT = (f'{ENVIRONMENT}=~"$environment"',)
OF_MODEL = (*IN_ENVIRONMENT, f'{MODEL}="$model"', f'{VERSION}=~"$version"')
IN_WINDOW = (*OF_MODEL, f'{WINDOW}="$window"')


class Query(NamedTuple):
    """A question to Prometheus.

    Attributes:
        expression: In PromQL.
        legend: What a series is called, with labels in double braces.
        colour: Of all its series; "" = shades of blue.
        dashed: Whether its line is dashed: a bound, or something to compare with.
        bound: Whether it is an end of an interval, which the legend leaves out.
        exemplars: Whether traces are shown on it.
    """

    expression: str
    legend: str = ""
    colour: str = ""
    dashed: bool = False
    bound: bool = False
    exemplars: bool = False


class Choice(NamedTuple):
    """A state: its name in telemetry, and its colour."""

    name: str
    colour: str


VERDICT_COLOURS = {
    "degraded": BAD,
    "no_data": SPECIAL,
    "lagging": UNSURE,
    "at_risk": WARNING,
    "unknown": QUIET,
    "healthy": GOOD,
}
VERDICTS = tuple(Choice(state, VERDICT_COLOURS[state]) for state in ORDER)
"""The states of a model, the one that somebody should look at first before the others."""

_DRIFT_COLOURS = {
    "drift": BAD,
    "inconclusive": UNSURE,
    "unknown": UNSURE,
    "learning": UNSURE,
    "unconfirmed": UNSURE,
    "no_baseline": QUIET,
    "within_normal_variation": WARNING,
    "ok": GOOD,
}
DRIFTS = tuple(
    Choice(name, colour) for name, colour in _DRIFT_COLOURS.items() if name in get_args(State) + get_args(ConceptState)
)
"""The states of drift, the worst first."""

_JUDGED = {"broken": BAD, "inconclusive": UNSURE, "met": GOOD}
JUDGEMENTS = tuple(Choice(name, _JUDGED[name]) for name in sorted(get_args(Judgement), key=list(_JUDGED).index))
_COMPARED = {"worse": BAD, "inconclusive": UNSURE, "not_worse": GOOD}
COMPARISONS = tuple(
    Choice(name, _COMPARED[name]) for name in sorted(get_args(BaselineComparison), key=list(_COMPARED).index)
)
_STANDINGS = {"failed": BAD, "alert": WARNING, "ok": GOOD}
STANDINGS = tuple(Choice(name, _STANDINGS[name]) for name in sorted(get_args(Standing), key=list(_STANDINGS).index))


def series(metric: str, matchers: Iterable[str] = (), suffix: str = "", **equal: str) -> str:
    """Return a selector of a metric's series.

    Args:
        metric: Its name in the registry.
        matchers: As PromQL writes them.
        suffix: Of a histogram, ``_bucket`` and the like.
        equal: Label → its value.

    >>> series(m.DRIFTLINE_MODEL_STATUS, ['job="a"'], driftline_state="degraded")
    'driftline_model_status{job="a",driftline_state="degraded"}'
    """
    written = ",".join([*matchers, *(f'{name}="{value}"' for name, value in equal.items())])
    return m.INSTRUMENTS[metric].prometheus + suffix + (f"{{{written}}}" if written else "")


def worst(of: str, by: Sequence[str], choices: Sequence[Choice]) -> str:
    """Return a query whose value is the place of the worst state that holds: the worse, the greater.

    Args:
        of: A selector of a metric of states, without the state.
        by: The labels that are kept.
        choices: The states, the worst first.

    >>> worst('up{job="a"}', ["ml_model_name"], [Choice("drift", ""), Choice("ok", "")])
    'max by (ml_model_name) (2 * up{job="a",driftline_state="drift"} or 1 * up{job="a",driftline_state="ok"})'
    """
    opened = of.removesuffix("}") + ("," if of.endswith("}") else "{")
    parts = [f'{place} * {opened}{STATE}="{one.name}"}}' for place, one in places(choices)]
    return f"max by ({', '.join(by)}) ({' or '.join(parts)})"


def places(choices: Sequence[Choice]) -> list[tuple[int, Choice]]:
    """Return each state with its place, of which the greatest is the worst.

    >>> places([Choice("degraded", ""), Choice("healthy", "")])
    [(2, Choice(name='degraded', colour='')), (1, Choice(name='healthy', colour=''))]
    """
    return [(len(choices) - at, one) for at, one in enumerate(choices)]


def mappings(choices: Sequence[Choice]) -> list[Any]:
    """Return how places of states are shown: in words and colours."""
    shown = {
        str(place): models.ValueMappingResult(text=one.name.replace("_", " "), color=one.colour, index=at)
        for at, (place, one) in enumerate(places(choices))
    }
    return [models.ValueMap(options=shown)]


UNITS: Final[Mapping[str, str]] = {"s": "s", "By": "bytes", "1": "percentunit"}
"""Unit in the registry → unit in Grafana. All others count something, and are plain numbers."""


def unit_of(metric: str) -> str:
    """Return Grafana's name of a metric's unit.

    >>> unit_of(m.DRIFTLINE_OUTCOME_COVERAGE), unit_of(m.DRIFTLINE_DRIFT_VALUE)
    ('percentunit', 'short')
    """
    return UNITS.get(m.INSTRUMENTS[metric].unit, "short")


def equal(attribute: str, value: str) -> dict[str, str]:
    """Return what :func:`series` is told for a label to have one value.

    >>> series(m.DRIFTLINE_DRIFT_VALUE, **equal(a.DRIFTLINE_DRIFT_COLUMN, "score"))
    'driftline_drift_value{driftline_drift_column="score"}'
    """
    return {label(attribute): value}


ALL_ROWS, WHOLE = equal(a.DRIFTLINE_DRIFT_SLICE, ""), equal(a.DRIFTLINE_PERFORMANCE_SLICE, "")
"""No slice: of drift, and of performance and calls."""

ALL_ALIKE = equal(a.DRIFTLINE_DRIFT_WEIGHTING, "none")
OF_FEATURE = equal(a.DRIFTLINE_DRIFT_COLUMN, "feature")
PSI = equal(a.DRIFTLINE_DRIFT_METHOD, "psi")


def rate(selector: str, by: Sequence[str]) -> str:
    """Return how much a counter grows in a second.

    >>> rate("up", ["job"])
    'sum by (job) (rate(up[$__rate_interval]))'
    """
    return f"sum by ({', '.join(by)}) (rate({selector}[$__rate_interval]))"


_OF_EXPORTS = "2m"
"""Of a service that exports its metrics every minute, as OpenTelemetry does without a setting."""

ABSENT: Final = "No line: the value is unknown."


def told(metric: str, more: str = "") -> str:
    """Return what a panel of one metric says of itself."""
    return " ".join(filter(None, (m.DESCRIPTIONS[metric], more, ABSENT)))


DRIFT_VALUES: Final = {m.DRIFTLINE_DRIFT_VALUE: "", m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE: " so far"}
"""The metrics of drift values → what the legend adds: "" for closed windows, " so far" for the open one."""

SO_FAR: Final = "Dashed: the open window so far, which no verdict or alert uses."


class Board:
    """A dashboard in the making: panels get their ids in order, and stand side by side until a line is full."""

    def __init__(self, name: str, title: str, description: str) -> None:
        self.name = name
        self._id = 0
        self._made = (
            grafana.Dashboard(f"Driftline: {title}")
            .uid(f"driftline-{name}")
            .description(description)
            .tags(["driftline"])
            .readonly()
            .refresh("1m")
            .time("now-7d", "now")
            .timezone("browser")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .with_variable(grafana.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
            .with_variable(grafana.ConstantVariable("driftline_url").value(PAGES))
            .link(
                grafana.DashboardLink("Driftline dashboards")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags(["driftline"])
                .include_vars(True)
                .keep_time(True)
            )
        )

    def link(self, title: str, url: str) -> None:
        """Add a link to the head."""
        self._made.link(
            grafana.DashboardLink(title)
            .type(models.DashboardLinkType.LINK)
            .icon("external link")
            .url(url)
            .target_blank(True)
        )

    def variable(
        self, name: str, title: str, query: str, *, everything: str = "", several: bool = True, pattern: str = ""
    ) -> None:
        """Add a variable that Prometheus is asked for.

        Args:
            name: As queries write it.
            title: As people read it.
            query: Which values there are.
            everything: What stands for all values; "" = one has to be chosen.
            several: Whether several values may be chosen.
            pattern: Regular expression of the value in a series; then the values stay in the order of the series.
        """
        made = (
            grafana.QueryVariable(name)
            .label(title)
            .datasource(SOURCE)
            .query({"query": query, "refId": name})
            .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(models.VariableSort.DISABLED if pattern else models.VariableSort.ALPHABETICAL_ASC)
        )
        if pattern:
            made.regex(pattern)
        if everything:
            made.include_all(True).all_value(everything).multi(several)
            every: str | list[str] = ["$__all"] if several else "$__all"
            made.current(models.VariableOption(True, ["All"] if several else "All", every))
        self._made.with_variable(made)

    def annotation(self, title: str, expression: str, colour: str) -> None:
        """Mark stretches of time in which a query has a value."""
        self._made.annotation(
            grafana.AnnotationQuery().name(title).datasource(SOURCE).enable(True).icon_color(colour).expr(expression)
        )

    def row(self, title: str) -> None:
        """Begin a new line of panels under a title."""
        self._id += 1
        self._made.with_row(grafana.Row(title).id(self._id))

    def _finish(self, panel: Any, title: str, what: str, size: tuple[int, int], links: Links, no_value: str) -> None:
        self._id += 1
        width, height = size
        panel.id(self._id).title(title).description(what).datasource(SOURCE).span(width).height(height)
        panel.no_value(no_value).data_links([_link(name, url) for name, url in links.items()])
        self._made.with_panel(panel)

    def lines(
        self,
        title: str,
        what: str,
        queries: Sequence[Query],
        unit: str,
        *,
        size: tuple[int, int] = (12, 8),
        most: float | None = None,
        least: float | None = 0.0,
        repeat: str = "",
        links: Links | None = None,
        every: str = "",
    ) -> None:
        """Draw values over time, as steps: each holds until the next window.

        Args:
            title: Of the panel.
            what: What is seen, in plain words.
            queries: The lines.
            unit: Of the values, as Grafana names it.
            size: Columns of 24, and height.
            most: The upper end of the axis; None = as the values need.
            least: The lower end of the axis; None = as the values need.
            repeat: The variable for each of whose values the panel is drawn; "" = it is drawn once.
            links: Where a click on a value leads; None = to the model's page.
            every: The shortest interval of a rate, twice that at which its counter is sent; "" = by the scrapes.
        """
        panel = (
            timeseries.Panel()
            .unit(unit)
            .draw_style(styles.GraphDrawStyle.LINE)
            .line_interpolation(styles.LineInterpolation.STEP_AFTER)
            .line_width(2)
            .show_points(styles.VisibilityMode.AUTO)
            .span_nulls(False)
            .color_scheme(grafana.FieldColor().mode(models.FieldColorModeId.SHADES).fixed_color(GOOD))
            .legend(
                common.VizLegendOptions()
                .display_mode(styles.LegendDisplayMode.LIST)
                .placement(styles.LegendPlacement.BOTTOM)
                .show_legend(True)
                .calcs(["lastNotNull"])
            )
            .tooltip(common.VizTooltipOptions().mode(styles.TooltipDisplayMode.MULTI))
        )
        if most is not None:
            panel.max(most)
        if least is not None:
            panel.axis_soft_min(least)
        for name, query in zip("ABCDEFGH", queries, strict=False):
            panel.with_target(_target(query, name).range())
            style = []
            if query.colour:
                style.append(models.DynamicConfigValue("color", {"mode": "shades", "fixedColor": query.colour}))
            if query.bound:
                hidden = {"legend": True, "tooltip": False, "viz": False}
                style.append(models.DynamicConfigValue("custom.hideFrom", hidden))
            if query.dashed or query.bound:
                style.append(models.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [6, 4]}))
                style.append(models.DynamicConfigValue("custom.lineWidth", 1))
            if style:
                panel.override_by_query(name, style)
        if repeat:
            panel.repeat(repeat).repeat_direction("h")
        if every:
            panel.interval(every)
        self._finish(panel, title, what, size, PAGE_OF_MODEL if links is None else links, "not known")

    def states(
        self,
        title: str,
        what: str,
        query: Query,
        shown: Sequence[Choice],
        *,
        size: tuple[int, int] = (24, 5),
        links: Links | None = None,
    ) -> None:
        """Draw which state held when; ``query`` is one of :func:`worst`."""
        panel = (
            statetimeline.Panel()
            .with_target(_target(query, "A").range())
            .mappings(mappings(shown))
            .color_scheme(grafana.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(UNSURE))
            .show_value(styles.VisibilityMode.AUTO)
            .merge_values(True)
            .row_height(0.85)
            .line_width(0)
            .fill_opacity(85)
            .legend(
                common.VizLegendOptions()
                .display_mode(styles.LegendDisplayMode.LIST)
                .placement(styles.LegendPlacement.BOTTOM)
                .show_legend(True)
            )
        )
        self._finish(panel, title, what, size, PAGE_OF_MODEL if links is None else links, "not known")

    def stats(
        self,
        title: str,
        what: str,
        query: Query,
        *,
        unit: str = "short",
        size: tuple[int, int] = (6, 4),
        shown: Sequence[Choice] = (),
        by_name: Sequence[Choice] = (),
        links: Links | None = None,
        no_value: str = "not known",
    ) -> None:
        """Show the newest values as large numbers, or words.

        Args:
            title: Of the panel.
            what: What is seen, in plain words.
            query: The numbers.
            unit: Of the numbers, as Grafana names it.
            size: Columns of 24, and height.
            shown: The states that the numbers stand for.
            by_name: The colours of series that are called like a state.
            links: Where a click leads; None = to the model's page.
            no_value: What is said where there is none.
        """
        panel = (
            stat.Panel()
            .unit(unit)
            .with_target(_target(query, "A").instant())
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .graph_mode(styles.BigValueGraphMode.NONE)
            .color_mode(
                styles.BigValueColorMode.BACKGROUND_SOLID if shown or by_name else styles.BigValueColorMode.NONE
            )
            .text_mode(styles.BigValueTextMode.VALUE_AND_NAME if by_name else styles.BigValueTextMode.AUTO)
            .color_scheme(grafana.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(UNSURE))
        )
        if shown:
            panel.mappings(mappings(shown))
        for one in by_name:
            colour = models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": one.colour})
            name = models.DynamicConfigValue("displayName", one.name.replace("_", " "))
            panel.override_by_name(one.name, [colour, name])
        self._finish(panel, title, what, size, PAGE_OF_MODEL if links is None else links, no_value)

    def table(
        self,
        title: str,
        what: str,
        columns: Mapping[str, Query],
        labels: Mapping[str, str],
        *,
        states: Mapping[str, Sequence[Choice]],
        units: Mapping[str, str],
        links: Mapping[str, Links],
        size: tuple[int, int] = (24, 12),
    ) -> None:
        """Show what is known now as a table, a row for each combination of labels; ordered by the first column.

        Args:
            title: Of the panel.
            what: What is seen, in plain words.
            columns: Name of a column → the query of its numbers.
            labels: Label → the name of its column.
            states: Column → the states that its numbers stand for.
            units: Column → unit, as Grafana names it.
            links: Column → where a click on it leads.
            size: Columns of 24, and height.
        """
        first = next(iter(columns))
        names = dict(zip("ABCDEFGH", columns, strict=False))
        panel = (
            table.Panel()
            .show_header(True)
            .sort_by([common.TableSortByFieldState().display_name(first).desc(True)])
            .color_scheme(grafana.FieldColor().mode(models.FieldColorModeId.FIXED).fixed_color(UNSURE))
        )
        for reference, column in names.items():
            panel.with_target(_target(columns[column], reference).instant().format(PromQueryFormat.TABLE))
        # Grafana names the columns of several queries by letters, but not one that alone got an answer.
        numbers = {f"Value #{each}": column for each, column in names.items()}
        order = ["Value", "Value #A", *labels, *list(numbers)[1:]]
        panel.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
        panel.with_transformation(
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {"Time": True, "job": True, "instance": True},
                    "indexByName": {name: at for at, name in enumerate(order)},
                    "renameByName": {"Value": first, **numbers, **labels},
                },
            )
        )
        for column in (*columns, *labels.values()):
            style = []
            if column in states:
                style.append(models.DynamicConfigValue("mappings", mappings(states[column])))
                cell = {"type": "color-background", "mode": "basic"}
                style.append(models.DynamicConfigValue("custom.cellOptions", cell))
            if column in units:
                style.append(models.DynamicConfigValue("unit", units[column]))
            if column in links:
                style.append(
                    models.DynamicConfigValue(
                        "links", [_link(name, url).build() for name, url in links[column].items()]
                    )
                )
            if style:
                panel.override_by_name(column, style)
        self._finish(panel, title, what, size, {}, "")

    def json(self) -> str:
        """Return the dashboard as Grafana reads it."""
        built = self._made.build()
        for variable in built.templating.list_val or ():
            # What leads elsewhere is in the file only: a link to the dashboard must not say where its links lead.
            if variable.type_val == models.VariableType.CONSTANT:
                variable.skip_url_sync, variable.current = True, models.VariableOption(True, PAGES, PAGES)
        return json.dumps(built, cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


Links = Mapping[str, str]
"""Title of a link → its address."""


def _link(title: str, url: str) -> grafana.DashboardLink:
    return grafana.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url).target_blank(True)


def _target(query: Query, reference: str) -> prom.Dataquery:
    made = prom.Dataquery().expr(query.expression).ref_id(reference).datasource(SOURCE)
    if query.legend:
        made.legend_format(query.legend)
    return made.exemplar(True) if query.exemplars else made


_FIELD = "${__field.labels.%s:percentencode}"
_CELL = '${__data.fields["%s"]:percentencode}'
_SAME = "${datasource:queryparam}&${__url_time_range}"


def page(model: str, version: str, environment: str, fragment: str = "") -> str:
    """Return the address of a model's page of Driftline, of what Grafana puts into it."""
    return f"${{driftline_url}}/models/{model}?version={version}&environment={environment}{fragment}"


PAGE_OF_MODEL: Links = {
    "Open in Driftline": page("${model:percentencode}", _FIELD % VERSION, _FIELD % ENVIRONMENT),
}
PAGE_OF_SERIES: Links = {
    "Open in Driftline": page(_FIELD % MODEL, _FIELD % VERSION, _FIELD % ENVIRONMENT),
    "Dashboard of the model": f"/d/driftline-model?var-model={_FIELD % MODEL}&{_SAME}",
}
PAGE_OF_ROW: Links = {
    "Dashboard of the model": f"/d/driftline-model?var-model={_CELL % 'Model'}&var-version={_CELL % 'Version'}&{_SAME}",
    "Open in Driftline": page(_CELL % "Model", _CELL % "Version", _CELL % "Environment"),
}
PAGE_OF_PROCESSOR: Links = {"Open Driftline": "${driftline_url}/"}


PAGES_OF_FEATURE: Links = {
    "Dashboard of the feature": "/d/driftline-feature?var-model=${model:percentencode}&${window:queryparam}"
    f"&var-feature={_CELL % 'Feature'}&{_SAME}",
    "Open in Driftline": page("${model:percentencode}", _CELL % "Version", ""),
}


def _environment(board: Board) -> None:
    board.variable(
        "environment", "Environment", f"label_values({series(m.DRIFTLINE_MODEL_INFO)}, {ENVIRONMENT})", everything=".*"
    )


def _model(board: Board, *, window: bool = True) -> None:
    """Add what chooses a model, each among those that fit what was chosen before."""
    _environment(board)
    known, of_model = (
        series(m.DRIFTLINE_MODEL_INFO, IN_ENVIRONMENT),
        series(m.DRIFTLINE_MODEL_INFO, (*IN_ENVIRONMENT, f'{MODEL}="$model"')),
    )
    board.variable("model", "Model", f"label_values({known}, {MODEL})", several=False)
    board.variable("version", "Version", f"label_values({of_model}, {VERSION})", everything=".*")
    if window:
        _window(board)
    board.link("Open in Driftline", "${driftline_url}/models/${model:percentencode}")


def _window(board: Board) -> None:
    """Add what chooses a length of window, those first that have closed: the panels of the others are still empty."""
    names = m.DRIFTLINE_DRIFT_STATUS, m.DRIFTLINE_OUTCOME_COVERAGE, m.DRIFTLINE_PERFORMANCE_VALUE
    named = "|".join(m.INSTRUMENTS[name].prometheus for name in names)
    closed = ",".join((f'__name__=~"{named}"', *OF_MODEL))
    still_open = series(m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE, OF_MODEL)
    counted = f"count by ({WINDOW}) ({{{closed}}}) or count by ({WINDOW}) ({still_open}) * 0"
    pattern = f'/{WINDOW}="([^"]+)"/'
    board.variable("window", "Window", f"query_result(sort_desc({counted}))", several=False, pattern=pattern)


def _verdicts(selector: str, by: Sequence[str] = KEY) -> str:
    return worst(selector, by, VERDICTS)


NAMED = f"{{{{{MODEL}}}}} {{{{{VERSION}}}}} {{{{{ENVIRONMENT}}}}}"
OF_VERSION = f"{{{{{VERSION}}}}} {{{{{ENVIRONMENT}}}}}"


def fleet() -> Board:
    """Make the dashboard of all models: which needs somebody, and does Driftline itself keep up?"""
    board = Board("fleet", "fleet", "All models: which need attention first, and whether Driftline itself keeps up.")
    _environment(board)
    for name, title, attribute in (("team", "Team", TEAM), ("tier", "Tier", TIER)):
        board.variable(
            name, title, f"label_values({series(m.DRIFTLINE_MODEL_INFO, IN_ENVIRONMENT)}, {attribute})", everything=".*"
        )
    board.link("Open Driftline", "${driftline_url}/")
    mine = series(m.DRIFTLINE_MODEL_INFO, (*IN_ENVIRONMENT, f'{TEAM}=~"$team"', f'{TIER}=~"$tier"'))
    keys = ", ".join(KEY)
    ours = f"* on ({keys}) group_left ({TEAM}, {TIER}) max by ({keys}, {TEAM}, {TIER}) ({mine})"
    states = series(m.DRIFTLINE_MODEL_STATUS, IN_ENVIRONMENT)

    board.stats(
        "Models by state",
        "How many versions of models are in each state. States without a model are not shown.",
        Query(f"count by ({STATE}) (max by ({keys}, {STATE}) ({states}) {ours})", f"{{{{{STATE}}}}}"),
        by_name=VERDICTS,
        size=(16, 4),
        links=PAGE_OF_PROCESSOR,
        no_value="no models",
    )
    board.stats(
        "Waiting windows",
        told(m.DRIFTLINE_PENDING_WINDOWS),
        Query(f"sum({series(m.DRIFTLINE_PENDING_WINDOWS)})"),
        size=(4, 4),
        links=PAGE_OF_PROCESSOR,
    )
    board.stats(
        "Evaluation lag",
        told(m.DRIFTLINE_EVALUATION_LAG),
        Query(f"max({series(m.DRIFTLINE_EVALUATION_LAG)})"),
        unit="s",
        size=(4, 4),
        links=PAGE_OF_PROCESSOR,
    )
    traffic = series(m.DRIFTLINE_PREDICTIONS, IN_ENVIRONMENT)
    board.table(
        "Models, most urgent first",
        "One row per version of a model. Click on a model for its dashboard or page. Empty cell: the value is unknown.",
        {
            "State": Query(f"{_verdicts(states)} {ours}"),
            "Predictions / s": Query(f"{rate(traffic, KEY)} and on ({keys}) {mine}"),
            "Drifted features": Query(
                f"max by ({keys}) ({series(m.DRIFTLINE_DRIFT_FRACTION, IN_ENVIRONMENT, **ALL_ROWS, **ALL_ALIKE)})"
                f" and on ({keys}) {mine}"
            ),
            "Known outcomes": Query(
                f"max by ({keys}) ({series(m.DRIFTLINE_OUTCOME_COVERAGE, IN_ENVIRONMENT)}) and on ({keys}) {mine}"
            ),
            "Arrived rows": Query(
                f"max by ({keys}) ({series(m.DRIFTLINE_RECORD_COMPLETENESS, IN_ENVIRONMENT)}) and on ({keys}) {mine}"
            ),
        },
        {MODEL: "Model", VERSION: "Version", ENVIRONMENT: "Environment", TEAM: "Team", TIER: "Tier"},
        states={"State": VERDICTS},
        units={
            "Predictions / s": "short",
            "Drifted features": "percentunit",
            "Known outcomes": "percentunit",
            "Arrived rows": "percentunit",
        },
        links={"Model": PAGE_OF_ROW},
    )
    board.states(
        "States over time",
        told(m.DRIFTLINE_MODEL_STATUS),
        Query(f"{_verdicts(states)} {ours}", NAMED),
        VERDICTS,
        size=(24, 9),
        links=PAGE_OF_SERIES,
    )
    board.row("Traffic")
    board.lines(
        "Predictions per second",
        told(m.DRIFTLINE_PREDICTIONS),
        [Query(f"{rate(traffic, KEY)} and on ({keys}) {mine}", NAMED)],
        "short",
        links=PAGE_OF_SERIES,
    )
    failures = series(m.DRIFTLINE_PREDICTION_FAILURES, IN_ENVIRONMENT)
    board.lines(
        "Failed calls per second",
        told(m.DRIFTLINE_PREDICTION_FAILURES),
        [Query(f"{rate(failures, KEY)} and on ({keys}) {mine}", NAMED, BAD)],
        "short",
        links=PAGE_OF_SERIES,
    )
    board.lines(
        "Fraction of predictions whose rows arrive",
        told(m.DRIFTLINE_RECORD_COMPLETENESS),
        [Query(f"{series(m.DRIFTLINE_RECORD_COMPLETENESS, IN_ENVIRONMENT)} and on ({keys}) {mine}", NAMED)],
        "percentunit",
        most=1.0,
        links=PAGE_OF_SERIES,
    )
    board.lines(
        "Joined outcomes per second",
        told(m.DRIFTLINE_JOINED_OUTCOMES),
        [Query(f"sum(rate({series(m.DRIFTLINE_JOINED_OUTCOMES)}[$__rate_interval]))", "outcomes")],
        "short",
        links=PAGE_OF_PROCESSOR,
    )
    board.row("Does Driftline keep up?")
    board.lines(
        "Evaluation lag by window length",
        told(m.DRIFTLINE_EVALUATION_LAG),
        [Query(f"max by ({WINDOW}) ({series(m.DRIFTLINE_EVALUATION_LAG)})", f"windows of {{{{{WINDOW}}}}}")],
        unit_of(m.DRIFTLINE_EVALUATION_LAG),
        links=PAGE_OF_PROCESSOR,
    )
    board.lines(
        "Waiting windows and outcomes",
        f"{m.DESCRIPTIONS[m.DRIFTLINE_PENDING_WINDOWS]} {told(m.DRIFTLINE_PENDING_OUTCOMES)}",
        [
            Query(f"sum({series(m.DRIFTLINE_PENDING_WINDOWS)})", "windows"),
            Query(f"sum({series(m.DRIFTLINE_PENDING_OUTCOMES)})", "outcomes", WARNING),
        ],
        "short",
        links=PAGE_OF_PROCESSOR,
    )
    board.lines(
        "Longest wait",
        f"{m.DESCRIPTIONS[m.DRIFTLINE_PENDING_WINDOW_AGE]} {told(m.DRIFTLINE_PENDING_OUTCOME_AGE)}",
        [
            Query(f"max({series(m.DRIFTLINE_PENDING_WINDOW_AGE)})", "window"),
            Query(f"max({series(m.DRIFTLINE_PENDING_OUTCOME_AGE)})", "outcome", WARNING),
        ],
        "s",
        links=PAGE_OF_PROCESSOR,
    )
    board.lines(
        "Stored and rejected rows per second",
        f"{m.DESCRIPTIONS[m.DRIFTLINE_RECEIVED_ROWS]} {told(m.DRIFTLINE_REJECTED_ROWS)}",
        [
            Query(f"sum(rate({series(m.DRIFTLINE_RECEIVED_ROWS)}[$__rate_interval]))", "kept"),
            Query(rate(series(m.DRIFTLINE_REJECTED_ROWS), [REASON]), f"{{{{{REASON}}}}}", BAD),
            Query(
                rate(series(m.DRIFTLINE_LIMITED_ROWS), [label(a.DRIFTLINE_LIMIT)]),
                f"beyond {{{{{label(a.DRIFTLINE_LIMIT)}}}}}",
                WARNING,
            ),
        ],
        "short",
        links=PAGE_OF_PROCESSOR,
    )
    destination = label(a.DRIFTLINE_DESTINATION)
    board.lines(
        "Waiting bytes",
        f"{m.DESCRIPTIONS[m.DRIFTLINE_LOG_SIZE]} {told(m.DRIFTLINE_ANALYSIS_QUEUE_SIZE)}",
        [
            Query(f"sum({series(m.DRIFTLINE_LOG_SIZE)})", "log"),
            Query(f"sum({series(m.DRIFTLINE_ANALYSIS_QUEUE_SIZE)})", "to be stored", WARNING),
            Query(
                f"sum by ({destination}) ({series(m.DRIFTLINE_FORWARD_QUEUE_SIZE)})",
                f"to {{{{{destination}}}}}",
                UNSURE,
            ),
        ],
        unit_of(m.DRIFTLINE_LOG_SIZE),
        links=PAGE_OF_PROCESSOR,
    )
    return board


def model() -> Board:
    """Make the dashboard of one model: whether it is right, and if not, since when and why."""
    board = Board("model", "model", "One model: its state, and the changes of its inputs, score, outcomes and calls.")
    _model(board)
    board.annotation("Drift incident", f"max({series(m.DRIFTLINE_DRIFT_INCIDENT, IN_WINDOW)}) == 1", WARNING)
    state = _verdicts(series(m.DRIFTLINE_MODEL_STATUS, OF_MODEL))
    board.stats("State", told(m.DRIFTLINE_MODEL_STATUS), Query(state, OF_VERSION), shown=VERDICTS, size=(6, 5))
    board.states("State over time", told(m.DRIFTLINE_MODEL_STATUS), Query(state, OF_VERSION), VERDICTS, size=(18, 5))
    measured = f"{{{{{METRIC}}}}} {{{{{VERSION}}}}}"
    value = series(m.DRIFTLINE_PERFORMANCE_VALUE, IN_WINDOW, **WHOLE)
    board.lines(
        "Performance",
        told(m.DRIFTLINE_PERFORMANCE_VALUE, "Grey dashes: the baseline. Blue dashes: the ends of the interval."),
        [
            Query(value, measured),
            Query(series(m.DRIFTLINE_PERFORMANCE_REFERENCE, IN_WINDOW), f"baseline {measured}", UNSURE, dashed=True),
            Query(series(m.DRIFTLINE_PERFORMANCE_LOW, IN_WINDOW), f"low {measured}", bound=True),
            Query(series(m.DRIFTLINE_PERFORMANCE_HIGH, IN_WINDOW), f"high {measured}", bound=True),
        ],
        "short",
        least=None,
    )
    board.states(
        "Worse than the baseline?",
        told(m.DRIFTLINE_PERFORMANCE_STATUS),
        Query(worst(series(m.DRIFTLINE_PERFORMANCE_STATUS, IN_WINDOW), (METRIC, VERSION), COMPARISONS), measured),
        COMPARISONS,
        size=(12, 8),
    )
    board.row("Drift")
    board.lines(
        "Drifted features",
        told(m.DRIFTLINE_DRIFT_FRACTION),
        [
            Query(
                series(m.DRIFTLINE_DRIFT_FRACTION, IN_WINDOW, **ALL_ROWS, **ALL_ALIKE),
                f"all features equally {OF_VERSION}",
            ),
            Query(
                series(
                    m.DRIFTLINE_DRIFT_FRACTION,
                    IN_WINDOW,
                    **ALL_ROWS,
                    **equal(a.DRIFTLINE_DRIFT_WEIGHTING, "importance"),
                ),
                f"by importance {OF_VERSION}",
                WARNING,
            ),
        ],
        "percentunit",
        most=1.0,
    )
    board.lines(
        "Shift of the score",
        told(m.DRIFTLINE_DRIFT_VALUE, f"PSI of the score and of the predicted class. {SO_FAR}"),
        [
            Query(
                series(metric, IN_WINDOW, **ALL_ROWS, **PSI, **equal(a.DRIFTLINE_DRIFT_COLUMN, column)),
                f"{column}{so_far} {OF_VERSION}",
                colour,
                dashed=bool(so_far),
            )
            for metric, so_far in DRIFT_VALUES.items()
            for column, colour in (("score", ""), ("class", WARNING))
        ],
        "short",
    )
    drifting = worst(
        series(m.DRIFTLINE_DRIFT_STATUS, (*IN_WINDOW, f'{TARGET}!="feature"'), **ALL_ROWS),
        (TARGET, METHOD, VERSION),
        DRIFTS,
    )
    board.states(
        "Score, class and features together",
        told(m.DRIFTLINE_DRIFT_STATUS),
        Query(drifting, f"{{{{{TARGET}}}}} {{{{{METHOD}}}}} {{{{{VERSION}}}}}"),
        DRIFTS,
        size=(12, 6),
    )
    concept = (*OF_MODEL, f'{TARGET}="concept"', f'{DRIFT_SLICE}=""')
    board.states(
        "Errors (concept drift)",
        "Whether the errors of the model increased, from the stream of its outcomes. " + ABSENT,
        Query(worst(series(m.DRIFTLINE_DRIFT_STATUS, concept), (VERSION,), DRIFTS), f"errors {{{{{VERSION}}}}}"),
        DRIFTS,
        size=(12, 6),
    )
    board.table(
        "Features, largest drift first",
        told(
            m.DRIFTLINE_DRIFT_VALUE,
            "PSI of each feature in the newest closed window. Click on a feature for its dashboard.",
        ),
        {
            "PSI": Query(
                f"max by ({FEATURE}, {VERSION}) "
                f"({series(m.DRIFTLINE_DRIFT_VALUE, IN_WINDOW, **ALL_ROWS, **OF_FEATURE, **PSI)})"
            ),
            "State": Query(
                worst(
                    series(m.DRIFTLINE_DRIFT_STATUS, IN_WINDOW, **ALL_ROWS, **OF_FEATURE),
                    (FEATURE, VERSION),
                    DRIFTS,
                )
            ),
            "Incident": Query(
                f"max by ({FEATURE}, {VERSION}) "
                f"({series(m.DRIFTLINE_DRIFT_INCIDENT, IN_WINDOW, **ALL_ROWS, **OF_FEATURE)})"
            ),
        },
        {FEATURE: "Feature", VERSION: "Version"},
        states={"State": DRIFTS},
        units={"PSI": "short"},
        links={"Feature": PAGES_OF_FEATURE},
        size=(16, 9),
    )
    board.table(
        "Features so far, largest drift first",
        told(m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE, "PSI of each feature."),
        {
            "PSI so far": Query(
                f"max by ({FEATURE}, {VERSION}) "
                f"({series(m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE, IN_WINDOW, **ALL_ROWS, **OF_FEATURE, **PSI)})"
            ),
        },
        {FEATURE: "Feature", VERSION: "Version"},
        states={},
        units={"PSI so far": "short"},
        links={"Feature": PAGES_OF_FEATURE},
        size=(8, 9),
    )
    board.row("Calls")
    classes = label(a.ML_PREDICTION_CLASS)
    board.lines(
        "Predictions per second, by class",
        told(m.DRIFTLINE_PREDICTIONS),
        [Query(rate(series(m.DRIFTLINE_PREDICTIONS, OF_MODEL), [classes]), f"{{{{{classes}}}}}")],
        "short",
    )
    quantile = label(a.DRIFTLINE_SERVICE_QUANTILE)
    board.lines(
        "Latency by window",
        told(m.DRIFTLINE_SERVICE_LATENCY),
        [
            Query(
                series(m.DRIFTLINE_SERVICE_LATENCY, IN_WINDOW, **WHOLE),
                f"{{{{{quantile}}}}} {OF_VERSION}",
            )
        ],
        unit_of(m.DRIFTLINE_SERVICE_LATENCY),
    )
    duration = f"sum by (le) (rate({series(m.DRIFTLINE_PREDICT_DURATION, OF_MODEL, '_bucket')}[$__rate_interval]))"
    board.lines(
        "Latency now",
        told(m.DRIFTLINE_PREDICT_DURATION),
        [
            Query(f"histogram_quantile(0.5, {duration})", "median (p50)"),
            Query(f"histogram_quantile(0.99, {duration})", "p99", WARNING),
        ],
        unit_of(m.DRIFTLINE_PREDICT_DURATION),
    )
    error = label(a.ERROR_TYPE)
    board.lines(
        "Failed calls",
        told(m.DRIFTLINE_SERVICE_ERROR_RATE, m.DESCRIPTIONS[m.DRIFTLINE_PREDICTION_FAILURES]),
        [
            Query(
                series(m.DRIFTLINE_SERVICE_ERROR_RATE, IN_WINDOW, **WHOLE),
                f"fraction in a window {OF_VERSION}",
            ),
            Query(
                f"{rate(series(m.DRIFTLINE_PREDICTION_FAILURES, OF_MODEL), [error])}"
                f" / on () group_left () sum(rate({series(m.DRIFTLINE_PREDICTIONS, OF_MODEL)}[$__rate_interval]))",
                f"now, {{{{{error}}}}}",
                BAD,
            ),
        ],
        "percentunit",
    )
    board.row("Outcomes and data")
    board.lines(
        "Outcomes, with the traces of the worst mispredictions",
        told(
            m.DRIFTLINE_OUTCOMES,
            "Each point is a wrong prediction, with a link to its trace. "
            "Prometheus has to run with --enable-feature=exemplar-storage.",
        ),
        [
            Query(
                rate(series(m.DRIFTLINE_OUTCOMES, OF_MODEL), [VERSION]),
                f"outcomes per second {{{{{VERSION}}}}}",
                exemplars=True,
            )
        ],
        "short",
    )
    board.lines(
        "Known outcomes",
        told(m.DRIFTLINE_OUTCOME_COVERAGE),
        [Query(series(m.DRIFTLINE_OUTCOME_COVERAGE, IN_WINDOW), OF_VERSION)],
        "percentunit",
        most=1.0,
    )
    late = label(a.DRIFTLINE_OUTCOME_QUANTILE)
    board.lines(
        "Delay of outcomes",
        told(m.DRIFTLINE_OUTCOME_DELAY),
        [Query(series(m.DRIFTLINE_OUTCOME_DELAY, IN_WINDOW), f"{{{{{late}}}}} {OF_VERSION}")],
        unit_of(m.DRIFTLINE_OUTCOME_DELAY),
    )
    check, verdict = label(a.DRIFTLINE_QUALITY_CHECK), label(a.DRIFTLINE_STATE)
    board.lines(
        "Findings in the data",
        told(m.DRIFTLINE_QUALITY_FINDINGS, m.DESCRIPTIONS[m.DRIFTLINE_QUALITY_EXPECTATIONS]),
        [
            Query(series(m.DRIFTLINE_QUALITY_FINDINGS, IN_WINDOW), f"{{{{{check}}}}} {{{{{VERSION}}}}}"),
            Query(
                series(m.DRIFTLINE_QUALITY_EXPECTATIONS, IN_WINDOW, **equal(a.DRIFTLINE_STATE, "broken")),
                f"expectations {{{{{verdict}}}}} {{{{{VERSION}}}}}",
                BAD,
            ),
        ],
        "short",
    )
    champion = label(a.DRIFTLINE_VERSION_CHAMPION)
    beside = f"{{{{{VERSION}}}}} compared with {{{{{champion}}}}}"
    board.lines(
        "Versions: loss minus the loss of the champion",
        told(m.DRIFTLINE_VERSION_DIFFERENCE, "Below 0, the version is better; dashed: the interval."),
        [
            Query(series(m.DRIFTLINE_VERSION_DIFFERENCE, OF_MODEL), beside),
            Query(series(m.DRIFTLINE_VERSION_DIFFERENCE_LOW, OF_MODEL), f"low {beside}", bound=True),
            Query(series(m.DRIFTLINE_VERSION_DIFFERENCE_HIGH, OF_MODEL), f"high {beside}", bound=True),
        ],
        "short",
        least=None,
    )
    board.lines(
        "Fraction of predictions whose rows arrive",
        told(m.DRIFTLINE_RECORD_COMPLETENESS),
        [Query(series(m.DRIFTLINE_RECORD_COMPLETENESS, OF_MODEL), OF_VERSION)],
        "percentunit",
        most=1.0,
    )
    return board


def feature() -> Board:
    """Make the dashboard of one feature: how far it moved, where, and how much of it is missing."""
    board = Board(
        "feature",
        "feature",
        "One feature of a model: its distance from the baseline, by slice, and its missing values.",
    )
    _model(board)
    names = "|".join(
        m.INSTRUMENTS[name].prometheus for name in (m.DRIFTLINE_DRIFT_STATUS, m.DRIFTLINE_DRIFT_OPEN_WINDOW_VALUE)
    )
    having = ",".join((f'__name__=~"{names}"', *IN_WINDOW, f'{TARGET}="feature"'))
    board.variable("feature", "Feature", f"label_values({{{having}}}, {FEATURE})", several=False)
    mine = (*IN_WINDOW, f'{FEATURE}="$feature"')
    # Without a choice of slices: all rows, which have no label of a slice.
    board.variable(
        "slice", "Slice", f"label_values({series(m.DRIFTLINE_DRIFT_STATUS, mine)}, {DRIFT_SLICE})", everything="^$"
    )
    cut = (*mine, f'{DRIFT_SLICE}=~"$slice"')
    where = f"{{{{{VERSION}}}}} {{{{{ENVIRONMENT}}}}} {{{{{DRIFT_SLICE}}}}}"
    states = worst(series(m.DRIFTLINE_DRIFT_STATUS, cut), (*KEY[1:], DRIFT_SLICE), DRIFTS)
    board.annotation("Drift incident", f"max({series(m.DRIFTLINE_DRIFT_INCIDENT, cut)}) == 1", WARNING)
    board.stats("State", told(m.DRIFTLINE_DRIFT_STATUS), Query(states, where), shown=DRIFTS, size=(6, 5))
    board.states("State over time", told(m.DRIFTLINE_DRIFT_STATUS), Query(states, where), DRIFTS, size=(18, 5))
    board.lines(
        "PSI",
        told(
            m.DRIFTLINE_DRIFT_VALUE,
            f"PSI, the population stability index: the distance of the feature from the baseline. {SO_FAR}",
        ),
        [
            Query(series(metric, cut, **PSI), f"{where}{so_far}", dashed=bool(so_far))
            for metric, so_far in DRIFT_VALUES.items()
        ],
        "short",
    )
    board.lines(
        "Distance by each method",
        told(m.DRIFTLINE_DRIFT_VALUE, "One line per method; docs/reference/drift-methods.md defines the methods."),
        [Query(series(m.DRIFTLINE_DRIFT_VALUE, cut), f"{{{{{METHOD}}}}} {where}")],
        "short",
    )
    board.lines(
        "Incident",
        told(m.DRIFTLINE_DRIFT_INCIDENT),
        [Query(series(m.DRIFTLINE_DRIFT_INCIDENT, cut), where, WARNING)],
        "short",
        most=1.0,
    )
    every = (*IN_WINDOW, f'{FEATURE}="$feature"', f'{DRIFT_SLICE}!=""')
    board.states(
        "Drift by slice",
        told(m.DRIFTLINE_DRIFT_STATUS, "A slice has a line while the feature drifts there."),
        Query(
            worst(series(m.DRIFTLINE_DRIFT_STATUS, every), (VERSION, DRIFT_SLICE), DRIFTS),
            f"{{{{{DRIFT_SLICE}}}}} {{{{{VERSION}}}}}",
        ),
        DRIFTS,
        size=(12, 8),
    )
    board.row("Metrics of the service itself (they have to reach this Prometheus)")
    # The environment is an attribute of the service's resource, which some Prometheus keep off the series.
    named = (f'{MODEL}="$model"', f'{VERSION}=~"$version"')
    recorded = (*named, f'{FEATURE}="$feature"')
    made = f"sum(rate({series(m.ML_PREDICTIONS, named)}[$__rate_interval]))"
    invalid = label(a.DRIFTLINE_FEATURE_INVALID)
    board.lines(
        "Missing",
        told(m.DRIFTLINE_FEATURE_MISSING_VALUES, "As a fraction of the predictions."),
        [
            Query(
                f"{rate(series(m.DRIFTLINE_FEATURE_MISSING_VALUES, recorded), [invalid])} / on () group_left () {made}",
                f"missing {{{{{invalid}}}}}",
                WARNING,
            )
        ],
        "percentunit",
        most=1.0,
        every=_OF_EXPORTS,
    )
    category = label(a.DRIFTLINE_FEATURE_CATEGORY)
    board.lines(
        "Values per second, by category",
        told(m.DRIFTLINE_FEATURE_CATEGORIES),
        [Query(rate(series(m.DRIFTLINE_FEATURE_CATEGORIES, recorded), [category]), f"{{{{{category}}}}}")],
        "short",
        every=_OF_EXPORTS,
    )
    return board


def performance() -> Board:
    """Make the dashboard of how well a model does: measured, in the baseline, and estimated without outcomes."""
    board = Board(
        "performance",
        "performance",
        "Performance of a model: measured with its interval, in the baseline, and estimated before outcomes arrive.",
    )
    _model(board)
    measured = series(m.DRIFTLINE_PERFORMANCE_VALUE, IN_WINDOW)
    estimated = ",".join(
        (
            f'__name__=~"{m.INSTRUMENTS[m.DRIFTLINE_PERFORMANCE_VALUE].prometheus}|{m.INSTRUMENTS[m.DRIFTLINE_ESTIMATE_VALUE].prometheus}"',
            *IN_WINDOW,
        )
    )
    board.variable("metric", "Metric", f"label_values({{{estimated}}}, {METRIC})", everything=".*")
    board.variable("slice", "Slice", f"label_values({measured}, {SLICE})", everything="^$")
    named = (*IN_WINDOW, f'{METRIC}=~"$metric"')
    cut = (*named, f'{SLICE}=~"$slice"')
    of = f"{{{{{VERSION}}}}} {{{{{SLICE}}}}}"
    end = series(m.DRIFTLINE_PERFORMANCE_WINDOW_END, IN_WINDOW)
    board.stats(
        "Time since the end of the measured window",
        told(m.DRIFTLINE_PERFORMANCE_WINDOW_END),
        Query(f"time() - {end}", OF_VERSION),
        unit="s",
        size=(8, 4),
    )
    board.stats(
        "Known outcomes",
        told(m.DRIFTLINE_OUTCOME_COVERAGE),
        Query(series(m.DRIFTLINE_OUTCOME_COVERAGE, IN_WINDOW), OF_VERSION),
        unit="percentunit",
        size=(8, 4),
    )
    standing = worst(series(m.DRIFTLINE_ESTIMATE_STATUS, named), (METRIC, VERSION), STANDINGS)
    board.stats(
        "Estimates",
        told(m.DRIFTLINE_ESTIMATE_STATUS),
        Query(standing, f"{{{{{METRIC}}}}} {{{{{VERSION}}}}}"),
        shown=STANDINGS,
        size=(8, 4),
    )
    board.lines(
        "$metric",
        told(
            m.DRIFTLINE_PERFORMANCE_VALUE,
            "Blue: measured, thin dashes: its interval. Grey: the baseline. Orange: estimated without outcomes. "
            "For a slice, only the measured value is shown.",
        ),
        [
            Query(series(m.DRIFTLINE_PERFORMANCE_VALUE, cut), f"measured {of}", GOOD),
            Query(series(m.DRIFTLINE_PERFORMANCE_LOW, named), f"low {of}", GOOD, bound=True),
            Query(series(m.DRIFTLINE_PERFORMANCE_HIGH, named), f"high {of}", GOOD, bound=True),
            Query(series(m.DRIFTLINE_PERFORMANCE_REFERENCE, named), f"baseline {of}", UNSURE, dashed=True),
            Query(series(m.DRIFTLINE_ESTIMATE_VALUE, named), f"estimated {of}", WARNING),
        ],
        "short",
        least=None,
        repeat="metric",
        size=(12, 9),
    )
    board.row("States")
    metric = f"{{{{{METRIC}}}}} {{{{{VERSION}}}}}"
    board.states(
        "Worse than the baseline?",
        told(m.DRIFTLINE_PERFORMANCE_STATUS),
        Query(worst(series(m.DRIFTLINE_PERFORMANCE_STATUS, named), (METRIC, VERSION), COMPARISONS), metric),
        COMPARISONS,
        size=(12, 8),
    )
    board.states(
        "Reliability of estimates",
        told(m.DRIFTLINE_ESTIMATE_STATUS),
        Query(standing, metric),
        STANDINGS,
        size=(12, 8),
    )
    board.row("Slices")
    board.table(
        "Metrics by slice",
        told(m.DRIFTLINE_PERFORMANCE_VALUE, "The newest measured window. Lines without a slice describe all rows."),
        {"Value": Query(f"max by ({METRIC}, {SLICE}, {VERSION}) ({series(m.DRIFTLINE_PERFORMANCE_VALUE, named)})")},
        {METRIC: "Metric", SLICE: "Slice", VERSION: "Version"},
        states={},
        units={"Value": "short"},
        links={"Slice": {"Open in Driftline": page("${model:percentencode}", _CELL % "Version", "")}},
        size=(12, 9),
    )
    fair = (label(a.DRIFTLINE_FAIRNESS_ATTRIBUTE), label(a.DRIFTLINE_FAIRNESS_CRITERION), VERSION)
    board.states(
        "Fairness",
        told(m.DRIFTLINE_FAIRNESS_STATUS),
        Query(
            worst(series(m.DRIFTLINE_FAIRNESS_STATUS, IN_WINDOW), fair, JUDGEMENTS),
            " ".join(f"{{{{{each}}}}}" for each in fair),
        ),
        JUDGEMENTS,
        size=(12, 9),
    )
    return board


def objectives() -> Board:
    """Make the dashboard of objectives: which are broken, which nobody can tell, and what would tell."""
    board = Board(
        "objectives",
        "objectives",
        "Objectives and label SLA of a model: which are broken, and which are inconclusive.",
    )
    _model(board)
    keys = (METRIC, OBJECTIVE, SLICE, VERSION, ENVIRONMENT)
    told_by = f"{{{{{OBJECTIVE}}}}} {{{{{SLICE}}}}} {{{{{VERSION}}}}}"
    of = series(m.DRIFTLINE_OBJECTIVE_STATUS, IN_WINDOW)
    state = worst(of, keys, JUDGEMENTS)
    by = ", ".join(keys)
    board.stats(
        "Objectives by state",
        "How many objectives are in each state. States without an objective are not shown.",
        Query(f"count by ({STATE}) ({of})", f"{{{{{STATE}}}}}"),
        by_name=JUDGEMENTS,
        size=(12, 4),
        no_value="no objective",
    )
    agreed = worst(series(m.DRIFTLINE_OUTCOME_SLA_STATUS, IN_WINDOW), (VERSION, ENVIRONMENT), JUDGEMENTS)
    board.stats(
        "Outcomes in time",
        told(m.DRIFTLINE_OUTCOME_SLA_STATUS),
        Query(agreed, OF_VERSION),
        shown=JUDGEMENTS,
        size=(12, 4),
        no_value="no label SLA",
    )
    board.states(
        "States over time", told(m.DRIFTLINE_OBJECTIVE_STATUS), Query(state, told_by), JUDGEMENTS, size=(24, 8)
    )
    broken = series(m.DRIFTLINE_OBJECTIVE_STATUS, IN_WINDOW, **equal(a.DRIFTLINE_STATE, "broken"))
    board.table(
        "Objectives, the broken first",
        "Burn: the fraction of the time range in which the objective was broken; empty if it never was. "
        f"{m.DESCRIPTIONS[m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS]}",
        {
            "State": Query(state),
            "Burn": Query(
                f"sum by ({by}) (count_over_time({broken}[$__range])) / sum by ({by}) (count_over_time({of}[$__range]))"
            ),
            "Inconclusive windows": Query(
                f"max by ({by}) ({series(m.DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS, IN_WINDOW)})"
            ),
            "Overdue": Query(f"max by ({by}) ({series(m.DRIFTLINE_OBJECTIVE_OVERDUE, IN_WINDOW)})"),
            "Rows needed for a conclusion": Query(
                f"max by ({by}) ({series(m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS, IN_WINDOW)})"
            ),
        },
        {OBJECTIVE: "Objective", METRIC: "Metric", SLICE: "Slice", VERSION: "Version", ENVIRONMENT: "Environment"},
        states={"State": JUDGEMENTS},
        units={"Burn": "percentunit"},
        links={
            "Objective": {"Open in Driftline": page("${model:percentencode}", _CELL % "Version", _CELL % "Environment")}
        },
        size=(24, 9),
    )
    board.lines(
        "Inconclusive windows in a row",
        told(m.DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS),
        [Query(series(m.DRIFTLINE_OBJECTIVE_INCONCLUSIVE_WINDOWS, IN_WINDOW), told_by)],
        "short",
    )
    board.lines(
        "Rows needed for a conclusion",
        told(m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS),
        [Query(series(m.DRIFTLINE_OBJECTIVE_REQUIRED_ROWS, IN_WINDOW), told_by)],
        "short",
    )
    board.states(
        "Outcomes in time, by window",
        told(m.DRIFTLINE_OUTCOME_SLA_STATUS),
        Query(agreed, OF_VERSION),
        JUDGEMENTS,
        size=(24, 5),
    )
    return board


BOARDS: tuple[Callable[[], Board], ...] = (fleet, model, feature, performance, objectives)

_GENERATED = "# Made by scripts/generate_dashboards.py. How to use it: docs/see/grafana.md\n"

SOURCES: Final = {
    "apiVersion": 1,
    "datasources": [
        {
            "name": "Driftline Prometheus",
            "uid": "driftline-prometheus",
            "type": "prometheus",
            "access": "proxy",
            "url": "${PROMETHEUS_URL}",
            "jsonData": {
                "httpMethod": "POST",
                "timeInterval": "15s",
                "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": "driftline-jaeger"}],
            },
        },
        {
            "name": "Driftline Jaeger",
            "uid": "driftline-jaeger",
            "type": "jaeger",
            "access": "proxy",
            "url": "${JAEGER_URL}",
        },
    ],
}
"""Where Grafana gets numbers and traces; the addresses are variables of its environment."""

PROVIDERS: Final = {
    "apiVersion": 1,
    "providers": [
        {
            "name": "driftline",
            "folder": "Driftline",
            "type": "file",
            "allowUiUpdates": False,
            "options": {"path": "${DRIFTLINE_DASHBOARDS}"},
        }
    ],
}
"""Where Grafana finds the dashboards: the folder is a variable of its environment."""


def files() -> dict[Path, str]:
    """Return each file that is written, with its text."""
    boards = [make() for make in BOARDS]
    return {FOLDER / "dashboards" / f"{board.name}.json": board.json() for board in boards} | {
        FOLDER / "provisioning" / folder / "driftline.yaml": _GENERATED + yaml.safe_dump(tree, sort_keys=False)
        for folder, tree in (("datasources", SOURCES), ("dashboards", PROVIDERS))
    }


def main(arguments: list[str]) -> int:
    """Write or check the files; return the exit code."""
    return write_or_check(files(), "is not as made", __file__, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
