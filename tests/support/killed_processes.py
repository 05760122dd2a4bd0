"""Processes of a state that are killed again and again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.faults.killed_state import ROWS
from tests.support.paths import ROOT


class Victim:
    """The process that will be killed."""

    def __init__(self, directory: Path, module: str = "killed_state") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.end_to_end.faults.{module}", str(directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._read() == ["ready"]

    def send(self, numbers: list[int]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{number}\n" for number in numbers))
        self._process.stdin.flush()

    def acknowledged(self, wanted: int) -> set[int]:
        """Wait until so many requests are acknowledged, and say which."""
        found: set[int] = set()
        while len(found) < wanted:
            word, number, rows = self._read()
            assert (word, int(rows)) == ("ack", ROWS)
            found.add(int(number))
        return found

    def kill(self) -> set[int]:
        """Kill it, and return what it had acknowledged that nobody had read yet."""
        self._process.send_signal(signal.SIGKILL)
        out, _ = self._process.communicate()
        return {int(line.split()[1]) for line in out.splitlines() if line.count(" ") == 2}

    def _read(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the process ended by itself with {self._process.wait()}"
        return line.split()


def killed(
    directory: Path,
    order: list[int],
    chance: random.Random,
    most: int,
    module: str = "killed_state",
    check: Callable[[set[int]], object] = lambda _: None,
) -> None:
    """Send requests to processes that are killed after up to ``most`` acknowledgements, until two thirds are.

    ``check`` is given what is acknowledged, after each.
    """
    acknowledged: set[int] = set()
    while len(acknowledged) < len(order) * 2 // 3:
        victim = Victim(directory, module)
        again = chance.sample(sorted(acknowledged), len(acknowledged) // 2)
        victim.send([*again, *(number for number in order if number not in acknowledged)])
        acknowledged |= victim.acknowledged(len(again) + chance.randrange(1, most))
        acknowledged |= victim.kill()
        check(acknowledged)


def shuffled(count: int, chance: random.Random) -> list[int]:
    """Return the numbers of the requests in an order of chance."""
    return chance.sample(range(count), count)
