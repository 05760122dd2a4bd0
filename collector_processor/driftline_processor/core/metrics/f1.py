"""F1: the harmonic mean of precision and recall."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import CLASSES, F1, class_share, estimated_share

from .metric import Metric

_VALUE, _INTERVAL = class_share(lambda _name: F1)
_USUAL = {"binary": ("f1",), "multiclass": ("f1", "f1_weighted")}

METRIC = Metric(
    name="f1",
    title="F1",
    tasks=CLASSES,
    direction=1,
    unit="score",
    greatest=1.0,
    source="scikit-learn, f1_score; van Rijsbergen, Information Retrieval (1979), chapter 7",
    value=_VALUE,
    interval=_INTERVAL,
    estimate=estimated_share(F1, (0, 1)),
    of_class=True,
    averages=("micro", "weighted"),
    usual=lambda task: _USUAL.get(task.kind, ()),
    rank=60,
)
