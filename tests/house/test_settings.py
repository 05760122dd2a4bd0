"""Every environment variable of the SDK is in one table, is read through it, and is on one page."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline import environment_variables, settings
from driftline.settings import SETTINGS

from tests.support.paths import ROOT
from tests.support.unwrap import unwrap

from .modules import Module, modules, within

PAGE = ROOT / "docs/reference/settings.md"
OURS = [
    m for m in modules() if within(m.name, "driftline", "driftline_integrations") and m.name != "driftline.settings"
]
VARIABLES = {setting.variable for setting in SETTINGS}
READERS = {"names", "read", "switch"}


def read_by(module: Module) -> Iterator[ast.Constant]:
    """Yield the literals that are the first argument of a function of settings.py."""
    for node in module.nodes:
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in READERS:
                yield node.args[0]


def strays(module: Module) -> list[str]:
    """Return the literals that name a variable of ours without being read through the table."""
    read = {id(node) for node in read_by(module)}
    texts = [node for node in module.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [
        f"line {node.lineno}: {node.value!s}"
        for node in texts
        if id(node) not in read and re.fullmatch(r"\s*DRIFTLINE_\w*\s*", str(node.value))
    ]


def test_a_variable_is_read_through_the_table_only() -> None:
    assert {module.name: found for module in OURS if (found := strays(module))} == {}


def test_the_search_for_stray_variables_finds_them(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(
        "a = os.environ['DRIFTLINE_X'], read('DRIFTLINE_Y'), settings.read('DRIFTLINE_Z'), f'DRIFTLINE_{b}'"
    )
    assert strays(Module("x", file)) == ["line 1: DRIFTLINE_X", "line 1: DRIFTLINE_"]


def test_every_variable_is_read_somewhere_and_every_one_that_is_mentioned_exists() -> None:
    read = {node.value for module in OURS for node in read_by(module)}
    assert VARIABLES - read == set()
    mentioned = {
        found
        for module in OURS
        for node in module.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        for found in re.findall(r"\bDRIFTLINE_[A-Z_]+[A-Z]\b", node.value)
    }
    assert mentioned - VARIABLES == set()


def test_the_page_shows_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    spec = unwrap(importlib.util.spec_from_file_location("generate_settings", ROOT / "scripts/generate_settings.py"))
    script = importlib.util.module_from_spec(spec)
    unwrap(spec.loader).exec_module(script)

    assert script.main(["--check"]) == 0, capsys.readouterr().out
    shown = re.findall(r"^\| `(DRIFTLINE_\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == [setting.variable for setting in SETTINGS]


def test_the_page_names_every_variable_of_opentelemetry_that_is_read() -> None:
    literals = {
        str(node.value).removesuffix("_")
        for module in OURS
        for node in module.nodes
        if isinstance(node, ast.Constant) and re.fullmatch(r"OTEL_[A-Z_]+", str(node.value))
    }
    page = PAGE.read_text(encoding="utf-8")
    assert literals
    assert [name for name in sorted(literals) if name not in page] == []


def test_no_default_breaks_the_rule_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)
        assert settings.read(setting.variable) == setting.default
        if setting.default in ("true", "false"):
            assert settings.switch(setting.variable) is (setting.default == "true")


def test_every_setting_is_an_option_of_the_command_except_secrets() -> None:
    options = {name for name in dir(environment_variables) if name.startswith("OTEL_")}

    assert options == {f"OTEL_PYTHON_{name}" for name in VARIABLES - {"DRIFTLINE_PRIVACY_KEY"}}


def test_an_option_wins_over_the_variable() -> None:
    environ = {"OTEL_PYTHON_DRIFTLINE_CAPTURE": "none", "DRIFTLINE_CAPTURE": "scores"}

    assert settings.read("DRIFTLINE_CAPTURE", environ) == "none"
    assert settings.read("DRIFTLINE_CAPTURE", {"DRIFTLINE_CAPTURE": "scores"}) == "scores"
