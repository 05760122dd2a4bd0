"""Every ``pip install`` that a message, a page or a document tells people to run installs something that exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

from .modules import SOURCE_FOLDERS

EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])
READ = {".py", ".md", ".html", ".yaml", ".toml", ".js"}
HISTORY = {ROOT / "CHANGELOG.md", ROOT / "adr"}
RELEASE = re.compile(r'^=== "pip"\n.*?^(?==== )', re.MULTILINE | re.DOTALL)
"""The tab of docs/start/install.md that holds after the release."""


_WORD = r"'[^']+'|--?[a-z-]+|[A-Za-z.][\w.-]*"
_INSTALL = re.compile(rf"pip install((?:(?:[ \t]+|\s+(?=['.-]))(?:{_WORD}))*)")


def files() -> Iterator[Path]:
    """Yield what people read: the source with its messages and pages, and the documentation."""
    yield from ROOT.glob("*.md")
    for folder in (*SOURCE_FOLDERS, "docs", "examples", "otel-config", "scripts"):
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in READ)


def installs(text: str) -> list[str]:
    """Return what each ``pip install`` of a text names, options and comments left out.

    A requirement with an extra, or with a version, stands in quotes; a name follows without. A word on the next line is
    a command, unless it is quoted or an option.
    """
    named: list[str] = []
    for line in _INSTALL.findall(RELEASE.sub("", text)):
        named += [word.strip("'") for word in re.findall(r"'[^']+'|\S+", line) if not word.startswith("-")]
    return [word.rstrip(".") or "." for word in named]


def wrong(requirement: str) -> str:
    """Say what is wrong with a requirement, "" if nothing.

    Driftline is on no package index: from a clone it is ``.``, or ``'.[extra]'``.
    """
    name, _, extras = requirement.partition("[")
    if name == "driftline":
        return f"{requirement}: Driftline is on no index; write '.[...]', in a clone"
    missing = {extra.strip() for extra in extras.rstrip("]").split(",") if extra} - EXTRAS if name == "." else set()
    return f"{requirement}: pyproject.toml has no extra {', '.join(sorted(missing))}" if missing else ""


def test_every_pip_install_names_what_exists() -> None:
    found = {
        path: installs(path.read_text(encoding="utf-8")) for path in files() if not {path, *path.parents} & HISTORY
    }
    assert {path.name: bad for path, named in found.items() if (bad := [*filter(None, map(wrong, named))])} == {}
    assert sum(map(len, found.values())) > 20


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("    pip install '.[torch]' opentelemetry-distro      # in one go", [".[torch]", "opentelemetry-distro"]),
        ("MLflow is not installed: pip install mlflow-skinny; or leave it", ["mlflow-skinny"]),
        ("f\"pip install '.[kafka]'\"", [".[kafka]"]),
        ("`pip install .` is enough", ["."]),
        ("-m pip install --quiet driftline", ["driftline"]),
        ("needs Kafka: pip install\n    '.[kafka]'", [".[kafka]"]),
        ("pip install '.[processor]'\ndriftline --help", [".[processor]"]),
    ],
)
def test_the_search_for_installs_reads_sentences_and_commands(text: str, named: list[str]) -> None:
    assert installs(text)[: len(named)] == named


def test_what_does_not_exist_is_found() -> None:
    assert [bool(wrong(one)) for one in (".[torch]", ".[processor,fastapi]", ".", "river")] == [False] * 4
    assert [bool(wrong(one)) for one in (".[jax]", ".[processor,jax]", "driftline", "driftline[kafka]")] == [True] * 4
