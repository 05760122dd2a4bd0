"""Small grey pictures of the pages, the same on every machine: a font of their own, a fixed clock, a fixed view.

Every letter is a box of the same width, so no installed font moves a line. ``scripts/make_page_pictures.py`` writes
those that tests compare with.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from driftline.tables.table import F64
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.support.fake_rows import fake_rows
from tests.support.fake_view import NOW, app_of, many
from tests.support.paths import GOLDEN_FILES
from tests.support.policy_watch import watched_fleet
from tests.support.serve import serve

PICTURES = GOLDEN_FILES / "pages"

WIDTH = 160
"""Pixels of a picture from left to right."""

BLOCK = 8
"""Pixels of the side of a block; two pictures differ as much as their worst block does."""

TOLERANCE = 10.0
"""Mean difference of a block, in levels of 256, from which on pictures differ; tests that break pages measure it."""


class Scene(NamedTuple):
    """A page to take a picture of: path, size of its window in CSS pixels, and whether its reader asks for dark."""

    path: str
    width: int = 1280
    height: int = 1280
    dark: bool = False


_JULY = "window=1mo&at=2013-07-04"
SCENES = {
    "home": Scene("/", height=640),
    "overview": Scene("/models/flights", height=720),
    "overview-days-dark": Scene("/models/flights?window=1d", height=720, dark=True),
    "overview-phone": Scene("/models/flights", 390, 1200),
    "performance": Scene(f"/models/flights/performance?{_JULY}"),
    "drift": Scene(f"/models/flights/drift?{_JULY}"),
    "drift-dark": Scene(f"/models/flights/drift?{_JULY}", dark=True),
    "drift-phone": Scene(f"/models/flights/drift?{_JULY}", 390, 1600),
    "feature": Scene(f"/models/flights/features/temp?{_JULY}"),
    "incidents": Scene("/incidents", height=640),
    "report": Scene(f"/models/flights/report?{_JULY}", height=2400),
}
"""Name of the file without .png → the page."""


@contextmanager
def serve_scenes() -> Iterator[str]:
    """Serve the pages that pictures are taken of, within a ``with`` block; yields their address."""
    view = many()
    with TemporaryDirectory() as folder, watched_fleet(Path(folder), view.known) as alerts:
        view.alerts = alerts
        app = app_of(view, rows=fake_rows())
        with serve(app) as address:
            yield address


@contextmanager
def open_scene(browser: Browser, address: str, scene: Scene) -> Iterator[Page]:
    """Open the page of a scene within a ``with`` block, with the clock and the font of pictures."""
    size = {"width": scene.width, "height": scene.height}
    context = browser.new_context(
        viewport=size,  # type: ignore[arg-type]
        color_scheme="dark" if scene.dark else "light",
        bypass_csp=True,
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        page.clock.set_fixed_time(NOW / 10**9)
        page.goto(address + scene.path, wait_until="load")
        page.add_style_tag(content=_style())
        page.evaluate("() => document.fonts.load('16px boxes').then(() => document.fonts.ready)")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        yield page
    finally:
        context.close()


def take_picture(page: Page) -> F64:
    """Return what a window shows as levels of grey: float64 (height, width), 0 black to 255."""
    with Image.open(BytesIO(page.screenshot(animations="disabled", caret="hide"))) as shot:
        height = round(shot.height * WIDTH / shot.width)
        return np.asarray(shot.convert("L").resize((WIDTH, height), Image.Resampling.BOX), dtype=np.float64)


def read_picture(name: str) -> F64:
    """Return the picture that a scene is compared with, as :func:`take_picture` has it."""
    with Image.open(PICTURES / f"{name}.png") as picture:
        return np.asarray(picture.convert("L"), dtype=np.float64)


def write_picture(name: str, picture: F64) -> None:
    """Keep a picture of a scene, in 64 levels of grey."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    levels = (np.round(picture / 4) * 4).clip(0, 255).astype(np.uint8)
    Image.fromarray(levels).save(PICTURES / f"{name}.png", optimize=True)


def difference(one: F64, other: F64) -> float:
    """Return the mean difference of the block in which two pictures differ most, in levels of 256.

    >>> page = np.full((24, 160), 200.0)
    >>> difference(page, page), difference(page, page[:16]) > 255
    (0.0, True)
    """
    if one.shape != other.shape:
        return 256.0
    apart = np.abs(one - other)
    high, wide = (side // BLOCK * BLOCK for side in apart.shape)
    blocks = apart[:high, :wide].reshape(high // BLOCK, BLOCK, wide // BLOCK, BLOCK)
    return float(blocks.mean(axis=(1, 3)).max())


@lru_cache(maxsize=1)
def _style() -> str:
    """Return the style sheet that gives all words the font of boxes."""
    font = base64.b64encode(_font()).decode()
    return (
        f"@font-face {{ font-family: boxes; src: url(data:font/ttf;base64,{font}); }}"
        "*, *::before, *::after { font-family: boxes !important; }"
    )


def _font() -> bytes:
    """Return a font whose letters are boxes, as wide as half of their line's height; a space is empty."""
    pen = TTGlyphPen(None)
    pen.moveTo((40, 0))
    for point in ((40, 500), (480, 500), (480, 0)):
        pen.lineTo(point)
    pen.closePath()
    empty = TTGlyphPen(None).glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "space", "box"])
    builder.setupCharacterMap(
        {0x20: "space", 0xA0: "space"} | dict.fromkeys((*range(0x21, 0xA0), *range(0xA1, 0x3000)), "box")
    )
    builder.setupGlyf({".notdef": empty, "space": empty, "box": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (520, 0), "space": (300, 0), "box": (520, 40)})
    builder.setupHorizontalHeader(ascent=930, descent=-240)
    builder.setupNameTable({"familyName": "boxes", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=930, sTypoDescender=-240, usWinAscent=930, usWinDescent=240)
    builder.setupPost()
    file = BytesIO()
    builder.save(file)
    return file.getvalue()
