"""``core/`` is pure: no other room, no I/O, no clock, no thread; and one module opens the database.

The other arrows of the architecture are contracts of import-linter (``.importlinter``), and calls of a clock or of
``open`` in ``core/`` are rules of Ruff (its ``ruff.toml``).
"""

from __future__ import annotations

import sys

from .modules import Module, modules, within

PROCESSOR = "driftline_processor"
CORE = f"{PROCESSOR}.core"

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
            found.append(f"{module.name}:{line} {name}")
    return found


def room(*packages: str) -> list[Module]:
    return [module for module in modules() if within(module.name, *packages)]


def test_core_knows_no_other_room_and_does_no_io() -> None:
    core = room(CORE)
    assert len(core) > 100
    assert [line for module in core for line in broken(module, allowed=CORE_DEPENDENCIES, forbidden=IMPURE)] == []


def test_one_module_opens_the_database() -> None:
    users = {module.name for module in modules() if broken(module, forbidden=("duckdb",))}
    assert users == {f"{PROCESSOR}.store.database"}


def test_pages_and_files_do_not_reach_into_the_store() -> None:
    readers = room(f"{PROCESSOR}.web", f"{PROCESSOR}.terminal", f"{PROCESSOR}.evaluation.files")
    assert len(readers) > 20
    assert [line for module in readers for line in broken(module, forbidden=(f"{PROCESSOR}.store",))] == []
