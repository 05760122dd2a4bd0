"""Modules are named after a subject and typed for their users.

That every module says in a docstring what it is are two rules of Ruff, D100 and D104.
"""

from __future__ import annotations

import re

from tests.support.paths import ROOT

from .modules import modules


def test_a_module_is_named_after_its_subject() -> None:
    empty = re.compile(r"\b(utils?|helpers?|misc|common)\b")
    assert [module.name for module in modules() if empty.search(module.name)] == []
    assert len(modules()) > 300


def test_the_packages_are_typed_for_their_users() -> None:
    assert (ROOT / "sdk/driftline/py.typed").exists()
    assert (ROOT / "collector_processor/driftline_processor/py.typed").exists()
    assert (ROOT / "collector_processor/driftline_extensions/py.typed").exists()
