"""Whoever looks for an integration finds it in the table of integrations."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

from .modules import Module, modules

TABLE = set(re.findall(r"\w+", (ROOT / "integrations/README.md").read_text(encoding="utf-8")))
INTEGRATIONS = [
    m for m in modules() if m.name.startswith("driftline_integrations.") and not m.path.name.startswith("__")
]


@pytest.mark.parametrize("module", INTEGRATIONS, ids=lambda module: module.name)
def test_an_integration_says_where_it_stands(module: Module) -> None:
    assert module.name.rpartition(".")[2] in TABLE, f"{module.name} is not in integrations/README.md"
