"""Couriers: each channel at its own pace, each message until it is taken, those of one alert in their order."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from driftline_processor.policy.alerts import Delivery
from driftline_processor.policy.channel import DELIVERED, NOTHING, Answer, Past
from driftline_processor.policy.courier import EXPIRES, Courier, Couriers
from driftline_processor.policy.message import Message

from tests.support.waiting import wait_until

BUSY = Answer("put_off", "HTTP 503")


def message(id: str, alert: str = "a", channel: str = "one", made: int = 0) -> Message:
    return Message(id, alert, channel, "opened", made, {"title": id})


class Scripted:
    """A channel that answers as told, and else takes everything."""

    def __init__(self, answer: Callable[[Message], Answer] = lambda _: DELIVERED) -> None:
        self.sent: list[str] = []
        self.pasts: list[Past] = []
        self._answer = answer

    def send(self, message: Message, past: Past = NOTHING) -> Answer:
        self.sent.append(message.id)
        self.pasts.append(past)
        return self._answer(message)

    def close(self) -> None:
        """Nothing is open."""


def never(_: threading.Event, __: float) -> bool:
    return False


def deliveries(channel: Scripted, *messages: Message, now: int = 0, count: int = 0) -> list[Delivery]:
    """Return what becomes of messages, sorted by time."""
    noted: list[Delivery] = []
    courier = Courier("one", channel, noted.append, lambda: now, never)
    courier.start()
    courier.post(messages)
    wait_until(lambda: len(noted) >= (count or len(messages)))
    courier.stop(5.0)
    return noted


def test_messages_arrive_in_their_order() -> None:
    channel = Scripted()
    noted = deliveries(channel, message("1"), message("2"), message("3"))
    assert channel.sent == ["1", "2", "3"]
    assert [(one.message, one.result) for one in noted] == [(name, "delivered") for name in "123"]


def test_a_new_message_ends_a_long_pause_and_one_that_follows_what_was_put_off_does_not() -> None:
    paused, woken = threading.Event(), threading.Event()
    taken = threading.Event()

    def pause(ends: threading.Event, _: float) -> bool:
        paused.set()
        found = ends.wait(30.0)
        woken.set()
        return found

    channel = Scripted(lambda one: BUSY if one.alert == "a" and not taken.is_set() else DELIVERED)
    noted: list[Delivery] = []
    courier = Courier("one", channel, noted.append, lambda: 0, pause)
    courier.start()
    courier.post([message("a1")])
    assert paused.wait(30.0)
    courier.post([message("a2")])
    assert (channel.sent, woken.is_set()) == (["a1"], False)
    courier.post([message("b1", "b")])
    wait_until(lambda: [one.message for one in noted] == ["b1"])
    taken.set()
    courier.stop(5.0)
    assert [one.message for one in noted] == ["b1", "a1", "a2"]
    assert channel.sent[:2] == ["a1", "b1"]


def test_a_channel_that_asks_to_be_left_alone_is_left_alone_by_new_messages_too() -> None:
    paused = threading.Event()

    def pause(ends: threading.Event, _: float) -> bool:
        paused.set()
        return ends.wait(30.0)

    channel = Scripted(lambda _: Answer("put_off", "HTTP 429", wait=60.0))
    courier = Courier("one", channel, lambda _: None, lambda: 0, pause)
    courier.start()
    courier.post([message("a1")])
    assert paused.wait(30.0)
    courier.post([message("b1", "b")])
    assert courier.sentence() == "2 messages wait for the channel one: HTTP 429"
    assert channel.sent == ["a1"]
    courier.stop(5.0)


def test_what_is_put_off_is_tried_again_and_holds_up_only_its_own_alert() -> None:
    left = [3]

    def answer(one: Message) -> Answer:
        if one.alert == "a" and left[0]:
            left[0] -= 1
            return BUSY
        return DELIVERED

    channel = Scripted(answer)
    noted = deliveries(channel, message("a1"), message("a2"), message("b1", "b"))
    assert [one.message for one in noted] == ["b1", "a1", "a2"]
    assert channel.sent.count("a1") == 4
    assert channel.sent.count("a2") == channel.sent.count("b1") == 1


def test_what_is_refused_is_not_tried_again_and_says_why() -> None:
    channel = Scripted(lambda one: Answer("refused", "HTTP 404") if one.id == "1" else DELIVERED)
    noted = deliveries(channel, message("1"), message("2"))
    assert [(one.result, one.detail) for one in noted] == [("refused", "HTTP 404"), ("delivered", "")]
    assert channel.sent == ["1", "2"]


def test_a_message_is_given_up_after_days() -> None:
    (noted,) = deliveries(Scripted(lambda _: BUSY), message("1"), now=EXPIRES)
    assert (noted.result, noted.detail) == ("expired", "HTTP 503")


def test_a_channel_that_raises_is_tried_again() -> None:
    failures = [True]

    def answer(_: Message) -> Answer:
        if failures.pop() if failures else False:
            raise RuntimeError("it broke")
        return DELIVERED

    channel = Scripted(answer)
    (noted,) = deliveries(channel, message("1"))
    assert (noted.result, channel.sent) == ("delivered", ["1", "1"])


def test_what_waits_for_a_channel_that_is_gone_is_given_up_and_said_once_for_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    there = Scripted()
    couriers = Couriers({"there": there}, lambda: 7)
    waiting = [
        message(id, channel=name) for id, name in (("1", "team"), ("2", "there"), ("3", "team"), ("4", "http/x"))
    ]
    couriers.resume(waiting, lambda _: ("", False))
    assert [(one.message, one.time, one.result, one.detail) for one in couriers.deliveries()] == [
        (id, 7, "expired", "the channel was removed from the configuration") for id in ("1", "3", "4")
    ]
    assert caplog.messages == [
        "channel team: it was removed from the configuration; 2 messages are dropped",
        "channel http/x: it was removed from the configuration; 1 message is dropped",
    ]


def test_a_channel_that_hangs_delays_no_other_and_says_what_waits() -> None:
    going = threading.Event()

    def hang(_: Message) -> Answer:
        going.wait(60)
        return BUSY

    slow, quick = Scripted(hang), Scripted()
    couriers = Couriers({"slow": slow, "quick": quick}, lambda: 0)
    couriers.start()
    couriers.post([message("1", channel="slow"), message("2", "b", "quick"), message("3", "c", "gone")])
    wait_until(lambda: quick.sent == ["2"])
    noted: list[Delivery] = []
    wait_until(lambda: not noted.extend(couriers.deliveries()) and len(noted) == 2)  # type: ignore[func-returns-value]
    assert {(one.message, one.result, one.detail) for one in noted} == {
        ("2", "delivered", ""),
        ("3", "expired", "the channel was removed from the configuration"),
    }
    going.set()
    wait_until(lambda: couriers.sentence() == "1 message waits for the channel slow: HTTP 503")
    couriers.stop(5.0)


def test_stopping_leaves_what_is_not_taken_for_the_next_start() -> None:
    noted: list[Delivery] = []
    channel = Scripted(lambda _: BUSY)
    courier = Courier("one", channel, noted.append, lambda: 0)
    courier.start()
    courier.post([message("1"), message("2", "b")])
    wait_until(lambda: bool(channel.sent))
    courier.stop(5.0)
    assert noted == []


def test_a_channel_knows_the_thread_of_an_alert_and_what_it_may_have_taken_before() -> None:
    unheard = [True]

    def answer(one: Message) -> Answer:
        if one.id == "1" and unheard.pop() if unheard else False:
            return Answer("put_off", "ReadTimeout", unheard=True)
        return Answer("delivered", reference=f"C1:{one.alert}")

    channel = Scripted(answer)
    noted = deliveries(channel, message("1"), message("2"))
    assert channel.sent == ["1", "1", "2"]
    assert channel.pasts == [Past(), Past("", unsure=True), Past("C1:a")]
    assert [one.reference for one in noted] == ["C1:a", "C1:a"]


def test_what_waits_since_before_this_process_may_have_been_taken_and_has_the_thread_of_the_state() -> None:
    channel = Scripted()
    couriers = Couriers({"one": channel}, lambda: 0)
    couriers.resume([message("2")], lambda one: (f"C1:{one.alert}", True))
    couriers.start()
    wait_until(lambda: channel.sent == ["2"])
    couriers.stop(5.0)
    assert channel.pasts == [Past("C1:a", shared=True, unsure=True)]


def test_a_channel_that_asks_to_be_left_alone_is() -> None:
    waited: list[float] = []

    def pause(_: threading.Event, seconds: float) -> bool:
        waited.append(seconds)
        return False

    answers = [DELIVERED, Answer("put_off", "HTTP 429", wait=7_200.0), Answer("put_off", "HTTP 429", wait=120.0)]
    channel = Scripted(lambda _: answers.pop())
    noted: list[Delivery] = []
    courier = Courier("one", channel, noted.append, lambda: 0, pause)
    courier.start()
    courier.post([message("1")])
    wait_until(lambda: len(noted) == 1)
    courier.stop(5.0)
    assert waited == [120.0, 3_600.0]


def test_a_replaced_channel_sends_what_waits_and_nothing_is_sent_twice() -> None:
    held, arrived = threading.Event(), threading.Event()

    def answer(one: Message) -> Answer:
        arrived.set()
        assert held.wait(30.0)
        return DELIVERED if one.id == "1" else BUSY

    before, after, other = Scripted(answer), Scripted(), Scripted()
    couriers = Couriers({"one": before, "other": other})
    couriers.start()
    couriers.post([message("1"), message("2"), message("3", "b")])
    assert arrived.wait(30.0)
    couriers.replace({"one": after}, {"one", "other"})
    held.set()
    wait_until(lambda: len(after.sent) == 2)
    couriers.post([message("4", channel="other")])
    wait_until(lambda: other.sent == ["4"])
    couriers.stop(5.0)
    assert (before.sent, after.sent) == (["1"], ["2", "3"])
    assert [(one.message, one.result) for one in couriers.deliveries()] == [(name, "delivered") for name in "1234"]


def test_a_replaced_channel_ends_the_pause_that_the_one_before_asked_for() -> None:
    before, after = Scripted(lambda _: Answer("put_off", "HTTP 429", wait=3_600.0)), Scripted()
    couriers = Couriers({"one": before}, lambda: 0)
    couriers.start()
    couriers.post([message("1")])
    wait_until(lambda: before.sent == ["1"])
    couriers.replace({"one": after}, {"one"})
    wait_until(lambda: after.sent == ["1"])
    couriers.stop(5.0)


def test_messages_of_a_removed_channel_are_discarded_except_the_one_that_is_being_sent() -> None:
    held, arrived = threading.Event(), threading.Event()

    def answer(_: Message) -> Answer:
        arrived.set()
        assert held.wait(30.0)
        return DELIVERED

    channel, new = Scripted(answer), Scripted()
    couriers, noted = Couriers({"one": channel}), list[Delivery]()
    couriers.start()
    couriers.post([message("1"), message("2"), message("3", "b")])
    assert arrived.wait(30.0)
    couriers.replace({"new": new}, {"new"})
    couriers.post([message("4"), message("5", channel="new")])
    held.set()

    def has_all() -> bool:
        noted.extend(couriers.deliveries())
        return len(noted) == 5

    wait_until(has_all)
    couriers.stop(5.0)
    assert sorted((one.message, one.result) for one in noted) == [
        ("1", "delivered"),
        ("2", "expired"),
        ("3", "expired"),
        ("4", "expired"),
        ("5", "delivered"),
    ]
    assert channel.sent == ["1"]
