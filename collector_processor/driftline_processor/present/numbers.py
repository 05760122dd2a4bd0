"""Numbers, counts, fractions, p-values and intervals for people.

An unknown value is a dash, never 0. No number is rounded to zero or to 100 %.
"""

from __future__ import annotations

import math
import re

from driftline_processor.present.wording import duration, format_percent

UNKNOWN = "–"
"""Text of an unknown value."""

MINUS = "−"

_PARTS = re.compile(r"\d+[a-z]")
"""Parts of a duration: "1h", "30m"."""


def finite(value: float | None) -> float | None:
    """Return a number that charts and JSON can represent; None for NaN and infinities."""
    return value if value is not None and math.isfinite(value) else None


def number(value: float | None) -> str:
    """Return a value with three significant digits; integers keep all of theirs from 1,000 on.

    >>> number(0.12345), number(0.00012345), number(1234.5), number(-2.0), number(None), number(0.0000012)
    ('0.123', '0.000123', '1,234', '−2', '–', '1.2e−06')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        text = f"{value:.2g}"
    else:
        text = f"{value:,.0f}" if size >= 999.5 else f"{value + 0.0:.3g}"
    return text.replace("-", MINUS)


def cell(value: float | None) -> str:
    """Return a value with three significant digits for a column of a table, final zeros included.

    >>> cell(0.69), cell(1.3), cell(1234.5), cell(0.00001), cell(None)
    ('0.690', '1.30', '1,234', '1e−05', '–')
    """
    if value is None or not 1e-4 <= abs(value) < 999.5:
        return number(value)
    return f"{value:#.3g}".removesuffix(".").replace("-", MINUS)


def change(before: float | None, after: float | None) -> str:
    """Return a difference with its sign; "" if either side is unknown.

    >>> change(0.67, 0.66), change(0.5, 0.5), change(None, 0.5)
    ('−0.01', '+0', '')
    """
    if before is None or after is None:
        return ""
    difference = float(f"{after - before:.6g}")  # 0.67 - 0.66 is 0.010000000000000009
    return f"{MINUS if difference < 0 else '+'}{number(abs(difference))}"


def ends(low: float | None, high: float | None) -> str:
    """Return the ends of an interval; "" if there is none.

    >>> ends(0.7, 0.98), ends(None, None)
    ('0.7 to 0.98', '')
    """
    return "" if low is None or high is None else " to ".join(rounded_ends(low, high))


def count(value: float | None) -> str:
    """Return an integer with thousands separators.

    >>> count(56965)
    '56,965'
    """
    return UNKNOWN if value is None else f"{value:,.0f}"


def roughly(n: int) -> int:
    """Return an estimated count with two digits.

    >>> roughly(1421), roughly(78)
    (1400, 78)
    """
    return round(n, -max(0, len(str(n)) - 2))


def many(n: int, noun: str = "row") -> str:
    """Return a count with its noun.

    >>> many(1), many(5693, "outcome")
    ('1 row', '5,693 outcomes')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def many_are(n: int, noun: str) -> str:
    """Return a count with its noun and its verb.

    >>> many_are(1, "outcome"), many_are(5693, "outcome")
    ('1 outcome is', '5,693 outcomes are')
    """
    return f"{many(n, noun)} {'is' if n == 1 else 'are'}"


def compact(value: float) -> str:
    """Return a count in at most four characters.

    >>> compact(999), compact(5693), compact(56965), compact(2_400_000)
    ('999', '5.7k', '57k', '2.4M')
    """
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            scaled = value / limit
            return f"{scaled:.1f}{unit}" if scaled < 9.95 else f"{scaled:.0f}{unit}"
    return f"{value:.0f}"


def size(n_bytes: float) -> str:
    """Return a number of bytes in the largest unit that fits.

    >>> size(512), size(3 << 20), size(2.5 * (1 << 30))
    ('512 B', '3 MiB', '2.5 GiB')
    """
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if n_bytes >= 1024**power:
            scaled = n_bytes / 1024**power
            return f"{scaled:.3g} {unit}" if scaled < 999.5 else f"{scaled:,.0f} {unit}"
    return f"{n_bytes:,.0f} B"


def seconds(value: float) -> str:
    """Return seconds in at most two units.

    >>> seconds(0), seconds(95), seconds(90061)
    ('0s', '1m35s', '1d1h')
    """
    return "".join(_PARTS.findall(duration(int(value) * 10**9))[:2]) or "0s"


def percent(share: float | None) -> str:
    """Return a fraction with three significant digits, for tables; sentences of `core` have two.

    >>> percent(0.974), percent(0.9999), percent(0.0001), percent(1), percent(0), percent(None)
    ('97.4 %', '99.99 %', '0.01 %', '100 %', '0 %', '–')
    """
    return UNKNOWN if share is None or not math.isfinite(share) else format_percent(share, digits=3)


def whole_percent(share: float | None) -> str:
    """Return a fraction in at most four characters.

    >>> whole_percent(0.976), whole_percent(None)
    ('98 %', '–')
    """
    return UNKNOWN if share is None else f"{share * 100:.0f} %"


def shares(before: float | None, after: float | None) -> str:
    """Return the change of a fraction.

    >>> shares(0.0325, 0.156), shares(None, 0.2)
    ('3.25 → 15.6 %', '– → 20 %')
    """
    return f"{percent(before).removesuffix(' %')} → {percent(after)}"


def p_value(value: float | None) -> str:
    """Return a p-value.

    >>> p_value(0.0321), p_value(1e-30), p_value(0.9999), p_value(None)
    ('0.032', '< 0.0001', '1', '–')
    """
    return UNKNOWN if value is None else "< 0.0001" if value < 0.0001 else f"{value:.2g}"


def p_phrase(value: float | None) -> str:
    """Return a p-value with its name.

    >>> p_phrase(0.0321), p_phrase(1e-30), p_phrase(None)
    ('p = 0.032', 'p < 0.0001', 'p unknown')
    """
    if value is None:
        return "p unknown"
    text = p_value(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def exact_to(bound: float) -> str:
    """Return the maximum error of a value from counts: two digits, rounded up.

    >>> exact_to(0.001278), exact_to(5e-05), exact_to(1e-12)
    ('exact to 0.0013', 'exact to 0.00005', 'exact to 0.000001')
    """
    bound = max(bound, 1e-6)
    digits = max(1 - math.floor(math.log10(bound)), 0)
    text = f"{math.ceil(bound * 10**digits * (1 - 1e-9)) / 10**digits:.{digits}f}"
    return "exact to " + (text.rstrip("0").rstrip(".") if digits else text)


_MOST_DECIMALS = 9
"""Upper limit of decimals for an interval's end that is close to zero."""


def percents(low: float, high: float) -> str:
    """Return the ends of an interval of a fraction as percentages.

    >>> percents(0.2158, 0.4267), percents(0.0003, 0.02)
    ('22 % to 43 %', '0.03 % to 2 %')
    """
    return " to ".join(f"{end} %" for end in rounded_ends(100 * low, 100 * high, greatest=100.0))


def rounded_ends(low: float, high: float, greatest: float = math.inf) -> tuple[str, str]:
    """Round both ends of an interval by at most a quarter of its length and of themselves; none becomes ``greatest``.

    >>> rounded_ends(4.51, 17.6), rounded_ends(0.5561, 0.8585), rounded_ends(0.058, 1.5), rounded_ends(10_123, 13_456)
    (('5', '18'), ('0.56', '0.86'), ('0.06', '1.5'), ('10,100', '13,500'))
    """
    length = high - low
    if not math.isfinite(length) or length <= 0:
        return number(low), number(high)
    # 4.0: minimum length of an interval in units of its last digit
    decimals = math.ceil(math.log10(4.0 / length))
    return _rounded(low, decimals, greatest), _rounded(high, decimals, greatest)


def _rounded(end: float, decimals: int, greatest: float) -> str:
    while decimals < _MOST_DECIMALS and end != greatest:
        rounded = round(end, decimals)
        if rounded != greatest and abs(rounded - end) <= abs(end) / 4:
            break
        decimals += 1
    return f"{round(end, decimals) + 0.0:,.12g}".replace("-", "−")
