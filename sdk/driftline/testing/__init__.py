"""Test doubles of Driftline: capture predictions in memory, with repeatable ids and times.

>>> import driftline, driftline.testing
>>> churn = driftline.Model("churn", task="binary")
>>> @churn.predict(id="order_id")
... def score(order: dict) -> float:
...     return 0.25
>>> with driftline.testing.capture() as captured:
...     score({"order_id": "A-1001", "amount": 17.5})
0.25
>>> (prediction,) = captured.predictions
>>> prediction.features, prediction.predicted
({'amount': 17.5}, '0')
>>> captured.assert_predicted("churn", id="A-1001", score=0.25)
<churn 'A-1001': score 0.25, predicted '0', features {'amount': 17.5}>

With pytest no import is needed: use the fixture ``driftline_capture``. Its plugin loads in every project that has
Driftline installed, so this package imports its modules on first use only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .capture_result import Capture
    from .capture_session import capture
    from .captured_rows import CapturedOutcome, CapturedPrediction, Count, Distribution, Loss
    from .clock import Clock, deterministic

__all__ = [
    "Capture",
    "CapturedOutcome",
    "CapturedPrediction",
    "Clock",
    "Count",
    "Distribution",
    "Loss",
    "capture",
    "deterministic",
]

_HOMES = {"Capture": "capture_result", "Clock": "clock", "capture": "capture_session", "deterministic": "clock"}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'driftline.testing' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'captured_rows')}"), name)
    globals()[name] = value
    return value
