"""Write docs/reference/evaluations.schema.json, the JSON schema of the answers that carry evaluations.

python -m scripts.generate_schema            write the schema
python -m scripts.generate_schema --check    exit 1 where it differs
"""

from __future__ import annotations

import json
import sys
from functools import cache
from types import UnionType
from typing import Any, NotRequired, Union, get_args, get_origin

import msgspec
from driftline_processor.core.concept.result import ConceptDrift
from driftline_processor.core.evaluation import Evaluation, Verdict, WeakSearch
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.versions.side_by_side import SideBySide
from driftline_processor.evaluation.files.column_uses import ColumnUses
from driftline_processor.evaluation.files.pane_windows import RowSample
from driftline_processor.present.json_shapes import Shape, keys_of
from driftline_processor.present.links import LinkedMisprediction
from driftline_processor.queries.model_view import ModelView
from driftline_processor.web.api.evaluations import MODEL_SHAPES
from typing_extensions import TypedDict

from scripts.generated import ROOT, write_or_check

SCHEMA = ROOT / "docs" / "reference" / "evaluations.schema.json"
_MODEL = {"model": str, "version": str, "environment": str}
_STRETCH = {"start": str, "end": str}


def json_type(hint: Any) -> Any:
    """Return the type of the JSON of a value of a type; a float may be none, and JSON has null alone for that."""
    if hint is float:
        return float | None
    origin, inner = get_origin(hint), get_args(hint)
    if MODEL_SHAPES.holds(hint):
        return _object(hint)
    if origin in (Union, UnionType):
        return Union[tuple(map(json_type, inner))]  # noqa: UP007 - of as many as there are
    if origin is dict:
        return dict[str, json_type(inner[1])]  # type: ignore[misc]
    if origin in (tuple, list):
        return list[json_type(inner[0])]  # type: ignore[misc]
    return hint


@cache
def _object(kind: type) -> Any:
    return _typed(
        kind.__name__, _types_of(kind.__name__, kind, MODEL_SHAPES.of[kind]), (kind.__doc__ or "").split("\n\n")[0]
    )


def _types_of(name: str, kind: type, shape: Shape) -> dict[str, Any]:
    types: dict[str, Any] = {}
    for key in keys_of(shape):
        if key.keys:
            types[key.name] = _typed(f"{name}_{key.name}", _types_of(f"{name}_{key.name}", kind, key.keys))
        else:
            found = json_type(MODEL_SHAPES.type_of(kind, key))
            types[key.name] = NotRequired[found] if key.optional else found | None if key.part else found
    return types


def _typed(name: str, types: dict[str, Any], doc: str = "") -> Any:
    found = TypedDict(name, types)  # type: ignore[misc]
    found.__doc__ = doc
    return found


ANSWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Models": (
        "GET /api/v1/models.",
        {
            "models": json_type(list[ModelView]),
            "verdicts": json_type(dict[str, Verdict | None]),
            "hints": list[str],
            "total": int,
            "next": str | None,
        },
    ),
    "Model": (
        "GET /api/v1/models/{name}.",
        {"model": str, "verdict": json_type(Verdict | None), "versions": json_type(list[ModelView])},
    ),
    "Evaluations": (
        "GET /api/v1/models/{name}/evaluations, and driftline evaluate --json.",
        {
            "model": str,
            "version": str,
            "environment": NotRequired[str],
            "window": NotRequired[str],
            "timezone": NotRequired[str],
            "as_of": NotRequired[str],
            "verdict": NotRequired[json_type(Verdict | None)],
            "concept": NotRequired[json_type(ConceptDrift | None)],
            "outcome_delay": NotRequired[json_type(OutcomeDelay)],
            "windows": json_type(list[Evaluation]),
            "versions": NotRequired[json_type(list[SideBySide])],
            "columns": NotRequired[ColumnUses],
            "sample": NotRequired[RowSample],
        },
    ),
    "Versions": (
        "GET /api/v1/models/{name}/versions.",
        {
            "model": str,
            "environment": str,
            "champion": str | None,
            "challengers": json_type(list[SideBySide]),
        },
    ),
    "WeakSlices": (
        "GET /api/v1/models/{name}/weak-slices.",
        {**_MODEL, **_STRETCH, "weak_slices": json_type(WeakSearch | None)},
    ),
    "Mispredictions": (
        "GET /api/v1/models/{name}/mispredictions.",
        {
            **_MODEL,
            **_STRETCH,
            "instead": str | None,
            "slice": dict[str, str],
            "outcomes": int,
            "wrong": int,
            "rows": json_type(list[LinkedMisprediction]),
        },
    ),
}


def main(arguments: list[str]) -> int:
    """Write or check the schema; return the exit code."""
    text = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    return write_or_check({SCHEMA: text}, "is not what present/ declares", __file__, arguments)


def schema() -> dict[str, Any]:
    """Return the schema: one definition for each answer, and for each object in them."""
    _, found = msgspec.json.schema_components([_typed(name, types, doc) for name, (doc, types) in ANSWERS.items()])
    title = "Answers of Driftline that carry evaluations"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": dict(sorted(found.items())),
        "title": title,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
