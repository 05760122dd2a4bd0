"""Carrying messages to their channels: each channel has a thread and a pace of its own.

At least once: what was sent is noted by the next look at the policies, and a processor that is killed in between sends
it again, with the same id; the channel is told that it may have taken it before. What a channel does not take is tried
again for days; the messages about one alert stay in their order, and one that is not taken holds up no other: what is
new is tried at once, unless the channel has asked to be left alone.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from queue import SimpleQueue

from driftline.export.backoff import doubling_pauses

from driftline_processor.present.wording import short

from .alerts import Delivery
from .channel import Answer, Channel, Past
from .message import Message

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 600.0
"""Seconds from one attempt to the next."""

EXPIRES = 3 * 86_400 * 10**9
"""Nanoseconds after which a message that nobody takes is given up: it is no news any more."""

LONGEST_WAIT = 3_600.0
"""Seconds for which a channel is left alone at most, because it asks for that."""

Thread = Callable[[Message], tuple[str, bool]]
"""Returns by what the channel of a message knows the first one about the same alert, and whether that says others, too;
"" where it knows none."""

_log = logging.getLogger("driftline")


class Courier:
    """One channel and what waits for it.

    Args:
        name: Of the channel.
        channel: Takes messages.
        report: Called with what came of each.
        clock: Unix nanoseconds.
        pause: Waits so many seconds or until the event is set, and says which.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        report: Callable[[Delivery], object],
        clock: Callable[[], int] = time.time_ns,
        pause: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.name = name
        self._channel, self._report, self._clock, self._pause = channel, report, clock, pause
        self.thread: Thread = lambda _: ("", False)
        """By what the channel knows what was sent before this process began."""
        self._threads: dict[str, str] = {}
        self._unsure: set[str] = set()
        self._new: OrderedDict[str, Message] = OrderedDict()
        """What was not tried yet, and is about no alert of which anything was put off."""
        self._waiting: OrderedDict[str, Message] = OrderedDict()
        """What was put off, and what follows it about the same alerts."""
        self._lock = threading.Condition()
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._said = ""
        self._thread = threading.Thread(target=self._run, name=f"driftline-tells-{name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def post(self, messages: Iterable[Message], *, unsure: bool = False) -> None:
        """Take messages to send; one that waits already is not taken twice.

        Args:
            messages: In their order.
            unsure: Whether the channel may have taken them before.
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

    def stop(self, grace: float) -> None:
        """Send what waits, each once, for at most ``grace`` seconds; what is left is sent after the next start."""
        self._stopping.set()
        self._woken.set()
        with self._lock:
            self._lock.notify_all()
        if self._thread.is_alive():
            self._thread.join(grace)
        self._channel.close()

    def sentence(self) -> str | None:
        """Return what waits, since when and why; None where nothing waits for long."""
        with self._lock:
            waiting, said = len(self._new) + len(self._waiting), self._said
        if not waiting or not said:
            return None
        return f"{waiting} message{'s wait' if waiting > 1 else ' waits'} for the channel {self.name}: {said}"

    def put_off(self) -> str:
        """Return why the channel takes no messages for now; "" where nothing waits for it."""
        with self._lock:
            return self._said if self._new or self._waiting else ""

    def _run(self) -> None:
        pauses = doubling_pauses(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            message = self._next()
            if message is None:
                return
            try:
                answer = self._channel.send(message, self._past(message))
            except Exception as error:
                _log.exception("channel %s: a message could not be sent; Driftline will retry", self.name)
                answer = Answer("put_off", f"{type(error).__name__}: {error}", unheard=True)
            if self._done(message, answer):
                pauses = doubling_pauses(FIRST_PAUSE, LONGEST_PAUSE)
            elif self._stopping.is_set():
                with self._lock:
                    self._new.clear()  # they are in the state, and sent after the next start
                    self._waiting.clear()
                return
            else:
                wait = min(answer.wait, LONGEST_WAIT)
                ends = self._stopping if wait else self._woken
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
            message = next(iter((self._new or self._waiting).values()))
            if len(self._new) <= 1 and not self._stopping.is_set():
                self._woken.clear()
            return message

    def _done(self, message: Message, answer: Answer) -> bool:
        """Note an answer; return False where the message waits on, behind those about other alerts."""
        now = self._clock()
        if answer.result == "put_off" and now - message.made < EXPIRES:
            if answer.unheard:
                self._unsure.add(message.id)
            with self._lock:
                for queue in (self._waiting, self._new):
                    for one in [one for one in queue.values() if one.alert == message.alert]:
                        del queue[one.id]
                        self._waiting[one.id] = one
                first, self._said = not self._said, answer.detail or "it did not accept the message"
            if first:
                _log.warning("channel %s: %s; messages are kept, and Driftline will retry", self.name, self._said)
            return False
        result = "expired" if answer.result == "put_off" else answer.result
        with self._lock:
            self._new.pop(message.id, None)
            self._waiting.pop(message.id, None)
            self._unsure.discard(message.id)
            again, self._said = self._said if result == "delivered" else "", ""
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
        """Keep by what the channel knows an alert, until the state does."""
        self._threads.setdefault(alert, reference)
        # 1_000: alerts of which a channel knows its first message by heart; for the others the state is asked
        while len(self._threads) > 1_000:
            del self._threads[next(iter(self._threads))]


class Couriers:
    """All channels.

    Args:
        channels: By name.
        clock: Unix nanoseconds.
    """

    def __init__(self, channels: Mapping[str, Channel], clock: Callable[[], int] = time.time_ns) -> None:
        self._noted: SimpleQueue[Delivery] = SimpleQueue()
        self._couriers = {name: Courier(name, channel, self._noted.put, clock) for name, channel in channels.items()}
        self._clock = clock

    def start(self) -> None:
        """Begin to send."""
        for courier in self._couriers.values():
            courier.start()

    def post(self, messages: Sequence[Message]) -> None:
        """Take messages; those for a channel that is not there any more are given up, and the log says how many."""
        self._post(messages, unsure=False)

    def _post(self, messages: Sequence[Message], *, unsure: bool) -> None:
        gone = Counter[str]()
        for message in messages:
            courier = self._couriers.get(message.channel)
            if courier is None:
                gone[message.channel] += 1
                self._noted.put(
                    Delivery(message.id, self._clock(), "expired", "the channel was removed from the configuration")
                )
            else:
                courier.post([message], unsure=unsure)
        for name, count in gone.items():
            given_up = "1 message is" if count == 1 else f"{count} messages are"
            _log.warning("channel %s: it was removed from the configuration; %s dropped", name, given_up)

    def resume(self, messages: Sequence[Message], thread: Thread) -> None:
        """Take messages that wait since before this process began; a channel may have taken them then.

        Args:
            messages: In their order.
            thread: By what channels know what was sent before.
        """
        for courier in self._couriers.values():
            courier.thread = thread
        self._post(messages, unsure=True)

    def deliveries(self) -> list[Delivery]:
        """Return what came of messages since the last call."""
        found = []
        while not self._noted.empty():
            found.append(self._noted.get())
        return found

    def put_off(self, name: str) -> str:
        """Return why a channel takes no messages for now; "" where it does."""
        courier = self._couriers.get(name)
        return "" if courier is None else courier.put_off()

    def sentence(self) -> str | None:
        """Return which messages wait, and why; None where none waits for long."""
        return "; ".join(filter(None, (courier.sentence() for courier in self._couriers.values()))) or None

    def stop(self, grace: float) -> None:
        """Send what waits, each once, for at most ``grace`` seconds over all channels."""
        end = time.monotonic() + grace
        for courier in self._couriers.values():
            courier.stop(max(0.1, end - time.monotonic()))
