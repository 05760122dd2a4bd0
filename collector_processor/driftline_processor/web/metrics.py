"""``/metrics``: the Prometheus text format, version 0.0.4, of the points that are also sent over OTLP."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from driftline.pane import DURATION_BOUNDS
from driftline.semconv import metrics as m
from starlette.responses import Response

from driftline_processor.runtime.derived import Labels, Point, points
from driftline_processor.runtime.view import View

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def scrape(view: View) -> Response:
    """Answer ``GET /metrics``."""
    text = "".join(exposition(points(view)))
    return Response(text.encode("utf-8", "replace"), headers={"Content-Type": CONTENT_TYPE})


def exposition(known: Iterable[Point]) -> Iterator[str]:
    """Yield the lines of the scrape page, a metric's together.

    >>> print("".join(exposition([Point(m.DRIFTLINE_OUTCOMES_PENDING, (), 3.0)])), end="")
    # HELP driftline_outcomes_pending Outcomes that wait for their prediction.
    # TYPE driftline_outcomes_pending gauge
    driftline_outcomes_pending 3
    """
    families: dict[str, list[Point]] = {}
    for point in known:
        families.setdefault(point.metric, []).append(point)
    for metric, family in families.items():
        name = m.PROMETHEUS.get(metric) or _identifier(metric)
        kind = m.INSTRUMENTS.get(metric, "untyped")
        if kind == "histogram" and any(point.buckets is None for point in family):
            kind = "untyped"
        words = m.DESCRIPTIONS.get(metric, metric).replace("\\", "\\\\").replace("\n", "\\n")
        yield f"# HELP {name} {words}\n# TYPE {name} {kind}\n"
        for point in family:
            yield from _histogram(name, point, point.buckets) if point.buckets else _sample(name, point)


def _sample(name: str, point: Point) -> Iterator[str]:
    yield f"{name}{_labels(point.attributes)} {_number(point.value)}\n"


def _histogram(name: str, point: Point, buckets: tuple[float, ...]) -> Iterator[str]:
    """Buckets are cumulative on the page, and each has its upper bound."""
    total = 0.0
    for bound, weight in zip((*DURATION_BOUNDS, math.inf), buckets, strict=True):
        total += weight
        yield f"{name}_bucket{_labels((*point.attributes, ('le', _number(bound))))} {_number(total)}\n"
    yield f"{name}_sum{_labels(point.attributes)} {_number(point.value)}\n"
    yield f"{name}_count{_labels(point.attributes)} {_number(total)}\n"


def _labels(attributes: Labels) -> str:
    inside = ",".join(f'{_identifier(key)}="{text.translate(_ESCAPES)}"' for key, text in attributes)
    return f"{{{inside}}}" if inside else ""


def _identifier(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
