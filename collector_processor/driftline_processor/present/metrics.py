"""Metrics and drift methods in words: titles, order, values in their unit, intervals, changes, and better direction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from driftline_processor.core.drift.methods import METHODS
from driftline_processor.core.evaluation import ColumnDrift, MetricValue, ServiceLevel, Source
from driftline_processor.core.metrics import direction, metric_named, title
from driftline_processor.core.service_level.level import ERROR_RATE, LATENCIES
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.present.wording import NAME, format_percent, short

from .numbers import UNKNOWN, finite, number, percents, rounded_ends

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

_TITLES = {"mae": "mean absolute error", "rmse": "root mean squared error", "r2": "R²"}

_SERVICE_TITLES = {
    "error_rate": "call error rate",
    "availability": "availability",
    **{name: f"latency {name.removeprefix('latency_')}" for name in LATENCIES},
}


def metric_title(name: str) -> str:
    """Return the title of a metric.

    >>> metric_title("roc_auc"), metric_title("actual_rate"), metric_title("ndcg@10")
    ('ROC AUC', 'actual rate', 'NDCG@10')
    """
    return short(title(name))


def metric_words(metric: str) -> str:
    """Return a metric's title for a sentence.

    >>> metric_words("roc_auc"), metric_words("mae")
    ('ROC AUC', 'mean absolute error')
    """
    if metric in SERVICE_METRICS:
        return service_title(metric)
    return short(_TITLES.get(metric) or title(metric), NAME)


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


def direction_words(metric: str) -> str:
    """Return the better direction. Whether a difference is significant needs an interval.

    >>> direction_words("log_loss"), direction_words("roc_auc"), direction_words("mean_score")
    ('lower is better', 'higher is better', '')
    """
    return {1: "higher is better", -1: "lower is better"}.get(direction(metric), "")


def service_title(metric: str) -> str:
    """Return the title of a service metric.

    >>> service_title("latency_p99"), service_title("error_rate")
    ('latency p99', 'call error rate')
    """
    return _SERVICE_TITLES[metric]


def measured_text(metric: str, value: float) -> str:
    """Return a service metric in three digits; if few calls failed, in three digits of the failures.

    >>> measured_text("latency_p99", 0.08234), measured_text("error_rate", 0.024812)
    ('82.3 ms', '2.48 %')
    >>> measured_text("availability", 0.99951234), measured_text("availability", 1.0)
    ('99.9512 %', '100 %')
    """
    if metric in LATENCIES:
        return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
    rare = min(value, 1 - value)
    digits = max(0, 2 - math.floor(math.log10(100 * rare))) if rare > 0 else 0
    return f"{100 * value:.{digits}f} %"


def measured_ends(metric: str, low: float | None, high: float | None) -> str:
    """Return the ends of an interval in words; "" if there is none.

    >>> measured_ends("latency_p99", 0.075, 0.09), measured_ends("latency_p99", 0.075, None)
    ('75 ms to 90 ms', '75 ms or more')
    """
    if low is None or (high is None and not low):
        return ""
    return f"{measured_text(metric, low)} " + ("or more" if high is None else f"to {measured_text(metric, high)}")


def value_of_calls(metric: str, measured: MetricValue | None) -> str:
    """Return the value of a service metric; a dash if unknown.

    >>> value_of_calls("latency_p99", MetricValue(0.0823, 900, "panes")), value_of_calls("error_rate", None)
    ('82.3 ms', '–')
    """
    return "–" if measured is None or measured.value is None else measured_text(metric, measured.value)


def ends_of_calls(metric: str, measured: MetricValue) -> str:
    """Return the interval of a service metric; a dash if there is none."""
    return measured_ends(metric, measured.low, measured.high) or "–"


def rank_service(slices: Mapping[str, ServiceLevel]) -> list[tuple[str, ServiceLevel]]:
    """Sort slices by their significant fraction of failures, then by their number of calls."""

    def surely(level: ServiceLevel) -> float:
        rate = level.values.get(ERROR_RATE)
        return 0.0 if rate is None or rate.low is None else rate.low

    return sorted(slices.items(), key=lambda pair: (-surely(pair[1]), -pair[1].calls, pair[0]))


def in_shares(metric: str) -> bool:
    """Return True if a metric is a fraction, which is shown as a percentage.

    >>> in_shares("accuracy"), in_shares("log_loss"), in_shares("roc_auc"), in_shares("r2")
    (True, False, False, False)
    """
    definition = metric_named(metric)
    return definition is not None and definition.unit == "fraction"


def metric_value(metric: str, value: float) -> str:
    """Return the value of a metric; a fraction as a percentage.

    >>> metric_value("accuracy", 0.6429), metric_value("log_loss", 0.7599), metric_value("latency_p99", 0.0823)
    ('64.3 %', '0.76', '82.3 ms')
    """
    if metric in SERVICE_METRICS:
        return measured_text(metric, value)
    return format_percent(value, 3) if in_shares(metric) and 0 <= value <= 1 else number(value)


def interval_of_value(metric: str, low: float | None, high: float | None) -> str:
    """Return the interval of a value in brackets; "" if there is none.

    >>> interval_of_value("accuracy", 0.61, 0.67), interval_of_value("log_loss", None, None)
    (' (61 % to 67 %)', '')
    """
    if low is None or high is None:
        return ""
    if metric in SERVICE_METRICS:
        return f" ({measured_text(metric, low)} to {measured_text(metric, high)})"
    if in_shares(metric) and 0 <= low <= high <= 1:
        return f" ({percents(low, high)})"
    return f" ({' to '.join(rounded_ends(low, high))})"


def size_of_change(metric: str, change: float, low: float | None, high: float | None) -> str:
    """Return the absolute change of a metric with its interval.

    >>> size_of_change("accuracy", -0.139, -0.17, -0.1), size_of_change("mae", 2.0, None, None)
    ('14 points (10 to 17 points)', '2')
    """
    scale = 100.0 if in_shares(metric) else 1.0
    sign = -scale if change < 0 else scale
    unit = " points" if scale > 1 else ""
    text = f"{number(float(f'{sign * change:.2g}') if unit else sign * change)}{unit}"
    if low is None or high is None:
        return text
    ends = sorted((sign * low, sign * high))
    return f"{text} ({' to '.join(rounded_ends(ends[0], ends[1]))}{unit})"


def signed_ends(metric: str, low: float | None, high: float | None) -> str:
    """Return the interval of a difference with signs, for fractions in points; "" if there is none.

    >>> signed_ends("accuracy", -0.17, -0.1), signed_ends("mae", -0.2, 1.5), signed_ends("mae", None, None)
    ('−17 to −10 points', '−0.2 to +1.5', '')
    """
    if low is None or high is None:
        return ""
    scale, unit = (100.0, " points") if in_shares(metric) else (1.0, "")
    ends = zip((low, high), rounded_ends(scale * low, scale * high), strict=True)
    signed = [f"+{text}" if end > 0 else text for end, text in ends]
    return f"{' to '.join(signed)}{unit}"


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
