"""Check answers of the API against docs/reference/evaluations.schema.json, with no key more."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema

from tests.support.paths import ROOT

_SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/reference/evaluations.schema.json").read_text("utf-8"))
for _found in _SCHEMA["$defs"].values():
    _found["additionalProperties"] = False


@cache
def _kind() -> Any:
    found = jsonschema.validators.validator_for(_SCHEMA)
    found.check_schema(_SCHEMA)  # once for all names: it takes a second
    return found


@cache
def _validator(name: str) -> Any:
    return _kind()({"$ref": f"#/$defs/{name}", "$defs": _SCHEMA["$defs"]})


def check_answer(answer: object, name: str) -> None:
    """Raise ``jsonschema.ValidationError`` where an answer is not as the schema names it."""
    problem = jsonschema.exceptions.best_match(_validator(name).iter_errors(answer))
    if problem is not None:
        raise problem
