"""Judge windows of the store: one path, in the processor itself and in the processes beside it."""

from __future__ import annotations

from collections.abc import Iterable

from driftline.baseline.baseline import Baseline
from msgspec import Struct
from msgspec.structs import replace

from driftline_processor.core.drift.method_choice import misfits
from driftline_processor.core.evaluation import Evaluation
from driftline_processor.core.labels.delay import OutcomeDelay
from driftline_processor.core.model_settings import ModelSettings
from driftline_processor.core.windows.window import Window
from driftline_processor.store.series import Series

from .judge import judge_together
from .store_source import StoreReaders, StoreSource


class JudgingOrder(Struct, frozen=True):
    """Windows of one series that are to be judged.

    Attributes:
        series: The model, version and environment.
        windows: The windows.
        known: The windows of these that had been evaluated before.
        settings: How the model's windows are judged.
        watermark: How far the model's event time has come, unix nanoseconds.
        delay: How long outcomes may take.
    """

    series: Series
    windows: tuple[Window, ...]
    known: frozenset[Window]
    settings: ModelSettings
    watermark: int
    delay: OutcomeDelay


class JudgedWindow(Struct, frozen=True):
    """The answer about one window.

    Attributes:
        evaluation: The evaluation; None of a window in which nothing ever was, and of one that failed.
        said: Sentences for the log, each to be said once.
        failure: The traceback of a window that could not be evaluated; "" where it could.
    """

    evaluation: Evaluation | None
    said: tuple[str, ...] = ()
    failure: str = ""


class StoreJudge:
    """Judges windows of one store. One thread uses it."""

    def __init__(self, readers: StoreReaders) -> None:
        """Read through ``readers``, which remember what they have read."""
        self.readers = readers
        self._fitting: set[tuple[str, str]] = set()

    def judge(self, order: JudgingOrder) -> list[JudgedWindow]:
        """Judge the windows of an order together; no evaluation where nothing ever was in one.

        A clock or a counter alone may have touched it.
        """
        messages: list[str] = []
        order_settings = order.settings, order.watermark, order.delay, self.readers
        sources = [StoreSource(order.series, window, *order_settings) for window in order.windows]
        asked_sources = [source for source in sources if not source.empty or source.window in order.known]
        for source in asked_sources:
            if source.baseline is not None:
                messages += self._misfits(order.series.key.model, order.settings, source.baseline)
        judged_by_window = dict(
            zip(
                [asked_source.window for asked_source in asked_sources],
                judge_together(asked_sources, order.settings, messages.append),
                strict=True,
            )
        )
        judged_windows = [JudgedWindow(judged_by_window.get(window)) for window in order.windows]
        return [replace(judged_windows[0], said=tuple(dict.fromkeys(messages))), *judged_windows[1:]]

    def _misfits(self, model: str, settings: ModelSettings, baseline: Baseline) -> Iterable[str]:
        """Say once of each baseline which methods were chosen for a feature that they do not compare."""
        baseline_key = (model, baseline.digest)
        if not settings.choices.features or baseline_key in self._fitting:
            return []
        self._fitting.add(baseline_key)
        return [
            f"{wrong.key(model)}: {wrong}; until then it is passed over"
            for wrong in misfits(settings.choices, baseline)
        ]
