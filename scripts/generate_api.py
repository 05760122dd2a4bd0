"""Write docs/reference/api.md from the public docstrings of ``driftline`` and ``driftline.testing``.

python scripts/generate_api.py            write the page
python scripts/generate_api.py --check    exit 1 where it differs
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import driftline
import driftline.testing

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "api.md"
HEAD = """# What is in the Python API?

Generated from the docstrings by `scripts/generate_api.py` (`make semconv`); do not edit. Inputs, results and
selectors in full: [what a call records](sdk.md).
"""
CONSTRUCTED = ("Clock", "Model", "Privacy")
"""The classes that people make by hand."""

MEMBERS = {
    "Baseline": ("from_frame", "from_batches", "load", "save", "to_json", "from_json", "digest"),
    "Model": ("name", "version", "predict", "prediction", "instrument", "outcome", "outcomes"),
    "Prediction": ("id", "score", "predicted"),
    "Privacy": (),
}
"""What people use of a class; of any other, what its own body defines without an underscore."""


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    page = "\n".join([HEAD, *sections(driftline), *sections(driftline.testing)])
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page:
        return 0
    if "--check" in arguments:
        print("docs/reference/api.md is not what the docstrings say; run: python scripts/generate_api.py")
        return 1
    PAGE.write_text(page, encoding="utf-8")
    print("wrote docs/reference/api.md")
    return 0


def sections(module: ModuleType) -> Iterator[str]:
    """Yield a section for each public name of a module."""
    for name in module.__all__:
        thing = getattr(module, name)
        path = f"{module.__name__}.{name}"
        yield f"## `{path}`\n"
        if not isinstance(thing, type) or name in CONSTRUCTED:
            yield call(path, thing)
        yield text(inspect.getdoc(thing) or "")
        for member in members(thing) if isinstance(thing, type) else ():
            found = inspect.getattr_static(thing, member)
            plain = getattr(thing, member) if isinstance(found, classmethod | staticmethod) else found
            yield f"### `{name}.{member}`\n"
            if callable(plain):
                yield call(f"{name}.{member}", plain)
            yield text(inspect.getdoc(found) or "")


def members(thing: type) -> tuple[str, ...]:
    """Return the members of a class that people use and that say what they are."""
    if thing.__name__ in MEMBERS:
        return MEMBERS[thing.__name__]
    documented = (property, classmethod, staticmethod, type(members))
    return tuple(name for name, one in vars(thing).items() if not name.startswith("_") and isinstance(one, documented))


def call(path: str, thing: Any) -> str:
    """Return how it is called as a block, an argument a line where one line would be too long."""
    signature = inspect.signature(thing)
    written: list[str] = []
    for name, one in signature.parameters.items():
        if one.kind is one.KEYWORD_ONLY and not any(said.startswith("*") for said in written):
            written.append("*")
        stars = "*" * (one.kind is one.VAR_POSITIONAL) + "**" * (one.kind is one.VAR_KEYWORD)
        annotation = "" if one.annotation is one.empty else f": {one.annotation}"
        default = "" if one.default is one.empty else f" = {shown(one.default)}"
        written.append(f"{stars}{name}{annotation}{default}")
    arguments = ", ".join(said for said in written if said != "self")
    if len(arguments) > 80:
        arguments = "".join(f"\n    {said}," for said in written if said != "self") + "\n"
    returned = signature.return_annotation
    result = "" if returned in (signature.empty, "None", None) else f" -> {returned}"
    return f"```text\n{path}({arguments}){result}\n```\n"


def shown(default: object) -> str:
    """Return a default as it is written; three dots for what is nothing but a mark."""
    return "..." if type(default) is object else repr(default)


def text(docstring: str) -> str:
    """Return a docstring as Markdown: roles and double backquotes as code, examples as blocks, Args as a list.

    >>> print(text("Say it.\\n\\nArgs:\\n    id: whose, as in\\n        :class:`driftline.Model`."))
    Say it.
    <BLANKLINE>
    - `id`: whose, as in `driftline.Model`.
    <BLANKLINE>
    """
    docstring = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", docstring).replace("``", "`")
    paragraphs = []
    for paragraph in docstring.split("\n\n"):
        head, _, body = paragraph.partition("\n")
        if paragraph.startswith(">>>"):
            paragraphs.append(f"```pycon\n{paragraph}\n```")
        elif re.fullmatch(r"(Args|Attributes|Returns|Yields|Raises):", head):
            title = "" if head in ("Args:", "Attributes:") else f"{head[:-1]}: "
            paragraphs.append("\n".join(f"- {title}{entry}" for entry in entries(body)))
        else:
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs) + "\n"


def entries(body: str) -> Iterator[str]:
    """Yield the entries of a section as Google's style has them: indented, and further where a line goes on."""
    for entry in re.split(r"\n(?=    \S)", "\n" + body):
        line = " ".join(entry.split())
        if line:
            yield re.sub(r"^([\w.*]+)(?: \([^)]*\))?: ", r"`\1`: ", line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
