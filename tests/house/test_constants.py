"""A number in core/ says what it is: its unit or meaning, and where it comes from, in the text below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

CORE = ROOT / "collector_processor/driftline_processor/core"
FEWEST_WORDS = 3
"""Words of a text that says anything of a number."""

UNITS = ("Seconds.", "Nanoseconds.")
"""What is enough of a unit."""

OWED = {
    "drift/rule.py": {"ALPHA"},
    "estimate/calibration.py": {"_PER_LOGIT"},
    "estimate/cbpe_binary.py": {"_WIDER"},
    "estimate/importance_weighting.py": {"_RIDGE, _LEAST_RIDGE, _STEPS"},
    "estimate/label_shift.py": {"TWO_SIDED_95", "_STEPS"},
    "estimate/track_record.py": {"LAST", "MISSED_BY", "MOST_MISSED", "FEWEST", "OF_A_SHARE", "OF_A_LOSS"},
    "explain/causes.py": {"HALF"},
    "intervals/time_blocks.py": {"_TWO_DAYS"},
    "performance/curves.py": {"_DIGITS"},
    "performance/objective.py": {"_WEEK"},
    "performance/objective_states.py": {"_AT_LIMIT"},
    "verdict/pace.py": {"WEEK", "_YEAR"},
}
"""Numbers that nobody has explained yet: the list may become shorter, and no longer."""


def is_number(node: ast.expr) -> bool:
    """Return True for a number, and for a tuple, dict, array or product of numbers."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right)
        return any(map(is_number, sides)) and all(is_number(side) or isinstance(side, ast.Name) for side in sides)
    if isinstance(node, (ast.Tuple, ast.List)):
        return bool(node.elts) and all(map(is_number, node.elts))
    if isinstance(node, ast.Dict):
        return bool(node.values) and all(map(is_number, node.values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        made = isinstance(node.func.value, ast.Name) and node.func.value.id == "np"
        return made and any(map(is_number, node.args))
    return False


def unexplained(source: str) -> Iterator[str]:
    """Yield the names of numbers at the level of a module without a text right below them."""
    body = ast.parse(source).body
    for statement, after in zip(body, [*body[1:], None], strict=True):
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        value = statement.value if isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
        if not targets or value is None or not is_number(value):
            continue
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        if not isinstance(text, str) or (len(text.split()) < FEWEST_WORDS and text not in UNITS):
            yield ast.unparse(targets[0]).strip("()")


def owing() -> dict[str, set[str]]:
    files = {path.relative_to(CORE).as_posix(): path for path in sorted(CORE.rglob("*.py"))}
    found = {name: set(unexplained(path.read_text(encoding="utf-8"))) for name, path in files.items()}
    return {name: names for name, names in found.items() if names}


def test_every_number_in_core_says_what_it_is_and_where_it_comes_from() -> None:
    more = {name: names - OWED.get(name, set()) for name, names in owing().items()}
    assert {name: names for name, names in more.items() if names} == {}


def test_what_is_explained_by_now_is_owed_no_more() -> None:
    known = owing()
    kept = {name: names - known.get(name, set()) for name, names in OWED.items() if Path(CORE / name).exists()}
    assert {name: names for name, names in kept.items() if names} == {}


def test_the_search_for_numbers_finds_them() -> None:
    source = (
        'A = 3\nB = 4\n"""Rows of a window."""\nC, D = 1, 2 * 60\nE = "text"\nF: float = -1e-3\nG = np.array([1.0])\n'
        'H = {"a": 1}\nI = True\nJ = range(3)\nK = 10**9\n"""Nanoseconds."""\nL = N * 2\nM = A\n'
    )
    assert list(unexplained(source)) == ["A", "C, D", "F", "G", "H", "L"]
