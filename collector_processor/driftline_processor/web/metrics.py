"""``/metrics``: the Prometheus text format, version 0.0.4.

Gauges describe the newest closed window; an unknown value is an absent series; a state is one series with the value 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from driftline.pane import DURATION_BOUNDS
from driftline.semconv import attributes as a
from driftline.semconv import metrics as m
from starlette.requests import Request
from starlette.responses import Response

from driftline_processor.core.evaluation import Evaluation
from driftline_processor.runtime.view import ModelView, View

from .words import LINKED, handle

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


@dataclass(slots=True)
class Family:
    """One metric: its name in the registry, and samples of (suffix, labels, value)."""

    name: str
    samples: list[tuple[str, Labels, float]] = field(default_factory=list)

    def add(self, labels: Mapping[str, str], value: float | None, suffix: str = "") -> None:
        """Add a sample; an unknown value adds none."""
        if value is not None and math.isfinite(value):
            self.samples.append((suffix, tuple(labels.items()), value))

    def text(self) -> Iterator[str]:
        """Yield the lines of the family, none when it has no sample."""
        if not self.samples:
            return
        kind = m.INSTRUMENTS.get(self.name, "untyped")
        if kind == "histogram" and not any(suffix for suffix, _, _ in self.samples):
            kind = "untyped"
        name = m.PROMETHEUS.get(self.name) or _identifier(self.name)
        yield f"# HELP {name} {_help(m.DESCRIPTIONS.get(self.name, self.name))}\n# TYPE {name} {kind}\n"
        for suffix, labels, value in self.samples:
            inside = ",".join(f'{_identifier(key)}="{text.translate(_ESCAPES)}"' for key, text in labels)
            yield f"{name}{suffix}{{{inside}}} {_number(value)}\n" if inside else f"{name}{suffix} {_number(value)}\n"


def scrape(_: Request, view: View) -> Response:
    """Answer ``GET /metrics``."""
    text = "".join(line for family in families(view) for line in family.text())
    return Response(text.encode("utf-8", "replace"), headers={"Content-Type": CONTENT_TYPE})


def families(view: View) -> list[Family]:
    """Return everything there is to scrape."""
    models = view.models()
    return [*_predictions(models), *_windows(models), *_own(view)]


def _predictions(models: Iterable[ModelView]) -> list[Family]:
    predictions, duration = Family(m.ML_PREDICTIONS), Family(m.ML_PREDICTION_DURATION)
    for model in models:
        labels = _model(model)
        for name, value in model.by_class.items():
            predictions.add({**labels, a.ML_PREDICTION_CLASS: _label(name)}, value)
        if model.duration is not None and len(model.duration) == len(DURATION_BOUNDS) + 2:
            total = 0.0
            for bound, weight in zip((*DURATION_BOUNDS, math.inf), model.duration, strict=False):
                total += float(weight)
                duration.add({**labels, "le": _number(bound)}, total, "_bucket")
            duration.add(labels, float(model.duration[-1]), "_sum")
            duration.add(labels, total, "_count")
    return [predictions, duration]


def _windows(models: Iterable[ModelView]) -> list[Family]:
    value, state = Family(m.ML_DRIFT_VALUE), Family(m.ML_DRIFT_STATE)
    performance, end = Family(m.ML_PERFORMANCE_VALUE), Family(m.ML_PERFORMANCE_WINDOW_END)
    coverage = Family(m.ML_OUTCOME_COVERAGE)
    for model in models:
        for window, newest in _newest_closed(model):
            labels, at = _model(model), {a.ML_WINDOW: window}
            targets = [newest.score, newest.predicted, *newest.features.values()]
            for target in targets:
                if target is None:
                    continue
                what = {**labels, a.ML_DRIFT_TARGET: target.target}
                if target.target == "feature":
                    what[a.ML_FEATURE_NAME] = _label(target.name)
                for method, found in target.methods.items():
                    value.add({**what, a.ML_DRIFT_METHOD: method, **at}, found.value)
                state.add({**what, **at, a.STATE: target.state}, 1)
            for metric, measured in newest.realized.items():
                performance.add({**labels, a.ML_PERFORMANCE_METRIC: metric, **at}, measured.value)
            if any(measured.value is not None for measured in newest.realized.values()):
                end.add({**labels, **at}, newest.window.end / 1e9)
            coverage.add({**labels, **at}, newest.coverage)
    return [value, state, performance, end, coverage]


def _own(view: View) -> list[Family]:
    own: dict[str, Family] = {}
    for (name, labels), value in sorted(view.counters().items()):
        own.setdefault(name, Family(name)).add(dict(labels), value)
    return list(own.values())


def _newest_closed(model: ModelView) -> Iterator[tuple[str, Evaluation]]:
    for name, known in model.windows.items():
        newest = next((evaluation for evaluation in reversed(known) if evaluation.closed), None)
        if newest is not None:
            yield name, newest


def _model(model: ModelView) -> dict[str, str]:
    labels = {a.ML_MODEL_NAME: _label(model.key.model), a.ML_MODEL_VERSION: _label(model.key.version)}
    if model.key.environment:
        # Without it two environments of one model would be one series twice, and the whole scrape would fail.
        labels[a.DEPLOYMENT_ENVIRONMENT_NAME] = _label(model.key.environment)
    return labels


def _label(name: str) -> str:
    """A name as it is, unless it is so long that it would swell every scrape."""
    return name if len(name) <= LINKED else handle(name)


def _identifier(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _help(words: str) -> str:
    return words.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
