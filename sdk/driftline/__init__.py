"""OpenTelemetry for predictive models.

>>> import driftline
>>> churn = driftline.Model("churn", task="binary", version="2026-11-01")
>>> @churn.predict(id="order_id")
... def score(order: dict) -> float:
...     return 0.25
>>> score({"order_id": "A-1001", "amount": 17.5})
0.25
>>> churn.outcome("A-1001", actual=1)

``Model`` (``model.py``) decorates a function. A call (``capture/``) takes snapshots of its input (``inputs/``) and its
result (``outputs/``), ends a span, and appends one entry to a buffer. A background thread (``export/pipeline.py``)
converts entries to columns (``batch/``), counts them (``distributions/``), and sends records to the endpoint
(``export/``).

Importing this module imports no package. The module of a name loads when the name is first used, and numpy and an
exporter load with the first Model: a test runner that loads our plugin (testing/plugin.py) in every project pays 1 ms.
"""

from __future__ import annotations

import atexit
import logging  # noqa: F401 - registers its own end first, so that it runs after ours
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftline.baseline.baseline import Baseline
    from driftline.capture.prediction import Prediction, current
    from driftline.export.lifecycle import flush, shutdown
    from driftline.privacy.policy import Privacy

    from .batch_panes import MadePanes, SentPanes, make_panes, send_panes
    from .configuration import configure
    from .evaluation import EvaluationReport, evaluate
    from .model import Model
    from .outcomes import Accepted, Rejection, Undelivered, UnknownOutcomes
    from .training.training_run import TrainingRun, training_run

__all__ = [
    "Accepted",
    "Baseline",
    "EvaluationReport",
    "MadePanes",
    "Model",
    "Prediction",
    "Privacy",
    "Rejection",
    "SentPanes",
    "TrainingRun",
    "Undelivered",
    "UnknownOutcomes",
    "configure",
    "current",
    "evaluate",
    "flush",
    "make_panes",
    "send_panes",
    "shutdown",
    "training_run",
]

_HOMES = {
    "Accepted": "outcomes",
    "Baseline": "baseline.baseline",
    "EvaluationReport": "evaluation",
    "MadePanes": "batch_panes",
    "Model": "model",
    "Prediction": "capture.prediction",
    "Privacy": "privacy.policy",
    "Rejection": "outcomes",
    "SentPanes": "batch_panes",
    "TrainingRun": "training.training_run",
    "Undelivered": "outcomes",
    "UnknownOutcomes": "outcomes",
    "configure": "configuration",
    "current": "capture.prediction",
    "evaluate": "evaluation",
    "flush": "export.lifecycle",
    "make_panes": "batch_panes",
    "send_panes": "batch_panes",
    "shutdown": "export.lifecycle",
    "training_run": "training.training_run",
}


@atexit.register
def _end_process() -> None:
    """End the process, after all ``atexit`` handlers that are registered from now on: they may predict."""
    lifecycle = sys.modules.get(f"{__name__}.export.lifecycle")
    if lifecycle is not None:
        lifecycle.end_process()
    guarded_log = sys.modules.get(f"{__name__}.guarded_log")
    if guarded_log is not None:
        guarded_log.logger.release_handlers()


def __dir__() -> list[str]:
    """Return all public names, including those of modules that are not loaded yet."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name from its module when it is first used."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'driftline' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
