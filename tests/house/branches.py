"""The branches of functions: how much a reader has to keep in mind."""

from __future__ import annotations

import ast

_STEPS = (ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.Assert, ast.match_case)


def branches_of_functions(tree: ast.Module, module: str) -> dict[str, int]:
    """Return the branches of each function by its dotted name; of several with one name, the most.

    They are 1 and the conditions, loops, handlers and cases of the function, with those of the functions inside it.
    """
    found: dict[str, int] = {}

    def visit(node: ast.AST, place: str) -> int:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            place = f"{place}.{node.name}"
        branches = _own(node) + sum(visit(child, place) for child in ast.iter_child_nodes(node))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[place] = max(1 + branches, found.get(place, 0))
        return branches

    visit(tree, module)
    return found


def _own(node: ast.AST) -> int:
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.comprehension):
        return 1 + len(node.ifs)
    return int(isinstance(node, _STEPS))
