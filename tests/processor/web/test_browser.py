"""The pages in a real browser: no error on the console, and a page that refreshes itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from itertools import count
from pathlib import Path

import pytest
from driftline_processor.core.evaluation import Estimate
from driftline_processor.health import Health
from driftline_processor.queries.overview import ModelView
from driftline_processor.web.app import create_app
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.fake_view import NOW, FakeView, accept, many
from tests.support.serve import serve

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed; install the package chromium")


def rendered(address: str, profile: Path, milliseconds: int = 2000) -> tuple[str, str]:
    """Return the document after so much of the page's own (virtual) time, and what the console said."""
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
        *(f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0"),
        *(f"--virtual-time-budget={milliseconds}", "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/models/flights?window=1d", "/models/fraud"])
def test_a_page_renders_without_an_error(served: tuple[FakeView, str], tmp_path: Path, path: str) -> None:
    document, console = rendered(served[1] + path, tmp_path)
    assert console == ""
    assert '<span id="live" class="live">live</span>' in document
    assert "</svg>" in document


@pytest.mark.slow
def test_an_open_page_shows_what_arrived_meanwhile(served: tuple[FakeView, str], tmp_path: Path) -> None:
    view, address = served
    everything, first = view.known, iter([True])
    # The first look finds no model, every later one all of them.
    view.models = lambda: [] if next(first, False) else everything  # type: ignore[method-assign]
    document, console = rendered(address, tmp_path, 12_000)
    assert console == ""
    assert "Waiting for the first prediction" not in document
    assert "flights" in document
    assert 'data-refreshed="' in document


READER = """
const page = document.getElementById("page");
page.style.width = "200px";
const opened = document.getElementById("estimated-values");
opened.open = true;
opened.querySelector("summary").focus();
opened.querySelector(".scroll").scrollLeft = 40;
scrollTo(0, 300);
setInterval(() => {
  document.body.dataset.reader = JSON.stringify({
    open: [...document.querySelectorAll("details")].filter((it) => it.open).map((it) => it.id),
    focus: document.activeElement.textContent.slice(0, 9),
    left: document.querySelector("#estimated-values .scroll").scrollLeft,
    top: Math.round(scrollY),
    same: document.getElementById("estimated-values") === opened,
  });
}, 500);
"""
"""What a reader does to the page, and what is left of it."""


def with_reader(app: ASGIApp) -> ASGIApp:
    """The pages, and a script that acts as their reader."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/reader.js":
            await Response(READER, media_type="text/javascript")(scope, receive, send)
            return
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        await app({**scope, "headers": plain}, receive, keep)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        body = body.replace(b"</body>", b'<script src="/reader.js" defer></script></body>')
        headers = [(name, value) for name, value in sent[0]["headers"] if name != b"content-length"]
        await send({**sent[0], "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


@pytest.mark.slow
def test_an_open_page_keeps_what_its_reader_opened_scrolled_and_focused(tmp_path: Path) -> None:
    looks = count()
    estimate = Estimate(0.9, 0.88, 0.92, 0.01, 0.87, 0.93, False, 900, "panes", "cbpe", 0.9)

    def models() -> list[ModelView]:
        known = [replace(model, rows=model.rows + next(looks)) for model in many().known]
        for evaluation in known[0].windows["1d"]:
            evaluation.estimated = {"accuracy": estimate}
        return known

    view = many()
    view.models = models  # type: ignore[method-assign]
    with serve(with_reader(create_app(view, accept, Health(), lambda: NOW))) as address:
        document, console = rendered(f"{address}/models/flights?window=1d", tmp_path, 13_000)
    assert console == ""
    refreshed = re.search(r'data-refreshed="(\d+)"', document)
    assert refreshed is not None
    assert int(refreshed[1]) >= 2
    found = re.search(r'data-reader="([^"]*)"', document)
    assert found is not None
    assert json.loads(unescape(found[1])) == {
        "open": ["realized-values", "estimated-values"],
        "focus": "Estimated",
        "left": 40,
        "top": 300,
        "same": True,
    }
