"""Write docs/reference/cli.md from the commands themselves: each with its arguments, options and defaults.

python -m scripts.generate_cli            write the page
python -m scripts.generate_cli --check    exit 1 where it differs
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import typer
from driftline_processor.cli.commands import app

from scripts.generated import ROOT, write_or_check

PAGE = ROOT / "docs" / "reference" / "cli.md"
HEAD = """# Command line

<!-- Generated from the commands by scripts/generate_cli.py (make semconv); do not edit. -->

This page lists every command of `driftline` with its options. `driftline COMMAND --help` shows the same text. After bad
input, a command prints one sentence on stderr and ends with exit code 2.
"""


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = "\n".join([HEAD, *sections(typer.main.get_command(app), "driftline", None)])
    return write_or_check({PAGE: page}, "is not what the commands say", __file__, arguments)


def sections(command: Any, path: str, parent: Any) -> Iterator[str]:
    """Yield the section of a command, or those of the commands in its group. ``parent``: click's context."""
    context = typer.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    children = {name: command.get_command(context, name) for name in names}
    if not children:
        usage = " ".join([path, *command.collect_usage_pieces(context)])
        yield f"## `{path}`\n\n{command.help}\n\n```text\n{usage}\n```\n"
        rows = [row(*record) for record in records(command, context)]
        yield "\n".join(["| option | default | meaning |", "|---|---|---|", *rows, ""])
    for name in sorted(children):
        yield from sections(children[name], f"{path} {name}", context)


def records(command: Any, context: Any) -> Iterator[tuple[str, str]]:
    """Yield how each argument and option is written, and its help."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            yield record


def row(written: str, meaning: str) -> str:
    """Return the line of the table that shows an option.

    >>> row("--url URL", "A running processor.  [default: http://127.0.0.1:8780]")
    '| `--url URL` | `http://127.0.0.1:8780` | A running processor. |'
    """
    meaning, _, rest = meaning.partition("  [")
    default = re.sub(r"[;\]].*", "", rest)
    shown = (
        f"`{default.removeprefix('default: ')}`"
        if default.startswith("default: ")
        else default * (default == "required")
    )
    written = re.sub(r" <[^>]*>$", "", written)
    cells = (f"`{written}`", shown, meaning)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
