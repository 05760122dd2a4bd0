"""``/metrics``: the Prometheus text format 0.0.4 of the points that are also sent over OTLP, or OpenMetrics 1.0.0.

OpenMetrics, for who asks for it, has exemplars too: the trace of a striking prediction, after the value of a counter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import metrics as m
from starlette.requests import Request
from starlette.responses import Response

from driftline_processor.queries.overview import View

from .derived_metrics import points
from .metric_points import Exemplar, Key, Labels, Point, attach_exemplars

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"

Striking = Callable[[], Mapping[Key, tuple[Exemplar, ...]]]

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def scrape(request: Request, view: View, striking: Striking | None = None) -> Response:
    """Answer ``GET /metrics``. ``striking``: the exemplars of what is counted."""
    openmetrics = OPENMETRICS in request.headers.get("accept", "").lower()
    found = striking() if openmetrics and striking is not None else {}  # before the points, so that they count them
    text = "".join(exposition(attach_exemplars(points(view), found), openmetrics=openmetrics))
    kind = OPENMETRICS_TYPE if openmetrics else CONTENT_TYPE
    return Response(text.encode("utf-8", "replace"), headers={"Content-Type": kind, "Vary": "Accept"})


def exposition(known: Iterable[Point], *, openmetrics: bool = False) -> Iterator[str]:
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
        yield _head(name, kind, m.DESCRIPTIONS.get(metric, metric), openmetrics)
        for point in family:
            if point.buckets:
                yield from _histogram(name, point, point.buckets, openmetrics)
            else:
                yield _sample(name, point, openmetrics)
    if openmetrics:
        yield "# EOF\n"


def _head(name: str, kind: str, words: str, openmetrics: bool) -> str:
    """A counter of OpenMetrics is named without the suffix of its samples."""
    words = words.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        name, words = name.removesuffix("_total") if kind == "counter" else name, words.replace('"', '\\"')
        kind = "unknown" if kind == "untyped" else kind
    return f"# HELP {name} {words}\n# TYPE {name} {kind}\n"


def _sample(name: str, point: Point, openmetrics: bool) -> str:
    """OpenMetrics has at most one exemplar for a sample."""
    line = f"{name}{_labels(point.attributes)} {_number(point.value)}"
    if openmetrics and point.exemplars:
        one = point.exemplars[0]
        line += f' # {{trace_id="{one.trace_id.hex()}",span_id="{one.span_id.hex()}"}} 1 {one.time / 1e9:.3f}'
    return line + "\n"


def _histogram(name: str, point: Point, buckets: tuple[float, ...], openmetrics: bool) -> Iterator[str]:
    """Buckets are cumulative on the page, and each has its upper bound."""
    total = 0.0
    for bound, weight in zip((*DURATION_BOUNDS, math.inf), buckets, strict=True):
        total += weight
        upper = repr(float(bound)) if openmetrics and math.isfinite(bound) else _number(bound)
        yield f"{name}_bucket{_labels((*point.attributes, ('le', upper)))} {_number(total)}\n"
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
