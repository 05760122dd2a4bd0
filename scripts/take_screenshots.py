"""Take the pictures of docs/images from a running demo: of its pages, and of what it printed.

    FORCE_COLOR=1 make demo >demo.log      # until it serves
    .venv/bin/python scripts/take_screenshots.py [--address http://127.0.0.1:8780] [--log demo.log] [NAME ...]

With ``--examples`` the names are numbers of examples: each runs, and the page that its play.py names as PICTURE is the
picture of its README. Without numbers all of them.

Needs Chromium, and pngquant for small files. A new picture is a line in :data:`PAGES`.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.request import urlopen

import driftline
from driftline_processor.demo.examples import example_folders
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
MODEL = "/models/late-flights"
JULY = "window=1mo&at=2013-07-04"
COLOURS = 64
"""Of a picture: what text and flat charts need."""

TERMINAL = 1310
"""Pixels of the width of a terminal."""


class Picture(NamedTuple):
    """A picture of a page.

    Attributes:
        address: Path and query of the page.
        width: Of the window, in CSS pixels.
        height: Of the window.
        section: Selector of the element that is taken with all that follows it; "" = the top of the page.
        dark: Whether the reader asks for dark.
    """

    address: str
    width: int = 1280
    height: int = 720
    section: str = ""
    dark: bool = False


PAGES = {
    "model-page": Picture(f"{MODEL}?{JULY}"),
    "performance": Picture(f"{MODEL}/performance?{JULY}", height=640),
    "drift": Picture(f"{MODEL}/drift?{JULY}", height=900),
}
"""File without .png → the page."""


def main(arguments: list[str]) -> int:
    """Take all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description="Take the pictures of docs/images.")
    drawn: dict[str, Callable[[Browser], None]] = {
        "notebook": take_notebook,
        "report": take_report,
        "top": lambda browser: take_top(browser, asked.address),
        "demo": lambda browser: take_terminal(browser, asked.log),
    }
    known = [*PAGES, *drawn]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all without any")
    parser.add_argument("--address", default="http://127.0.0.1:8780", help="of the running demo")
    parser.add_argument("--log", type=Path, help="what the demo printed, for the picture demo")
    parser.add_argument("--examples", action="store_true", help="take the pictures of the examples' READMEs")
    asked = parser.parse_args(arguments)
    if asked.examples:
        with open_browser() as browser:
            for number in [int(name) for name in asked.names] or example_folders():
                take_example(browser, number)
        return 0
    wanted = asked.names or [name for name in known if name != "demo" or asked.log]
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"no picture is called {', '.join(unknown)}")
    if "demo" in wanted and not asked.log:
        parser.error("the picture demo needs --log")
    with open_browser() as browser:
        for name in wanted:
            if name in drawn:
                drawn[name](browser)
            else:
                take_page(browser, IMAGES / f"{name}.png", asked.address + PAGES[name].address, PAGES[name])
            print(f"docs/images/{name}.png", flush=True)
    return 0


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Open the machine's Chromium within a ``with`` block."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        sys.exit("no Chromium is installed; install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def take_page(browser: Browser, file: Path, url: str, picture: Picture) -> None:
    """Take a page as its reader sees it into a file."""
    with urlopen(url) as answer:  # a page of an error is no picture
        assert answer.status == 200
    size = {"width": picture.width, "height": picture.height}
    page = browser.new_page(viewport=size, color_scheme="dark" if picture.dark else "light")  # type: ignore[arg-type]
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    if picture.section:
        page.evaluate("selector => document.querySelector(selector).scrollIntoView()", picture.section)
    page.screenshot(path=file)
    page.close()
    make_small(file)


def evaluate_examples() -> Any:
    """Evaluate the two files of the examples."""
    files = ROOT / "examples" / "two_files"
    named: Any = {"task": "binary", "score": "score", "actual": "late", "id": "id", "time": "time"}
    return driftline.evaluate(str(files / "lastweek.parquet"), baseline=str(files / "reference.parquet"), **named)


def take_notebook(browser: Browser) -> None:
    """Take a report in a cell of a notebook."""
    draw(browser, "notebook", evaluate_examples()._repr_html_(), 1000, 1150)


def take_report(browser: Browser) -> None:
    """Take the first screens of a report to send."""
    draw(browser, "report", evaluate_examples().to_html(), 1060, 1300)


def take_top(browser: Browser, address: str) -> None:
    """Take ``driftline top``, gone into a model."""
    with TemporaryDirectory() as folder:
        drawing = Path(folder) / "top.svg"
        subprocess.run([sys.executable, str(ROOT / "scripts" / "draw_top.py"), address, str(drawing)], check=True)
        draw_terminal(browser, "top", drawing.read_text(encoding="utf-8"))


def take_example(browser: Browser, number: int) -> None:
    """Run an example and take the picture of its README."""
    folder = example_folders()[number]
    (path,) = re.findall(r'^PICTURE = "(.+)"$', (folder / "play.py").read_text(encoding="utf-8"), re.MULTILINE)
    command = [sys.executable, "-m", "driftline_processor", "demo", str(number), "--keep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        served = next((line for line in running.stdout if line.startswith("The pages are at ")), None)
        assert served is not None, f"example {number} serves no pages"
        take_page(browser, folder / "result.png", f"{served.split()[4]}{path}", Picture(path))
        running.send_signal(signal.SIGTERM)  # a job in the background does not hear SIGINT
        running.stdout.read()
    print(folder / "result.png", flush=True)


def take_terminal(browser: Browser, log: Path) -> None:
    """Take the table and the findings that the demo printed; what is before and after tells of this machine."""
    lines = log.read_text(encoding="utf-8").splitlines()
    first = next((at for at, line in enumerate(lines) if "log loss" in line), 0)
    last = next((at for at, line in enumerate(lines) if "predictions, with every outcome" in line), len(lines))
    printed = Text.from_ansi("\n".join(lines[first:last]).rstrip())
    width = max(line.cell_len for line in printed.split())  # each line ends where the demo ended it
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True)
        console.print(printed)
    draw_terminal(browser, "demo", console.export_svg(title="make demo"))


def draw_terminal(browser: Browser, name: str, svg: str) -> None:
    """Take the drawing of a terminal, as high as it is."""
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size is not None
    draw(browser, name, svg, TERMINAL, math.ceil(TERMINAL * float(size[2]) / float(size[1])))


def draw(browser: Browser, name: str, html: str, width: int, height: int) -> None:
    """Take what is no page of the processor."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_content(f"<!doctype html><meta charset=utf-8><style>body {{ margin: 0 }}</style>{html}")
    page.screenshot(path=IMAGES / f"{name}.png")
    page.close()
    make_small(IMAGES / f"{name}.png")


def make_small(file: Path) -> None:
    """Reduce the colours of a picture, where pngquant is installed."""
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--output", str(file), str(COLOURS), str(file)], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
