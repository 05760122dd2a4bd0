"""Performance by slice and fairness, as derived metrics."""

from __future__ import annotations

from collections.abc import Iterator

from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from driftline.slices import slice_name

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.performance.by_slice import LABEL_AGE

Derived = tuple[str, dict[str, str], float | None]
"""The name of a metric, its own attributes, and its value."""


def sliced(newest: Evaluation) -> Iterator[Derived]:
    """Yield the performance of slices and of the ages of labels, and what came of fairness.

    Not that of single classes, of which there may be hundreds: a key has 21 values at most.
    """
    ages = {slice_name(LABEL_AGE, age): found for age, found in newest.ages.items()}
    for name, found in {**newest.performance_slices, **ages}.items():
        for metric, measured in found.metrics.items():
            if "[" not in metric:
                what = {a.ML_PERFORMANCE_METRIC: metric, a.ML_PERFORMANCE_SLICE: name}
                yield m.ML_PERFORMANCE_VALUE, what, measured.value
    for fair in newest.fairness:
        for one in fair.criteria:
            named = {a.ML_FAIRNESS_ATTRIBUTE: fair.attribute, a.ML_FAIRNESS_CRITERION: one.name}
            yield m.ML_FAIRNESS_STATE, {**named, a.STATE: one.state}, 1.0
