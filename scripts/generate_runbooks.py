"""Copy docs/runbooks into the package, from which the pages of a processor show them.

python -m scripts.generate_runbooks            write the copies
python -m scripts.generate_runbooks --check    exit 1 where one differs
"""

from __future__ import annotations

import sys

from driftline_processor.present.runbooks import RUNBOOKS
from driftline_processor.web.pages.runbooks import FOLDER

from scripts.generated import ROOT, write_or_check

SOURCE = ROOT / "docs" / "runbooks"


def main(arguments: list[str]) -> int:
    """Write or check the copies; return the exit code."""
    copies = {FOLDER / f"{name}.md": (SOURCE / f"{name}.md").read_text(encoding="utf-8") for name in RUNBOOKS}
    return write_or_check(copies, "differs from docs/runbooks", __file__, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
