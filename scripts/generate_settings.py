"""Write the table of docs/reference/settings.md from the list of variables in sdk/driftline/settings.py.

python -m scripts.generate_settings            write the page
python -m scripts.generate_settings --check    exit 1 where it differs
"""

from __future__ import annotations

import sys

from driftline.settings import SETTINGS, Setting

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "settings.md"
HEAD = "| variable | in code | default | meaning |\n|---|---|---|---|\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    before = PAGE.read_text(encoding="utf-8")
    start = before.index(HEAD) + len(HEAD)
    end = before.index("\n\n", start)
    page = before[:start] + "\n".join(map(row, SETTINGS)) + before[end:]
    return write_or_check({PAGE: page}, "is not what settings.py says", __file__, arguments)


def row(setting: Setting) -> str:
    """Return the line of the table that shows a setting."""
    default = f"`{setting.default}`" if setting.default else ""
    argument = f"`{setting.argument}`" if setting.argument else ""
    return f"| `{setting.variable}` | {argument} | {default} | {setting.meaning} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
