"""A machine of the pool: trains the jobs that wait, and releases itself: `python machine.py NAME DAY [--pinned]`.

Spot: the cloud takes a machine away with a notice, SIGTERM. The training keeps its checkpoint, and the job stays in
`jobs/` for the next machine. Idle: a machine that had no job for `IDLE_HOURS` ends, unless somebody has pinned it.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from training import INTERRUPTED

IDLE_HOURS = 6
HOUR = float(os.environ.get("SECONDS_PER_HOUR", "3600"))


class Machine:
    def __init__(self, name: str, day: str) -> None:
        self._name, self._day = name, day
        self._noticed, self._training, self._idle = False, None, 0.0
        signal.signal(signal.SIGTERM, self._notice)

    def _notice(self, *_: object) -> None:
        self._noticed = True
        if self._training is not None:
            self._training.send_signal(signal.SIGTERM)

    def work(self, pinned: bool) -> None:
        before = since = time.monotonic()
        while not self._noticed and (pinned or since - before < IDLE_HOURS * HOUR):
            if self._train():
                before = since = time.monotonic()
                continue
            time.sleep(IDLE_HOURS * HOUR / 10)
            self._idle, since = self._idle + time.monotonic() - since, time.monotonic()
            with sqlite3.connect("ledger.db", timeout=30) as ledger:
                ledger.execute("REPLACE INTO idle VALUES (?, ?, ?)", (self._name, self._day, self._idle / HOUR))
        print(
            f"{self._name}: {'notice' if self._noticed else 'released'}, idle for {self._idle / HOUR:.1f} h", flush=True
        )

    def _train(self) -> bool:
        """Train the first job that waits, in a process of its own with the tags of its team; False without a job."""
        for waiting in sorted(Path("jobs").glob("*.json")):
            job = Path("jobs", "running", waiting.name)
            try:
                waiting.rename(job)
            except FileNotFoundError:  # another machine was first
                continue
            said = json.loads(job.read_text())
            # Driftline: resource attributes of all that the training sends
            tags = {"OTEL_RESOURCE_ATTRIBUTES": f"team={said['team']},project={said['project']}"}
            self._training = subprocess.Popen([sys.executable, "training.py", str(job)], env=os.environ | tags)
            if self._noticed:
                self._notice()
            code, self._training = self._training.wait(), None
            job.rename(waiting if code == INTERRUPTED else Path("jobs", "failed" if code else "done", job.name))
            return True
        return False


if __name__ == "__main__":
    Machine(sys.argv[1], sys.argv[2]).work("--pinned" in sys.argv)
