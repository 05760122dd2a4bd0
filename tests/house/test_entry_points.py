"""What other tools find by entry points: they are there, and loading them costs and breaks nothing.

``opentelemetry-instrument`` loads every instrumentor of an environment in every process, and one that raises anything
but ``ImportError`` ends all instrumentation of the program.
"""

from __future__ import annotations

import tomllib

import pytest

from tests.support.paths import ROOT, integration_section

from .modules import loaded_by, modules

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTRUMENTORS: dict[str, str] = PROJECT["entry-points"]["opentelemetry_instrumentor"]
FRAMEWORKS = {name.removeprefix("driftline_") for name in INSTRUMENTORS}
NOT_IMPORTED = {"catboost", "lightgbm", "mlflow", "onnxruntime", "pandas", "scipy", "sklearn", "torch", "xgboost"}


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_a_framework_has_an_extra_an_instrumentor_and_an_explicit_form(framework: str) -> None:
    assert framework in PROJECT["optional-dependencies"]
    assert (
        PROJECT["entry-points"]["driftline_integration"][framework] == f"driftline_integrations.{framework}:instrument"
    )
    assert integration_section(framework)


@pytest.mark.parametrize("value", INSTRUMENTORS.values())
def test_an_instrumentor_imports_no_library_that_learns(value: str) -> None:
    module, _, name = value.partition(":")
    assert module in {one.name for one in modules()}
    assert loaded_by(f"from {module} import {name}") & NOT_IMPORTED == set()
