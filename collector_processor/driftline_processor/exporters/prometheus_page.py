"""Answer ``GET /metrics`` in the Prometheus text format 0.0.4, or in OpenMetrics 1.0.0 if requested.

The page has the points that are also sent over OTLP. OpenMetrics adds exemplars: the trace of a misprediction for a
counter. ``prometheus_client`` writes both formats; this module defines the metric families.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from driftline.panes.pane import DURATION_BOUNDS
from driftline.semconv import metrics as m
from prometheus_client import CollectorRegistry, samples
from prometheus_client import exposition as plain
from prometheus_client import metrics_core as families
from prometheus_client.openmetrics import exposition as open_metrics
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from .derived_metrics import MetricSource, points
from .metric_points import Exemplar, Key, Point, attach_exemplars

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"

Striking = Callable[[], Mapping[Key, tuple[Exemplar, ...]]]


def scrape(request: Request, source: MetricSource, striking: Striking | None = None) -> Response:
    """Answer ``GET /metrics``.

    Args:
        request: Its ``Accept`` header chooses the format.
        source: The models and counters.
        striking: Returns the exemplars of the counters; None = no exemplars.

    Returns:
        The page, with the content type of its format.
    """
    openmetrics = OPENMETRICS in request.headers.get("accept", "").lower()
    exemplars = striking() if openmetrics and striking is not None else {}  # first, so that counters include them
    text = exposition(attach_exemplars(points(source), exemplars), openmetrics=openmetrics)
    kind = OPENMETRICS_TYPE if openmetrics else CONTENT_TYPE
    return Response(text, headers={"Content-Type": kind, "Vary": "Accept"})


def exposition(points: Iterable[Point], *, openmetrics: bool = False) -> bytes:
    """Write points as a scrape page.

    Args:
        points: The points, in any order.
        openmetrics: True for OpenMetrics 1.0.0 instead of the text format 0.0.4.

    Returns:
        The page in UTF-8.

    Example:
        >>> print(exposition([Point(m.DRIFTLINE_PENDING_OUTCOMES, (), 3.0)]).decode(), end="")
        # HELP driftline_pending_outcomes Outcomes that wait for their prediction.
        # TYPE driftline_pending_outcomes gauge
        driftline_pending_outcomes 3.0
    """
    registry = CollectorRegistry()
    registry.register(PointCollector(tuple(points), openmetrics))
    if openmetrics:
        page: bytes = open_metrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return page
    return plain.generate_latest(registry)


@dataclass(frozen=True)
class PointCollector(Collector):
    """The points of one scrape as metric families of ``prometheus_client``.

    Attributes:
        points: The points.
        openmetrics: True if bucket bounds have the form of OpenMetrics, "1.0" instead of "1".
    """

    points: tuple[Point, ...]
    openmetrics: bool = False

    def describe(self) -> Iterable[families.Metric]:
        """Return nothing: each scrape has a new registry, so names cannot clash."""
        return ()

    def collect(self) -> Iterator[families.Metric]:
        """Yield a family per metric, in the order of first points."""
        grouped: dict[str, list[Point]] = {}
        for point in self.points:
            grouped.setdefault(point.metric, []).append(point)
        for metric, family in grouped.items():
            yield self._family(metric, family)

    def _family(self, metric: str, family: list[Point]) -> families.Metric:
        instrument = m.INSTRUMENTS.get(metric) or m.Instrument("unknown", "", _identifier(metric))
        name, kind = instrument.prometheus, instrument.kind
        if kind == "histogram" and any(point.buckets is None for point in family):
            kind = "unknown"
        if kind == "updowncounter":
            kind = "gauge"
        # A counter's family is named without the suffix of its sample, in both formats of prometheus_client.
        made = families.Metric(name.removesuffix("_total") if kind == "counter" else name, _help(metric), kind)
        for point in family:
            point_labels = {_identifier(key): _encodable(text) for key, text in point.attributes}
            if point.buckets:
                self._add_histogram(made, name, point_labels, point.value, point.buckets)
            else:
                made.add_sample(name, point_labels, point.value, exemplar=_exemplar(point))
        return made

    def _add_histogram(
        self, metric: families.Metric, name: str, point_labels: dict[str, str], total: float, buckets: tuple[float, ...]
    ) -> None:
        """Add a sample per bucket with the cumulative count, then sum and count."""
        below = 0.0
        for bound, weight in zip((*DURATION_BOUNDS, math.inf), buckets, strict=True):
            below += weight
            metric.add_sample(f"{name}_bucket", {**point_labels, "le": self._bound(bound)}, below)
        metric.add_sample(f"{name}_sum", point_labels, total)
        metric.add_sample(f"{name}_count", point_labels, below)

    def _bound(self, bound: float) -> str:
        """Write an upper bound. In the text format integers stay "1": another spelling would be a new series."""
        if math.isinf(bound):
            return "+Inf"
        return repr(float(bound)) if self.openmetrics else f"{bound:g}"


def _help(metric: str) -> str:
    return m.DESCRIPTIONS.get(metric, metric)


def _exemplar(point: Point) -> samples.Exemplar | None:
    """Return the first exemplar of a point; OpenMetrics allows one per sample."""
    if not point.exemplars:
        return None
    first = point.exemplars[0]
    trace = {"trace_id": first.trace_id.hex(), "span_id": first.span_id.hex()}
    return samples.Exemplar(trace, 1.0, round(first.time / 1e9, 3))


def _encodable(text: str) -> str:
    """Replace unpaired surrogates, which received names may contain and UTF-8 cannot encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _identifier(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name)
