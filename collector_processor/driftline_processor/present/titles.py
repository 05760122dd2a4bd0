"""Titles of metrics and drift methods, their order, and which direction is good."""

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
"""The short title of each drift method, as a column of the terminal has it: "ks" → "KS"."""

BESIDE = {"log_loss": "log_loss_constant", "mean_score": "actual_rate"}
"""Metric → what it is read against: drawn in one chart. Above a constant's log loss a model is worse than none."""

SOURCE_WORDS: dict[Source, str] = {"rows": "rows", "panes": "counts"}
"""Source of a metric in words: rows, or counts."""

HEADLINES = ("log_loss", "roc_auc", "accuracy", "mae", "rmse", "r2", "f1")
"""The metrics that stand for a model, the most telling first. Tables show the first of them that are known."""

READ_ALONE = tuple(name for name in HEADLINES if name not in BESIDE)
"""Those for a sentence, which needs no second metric: the first of them that is known."""

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
    """Write a drift method's symbol and value, as in "KS 0.41"; "" where the column has no value of it."""
    method_result = column.methods.get(method)
    if method_result is None or method_result.value is None:
        return ""
    return f"{METHOD_SYMBOLS.get(method, method)} {number(method_result.value)}"


def metric_names(metrics: Iterable[str]) -> list[str]:
    """Return names of metrics in the order in which people ask for them."""
    all_names = list(metrics)
    names = [name for name in _ORDER if name in all_names]
    return names + [name for name in all_names if name not in names]


def direction(metric: str) -> str:
    """Say which direction is good. Whether a difference means anything is not said: that needs an interval.

    >>> direction("log_loss"), direction("roc_auc"), direction("mean_score")
    ('lower is better', 'higher is better', '')
    """
    return {1: "higher is better", -1: "lower is better"}.get(better(metric), "")


def metric_text(name: str, value: float | None) -> str:
    """Write the value of a metric in its unit: a share in percent.

    >>> metric_text("accuracy", 0.6429), metric_text("log_loss", 0.7599), metric_text("accuracy", None)
    ('64.3 %', '0.76', '–')
    """
    finite_value = finite(value)
    return UNKNOWN if finite_value is None else metric_value(name, finite_value)


def metric_ends(name: str, low: float | None, high: float | None) -> str:
    """Write the interval of a metric in its unit; "" where there is none.

    >>> metric_ends("accuracy", 0.61, 0.67), metric_ends("log_loss", None, None)
    ('61 % to 67 %', '')
    """
    return interval_of_value(name, finite(low), finite(high)).strip(" ()")
