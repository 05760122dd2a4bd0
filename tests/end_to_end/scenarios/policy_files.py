"""A processor with the ``driftline.yaml`` of an example, days of traffic for it, and what of it leaves the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import yaml
from driftline_processor.config.section import Problem
from driftline_processor.config.yaml_loader import parse_yaml
from driftline_processor.demo.peers.internet import Internet, internet
from driftline_processor.demo.peers.recorder import Answers, Asked

from tests.support.paths import ROOT
from tests.support.people import bearer
from tests.support.service import Service
from tests.support.waiting import wait_until

from .killed import Processor

START = pd.Timestamp("2026-03-02T00:00:00Z")
"""A Monday."""

DAY, HOUR = pd.Timedelta("1D"), pd.Timedelta("1h")
SLACK = "T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
PAGERDUTY = "0123456789abcdef0123456789abcdef"
KEY = "idempotency-key"
HEADERS = {"content-type": "application/x-protobuf"}
VARIABLES = {"SLACK_TOKEN": SLACK, "PAGERDUTY_KEY": PAGERDUTY}
MESSENGERS = ("hooks.slack.com", "events.pagerduty.com")
NOT_FEATURES = ("score", "items", "actual")

Rng = np.random.Generator


def taken(asked: Asked) -> tuple[int, Any]:
    """Take everything, as most services do."""
    return (202, {"status": "success"}) if asked.headers["host"] == "events.pagerduty.com" else (200, "ok")


class Scene:
    """A processor with the file of an example, and the world around it.

    Attributes:
        processor: It is killed and started at will.
        world: Every host elsewhere.
    """

    def __init__(self, processor: Processor, world: Internet) -> None:
        self.processor, self.world = processor, world

    def send(self, model: str, rows: pd.DataFrame, task: str = "binary", **keys: Any) -> list[bytes]:
        """Send predictions over OTLP, and return the requests, as the SDK makes them.

        Args:
            model: Name of the model.
            rows: Columns ``id``, ``time``, ``score`` (of a ranking ``items``), slices and features.
            task: Of the model.
            keys: Of :class:`driftline.Model`, and ``slices``.
        """
        service = Service(resource={"service.name": "shop"})
        slices = keys.pop("slices", [])

        @service.model(model, task, version="1", **keys).predict(id="id", time="time", slices=slices)
        def predict(_: pd.DataFrame) -> Any:
            return rows["score"].to_numpy() if task == "binary" else rows["items"].tolist()

        predict(rows.drop(columns=[name for name in NOT_FEATURES if name in rows]))
        return self._post(service)

    def call(self, model: str, times: pd.DatetimeIndex, fails: Callable[[int], bool]) -> None:
        """Send calls of a binary model at some times, one at a time; ``fails``: whether one ends with an error."""
        service = Service(resource={"service.name": "shop"})

        @service.model(model, "binary", version="1").predict(id="id", time="time")
        def predict(call: dict[str, Any]) -> float:
            if fails(call["number"]):
                raise RuntimeError("the list of names is away")
            return 0.5

        for at, time in enumerate(times):
            with suppress(RuntimeError):
                predict({"id": f"c{at}", "time": time.to_pydatetime(), "number": at})
        self._post(service)

    def _post(self, service: Service) -> list[bytes]:
        service.flush()
        for body in service.channel.bodies:
            url = f"{self.processor.otlp}/v1/logs"
            assert httpx.post(url, content=body, headers=HEADERS, trust_env=False).status_code == 200
        return service.channel.bodies

    def live(self, model: str, days: Sequence[pd.DataFrame], later: pd.Timedelta, **keys: Any) -> None:
        """Send the predictions of some days, and their outcomes, which came so much later."""
        rows = pd.concat(days)
        self.send(model, rows, **keys)
        self.processor.post(outcomes(rows, later), model)

    def alerts(self, *policies: str) -> list[dict[str, Any]]:
        """Return what the processor knows of the alerts of some policies, the oldest first."""
        found = self.processor.get("/api/v1/alerts")["alerts"]
        return sorted((one for one in found if one["policy"] in policies), key=lambda one: str(one["since"]))

    def results(self, *policies: str) -> list[tuple[str, str, str]]:
        """Return where each message of some policies goes, of what kind it is, and what came of it."""
        messages = [one for alert in self.alerts(*policies) for one in alert["messages"]]
        return [(one["channel"], one["kind"], one["result"]) for one in messages]

    def wait_for(self, policy: str, *expected: tuple[str, str, str]) -> list[dict[str, Any]]:
        """Wait for the results of a policy, in any order; return its alerts."""
        try:
            wait_until(lambda: sorted(self.results(policy)) == sorted(expected))
        except AssertionError:
            print(self.alerts(policy), [(one.method, one.path, one.body) for one in self.world.asked])
            raise
        return self.alerts(policy)

    def wait_until_delivered(self, policy: str, *channels: str) -> None:
        """Wait until each channel has one message of a policy, which opens an alert or joins that of another."""
        expected = [(channel, "delivered") for channel in channels]
        wait_until(lambda: sorted((channel, result) for channel, _, result in self.results(policy)) == expected)

    def closed(self, model: str, window: str) -> int:
        """Return how many windows of a model are closed; 0 where nothing is known of it yet."""
        url = f"{self.processor.web}/api/v1/models/{model}/evaluations"
        answer = httpx.get(url, params={"window": window, "limit": 1000}, trust_env=False)
        return sum(one["closed"] for one in answer.json().get("windows", ()))

    def approve(self, alert: str, action: str) -> None:
        """Approve an action for an alert."""
        (known_alert,) = (one for one in self.processor.get("/api/v1/alerts")["alerts"] if one["id"] == alert)
        (digest,) = (one["approval"]["digest"] for one in known_alert["messages"] if one["channel"] == action)
        form = {"action": action, "why": "the outcomes show it", "digest": digest}
        url = f"{self.processor.web}/api/v1/alerts/{alert}/approval"
        headers = bearer(self.processor.web)
        assert httpx.post(url, data=form, headers=headers, trust_env=False).status_code == 200

    def die_while_it_sends(self, asked: Callable[[], bool]) -> None:
        """Wait until something was asked of a world that fails; kill -9; start again in one that does not."""
        assert self.world.down or self.world.loses
        wait_until(asked)
        self.processor.kill()
        self.world.down, self.world.loses = False, ""


@contextmanager
def scene(
    example: str,
    folder: Path,
    answers: Answers = taken,
    loses: str = "",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Scene]:
    """Start a processor with the file of an example until the block ends.

    Ports and the folder of the state are the test's; all else is as in the file. The world is down at first, or else
    loses the answers to what it is asked at some paths.
    """
    path = ROOT / "examples" / example

    def answered(asked: Asked) -> tuple[int, Any]:
        return taken(asked) if asked.headers["host"] in MESSENGERS else answers(asked)

    with internet(folder, answered) as world:
        world.down, world.loses = not loses, loses
        environment = {**world.environment, **VARIABLES, **(variables or {})}
        problems: list[Problem] = []
        said = parse_yaml((path / "driftline.yaml").read_text(encoding="utf-8"), environment, problems)
        assert isinstance(said, dict), problems
        said["include"] = [str(path / pattern) for pattern in said.get("include", ())]
        processor = Processor(folder, yaml.safe_dump(said), environment)
        try:
            yield Scene(processor, world)
        finally:
            processor.stop()


def attachment(asked: Asked) -> tuple[str, list[str]]:
    """Return the title of a message to Slack, and its lines."""
    assert (asked.headers["host"], asked.path) == ("hooks.slack.com", f"/services/{SLACK}")
    (said,) = asked.json["attachments"]
    return said["title"], said["text"].splitlines()


def moments(
    days: Sequence[int], rows: int, step: pd.Timedelta = DAY, within: pd.Timedelta | None = None
) -> pd.DatetimeIndex:
    """Return so many times of each day, or of each hour, evenly; ``within``: the part of it in which they are."""
    gaps = [(at + 0.5) / rows * (within or step) for at in range(rows)]
    return pd.DatetimeIndex([START + day * step + gap for day in days for gap in gaps])


def decided(rng: Rng, times: pd.DatetimeIndex, right: float) -> pd.DataFrame:
    """Return rows of a binary model with two features, and their outcomes: so large a share of them is right."""
    size = len(times)
    actual = rng.integers(0, 2, size)
    said = np.where(shuffled(rng, size, right), actual, 1 - actual)
    score = np.where(said == 1, rng.uniform(0.6, 0.95, size), rng.uniform(0.05, 0.4, size))
    features = {"tenure": rng.normal(24, 8, size), "charges": rng.normal(60, 20, size)}
    return pd.DataFrame({"id": identified(times), "time": times, **features, "score": score, "actual": actual})


def identified(times: pd.DatetimeIndex) -> list[str]:
    """Return an id of each row, by its time."""
    return [f"r{time.value // 10**6}" for time in times]


def shuffled(rng: Rng, size: int, share: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return True for a share of so many rows, exactly, in an order of chance."""
    return rng.permutation(np.arange(size) < round(share * size))


def outcomes(rows: pd.DataFrame, later: pd.Timedelta) -> pd.DataFrame:
    """Return the outcomes of rows, each so much later."""
    return rows[["id", "actual"]].assign(time=rows["time"] + later)
