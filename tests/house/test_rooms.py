"""Whoever looks for a room finds it on the plan: every module is named in docs/architecture.md."""

from __future__ import annotations

import re

import pytest

from .modules import ROOT, Module, modules

PLAN = (ROOT / "docs/architecture.md").read_text(encoding="utf-8").partition("## Rooms")[2]
INTEGRATIONS = (ROOT / "integrations/README.md").read_text(encoding="utf-8")
FOLDERS = ("decode", "drift", "compared", "performance", "quality", "expectations", "concept")
"""Named as a whole: a file more of what they hold is nothing new on the plan."""
ROOMS = [
    m for m in modules() if "." in m.name and not m.path.name.startswith("__") and "/semconv/" not in m.path.as_posix()
]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def own(module: Module) -> str:
    """Return what a module is called among its neighbours: one of ``decode/`` or ``drift/`` by its folder."""
    _, *parents, name = module.name.split(".")
    return next((parent for parent in parents if parent in FOLDERS), name)


@pytest.mark.parametrize("module", ROOMS, ids=lambda module: module.name)
def test_a_module_is_on_the_plan(module: Module) -> None:
    written = {own(module), own(module).replace("config_", "_")}  # "config (_values, _yaml)"
    assert written & words(PLAN), f"{module.name} is not under Rooms in docs/architecture.md"


@pytest.mark.parametrize(
    "module", [m for m in ROOMS if m.name.startswith("driftline_integrations.")], ids=lambda module: module.name
)
def test_an_integration_says_where_it_stands(module: Module) -> None:
    assert own(module) in words(INTEGRATIONS), f"{module.name} is not in integrations/README.md"
