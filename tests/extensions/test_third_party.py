"""A distribution of somebody else adds kinds and commands by entry points: that of docs/monitor/extend.md."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from driftline_processor.cli.commands import app
from driftline_processor.config import kinds
from driftline_processor.config.schema import ConfigError, load
from driftline_processor.demo.peers.recorder import Asked, service
from driftline_processor.policy.action import ActionChannel
from typer.testing import CliRunner

from tests.support.ordered_actions import ALERT, FACTS, order
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/monitor/extend.md").read_text(encoding="utf-8")
BLOCKS = {match[2]: match[1] for match in re.finditer(r"```\w+\n(# (\S+)[^\n]*\n.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the distribution of the page, and one whose module is broken."""
    groups = re.findall(r"\[project\.entry-points\.(\w+)\]\n((?:\S.*\n)+)", BLOCKS["pyproject.toml"])
    broken = {"driftline_commands": "broken = our_broken:app\n", "driftline_actions": "broken = our_broken:Action\n"}
    lines = [f"[{group}]\n{entries.replace(chr(34), '')}{broken.get(group, '')}" for group, entries in groups]
    folder = tmp_path / "our_driftline-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: our-driftline\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "our_driftline.py").write_text(BLOCKS["our_driftline.py"])
    (tmp_path / "our_broken.py").write_text("raise RuntimeError('out of order')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    kinds.installed.cache_clear()
    yield tmp_path
    kinds.installed.cache_clear()
    sys.modules.pop("our_driftline", None)


def test_an_action_of_another_distribution_is_carried_out_once(installed: Path) -> None:
    incidents: dict[str, Any] = {}

    def answers(asked: Asked) -> tuple[int, Any]:
        assert asked.headers["authorization"] == "Bearer secret-7"
        if asked.method == "POST":
            incidents[asked.json["id"]] = asked.json
            return 200, asked.json
        return (200, {}) if asked.path.rpartition("incidents/")[2] in incidents else (404, {})

    file = installed / "driftline.yaml"
    with service(answers) as there:
        file.write_text(f"actions: {{pagertree/a: {{url: '{there.url}', token: secret-7}}}}\n")
        results = [ActionChannel(load(file).actions["pagertree/a"]).send(order("pagertree")) for _ in range(2)]
    assert [one.result for one in results] == ["delivered", "delivered"]
    assert incidents == {f"{ALERT}-pagertree": {"id": f"{ALERT}-pagertree", "title": FACTS["title"]}}


def test_the_keys_of_another_distribution_are_checked(installed: Path) -> None:
    file = installed / "driftline.yaml"
    file.write_text("actions: {pagertree/a: {tokn: x}, pagertre/a: {}, broken/a: {}}\n")
    with pytest.raises(ConfigError) as raised:
        load(file)
    problems = str(raised.value)
    assert "actions.pagertree/a.tokn" in problems
    assert "'pagertree'" in problems
    assert "out of order" in problems


def test_a_command_of_another_distribution_is_a_command(installed: Path) -> None:
    assert installed.exists()
    assert CliRunner().invoke(app, ["hello"]).output == "hello\n"
    listed = CliRunner().invoke(app, ["--help"])
    assert {"hello", "drill", "expectations"} <= {*listed.output.split()}
    assert "out of order" in listed.output
