"""``statistics.json`` and ``constraints.json`` of SageMaker Model Monitor, by the schemas of its developer guide."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from driftline.tables.table import F64
from msgspec import Struct, field

from driftline_extensions.expectation_suites.suite import ImportedSuite, SkippedCheck, Unsupported, share

from .column_summary import CategorySummary, NumberSummary, TableSummary, kll_sample

_TYPES = {"Integral": "whole", "Fractional": "number", "String": "text"}


class _Common(Struct):
    num_present: float
    num_missing: float = 0


class _Bucket(Struct):
    lower_bound: float
    upper_bound: float
    count: float


class _Sketch(Struct):
    data: list[list[float]] = []


class _Kll(Struct):
    buckets: list[_Bucket] = []
    sketch: _Sketch = field(default_factory=_Sketch)


class _Value(Struct):
    value: str
    count: float


class _Categorical(Struct):
    buckets: list[_Value] = []


class _Distribution(Struct):
    kll: _Kll = field(default_factory=_Kll)
    categorical: _Categorical = field(default_factory=_Categorical)


class _ColumnStatistics(Struct):
    common: _Common
    distribution: _Distribution = field(default_factory=_Distribution)


class _Feature(Struct):
    name: str
    numerical_statistics: _ColumnStatistics | None = None
    string_statistics: _ColumnStatistics | None = None


class _Dataset(Struct):
    item_count: int


class _Statistics(Struct):
    dataset: _Dataset
    features: list[_Feature]


class _NumConstraints(Struct):
    is_non_negative: bool = False


class _StringConstraints(Struct):
    domains: list[str] = []


class _Constraint(Struct):
    name: str
    inferred_type: str = "Unknown"
    completeness: float | None = None
    num_constraints: _NumConstraints | None = None
    string_constraints: _StringConstraints | None = None
    overrides: dict[str, Any] = field(default_factory=dict, name="monitoringConfigOverrides")


class _Constraints(Struct):
    features: list[_Constraint]
    monitoring_config: dict[str, Any] = {}


def read_statistics(text: bytes) -> TableSummary:
    """Read ``statistics.json``. Raises ``ValueError`` if it does not fit the schema."""
    statistics = msgspec.json.decode(text, type=_Statistics)
    columns, left_out = dict[str, NumberSummary | CategorySummary](), list[SkippedCheck]()
    for feature in statistics.features:
        summary = _column(feature)
        if summary is None:
            left_out.append(SkippedCheck(feature.name, 0, "it has no distribution"))
        else:
            columns[feature.name] = summary
    return TableSummary(statistics.dataset.item_count, columns, left_out)


def _column(feature: _Feature) -> NumberSummary | CategorySummary | None:
    if (numbers := feature.numerical_statistics) is not None:
        kll, present = numbers.distribution.kll, numbers.common.num_present
        levels: list[F64] = [np.array(level, dtype=np.float64) for level in kll.sketch.data]
        if any(len(level) for level in levels):
            return NumberSummary(present, *kll_sample(levels))
        if kll.buckets:
            edges = np.array([bucket.upper_bound for bucket in kll.buckets[:-1]])
            if (np.diff(edges) <= 0).any():
                return None  # a constant column has buckets without a width
            return NumberSummary(present, edges=edges, counts=np.array([bucket.count for bucket in kll.buckets]))
    texts = feature.string_statistics
    if texts is not None and texts.distribution.categorical.buckets:
        counts = {bucket.value: bucket.count for bucket in texts.distribution.categorical.buckets}
        return CategorySummary(texts.common.num_present, counts)
    return None


def read_constraints(text: bytes) -> ImportedSuite:
    """Read ``constraints.json`` as expectations. Raises ``ValueError`` if it does not fit the schema."""
    constraints = msgspec.json.decode(text, type=_Constraints)
    suite = ImportedSuite("")
    for feature in constraints.features:
        _read_constraint(suite, feature)
    config = constraints.monitoring_config
    for key in ("datatype_check_threshold", "domain_content_threshold"):
        if key in config:
            _leave_out(suite, f"monitoring_config.{key}", "rules of types and values are imported for all values")
    if "distribution_constraints" in config:
        _leave_out(
            suite,
            "monitoring_config.distribution_constraints",
            "Driftline tests drift for significance, with a least effect that min_effect sets",
        )
    return suite


def _read_constraint(suite: ImportedSuite, feature: _Constraint) -> None:
    rules: list[tuple[str, Any]] = []
    if feature.inferred_type in _TYPES:
        rules.append(("type", _TYPES[feature.inferred_type]))
    if feature.completeness is not None:
        absent = round(1 - feature.completeness, 12)
        rules.append(("missing", f"<= {share(absent)}" if absent > 0 else 0))
    if feature.num_constraints is not None and feature.num_constraints.is_non_negative:
        rules.append(("range", [0, None]))
    if feature.string_constraints is not None and feature.string_constraints.domains:
        rules.append(("values", feature.string_constraints.domains))
    for key, value in rules:
        try:
            suite.expect(feature.name, key, value)
            suite.check_count += 1
        except Unsupported as reason:
            _leave_out(suite, feature.name, str(reason))
    if feature.overrides:
        _leave_out(suite, f"{feature.name}.monitoringConfigOverrides", "Driftline has no such setting")


def _leave_out(suite: ImportedSuite, name: str, reason: str) -> None:
    suite.left_out.append(SkippedCheck(name, 0, reason))
