"""F-beta: the harmonic mean of precision and recall, in which recall counts beta times as much."""

from __future__ import annotations

from driftline_processor.core.metrics.families.confusion import BINARY, class_share, f_weights

from .metric import Argument, Metric

_VALUE, _INTERVAL = class_share(lambda name: None if name.at is None else f_weights(name.at))

METRIC = Metric(
    name="fbeta",
    title="F-beta",
    tasks=BINARY,
    direction=1,
    unit="score",
    greatest=1.0,
    source="scikit-learn, fbeta_score; van Rijsbergen, Information Retrieval (1979), chapter 7",
    value=_VALUE,
    interval=_INTERVAL,
    argument=Argument("a beta above 0", 2.0, lambda at: at > 0),
    rank=65,
)
