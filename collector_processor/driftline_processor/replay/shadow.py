"""A shadow of a configuration: the real state, evaluation and policies over a separate store, in event time.

It opens no port, its channels and actions only record, and its folder is deleted at the end.
"""

from __future__ import annotations

import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from driftline_processor.config.actions import ActionKeys
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.windows.window import DAY, length
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.alert_history import AlertHistory, alert_histories
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.message import Message
from driftline_processor.policy.watch import no_links
from driftline_processor.process_folder import ProcessFolder
from driftline_processor.queries.model_view import ModelView, leading_model, verdict_of
from driftline_processor.state import State

from .traffic import Traffic

PREFIX: Final = "driftline-replay-"
"""Prefix of the folders of shadows."""

LOOKS_A_DAY: Final = 4
"""Minimum number of evaluations per day: a window closes when rows of the next one have arrived."""

SENDS_A_LOOK: Final = 3
"""Requests per evaluation."""

RETENTION: Final = timedelta(days=3650)
"""Retention of a shadow: unlimited in effect, because recorded rows may be of any year."""


def shadow_config(config: Config, model: str) -> Config:
    """Return a configuration with one model, without listeners, exporters and permanent storage.

    Args:
        config: The real configuration.
        model: Name of the model.
    """
    settings = config.models.get(model, Model())
    storage = Storage(in_memory=False, retention=RETENTION, log=config.storage.log)
    return config.model_copy(update={"storage": storage, "models": {model: settings}, "exporters": {}})


class RecordingCouriers(Couriers):
    """Couriers that record messages as delivered, with the dry-run descriptions of actions, and do not send them."""

    def __init__(self, actions: Mapping[str, ActionKeys], clock: Callable[[], int]) -> None:
        super().__init__({}, clock)
        self._now, self._actions = clock, actions
        self._deliveries: list[Delivery] = []

    def post(self, messages: Sequence[Message]) -> None:
        """Record messages."""
        for message in messages:
            description = self._describe(message) if message.is_order else ""
            self._deliveries.append(
                Delivery(message.id, self._now(), "dry_run" if description else "delivered", description[:500])
            )

    def deliveries(self) -> list[Delivery]:
        """Return the deliveries since the last call."""
        recorded, self._deliveries = self._deliveries, []
        return recorded

    def _describe(self, message: Message) -> str:
        keys = self._actions.get(message.channel)
        if keys is None:
            return "the action was removed"
        channel = ActionChannel(keys.model_copy(update={"dry_run": True}))
        try:
            return channel.send(message).detail
        finally:
            channel.close()


class Look(Struct, frozen=True):
    """State of the pages at a time.

    Attributes:
        time: Event time, unix nanoseconds.
        verdict: Verdict of the model; None if there is none.
    """

    time: int
    verdict: Verdict | None


class Lived(Struct, frozen=True):
    """Results of a shadow at the end of its traffic.

    Attributes:
        looks: State of the pages after each evaluation.
        alerts: All alerts with their messages.
        views: The model as its pages show it at the end.
        until: Reached event time, unix nanoseconds.
    """

    looks: Sequence[Look]
    alerts: Sequence[AlertHistory]
    views: Sequence[ModelView]
    until: int


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Log only errors within the block, because messages of a shadow would be misleading."""
    logs = [logging.getLogger(name) for name in ("driftline", "driftline_processor")]
    before = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for log, level in zip(logs, before, strict=True):
            log.setLevel(level)


class Shadow(Struct):
    """A configuration that processes traffic; its state can be copied.

    Attributes:
        config: Result of :func:`shadow_config`.
        folder: Folder of its state.
        now: Event time, unix nanoseconds.
    """

    config: Config
    folder: Path
    now: int = 0
    looks: list[Look] = field(default_factory=list)

    @property
    def shortest(self) -> int:
        """Length of the shortest windows of the model, nanoseconds."""
        [model] = self.config.models.values()
        return min(map(length, model.windows))

    @property
    def step(self) -> int:
        """Nanoseconds between evaluations: a quarter of a day, half of that for windows shorter than a day."""
        return DAY // LOOKS_A_DAY if self.shortest >= DAY else DAY // LOOKS_A_DAY // 2

    @quiet_logs()
    def live(
        self,
        traffic: Traffic,
        start: int,
        end: int,
        step: int,
        has_ended: Callable[[Lived], bool] = lambda _: False,
        progress: Callable[[int], object] = lambda _: None,
    ) -> Lived:
        """Process traffic: send it in event time; join, evaluate windows and policies after each step.

        Args:
            traffic: The whole traffic; rows and outcomes outside the period are skipped.
            start: Begin of the period, unix nanoseconds.
            end: End of the period.
            step: Nanoseconds between evaluations.
            has_ended: Whether the results are complete, so that processing can stop.
            progress: Called with the reached event time after each evaluation.
        """
        storage = self.config.storage.model_copy(update={"directory": self.folder})
        self.now = max(self.now, start)
        couriers = RecordingCouriers(self.config.actions, lambda: self.now)
        state = State(self.config.model_copy(update={"storage": storage}), clock=lambda: self.now)
        try:
            state.start_storing()
            state.notifications.send_by(couriers, no_links)
            due = start + step
            for time, body in _requests(traffic, start, end, max(1, step // SENDS_A_LOOK)):
                self.now = max(self.now, time)
                if body:
                    state.submit("logs", body).result()
                if time >= due or time >= end:
                    due = time + step
                    state.settle()
                    views = _views(state)
                    self.looks.append(Look(self.now, verdict_of(views) if views else None))
                    progress(time)
                    if has_ended(self._lived(state)):
                        break
            state.note_deliveries()
            state.tidy_now()  # notes until when it has received
            return self._lived(state)
        finally:
            state.stop()

    def copy(self, folder: Path) -> Shadow:
        """Return a shadow with a copy of the state in another folder; both may continue."""
        shutil.copytree(self.folder, folder)
        return Shadow(self.config, folder, self.now, [*self.looks])

    def _lived(self, state: State) -> Lived:
        return Lived(tuple(self.looks), alert_histories(state.alerts), _views(state), self.now)


def _views(state: State) -> list[ModelView]:
    return [model for model in state.snapshot.models if model.in_use and not model.retired]


@contextmanager
def shadow_folder() -> Iterator[Path]:
    """Create a folder for shadows, deleted at the end of the block; folders of killed processes are deleted later.

    Raises:
        OSError: It cannot be created.
    """
    base = Path(tempfile.gettempdir())
    if sys.platform == "win32":
        with tempfile.TemporaryDirectory(prefix=PREFIX, dir=base) as folder:
            yield Path(folder)
        return
    process_folder = ProcessFolder(base, PREFIX)
    try:
        yield process_folder.path
    finally:
        process_folder.close()


def leading_view(lived: Lived) -> ModelView | None:
    """Return the version of the messages; None without rows."""
    return leading_model(lived.views) if lived.views else None


def _requests(traffic: Traffic, start: int, end: int, every: int) -> Iterator[tuple[int, bytes]]:
    """Yield the requests of a service per period, with its end: one request, empty without data.

    Concatenated protobuf messages are one message, so several requests are joined to one.
    """
    order = traffic.outcome_time.argsort(kind="stable")
    known_times = traffic.outcome_time[order]

    def sent(from_time: int, to_time: int) -> Iterator[bytes]:
        first, last = traffic.time.searchsorted([from_time, to_time])
        if first == 0 and last > 0:
            yield from traffic.announcement()
        yield from traffic.take(slice(int(first), int(last))).predictions()
        first, last = known_times.searchsorted([max(from_time, 1), to_time])
        yield from traffic.take(order[first:last]).outcomes()

    time = start
    while time < end:
        until = min(time - time % every + every, end)
        yield until, b"".join(sent(time, until))
        time = until
