"""Write the table of docs/reference/settings.md from the list of variables in sdk/driftline/settings.py.

python scripts/generate_settings.py            write the page
python scripts/generate_settings.py --check    exit 1 where it differs
"""

from __future__ import annotations

import sys
from pathlib import Path

from driftline.settings import SETTINGS, Setting

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "settings.md"
HEAD = "| variable | in code | default | meaning |\n|---|---|---|---|\n"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    before = PAGE.read_text(encoding="utf-8")
    start = before.index(HEAD) + len(HEAD)
    end = before.index("\n\n", start)
    after = before[:start] + "\n".join(map(row, SETTINGS)) + before[end:]
    if after == before:
        return 0
    if "--check" in arguments:
        print("docs/reference/settings.md is not what settings.py says; run: python scripts/generate_settings.py")
        return 1
    PAGE.write_text(after, encoding="utf-8")
    print("wrote docs/reference/settings.md")
    return 0


def row(setting: Setting) -> str:
    """Return the line of the table that shows a setting."""
    default = f"`{setting.default}`" if setting.default else ""
    argument = f"`{setting.argument}`" if setting.argument else ""
    return f"| `{setting.variable}` | {argument} | {default} | {setting.meaning} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
