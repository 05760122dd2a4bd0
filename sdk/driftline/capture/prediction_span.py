"""The attributes of a prediction's span, as shown in Jaeger."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from driftline.inputs.texts_and_vectors import LARGE
from driftline.semconv import attributes as a
from driftline.tables.ids import id_text
from driftline.tables.text import sendable

from .call_plan import CallPlan
from .prediction import Prediction
from .row_schema import RowSchema
from .snapshot import read_one

if TYPE_CHECKING:
    from opentelemetry.trace import Span

MOST_ITEMS = 64
"""Maximum number of ranked items on a span, as for features; ``driftline.prediction.item.count`` is the total number.
"""


def scored_attributes(
    plan: CallPlan, shape: RowSchema, values: tuple[Any, ...], id: str, score: Any, decided: str
) -> dict[str, Any]:
    """Return the attributes of one row whose result was read immediately, as for most spans."""
    identity = plan.identity
    attributes = (shape.recorded if plan.pipeline.recording else shape.unrecorded).copy()
    attributes[a.ML_PREDICTION_ID] = id if identity.hash_id is None else identity.hash_id(id)
    if identity.capture == "none":
        return attributes
    if score is None:
        del attributes[identity.score_attribute]
    else:
        attributes[identity.score_attribute] = score
        decided = identity.derive_class(identity.task, score)
    if decided:
        attributes[a.ML_PREDICTION_CLASS] = decided
    else:
        del attributes[a.ML_PREDICTION_CLASS]
    keys = shape.keys
    if keys:
        picked = values if shape.pick is None else shape.pick(values)
        attributes.update(zip(keys, picked))  # noqa: B905 - equally long; strict=True would double the cost
        if values.__class__ is not tuple:
            _remove_missing(attributes, shape, picked)
    return attributes


def span_attributes(prediction: Prediction) -> dict[str, Any]:
    """Return all attributes as one dict: ``set_attributes`` costs half of twenty calls of ``set_attribute``."""
    plan, values, shape = prediction.plan, prediction.values, prediction.shape
    identity = plan.identity
    if values is None or shape is None:
        shape = plan.no_features
    attributes = (shape.recorded if plan.pipeline.recording else shape.unrecorded).copy()
    attributes[a.ML_PREDICTION_ID] = prediction.id if identity.hash_id is None else identity.hash_id(prediction.id)
    if prediction.error:
        attributes[a.ERROR_TYPE] = prediction.error
    if prediction.batch is not None:
        attributes[a.ML_PREDICTION_COUNT] = prediction.count
    if identity.capture == "none":
        return attributes
    _set_result(attributes, prediction)
    if values is not None:
        picked = values if shape.pick is None else shape.pick(values)
        attributes.update(zip(shape.keys, picked, strict=True))
        _remove_missing(attributes, shape, picked)
    for name, value in (prediction.slices or {}).items():
        if value.__class__ is not list and value is not None:  # the slices of a batch stay in its record
            attributes[f"{a.DRIFTLINE_SLICE_VALUE}.{sendable(name)}"] = value
    return attributes


def keep_identity(plan: CallPlan, span: Span) -> None:
    """Set the initial attributes again if the span does not have them.

    A span that is full of features drops its oldest attributes, and a span starts without the attributes that its
    sampler does not return. Looking costs 0.5 µs, so ``fast_call.py`` looks until a span without features has them.
    """
    if a.ML_OPERATION_NAME not in getattr(span, "attributes", ()):
        span.set_attributes(plan.initial_attributes)
    elif not plan.span_values:
        plan.may_lose_identity = False


def abandoned_attributes(plan: CallPlan, reason: str) -> dict[str, Any]:
    """Return the attributes of a span that is not a prediction. ``recorded`` is true, so that no analysis counts it."""
    return {**unknown_attributes(plan), a.DRIFTLINE_REASON: reason}


def unknown_attributes(plan: CallPlan) -> dict[str, Any]:
    """Return the attributes that hold for all predictions of a plan.

    ``recorded`` is true: the prediction is counted elsewhere, or must not be counted.
    """
    attributes = plan.no_features.recorded.copy()
    for name in (a.ML_PREDICTION_ID, plan.identity.score_attribute, a.ML_PREDICTION_CLASS):
        attributes.pop(name, None)
    return attributes


def _remove_missing(attributes: dict[str, Any], shape: RowSchema, values: tuple[Any, ...]) -> None:
    for key, value in zip(shape.keys, values, strict=True):
        if value is None or value.__class__ in LARGE:  # documents and vectors are not put on spans
            del attributes[key]


def _set_ranking(attributes: dict[str, Any], ranked: Any, fit: Callable[[str], str] | None) -> Any:
    """Put the ranked items and their number on a span, and return the scores; None without scores.

    ``ranked``: None without a ranking; a float if only the first item's score is known. ``fit``: function that hashes
    an id before export.
    """
    if ranked.__class__ is not tuple:
        return None if ranked is None else (ranked,)
    ids, scores = ranked
    texts = tuple(map(id_text, ids[:MOST_ITEMS]))
    attributes[a.DRIFTLINE_PREDICTION_ITEMS] = (
        texts if fit is None else tuple(fit(text) if text else "" for text in texts)
    )
    attributes[a.DRIFTLINE_PREDICTION_ITEM_COUNT] = len(ids)
    return None if scores is None else scores[:MOST_ITEMS]


def _set_result(attributes: dict[str, Any], prediction: Prediction) -> None:
    """Put the result of one row on a span."""
    identity = prediction.plan.identity
    score: Any = None
    decided = ""
    if prediction.batch is None and not prediction.error:
        score, decided, unread = read_one(prediction)
        if unread is not None:
            attributes[a.DRIFTLINE_PREDICTION_UNREAD] = True
    if identity.task.ranks_items:
        score = _set_ranking(attributes, score, identity.hash_id)
    if score is None:
        del attributes[identity.score_attribute]
    else:
        attributes[identity.score_attribute] = score
        decided = decided or identity.derive_class(identity.task, score)
    if decided:
        attributes[a.ML_PREDICTION_CLASS] = decided
    else:
        del attributes[a.ML_PREDICTION_CLASS]
