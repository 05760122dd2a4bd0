"""What an instrumented estimator costs its caller, against the same estimator bare, in the same run.

    python -m benchmarks.bench_estimators

CPU time of the calling thread, spans sampled and dropped by a batch processor, records sent to nowhere. Rounds
alternate between a named estimator, a copy of it, which is plain, and that copy inside a bare span which is given the
same attributes by hand; the ratios are the medians of the rounds' ratios. "inside" is what a forest pays for its trees,
of which none is recorded, while the whole library is instrumented.

Promised: at most 1.5 times the bare estimator on one row of an array, 1.25 times on one row of a DataFrame.
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import driftline
import numpy as np
import pandas as pd
from driftline_integrations.sklearn import SklearnInstrumentor, instrument, uninstrument
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.sinks import DroppingChannel, DroppingExporter

ROUNDS = 21
SECONDS = 0.02
"""How long one side of a round runs, about."""

LIMITS = {"LogisticRegression on an array, 1 row": 1.5, "pipeline on a DataFrame, 1 row": 1.25}
"""Times the span by hand."""


def alternating(sides: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median of each side in µs per call, and of what the first is times each other."""
    for call in sides.values():
        call()
    start = time.thread_time()
    list(sides.values())[-1]()
    calls = max(1, round(SECONDS / max(1e-6, time.thread_time() - start)))
    rounds = [{name: _timed(side, calls) for name, side in sides.items()} for _ in range(ROUNDS)]
    first, *others = sides
    return {
        **{f"{name}, µs": statistics.median(one[name] for one in rounds) for name in sides},
        **{f"times {name}": statistics.median(one[first] / one[name] for one in rounds) for name in others},
    }


def _timed(call: Callable[[], Any], calls: int) -> float:
    start = time.thread_time()
    for _ in range(calls):
        call()
    return (time.thread_time() - start) / calls * 1e6


def measure() -> dict[str, dict[str, float]]:
    """Return, per case, µs per call of each side, and ratios."""
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(DroppingExporter()))
    channel = DroppingChannel()
    model = driftline.Model("churn", tracer_provider=tracers, channel=channel, metrics_channel=channel)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1000, 20)), columns=[f"f{i}" for i in range(20)])
    array, labels = frame.to_numpy(), (frame["f0"] > 0).astype(int)
    scaled = make_pipeline(make_column_transformer((StandardScaler(), list(frame))), LogisticRegression())
    fitted: dict[str, tuple[Any, Any]] = {
        "LogisticRegression on an array": (LogisticRegression().fit(array, labels), array),
        "pipeline on a DataFrame": (scaled.fit(frame, labels), frame),
    }
    results: dict[str, dict[str, float]] = {}
    for name, (estimator, samples) in fitted.items():
        plain = copy.deepcopy(estimator)
        instrument(model, estimator)
        for rows in (1, 1000):
            sides = _sides(tracers, estimator.predict_proba, plain.predict_proba, samples[:rows])
            results[f"{name}, {_words(rows)}"] = alternating(sides)
        uninstrument(estimator)
    results |= _boosters(model, tracers, array, labels)
    results |= _networks(model, tracers, array)
    forest = RandomForestClassifier(100, max_depth=4).fit(array, labels)
    results["inside a forest of 100 trees, 1 row"] = _inside(lambda: forest.predict_proba(array[:1]))
    return results


def _sides(
    tracers: TracerProvider, ours: Callable[[Any], Any], plain: Callable[[Any], Any], samples: Any
) -> dict[str, Callable[[], Any]]:
    """Return ours, the plain call, and the plain call in a span that says of one row what ours says."""
    tracer = tracers.get_tracer("by hand")

    def by_hand() -> Any:
        with tracer.start_as_current_span("predict churn") as span:
            result = plain(samples)
            attributes: dict[str, Any] = {"ml.model.name": "churn", "ml.model.task": "binary"}
            if len(samples) == 1:
                values = samples[0].tolist() if hasattr(samples, "tolist") else np.asarray(samples)[0].tolist()
                attributes |= {f"driftline.feature.value.f{i}": value for i, value in enumerate(values)}
                attributes["ml.prediction.score"] = float(result.reshape(-1)[-1])
            span.set_attributes(attributes)
        return result

    return {"ours": lambda: ours(samples), "a span by hand": by_hand, "bare": lambda: plain(samples)}


def _words(rows: int) -> str:
    return f"{rows:,} row{'s' * (rows > 1)}"


def _inside(predict: Callable[[], Any]) -> dict[str, float]:
    """Alternate between a library that is instrumented and one that is not."""
    rounds = []
    for _ in range(ROUNDS):
        bare = _timed(predict, 3)
        SklearnInstrumentor().instrument()
        ours = _timed(predict, 3)
        SklearnInstrumentor().uninstrument()
        rounds.append((ours, bare))
    return {
        "ours, µs": statistics.median(one for one, _ in rounds),
        "bare, µs": statistics.median(other for _, other in rounds),
        "times bare": statistics.median(one / other for one, other in rounds),
    }


def _boosters(model: driftline.Model, tracers: TracerProvider, array: Any, labels: Any) -> dict[str, dict[str, float]]:
    """Ask an xgboost.Booster of 50 trees, building the matrix each time, as a service does."""
    try:
        import xgboost
    except ImportError:
        return {}
    settings = {"objective": "binary:logistic", "nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(array, label=labels), 50)
    plain = booster.copy()
    model.instrument(booster)

    def of_matrix(one: Any) -> Callable[[Any], Any]:
        return lambda rows: one.predict(xgboost.DMatrix(rows, nthread=1))

    results = {}
    for rows in (1, 1000):
        direct = _sides(tracers, booster.inplace_predict, plain.inplace_predict, array[:rows])
        results[f"Booster.inplace_predict, {_words(rows)}"] = alternating(direct)
        matrix = _sides(tracers, of_matrix(booster), of_matrix(plain), array[:rows])
        results[f"Booster.predict of a new DMatrix, {_words(rows)}"] = alternating(matrix)
    return results


def _networks(model: driftline.Model, tracers: TracerProvider, array: Any) -> dict[str, dict[str, float]]:
    """Ask a PyTorch network of two layers on the CPU, and on a GPU if there is one: by hand, the values wait for it."""
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    layers = torch.nn.Linear(20, 256), torch.nn.ReLU(), torch.nn.Linear(256, 2), torch.nn.Softmax(-1)
    results = {}
    for device in ("cpu", "cuda")[: 1 + torch.cuda.is_available()]:
        plain = torch.nn.Sequential(*layers).to(device).eval()
        network = model.instrument(copy.deepcopy(plain))
        for rows in (1, 1000):
            with torch.inference_mode():
                samples = torch.tensor(array[:rows], dtype=torch.float32, device=device)
                results[f"PyTorch on {device}, {_words(rows)}"] = alternating(_sides(tracers, network, plain, samples))
    return results


def main() -> int:
    """Print one JSON line; return 1 when a limit is exceeded."""
    results = measure()
    missed = [name for name, limit in LIMITS.items() if results[name]["times a span by hand"] > limit]
    rounded = {name: {key: round(value, 2) for key, value in case.items()} for name, case in results.items()}
    print(json.dumps({"bench": "estimators", "cases": rounded, "limits": LIMITS, "missed": missed}, ensure_ascii=False))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
