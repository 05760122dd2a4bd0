"""Answers as JSON, which has no word for NaN and infinities: both are ``null``, as all that is unknown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse


class FiniteJSON(JSONResponse):
    """A JSON answer in which a number that is none is ``null``; one odd value costs no reader the others."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of an answer; it is walked through only where a number cannot be written.

        A half surrogate in a name from the wire cannot be encoded; it is a question mark, as on the pages.
        """
        try:
            return _encoded(content)
        except ValueError:
            return _encoded(finite_values(content))


def _encoded(content: Any) -> bytes:
    written = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return written.encode("utf-8", "replace")


def finite_values(value: Any) -> Any:
    """Return a document with None for each number that JSON cannot hold.

    >>> finite_values({"psi": [float("nan"), 0.5, ("inf", float("inf"))]})
    {'psi': [None, 0.5, ['inf', None]]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite_values(one) for name, one in value.items()}
    return [finite_values(one) for one in value] if isinstance(value, list | tuple) else value
