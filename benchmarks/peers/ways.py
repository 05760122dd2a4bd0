"""How each peer does each job, as its own documentation says.

Peers are imported where they are used, since no environment holds them all. What a peer has no way for is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from .jobs import ROW, Drop, Way, frame, kept_of_batch, kept_of_row, predict, scores


def driftline(job: str) -> Way | None:
    """Decorate the function: ``@model.predict``. Records are converted and encoded, distributions counted."""
    from driftline import Model
    from driftline.export.pipeline import pipeline_of
    from driftline.export.transport import Delivery

    class Nowhere:
        """A channel that takes everything; while somebody looks, it keeps it."""

        name = "nowhere"
        said: bytes | None = None

        def send(self, body: bytes, timeout: float) -> Delivery:  # noqa: ARG002
            if self.said is not None:
                self.said += body
            return Delivery("delivered")

        def forget(self) -> None:
            pass

        def close(self) -> None:
            pass

    channel = Nowhere()
    pipeline = pipeline_of(channel, metrics=Nowhere())
    provider, _ = _provider(sampled=job != "unsampled")
    model = Model("churn", task="binary", tracer_provider=None if job == "no spans" else provider, channel=channel)

    def settle() -> None:
        """Do what the background thread does once a second."""
        with pipeline._lock:
            pipeline._convert()
            pipeline._send(float("inf"))
        provider.force_flush()

    def look(call: Callable[[], object]) -> bytes:
        settle()
        channel.said = b""
        call()
        settle()
        said, channel.said = channel.said, None
        return said

    if job == "batch":
        batch, results = frame(), scores()

        @model.predict
        def many(X: Any) -> Any:  # noqa: ARG001
            return results

        return Way(
            lambda: many(batch), lambda: kept_of_batch(look(lambda: many(batch)), batch, results), settle, most=20
        )
    single = model.predict(predict)
    return Way(lambda: single(ROW), lambda: kept_of_row(look(lambda: single(ROW))), settle)


def opentelemetry(job: str) -> Way | None:
    """Write it by hand: a span with one ``set_attributes``; instruments of the metrics API where there is no span."""
    if job == "no spans":
        return _otel_metrics()
    provider, drop = _provider(sampled=job != "unsampled")
    tracer = provider.get_tracer("by hand")
    keys = {name: f"ml.feature.value.{name}" for name in ROW}

    def call() -> None:
        with tracer.start_as_current_span("predict") as span:
            score = predict(ROW)
            if span.is_recording():
                span.set_attributes(
                    {"ml.model.name": "churn", "ml.prediction.score": score, **{keys[k]: v for k, v in ROW.items()}}
                )

    if job == "batch":
        batch, results = frame(), scores()

        def whole() -> None:
            with tracer.start_as_current_span("predict") as span:
                span.set_attributes({"ml.model.name": "churn", "ml.prediction.count": len(batch)})

        return _traced(whole, provider, drop, lambda said: kept_of_batch(said, batch, results))
    return _traced(call, provider, drop, kept_of_row)


def _otel_metrics() -> Way:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    meter = MeterProvider(metric_readers=[reader]).get_meter("by hand")
    values, categories = meter.create_histogram("feature.value"), meter.create_counter("feature.categories")
    of_score = meter.create_histogram("score")
    attributes = {name: {"feature": name} for name in ROW}

    def call() -> None:
        for name, value in ROW.items():
            if type(value) is float:
                values.record(value, attributes[name])
            else:
                categories.add(1, {"feature": name, "category": value})
        of_score.record(predict(ROW))

    def kept() -> str:
        call()
        data: Any = reader.get_metrics_data()
        points = {metric.name: metric.data.data_points for metric in data.resource_metrics[0].scope_metrics[0].metrics}
        return _distributions(len(points["feature.value"]), len(points["feature.categories"]))

    return Way(call, kept)


def openinference(job: str) -> Way | None:
    """Decorate the function: ``@tracer.chain``."""
    from openinference.instrumentation import OITracer, TraceConfig

    if job == "no spans":
        return None
    provider, drop = _provider(sampled=job != "unsampled")
    tracer = OITracer(provider.get_tracer("openinference"), config=TraceConfig())
    return _decorated(tracer.chain, job, provider, drop)


def traceloop(job: str) -> Way | None:
    """Decorate the function: ``@workflow``."""
    from opentelemetry import trace
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import workflow

    if job == "no spans":
        return None
    drop = Drop()
    Traceloop.init(
        app_name="churn",
        exporter=drop,
        sampler=ALWAYS_OFF if job == "unsampled" else ALWAYS_ON,
        telemetry_enabled=False,
        traceloop_sync_enabled=False,
        instruments=set(),
    )
    return _decorated(workflow(name="predict"), job, trace.get_tracer_provider(), drop)


def logfire(job: str) -> Way | None:
    """Decorate the function: ``@logfire.instrument``, with the result recorded as well."""
    import logfire as sdk

    if job == "no spans":
        return None
    drop = Drop()
    sdk.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        sampling=sdk.SamplingOptions(head=0.0 if job == "unsampled" else 1.0),
        additional_span_processors=[BatchSpanProcessor(drop)],
    )

    class Provider:
        force_flush = staticmethod(sdk.force_flush)

    return _decorated(sdk.instrument("predict", record_return=True), job, Provider, drop)


def bentoml(job: str) -> Way | None:
    """Log each value to a monitor, which writes a line of JSON per row to a file."""
    import bentoml as sdk

    data = Path("monitoring/churn/data/data.0.log")
    kinds = {name: "numerical" if type(value) is float else "categorical" for name, value in ROW.items()}

    def look(call: Callable[[], object]) -> str:
        call()
        before = data.stat().st_size
        call()
        return data.read_bytes()[before:].decode()

    def call() -> None:
        with sdk.monitor("churn") as monitor:
            for name, value in ROW.items():
                monitor.log(value, name=name, role="feature", data_type=kinds[name])
            monitor.log(predict(ROW), name="score", role="prediction", data_type="numerical")

    if job == "batch":
        batch, results = frame(), scores()

        def whole() -> None:
            with sdk.monitor("churn") as monitor:
                for name in batch:
                    monitor.log_batch(batch[name].tolist(), name=name, role="feature", data_type=kinds[name])
                monitor.log_batch(results.tolist(), name="score", role="prediction", data_type="numerical")

        return Way(whole, lambda: kept_of_batch(look(whole), batch, results))
    return Way(call, lambda: kept_of_row(look(call))) if job == "no spans" else None


def whylogs(job: str) -> Way | None:
    """Log rows or the DataFrame to a rolling logger, which writes profiles to a file."""
    import whylogs as why

    logger = why.logger(mode="rolling", interval=1, when="D", base_name="churn")
    logger.append_writer("local", base_dir=".")

    def kept(call: Callable[[], object]) -> Callable[[], str]:
        def words() -> str:
            call()
            columns = logger._current_profile.view().get_columns()
            told = [name for name, column in columns.items() if column.get_metric("counts").n.value]
            return f"profiles of {len(told) - 1} features and the score"

        return words

    if job == "batch":
        batch = frame().assign(score=scores())
        return Way(lambda: logger.log(batch), kept(lambda: logger.log(batch)))
    call = lambda: logger.log({**ROW, "score": predict(ROW)})  # noqa: E731
    return Way(call, kept(call)) if job == "no spans" else None


def prometheus(job: str) -> Way | None:
    """Observe each number in a histogram and count each text, children looked up beforehand where that can be."""
    from prometheus_client import CollectorRegistry, Counter, Histogram

    registry = CollectorRegistry()
    values = Histogram("feature_value", "Numbers", ["feature"], registry=registry)
    categories = Counter("feature_categories", "Texts", ["feature", "category"], registry=registry)
    of_score = Histogram("score", "Scores", registry=registry)
    numbers = {name: values.labels(name) for name, value in ROW.items() if type(value) is float}

    def observe(name: str, value: Any) -> None:
        if name in numbers:
            numbers[name].observe(value)
        else:
            categories.labels(name, value).inc()

    def kept(call: Callable[[], object]) -> Callable[[], str]:
        def words() -> str:
            call()
            samples = [sample for metric in registry.collect() for sample in metric.samples]
            told = [s for s in samples if s.name == "feature_value_count" and s.value]
            texts = {s.labels["feature"] for s in samples if s.name == "feature_categories_total"}
            return _distributions(len(told), len(texts))

        return words

    def call() -> None:
        for name, value in ROW.items():
            observe(name, value)
        of_score.observe(predict(ROW))

    if job == "batch":
        batch, results = frame(), scores()

        def whole() -> None:
            for name in batch:
                for value in batch[name].tolist():
                    observe(name, value)
            for result in results.tolist():
                of_score.observe(result)

        return Way(whole, kept(whole))
    return Way(call, kept(call)) if job == "no spans" else None


def _distributions(numbers: int, texts: int) -> str:
    return f"distributions of {numbers} numbers and the score, counts of {texts} texts"


def _provider(*, sampled: bool) -> tuple[TracerProvider, Drop]:
    provider, drop = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF), Drop()
    provider.add_span_processor(BatchSpanProcessor(drop))
    return provider, drop


def _decorated(decorator: Callable[[Any], Any], job: str, provider: Any, drop: Drop) -> Way:
    """Return what a decorator does that makes one span of a call, whatever the call is given."""
    if job != "batch":
        single = decorator(predict)
        return _traced(lambda: single(ROW), provider, drop, kept_of_row)
    batch, results = frame(), scores()

    def predict_many(X: Any) -> Any:  # noqa: ARG001
        return results

    many = decorator(predict_many)
    return _traced(lambda: many(batch), provider, drop, lambda said: kept_of_batch(said, batch, results))


def _traced(call: Callable[[], object], provider: Any, drop: Drop, words: Callable[[str], str]) -> Way:
    return Way(call, lambda: words(drop.look(call, provider.force_flush)), provider.force_flush)


WAYS: dict[str, Callable[[str], Way | None]] = {
    "driftline": driftline,
    "opentelemetry-sdk": opentelemetry,
    "openinference-instrumentation": openinference,
    "traceloop-sdk": traceloop,
    "logfire": logfire,
    "bentoml": bentoml,
    "whylogs": whylogs,
    "prometheus-client": prometheus,
}
