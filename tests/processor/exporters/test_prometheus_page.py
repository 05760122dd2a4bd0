"""``/metrics``, read back by the parser of prometheus_client."""

from __future__ import annotations

import math
from collections.abc import Callable

from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import metrics as m
from driftline.tables.table import ModelKey
from driftline_processor.core.evaluation import MethodValue
from driftline_processor.exporters.metric_points import Exemplar, Point
from driftline_processor.exporters.prometheus_page import exposition
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.support.fake_view import FakeView, flights, fraud, learning, many

Browse = Callable[[FakeView], TestClient]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

FLIGHTS = {"ml_model_name": "flights", "ml_model_version": "winter", "deployment_environment_name": "demo"}


def scrape(client: TestClient) -> Series:
    """Every series once; raises when one comes twice or the text is not Prometheus'."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    series: Series = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in series
            series[key] = sample.value
    return series


def of(series: Series, name: str, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


def named(series: Series, name: str) -> list[dict[str, str]]:
    return [dict(labels) for found, labels in series if found == name]


def test_the_format_is_announced(browse: Browse) -> None:
    answer = browse(many()).get("/metrics", headers={"Accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE driftline_predictions_total counter\n" in answer.text
    assert "# HELP driftline_drift_value " in answer.text


def test_openmetrics_for_who_asks_for_it_says_the_same(browse: Browse) -> None:
    client = browse(many())
    headers = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
    answer = client.get("/metrics", headers=headers)
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "# TYPE driftline_predictions counter\n" in answer.text
    families = openmetrics_families(answer.text)  # type: ignore[no-untyped-call]
    samples = {
        (sample.name, tuple(sorted((key, text) for key, text in sample.labels.items() if key != "le"))): sample.value
        for family in families
        for sample in family.samples
    }
    plain = {
        (name, tuple(sorted((key, text) for key, text in labels if key != "le"))): value
        for (name, labels), value in scrape(client).items()
    }
    assert samples == plain


def test_a_counter_of_openmetrics_has_the_trace_of_the_worst() -> None:
    one, other = Exemplar(1_700_000_000_250_000_000, b"t" * 16, b"s" * 8), Exemplar(0, b"u" * 16, b"s" * 8)
    point = Point(m.DRIFTLINE_OUTCOMES, (("ml.model.name", "churn"),), 3.0, exemplars=(one, other))
    [family] = openmetrics_families(exposition([point], openmetrics=True).decode())  # type: ignore[no-untyped-call]
    [sample] = family.samples
    assert (sample.name, sample.value) == ("driftline_outcomes_total", 3.0)
    assert sample.exemplar.labels == {"trace_id": (b"t" * 16).hex(), "span_id": (b"s" * 8).hex()}
    assert (sample.exemplar.value, float(sample.exemplar.timestamp)) == (1.0, 1_700_000_000.25)
    assert "trace_id" not in exposition([point]).decode()


def test_the_page_has_the_registered_series_alone_and_bounds_keep_their_spelling() -> None:
    buckets = (2.0,) + (0.0,) * len(DURATION_BOUNDS)
    known = [Point(m.DRIFTLINE_OUTCOMES, (), 3.0), Point(m.ML_PREDICT_DURATION, (), 0.1, buckets)]
    plain, openmetrics = exposition(known).decode(), exposition(known, openmetrics=True).decode()
    families = {line.split()[2] for line in plain.splitlines() if line.startswith("# TYPE")}
    assert families == {"driftline_outcomes_total", "ml_predict_duration_seconds"}
    assert "_created" not in plain + openmetrics
    assert 'ml_predict_duration_seconds_bucket{le="1"} 2.0' in plain
    assert 'ml_predict_duration_seconds_bucket{le="1.0"} 2.0' in openmetrics


def test_a_gauge_that_is_no_number_ends_no_page() -> None:
    assert "driftline_pending_outcomes NaN" in exposition([Point(m.DRIFTLINE_PENDING_OUTCOMES, (), math.nan)]).decode()


def test_predictions_are_counted_per_class(browse: Browse) -> None:
    series = scrape(browse(many()))
    assert of(series, "driftline_predictions_total", **FLIGHTS, ml_prediction_class="1") == 965.0


def test_durations_are_a_cumulative_histogram(browse: Browse) -> None:
    series = scrape(browse(many()))
    name = "driftline_predict_duration_seconds"
    assert of(series, f"{name}_bucket", **FLIGHTS, le="0.0005") == 0
    assert of(series, f"{name}_bucket", **FLIGHTS, le="0.0025") == 50_000
    assert of(series, f"{name}_bucket", **FLIGHTS, le="+Inf") == 56_965
    assert of(series, f"{name}_count", **FLIGHTS) == 56_965
    assert of(series, f"{name}_sum", **FLIGHTS) == 120.5


def test_drift_describes_the_newest_closed_window(browse: Browse) -> None:
    view = many()
    month = view.known[0].windows["1mo"][-1]
    at = {"driftline_window": "1mo", "driftline_drift_column": "feature", "driftline_feature_name": "temp"}
    series = scrape(browse(view))
    value = month.features["temp"].methods["psi"].value
    assert of(series, "driftline_drift_value", **FLIGHTS, **at, driftline_drift_method="psi") == value
    assert of(series, "driftline_drift_status", **FLIGHTS, **at, driftline_state="drift") == 1
    assert (
        sum(labels.get("driftline_feature_name") == "temp" for labels in named(series, "driftline_drift_status")) == 2
    )  # 1d and 1mo
    score = {"driftline_window": "1mo", "driftline_drift_column": "score"}
    assert month.score is not None
    assert (
        of(series, "driftline_drift_value", **FLIGHTS, **score, driftline_drift_method="ks")
        == month.score.methods["ks"].value
    )


def test_performance_comes_with_its_window_and_its_coverage(browse: Browse) -> None:
    series = scrape(browse(many()))
    at = {"driftline_window": "1mo"}
    assert of(series, "driftline_performance_value", **FLIGHTS, **at, driftline_performance_metric="accuracy") == 0.67
    assert of(series, "driftline_performance_window_end_seconds", **FLIGHTS, **at) == 1_388_534_400
    assert of(series, "driftline_outcome_coverage_ratio", **FLIGHTS, **at) == 5311 / 5533


def test_an_unknown_value_is_an_absent_series(browse: Browse) -> None:
    model = fraud()
    for evaluation in model.windows["1h"]:
        amount = evaluation.features["amount"]
        methods = {"psi": MethodValue(math.nan), "ks": MethodValue(None), "js": MethodValue(0.5)}
        evaluation.features["amount"] = replace(amount, methods=methods)
    series = scrape(browse(FakeView([model])))
    assert [labels["driftline_drift_method"] for labels in named(series, "driftline_drift_value")] == ["js"]
    assert {labels["driftline_state"] for labels in named(series, "driftline_drift_status")} == {
        "drift",
        "inconclusive",
    }
    for name in (
        "driftline_performance_value",
        "driftline_performance_window_end_seconds",
        "driftline_outcome_coverage_ratio",
    ):
        assert named(series, name) == []


def test_an_open_window_is_no_gauge(browse: Browse) -> None:
    series = scrape(browse(FakeView([learning()])))
    assert {name for name, _ in series} == {"driftline_predictions_total", "driftline_model_info"}


def test_the_processors_own_counters_have_their_registered_names(browse: Browse) -> None:
    series = scrape(browse(many()))
    assert of(series, "driftline_received_rows_total", driftline_signal="logs") == 56_965
    assert of(series, "driftline_pending_outcomes") == 12


def test_environments_of_one_model_are_different_series(browse: Browse) -> None:
    here, there = flights(), flights()
    there.key = ModelKey("flights", "winter", "other")
    series = scrape(browse(FakeView([here, there])))
    assert {dict(labels)["deployment_environment_name"] for _, labels in series} == {"demo", "other"}


def test_names_from_the_wire_are_escaped(browse: Browse) -> None:
    model = flights()
    name = 'a"b\\c\nd\u202e'
    model.key = ModelKey(name)
    series = scrape(browse(FakeView([model])))
    assert {dict(labels)["ml_model_name"] for _, labels in series} == {name}


def test_a_name_of_a_megabyte_does_not_swell_the_page(browse: Browse) -> None:
    model = fraud()
    model.key = ModelKey("x" * 1_000_000, "\ud800")
    assert len(browse(FakeView([model])).get("/metrics").text) < 20_000


def test_nothing_seen_is_an_empty_page(browse: Browse) -> None:
    assert browse(FakeView()).get("/metrics").text == ""


def test_the_share_of_drifted_features_and_incidents_have_series(browse: Browse) -> None:
    view = many()
    model = view.known[0]
    day = model.windows["1d"][-1]
    newest = next(one for one in reversed(model.windows["1d"]) if one.closed)
    newest.fraction, newest.weighted_fraction = 0.25, None
    newest.incident = {"feature:temp": 1, "score where country=NL": 1}
    assert newest.window.name == day.window.name
    series, at = scrape(browse(view)), {**FLIGHTS, "driftline_window": "1d"}
    assert of(series, "driftline_drift_fraction_ratio", **at, driftline_drift_weighting="none") == 0.25
    shares = [one for one in named(series, "driftline_drift_fraction_ratio") if one["driftline_window"] == "1d"]
    assert "importance" not in {one["driftline_drift_weighting"] for one in shares if one["ml_model_name"] == "flights"}
    temp = {"driftline_drift_column": "feature", "driftline_feature_name": "temp"}
    assert of(series, "driftline_drift_incident", **at, **temp) == 1
    assert of(series, "driftline_drift_incident", **at, driftline_drift_column="score") == 0
    assert (
        of(series, "driftline_drift_incident", **at, driftline_drift_column="score", driftline_drift_slice="country=NL")
        == 1
    )
    newest.weighted_fraction = 0.75
    assert (
        of(scrape(browse(view)), "driftline_drift_fraction_ratio", **at, driftline_drift_weighting="importance") == 0.75
    )
