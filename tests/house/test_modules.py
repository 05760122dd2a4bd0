"""Every module says what it is, and is typed for its users."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

from .modules import Module, modules


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_module_says_what_it_is(module: Module) -> None:
    assert ast.get_docstring(module.tree) is not None, f"{module.path} begins with no docstring"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_a_module_is_named_after_its_subject(module: Module) -> None:
    assert re.search(r"\b(utils?|helpers?|misc|common)$", module.name) is None


def test_both_packages_are_typed_for_their_users() -> None:
    assert (ROOT / "sdk/driftline/py.typed").exists()
    assert (ROOT / "collector_processor/driftline_processor/py.typed").exists()


LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("[!.]*/**/*.md")), ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in sorted((ROOT / "docs/decisions").glob("0*.md"))]
    assert LINK.findall(index) == pages
