"""The registry is one that OpenTelemetry's weaver reads, and keeps the rules of OpenTelemetry's naming guide.

The guide: naming, events and how to write conventions, in open-telemetry/semantic-conventions.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import jsonschema
import pytest
import yaml
from driftline.semconv import SCHEMA_URL

from tests.support.paths import ROOT

SEMCONV = ROOT / "sdk/driftline/semconv"
FILES = sorted((SEMCONV / "registry").rglob("*.yaml"))
NAME = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
PERSONAL = (
    *("ml.prediction.id", "ml.prediction.class", "ml.prediction.value", "ml.outcome.actual"),
    *("driftline.feature.value", "driftline.feature.category", "driftline.slice.value", "driftline.prediction.items"),
    *("driftline.prediction.columns", "driftline.drift.slice", "driftline.performance.slice"),
)
"""What may be personal data: values of a row, and slices of few rows."""

USERS_DATA = {"driftline.feature.value", "driftline.slice.value"}
UNBOUNDED = {"ml.prediction.id"}
"""Attributes with a value per prediction. The number of classes is limited."""
NOT_COUNTABLE = {"driftline.training.cost", "driftline.log.damaged"}
"""Counters of a quantity and not of things, whose names are singular."""

Group = dict[str, Any]


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@cache
def _groups() -> list[Group]:
    return [group for file in FILES for group in read(file)["groups"]]


@pytest.fixture
def groups() -> list[Group]:
    """Return the groups of all files, as a copy."""
    return copy.deepcopy(_groups())


def broken(groups: list[Group]) -> Iterator[tuple[str, str]]:
    """Yield each broken rule and the name that breaks it."""
    attributes = {one["id"]: one for group in groups for one in group.get("attributes", []) if "id" in one}
    metrics = {group["metric_name"]: group for group in groups if group["type"] == "metric"}
    events = {group["name"]: group for group in groups if group["type"] == "event"}
    referred = {one["ref"] for group in groups for one in group.get("attributes", []) if "ref" in one}
    for name in (*attributes, *metrics, *events):
        if not NAME.fullmatch(name) or "." not in name:
            yield "syntax", name
        if not name.startswith(("ml.", "driftline.")):
            yield "defined by OpenTelemetry", name
    defined = [str(g.get("metric_name") or (g["type"], g.get("name", g["id"]))) for g in groups]
    yield from (("one name, one thing", name) for name in defined if defined.count(name) > 1)
    for names in (attributes, metrics, events):
        yield from (("namespace", name) for name in names if any(other.startswith(f"{name}.") for other in names))
    for name, attribute in attributes.items():
        yield from _broken_attribute(name, attribute)
        if name not in referred:
            yield "unused", name
    for name, metric in metrics.items():
        yield from _broken_metric(name, metric, attributes)
    for group in groups:
        yield from _broken_group(group)


def _broken_attribute(name: str, attribute: Group) -> Iterator[tuple[str, str]]:
    if not attribute.get("stability") or not attribute["brief"].strip().endswith("."):
        yield "brief and stability", name
    if name in PERSONAL and "> [!WARNING]" not in attribute.get("note", ""):
        yield "warning", name
    if name.rpartition(".")[2] in ("time", "timestamp", "date") and attribute["type"] == "int":
        yield "time", name
    if str(attribute["type"]).endswith("[]") and not name.endswith("s"):
        yield "plural of a list", name
    if name.startswith("ml.") and "any" in str(attribute["type"]):
        yield "any", name


def _broken_metric(name: str, metric: Group, attributes: dict[str, Group]) -> Iterator[tuple[str, str]]:
    kind, unit = metric["instrument"], metric["unit"]
    is_status = name.endswith((".status", ".state"))
    if is_status != (kind == "updowncounter") or (is_status and (unit != "1" or name.endswith(".state"))):
        yield "status", name
    if name.endswith("total"):
        yield "total", name
    counts_things = kind == "counter" and unit.startswith("{") and name not in NOT_COUNTABLE
    if counts_things and not any(part.endswith("s") for part in re.split(r"[._]", name.rpartition(".")[2])):
        yield "plural of a counter", name
    for one in metric.get("attributes", []):
        if one["ref"] in UNBOUNDED and one["requirement_level"] != "opt_in":
            yield "unbounded", name
        if "any" in re.findall(r"\w+", str(attributes.get(one["ref"], {}).get("type")))[:2]:
            yield "any on a metric", name


def _broken_group(group: Group) -> Iterator[tuple[str, str]]:
    for one in group.get("attributes", []):
        level = one.get("requirement_level", "recommended")
        condition = isinstance(level, dict) and len(level) == 1 and all(isinstance(v, str) for v in level.values())
        if not condition and level not in ("required", "recommended", "opt_in"):
            yield "requirement level", group["id"]
        if group["type"] != "metric" and one.get("ref") in USERS_DATA and level != "opt_in":
            yield "users' data", group["id"]
    sampled = any(one.get("sampling_relevant") for one in group.get("attributes", []))
    if group["type"] == "span" and not sampled and "extends" not in group:
        yield "sampling", group["id"]
    if group["type"] == "event" and not re.search(r"Severity: \w+ \(\d+\)", group.get("note", "")):
        yield "severity", group["id"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_valid_by_the_schema_of_weaver(file: Path) -> None:
    schema = json.loads((ROOT / "tests/house/weaver/semconv.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(read(file))


def test_the_manifest_names_the_version_of_opentelemetry_that_is_imported() -> None:
    manifest = read(SEMCONV / "manifest.yaml")
    (dependency,) = manifest["dependencies"]
    version = urlparse(dependency["schema_url"]).path.rpartition("/")[2]

    assert manifest["schema_url"] == SCHEMA_URL
    assert dependency["registry_path"].endswith(f"/v{version}.zip[model]")


def test_the_schema_url_is_the_path_of_a_file_of_the_package() -> None:
    schema = read(SEMCONV / urlparse(SCHEMA_URL).path.removeprefix("/"))

    assert schema["schema_url"] == SCHEMA_URL
    assert [*schema["versions"]] == [SCHEMA_URL.rpartition("/")[2]]


def test_no_rule_of_the_naming_guide_is_broken(groups: list[Group]) -> None:
    assert list(broken(groups)) == []


def of(groups: list[Group], id: str) -> Group:
    """Return a group, or the definition of an attribute."""
    attributes = [one for group in groups for one in group.get("attributes", [])]
    return next(one for one in [*groups, *attributes] if one.get("id") == id)


def level_of(groups: list[Group], id: str, ref: str, level: object) -> None:
    next(one for one in of(groups, id)["attributes"] if one["ref"] == ref)["requirement_level"] = level


FAULTS: dict[str, Callable[[list[Group]], object]] = {
    "syntax": lambda all: of(all, "driftline.signal").update(id="driftline.Signal"),
    "defined by OpenTelemetry": lambda all: of(all, "driftline.signal").update(id="service.name"),
    "namespace": lambda all: of(all, "driftline.signal").update(id="driftline.model"),
    "one name, one thing": lambda all: of(all, "event.ml.outcome").update(name="ml.prediction"),
    "unused": lambda all: all[0]["attributes"].append({**of(all, "driftline.signal"), "id": "driftline.unused"}),
    "brief and stability": lambda all: of(all, "ml.model.name").update(brief="no full stop"),
    "warning": lambda all: of(all, "ml.prediction.id").update(note="Unique."),
    "time": lambda all: of(all, "driftline.outcome.time_unix_nano").update(id="driftline.outcome.time"),
    "plural of a list": lambda all: of(all, "driftline.signal").update(type="string[]"),
    "any": lambda all: of(all, "ml.outcome.actual").update(type="any"),
    "status": lambda all: of(all, "metric.driftline.model.status").update(instrument="gauge"),
    "total": lambda all: of(all, "metric.ml.predictions").update(metric_name="ml.predictions_total"),
    "plural of a counter": lambda all: of(all, "metric.ml.predictions").update(metric_name="ml.sent"),
    "unbounded": lambda all: of(all, "metric.ml.predictions")["attributes"].append(
        {"ref": "ml.prediction.id", "requirement_level": "recommended"}
    ),
    "any on a metric": lambda all: of(all, "ml.model.version").update(type="any"),
    "requirement level": lambda all: level_of(all, "span.ml.predict", "error.type", {"a": "b", "c": None}),
    "users' data": lambda all: level_of(all, "span.driftline.predict", "driftline.feature.value", "recommended"),
    "sampling": lambda all: of(all, "span.ml.predict").update(attributes=[]),
    "severity": lambda all: of(all, "event.ml.outcome").update(note=""),
}
"""Rule → a change of the registry that breaks it."""


@pytest.mark.parametrize("rule", FAULTS)
def test_each_rule_finds_what_breaks_it(rule: str, groups: list[Group]) -> None:
    FAULTS[rule](groups)

    assert rule in {found for found, _ in broken(groups)}
