"""A page of the web, taken apart: its elements, addresses and words, and a check that every element is closed."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote

from starlette.testclient import TestClient


class Page(HTMLParser):
    """A page as its elements: all ids with their classes, all addresses, all text, and whether all are closed."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.styles: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.classes: dict[str, list[str]] = {}
        self._parts: dict[str, list[str]] = {}
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        name = given.get("id") or ""
        self.ids += [name] if "id" in given else []
        self.classes.setdefault(name, (given.get("class") or "").split())
        self._parts.setdefault(name, [])
        self.links += [given["href"] or ""] if "href" in given else []
        self.styles += [name for name in given if name == "style" or name.startswith("on")]
        if tag not in self.VOID:
            self._open.append((tag, name))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        for name in {name for _, name in self._open}:
            self._parts[name].append(data)

    def part(self, name: str) -> str:
        """Return the text of the element with an id."""
        return " ".join(" ".join(self._parts[name]).split())

    @property
    def targets(self) -> set[str]:
        return {unquote(link[1:]) for link in self.links if link.startswith("#")}

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(client: TestClient, address: str = "/", status: int = 200) -> Page:
    answer = client.get(address)
    assert answer.status_code == status
    return Page(answer.text)
