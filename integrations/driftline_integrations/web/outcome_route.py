"""An optional route of the service that accepts outcomes: ``POST`` one or a list, answered with the result of each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from driftline.capture.outcome import FIELDS, UnusableOutcome
from driftline.faults import FAULTS
from driftline.outcomes import buffer_outcome
from driftline.outputs.output import describe

if TYPE_CHECKING:
    from driftline import Model

OUTCOME_BYTES = 1 << 20
"""Maximum bytes of a request, about ten thousand outcomes; for more, use ``Model.outcomes``."""
SHOWN_REJECTIONS = 100


class OutcomeRoutes:
    """The paths of one application that accept outcomes, each for one model."""

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}

    def add(self, model: Model, path: str) -> None:
        """Accept a model's outcomes at a path. Raises ``ValueError`` for an invalid or used path."""
        if not path.startswith("/"):
            raise ValueError(f"outcomes: {path!r} is not a path; use a path such as '/outcomes'")
        mapped_model = self._models.get(path, model)
        if mapped_model.name != model.name:
            raise ValueError(
                f"outcomes: {path!r} receives the outcomes of {mapped_model.name}; "
                f"use another path for the outcomes of {model.name}"
            )
        self._models[path] = model

    def model_at(self, method: str, path: str) -> Model | None:
        """Return the model whose outcomes a request contains; None for other requests."""
        return self._models.get(path) if method == "POST" and self._models else None


def take_outcomes(model: Model, body: bytes, content_type: str) -> tuple[int, bytes]:
    """Record the outcomes of a request; return the status and the JSON body of the answer.

    ``body``: ``{"id": ..., "actual": ..., "time"?, "prediction_time"?, "weight"?}`` or a list of these. The answer has
    the number of accepted outcomes, and the mistake in each of the others. If no outcome is accepted, the status is 422
    if only their classes are wrong, and 400 otherwise.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json":  # a page of another site may post without one, but not with this one
        return 415, _answer({"error": f"content type {kind[:80]!r} is not supported; send application/json"})
    if len(body) > OUTCOME_BYTES:
        return 413, _answer({"error": f"the request is larger than {OUTCOME_BYTES >> 20} MiB; send it in parts"})
    try:
        document = json.loads(body)
    except Exception as error:
        return 400, _answer({"error": f"the body is not valid JSON: {error}"})
    rows = document if isinstance(document, list) else [document]
    rejected: list[dict[str, Any]] = []
    strangers = 0
    for index, row in enumerate(rows):
        reason, stranger = _take(model, row)
        strangers += stranger
        if reason:
            rejected.append({"index": index, "reason": reason})
    answer: dict[str, Any] = {"accepted": len(rows) - len(rejected), "rejected": rejected[:SHOWN_REJECTIONS]}
    if len(rejected) > SHOWN_REJECTIONS:
        answer["more_rejected"] = len(rejected) - SHOWN_REJECTIONS
    refused = 422 if strangers == len(rows) else 400
    return (refused if rejected and not answer["accepted"] else 202), _answer(answer)


def _take(model: Model, row: Any) -> tuple[str, bool]:
    """Record one outcome; return its mistake, "" if there is none, and whether only its class is wrong."""
    try:
        reason = buffer_outcome(
            model._identity, model._pipeline, model._declared_classes(), **_fields(row), refuse=True
        )
    except UnusableOutcome as unusable:
        return str(unusable), False
    except Exception as fault:
        FAULTS.swallow("outcome", fault)
        return "it could not be recorded", False
    return reason, bool(reason)


def _fields(row: Any) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise UnusableOutcome(f"an outcome must be an object with id and actual, not {describe(row).text}")
    unknown = [name for name in row if name not in FIELDS]
    if unknown:
        raise UnusableOutcome(f"unknown key {unknown[0]!r}; an outcome has the keys {', '.join(FIELDS)}")
    return dict(row)


def _answer(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
