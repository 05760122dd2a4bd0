"""The dashboards for Grafana ask for series that there are, put no number where nobody knows one, and are readable."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from functools import cache
from typing import Any, get_args

import pytest
import yaml
from driftline.semconv import metrics
from driftline_processor.core.concept.result import ConceptState
from driftline_processor.core.evaluation import State
from driftline_processor.core.verdict.states import ORDER
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as grafana

from tests.support.dashboards import (
    FOLDER,
    NAMES,
    DashboardQuery,
    dashboard,
    panels,
    queries,
    selectors,
    variables,
)
from tests.support.paths import ROOT
from tests.support.unwrap import unwrap

OF_PROMETHEUS = {"job", "instance", "le"}


@cache
def script(name: str) -> Any:
    """Import a development script, which belongs to no package."""
    spec = unwrap(importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py"))
    made = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    unwrap(spec.loader).exec_module(made)
    return made


@cache
def labels() -> dict[str, set[str]]:
    """Return the labels of each metric by its name in Prometheus, as the registry declares them."""
    found = {}
    for metric in script("generate_semconv").read().metrics:
        refs = {each["ref"].replace(".", "_") for each in metric.get("attributes", ())}
        name = metrics.INSTRUMENTS[metric["metric_name"]].prometheus
        suffixes = ("_bucket", "_sum", "_count") if metric["instrument"] == "histogram" else ("",)
        found.update({name + suffix: refs | OF_PROMETHEUS for suffix in suffixes})
    return found


def test_they_are_what_the_script_makes() -> None:
    made = script("generate_dashboards").files()
    assert {path: path.read_text(encoding="utf-8") for path in made} == made
    assert {path.stem for path in (FOLDER / "dashboards").iterdir()} == set(NAMES)


@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_a_query_asks_for_what_there_is(query: DashboardQuery) -> None:
    asked = selectors(query.expression)
    for name, matchers in asked:
        assert set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", matchers)) <= labels()[name]
    words = set(re.findall(r"\b(?:ml|driftline)_\w+", re.sub(r"\{[^}]*\}", "", query.expression)))
    names = {name for name, _ in asked} | words & labels().keys()
    assert names
    assert words <= names.union(*(labels()[name] for name in names))


@pytest.mark.parametrize("query", list(queries()), ids=str)
def test_nothing_stands_for_what_nobody_knows(query: DashboardQuery) -> None:
    assert not re.search(r"\bvector\(|\babsent|\bscalar\(|\bbool\b", query.expression)


@pytest.mark.parametrize("name", NAMES)
def test_a_query_names_only_variables_that_its_dashboard_has(name: str) -> None:
    known = {variable["name"] for variable in variables(name)}
    built_in = {"__rate_interval", "__range"}
    for query in queries():
        if query.dashboard == name:
            assert set(re.findall(r"\$\{?(\w+)", query.expression)) <= known | built_in


@pytest.mark.parametrize("name", NAMES)
def test_a_variable_is_chosen_among_what_fits_those_before_it(name: str) -> None:
    before: list[str] = []
    for variable in variables(name):
        asked = re.findall(r"\$(\w+)", str(variable["query"]["query"]) if variable["type"] == "query" else "")
        assert set(asked) <= set(before)
        before.append(variable["name"])
    assert before[:3] == ["datasource", "driftline_url", "environment"]


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows_and_stands_where_no_other_does(name: str) -> None:
    everything = dashboard(name)["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        at = panel["gridPos"]
        here = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not here & taken
        taken |= here
    for panel in panels(name):
        assert panel["description"].endswith((".", "them"))
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    titles = [panel["title"] for panel in panels(name)]
    assert len(set(titles)) == len(titles)


def test_each_dashboard_is_known_by_its_own_name() -> None:
    assert [dashboard(name)["uid"] for name in NAMES] == [f"driftline-{name}" for name in NAMES]
    assert len({dashboard(name)["title"] for name in NAMES}) == len(NAMES)


def test_a_column_has_its_name_also_where_other_columns_got_no_answer() -> None:
    tables = [panel for name in NAMES for panel in panels(name) if panel["type"] == "table"]
    assert len(tables) == 5
    for panel in tables:
        (organized,) = (one["options"] for one in panel["transformations"] if one["id"] == "organize")
        renamed = organized["renameByName"]
        assert renamed["Value"] == renamed["Value #A"] == panel["options"]["sortBy"][0]["displayName"]
        assert {f"Value #{target['refId']}" for target in panel["targets"]} <= renamed.keys()
        assert renamed.keys() == organized["indexByName"].keys()


def test_links_between_dashboards_lead_to_dashboards_that_there_are() -> None:
    for name in NAMES:
        text = (FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8")
        assert {f"driftline-{other}" for other in NAMES} >= set(re.findall(r"/d/([\w-]+)", text))
        assert "${driftline_url}/" in text


def test_no_link_to_a_dashboard_can_say_where_its_links_lead() -> None:
    for name in NAMES:
        (address,) = (one for one in variables(name) if one["name"] == "driftline_url")
        assert (address["type"], address["skipUrlSync"], address["hide"]) == ("constant", True, 2)
        assert address["query"] == address["current"]["value"] == "http://127.0.0.1:8780"


def test_states_have_colours_that_everybody_tells_apart() -> None:
    made = script("generate_dashboards")
    assert [one.name for one in made.VERDICTS] == list(ORDER)
    assert {one.name for one in made.DRIFTS} == {*get_args(State), *get_args(ConceptState)}
    colours = {one.colour for one in (*made.VERDICTS, *made.DRIFTS, *made.JUDGEMENTS, *made.COMPARISONS)}
    assert colours <= {made.BAD, made.WARNING, made.GOOD, made.UNSURE, made.QUIET, made.SPECIAL}
    for name in NAMES:
        text = (FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8").lower()
        assert not re.search(r'"(?:[\w-]+-)?(?:green|red|palette-classic[\w-]*)"|continuous', text)


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_of_grafana_knows_every_key_and_value(name: str) -> None:
    plugins.register_default_plugins()
    read = dashboard(name)
    written = JSONEncoder().encode(grafana.Dashboard.from_json(read))  # a key that the schema lacks would be lost
    assert json.loads(written) == read


def test_numbers_and_traces_are_provisioned_and_a_trace_is_found_from_an_exemplar() -> None:
    sources = yaml.safe_load((FOLDER / "provisioning/datasources/driftline.yaml").read_text(encoding="utf-8"))
    by_type = {one["type"]: one for one in sources["datasources"]}
    (destination,) = by_type["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert destination == {"name": "trace_id", "datasourceUid": by_type["jaeger"]["uid"]}
    providers = yaml.safe_load((FOLDER / "provisioning/dashboards/driftline.yaml").read_text(encoding="utf-8"))
    assert [one["options"] for one in providers["providers"]] == [{"path": "${DRIFTLINE_DASHBOARDS}"}]
