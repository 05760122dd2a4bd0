"""A link in a page leads to a file of the repository, and its anchor to a heading of that file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from scripts.generate_llms import navigation, pages_of, title_of
from tests.support.paths import ROOT

LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]+)\)")
MENTION = re.compile(r"(?<![\w/.])(docs/[\w./-]+\.md)(#[\w-]+)?")
MODULE = re.compile(r"`([a-z_][\w-]*(?:/[\w-]+)*/[\w-]+\.py)`")
PACKAGES = (
    "sdk/driftline",
    "collector_processor/driftline_processor",
    "collector_processor/driftline_extensions",
    "integrations/driftline_integrations",
)
PLACES = (ROOT, *(ROOT / package for package in PACKAGES), *((ROOT / package).parent for package in PACKAGES))
SOURCES = (".md", ".py", ".yaml", ".yml", ".toml", ".html", ".cfg", ".sh")


@cache
def files() -> tuple[Path, ...]:
    """Return every file at the root and in its folders, without what is hidden, built or installed."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "build", "shared"))]
    inside = (path for folder in folders for path in folder.rglob("*") if "node_modules" not in path.parts)
    inside = (path for path in inside if not path.name.startswith("."))
    return tuple(sorted(path for path in (*ROOT.iterdir(), *inside) if path.is_file()))


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def prose(text: str) -> str:
    """Leave out what is fenced: a comment of a shell is no heading, an index of an array no link."""
    return re.sub(r"^( *)(```|~~~).*?^\1\2 *$", "", text, flags=re.MULTILINE | re.DOTALL)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    found: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", prose(page.read_text(encoding="utf-8")), flags=re.MULTILINE):
        name = slug(heading)
        times = found[name] = found.get(name, -1) + 1
        names.add(f"{name}-{times}" if times else name)
    return frozenset(names)


def dead(page: Path) -> Iterator[str]:
    for target in LINK.findall(prose(page.read_text(encoding="utf-8"))):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.is_relative_to(ROOT) or not file.exists():
            yield f"{target}: no such file"
        elif anchor and (file.suffix != ".md" or anchor not in anchors(file)):
            yield f"{target}: no such heading"


def test_every_link_of_a_page_leads_somewhere() -> None:
    found = {str(page.relative_to(ROOT)): list(dead(page)) for page in pages()}
    assert len(found) > 60
    assert {name: links for name, links in found.items() if links} == {}


def test_every_module_that_a_page_names_is_there() -> None:
    """A path with a capital letter, such as ``receivers/TYPE.py``, is a pattern."""
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in pages()
        for name in MODULE.findall(page.read_text(encoding="utf-8"))
        if name == name.lower() and not any((folder / name).is_file() for folder in (page.parent, *PLACES))
    ]
    assert missing == []


def test_every_page_that_is_named_by_its_path_is_there() -> None:
    missing = [
        f"{file.relative_to(ROOT)}: {name}{anchor}"
        for file in files()
        if file.suffix in SOURCES
        for name, anchor in MENTION.findall(file.read_text(encoding="utf-8"))
        if not (ROOT / name).is_file() or (anchor and anchor[1:] not in anchors(ROOT / name))
    ]
    assert missing == []


def test_every_page_of_the_site_is_in_the_navigation_with_a_short_title() -> None:
    docs, site = ROOT / "docs", navigation()
    pages_of_site = {
        path: title for section in site["nav"] for part in section.values() for title, path in pages_of(part)
    }
    inside = {str(page.relative_to(docs)) for page in pages() if docs in page.parents}
    assert inside - {"abbreviations.md"} == set(pages_of_site)
    assert {title for title in pages_of_site.values() if len(title) > 30} == set()
    assert {path for path in pages_of_site if len(title_of(docs / path)) > 30} == set()


def test_the_index_of_decisions_names_each_of_them() -> None:
    index = ROOT / "adr/README.md"
    named = {target.partition("#")[0] for target in LINK.findall(index.read_text(encoding="utf-8"))}
    assert {page.name for page in index.parent.glob("*.md")} - named <= {"README.md"}


def test_the_check_itself_finds_a_dead_link_and_a_dead_anchor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two`?\n\n## One two\n\n[a](#one-two) [b](#one-two-1) [c](#three) [d](gone.md) [e](page.md#one)\n"
    )
    assert list(dead(page)) == ["#three: no such heading", "gone.md: no such file", "page.md#one: no such heading"]
