"""The door to the evaluation: it is found when it is called, and says what to install where it is not there."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import driftline
import pytest
from driftline import evaluation


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "entry_points", lambda **_: EntryPoints())
    with pytest.raises(ImportError, match=r"evaluate\(\) requires more packages than the SDK; in a clone of"):
        driftline.evaluate({"age": [1]}, {"age": [1]})


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = EntryPoint("evaluate", "no_such_package.evaluate:evaluate", evaluation.GROUP)
    monkeypatch.setattr(evaluation, "entry_points", lambda **_: EntryPoints([missing]))
    with pytest.raises(ImportError, match=r"\(no_such_package is missing\)"):
        driftline.evaluate({"age": [1]}, {"age": [1]})


def test_to_name_the_function_loads_nothing_of_the_processor() -> None:
    loaded = "'driftline_processor' in sys.modules, 'numpy' in sys.modules"
    code = f"import driftline, sys; driftline.evaluate; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
