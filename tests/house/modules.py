"""Every module of the source, parsed once, when the first test looks into it and not when tests are collected."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from tests.support.paths import ROOT

SOURCE_FOLDERS = ("sdk", "integrations", "collector_processor")


@dataclass(frozen=True)
class Module:
    """``name``: dotted, as it is imported. ``tree``: its syntax tree. ``nodes``: all nodes of the tree."""

    name: str
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    def imports(self) -> list[tuple[str, int]]:
        """Return every imported dotted name and its line, also those inside functions, relative ones resolved."""
        return self._imports

    @cached_property
    def _imports(self) -> list[tuple[str, int]]:
        package = self.name.split(".") if self.path.name == "__init__.py" else self.name.split(".")[:-1]
        found: list[tuple[str, int]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                target = ".".join([*base, *([node.module] if node.module else [])])
                found += ((f"{target}.{alias.name}", node.lineno) for alias in node.names)
        return found


@cache
def modules() -> tuple[Module, ...]:
    """Return the modules of the SDK, the integrations and the processor."""
    found = []
    for folder in SOURCE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.append(Module(name, path))
    return tuple(found)


def within(name: str, *packages: str) -> bool:
    """Tell whether a dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new process has loaded after a statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))
