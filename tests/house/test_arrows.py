"""Arrows point one way: integrations → sdk ← processor; ``core/`` is pure (DESIGN 2)."""

from __future__ import annotations

import ast
import sys

import pytest

from .modules import Module, modules, within

PROCESSOR = "driftline_processor"
CORE = f"{PROCESSOR}.core"

SDK_DEPENDENCIES = ("driftline", "numpy", "opentelemetry", "wrapt", "grpc", "requests", "google.protobuf", "google.rpc")
"""What the bare install brings, the OTLP exporters' own included; whatever else a user passes is never imported."""

CORE_DEPENDENCIES = ("driftline", CORE, "numpy", "scipy", "river", "google.protobuf", "opentelemetry.proto", "pyarrow")

IMPURE = (
    *(
        "asyncio",
        "concurrent",
        "http",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "queue",
        "random",
        "secrets",
    ),
    *("select", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading"),
    *("time", "urllib", "uuid", "warnings"),
    *("pyarrow.csv", "pyarrow.dataset", "pyarrow.fs", "pyarrow.ipc", "pyarrow.json", "pyarrow.parquet"),
)
"""Parts of the standard library and of Arrow with I/O, a clock, threads or chance of their own."""


def broken(module: Module, *, allowed: tuple[str, ...] = (), forbidden: tuple[str, ...] = ()) -> list[str]:
    """Return the imports that a rule does not allow, as ``path:line name``."""
    found = []
    for name, line in module.imports():
        standard = name.split(".")[0] in sys.stdlib_module_names
        if within(name, *forbidden) or (allowed and not standard and not within(name, *allowed)):
            found.append(f"{module.path.name}:{line} {name}")
    return found


def room(*packages: str) -> list[Module]:
    return [module for module in modules() if within(module.name, *packages)]


def ids(module: Module) -> str:
    return module.name


@pytest.mark.parametrize("module", room("driftline"), ids=ids)
def test_the_sdk_imports_only_what_the_bare_install_brings(module: Module) -> None:
    plugin = ("pytest",) if module.name == "driftline.testing.plugin" else ()  # loaded by pytest, and by nothing else
    assert broken(module, allowed=(*SDK_DEPENDENCIES, *plugin)) == []


@pytest.mark.parametrize("module", room(PROCESSOR), ids=ids)
def test_the_processor_knows_no_integration(module: Module) -> None:
    assert broken(module, forbidden=("driftline_integrations",)) == []


def test_integrations_know_the_sdk_and_not_the_processor() -> None:
    found = [line for module in room("driftline_integrations") for line in broken(module, forbidden=(PROCESSOR,))]
    assert found == []


@pytest.mark.parametrize("module", room(CORE), ids=ids)
def test_core_knows_no_other_room_and_does_no_io(module: Module) -> None:
    assert broken(module, allowed=CORE_DEPENDENCIES, forbidden=IMPURE) == []


@pytest.mark.parametrize("module", room(CORE), ids=ids)
def test_core_reads_no_clock_and_opens_no_file(module: Module) -> None:
    calls = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    assert names & {"now", "utcnow", "today", "open", "print", "default_rng"} == set()


def test_one_module_opens_the_database() -> None:
    users = {module.name for module in modules() if broken(module, forbidden=("duckdb",))}
    assert users == {f"{PROCESSOR}.runtime.store"}


def test_pages_and_files_do_not_reach_into_the_store() -> None:
    readers = room(f"{PROCESSOR}.web", f"{PROCESSOR}.files", f"{PROCESSOR}.top")
    found = [line for module in readers for line in broken(module, forbidden=(f"{PROCESSOR}.runtime.store",))]
    assert found == []


def test_one_module_of_the_sdk_touches_the_unstable_logs_api() -> None:
    unstable = ("opentelemetry._logs", "opentelemetry.sdk._logs")
    users = {module.name for module in room("driftline") if broken(module, forbidden=unstable)}
    assert len(users) <= 1, users
