"""Reports of Evidently 0.7 as JSON (``Snapshot.save_json``): their drift methods, thresholds and tests."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
from msgspec import Struct, field

from driftline_extensions.expectation_suites.suite import ImportedSuite, SkippedCheck, Unsupported, share

_DISTANCES = {
    **dict.fromkeys(("psi", "PSI"), ("psi", 1.0)),
    **dict.fromkeys(("jensenshannon", "Jensen-Shannon distance"), ("js", 1 / math.sqrt(math.log(2)))),
    **dict.fromkeys(("hellinger", "Hellinger distance"), ("hellinger", 1.0)),
    **dict.fromkeys(("wasserstein", "Wasserstein distance (normed)"), ("wasserstein_scaled", 1.0)),
}
"""Their distance → ours, and the factor of the threshold: their Jensen-Shannon distance has the base e, ours 2."""

_TESTS = {
    **dict.fromkeys(("ks", "K-S p_value"), "ks"),
    **dict.fromkeys(("chisquare", "chi-square p_value"), "chi2"),
    **dict.fromkeys(("anderson", "Anderson-Darling"), "anderson_darling"),
    **dict.fromkeys(("cramer_von_mises", "Cramer-von Mises"), "cramer_von_mises"),
    **dict.fromkeys(("z", "Z-test p_value"), "proportion"),
}
"""Their test with a p-value → our method that decides."""

_ALWAYS_SHOWN = ("psi", "js")
_UPPER_LIMITS = {"LessThanMetricTest": "<", "LessOrEqualMetricTest": "<="}
_PLAIN = re.compile(r"[\w.-]+")


class _Metric(Struct):
    metric_name: str
    config: dict[str, Any] = field(default_factory=dict)


class _Report(Struct):
    metrics: list[_Metric]


def read_report(text: bytes) -> ImportedSuite:
    """Read a report. Raises ``ValueError`` if it is not one."""
    report = msgspec.json.decode(text, type=_Report)
    suite = ImportedSuite("")
    for metric in report.metrics:
        kind = str(metric.config.get("type", "")).rpartition(":")[2]
        try:
            suite.check_count += _read(suite, kind, metric.config)
        except Unsupported as reason:
            suite.left_out.append(SkippedCheck(metric.metric_name, 0, str(reason)))
    return suite


def _read(suite: ImportedSuite, kind: str, config: dict[str, Any]) -> int:
    """Add what a metric requires; return the number of its checks."""
    if kind == "ValueDrift":
        return _read_drift(suite, str(config.get("column", "")), str(config.get("method")), config.get("threshold"))
    if kind == "DriftedColumnsCount":
        fraction = config.get("drift_share")
        if isinstance(fraction, (int, float)):
            suite.policies["dataset-drift"] = f"drift_fraction >= {share(fraction)}"
            return 1
    if kind == "MissingValueCount":
        column, tests = str(config.get("column", "")), config.get("share_tests") or []
        return sum(_read_missing(suite, column, test) for test in tests)
    if config.get("tests") or config.get("share_tests"):
        raise Unsupported("Driftline has no expectation for this metric; see 'performance.objectives' and 'expect'")
    return 0


def _read_drift(suite: ImportedSuite, column: str, method: str, threshold: object) -> int:
    if method in _TESTS:
        suite.methods[column] = {"method": _TESTS[method]}
        raise Unsupported(
            f"the method is imported, and its threshold {threshold} is not: Driftline corrects p-values over all "
            "features, and requires a least effect"
        )
    if method not in _DISTANCES:
        raise Unsupported(f"Driftline has no method {method!r}")
    if not isinstance(threshold, (int, float)) or isinstance(threshold, bool):
        raise Unsupported("it has no threshold")
    if not _PLAIN.fullmatch(column):
        raise Unsupported("a condition of a policy cannot contain this name of a column")
    name, factor = _DISTANCES[method]
    if name not in _ALWAYS_SHOWN:
        suite.methods[column] = {"methods": [name]}
    suite.policies[f"{column}-{name}"] = f"{name} of {column} >= {threshold * factor:.4g}"
    return 1


def _read_missing(suite: ImportedSuite, column: str, test: dict[str, Any]) -> int:
    sign = _UPPER_LIMITS.get(str(test.get("type", "")).rpartition(":")[2])
    limit = test.get("threshold")
    if sign is None or not isinstance(limit, (int, float)):
        raise Unsupported("only an upper limit of the fraction of missing values can be imported")
    suite.expect(column, "missing", f"{sign} {share(limit)}" if limit else 0)
    return 1
