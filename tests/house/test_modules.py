"""Modules are named after a subject and typed for their users; links between pages lead somewhere.

That every module says in a docstring what it is are two rules of Ruff, D100 and D104.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.paths import ROOT

from .modules import modules


def test_a_module_is_named_after_its_subject() -> None:
    empty = re.compile(r"\b(utils?|helpers?|misc|common)\b")
    assert [module.name for module in modules() if empty.search(module.name)] == []
    assert len(modules()) > 300


def test_both_packages_are_typed_for_their_users() -> None:
    assert (ROOT / "sdk/driftline/py.typed").exists()
    assert (ROOT / "collector_processor/driftline_processor/py.typed").exists()


LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")


def broken_links(page: Path) -> list[str]:
    """Return the targets in this repository that a page links to and that are not there."""
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    return [target for target in targets if not (page.parent / target).exists()]


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")]
    assert len(pages) > 60
    assert {str(page.relative_to(ROOT)): found for page in pages if (found := broken_links(page))} == {}


def test_the_search_for_broken_links_finds_them(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("[here](a.md#part) [there](b.md) [elsewhere](https://example.org/b.md)")
    assert broken_links(page) == ["b.md"]


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    pages = [page.name for page in sorted((ROOT / "docs/decisions").glob("0*.md"))]
    assert re.findall(r"^\| \[\d+\]\((\S+)\)", index, re.MULTILINE) == pages
