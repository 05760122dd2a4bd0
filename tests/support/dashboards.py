"""The dashboards of otel-config/grafana, and the queries in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.paths import ROOT

FOLDER = ROOT / "otel-config/grafana"
NAMES = ("fleet", "model", "feature", "performance", "objectives")


@dataclass(frozen=True)
class DashboardQuery:
    """A query of a dashboard. ``where``: the panel, variable or annotation that asks it."""

    dashboard: str
    where: str
    expression: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.where}"


def dashboard(name: str) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    read: dict[str, Any] = json.loads((FOLDER / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    return read


def panels(name: str) -> list[dict[str, Any]]:
    """Return the panels of a dashboard that show something: no rows."""
    return [panel for panel in dashboard(name)["panels"] if panel["type"] != "row"]


def variables(name: str) -> list[dict[str, Any]]:
    """Return the variables of a dashboard."""
    found: list[dict[str, Any]] = dashboard(name)["templating"]["list"]
    return found


def queries() -> Iterator[DashboardQuery]:
    """Yield every query of every dashboard: of panels, variables and annotations."""
    for name in NAMES:
        for panel in panels(name):
            for target in panel["targets"]:
                yield DashboardQuery(name, f"{panel['title']} {target['refId']}", target["expr"])
        for variable in variables(name):
            if variable["type"] == "query":
                yield DashboardQuery(name, f"${variable['name']}", variable["query"]["query"])
        for annotation in dashboard(name)["annotations"].get("list", ()):
            yield DashboardQuery(name, f"mark {annotation['name']}", annotation["expr"])


def selectors(expression: str) -> list[tuple[str, str]]:
    """Return the name and the matchers of each selector of a query; names of ``{__name__=~"a|b"}`` one by one.

    >>> selectors('sum(rate(up{job="a"}[5m])) / label_values({__name__=~"x|y",z="1"}, z)')
    [('up', 'job="a"'), ('x', 'z="1"'), ('y', 'z="1"')]
    """
    found = []
    for name, matchers in re.findall(r"([a-z_]\w*)?\{((?:[^\"}]|\"[^\"]*\")*)\}", expression):
        named = re.match(r'__name__=~"([^"]*)",?', matchers)
        names = named[1].split("|") if named else [name]
        found += [(each, matchers[named.end() :] if named else matchers) for each in names]
    return found


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """Return a query with a value for each variable, as Grafana puts them in.

    >>> substituted('x{model="$model"}[$__range]', {"model": "churn", "__range": "1h"})
    'x{model="churn"}[1h]'
    """
    return re.sub(r"\$(\w+)|\$\{(\w+)\}", lambda found: values[found[1] or found[2]], expression)
