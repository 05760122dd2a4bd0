"""What is worked out once, at decoration, so that no call needs to."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .semconv import attributes as a
from .signature import Inputs, Selector

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from .flush import Pipeline
    from .identity import Identity
    from .outputs import Unread

_MOST_FEATURES = 64
_RESERVED = 32
"""Attributes of a span that are not features. Python drops the oldest beyond the limit: the model's name went first."""


@dataclass(eq=False)
class Plan:
    """One decorated function, or one ``with model.prediction()``, of one model.

    ``name``: of the function, for people. ``score``, ``predicted``: selectors of the result, if any. ``first_input``,
    ``first_result``: what the first call was given and returned, in words, until the log has told.
    """

    identity: Identity
    pipeline: Pipeline
    tracer: Tracer
    name: str
    inputs: Inputs
    score: Selector | None = None
    predicted: Selector | None = None
    span_features: bool = True
    first_input: Unread | None = None
    first_result: Unread | None = None
    _span_keys: dict[tuple[str, ...], SpanKeys] = field(default_factory=dict)

    @cached_property
    def span_name(self) -> str:
        """Return ``{operation} {model}``."""
        return f"predict {self.identity.name}"

    @cached_property
    def span_attributes(self) -> dict[str, Any]:
        """Return what every span of this plan carries."""
        return {a.ML_OPERATION_NAME: "predict", **self.identity.record_attributes()}

    def wanted(self, name: str) -> bool:
        """Say whether an input field of that name is a feature: allowed by the model, and not the id."""
        features = self.identity.features
        return name != self.inputs.id_field and (features is None or name in features)

    def span_keys(self, names: tuple[str, ...]) -> SpanKeys:
        """Return the attribute keys of a row with those names; made once per set of names."""
        keys = self._span_keys.get(names)
        if keys is None:
            if len(self._span_keys) > 1000:  # names that change with every call are values in disguise
                self._span_keys.clear()
            keys = self._span_keys[names] = SpanKeys(self, names)
        return keys

    def default_names(self, width: int) -> tuple[str, ...]:
        """Return names for an input that has none: the model's features if they are as many, else f0, f1, ..."""
        features = self.identity.features
        if features is not None and len(features) == width:
            return features
        return tuple(f"f{i}" for i in range(width))


class SpanKeys:
    """The attribute keys of one set of feature names. ``keys``: "" where a field stays off the span."""

    __slots__ = ("dropped", "every", "keys")

    def __init__(self, plan: Plan, names: tuple[str, ...]) -> None:
        most = min(_MOST_FEATURES, max(0, _attribute_limit() - _RESERVED))
        keys: list[str] = []
        self.dropped = 0
        for name in names:
            if not plan.wanted(name):
                keys.append("")
            elif len(keys) - keys.count("") >= most:
                keys.append("")
                self.dropped += 1
            else:
                keys.append(f"{a.ML_FEATURE_VALUE}.{name}")
        self.keys = tuple(keys)
        self.every = "" not in keys


def _attribute_limit() -> int:
    for variable in ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"):
        text = os.environ.get(variable, "").strip()
        if text.isdigit():
            return int(text)
    return 128
