"""Copy docs/runbooks into the package, from which the pages of a processor show them.

python scripts/generate_runbooks.py            write the copies
python scripts/generate_runbooks.py --check    exit 1 where one differs
"""

from __future__ import annotations

import sys
from pathlib import Path

from driftline_processor.present.runbooks import RUNBOOKS
from driftline_processor.web.pages.runbooks import FOLDER

SOURCE = Path(__file__).resolve().parents[1] / "docs" / "runbooks"


def main(arguments: list[str]) -> int:
    """Write or check the copies; return the exit code."""
    differing = [
        name
        for name in RUNBOOKS
        if not (FOLDER / f"{name}.md").exists()
        or (FOLDER / f"{name}.md").read_bytes() != (SOURCE / f"{name}.md").read_bytes()
    ]
    if differing and "--check" in arguments:
        print(f"copies of docs/runbooks differ ({', '.join(differing)}); run: python scripts/generate_runbooks.py")
        return 1
    FOLDER.mkdir(exist_ok=True)
    for name in differing:
        (FOLDER / f"{name}.md").write_bytes((SOURCE / f"{name}.md").read_bytes())
        print(f"wrote the copy of docs/runbooks/{name}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
