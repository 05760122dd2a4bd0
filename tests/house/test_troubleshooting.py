"""Each message that the troubleshooting page quotes occurs in the sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "compare" / "troubleshooting.md"
SOURCES = ("sdk/driftline", "collector_processor/driftline_processor")
MESSAGES = re.findall(r"^\| `(.+?)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@cache
def source_texts() -> tuple[str, ...]:
    """Return the texts of the sources; "…" stands for each value that is filled in."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for folder in SOURCES for path in (ROOT / folder).rglob("*.py")
    ]
    return tuple(text for tree in trees for node in ast.walk(tree) if (text := "".join(texts_of(node))))


def texts_of(node: ast.AST) -> Iterator[str]:
    """Yield the parts of a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%(?:r|s|d|\.\w+)|\{\w*\}", "…", node.value)
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield "…" if isinstance(part, ast.FormattedValue) else "".join(texts_of(part))
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "missing_option":
        name, fix = node.args[:2]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield f"--{name.value} is missing: {''.join(texts_of(fix))}"


def occurs(message: str) -> bool:
    """Return True if one text has all parts of the message in this order."""
    parts = [part for part in message.split("…") if part.strip(" :;'()")]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return any(parts[0] in text and pattern.search(text) for text in source_texts())


@pytest.mark.parametrize("message", MESSAGES)
def test_each_quoted_message_is_one_of_the_code(message: str) -> None:
    assert occurs(message)


def test_a_message_that_no_code_has_would_be_found() -> None:
    assert len(MESSAGES) > 25
    assert not occurs("driftline: nothing listens on … (start the Collector)")
