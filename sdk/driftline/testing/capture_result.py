"""The result of a capture: recorded rows, and assertions that name the recorded rows when they fail."""

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
    """Everything that Driftline recorded in a capture, decoded from the request bytes.

    Each property converts the waiting entries first, so no flush is required. A capture stays readable after its end.

    Attributes:
        clock: Clock of the capture.
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
        """Whether an error inside Driftline is raised, so that a test fails. You can change this attribute.

        In production, such an error is never raised.
        """
        return FAULTS.raising

    @raising.setter
    def raising(self, raising: bool) -> None:
        FAULTS.raising = raising

    @property
    def predictions(self) -> list[CapturedPrediction]:
        """Rows of all records, in order of time.

        Rows with the same time are in the order of recording, model by model.
        """
        self._flush()
        return decoding.predictions(self._records.bodies, self._sink.spans)

    @property
    def outcomes(self) -> list[CapturedOutcome]:
        """Recorded outcomes, in the order of recording."""
        self._flush()
        return decoding.outcomes(self._records.bodies, self._desk.accepted)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Sampled spans of the whole program, in the order of their ends."""
        self._flush()  # spans of web integrations end during the flush
        return list(self._sink.spans)

    @property
    def counts(self) -> list[Count]:
        """Counts of the metric ``ml.predictions``."""
        return decoding.counts(self._collected())

    @property
    def distributions(self) -> list[Distribution]:
        """Distributions that Driftline sends as metrics, even if the environment turns metrics off."""
        self._flush()
        return decoding.distributions(self._metrics.bodies)

    @property
    def lost(self) -> list[Loss]:
        """Losses and their reasons, such as unread results, missing features and errors."""
        return decoding.losses(self._collected())

    @property
    def log(self) -> list[str]:
        """Log lines of Driftline, of the level INFO and higher levels."""
        self._flush()
        return list(self._log)

    @property
    def requests(self) -> list[bytes]:
        """Bytes of each ``ExportLogsServiceRequest`` that would be sent."""
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
        """Return the first prediction that matches every given argument.

        Args:
            model: Name of the model.
            id: Id of the prediction, in any type: 17 equals "17".
            score: Score as in :class:`CapturedPrediction`, or an object that is compared with the score, such as
                ``pytest.approx(0.25)``.
            predicted: Predicted class or value, in any type: True equals "1".
            features: Mapping from name to value of features that the row must contain. The row may contain more
                features.
            slices: Mapping from name to value of slices that the row must contain. The row may contain more slices.
            items: Items of a ranking, best first.
            version: Version of the model.
            error: Type of the exception, or "" for a call that returned.

        Returns:
            The first matching prediction, in order of time.

        Raises:
            AssertionError: No prediction matches. The message shows the recorded predictions.
        """
        __tracebackhide__ = True
        subsets = {"features": UNSAID if features is None else features, "slices": UNSAID if slices is None else slices}
        given = {"score": score, "predicted": predicted, "items": items, "version": version, "error": error}
        expected = failure_messages.expected_fields(model=model, id=id, **given, **subsets)
        rows = self.predictions
        why = partial(failure_messages.why, model, rows, self.counts, self._log)
        return failure_messages.find("prediction", expected, rows, why)

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
        """Return the first outcome that matches every given argument.

        Args:
            model: Name of the model.
            id: Id of the prediction.
            actual: Actual class or value.
            time: Time at which the outcome was known.
            prediction_time: Time of the prediction.
            weight: 1 divided by the probability with which the row was chosen for labelling.
            item: Item of a ranking.
            value: Worth of the prediction.
            retracted: True for a retraction.
            slices: Mapping from name to value of slices that the outcome must contain. The outcome may contain more
                slices.

        Returns:
            The first matching outcome, in the order of recording.

        Raises:
            AssertionError: No outcome matches. The message shows the recorded outcomes.
        """
        __tracebackhide__ = True
        times = {"time": time, "prediction_time": prediction_time}
        other_fields = {"weight": weight, "item": item, "value": value, "retracted": retracted, "slices": slices}
        expected = failure_messages.expected_fields(model=model, id=id, actual=actual, **times, **other_fields)
        return failure_messages.find("outcome", expected, self.outcomes, partial(failure_messages.log_lines, self._log))

    def assert_counted(
        self, model: str, predictions: int, *, predicted: object = UNSAID, error: object = UNSAID
    ) -> None:
        """Check the number of predictions in the metric ``ml.predictions``.

        Args:
            model: Name of the model.
            predictions: Expected number of predictions.
            predicted: Count predictions of this class only.
            error: Count predictions with this type of exception only. "" counts calls that returned.

        Raises:
            AssertionError: The metric contains another number of predictions.
        """
        __tracebackhide__ = True
        failure_messages.counted(self.counts, model, predictions, predicted, error)

    def assert_nothing_lost(self) -> None:
        """Check that everything could be recorded.

        Raises:
            AssertionError: There is a loss. The message shows the reason of the loss, and the log.
        """
        __tracebackhide__ = True
        failure_messages.nothing_lost(self.lost, self._log)

    def _collected(self) -> MetricsData | None:
        self._flush()
        data = self._reader.get_metrics_data()
        self._data = data or self._data  # after the end there is nothing to collect
        return self._data
