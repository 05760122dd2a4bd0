"""Modules are named after a subject and typed for their users.

That every module says in a docstring what it is are two rules of Ruff, D100 and D104.
"""

from __future__ import annotations

import re
import tomllib

from tests.support.paths import ROOT

from .modules import modules


def test_a_module_is_named_after_its_subject() -> None:
    empty = re.compile(r"\b(utils?|helpers?|misc|common)\b")
    assert [module.name for module in modules() if empty.search(module.name)] == []
    assert len(modules()) > 300


def test_the_packages_are_typed_for_their_users() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    packages = [folder for folder in build["wheel"]["only-include"] if folder != "examples"]

    assert [folder for folder in packages if not (ROOT / folder / "py.typed").exists()] == []
    assert "integrations/driftline_integrations" in packages
    assert build["wheel"]["exclude"] == ["examples/**/*.png"]
