"""Draw `driftline top`, gone into its first model, as SVG: for the pictures of the docs.

python scripts/draw_top.py ADDRESS FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
from driftline_processor.cli.connection import Connection
from driftline_processor.terminal.api_tables import fetch_models
from driftline_processor.terminal.top_application import ModelScreen, TopApplication

SIZE = (128, 40)
"""Characters and lines of the picture."""

USUAL = "http://127.0.0.1:8780"
"""The address in the picture, wherever the processor listens."""

PATIENCE = 30.0
"""Seconds in which the windows of the model must have come."""


async def draw_top(address: str) -> str:
    """Return the picture of the first model of a running processor."""
    application = TopApplication(Connection(address), fetch_models(lambda path: httpx.get(address + path)))
    application.url = USUAL
    async with application.run_test(size=SIZE) as pilot, asyncio.timeout(PATIENCE):
        await pilot.press("enter")
        while not (isinstance(application.screen, ModelScreen) and application.screen.is_complete):
            await pilot.pause(0.1)
        await pilot.pause()
        return application.export_screenshot(title="driftline top")


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(asyncio.run(draw_top(sys.argv[1])), encoding="utf-8")
