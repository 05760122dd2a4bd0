"""Write the options of `driftline.evaluate`, its signature and their descriptions, from the class of options.

python -m scripts.generate_options            write sdk/driftline/evaluation.py
python -m scripts.generate_options --check    exit 1 if it differs
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from driftline_processor.evaluation.files.evaluate_options import EvaluationOptions
from driftline_processor.readers.column_options import OptionField, options_of

from scripts.generated import ROOT, write_or_check

MODULE = ROOT / "sdk" / "driftline" / "evaluation.py"
SIGNATURE = re.compile(r"(?<=    # Options: make semconv\n).*?(?=    # End of options\n)", re.DOTALL)
DESCRIPTIONS = re.compile(
    r"(?<=            and optionally ``time`` and ``weight``.\n).*?(?=        progress: )", re.DOTALL
)


def main(arguments: list[str]) -> int:
    """Write or check the module; return the exit code."""
    module = with_options(MODULE.read_text(encoding="utf-8"), options_of(EvaluationOptions).values())
    return write_or_check({MODULE: module}, "does not have the options", __file__, arguments)


def with_options(source: str, options: Iterable[OptionField]) -> str:
    """Return the source of the module with the signature and the descriptions of options."""
    described = tuple(options)
    signature = "".join(f"    {field.name}: {annotation(field)} = {default(field)},\n" for field in described)
    descriptions = "".join(map(description, described))
    return DESCRIPTIONS.sub(lambda _: descriptions, SIGNATURE.sub(lambda _: signature, source))


def annotation(field: OptionField) -> str:
    """Return the type of an argument, as a call may write it."""
    if field.option.values:
        return "Sequence[object]" if field.listed else "object"
    if field.listed:
        return "Names"
    if Path in get_args(field.kind):
        return "str | PathLike[str] | None"
    return str(getattr(field.kind, "__name__", field.kind)) if isinstance(field.kind, type) else str(field.kind)


def default(field: OptionField) -> str:
    """Return the default of an argument, as the module writes it."""
    return '""' if field.default == "" else repr(field.default)


def description(field: OptionField) -> str:
    """Return an option in the section of arguments of a docstring."""
    text = f"{field.name}: {field.option.help}."
    return "\n".join(textwrap.wrap(text, 120, initial_indent=" " * 8, subsequent_indent=" " * 12)) + "\n"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
