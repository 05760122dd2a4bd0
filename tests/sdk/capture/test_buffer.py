"""The buffer loses nothing that it does not count, whoever adds while somebody takes."""

from __future__ import annotations

import threading

from driftline.capture.buffer import BoundedBuffer

THREADS, EACH = 8, 5_000


def test_what_is_taken_and_what_is_dropped_is_what_was_added() -> None:
    queue = BoundedBuffer[int](limit=300, measure=lambda _: (1, 1))
    taken: list[int] = []
    ended = threading.Event()

    def add(first: int) -> None:
        for item in range(first, first + EACH):
            queue.append(item, 1, 1)

    def take() -> None:
        while not ended.is_set():
            taken.extend(queue.drain())

    taker = threading.Thread(target=take)
    adders = [threading.Thread(target=add, args=(i * EACH,)) for i in range(THREADS)]
    for thread in (taker, *adders):
        thread.start()
    for thread in adders:
        thread.join()
    ended.set()
    taker.join()
    taken.extend(queue.drain())

    assert len(taken) == len(set(taken))
    assert len(taken) + queue.drops() == THREADS * EACH
    assert queue.rows == 0
    order = {i: [item for item in taken if item // EACH == i] for i in range(THREADS)}
    assert all(items == sorted(items) for items in order.values())


def test_the_oldest_goes_first_and_the_bound_holds() -> None:
    queue = BoundedBuffer[int](limit=3, measure=lambda _: (1, 2))
    for item in range(10):
        assert queue.append(item, 1, 2) <= 6
    assert queue.drops() == 14
    assert queue.drain() == [7, 8, 9]
    assert queue.first() is None
