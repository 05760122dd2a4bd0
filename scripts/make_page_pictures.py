"""Write the small pictures of the pages that tests/processor/web/test_pictures.py compares with.

    .venv/bin/python scripts/make_page_pictures.py [NAME ...]

Needs Chromium. Look at the pictures before they are committed: what they show is what tests will ask for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support import page_pictures
from tests.support.browser import CHROMIUM


def main(names: list[str]) -> int:
    """Write all pictures, or those that are named."""
    unknown = [name for name in names if name not in page_pictures.SCENES]
    if unknown or not CHROMIUM:
        sys.exit(f"no picture is called {', '.join(unknown)}" if unknown else "no Chromium is installed")
    with page_pictures.serve_scenes() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for name in names or page_pictures.SCENES:
            with page_pictures.open_scene(browser, address, page_pictures.SCENES[name]) as page:
                page_pictures.write_picture(name, page_pictures.take_picture(page))
            print(page_pictures.PICTURES / f"{name}.png", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
