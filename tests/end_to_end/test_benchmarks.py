"""Every benchmark runs through, at the smallest sizes there are; what it measures is not looked at.

Servers and joins run in this process, and bench_files leaves its command out: an interpreter each is what takes long.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import Pipe
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.paths import ROOT

BENCHMARKS = sorted(file.stem for file in (ROOT / "benchmarks").glob("bench_*.py"))

SMALL: dict[str, dict[str, Any]] = {
    "bench_restart": {"MODELS": 2, "HOURS": 2, "FEATURES": 2, "LEARNED": 100},
    "bench_scattered": {
        **{"FEW": 1, "MANY": 2, "FEATURES": 2, "DAYS": 1.0},
        **{"OUTCOMES": 200, "AGAIN": 20, "REQUESTS": 1, "FLOW": 10, "SECONDS": 0.5},
    },
    "bench_pane_fleet": {"MODELS": 2, "SECONDS": 1, "FEATURES": 2, "REFERENCE": 500, "REFERENCE_REQUESTS": 2},
    "bench_arrow": {"SIZES": (2,), "best": lambda work: work() is None or 1e-3},
    "bench_slice_change": {"FEATURES": 2, "ROWS": 40, "DAYS": 1, "REFERENCE_DAYS": 8, "PROMISED": 1e9},
    "bench_concept": {"ROWS": 50, "STEPS": 1, "VALUES": 200},
    "bench_convert": {"ROWS": 20, "ROUNDS": 1},
    "bench_decode": {"ROWS": 20, "best": lambda work: work() is None or 1e-3},
    "bench_distributions": {"FEATURES": 2, "BLOCKS": 2, "ROUNDS": 1},
    "bench_drift": {
        "ROWS": 300,
        "REFERENCE_ROWS": 300,
        "FEATURES": 2,
        "ROUNDS": 1,
        "WINDOWS": ((50, 1),),
        "DAYS": 3,
        "DAY_ROWS": 60,
        "DAY_WINDOWS": 1,
    },
    "bench_end_to_end": {"SIZES": ((4, 8),), "COLUMNS": ((4, 8),), "LEARNED": 8, "EVALUATED": 0.1},
    "bench_estimators": {"ROUNDS": 1, "SECONDS": 0.0},
    "bench_evaluations": {"WINDOWS": 2, "FEATURES": (2,), "ROWS": 50, "ROUNDS": 1},
    "bench_files": {"ROWS": 300, "REFERENCE_ROWS": 300, "RUNS": 1},
    "bench_fleet": {"MODELS": 2, "SECONDS": 5, "FEATURES": 2, "LEARNED": 200},
    "bench_first_paint": {"MODELS": 4, "FEATURES": 8, "WINDOWS": 3, "ROUNDS": 1, "PROMISED": 60.0},
    "bench_forward": {"REQUESTS": 1, "WARM_REQUESTS": 1, "SPANS": 2},
    "bench_import": {"ROUNDS": 1},
    "bench_join": {"OUTCOMES": 100},
    "bench_live": {"MODELS": 2, "SECONDS": 1, "FEATURES": 4, "EVERY": 0.5},
    "bench_looks": {"MODELS": 2, "FEATURES": 2, "ROWS": 2, "ROUNDS": 1},
    "bench_memory": {"CASES": {"single rows": 1}, "SECONDS": 0.0},
    "bench_metrics": {"MINUTES": 2},
    "bench_outcome_panes": {"ROUNDS": 1, "A_PANE": (1,)},
    "bench_panes": {"FEATURES": (2,), "ROUNDS": 1, "ROWS": (20,), "REFERENCE": 100, "PROMISED": 1e9},
    "bench_pages": {"RATIO": 1e3, "FLEET": 4, "MODELS": 4, "FEATURES": 8, "WINDOWS": 3, "ROUNDS": 1},
    "bench_ranking": {"LISTS": 50, "JOINED": 20},
    "bench_rates": {"RATES": (8,), "SECONDS": 0.5, "WARM": 0.5, "LATER": 1},
    "bench_rescore": {"MODELS": 1, "ROUNDS": 1, "REFERENCE_ROWS": 300, "ROWS": 50},
    "bench_sdk": {"ROUNDS": 1, "CALLS": 2},
    "bench_security": {"TURNS": 1, "CONNECTIONS": 1, "SIZES": ((2, 1),)},
    "bench_slices": {"SIZES": ((20, 1),), "FEATURES": 2, "KEYS": ((), ("country",))},
    "bench_sources": {"FEATURES": 2, "A_PANE": 10, "ROUNDS": 1},
    "bench_state": {"SIZES": ((10, True), (10, False))},
    "bench_verdict": {"WINDOWS": 2, "FEATURES": 2, "ROWS": 50, "ROUNDS": 1},
    "bench_versions": {"REQUEST": 50},
    "bench_view": {"FEATURES": 2, "ROUNDS": 1},
    "bench_weak": {"ROWS": 400, "FEATURES": 3},
    "bench_web": {"ROUNDS": 1},
}


def _forward(module: ModuleType, patch: pytest.MonkeyPatch) -> None:
    """Serve from threads."""

    @contextmanager
    def serving(target: Callable[..., None], *arguments: object) -> Iterator[tuple[Any, str, str]]:
        pipe, theirs = Pipe()
        thread = threading.Thread(target=target, args=(theirs, *arguments))
        thread.start()
        yield (pipe, *pipe.recv())
        pipe.send(False)
        thread.join(30)

    patch.setattr(module, "serving", serving)
    main = module.main
    main([]) if main.__code__.co_argcount else main()


def _join(module: ModuleType, directory: Path) -> None:
    for kind, spread, named in (("UUIDv7", False, False), ("random", True, True)):
        own = directory / kind
        module.fill(own, 400, kind)
        store = module.Store(own)
        connection = store.connect()
        module.tell(connection, 400, spread, named)
        connection.close()
        store.close()
        module.join(own)


def _web(module: ModuleType) -> None:
    for case in module.CASES:
        module.in_process(case, module.digest(10))
    module.in_process("records only", module.trees(1))


@pytest.fixture
def scratch() -> Iterator[str]:
    """A folder with a short path: a browser puts a socket in it, and a socket's path has at most 108 bytes."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield folder


@pytest.mark.parametrize("name", BENCHMARKS)
def test_it_runs_through(name: str, scratch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module(f"benchmarks.{name}")
    for constant, value in SMALL[name].items():
        monkeypatch.setattr(module, constant, value)
    monkeypatch.setenv("TMPDIR", scratch)
    match name:
        case (
            "bench_forward" | "bench_security" | "bench_end_to_end" | "bench_live" | "bench_pane_fleet" | "bench_rates"
        ):
            _forward(module, monkeypatch)
        case "bench_join":
            _join(module, tmp_path)
        case "bench_web":
            _web(module)
        case "bench_outcome_panes":
            module.main(200)
        case "bench_state":
            module.main(30)
        case "bench_versions":
            module.main(1e-4)
        case "bench_view" | "bench_sources" | "bench_panes":
            module.main(1)
        case "bench_files":
            monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: None)
            module.main()
        case _:
            main = module.main
            main([]) if main.__code__.co_argcount else main()
