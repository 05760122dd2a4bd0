"""How the estimators of a library are asked, and what they answer: by scikit-learn's conventions, or by its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .fitted import Fitted, look, mark
from .samples import rows_of

Given = Mapping[str, Any]
"""The arguments of a call by their names."""

_EXPLANATIONS = ("pred_leaf", "pred_contrib", "pred_contribs", "pred_interactions", "approx_contribs")
_MARGINS = ("raw_score", "output_margin")
_CONVENTIONS = {
    ("classifier", "predict"): "class",
    ("classifier", "predict_proba"): "probability",
    ("classifier", "predict_log_proba"): "log probability",
    ("classifier", "decision_function"): "margin",
    ("regressor", "predict"): "value",
    ("outlier_detector", "predict"): "class",
    ("outlier_detector", "decision_function"): "margin",
    ("clusterer", "predict"): "class",
}


def explains(given: Given) -> bool:
    """Say whether a call asks why, for leaves or contributions, and not what."""
    return any(given.get(flag) for flag in _EXPLANATIONS)


def asks_for_margins(given: Given) -> bool:
    """Say whether a call asks for what stands before the link function: logits, logs."""
    return any(given.get(flag) for flag in _MARGINS)


def conventional(fitted: Fitted, method: str, given: Given) -> str:
    """Return what the result of a method is, a key of ``READINGS``; "" where it predicts nothing."""
    if explains(given):
        return ""
    if asks_for_margins(given):
        return "margin" if fitted.kind == "classifier" else ""
    return _CONVENTIONS.get((fitted.kind, method), "")


@dataclass(frozen=True)
class Family:
    """The estimators of one library.

    ``look``: describes a fitted one; ``mark``: gives what is another after another fit, by identity, or a tuple by its
    value. ``reading``: says what a call's result is, a key of ``READINGS`` or "". ``rows``: turns the samples into what
    the SDK records, ``ABSENT`` where nothing can be.
    """

    look: Callable[[Any], Fitted | None] = look
    reading: Callable[[Fitted, str, Given], str] = conventional
    rows: Callable[[Any], Any] = rows_of
    mark: Callable[[Any], object] = mark


CONVENTIONAL = Family()
