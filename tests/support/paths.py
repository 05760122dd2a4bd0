"""Where the repository and its golden files lie, whatever folder a test is in."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN_FILES = ROOT / "tests" / "golden"
