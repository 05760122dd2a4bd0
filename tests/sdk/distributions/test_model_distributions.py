"""Distributions as metrics: complete at any sampling rate, on the baseline's bins, and balanced to the row."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any

import driftline
import numpy as np
import pandas as pd
import pytest
from driftline.baseline.baseline import Baseline
from driftline.distributions import model_distributions
from driftline.distributions.feature_distribution import MOST_WAITING, FrequentCategories
from driftline.export import lifecycle, metrics_reporter, pipeline
from driftline.export.pipeline import pipeline_of
from driftline.export.transport import Delivery
from driftline.panes.bins import NumberBins, count
from driftline.panes.pane import DURATION_BOUNDS
from driftline.tables.table import Column
from driftline.testing.clock import TICKS
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from tests.support.metric_points import Point, points, sums
from tests.support.service import Service, returns

DELTA, CUMULATIVE = 1, 2


def arrived(service: Service) -> list[Point]:
    """Return the points that Driftline's own channel sent since the last call."""
    service.flush()
    found = points(service.metrics.bodies)
    service.metrics.bodies = []
    return found


def of(found: list[Point], name: str, **attributes: Any) -> Point:
    (point,) = [one for one in found if one.name == name and attributes.items() <= one.attributes.items()]
    return point


def zeros(rows: Any) -> Any:
    return np.zeros(len(rows))


def fails_for_negatives(rows: Any) -> Any:
    if isinstance(rows, dict):
        if rows["x"] < 0:
            raise ValueError("negative")
        return 0.5
    return np.zeros(len(rows))


def by_age(rows: pd.DataFrame) -> Any:
    return rows["age"] / 100


def frame(n: int, seed: int = 0) -> pd.DataFrame:
    """Return rows with numbers, texts, booleans, missing and invalid values."""
    random = np.random.default_rng(seed)
    amount = np.where(random.random(n) < 0.1, np.nan, random.normal(100, 15, n))
    amount[:: max(1, n // 3)] = np.inf
    return pd.DataFrame(
        {
            "amount": amount,
            "country": random.choice(np.array(["NO", "SE", None], object), n),
            "member": random.random(n) < 0.5,
            "age": random.integers(18, 90, n),
        }
    )


def baseline(**options: Any) -> Baseline:
    rows = frame(2000, seed=1)
    score = np.linspace(0, 1, len(rows))
    return Baseline.from_frame(rows, score=score, model="churn", task="binary", **options)


@pytest.mark.parametrize(
    "sampler",
    [ALWAYS_OFF, TraceIdRatioBased(0.1), ParentBased(TraceIdRatioBased(0.1)), ALWAYS_ON],
    ids=["never", "a tenth", "a tenth by parent", "always"],
)
@pytest.mark.parametrize("known", [False, True], ids=["no baseline", "baseline"])
def test_predictions_records_durations_and_features_balance_at_any_sampling_rate(sampler: Sampler, known: bool) -> None:
    service = Service(sampler)
    model = service.model(metrics_channel=service.metrics, baseline=baseline() if known else None)

    @model.predict
    def score(rows: Any) -> Any:
        if isinstance(rows, dict) and rows["age"] > 80:
            raise ValueError("too old")
        return np.full(len(rows), 0.25) if isinstance(rows, pd.DataFrame) else 0.75

    for seed, n in enumerate((1, 7, 500)):
        score(frame(n, seed))
    for row in frame(100, 9).to_dict("records"):
        with contextlib.suppress(ValueError):
            score(row)

    found = [*arrived(service), *service.recorded()]
    recorded = sum(map(len, service.tables()))
    assert recorded == 608
    assert sum(service.counts().values()) == recorded
    errors = sums(found, "ml.predict.duration", "error.type")
    assert errors[("ValueError",)] + errors[(None,)] == 103  # calls
    scores = sums(found, "driftline.prediction.score", "driftline.histogram.direct")
    assert scores == {(True,): 500, (None,): 108 - errors[("ValueError",)]}
    names = ("driftline.feature.distribution", "driftline.feature.categories", "driftline.feature.missing.values")
    each = [sums(found, name, "driftline.feature.name") for name in names]
    for feature in ("amount", "country", "member", "age"):
        assert sum(counts.get((feature,), 0) for counts in each) == recorded, feature
    assert len(service.spans) < 104 or sampler is ALWAYS_ON


@pytest.mark.parametrize("capture", ["features", "none"])
def test_rows_that_a_full_buffer_dropped_are_predictions_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch, capture: str
) -> None:
    monkeypatch.setattr(pipeline, "BUFFER_BYTES", 50_000)
    for module in TICKS:
        monkeypatch.setattr(module, "_clock", time.perf_counter_ns)
    score = service.model(metrics_channel=service.metrics, capture=capture).predict(fails_for_negatives)
    background = pipeline_of(service.channel)
    monkeypatch.setattr(background, "_rouse", lambda: None)
    score(np.ones((20, 1)))
    for i in range(300):
        with contextlib.suppress(ValueError):
            score({"x": float(i % 10 - 1)})

    found = arrived(service)
    recorded = sums(found, "driftline.feature.distribution")[()]
    assert 0 < recorded < 200
    assert sum(service.counts().values()) == 320
    if capture == "none":
        assert sums(found, "driftline.distribution.rows", "error.type") == {(None,): 290, ("ValueError",): 30}
    else:
        assert sum(map(len, service.tables())) == recorded
        found += service.recorded()
    errors = sums(found, "ml.predict.duration", "error.type")
    assert errors == {(None,): 271, ("ValueError",): 30}
    durations = [point.data for point in found if point.name == "ml.predict.duration"]
    assert all(0 < data.min <= data.sum / data.count <= data.max for data in durations)


def test_on_a_baseline_every_bucket_is_a_bin(service: Service) -> None:
    reference = baseline()
    score = service.model(metrics_channel=service.metrics, baseline=reference).predict(by_age)
    rows = frame(3000, seed=5)
    score(rows)

    found = arrived(service)
    for name in ("amount", "member", "age"):
        bins = reference.bins.features[name]
        assert isinstance(bins, NumberBins)
        expected = count(bins, Column(numbers=rows[name].to_numpy(np.float64))).astype(int).tolist()
        data = of(found, "driftline.feature.distribution", **{"driftline.feature.name": name}).data
        assert list(data.bucket_counts) == expected[:-2]
        assert np.nextafter(np.array(data.explicit_bounds), np.inf).tolist() == bins.edges.tolist()
    assert (
        len(of(found, "driftline.feature.distribution", **{"driftline.feature.name": "amount"}).data.explicit_bounds)
        >= 99
    )
    missing = sums(found, "driftline.feature.missing.values", "driftline.feature.name", "driftline.feature.invalid")
    assert missing[("amount", None)] == np.isnan(rows["amount"]).sum()
    assert missing[("amount", True)] == np.isinf(rows["amount"]).sum()
    assert missing[("country", None)] == rows["country"].isna().sum()
    assert sums(found, "driftline.feature.categories", "driftline.feature.category") == {
        (label,): int(n) for label, n in rows["country"].value_counts().items()
    }
    over = reference.bins.score
    assert isinstance(over, NumberBins)
    assert len(of(found, "driftline.prediction.score").data.explicit_bounds) == len(over.edges)


def test_a_bound_belongs_to_the_bin_above_it_and_a_value_on_it_does_too(service: Service) -> None:
    reference = Baseline.from_frame(
        {"x": np.sqrt(np.arange(1000.0))}, score=np.zeros(1000), model="churn", task="binary"
    )
    bins = reference.bins.features["x"]
    assert isinstance(bins, NumberBins)
    score = service.model(metrics_channel=service.metrics, baseline=reference).predict(zeros)
    score(bins.edges[:, np.newaxis])

    data = of(arrived(service), "driftline.feature.distribution").data
    by_otlp = np.searchsorted(np.array(data.explicit_bounds), bins.edges, side="left")  # (low, high]
    assert list(data.bucket_counts) == np.bincount(by_otlp, minlength=bins.size).tolist() == [0, *[1] * len(bins.edges)]


def test_a_duration_on_a_bound_is_in_the_bucket_below(service: Service) -> None:
    with service.model(metrics_channel=service.metrics).prediction(features={"x": 1.0}) as p:
        p.score = 0.5
    p.elapsed = 1_000_000_000

    data = of(service.recorded(), "ml.predict.duration").data
    assert data.bucket_counts[DURATION_BOUNDS.index(1.0)] == 1
    assert tuple(data.explicit_bounds) == DURATION_BOUNDS


def test_sums_are_said_while_nothing_is_negative(service: Service) -> None:
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    score({"up": 1.0, "both": 3.0})
    first = arrived(service)
    score({"up": 2.0, "both": -1.0})
    second = arrived(service)

    assert of(first, "driftline.feature.distribution", **{"driftline.feature.name": "both"}).data.sum == 3.0
    assert of(second, "driftline.feature.distribution", **{"driftline.feature.name": "up"}).data.sum == 3.0
    both = of(second, "driftline.feature.distribution", **{"driftline.feature.name": "both"}).data
    assert not both.HasField("sum")
    assert (both.min, both.max, both.count) == (-1.0, 3.0, 2)


def test_rare_texts_are_not_named(service: Service) -> None:
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    for i in range(12):
        score({"plan": "basic", "remark": f"call Mrs. Smith {i}"})
    for _ in range(9):
        score({"plan": "gold"})

    found = sums(
        arrived(service), "driftline.feature.categories", "driftline.feature.name", "driftline.feature.category"
    )
    assert found == {("plan", "basic"): 12}  # the others wait
    score({"plan": "gold"})
    found = sums(
        arrived(service), "driftline.feature.categories", "driftline.feature.name", "driftline.feature.category"
    )
    assert found == {("plan", "basic"): 12, ("plan", "gold"): 10}

    score({"plan": "platinum"})
    pipeline_of(service.channel).shutdown(60.0)
    found = sums(
        arrived(service), "driftline.feature.categories", "driftline.feature.name", "driftline.feature.category"
    )
    assert found == {("plan", "basic"): 12, ("plan", "gold"): 10, ("plan", "other"): 1, ("remark", "other"): 12}


@pytest.mark.parametrize("preference", ["cumulative", "delta"])
def test_no_row_of_a_frequent_text_is_other_however_slowly_they_come(
    monkeypatch: pytest.MonkeyPatch, preference: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    service = Service()
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    said: Counter[tuple[Any, ...]] = Counter()
    for _ in range(10):
        for plan in ("basic", "basic", "gold"):
            score({"plan": plan})
        found = sums(arrived(service), "driftline.feature.categories", "driftline.feature.category")
        said = Counter(found) if preference == "cumulative" else said + Counter(found)

    assert said == {("basic",): 20, ("gold",): 10}


@given(st.lists(st.text("abc", min_size=1, max_size=2), max_size=400), st.integers(1, 20))
def test_every_row_is_counted_once_and_no_rare_text_is_named(labels: list[str], size: int) -> None:
    vocabulary = FrequentCategories()
    named: Counter[str] = Counter()
    for start in range(0, len(labels), size):
        named += vocabulary.name(Counter(labels[start : start + size]))
    before = named.copy()
    named["other"] += vocabulary.give_up()

    seen = Counter(labels)
    assert named.total() == len(labels)
    assert before == {label: n for label, n in seen.items() if n >= 10}


def test_texts_that_never_repeat_crowd_each_other_out() -> None:
    vocabulary = FrequentCategories()
    named = vocabulary.name({f"call Mrs. Smith {i}": 1 for i in range(1000)})

    assert named == {"other": 1000 - MOST_WAITING}
    assert vocabulary.give_up() == MOST_WAITING


@pytest.mark.parametrize("name", ["a.b", "a/b", "größe ☃ 日本", "n" * 300, "a\nb", "%s{}", "ml.model.name", "a\ud800"])
def test_a_feature_of_any_name_is_a_series_of_that_name(
    service: Service, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    for value in (1.5, 2.5, *[f"{name[:9]}!"] * 10):
        score({name: value})

    found, sent = arrived(service), name.replace("\ud800", "?")
    assert of(found, "driftline.feature.distribution", **{"driftline.feature.name": sent}).count == 2
    assert (
        sums(found, "driftline.feature.categories", "driftline.feature.name", "driftline.feature.category")[
            sent, f"{sent[:9]}!"
        ]
        == 10
    )
    assert list(service.table().features) == [sent]
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_fifty_labels_are_named_at_most(service: Service) -> None:
    score = service.model(metrics_channel=service.metrics).predict(zeros)
    score(pd.DataFrame({"city": [f"city {i}" for i in range(70) for _ in range(20)]}))

    found = sums(arrived(service), "driftline.feature.categories", "driftline.feature.category")
    assert len(found) == 51
    assert sum(found.values()) == 1400
    assert found[("other",)] == 20 * 20


def test_a_feature_that_was_never_sent_before_was_missing_before(service: Service) -> None:
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    score({"a": 1.0})
    score({"a": 1.0, "b": 2.0})
    score({"b": 2.0})
    for _ in range(10):
        score({"b": "text"})

    found = arrived(service)
    assert sums(found, "driftline.feature.missing.values", "driftline.feature.name") == {("a",): 11, ("b",): 1}
    assert sums(found, "driftline.feature.distribution", "driftline.feature.name") == {("a",): 2, ("b",): 2}
    assert sums(found, "driftline.feature.categories", "driftline.feature.name") == {("b",): 10}


@pytest.mark.parametrize(
    ("capture", "marked"),
    [
        ("features", set()),
        (
            "scores",
            {"driftline.feature.distribution", "driftline.feature.categories", "driftline.feature.missing.values"},
        ),
        (
            "none",
            {
                "driftline.feature.distribution",
                "driftline.feature.categories",
                "driftline.feature.missing.values",
                "driftline.distribution.rows",
                "driftline.prediction.score",
                "ml.predict.duration",
            },
        ),
    ],
)
def test_the_scope_says_which_rows_are_in_no_record(service: Service, capture: str, marked: set[str]) -> None:
    score = service.model(metrics_channel=service.metrics, capture=capture).predict(returns(0.5))
    for _ in range(10):
        score({"x": 1.0, "text": "a", "gone": None})

    found = arrived(service)
    mark: dict[str, Any] = {"driftline.capture": "metrics"}
    if capture == "none":
        mark["driftline.distribution.counted"] = True
    assert {point.name for point in found if point.scope == mark} == marked
    assert all(point.scope in ({}, mark) for point in found)
    assert len({point.name for point in found}) == (6 if capture == "none" else 3)
    recorded = {} if capture == "none" else {"ml.predict.duration": 10, "driftline.prediction.score": 10}
    assert {point.name: point.count for point in service.recorded()} == recorded
    assert all(point.scope == {} for point in service.recorded())
    data: Any = service.reader.get_metrics_data()
    ours = [scope for scope in data.resource_metrics[0].scope_metrics if scope.metrics[0].name == "ml.predictions"]
    assert [dict(scope.scope.attributes) for scope in ours] == [
        {"driftline.capture": "metrics"} if capture == "none" else {}
    ]


@pytest.mark.parametrize("capture", ["features", "scores", "none"])
def test_no_ones_exact_value_is_said_where_rows_stay_home(service: Service, capture: str) -> None:
    reference = Baseline.from_frame({"age": np.arange(100.0)}, score=np.zeros(100), model="churn", task="binary")
    for version, known in (("1", reference), ("2", None)):
        model = service.model(metrics_channel=service.metrics, capture=capture, baseline=known, version=version)
        model.predict(returns(0.123456789))({"age": 47.1234567891011, "income": 73412.3712345678})

    found = [*arrived(service), *service.recorded()]
    for name, stays in (
        ("driftline.feature.distribution", capture != "features"),
        ("driftline.prediction.score", capture == "none"),
    ):
        said = [point.data.HasField(field) for point in found if point.name == name for field in ("min", "max", "sum")]
        assert len(said) >= 6
        assert set(said) == {not stays}


@pytest.mark.parametrize("preference", ["", "cumulative", "delta", "lowmemory"])
def test_temporality_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, preference: str) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    service = Service()
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    reports = []
    for _ in range(3):
        score({"x": 1.0, "text": "a"})
        reports.append(arrived(service))

    delta = preference in ("delta", "lowmemory")
    for at, found in enumerate(reports):
        assert {point.temporality for point in found} == {DELTA if delta else CUMULATIVE}
        assert {point.count for point in found} == {1 if delta else at + 1}
    spans = [{(p.data.start_time_unix_nano, p.data.time_unix_nano) for p in found} for found in reports]
    assert [len(each) for each in spans] == [1, 1, 1]
    ((_, first_end),), ((second_start, second_end),), ((third_start, _),) = spans
    if delta:
        assert (second_start, third_start) == (first_end, second_end)
    else:
        assert second_start == third_start < first_end < second_end


@pytest.mark.parametrize("preference", ["delta", "cumulative"])
@pytest.mark.parametrize("failure", ["unreachable", "retry", "refused"])
def test_a_report_that_fails_is_part_of_the_next(
    monkeypatch: pytest.MonkeyPatch, preference: str, failure: Any
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    service = Service()
    score = service.model(metrics_channel=service.metrics, baseline=baseline()).predict(by_age)
    rows = frame(300)
    service.metrics.answers = [Delivery(failure), Delivery(failure)]
    for start in (0, 100, 200):
        assert service.flush() is (start == 0)  # what is recorded next is not sent
        score(rows[start : start + 100])
    assert service.flush() is True

    whole = Service()
    whole.model(metrics_channel=whole.metrics, baseline=baseline()).predict(by_age)(rows)
    found, expected = points(service.metrics.bodies), arrived(whole)

    def said(point: Point) -> tuple[Any, ...]:
        counts = list(getattr(point.data, "bucket_counts", ()))
        return point.name, sorted(point.attributes.items(), key=str), point.count, counts

    features = [said(point) for point in found if point.name != "ml.predict.duration"]
    assert features == [said(point) for point in expected if point.name != "ml.predict.duration"]
    assert sum(sums(service.recorded(), "ml.predict.duration").values()) == 3


def test_nothing_new_is_not_said_twice_by_a_flush(service: Service) -> None:
    service.model(metrics_channel=service.metrics).predict(returns(0.5))({"x": 1.0})
    assert arrived(service)
    assert arrived(service) == []


def test_versions_are_streams_of_their_own_and_handles_of_one_are_not(service: Service) -> None:
    for version in ("1", "2", "2"):
        service.model(metrics_channel=service.metrics, version=version).predict(returns(0.5))({"x": 1.0})
    service.flush()

    assert sorted(sums(points([body]), "driftline.feature.distribution")[()] for body in service.metrics.bodies) == [
        1,
        2,
    ]


def test_a_receiver_without_metrics_is_told_once_and_counting_goes_on_until_it_takes_them(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    service.metrics.answers = [Delivery("unsupported", "404 Not Found")] * 2
    for _ in range(3):
        score({"x": 1.0})
        assert service.flush() is True

    assert [sums(points([body]), "driftline.feature.distribution")[()] for body in service.metrics.bodies] == [3]
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "404 Not Found" in line


@pytest.mark.parametrize(
    ("rejected", "line"),
    [
        (3, "distributions were sent to metrics, which rejected 3 points: too old"),
        (0, "distributions were sent to metrics, which returned a warning: too old"),
    ],
)
def test_what_a_receiver_says_of_a_report_that_it_took_is_logged_once(
    service: Service, caplog: pytest.LogCaptureFixture, rejected: int, line: str
) -> None:
    score = service.model(metrics_channel=service.metrics).predict(returns(0.5))
    service.metrics.answers = [Delivery("delivered", "too old", rejected=rejected)] * 2
    for _ in range(2):
        score({"x": 1.0})
        assert service.flush() is True

    assert len(service.metrics.bodies) == 2  # and none of it again
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [f"driftline: {line}"]


@pytest.mark.parametrize(("asked", "setting", "most"), [(None, "", 64), (True, "", 100), (None, "true", 100)])
def test_a_wide_model_sends_as_many_features_as_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: bool | None, setting: str, most: int
) -> None:
    monkeypatch.setenv("DRIFTLINE_DISTRIBUTIONS", setting)
    service = Service()
    model = service.model(metrics_channel=service.metrics, distributions=asked)
    model.predict(zeros)(np.ones((5, 100)))

    assert len(sums(arrived(service), "driftline.feature.distribution", "driftline.feature.name")) == most


def test_a_process_counts_no_more_features_than_it_has_room_for(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(model_distributions, "MAX_NUMBERS_IN_PROCESS", 30)
    for name in ("first", "second", "third"):
        service.model(name, metrics_channel=service.metrics).predict(zeros)(np.ones((5, 20)))

    found = arrived(service)
    assert len([point for point in found if point.name == "driftline.feature.distribution"]) == 30
    assert sum(sums(service.recorded(), "ml.predict.duration").values()) == 3
    assert "driftline: second: the distributions of 10 features are sent as metrics, but those of f10" in caplog.text


def test_a_setting_that_is_neither_true_nor_false_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTLINE_DISTRIBUTIONS", "some")
    with pytest.raises(ValueError, match="DRIFTLINE_DISTRIBUTIONS: 'some' must be true or false"):
        Service().model()


@pytest.mark.parametrize(("asked", "setting"), [(False, ""), (None, "false")])
def test_turned_off_nothing_is_counted(monkeypatch: pytest.MonkeyPatch, asked: bool | None, setting: str) -> None:
    monkeypatch.setenv("DRIFTLINE_DISTRIBUTIONS", setting)
    service = Service()
    service.model(metrics_channel=service.metrics, distributions=asked).predict(returns(0.5))({"x": 1.0})

    assert arrived(service) == []
    with pytest.raises(ValueError, match="remove distributions=False"):
        service.model(capture="none", distributions=asked)


@pytest.mark.parametrize(
    ("environment", "configured", "wanted"),
    [
        ({}, False, True),
        ({"OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, False, False),
        ({"OTEL_METRICS_EXPORTER": "console, otlp"}, False, True),
        ({"DRIFTLINE_ENDPOINT": "http://d:4318"}, False, False),
        ({"DRIFTLINE_ENDPOINT": "http://d:4318"}, True, True),
        ({"DRIFTLINE_ENDPOINT": "http://d:4318", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, False, True),
        ({"DRIFTLINE_ENDPOINT": "http://d:4318", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/m"}, False, True),
    ],
)
def test_metrics_go_where_metrics_go(environment: dict[str, str], configured: bool, wanted: bool) -> None:
    assert metrics_reporter.metrics_wanted(configured, environment) is wanted


def test_disabled_means_no_metrics(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    service.model(metrics_channel=service.metrics).predict(returns(0.5))({"x": 1.0})
    own_pipeline = pipeline_of(service.channel, service.metrics)
    monkeypatch.setattr(lifecycle, "pipelines", lambda: [own_pipeline])  # those of other tests reach nobody

    assert arrived(service) == []
    assert driftline.flush() is True
