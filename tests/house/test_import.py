"""What ``import driftline`` loads: a web service that imports it pays for nothing it does not use yet."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {
    *("driftline_processor", "numpy", "scipy", "pandas", "pyarrow", "torch", "sklearn", "duckdb", "pydantic"),
    *("grpc", "google.protobuf", "opentelemetry.exporter", "opentelemetry.proto", "requests", "yaml"),
}


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_driftline_loads_nothing_heavy() -> None:
    assert loaded_by("import driftline") & HEAVY == set()


def test_importing_the_telemetry_names_loads_nothing_heavy() -> None:
    assert loaded_by("from driftline.semconv import attributes, events, metrics") & HEAVY == set()
