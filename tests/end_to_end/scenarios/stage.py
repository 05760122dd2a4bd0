"""What every scenario needs: the blocks of its section of docs/start/scenarios.md, a processor on real
ports, the same rows in files; and the one comparison, number by number, of what is said live and of files.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import driftline
import httpx
import pytest
import yaml
from driftline.testing import Clock, deterministic
from driftline_processor.cli.commands import app
from driftline_processor.config.schema import load
from driftline_processor.service import Service
from typer.testing import CliRunner, Result

from tests.support.paths import ROOT

PAGE = ROOT / "docs/start/scenarios.md"
PATIENCE = 120.0
"""Seconds until windows that are not there are a failure; a machine under load is slow, not wrong."""

TOLERANCE = 1e-9
ANYWHERE = {"endpoint": "127.0.0.1:0"}
Windows = list[dict[str, Any]]


class Section:
    """One scenario of the page: what its user writes (``python``, ``yaml``) and starts (``commands``)."""

    def __init__(self, number: int) -> None:
        text = PAGE.read_text(encoding="utf-8")
        (own,) = re.findall(rf"^## {number}\. .*?(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        self.python: list[str] = re.findall(r"```python\n(.*?)```", own, re.DOTALL)
        self.yaml: list[str] = re.findall(r"```yaml\n(.*?)```", own, re.DOTALL)
        lines = "".join(re.findall(r"```bash\n(.*?)```", own, re.DOTALL)).replace("\\\n", " ").splitlines()
        self.commands = [shlex.split(line)[1:] for line in lines if line.startswith("driftline ")]

    def run(self, block: int, names: dict[str, Any]) -> dict[str, Any]:
        """Run a block of Python as a script would, with what the blocks before it made."""
        exec(compile(self.python[block], f"{PAGE.name}, block {block}", "exec"), names)
        return names


def command(*arguments: str) -> Result:
    """Run ``driftline`` with these arguments."""
    return CliRunner().invoke(app, list(arguments))


def evaluated(*arguments: str) -> Windows:
    """Return the windows of ``driftline evaluate ... --json``."""
    found = command(*arguments, "--json")
    assert found.exit_code == 0, found.stderr
    windows: Windows = json.loads(found.stdout)["windows"]
    return windows


class Live:
    """A running processor, and a service in this process that reports to it, in a time that stands still."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self.clock = clock
        self.web, self.otlp = (f"http://{service.addresses[part]}" for part in ("web", "http"))

    def windows(self, model: str, rows: list[int], window: str = "1d") -> Windows:
        """Send what waits, let a day pass, and return the model's windows as soon as they have these rows."""
        assert driftline.flush()
        self.clock.advance(days=1)
        url, deadline = f"{self.web}/api/v1/models/{model}/evaluations", time.monotonic() + PATIENCE
        while True:
            answer = httpx.get(url, params={"window": window}, trust_env=False)
            found: Windows = answer.json()["windows"] if answer.status_code == 200 else []
            if [one["rows"] for one in found if one["closed"]] == rows:
                return found
            if time.monotonic() > deadline:
                pytest.fail(f"after {PATIENCE:.0f} s: {[(one['rows'], one['closed']) for one in found]}, not {rows}")
            time.sleep(0.2)

    def metrics(self) -> str:
        """Return the page that Prometheus scrapes."""
        return httpx.get(f"{self.web}/metrics", trust_env=False).text


@contextmanager
def live(folder: Path, configuration: str, start: datetime) -> Iterator[Live]:
    """Run ``driftline up`` on free ports, with a block of YAML; what this process records goes there.

    The processor and Driftline's part of the service see one clock, which stands at ``start`` until it is moved.
    """
    path = folder / "driftline.yaml"
    receivers = {"otlp": {"protocols": {"grpc": ANYWHERE, "http": ANYWHERE}}}
    said = yaml.safe_load(configuration)
    path.write_text(yaml.safe_dump({**said, "receivers": receivers, "web": ANYWHERE}), encoding="utf-8")
    clock = Clock(start)
    service = Service(load(path), clock.nanoseconds)
    service.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{service.addresses['http']}")
            with deterministic(clock):
                yield Live(service, clock)
                driftline.shutdown()
    finally:
        service.stop()


def same(one: object, other: object, where: str = "", bounded: Mapping[str, float] | None = None) -> list[str]:
    """Return where two documents differ: numbers by more than 1e-9 of their size, everything else at all.

    Left out are how calls were answered, which only the service knows, and verdicts that nobody asked for.

    ``bounded``: how far metrics may lie apart, by name, that panes know up to a bound: then the source of a metric is
    not compared, nor what an objective says of one of these.

    >>> same({"a": [1.0, "x"]}, {"a": [1.0 + 1e-8, "x"]})
    ['.a.0: 1.0 and 1.00000001']
    """
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return [f"{where}: keys {sorted(one)} and {sorted(other)}"]
        left_out = {"service", "service_slices"} | (set() if bounded is None else {"source"})
        if None in (one.get("verdict", ""), other.get("verdict", "")):
            left_out.add("verdict")
        if bounded is not None and ".changes." in where:
            left_out.add("p_value")  # corrected over all metrics, those with a bound among them
        if bounded is not None and one.get("metric") in bounded:
            where, left_out = f"{where}.{one['metric']}", {"source", "sentence", "needed"}
        keys = [key for key in one if key not in left_out]
        return [told for key in keys for told in same(one[key], other[key], f"{where}.{key}", bounded)]
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return [f"{where}: {len(one)} and {len(other)}"]
        pairs = enumerate(zip(one, other, strict=True))
        return [told for at, both in pairs for told in same(*both, f"{where}.{at}", bounded)]
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other))
    near = next((bound for name, bound in (bounded or {}).items() if f".{name}." in where), TOLERANCE)
    if numbers and math.isclose(one, other, rel_tol=near, abs_tol=near):  # type: ignore[arg-type]
        return []
    return [] if one == other else [f"{where}: {one!r} and {other!r}"]


def states(windows: Windows) -> list[dict[str, str]]:
    """Return the state of every feature, and of the score, of each window."""
    return [
        {name: column["state"] for name, column in {**one["drift"]["features"], "score": one["drift"]["score"]}.items()}
        for one in windows
    ]


def drifted(windows: Windows) -> list[list[str]]:
    """Return what drifts in each window, in the order of the names."""
    return [sorted(name for name, state in one.items() if state == "drift") for one in states(windows)]


def days(start: datetime, count: int) -> list[datetime]:
    """Return the first moments of so many days."""
    return [start + timedelta(days=day) for day in range(count)]
