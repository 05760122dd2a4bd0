"""A watch over policies whose models a test makes up, on a store of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from driftline.tables.table import ModelKey
from driftline.tables.task import Task
from driftline_processor.config.schema import Config
from driftline_processor.core import facts
from driftline_processor.core.evaluation import Evaluation, Verdict
from driftline_processor.governance.decisions import DecisionStore
from driftline_processor.policy.alerts import AlertStore, Approval, Delivery, Result
from driftline_processor.policy.approvals import approve, request_of
from driftline_processor.policy.digests import Digests
from driftline_processor.policy.explanation import PolicyExplanations
from driftline_processor.policy.message import Message
from driftline_processor.policy.silences import Silences
from driftline_processor.policy.watch import PolicyWatch, no_links
from driftline_processor.queries.model_view import ModelView
from driftline_processor.store.audit_log import AuditLog
from driftline_processor.store.database import Store

from tests.support.state_rows import Clock
from tests.support.verdict_windows import DAY, JULY, right, verdict_of_model, wrong


def model(windows: Sequence[Evaluation], name: str = "late", verdict: Verdict | None = None, **more: Any) -> ModelView:
    """Return a model as its windows show it; its clock stands at the end of the newest one."""
    of_name: dict[str, list[Evaluation]] = {}
    for one in windows:
        of_name.setdefault(one.window.name, []).append(one)
    end = max((one.window.end for one in windows), default=JULY)
    key = more.pop("key", ModelKey(name, "1"))
    told = verdict or verdict_of_model(windows)
    keys = {"rows": 100, "first": JULY, "last": end, "received": end, "watermark": end, **more}
    return ModelView(key, Task("binary"), windows=of_name, verdict=told, **keys)


def headline(message: Message) -> str:
    """Return what a message is about: its kind, the model, the state or the policy, since and until when."""
    facts = message.facts
    place = "/".join(name for name in (facts["model"], facts["environment"]) if name)
    times = (facts[name].removesuffix("T00:00:00Z") for name in ("since", "until") if facts[name])
    return " ".join((facts["kind"], place, facts["state"] or facts["policy"], *times))


class Watched:
    """A watch, with what it has told.

    Attributes:
        config: The configuration.
        clock: Of the watch.
        sent: All messages, in their order.
        channels: The keys of channels, by name.
        decisions: What people decided.
        audit: The audit log.
        put_off: Why channels take no messages for now, by name.
        explanations: Of what its policies decided.
    """

    def __init__(self, folder: Path, **keys: Any) -> None:
        config = Config.model_validate({"notify": "json://127.0.0.1:1/", "storage": {"directory": folder}, **keys})
        self.config = config
        self.clock = Clock(JULY)
        self.sent: list[Message] = []
        self._store = Store(folder)
        self.audit = AuditLog(self._store, self.clock)
        self.alerts = AlertStore(self._store.connect(lasting=True), self._store.unreadable, self.audit)
        self.silences = Silences(config.silences, self._store.connect(lasting=True), self._store.unreadable, self.audit)
        self.silences.record_configured(self.clock())
        self._watch = PolicyWatch(self.alerts, config, self.silences, self.clock, no_links)
        self.decisions = DecisionStore(self._store.connect(lasting=True), self._store.unreadable, self.audit)
        self.channels = config.all_channels
        self.put_off: dict[str, str] = {}
        self.explanations = PolicyExplanations(
            self.alerts,
            config,
            self.silences,
            lambda: self._watch.waits.places,
            lambda name: self.put_off.get(name, ""),
            self.clock,
        )
        self._digests = Digests(self.alerts, self.channels)

    def resume(self) -> list[Message]:
        """Return what waits since before this watch, as the couriers get it."""
        return self._digests.resumed(self.clock.now)

    def approve(
        self, alert: str, action: str, by: str, why: str = "", digest: str | None = None
    ) -> tuple[Approval, Message | None] | None:
        """Approve an action as it is shown now, or a request that was shown earlier."""
        orders = (one for one in self.alerts.orders_to_approve(alert, action) if one.id in self.alerts.awaited)
        shown = next((request_of(self.config, order) for order in orders), None)
        digest = digest or ("" if shown is None else shown.digest)
        return approve(self.alerts, self.config, alert, action, by, why, digest, self.clock.now)

    @property
    def held_back(self) -> str | None:
        """For how many models alerts are held back, and since when."""
        return self._watch.waits.sentence()

    def look_at_start(self, *models: ModelView) -> list[Message]:
        """Look as a state does that has not caught up after its start; return what is told."""
        if not self._watch.waits.has_waited():
            return []
        return self._watch.look(models, caught_up=False)

    def tidy(self) -> None:
        """Forget what is old or gone."""
        self._watch.tidy()

    def look(self, *models: ModelView) -> list[Message]:
        """Look a minute later; return what is told."""
        self.clock.now = max([self.clock.now + 60 * 10**9, *(one.watermark for one in models)])
        return self.look_again(*models)

    def look_at(self, time: str, *models: ModelView) -> list[Message]:
        """Look at a time, such as ``2013-07-03T07:00``; return what is told."""
        self.clock.now = int(datetime.fromisoformat(f"{time}+00:00").timestamp()) * 10**9
        return self.look_again(*models)

    def look_again(self, *models: ModelView, deliveries: Sequence[Delivery] = ()) -> list[Message]:
        """Look now, with what came of messages; return what is told."""
        messages = [*self._watch.look(models, deliveries), *self._digests.due(models, self.clock.now)]
        self.sent += messages
        return messages

    def deliver(self, *models: ModelView, reference: str = "") -> None:
        """Look now, where all that was told before has been taken; ``reference``: by what the channel knows it."""
        taken = [one.id for one in self.alerts.waiting if not one.is_order]
        came = [Delivery(one, self.clock.now, "delivered", reference=reference) for one in taken]
        self.look_again(*models, deliveries=came)

    def headlines(self, *models: ModelView) -> list[str]:
        """Look, and return what each message that is sent is about."""
        return [headline(message) for message in self.look(*models)]

    def close(self) -> None:
        """Close the store."""
        self._store.close()


@contextmanager
def watched(folder: Path, **keys: Any) -> Iterator[Watched]:
    """Watch by a configuration until the block ends; another block on the same folder goes on where this one ended."""
    watch = Watched(folder, **keys)
    try:
        yield watch
    finally:
        watch.close()


@contextmanager
def watched_fleet(folder: Path, known: Sequence[ModelView]) -> Iterator[AlertStore]:
    """Watch models until the block ends, beside one that was wrong for three days and is right again; yields what was
    told: a message that was delivered, one that was refused, and one that waits.
    """
    with explained_fleet(folder, known) as watch:
        yield watch.alerts


@contextmanager
def explained_fleet(folder: Path, known: Sequence[ModelView], **keys: Any) -> Iterator[Watched]:
    """Watch the same, perhaps by more of a configuration; yields the watch."""
    days = [right(0), right(1), wrong(2), wrong(3), wrong(4), right(5), right(6), right(7)]
    with watched(folder, **keys) as watch:
        for day in range(len(days)):
            watch.look(model(days[: day + 1]))
        watch.look(*known)
        results: tuple[tuple[Result, str], ...] = (("delivered", ""), ("refused", "HTTP 403: invalid_token"))
        came = [
            Delivery(message.id, watch.clock.now, result, detail)
            for message, (result, detail) in zip(watch.sent, results, strict=False)
        ]
        watch.alerts.write([], deliveries=came)
        yield watch


def silent(since: int) -> Verdict:
    """Return the verdict on a model of which no row comes any more."""
    return Verdict(
        "no_data",
        since,
        reasons=(facts.NoPrediction(pause=3600 * 10**9),),
        certainty=(facts.PauseUnlikely(),),
        advice=facts.CheckService(),
    )


def silence(**keys: Any) -> Mapping[str, Any]:
    """Return a silence of the first days of July."""
    return {"since": "2013-07-01T00:00:00Z", "until": "2013-07-05T00:00:00Z", **keys}


__all__ = ["DAY", "JULY", "Watched", "model", "silence", "silent", "watched", "watched_fleet"]
