"""Where the repository and its golden files lie, whatever folder a test is in."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN_FILES = ROOT / "tests" / "golden"
INTEGRATION_PAGES = ROOT / "docs/how-to/integrations"


def code_blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a language on a page about an integration."""
    text = (INTEGRATION_PAGES / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
