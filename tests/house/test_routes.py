"""Every route of the web is in the documentation, and the documentation has no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from driftline_processor.config.capabilities import CAPABILITIES

from tests.support.paths import ROOT

from .modules import modules, within

TABLE = (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8").split("\n## ")[0]
PAGES = (ROOT / "docs" / "reference" / "pages.md").read_text(encoding="utf-8")


def bare(path: str) -> str:
    """What tells an address from others: one parameter may be written as two, as in /v1/baselines/{model}/{version}."""
    return re.sub(r"\{.*\}", "{}", path.partition("?")[0])


def routes() -> Iterator[tuple[str, str]]:
    """Yield method and address of each route; those of OTLP, which have a parameter in Python, are no part of them."""
    for module in (one for one in modules() if within(one.name, "driftline_processor")):
        for node in module.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Guarded":
                if isinstance(node.args[0], ast.JoinedStr):
                    continue
                methods = [ast.literal_eval(one.value) for one in node.keywords if one.arg == "methods"]
                path = bare(ast.literal_eval(node.args[0]))
                yield from ((method, path) for method in (methods or [["GET"]])[0])


def pages() -> set[str]:
    """Return the addresses of pages, each of which has a section in docs/reference/pages.md."""
    return set(map(bare, re.findall(r"^## `(/[^`]*)`", PAGES, re.MULTILINE)))


def test_every_route_is_in_the_table_of_the_http_api_or_is_a_page() -> None:
    written = {(method, bare(path)) for method, path in re.findall(r"\| `([A-Z]+) (/[^`]*)` \|", TABLE)}
    there = {(method, path) for method, path in routes() if path not in pages() or path == "/metrics"}
    assert len(there) >= 16
    assert written == there


def test_every_page_that_is_told_of_is_there() -> None:
    assert len(pages()) >= 9
    assert pages() <= {path for _, path in routes()}


def test_every_problem_that_readyz_tells_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| `(\w+)` \|", text.partition("\n## `GET /readyz`")[2].partition("\n## ")[0], re.MULTILINE)
    processor = [module for module in modules() if within(module.name, "driftline_processor")]
    source = "\n".join(module.path.read_text(encoding="utf-8") for module in processor)
    reported = re.findall(r'self\.health\.(?:report|watch)\(\s*"(\w+)"', source)
    assert sorted(told) == sorted(set(reported))


def test_every_capability_is_needed_by_an_address() -> None:
    text = (ROOT / "docs" / "reference" / "capabilities.md").read_text(encoding="utf-8")
    needed = re.findall(r"^\| `(?:GET|POST|PUT|DELETE)` \|.*\| ([^|]*) \|$", text, re.MULTILINE)
    assert {name for names in needed for name in re.findall(r"`(\w+)`", names)} == set(CAPABILITIES)
