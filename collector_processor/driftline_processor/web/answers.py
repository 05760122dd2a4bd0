"""Answers as JSON, which has no word for NaN and infinities: both are ``null``, as all that is unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import json
from starlette.responses import JSONResponse

from driftline_processor.present.wording import without_half_surrogates


class FiniteJSON(JSONResponse):
    """A JSON answer in which a number that is not finite is ``null``; one odd value costs no reader the others."""

    def render(self, content: Any) -> bytes:
        """Return the bytes of an answer.

        A half surrogate in a name from the wire cannot be encoded; it is a question mark, as on the pages.

        >>> FiniteJSON({"psi": [float("nan"), 0.5, ("inf", float("inf"))], "name": "a\\ud800"}).body
        b'{"psi":[null,0.5,["inf",null]],"name":"a?"}'
        """
        try:
            return _ENCODER.encode(content)
        except UnicodeEncodeError:
            return _ENCODER.encode(without_half_surrogates(content))


def _plain(value: object) -> object:
    """Return the number of a numpy scalar, and the text of a subclass of str."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not allowed in a response")


_ENCODER = json.Encoder(enc_hook=_plain)
