"""A number of a window is asked for by the labels that the page of metrics gives it."""

from __future__ import annotations

import pytest
from driftline_processor.alert_rules.signal_queries import (
    End,
    LeftOut,
    NoQueryError,
    has_interval,
    query,
    reference_query,
)
from driftline_processor.core.policy.signals import read_signal

WEIGHTED = (
    'driftline_drift_fraction_ratio{driftline_window="1d",driftline_drift_weighting="importance",'
    'driftline_drift_slice=""}'
)
LOW = (
    'driftline_performance_low{driftline_window="1d",driftline_performance_slice="",'
    'driftline_performance_metric="recall"}'
)
ERRORS = 'driftline_service_error_rate_ratio{driftline_window="1d",driftline_performance_slice="country=NL"}'
AGE = (
    'driftline_drift_value{driftline_window="1d",driftline_feature_name="age",'
    'driftline_drift_method="psi",driftline_drift_slice=""}'
)


@pytest.mark.parametrize(
    ("name", "slice", "end", "expected"),
    [
        ("weighted_drift_fraction", "", "value", WEIGHTED),
        ("recall", "", "low", LOW),
        ("error_rate", "country=NL", "value", ERRORS),
        ("availability", "country=NL", "value", f"(1 - {ERRORS})"),
        ("psi of age", "", "value", AGE),
    ],
)
def test_a_number_has_its_query(name: str, slice: str, end: End, expected: str) -> None:
    assert query(read_signal(name, slice), "1d", (), end) == expected


@pytest.mark.parametrize("name", ["predictions", "missing of age"])
def test_what_is_no_metric_has_none(name: str) -> None:
    with pytest.raises(NoQueryError, match="is not exported as a metric"):
        query(read_signal(name), "1d", ())


def test_a_baseline_knows_metrics_alone() -> None:
    estimate = 'driftline_performance_reference{driftline_window="1d",driftline_performance_metric="roc_auc"}'
    assert reference_query(read_signal("estimated roc_auc"), "1d", ()) == estimate
    with pytest.raises(NoQueryError, match="the baseline has no coverage to compare with; use a number"):
        reference_query(read_signal("coverage"), "1d", ())


def test_the_ends_of_intervals_are_metrics_of_outcomes_over_all_rows() -> None:
    known = [("recall", ""), ("recall", "country=NL"), ("latency_p99", ""), ("estimated roc_auc", "")]
    assert [has_interval(read_signal(*one)) for one in known] == [True, False, False, False]


def test_what_is_left_out_is_a_sentence_with_its_key() -> None:
    assert LeftOut("policies.a.when", "it is none").sentence == "policies.a.when: is not exported: it is none"
