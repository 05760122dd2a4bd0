"""The pages of the runbooks, and that what they say is there."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import typer
from driftline_processor.cli.commands import app
from driftline_processor.present.runbooks import RUNBOOKS
from driftline_processor.web.pages.runbooks import runbook_text
from starlette.testclient import TestClient
from typer.core import TyperGroup
from typer.main import get_command

from tests.support.fake_view import FakeView
from tests.support.html_page import page
from tests.support.paths import ROOT

Browse = Callable[[FakeView], TestClient]

PARTS = [
    "How do I recognise it?",
    "What do I do in the first five minutes?",
    "How do I confirm it?",
    "How do I fix it?",
    "What do I do afterwards?",
]


@pytest.mark.parametrize("name", RUNBOOKS)
def test_a_runbook_is_a_page_of_five_parts(browse: Browse, name: str) -> None:
    html = browse(FakeView([])).get(f"/runbooks/{name}").text
    assert f"<h1>{RUNBOOKS[name]}</h1>" in html
    assert re.findall(r"<h2>(.*?)</h2>", html) == PARTS


@pytest.mark.parametrize("name", RUNBOOKS)
def test_the_copy_of_the_package_is_the_page_of_the_documentation(name: str) -> None:
    assert runbook_text(name) == (ROOT / "docs" / "runbooks" / f"{name}.md").read_text(encoding="utf-8")
    assert runbook_text(name).startswith(f"# {RUNBOOKS[name]}\n")


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_command_of_a_runbook_is_there(name: str) -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    context = typer.Context(group)
    written = re.findall(r"`driftline ([a-z]+)(?: ([a-z]+))?", runbook_text(name))
    assert len(written) >= 4
    for command, part in written:
        found = group.get_command(context, command)
        assert found is not None, command
        assert not isinstance(found, TyperGroup) or part in found.commands, f"{command} {part}"


def test_the_list_leads_to_each(browse: Browse) -> None:
    found = page(browse(FakeView([])), "/runbooks")
    assert [link for link in found.links if link.startswith("/runbooks/")] == [f"/runbooks/{name}" for name in RUNBOOKS]


def test_another_name_is_answered_with_the_nearest(browse: Browse) -> None:
    answer = browse(FakeView([])).get("/runbooks/unit-chnage?format=json")
    assert answer.status_code == 404
    assert "did you mean 'unit-change' or 'concept-change'?" in answer.text


@pytest.mark.parametrize("name", ["..%2f..%2fapp.py", "%00", "<script>alert(1)</script>"])
def test_no_other_file_is_read(browse: Browse, name: str) -> None:
    answer = browse(FakeView([])).get(f"/runbooks/{name}")
    assert answer.status_code == 404
    assert "<script>alert" not in answer.text
