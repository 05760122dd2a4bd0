"""Titles of metrics and drift methods, their order, and their better direction."""

from __future__ import annotations

from collections.abc import Iterable

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import ColumnDrift, Source
from driftline_processor.core.metrics import direction as better
from driftline_processor.core.metrics import title
from driftline_processor.present.figures import interval_of_value, metric_value
from driftline_processor.present.wording import short

from .numbers import UNKNOWN, finite, number

METHOD_SYMBOLS = {name: method.symbol for name, method in METHODS.items()}
"""Drift method → its short title in a terminal column: "ks" → "KS"."""

BESIDE = {"log_loss": "log_loss_constant", "mean_score": "actual_rate"}
"""Metric → its reference metric in the same chart. A log loss above a constant's is worse than no model."""

SOURCE_WORDS: dict[Source, str] = {"rows": "rows", "panes": "counts"}
"""Source of a metric → words."""

HEADLINES = ("log_loss", "roc_auc", "accuracy", "mae", "rmse", "r2", "f1")
"""Primary metrics, the most informative first. Tables show the first known ones."""

READ_ALONE = tuple(name for name in HEADLINES if name not in BESIDE)
"""Primary metrics without a reference metric: a sentence uses the first known one."""

_ORDER = ("log_loss", "mean_score", *HEADLINES[1:], "precision", "recall", "brier", "ctr")


def metric_title(name: str) -> str:
    """Return the title of a metric.

    >>> metric_title("roc_auc"), metric_title("actual_rate"), metric_title("ndcg@10")
    ('ROC AUC', 'actual rate', 'NDCG@10')
    """
    return short(title(name))


def method_title(name: str) -> str:
    """Return the title of a drift method.

    >>> method_title("psi")
    'PSI'
    """
    return METHODS[name].title if name in METHODS else short(name.replace("_", " "))


def method_value(column: ColumnDrift, method: str) -> str:
    """Return a drift method's symbol and value, as in "KS 0.41"; "" if the column has no value."""
    method_result = column.methods.get(method)
    if method_result is None or method_result.value is None:
        return ""
    return f"{METHOD_SYMBOLS.get(method, method)} {number(method_result.value)}"


def metric_names(metrics: Iterable[str]) -> list[str]:
    """Return names of metrics, the most important first."""
    all_names = list(metrics)
    names = [name for name in _ORDER if name in all_names]
    return names + [name for name in all_names if name not in names]


def direction(metric: str) -> str:
    """Return the better direction. Whether a difference is significant needs an interval.

    >>> direction("log_loss"), direction("roc_auc"), direction("mean_score")
    ('lower is better', 'higher is better', '')
    """
    return {1: "higher is better", -1: "lower is better"}.get(better(metric), "")


def metric_text(name: str, value: float | None) -> str:
    """Return the value of a metric in its unit: a fraction as a percentage.

    >>> metric_text("accuracy", 0.6429), metric_text("log_loss", 0.7599), metric_text("accuracy", None)
    ('64.3 %', '0.76', '–')
    """
    finite_value = finite(value)
    return UNKNOWN if finite_value is None else metric_value(name, finite_value)


def metric_ends(name: str, low: float | None, high: float | None) -> str:
    """Return the interval of a metric in its unit; "" if there is none.

    >>> metric_ends("accuracy", 0.61, 0.67), metric_ends("log_loss", None, None)
    ('61 % to 67 %', '')
    """
    return interval_of_value(name, finite(low), finite(high)).strip(" ()")
