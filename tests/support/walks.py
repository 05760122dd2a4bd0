"""A walk: a planted world is sent to a processor step by step, and then everything that is stated about it is read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from driftline_processor.cli.commands import app
from driftline_processor.config.schema import Config
from driftline_processor.policy.channel import open_channel
from driftline_processor.policy.courier import Couriers
from driftline_processor.policy.watch import no_links
from driftline_processor.state import State
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.support.fake_view import app_of
from tests.support.planted_worlds import START, World, tables
from tests.support.serve import serve
from tests.support.state_rows import Clock, Opened
from tests.support.surfaces import NOW, Statement, Surfaces, is_figure, read_message, window_id
from tests.support.waiting import wait_until
from tests.support.webhooks import Hook, webhook

SHOWN = "shown at that time"
"""Surface of what the API stated when a window was the newest closed one."""

FILES = ("files: one window", "files: by window", "files: as configured")


@dataclass
class Walk:
    """What was stated about a world.

    Attributes:
        statements: About the present and as of each window, read at the end.
        shown: What was stated when a window was the newest closed one.
        messages: What the messages stated, each at its time.
        bodies: The messages.
        files: What ``driftline evaluate`` states about the same rows: as one window, by window, and as configured.
    """

    world: World
    statements: list[Statement] = field(default_factory=list)
    shown: list[Statement] = field(default_factory=list)
    messages: list[Statement] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, list[Statement]] = field(default_factory=dict)

    def presents(self) -> dict[str, list[Statement]]:
        """Return the statements of each present: the last one, and those before it in which pages were read."""
        found: dict[str, list[Statement]] = {}
        for one in self.statements:
            if one.moment.startswith(NOW):
                found.setdefault(one.moment, []).append(one)
        return found

    def of(self, topic: str, moment: str | None = None) -> list[Statement]:
        """Return the statements on a topic, as of a moment or of all."""
        return [one for one in self.statements if one.topic == topic and moment in (None, one.moment)]


def walk(name: str, world: World, folder: Path, *, files: bool = True) -> Walk:
    """Send a world step by step, and read all surfaces.

    Args:
        name: Name of the model.
        world: The world.
        folder: An empty folder.
        files: Whether the same rows are also evaluated as files.
    """
    found, steps = Walk(world), world.all_rows()
    with processor(name, world, folder) as (state, clock, hook):
        client = TestClient(app_of(state.state, clock))
        for step, rows in enumerate([*steps, world.closing_row()]):
            clock.now = world.end_of(step).value
            baselines = [world.baseline(name).to_json()] if step == 0 else []
            if len(rows):
                with_outcomes = world.with_outcomes and step < world.steps
                state.send(*tables(rows, name, with_outcomes=with_outcomes), baselines=baselines)
            state.state.settle()
            state.state.publish()
            _note_shown(found, client, name, world, hook, step)
        surfaces = Surfaces(client, name)
        surfaces.read_now()
        for length in world.windows:
            surfaces.read_windows(length)
        with serve(app_of(state.state, clock)) as url:
            surfaces.read_commands(lambda *arguments: _printed(*arguments, url))
        found.statements += surfaces.statements
    if files:
        found.files = evaluate_files(name, world, steps, folder)
    return found


def _printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


@contextmanager
def processor(name: str, world: World, folder: Path) -> Iterator[tuple[Opened, Clock, Hook]]:
    """Run a state whose messages go to a webhook, with a clock that stands at the begin of a world."""
    clock = Clock(START.value)
    with webhook() as hook:
        model = {"task": "regression", "windows": [*world.windows], **world.keys}
        config = Config.model_validate(
            {"storage": {"directory": folder / "state"}, "models": {name: model}, "notify": [hook.url]}
        )
        assert [*map(str, config.problems())] == []
        state = State(config, clock=clock)
        state.start_storing()
        channels = {channel: open_channel(keys, None) for channel, keys in config.all_channels.items()}
        couriers = Couriers(channels, clock, state.notifications.note_attempt)
        state.notifications.send_by(couriers, no_links)
        couriers.start()
        try:
            yield Opened(state), clock, hook
        finally:
            couriers.stop(5.0)
            state.stop()


def _in_present(one: Statement, present: str) -> Statement:
    """Return a statement with the present in which it was read, unless it is about a window or a period."""
    return one._replace(moment=present) if one.moment == NOW and not is_figure(one) else one


def _note_shown(found: Walk, client: TestClient, name: str, world: World, hook: Hook, step: int) -> None:
    """Note what the API states now, and the messages that came, as of the newest closed window of the step's length."""
    alerts = client.get("/api/v1/alerts").json()["alerts"]
    wait_until(lambda: len(hook.taken) >= sum(len(alert["messages"]) for alert in alerts))
    if step == 0:
        return
    moment = window_id(world.windows[0], f"{world.start_of(step - 1):%Y-%m-%dT%H:%M:%SZ}")
    shown = Surfaces(client, name)
    shown.read_api()
    found.shown += [one._replace(surface=f"{SHOWN}: {one.surface}", moment=moment) for one in shown.statements]
    if step in world.turns:
        present = Surfaces(client, name)
        present.read_now()
        found.statements += [_in_present(one, f"{NOW}, after {moment}") for one in present.statements]
    for call in hook.taken[len(found.bodies) :]:
        found.bodies.append(call.body)
        found.messages += read_message(call.body, moment)


def evaluate_files(name: str, world: World, steps: Sequence[pd.DataFrame], folder: Path) -> dict[str, list[Statement]]:
    """Return what ``driftline evaluate`` states about the rows of all steps, as :data:`FILES`."""
    rows = pd.concat(steps, ignore_index=True)
    rows.loc[rows["error"].notna(), ["predicted", "actual"]] = None
    data, baseline = folder / "rows.parquet", folder / "baseline.json"
    rows.drop(columns=[] if world.with_outcomes else ["actual"]).to_parquet(data)
    world.baseline(name).save(baseline)
    options = [
        "--baseline",
        str(baseline),
        "--latency",
        "seconds",
        "--error",
        "error",
        "--features",
        "x,plan",
        "--json",
    ]
    options += [] if world.with_outcomes else ["--actual", "none"]
    objectives = world.keys.get("performance", {}).get("objectives", ())
    plain = [word for objective in objectives for word in ("--objectives", objective)]
    config = folder / "driftline.yaml"
    config.write_text(json.dumps({"models": {name: {"windows": [*world.windows], **world.keys}}}), encoding="utf-8")
    cuts = (plain, ["--window", world.windows[0], *plain], ["--config", str(config), "--model", name])
    return {
        files: _of_file([str(data), *options, *more], files, folder) for files, more in zip(FILES, cuts, strict=True)
    }


def _of_file(arguments: Sequence[str], files: str, folder: Path) -> list[Statement]:
    page = folder / "evaluation.html"
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--html", str(page)])
    assert result.exit_code == 0, result.stderr
    surfaces = Surfaces(TestClient(lambda *_: None), "")  # type: ignore[arg-type] # it only reads what it is given
    surfaces.read_verdict(f"{files}, JSON", NOW, json.loads(result.stdout)["verdict"])
    surfaces.read_answer(page.read_text(encoding="utf-8"), f"{files}, page", NOW)
    return surfaces.statements
