"""Tests stand in the folders of what they test, and share through ``tests/support``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

TESTS = ROOT / "tests"
ROOMS = {
    "sdk": ROOT / "sdk/driftline",
    "integrations": ROOT / "integrations/driftline_integrations",
    "processor": ROOT / "collector_processor/driftline_processor",
    "extensions": ROOT / "collector_processor/driftline_extensions",
}
_IMPORT = re.compile(r"^ *(?:from|import) [\w.]*\btest_\w+|^ *from \S+ import .*\btest_\w+", re.MULTILINE)


def imports_of_tests(text: str) -> list[str]:
    """Return the imports of test files in a text; a program that a test runs is such a text, too."""
    return _IMPORT.findall(text)


def test_no_test_file_imports_another() -> None:
    """What two of them need is in ``tests/support``, or a fixture of a ``conftest.py``."""
    found = {
        str(path.relative_to(ROOT)): imports
        for folder in ("tests", "benchmarks", "simulations")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(__file__) and (imports := imports_of_tests(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    "line", ["from .test_join import check", "from tests.sdk import test_join as join", "import tests.sdk.test_join"]
)
def test_an_import_of_a_test_file_is_found(line: str) -> None:
    assert imports_of_tests(f"import os\n{line}\n") == [line.partition(" as ")[0].partition(" import check")[0]]


@pytest.mark.parametrize("package", ROOMS)
def test_every_folder_of_tests_is_a_room_of_the_source(package: str) -> None:
    folders = {path.parent.relative_to(TESTS / package) for path in (TESTS / package).rglob("test_*.py")}
    assert len(folders) > 1
    assert sorted(str(one) for one in folders if not (ROOMS[package] / one).is_dir()) == []
