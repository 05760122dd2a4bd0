"""A shadow of a configuration: the real state, judging and policies over a store of their own, in event time.

Nothing leaves it: it opens no port, its channels and actions only record, and its folder is gone at its end.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from driftline_processor.config.actions import ActionKeys
from driftline_processor.config.model import Model
from driftline_processor.config.schema import Config, Storage
from driftline_processor.core.evaluation import Verdict
from driftline_processor.core.windows.window import DAY, length
from driftline_processor.policy.action import ActionChannel
from driftline_processor.policy.alerts import Alert, Approval, Delivery
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.message import Message
from driftline_processor.policy.watch import no_links
from driftline_processor.queries.overview import ModelView, leading_model, verdict_of
from driftline_processor.state import State
from driftline_processor.store.process_folder import ProcessFolder
from msgspec import Struct, field

from .traffic import Traffic

PREFIX: Final = "driftline-drill-"
"""What the names of folders of drills begin with."""

LOOKS_A_DAY: Final = 4
"""Judgings of a day, at least: a window closes when rows of the next one have come."""

SENDS_A_LOOK: Final = 3
"""Requests from one judging to the next."""

RETENTION: Final = timedelta(days=3650)
"""Rows of a drill do not expire: recorded ones may be of any year."""


def shadow_config(config: Config, model: str) -> Config:
    """Return a configuration with one model, and without anything that listens, leaves or is kept.

    Args:
        config: The real one.
        model: The model that is drilled.
    """
    settings = config.models.get(model, Model())
    storage = Storage(in_memory=False, retention=RETENTION, log=config.storage.log)
    return config.model_copy(update={"storage": storage, "models": {model: settings}, "exporters": {}})


class RecordingCouriers(Couriers):
    """Couriers that take every message, and carry none.

    Attributes:
        told: Each message, and what an action would have done, with the event time at which it was given.
    """

    def __init__(self, actions: Mapping[str, ActionKeys], clock: Callable[[], int]) -> None:
        super().__init__({}, clock)
        self.told: list[tuple[int, Message, str]] = []
        self._now, self._actions = clock, actions
        self._taken: list[Delivery] = []

    def post(self, messages: Sequence[Message]) -> None:
        """Note messages as delivered; those of actions with what would have been done."""
        for message in messages:
            description = self._describe(message) if message.is_order else ""
            self.told.append((self._now(), message, description))
            self._taken.append(
                Delivery(message.id, self._now(), "dry_run" if description else "delivered", description[:500])
            )

    def deliveries(self) -> list[Delivery]:
        """Return what came of messages since the last call."""
        recorded, self._taken = self._taken, []
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
    """What the pages say of the model at a time.

    Attributes:
        time: Event time, unix nanoseconds.
        verdict: Whether the model is healthy; None where nobody can say.
    """

    time: int
    verdict: Verdict | None


class Lived(Struct, frozen=True):
    """What a shadow has seen by the end of its traffic.

    Attributes:
        looks: What the pages said after each judging.
        alerts: All alerts.
        told: Messages with the event time at which they left, and what an action would have done.
        approvals: The approvals that orders wait for, by the id of their message.
        views: The model as its pages show it in the end.
        until: How far event time came, unix nanoseconds.
    """

    looks: Sequence[Look]
    alerts: Sequence[Alert]
    told: Sequence[tuple[int, Message, str]]
    approvals: Mapping[str, Approval]
    messages: Sequence[Message]
    views: Sequence[ModelView]
    until: int


class Shadow(Struct):
    """A configuration that lives through traffic, whose past may be copied.

    Attributes:
        config: What :func:`shadow_config` made.
        folder: Where its state is.
        now: Event time, unix nanoseconds.
    """

    config: Config
    folder: Path
    now: int = 0
    looks: list[Look] = field(default_factory=list)
    told: list[tuple[int, Message, str]] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Nanoseconds from one judging to the next: a quarter of a day, half of that of shorter windows."""
        [model] = self.config.models.values()
        step = DAY // LOOKS_A_DAY
        return step if min(map(length, model.windows)) >= DAY else step // 2

    @property
    def sends(self) -> int:
        """Nanoseconds from one request to the next."""
        return self.step // SENDS_A_LOOK

    def live(
        self,
        traffic: Traffic,
        start: int,
        end: int,
        step: int,
        has_ended: Callable[[Lived], bool] = lambda _: False,
    ) -> Lived:
        """Live through traffic: send it as it comes, and join, judge and look at policies after each step.

        Args:
            traffic: All of it; rows and outcomes outside the time are left out.
            start: From when, unix nanoseconds.
            end: Until when.
            step: Nanoseconds from one judging to the next.
            has_ended: Whether all is known that somebody wants to know.
        """
        storage = self.config.storage.model_copy(update={"directory": self.folder})
        self.now = max(self.now, start)
        couriers = RecordingCouriers(self.config.actions, lambda: self.now)
        state = State(self.config.model_copy(update={"storage": storage}), clock=lambda: self.now)
        try:
            state.start_storing()
            state.notifications.send_by(couriers, no_links)
            due, lived = start + step, self._lived(state, couriers)
            for time, body in _requests(traffic, start, end, self.sends):
                self.now = time
                if body:
                    state.submit("logs", body).result()
                if time >= due or time >= end:
                    due = time + step
                    state.settle()
                    lived = self._lived(state, couriers, with_look=True)
                    if has_ended(lived):
                        break
            self.told += couriers.told
            return lived
        finally:
            state.stop()

    def copy(self, folder: Path) -> Shadow:
        """Return a shadow with the same past, in another folder; both may go on."""
        shutil.copytree(self.folder, folder)
        return Shadow(self.config, folder, self.now, [*self.looks], [*self.told])

    def _lived(self, state: State, couriers: RecordingCouriers, *, with_look: bool = False) -> Lived:
        views = [model for model in state.snapshot.models if model.in_use and not model.retired]
        if with_look:
            self.looks.append(Look(self.now, verdict_of(views) if views else None))
        return Lived(
            looks=tuple(self.looks),
            alerts=tuple(state.alerts.alerts.values()),
            told=(*self.told, *couriers.told),
            approvals=dict(state.alerts.approvals),
            messages=tuple(state.alerts.messages.values()),
            views=views,
            until=self.now,
        )


@contextmanager
def shadow_folder() -> Iterator[Path]:
    """Make a folder for shadows, which is gone at the end of the block; a drill that was killed leaves none for long.

    Raises:
        OSError: It cannot be made.
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
    """Return the version that messages are about; None where no row has come."""
    return leading_model(lived.views) if lived.views else None


def _requests(traffic: Traffic, start: int, end: int, every: int) -> Iterator[tuple[int, bytes]]:
    """Yield what a service sends in each stretch of time, with its end: one request, empty where there is nothing.

    Requests one after the other are one request, as those of protobuf are.
    """
    order = traffic.known.argsort(kind="stable")
    known_times = traffic.known[order]

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
