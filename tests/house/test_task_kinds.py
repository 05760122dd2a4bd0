"""Whoever wants to know something of a task asks the task, and not for the name of its kind."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import pytest
from driftline.tables.task import KINDS
from driftline_processor.core.metrics import METRICS

from .modules import modules


def kinds_compared(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """Yield the line of each comparison of ``task``, ``kind`` or an attribute of these names with a kind of task."""
    for node in nodes:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            named = {getattr(side, "attr", getattr(side, "id", "")).strip("_") for side in sides}
            values = {one.value for side in sides for one in ast.walk(side) if isinstance(one, ast.Constant)}
            if named & {"kind", "task"} and values & KINDS.keys():
                yield node.lineno


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('task.kind == "binary"', [1]),
        ('self._kind in ("ranking", "")', [1]),
        ('options.task != "multiclass"', [1]),
        ('values.dtype.kind == "f"', []),
        ("task.has_classes", []),
    ],
)
def test_a_comparison_with_a_kind_is_seen(line: str, found: list[int]) -> None:
    assert list(kinds_compared(ast.walk(ast.parse(line)))) == found


def test_nobody_asks_for_the_name_of_a_kind() -> None:
    found = [f"{module.name}:{line}" for module in modules() for line in kinds_compared(module.nodes)]
    assert found == [], "ask the Task: see driftline/tables/task.py"


def test_the_kinds_that_metrics_name_are_there() -> None:
    assert {kind for metric in METRICS.values() for kind in metric.tasks} == {*KINDS}
