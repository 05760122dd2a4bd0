"""Top-k accuracy: the fraction of rows whose actual class is among the k highest scores."""

from __future__ import annotations

from driftline.tables.task import Task

from driftline_processor.core.evaluation import MetricValue
from driftline_processor.core.intervals.score_curves import top_k_ratio
from driftline_processor.core.outcomes.sums import ratio

from .metric import Argument, Metric
from .name_grammar import Name
from .performance_sums import IntervalAndRows, PerformanceSums


def value(sums: PerformanceSums, name: Name) -> MetricValue | None:
    """Return the fraction of rows; among equal scores the later class ranks higher, as in scikit-learn."""
    ranks = sums.pane.parts.get("ranks")
    if name.at is None or ranks is None:
        return None
    weight = float(ranks.sum())
    return sums.value_of(ratio(float(ranks[: int(name.at)].sum()), weight), weight, "losses")


def interval(sums: PerformanceSums, name: Name, _value: float) -> IntervalAndRows | None:
    """Return the exact interval of the fraction."""
    if name.at is None:
        return None
    k = int(name.at)
    ratio = sums.cached(("top_k", k), lambda: top_k_ratio(sums.pane, sums.blocks, k))
    return None if ratio is None else sums.share_interval(ratio)


def usual(task: Task) -> tuple[str, ...]:
    """Return the default name for a task with more than five classes."""
    # 5: above this number of classes, top-5 accuracy is common (Russakovsky et al. 2015, ImageNet)
    return ("top_k_accuracy@5",) if task.has_class_scores and len(task.classes) > 5 else ()


METRICS = (
    Metric(
        name="top_k_accuracy",
        title="top k accuracy",
        tasks=frozenset({"multiclass"}),
        direction=1,
        unit="fraction",
        maximum=1.0,
        source="scikit-learn, top_k_accuracy_score",
        value=value,
        interval=interval,
        argument=Argument("a number of classes", 5.0, lambda at: at >= 1 and at == int(at)),
        share_of_rows=True,
        usual=usual,
        rank=170,
        outstanding="row",
    ),
)
