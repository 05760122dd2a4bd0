"""JSON responses. JSON has no NaN and no infinity: both become ``null``, as every unknown value."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import json
from starlette.responses import JSONResponse

from driftline_processor.present.wording import without_half_surrogates


class FiniteJSON(JSONResponse):
    """A JSON response in which numbers that are not finite are ``null``."""

    def render(self, content: Any) -> bytes:
        r"""Return the bytes of a response.

        A lone surrogate in a received name cannot be encoded and becomes a question mark, as on the pages.

        >>> FiniteJSON({"psi": [float("nan"), 0.5, ("inf", float("inf"))], "name": "a\ud800"}).body
        b'{"psi":[null,0.5,["inf",null]],"name":"a?"}'
        """
        try:
            return _ENCODER.encode(content)
        except UnicodeEncodeError:
            return _ENCODER.encode(without_half_surrogates(content))


def _plain(value: object) -> object:
    """Return a numpy scalar as a Python number and a subclass of str as plain text."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not allowed in a response")


_ENCODER = json.Encoder(enc_hook=_plain)
