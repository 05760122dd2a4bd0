"""Numbers, metrics and dates in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from driftline_processor.core.evaluation import MetricValue, ServiceLevel
from driftline_processor.core.metrics import metric_named, title
from driftline_processor.core.service_level.level import ERROR_RATE, LATENCIES
from driftline_processor.core.service_level.level import METRICS as SERVICE_METRICS
from driftline_processor.present.times import date_words
from driftline_processor.present.wording import format_percent, short

_MOST_DECIMALS = 9
"""Upper limit of decimals for an interval's end that is close to zero."""

NAME = 40
"""Upper limit of characters of a name in a sentence."""


def in_shares(metric: str) -> bool:
    """Return True if a metric is a fraction, which is shown as a percentage.

    >>> in_shares("accuracy"), in_shares("log_loss"), in_shares("roc_auc")
    (True, False, False)
    """
    definition = metric_named(metric)
    return definition is not None and definition.unit == "fraction"


def figure(value: float) -> str:
    """Return a number with three digits.

    >>> figure(0.75991), figure(-0.0012), figure(12345.6), figure(0.0)
    ('0.76', '−0.0012', '12,346', '0')
    """
    if not math.isfinite(value):
        return "unknown"
    size = abs(value)
    text = f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"
    return text.replace("-", "−")


_SERVICE_TITLES = {
    "error_rate": "call error rate",
    "availability": "availability",
    **{name: f"latency {name.removeprefix('latency_')}" for name in LATENCIES},
}


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


def metric_value(metric: str, value: float) -> str:
    """Return the value of a metric; a fraction as a percentage.

    >>> metric_value("accuracy", 0.6429), metric_value("log_loss", 0.7599), metric_value("latency_p99", 0.0823)
    ('64.3 %', '0.76', '82.3 ms')
    """
    if metric in SERVICE_METRICS:
        return measured_text(metric, value)
    return format_percent(value, 3) if in_shares(metric) and 0 <= value <= 1 else figure(value)


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


def percents(low: float, high: float) -> str:
    """Return the ends of an interval of a fraction as percentages.

    >>> percents(0.2158, 0.4267), percents(0.0003, 0.02)
    ('22 % to 43 %', '0.03 % to 2 %')
    """
    return " to ".join(f"{end} %" for end in rounded_ends(100 * low, 100 * high, greatest=100.0))


def rounded_ends(low: float, high: float, greatest: float = math.inf) -> tuple[str, str]:
    """Round both ends of an interval by at most a quarter of its length; no end becomes zero or ``greatest``.

    >>> rounded_ends(4.51, 17.6), rounded_ends(0.5561, 0.8585), rounded_ends(-0.002, 0.6), rounded_ends(10_123, 13_456)
    (('5', '18'), ('0.56', '0.86'), ('−0.002', '0.6'), ('10,100', '13,500'))
    """
    length = high - low
    if not math.isfinite(length) or length <= 0:
        return figure(low), figure(high)
    # 4.0: minimum length of an interval in units of its last digit
    decimals = math.ceil(math.log10(4.0 / length))
    return _rounded(low, decimals, greatest), _rounded(high, decimals, greatest)


def _rounded(end: float, decimals: int, greatest: float) -> str:
    while decimals < _MOST_DECIMALS and end not in (0.0, greatest) and round(end, decimals) in (0.0, greatest):
        decimals += 1
    return f"{round(end, decimals) + 0.0:,.12g}".replace("-", "−")


def size_of_change(metric: str, change: float, low: float | None, high: float | None) -> str:
    """Return the absolute change of a metric with its interval.

    >>> size_of_change("accuracy", -0.139, -0.17, -0.1), size_of_change("mae", 2.0, None, None)
    ('14 points (10 to 17 points)', '2')
    """
    scale = 100.0 if in_shares(metric) else 1.0
    sign = -scale if change < 0 else scale
    unit = " points" if scale > 1 else ""
    text = f"{figure(float(f'{sign * change:.2g}') if unit else sign * change)}{unit}"
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


def metric_words(metric: str) -> str:
    """Return a metric's title for a sentence.

    >>> metric_words("roc_auc"), metric_words("mae")
    ('ROC AUC', 'mean absolute error')
    """
    if metric in SERVICE_METRICS:
        return service_title(metric)
    return short(_TITLES.get(metric) or title(metric), NAME)


_TITLES = {"mae": "mean absolute error", "rmse": "root mean squared error", "r2": "R²"}


def slice_words(name: str) -> str:
    """Return the name of a slice.

    >>> slice_words("country=NL")
    'country = NL'
    """
    return short(name.replace("=", " = ", 1), NAME)


def since_words(time: int | None, timezone: str, *, days: bool = False) -> str:
    """Return " since ..."; "" if the time is unknown. ``days``: without the time of day."""
    if time is None:
        return ""
    return f" since {date_words(time, timezone, days=days)}"


def listed(names: Sequence[str]) -> str:
    """Return names as a list: "a", "a and b", "a, b and c".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def count_words(text: str) -> int:
    """Count the words of a text; a single sign such as % does not count.

    >>> count_words("13.5 % are late")
    3
    """
    return sum(word[0].isalnum() or any(map(str.isalnum, word)) for word in text.split())


def capital(text: str) -> str:
    """Begin a text with a capital letter.

    >>> capital("the model")
    'The model'
    """
    return text[:1].upper() + text[1:]
