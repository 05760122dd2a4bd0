"""The pages in a real browser: no error on the console, and a page that refreshes itself."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from driftline_processor.runtime.health import Health
from driftline_processor.web.app import create_app

from .conftest import accept
from .fake_view import NOW, FakeView, many
from .serve import serve

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed; install the package chromium")


@pytest.fixture
def served() -> Iterator[tuple[FakeView, str]]:
    """Pages of a view that the test may change, on a port of the system's choice."""
    view = many()
    with serve(create_app(view, accept, Health(), lambda: NOW)) as url:
        yield view, url


def rendered(address: str, profile: Path, milliseconds: int = 2000) -> tuple[str, str]:
    """Return the document after so much of the page's own (virtual) time, and what the console said."""
    command = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
        *(f"--user-data-dir={profile}", "--enable-logging=stderr", "--v=0"),
        *(f"--virtual-time-budget={milliseconds}", "--dump-dom", address),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.parametrize("path", ["/", "/models/flights?window=1d", "/models/fraud"])
def test_a_page_renders_without_an_error(served: tuple[FakeView, str], tmp_path: Path, path: str) -> None:
    document, console = rendered(served[1] + path, tmp_path)
    assert console == ""
    assert '<span id="live" class="live">live</span>' in document
    assert "</svg>" in document


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
