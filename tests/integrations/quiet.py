"""Applications without FastAPI's own telemetry, which would make a second web span; older versions have none."""

from __future__ import annotations

import inspect
from typing import Any

from fastapi import FastAPI

QUIET: dict[str, Any] = {"telemetry": {"tracing": False, "metrics": False, "logs": False}}
if "telemetry" not in inspect.signature(FastAPI).parameters:
    QUIET = {}
