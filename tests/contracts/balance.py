"""The four scenarios of the contract kits, and what must balance in each: sent, accepted and dropped ids."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Answer = Literal["ok", "permanent", "retry"]

SCENARIOS: dict[str, tuple[Answer, ...]] = {
    "always succeeds": ("ok",),
    "permanent error": ("permanent",),
    "retryable error": ("retry",),
    "mixed": ("ok", "permanent", "retry"),
}
"""Name → how the other side treats ids, in turn. ``retry``: it puts the id off once, and takes it afterwards."""

IDS = [str(number) for number in range(30)]


@dataclass
class OtherSide:
    """What stands on the other side of a receiver or an exporter: it answers as its scenario says, and remembers."""

    scenario: str
    accepted: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    put_off: set[str] = field(default_factory=set)
    settled: threading.Event = field(default_factory=threading.Event)

    def treats(self, name: str) -> Answer:
        """Return how the scenario treats an id."""
        turns = SCENARIOS[self.scenario]
        return turns[int(name) % len(turns)]

    def answer(self, names: Iterable[str]) -> Answer:
        """Answer a request with these ids; where it holds several, the worst answer is that of all of them."""
        found = list(names)
        permanent = [name for name in found if self.treats(name) == "permanent"]
        waiting = [name for name in found if self.treats(name) == "retry" and name not in self.put_off]
        self.put_off.update(waiting)
        answer: Answer = "permanent" if permanent else "retry" if waiting else "ok"
        if answer == "ok":
            self.accepted += found
        elif answer == "permanent" and len(found) == 1:
            self.refused.update(found)
        if self.refused | set(self.accepted) >= set(IDS):
            self.settled.set()
        return answer

    def balances(self, dropped: Iterable[str]) -> None:
        """Fail unless every id was accepted once or dropped, as the scenario says.

        Args:
            dropped: The ids that the sender was told never to send again.
        """
        lost = set(dropped)
        assert sorted(self.accepted) == sorted(set(self.accepted)), "an id was accepted twice"
        assert set(self.accepted) & lost == set()
        assert set(self.accepted) | lost == set(IDS)
        assert lost == {name for name in IDS if self.treats(name) == "permanent"}
        assert self.put_off == {name for name in IDS if self.treats(name) == "retry"}
