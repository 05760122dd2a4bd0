"""The style sheet within a file, for reports and reviews that are sent."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def style() -> str:
    """Return the style sheet."""
    return (Path(__file__).parent / "static" / "driftline.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def content_security_policy() -> str:
    """Return the content security policy of a report: only its own style sheet."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
