"""docs/instrument: what a page tells people to write, run and expect is what happens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from driftline.tables.column_codec import strings
from driftline_integrations.web.routes import Route
from driftline_processor.demo.processes import free_port

from tests.support.paths import INSTRUMENT_PAGES, INTEGRATIONS, ROOT, code_blocks, integration_section
from tests.support.receiver import Receiver, predictions_of
from tests.support.zero_code import environment_of, posted, running, wait_for

CLIENTS = {
    "fastapi": "from fastapi.testclient import TestClient\npost = TestClient(app).post\n",
    "flask": "post = app.test_client().post\n",
}
SERVERS = {
    "fastapi": ("uvicorn", "shop:app", "--port", "{port}"),
    "flask": ("flask", "--app", "shop", "run", "--port", "{port}"),
}


def request_of(page: str) -> tuple[str, dict[str, object]]:
    """Return path and body of the request that a page sends with curl."""
    path, body = re.findall(r"curl -i localhost:\d+(\S+) .*-d '(.*)'", integration_section(page))[0]
    return path, json.loads(body)


def promised_id(page: str) -> str:
    return str(re.findall(r"`x-prediction-id: (\S+)`", integration_section(page), re.IGNORECASE)[0])


@pytest.mark.slow
@pytest.mark.parametrize("page", ["fastapi", "flask"])
def test_the_five_minutes_of_a_web_page_do_what_it_says(tmp_path: Path, receiver: Receiver, page: str) -> None:
    path, body = request_of(page)
    asks = f"response = post({path!r}, json={body!r})\nprint(response.status_code, response.headers['x-prediction-id'])"
    source = "\n".join([*code_blocks(page, "python"), CLIENTS[page], asks, "driftline.shutdown()"])

    done = subprocess.run(
        [sys.executable, "-c", source],
        env=environment_of(tmp_path, receiver),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == f"200 {promised_id(page)}\n", done.stderr
    assert "could not be read" not in done.stderr
    (table,) = [table for sent in receiver.bodies for table in predictions_of(sent)]
    assert strings(table.id) == [promised_id(page)]
    assert table.scores is not None


@pytest.mark.slow
@pytest.mark.parametrize("page", ["fastapi", "flask"])
def test_the_file_of_a_web_page_does_the_same_without_code(tmp_path: Path, receiver: Receiver, page: str) -> None:
    path, body = request_of(page)
    (config,) = code_blocks(page, "toml")
    (tmp_path / "shop.py").write_text(code_blocks(page, "python")[0])
    (tmp_path / "driftline.toml").write_text(config)
    port = free_port()

    with running(tmp_path, receiver, *(word.format(port=port) for word in SERVERS[page])) as server:
        response = posted(server, port, path, body)
        wait_for(receiver, "/v1/logs")

    assert f".POST {path}: recorded a dict with keys [" in (tmp_path / "log").read_text(), (
        "how it was read is in the log"
    )
    assert response.headers["x-prediction-id"] == promised_id(page)
    (table,) = [table for sent in receiver.bodies for table in predictions_of(sent)]
    assert strings(table.id) == [promised_id(page)]


def test_every_key_of_a_route_and_every_reason_is_on_the_page() -> None:
    text = (INSTRUMENT_PAGES / "web-services.md").read_text(encoding="utf-8")
    folder = ROOT / "integrations/driftline_integrations"
    source = "".join(
        (folder / f"{name}.py").read_text(encoding="utf-8") for name in ("fastapi", "flask", "web/request_prediction")
    )
    reasons = set(re.findall(r'go_without\("(\w+)"\)', source)) - {"request_not_read"}
    reasons |= {
        f"{what}{rest}"
        for rest in re.findall(r'go_without\(f"\{what\}(\w+)"\)', source)
        for what in ("request", "response")
    }

    assert [one.name for one in fields(Route) if f"`{one.name}`" not in text] == []
    assert {reason for reason in reasons if f"`{reason}`" not in text} == set()


def test_every_integration_is_in_the_table() -> None:
    text = (INSTRUMENT_PAGES / "no-code.md").read_text(encoding="utf-8")
    linked = re.findall(r"^\| .*\n", text, re.MULTILINE)
    links = [link for row in linked for link in re.findall(r"\[([^]]+)\]\(([\w-]+)\.md[^)]*\)", row)]
    assert [
        name
        for page, heading in INTEGRATIONS.values()
        for name in re.split(", | and ", heading)
        if not any(to == page and name in re.split(", ", title) for title, to in links)
    ] == []
