"""The result of a capture: rows to look at, and assertions that say what was there instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan

from driftline.faults import FAULTS

from . import decoding, failure_messages
from .captured_rows import CapturedOutcome, CapturedPrediction, Count, Distribution, Loss
from .clock import Clock
from .failure_messages import UNSAID
from .in_memory import Memory, OutcomeDesk, Sink


class Capture:
    """Everything that Driftline recorded since the capture began, decoded from the bytes to send.

    Reading converts what waits, so there is nothing to flush. It can be read after its end, too. ``clock``: the time
    that Driftline sees.
    """

    def __init__(self, clock: Clock, flush: Callable[[], object]) -> None:
        self.clock = clock
        self._flush = flush
        self._sink = Sink()
        self._records, self._metrics = Memory(), Memory()
        self._desk = OutcomeDesk()
        self._reader = InMemoryMetricReader()
        self._data: MetricsData | None = None
        self._log: list[str] = []

    @property
    def raising(self) -> bool:
        """Return whether an error inside Driftline is raised, so that a test sees it; in production it never is.
        Settable.
        """
        return FAULTS.raising

    @raising.setter
    def raising(self, raising: bool) -> None:
        FAULTS.raising = raising

    @property
    def predictions(self) -> list[CapturedPrediction]:
        """The rows of all records: by time; those of one time as they were made, model by model."""
        self._flush()
        return decoding.predictions(self._records.bodies, self._sink.spans)

    @property
    def outcomes(self) -> list[CapturedOutcome]:
        """The outcomes."""
        self._flush()
        return decoding.outcomes(self._records.bodies, self._desk.accepted)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The sampled spans of the whole program, in the order in which they ended."""
        self._flush()  # what a web integration recorded ends with that
        return list(self._sink.spans)

    @property
    def counts(self) -> list[Count]:
        """Return what ``ml.predictions`` counts."""
        return decoding.counts(self._collected())

    @property
    def distributions(self) -> list[Distribution]:
        """The distributions that are sent as metrics, whatever the environment says of metrics."""
        self._flush()
        return decoding.distributions(self._metrics.bodies)

    @property
    def lost(self) -> list[Loss]:
        """Return what could not be recorded, with its reason: results that are unread, features that are missing,
        errors.
        """
        return decoding.losses(self._collected())

    @property
    def log(self) -> list[str]:
        """The lines that Driftline logged, from INFO on."""
        self._flush()
        return list(self._log)

    @property
    def requests(self) -> list[bytes]:
        """The ``ExportLogsServiceRequest`` messages that would have been sent."""
        self._flush()
        return list(self._records.bodies)

    def assert_predicted(
        self,
        model: str,
        *,
        id: object = UNSAID,
        score: object = UNSAID,
        predicted: object = UNSAID,
        features: Mapping[str, Any] | None = None,
        slices: Mapping[str, Any] | None = None,
        items: object = UNSAID,
        version: object = UNSAID,
        error: object = UNSAID,
    ) -> CapturedPrediction:
        """Return the first prediction of a model that is as described; raise ``AssertionError`` where there is none.

        What is not said may be anything. ``features``, ``slices``: those that must be among the row's. ``score``: as
        in :class:`CapturedPrediction`, or anything that compares, such as ``pytest.approx(0.25)``. ``id``,
        ``predicted``: as the code under test has them; 17 is "17" and True is "1".
        """
        __tracebackhide__ = True
        wanted = failure_messages.of_prediction(
            model, id, score, predicted, features, slices, items=items, version=version, error=error
        )
        rows = self.predictions
        why = partial(failure_messages.why, model, rows, self.counts, self._log)
        return failure_messages.found("prediction", wanted, rows, why)

    def assert_outcome(
        self,
        model: str,
        *,
        id: object = UNSAID,
        actual: object = UNSAID,
        time: object = UNSAID,
        prediction_time: object = UNSAID,
        weight: object = UNSAID,
        item: object = UNSAID,
        value: object = UNSAID,
        retracted: object = UNSAID,
        slices: object = UNSAID,
    ) -> CapturedOutcome:
        """Return the first outcome that is as described; raise ``AssertionError`` where there is none."""
        __tracebackhide__ = True
        times = {"time": time, "prediction_time": prediction_time}
        others = {"weight": weight, "item": item, "value": value, "retracted": retracted, "slices": slices}
        wanted = failure_messages.of_outcome(model, id, actual, **times, **others)
        return failure_messages.found("outcome", wanted, self.outcomes, partial(failure_messages.log_lines, self._log))

    def assert_counted(
        self, model: str, predictions: int, *, predicted: object = UNSAID, error: object = UNSAID
    ) -> None:
        """Raise ``AssertionError`` unless ``ml.predictions`` counts so many of a model, a class and an error type."""
        __tracebackhide__ = True
        failure_messages.counted(self.counts, model, predictions, predicted, error)

    def assert_nothing_lost(self) -> None:
        """Raise ``AssertionError`` where anything could not be recorded, with its reason and what the log says."""
        __tracebackhide__ = True
        failure_messages.nothing_lost(self.lost, self._log)

    def _collected(self) -> MetricsData | None:
        self._flush()
        data = self._reader.get_metrics_data()
        self._data = data or self._data  # after the end there is nothing to collect
        return self._data
