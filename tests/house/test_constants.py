"""A number in core/ says what it is: its unit or meaning, and where it comes from, in the text below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.paths import ROOT

CORE = ROOT / "collector_processor/driftline_processor/core"
CORE_FILES = sorted(CORE.rglob("*.py"))
PLAIN = {0.0, 0.5, 1.0, 2.0}
GUARD = 1e-6
"""What is smaller, or larger than its inverse, only keeps a quotient finite."""

FORMULAS = {
    "drift/display_cells.py": {10.0},  # powers of ten
    "drift/methods/anderson_darling.py": {4.0},  # the fewest rows of its formula
    "drift/methods/method.py": {0.25, 0.75},  # quartiles
    "drift/methods/mmd.py": {4.0},  # the greatest squared distance of two unit vectors
    "drift/multivariate/correlation.py": {1.5},  # variance to the third power of the deviation
    "drift/p_values.py": {300.0},  # of a hyperbolic sine, before it overflows
    "drift.normal_variation.py": {3.0},  # the kurtosis of a normal distribution
    "performance/objective.py": {0.001, 0.1, 0.999},  # examples in a message
    "verdict/words.py": {100.0},  # percent
    "versions/comparison.py": {0.001},  # the unit of a tolerance near zero
    "wording.py": {1e-05, 0.99, 10_000.0},  # notation
}
"""Numbers of formulas and of notation, by file."""

FEWEST_WORDS = 3
"""Words of a text that says anything of a number."""

UNITS = ("Seconds.", "Nanoseconds.")
"""What is enough of a unit."""


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


def hidden(source: str) -> Iterator[float]:
    """Yield the numbers with a point in functions and classes that might be choices.

    Nothing, halves, wholes and doubles, and what guards a division or an overflow, are none.
    """
    for outer in ast.parse(source).body:
        if isinstance(outer, (ast.FunctionDef, ast.ClassDef)):
            for node in ast.walk(outer):
                value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, float) and value not in PLAIN and GUARD < value < 1 / GUARD:
                    yield value


def owing() -> dict[str, set[str]]:
    files = {path.relative_to(CORE).as_posix(): path for path in CORE_FILES}
    found = {name: set(unexplained(path.read_text(encoding="utf-8"))) for name, path in files.items()}
    return {name: names for name, names in found.items() if names}


def test_every_number_in_core_says_what_it_is_and_where_it_comes_from() -> None:
    assert owing() == {}


def test_no_level_or_factor_hides_inside_a_function() -> None:
    found = {path.relative_to(CORE).as_posix(): set(hidden(path.read_text(encoding="utf-8"))) for path in CORE_FILES}
    assert {name: values for name, values in found.items() if values} == FORMULAS


def test_the_search_for_numbers_finds_them() -> None:
    source = (
        'A = 3\nB = 4\n"""Rows of a window."""\nC, D = 1, 2 * 60\nE = "text"\nF: float = -1e-3\nG = np.array([1.0])\n'
        'H = {"a": 1}\nI = True\nJ = range(3)\nK = 10**9\n"""Nanoseconds."""\nL = N * 2\nM = A\n'
    )
    assert list(unexplained(source)) == ["A", "C, D", "F", "G", "H", "L"]


def test_the_search_for_hidden_numbers_finds_them() -> None:
    assert list(hidden("A = 0.3\ndef f(x=0.95):\n    return max(x, 1e-9) > 0.05 * 2.0 or 100 * x\n")) == [0.95, 0.05]
