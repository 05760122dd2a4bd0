"""Check answers of the API against docs/reference/evaluations.schema.json, with no key more."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from tests.support.paths import ROOT

_SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/evaluations.schema.json").read_text("utf-8"))
for _found in _SCHEMA["$defs"].values():
    _found["additionalProperties"] = False


def check_answer(answer: object, name: str) -> None:
    """Raise ``jsonschema.ValidationError`` where an answer is not as the schema names it."""
    jsonschema.validate(answer, {"$ref": f"#/$defs/{name}", "$defs": _SCHEMA["$defs"]})
