"""What a docstring refers to is there: a module, or a name that the module defines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

import driftline

from .modules import Module, modules

REFERENCE = re.compile(r":(?:class|func|meth|data|mod|attr|exc):`~?(\.*(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*)`")
PACKAGES = frozenset({"driftline", "driftline_processor", "driftline_extensions", "driftline_integrations"})


@cache
def names() -> dict[str, frozenset[str]]:
    """Return what each module defines at its top level or imports there, by the dotted name of the module."""
    return {module.name: frozenset(_names(module.tree.body)) for module in modules()}


def _names(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield statement.name
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in statement.names)
        elif isinstance(statement, ast.If | ast.Try):
            yield from _names(statement.body)


def resolves(reference: str, module: Module) -> bool:
    """Tell whether a reference in a module's text names a module of ours, or something in one."""
    dots = len(reference) - len(reference.lstrip("."))
    name = reference[dots:]
    if dots:
        package = module.name.split(".") if module.path.name == "__init__.py" else module.name.split(".")[:-1]
        name = ".".join([*package[: len(package) - dots + 1], name])
    elif name.split(".")[0] not in PACKAGES:
        first = name.split(".")[0]
        return "." in name or first in names()[module.name] or _member(first, module)
    parts = name.split(".")
    longest = next(k for k in range(len(parts), -1, -1) if k == 0 or ".".join(parts[:k]) in names())
    inside, rest = ".".join(parts[:longest]), parts[longest:]
    if not rest:
        return True
    return bool(longest) and (rest[0] in names()[inside] or (inside == "driftline" and rest[0] in driftline.__all__))


def _member(name: str, module: Module) -> bool:
    return any(name in _names(node.body) for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))


def test_every_reference_in_a_docstring_resolves() -> None:
    dead = [
        f"{module.name}: {reference}"
        for module in modules()
        for reference in REFERENCE.findall(module.path.read_text(encoding="utf-8"))
        if not resolves(reference, module)
    ]
    assert dead == []
