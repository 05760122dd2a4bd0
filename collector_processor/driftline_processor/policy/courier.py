"""Delivery of messages to channels: each channel has its own thread and retry schedule.

Delivery is at least once: results are stored at the next evaluation of policies, and after a crash in between
the message is sent again with the same id and a hint that it may have been accepted. A message that a channel
does not accept is retried for days. Messages about one alert stay in order; an undelivered message does not
block other alerts: new messages are tried at once unless the channel requested a pause, those about models of tier
1 before those of tier 2 and 3.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from queue import SimpleQueue

from driftline.export.backoff import doubling_pauses

from driftline_processor.config.channels import rank_tier
from driftline_processor.health import SendingReport
from driftline_processor.present.wording import short

from .alerts import Delivery
from .channel import Answer, Channel, Past
from .message import Message

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0
"""Seconds between attempts."""

EXPIRES = 3 * 86_400 * 10**9
"""Nanoseconds after which an undelivered message is discarded as outdated."""

LONGEST_WAIT = 3_600.0
"""Upper limit of a pause that a channel requests, seconds."""

Thread = Callable[[Message], tuple[str, bool]]
"""Returns the channel's id of the first message about the same alert, and whether that is about others, too.

The id is "" if it is unknown.
"""

Attempted = Callable[[Message, Answer], object]
"""Called with an attempt to send a message, and its answer."""

_log = logging.getLogger("driftline")


def _ignore(_message: Message, _answer: Answer) -> None:
    """Record nothing."""


def _rank(message: Message) -> int:
    return rank_tier(message.facts.get("tier"))


class Courier:
    """The thread and the queue of one channel.

    Args:
        name: Name of the channel.
        channel: Destination of the messages.
        report: Called with each delivery.
        clock: Returns unix nanoseconds.
        pause: Waits for a number of seconds or until the event is set, and returns whether it is set.
        attempted: Called with each attempt and its answer, before its delivery is reported.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        report: Callable[[Delivery], object],
        clock: Callable[[], int] = time.time_ns,
        pause: Callable[[threading.Event, float], bool] = threading.Event.wait,
        attempted: Attempted = _ignore,
    ) -> None:
        self.name = name
        self._attempted = attempted
        self._channel, self._report, self._clock, self._pause = channel, report, clock, pause
        self._next_channel: Channel | None = None
        self._sending = ""
        self.thread: Thread = lambda _: ("", False)
        """The channel's ids of messages from before this process started."""
        self._threads: dict[str, str] = {}
        self._unsure: set[str] = set()
        self._new: OrderedDict[str, Message] = OrderedDict()
        """Messages that were not tried yet and whose alerts have no deferred messages."""
        self._waiting: OrderedDict[str, Message] = OrderedDict()
        """Deferred messages, and later messages about the same alerts."""
        self._lock = threading.Condition()
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._interrupted = threading.Event()
        """Ends a pause that the channel has requested."""
        self._abandoned = False
        self._last_log = ""
        self._succeeded: int | None = None
        self._failed: int | None = None
        self._error = ""
        self._thread = threading.Thread(target=self._run, name=f"driftline-tells-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def post(self, messages: Iterable[Message], *, unsure: bool = False) -> None:
        """Add messages to the queue; queued messages are not added twice.

        Args:
            messages: In their order.
            unsure: Whether the channel may have accepted them before.
        """
        with self._lock:
            put_off = {message.alert for message in self._waiting.values()}
            for message in messages:
                if message.id in self._new or message.id in self._waiting:
                    continue
                (self._waiting if message.alert in put_off else self._new)[message.id] = message
                if unsure:
                    self._unsure.add(message.id)
            if self._new:
                self._woken.set()
            self._lock.notify_all()

    def replace(self, channel: Channel) -> None:
        """Send further messages, and those that wait, by another channel; one that is being sent is not interrupted."""
        with self._lock:
            unused, self._next_channel = self._next_channel, channel
            self._woken.set()
            self._interrupted.set()
        if unused is not None:
            unused.close()

    def abandon(self) -> list[Message]:
        """End after the message that is being sent; return the other queued messages."""
        with self._lock:
            left = [
                message for message in (*self._new.values(), *self._waiting.values()) if message.id != self._sending
            ]
            for message in left:
                self._new.pop(message.id, None)
                self._waiting.pop(message.id, None)
            self._abandoned = True
            self._end()
        return left

    def stop(self, grace: float) -> None:
        """Try each queued message once, for at most ``grace`` seconds; the others are sent after the next start."""
        with self._lock:
            self._end()
        if self._thread.is_alive():
            self._thread.join(grace)
        self._channel.close()
        if self._next_channel is not None:
            self._next_channel.close()

    def _end(self) -> None:
        """Make the thread end; the lock is held."""
        for event in (self._stopping, self._woken, self._interrupted):
            event.set()
        self._lock.notify_all()

    def sentence(self) -> str | None:
        """Return which messages have waited for long, since when and why; None if there are none."""
        with self._lock:
            waiting, said = len(self._new) + len(self._waiting), self._last_log
        if not waiting or not said:
            return None
        return f"{waiting} message{'s wait' if waiting > 1 else ' waits'} for the channel {self.name}: {said}"

    def report(self) -> SendingReport:
        """Return when the channel accepted a message last, and failed last."""
        with self._lock:
            waiting = len(self._new) + len(self._waiting)
            return SendingReport(self.name, waiting, self._succeeded, self._failed, self._error)

    def put_off(self) -> str:
        """Return why the channel accepts no messages now; "" if no message waits."""
        with self._lock:
            return self._last_log if self._new or self._waiting else ""

    def _run(self) -> None:
        self._send_all()
        if self._abandoned:
            self._channel.close()

    def _send_all(self) -> None:
        pauses = doubling_pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            message = self._next()
            if message is None:
                return
            if self._takes_next_channel():
                pauses = doubling_pauses(FIRST_PAUSE, LONGEST_PAUSE)
            try:
                answer = self._channel.send(message, self._past(message))
            except Exception as error:
                _log.exception("channel %s: a message could not be sent; Driftline will retry", self.name)
                answer = Answer("put_off", f"{type(error).__name__}: {error}", unheard=True)
            self._attempted(message, answer)
            if self._done(message, answer):
                pauses = doubling_pauses(FIRST_PAUSE, LONGEST_PAUSE)
            elif self._stopping.is_set():
                with self._lock:
                    self._new.clear()  # they are stored, and sent after the next start
                    self._waiting.clear()
                return
            else:
                wait = min(answer.wait, LONGEST_WAIT)
                ends = self._interrupted if wait else self._woken
                self._pause(ends, max(wait, next(pauses) * random.uniform(0.5, 1.0)))

    def _past(self, message: Message) -> Past:
        own = self._threads.get(message.alert)
        thread, shared = self.thread(message) if own is None else (own, False)
        return Past(thread, shared, message.id in self._unsure)

    def _next(self) -> Message | None:
        """Return the message to send next; None at the end."""
        with self._lock:
            while not (self._new or self._waiting):
                if self._stopping.is_set():
                    return None
                self._lock.wait()
            message = min(self._new.values(), key=_rank) if self._new else next(iter(self._waiting.values()))
            if len(self._new) <= 1 and not self._stopping.is_set():
                self._woken.clear()
            self._sending = message.id
            return message

    def _takes_next_channel(self) -> bool:
        """Use the channel of :meth:`replace`, and close the one before it; return False without a new one."""
        with self._lock:
            channel, self._next_channel = self._next_channel, None
            if channel is None:
                return False
            before, self._channel = self._channel, channel
            if not self._stopping.is_set():
                self._interrupted.clear()
        before.close()
        return True

    def _done(self, message: Message, answer: Answer) -> bool:
        """Process an answer; return False if the message is queued again, after those about other alerts."""
        now = self._clock()
        with self._lock:
            if answer.result in ("delivered", "dry_run"):
                self._succeeded = now
            else:
                self._failed, self._error = now, answer.detail or "it did not accept the message"
        if answer.result == "put_off" and now - message.created < EXPIRES:
            if answer.unheard:
                self._unsure.add(message.id)
            with self._lock:
                for queue in (self._waiting, self._new):
                    for queued in [queued for queued in queue.values() if queued.alert == message.alert]:
                        del queue[queued.id]
                        self._waiting[queued.id] = queued
                first, self._last_log = not self._last_log, answer.detail or "it did not accept the message"
            if first:
                _log.warning("channel %s: %s; messages are kept, and Driftline will retry", self.name, self._last_log)
            return False
        result = "expired" if answer.result == "put_off" else answer.result
        with self._lock:
            self._new.pop(message.id, None)
            self._waiting.pop(message.id, None)
            self._unsure.discard(message.id)
            again, self._last_log = self._last_log if result == "delivered" else "", ""
        if result not in ("delivered", "dry_run"):
            title = short(str(message.facts.get("title", message.id)), 120)
            _log.warning("channel %s: a message is %s: %s (%s)", self.name, result, answer.detail, title)
        elif again:
            _log.info("channel %s: accepts messages again", self.name)
        if answer.reference:
            self._remember(message.alert, answer.reference)
        self._report(Delivery(message.id, now, result, answer.detail[:500], answer.reference))
        return True

    def _remember(self, alert: str, reference: str) -> None:
        """Cache the channel's id of an alert until the state has it."""
        self._threads.setdefault(alert, reference)
        # 1_000: cached first messages per channel; the others are read from the state
        while len(self._threads) > 1_000:
            del self._threads[next(iter(self._threads))]


class Couriers:
    """The couriers of all channels.

    Args:
        channels: Channels by name.
        clock: Returns unix nanoseconds.
        attempted: Called with each attempt to send a message, and its answer.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        clock: Callable[[], int] = time.time_ns,
        attempted: Attempted = _ignore,
    ) -> None:
        self._noted: SimpleQueue[Delivery] = SimpleQueue()
        self._couriers = {
            name: Courier(name, channel, self._noted.put, clock, attempted=attempted)
            for name, channel in channels.items()
        }
        self._clock, self._attempted = clock, attempted
        self._thread: Thread = lambda _: ("", False)

    def start(self) -> None:
        """Start all threads."""
        for courier in self._couriers.values():
            courier.start()

    def replace(self, channels: Mapping[str, Channel], names: Collection[str]) -> None:
        """Use other channels; the messages that wait for a channel are sent by its new one.

        Args:
            channels: New and changed channels, by name.
            names: Names of all channels; messages of others are discarded, and their number is logged.
        """
        couriers = {name: courier for name, courier in self._couriers.items() if name in names}
        removed = [courier for name, courier in self._couriers.items() if name not in names]
        for name, channel in channels.items():
            if name in couriers:
                couriers[name].replace(channel)
                continue
            couriers[name] = courier = Courier(name, channel, self._noted.put, self._clock, attempted=self._attempted)
            courier.thread = self._thread
            courier.start()
        self._couriers = couriers
        for courier in removed:
            self._discard(courier.abandon())

    def post(self, messages: Sequence[Message]) -> None:
        """Add messages to the queues; those for removed channels are discarded and their number is logged."""
        self._post(messages, unsure=False)

    def _post(self, messages: Sequence[Message], *, unsure: bool) -> None:
        gone: list[Message] = []
        for message in messages:
            courier = self._couriers.get(message.channel)
            if courier is None:
                gone.append(message)
            else:
                courier.post([message], unsure=unsure)
        self._discard(gone)

    def _discard(self, messages: Sequence[Message]) -> None:
        """Note that messages are not sent, because their channel was removed, and log their number."""
        for message in messages:
            reason = "the channel was removed from the configuration"
            self._noted.put(Delivery(message.id, self._clock(), "expired", reason))
        for name, count in Counter(message.channel for message in messages).items():
            given_up = "1 message is" if count == 1 else f"{count} messages are"
            _log.warning("channel %s: it was removed from the configuration; %s dropped", name, given_up)

    def resume(self, messages: Sequence[Message], thread: Thread) -> None:
        """Add messages from before this process started; a channel may have accepted them already.

        Args:
            messages: In their order.
            thread: The channels' ids of earlier messages.
        """
        self._thread = thread
        for courier in self._couriers.values():
            courier.thread = thread
        self._post(messages, unsure=True)

    def deliveries(self) -> list[Delivery]:
        """Return the deliveries since the last call."""
        found = []
        while not self._noted.empty():
            found.append(self._noted.get())
        return found

    def reports(self) -> list[SendingReport]:
        """Return how each channel fares."""
        return [courier.report() for courier in self._couriers.values()]

    def put_off(self, name: str) -> str:
        """Return why a channel accepts no messages now; "" if it does."""
        courier = self._couriers.get(name)
        return "" if courier is None else courier.put_off()

    def sentence(self) -> str | None:
        """Return which messages have waited for long and why; None if there are none."""
        return "; ".join(filter(None, (courier.sentence() for courier in self._couriers.values()))) or None

    def stop(self, grace: float) -> None:
        """Try each queued message once, for at most ``grace`` seconds over all channels."""
        end = time.monotonic() + grace
        for courier in self._couriers.values():
            courier.stop(max(0.1, end - time.monotonic()))
