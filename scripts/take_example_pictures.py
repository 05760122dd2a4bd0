"""Take the picture of each example's README: of the page that its play.py names as PICTURE, after it has run.

    .venv/bin/python scripts/take_example_pictures.py [NUMBER ...]

Needs Chromium, and pngquant for small files.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys

from driftline_processor.demo.examples import example_folders
from take_screenshots import Picture, open_browser, take_page


def main(words: list[str]) -> int:
    """Run the examples, all without words, and take their pictures."""
    folders = example_folders()
    with open_browser() as browser:
        for number in map(int, words) if words else folders:
            folder = folders[number]
            (path,) = re.findall(r'^PICTURE = "(.+)"$', (folder / "play.py").read_text(encoding="utf-8"), re.MULTILINE)
            command = [sys.executable, "-m", "driftline_processor", "demo", str(number), "--keep"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
                assert running.stdout is not None
                served = next((line for line in running.stdout if line.startswith("The pages are at ")), None)
                if served is None:
                    return 1
                take_page(browser, folder / "result.png", f"{served.split()[4]}{path}", Picture(path))
                running.send_signal(signal.SIGTERM)  # a job in the background does not hear SIGINT
                running.stdout.read()
            print(folder / "result.png", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
