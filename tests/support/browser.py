"""Pages in a real Chromium: opened at a size, light or dark, and closed with a look at what the console said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)
"""The browser of the machine, "" where there is none."""

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed; install the package chromium")
"""Marks tests that are skipped where there is no browser."""


class OpenPage(Protocol):
    """Opens the page at an address, in a window of so many CSS pixels."""

    def __call__(self, url: str, width: int = 1440, height: int = 900, dark: bool = False) -> Page:
        """Return the page once it has loaded."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return one browser for all tests of a module."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


PATIENCE = 240_000.0
"""Milliseconds for which a browser of a busy machine is waited for."""

SERVER_GONE = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_CONNECTION_CLOSED", "ERR_EMPTY_RESPONSE")
"""What Chromium says of a request that nobody was there to answer."""

expect.set_options(timeout=PATIENCE)


@contextmanager
def opened_pages(chromium: Browser) -> Iterator[OpenPage]:
    """Open pages until the block ends, which fails where a console told of an error or of a broken policy.

    A page that outlives its server asks again and finds nobody, of which its console tells: that is no fault of it.
    """
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(gone in message.text for gone in SERVER_GONE):
            faults.append(f"{message.page.url if message.page else ''}: {message.text}")

    with ExitStack() as opened:

        def open_page(url: str, width: int = 1440, height: int = 900, dark: bool = False) -> Page:
            context = chromium.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            context.set_default_timeout(PATIENCE)
            opened.callback(context.close)
            page = context.new_page()
            page.on("console", note)
            page.on("pageerror", lambda error: faults.append(f"{url}: {error}"))
            page.goto(url, wait_until="load")
            return page

        yield open_page
    assert not faults, "\n".join(faults)


@pytest.fixture
def page_at(chromium: Browser) -> Iterator[OpenPage]:
    """Open pages that end with the test."""
    with opened_pages(chromium) as open_page:
        yield open_page
