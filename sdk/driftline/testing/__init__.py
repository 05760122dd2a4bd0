"""Driftline in somebody's tests: what was recorded, in memory, with ids and times that repeat.

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

With pytest there is nothing to import: ask for the fixture ``driftline_capture``. The pytest plugin of this package is
loaded wherever Driftline is installed, so nothing is imported here until somebody asks for it.
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
    """Load the rest of this package when somebody asks for it."""
    if name not in __all__:
        raise AttributeError(f"module 'driftline.testing' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'captured_rows')}"), name)
    globals()[name] = value
    return value
