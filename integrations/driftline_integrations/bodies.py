"""JSON bodies of requests and responses, on the background thread: half of what a recorded request costs there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

_parse: Callable[[bytes], Any] = json.loads
try:
    from pydantic_core import from_json
except ImportError:
    pass
else:
    _parse = from_json
    """FastAPI brings it. It takes 1.6 µs for a request of 20 fields and its response, Python's own parser 7.5."""


def parse(body: bytes) -> Any:
    """Return what a body says, as ``json.loads`` reads it. Raises what that raises.

    >>> parse(b'{"probability": 0.25}')
    {'probability': 0.25}
    """
    if _parse is not json.loads:
        try:
            return _parse(body)
        except Exception:  # it refuses what Python takes: UTF-16, lone surrogates, 500 levels
            pass
    return json.loads(body)
