"""A library that is other than we know it is imported as ever: what waits for its import never raises into it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driftline.faults import FAULTS
from driftline_integrations.estimators import calls
from driftline_integrations.estimators.library import LibraryInstrumentation
from driftline_integrations.estimators.library_method import LibraryMethod


def family() -> Any:
    """Return how estimators are asked: nobody gets as far as that here."""


@pytest.mark.parametrize(
    "library",
    [
        lambda name: LibraryInstrumentation(name, [(name, "Renamed", family)]),
        lambda name: LibraryMethod(name, name, "Renamed", "predict", lambda _: family()),
    ],
    ids=["everywhere", "asked"],
)
def test_a_class_that_is_no_longer_there_is_a_fault_and_no_error_of_the_import(
    library: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    name = f"learns_{request.node.callspec.id}"
    (tmp_path / f"{name}.py").write_text("class Estimator:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(FAULTS, "raising", False)
    one = library(name)
    one.instrument()

    imported = importlib.import_module(name)

    assert imported.Estimator()
    assert FAULTS.drain() == {"AttributeError": 1}
    one.uninstrument()
    del sys.modules[name]


def test_a_class_that_cannot_be_wrapped_is_defined_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Root:
        def predict(self, X: Any) -> Any:
            return X

    def wraps_roots_only(kind: type, *_: Any) -> None:
        if kind is not Root:
            raise RuntimeError("another version")

    monkeypatch.setattr(FAULTS, "raising", False)
    monkeypatch.setattr(calls, "wrap_estimator_methods", wraps_roots_only)
    one = LibraryInstrumentation("learns", [(__name__, "Root", family)])
    one._wrap(Root, family())

    class Child(Root):
        pass

    assert Child().predict(1) == 1
    assert FAULTS.drain() == {"RuntimeError": 1}
    one.uninstrument()
    assert "__init_subclass__" not in vars(Root)
